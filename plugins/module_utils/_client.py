# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The API's calls: sign, pace, send, classify what came back; repeat reads, and page through lists.

It knows no action by name. Source: API guide chapter 1 (signature, forms, answers).
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit

from ansible_collections.ucloudstack.cloud.plugins.module_utils._answers import (
    SURROGATE,
    Answer,
    excerpt,
    page_of,
    parsed,
    printable,
    request_id,
)
from ansible_collections.ucloudstack.cloud.plugins.module_utils._clock import Clock, Deadline, growing
from ansible_collections.ucloudstack.cloud.plugins.module_utils._errors import (
    FatalError,
    GatewayError,
    NotFoundError,
    NotSentError,
    RefusedError,
    TooFrequentError,
    UCloudStackError,
    UnknownOutcomeError,
    refusal,
)
from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import whole_number
from ansible_collections.ucloudstack.cloud.plugins.module_utils._transport import Config, Transport

PAGE = 100
"""Most entries an answer may hold (API guide 5.2)."""
MOST_ENTRIES = 100_000
"""Most entries of a list, all its pages together: one that claims more is not a list, or cannot be held."""
READ_ATTEMPTS = 5
LISTING_ATTEMPTS = 3
REQUEST_ID_HEADER = "X-UCLOUD-REQUEST-UUID"
"""From which the vendor's SDKs of 2026 read a request's id."""

Params = Mapping[str, Any]


class UnsettledListingError(UCloudStackError):
    """A list changed every time while its pages were read, so that nothing can be said of what is not in it."""


def flatten(params: Params) -> dict[str, str]:
    """Parameters as the API writes them: lists as ``Name.0``, ``Name.1``; numbers in decimal; booleans true/false; no None."""
    flat: dict[str, str] = {}
    for key, value in params.items():
        if isinstance(value, (list, tuple)):
            flat.update(flatten({f"{key}.{index}": item for index, item in enumerate(value)}))
        elif isinstance(value, bool):
            flat[key] = "true" if value else "false"
        elif value is not None:
            flat[key] = str(value)
    return flat


def signature(flat: Mapping[str, str], private_key: str) -> str:
    """Lower-case hex SHA-1 over all parameters sorted by name, name and value unescaped, then the private key (API guide 1)."""
    text = "".join(key + flat[key] for key in sorted(flat, key=str.encode)) + private_key
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class Pace:
    """How fast all threads together may send.

    Nothing is held back until the API says that calls come too often; then the gap between two calls doubles, and shrinks
    again with every call that goes through. Only calls made at the present pace tell whether it is right: those that were
    under way, or in the queue, when it was last cut would cut it once each.
    """

    FIRST, MOST = 0.1, 10.0

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._gap = 0.0
        self._next = 0.0
        self._cuts = 0

    def wait(self, longest: float) -> int:
        """Sleep until this call's turn; returns what tells :meth:`slower` and :meth:`faster` at which pace it was made.

        Raises TooFrequentError, at once, when that would take longer than ``longest`` seconds.
        """
        with self._lock:
            now = self._clock.now()
            turn = max(now, self._next)
            if turn - now > longest:
                raise TooFrequentError("the API asks for fewer calls, and time would be up before it is this call's turn.")
            self._next = turn + self._gap
            pace = self._cuts
        if turn > now:
            self._clock.sleep(turn - now)
        return pace

    def slower(self, pace: int) -> None:
        """A call came too often."""
        with self._lock:
            if pace == self._cuts:
                self._cuts += 1
                self._gap = min(max(self.FIRST, self._gap * 2), self.MOST)
                self._next = max(self._next, self._clock.now() + self._gap)

    def faster(self, pace: int) -> None:
        """A call went through."""
        with self._lock:
            if pace == self._cuts:
                self._gap = self._gap * 0.9 if self._gap > self.FIRST / 4 else 0.0


class Client:
    """One session for all threads of a task. ``calls`` counts the requests by action, those without an answer too."""

    def __init__(self, config: Config, clock: Clock | None = None) -> None:
        """Raises EndpointError when the URL, or the CA file or folder, cannot be used."""
        self.config = config
        self.clock = clock or Clock()
        self.calls: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._pace = Pace(self.clock)
        self._transport = Transport(config)

    def call(self, action: str, params: Params, deadline: Deadline | None = None) -> Answer:
        """Send once. Returns the answer with RetCode 0; raises what :mod:`_errors` says, the branch telling whether to repeat.

        A call whose turn would come only after the deadline, because the API wants fewer calls, is not sent: TooFrequentError.
        """
        pace = self._pace.wait(deadline.left if deadline else float("inf"))
        with self._lock:
            self.calls[action] += 1
        try:
            answer = self._exchange(action, params)
        except TooFrequentError:
            self._pace.slower(pace)
            raise
        self._pace.faster(pace)
        return answer

    def read(self, action: str, params: Params, deadline: Deadline) -> Answer:
        """Send, and repeat with growing pauses what failed for a reason that may pass; too frequent calls until the deadline."""
        attempts = 0
        for pause in growing(0.5, 2, 8):
            try:
                return self.call(action, params, deadline)
            except TooFrequentError:
                if not deadline.left:
                    raise
            except (NotSentError, RefusedError, UnknownOutcomeError):
                attempts += 1
                if attempts == READ_ATTEMPTS or not deadline.left:
                    raise
            deadline.pause(pause)
        raise AssertionError("growing() does not end")

    def listing(
        self, action: str, params: Params, key: str, deadline: Deadline, most_pages: int | None = None
    ) -> list[dict[str, Any]] | None:
        """All entries of a list, each with its ``key``; None when that would take more than ``most_pages`` after the first.

        Each page begins with the last entry of the one before. Where that overlap or the total moved, the list changed
        meanwhile and is read again. Raises UnsettledListingError when it never stood still, else what :meth:`read` raises.
        """
        last_moment = self.clock.now() + self.config.request_timeout  # a look that begins at the deadline may still become one
        for attempt in range(LISTING_ATTEMPTS):
            if attempt:
                deadline.pause(0.5 * attempt)
            total, entries = self._page(action, params, 0, deadline)
            first_page = len(entries)
            if most_pages is not None and total - first_page > most_pages * max(first_page - 1, 0):
                return None
            if total > MOST_ENTRIES:
                raise FatalError(f"{action}: the list has {total} entries, and {MOST_ENTRIES} can be read: ask for fewer, by their ids.")
            while 1 < len(entries) < total:
                if not deadline.left and self.clock.now() > last_moment:
                    raise UnknownOutcomeError(f"{action}: time was up before all pages of the list were read.")
                offset = len(entries) - 1
                now_total, page = self._page(action, params, offset, deadline)
                if now_total != total or len(page) < 2 or page[0].get(key) != entries[-1].get(key):
                    break
                entries += page[1:]
            if len(entries) == total and len({str(entry.get(key)) for entry in entries}) == total:
                return entries
        raise UnsettledListingError(f"{action}: the list kept changing while its pages were read. Run the task again.")

    def by_ids(self, action: str, ids_name: str, ids: Sequence[str], key: str, deadline: Deadline) -> list[dict[str, Any]]:
        """The entries of these ids that exist, and no others, 100 ids a call. Raises what :meth:`listing` raises."""
        found: list[dict[str, Any]] = []
        for start in range(0, len(ids), PAGE):
            found += self._some_by_ids(action, ids_name, list(ids[start : start + PAGE]), key, deadline)
        return found

    def _some_by_ids(self, action: str, ids_name: str, ids: list[str], key: str, deadline: Deadline) -> list[dict[str, Any]]:
        try:
            found = self.listing(action, {ids_name: ids}, key, deadline) or []
        except NotFoundError:
            # No guide says whether an unknown id is left out or fails the whole call; where it fails, halves find it quickly.
            if len(ids) == 1:
                return []
            middle = len(ids) // 2
            halves = (ids[:middle], ids[middle:])
            return [entry for half in halves for entry in self._some_by_ids(action, ids_name, half, key, deadline)]
        # An API that knows no such filter lists all there are; one without an id is for others to judge.
        return [entry for entry in found if entry.get(key) in (None, "") or str(entry[key]) in ids]

    def _page(self, action: str, params: Params, offset: int, deadline: Deadline) -> tuple[int, list[dict[str, Any]]]:
        of_project = {"ProjectIDs": [self.config.project_id]} if self.config.project_id else {}
        page = page_of(self.read(action, {**params, **of_project, "Offset": offset, "Limit": PAGE}, deadline))
        if page is None:
            raise UnknownOutcomeError(f"{action}: the answer is not a list as the API guide describes it.")
        return page

    def _exchange(self, action: str, params: Params) -> Answer:
        config = self.config
        form = flatten({"Region": config.region, "Zone": config.zone or None, **params, "Action": action, "PublicKey": config.public_key})
        for name, value in {**form, "private_key": config.private_key}.items():
            if SURROGATE.search(value):
                raise FatalError(f"{action}: {name} is not text: it holds something that UTF-8 cannot write.")
        form["Signature"] = signature(form, config.private_key)
        secrets = (config.private_key, form["Signature"])
        status, headers, body = self._transport.post(action, urlencode(form).encode(), secrets)
        if 300 <= status < 400:
            host = printable(_host(headers.get("Location", "")), secrets)
            raise GatewayError(
                f"{action}: {config.api_url} redirects to {host or 'another page'}, which is probably a login page. "
                "Check api_url: it is the URL of the API itself, usually https://console.<customer>/api."
            )
        if status == 429:
            raise TooFrequentError(f"{action}: calls come too often (HTTP status 429). It passes by itself.")
        answer = parsed(body, form["Signature"])
        answer.request_id = request_id(headers.get(REQUEST_ID_HEADER, ""), secrets)
        ret_code = whole_number(answer.get("RetCode"))
        if ret_code == 0 and 200 <= status < 300:
            return answer
        started = status in (408, 499) or status >= 500
        if ret_code and not started:
            message = answer.get("Message")
            raise refusal(action, ret_code, printable(message, secrets) if isinstance(message, str) else "", answer.request_id)
        odd = f"{action}: {excerpt(status, body, secrets)}"
        if answer.request_id:
            odd += f" The platform keeps it as request {answer.request_id}."
        if ret_code is None and not started and status >= 400:
            raise GatewayError(f"{odd} Check api_url and the proxy variables.", request_id=answer.request_id)
        raise UnknownOutcomeError(odd, request_id=answer.request_id)


def _host(location: str) -> str:
    """The host that a Location header names, without user name and password; empty if there is none."""
    try:
        return urlsplit(location).netloc.rpartition("@")[2]
    except ValueError:
        return ""
