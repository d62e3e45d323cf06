# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Calls the API: signs, paces and sends requests, classifies responses, repeats reads and pages through lists.

It knows no action by name. Source: API guide chapter 1 (signature, forms, responses).
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

from ansible_collections.ucloudstack.cloud.plugins.module_utils._answers import (
    SURROGATE,
    Answer,
    excerpt,
    page_of,
    parsed,
    printable,
    request_id,
    retry_after,
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
"""The maximum number of entries in a response (API guide 5.2)."""
MAX_ENTRIES = 100_000
"""The maximum number of entries of a list, over all pages, so that a wrong total cannot exhaust memory."""
READ_ATTEMPTS = 5
LISTING_ATTEMPTS = 3
REQUEST_ID_HEADER = "X-UCLOUD-REQUEST-UUID"
"""The header from which the vendor's SDKs of 2026 read the id of a request."""

TOO_LATE = "the API limits the rate of requests, and the task would time out before this one could be sent."

Params = Mapping[str, Any]
Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class UnsettledListingError(UCloudStackError):
    """A list changed each time while its pages were read, so an entry that is missing from it may still exist."""


def flatten(params: Params) -> dict[str, str]:
    """Parameters in the API's notation: lists as ``Name.0``, ``Name.1``; decimal numbers; booleans true/false; None omitted."""
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
    """Limits the rate of the requests of all threads.

    There is no limit until the API rejects a call with "too many requests". Each rejection widens the gap between two calls, and every
    accepted call narrows it again, so that the rate stays near the one that is allowed. Only calls sent at the current pace adjust it, so
    that calls already in progress do not slow it down once each.
    """

    MIN_GAP, MAX_GAP = 0.02, 10.0
    WIDER, NARROWER = 1.3, 0.97
    PATIENCE = 1.0
    """Seconds for which a call may wait for the others, even if it cannot wait for its turn: without a limit, they are gone at once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._gate = threading.Lock()
        self._lock = threading.Lock()
        self._gap = 0.0
        self._next = 0.0
        self._cuts = 0

    def wait(self, max_wait: float) -> int:
        """Sleep until it is this call's turn. Returns the pace of the call, to be passed to :meth:`slower` or :meth:`faster`.

        Raises TooFrequentError, without sleeping any longer, if that would take longer than ``max_wait`` seconds.
        """
        end = self._clock.now() + max_wait
        # The others wait here, so that a new gap holds for them, too.
        if not self._gate.acquire(timeout=max(self.PATIENCE, min(max_wait, threading.TIMEOUT_MAX))):
            raise TooFrequentError(TOO_LATE)
        try:
            while (pause := self._next - self._clock.now()) > 0:
                if self._next > end:
                    raise TooFrequentError(TOO_LATE)
                self._clock.sleep(pause)
            with self._lock:
                self._next = self._clock.now() + self._gap
                return self._cuts
        finally:
            self._gate.release()

    def slower(self, pace: int, retry_after: float = 0.0) -> None:
        """A call was rejected because of too many requests. ``retry_after``: for how many seconds the API wants none at all."""
        with self._lock:
            wait = retry_after
            if pace == self._cuts:
                self._cuts += 1
                self._gap = min(max(self.MIN_GAP, self._gap * self.WIDER), self.MAX_GAP)
                wait = max(wait, self._gap)
            self._next = max(self._next, self._clock.now() + wait)

    def faster(self, pace: int) -> None:
        """A call was not rejected because of too many requests."""
        with self._lock:
            if pace == self._cuts:
                self._gap = self._gap * self.NARROWER if self._gap > self.MIN_GAP / 4 else 0.0


def side_by_side(job: Callable[[Item], Outcome], items: Iterable[Item], at_once: int) -> Iterator[Outcome]:
    """What ``job`` returns for each item, in their order. After a break, or an error, no other one is begun."""
    running: deque[Future[Outcome]] = deque()
    with ThreadPoolExecutor(max_workers=at_once) as threads:
        for item in items:
            if len(running) == at_once:
                yield running.popleft().result()
            running.append(threads.submit(job, item))
        while running:
            yield running.popleft().result()


class Client:
    """One session for all threads of a task. ``calls`` counts the requests by action, including those without a response."""

    def __init__(self, config: Config, clock: Clock | None = None) -> None:
        """Raises EndpointError if the URL, or the CA file or directory, is unusable."""
        self.config = config
        self.clock = clock or Clock()
        self.calls: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._pace = Pace(self.clock)
        self._transport = Transport(config)

    def call(self, action: str, params: Params, deadline: Deadline | None = None) -> Answer:
        """Send once. Returns a response with RetCode 0; otherwise raises an error of :mod:`_errors`, whose branch says whether to retry.

        A call that cannot be sent before the deadline because of the rate limit raises TooFrequentError.
        """
        pace = self._pace.wait(deadline.left if deadline else float("inf"))
        with self._lock:
            self.calls[action] += 1
        try:
            answer = self._exchange(action, params)
        except TooFrequentError as error:
            self._pace.slower(pace, error.retry_after)
            raise
        self._pace.faster(pace)
        return answer

    def read(self, action: str, params: Params, deadline: Deadline) -> Answer:
        """Send, and retry temporary failures with growing pauses; "too many requests" is retried until the deadline."""
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
        self, action: str, params: Params, key: str, deadline: Deadline, max_pages: int | None = None, at_once: int = 1
    ) -> list[dict[str, Any]] | None:
        """All entries of a list, each with its ``key``; None if that takes more than ``max_pages`` pages after the first.

        Each page starts with the last entry of the previous one. If that overlap or the total differs, the list has changed
        and is read again. ``at_once``: how many of the pages after the first are read side by side. Raises UnsettledListingError if it
        changes every time, otherwise as :meth:`read`.
        """
        last_moment = self.clock.now() + self.config.request_timeout  # a listing that starts at the deadline may still finish

        def page_at(offset: int) -> tuple[int, list[dict[str, Any]]]:
            if not deadline.left and self.clock.now() > last_moment:
                raise UnknownOutcomeError(f"{action}: the task timed out before all pages of the list were read.")
            return self._page(action, params, offset, deadline)

        for attempt in range(LISTING_ATTEMPTS):
            if attempt:
                deadline.pause(0.5 * attempt)
            total, entries = self._page(action, params, 0, deadline)
            new = len(entries) - 1  # what each page adds to the one before
            if max_pages is not None and total - len(entries) > max_pages * max(new, 0):
                return None
            if total > MAX_ENTRIES:
                raise FatalError(f"{action}: the list has {total} entries, more than {MAX_ENTRIES}: select fewer, by their ids.")
            for now_total, page in side_by_side(page_at, range(new, total - 1, new) if new > 0 else (), at_once):
                if now_total != total or len(page) < 2 or page[0].get(key) != entries[-1].get(key):
                    break
                entries += page[1:]
            if len(entries) == total and len({str(entry.get(key)) for entry in entries}) == total:
                return entries
        raise UnsettledListingError(f"{action}: the list kept changing while its pages were read. Run the task again.")

    def by_ids(self, action: str, ids_name: str, ids: Sequence[str], key: str, deadline: Deadline) -> list[dict[str, Any]]:
        """The existing entries of these ids, and no others, 100 ids per call. Raises as :meth:`listing`."""
        groups = [list(ids[start : start + PAGE]) for start in range(0, len(ids), PAGE)]
        found = side_by_side(lambda some: self._some_by_ids(action, ids_name, some, key, deadline), groups, self.config.parallelism)
        return [entry for entries in found for entry in entries]

    def _some_by_ids(self, action: str, ids_name: str, ids: list[str], key: str, deadline: Deadline) -> list[dict[str, Any]]:
        try:
            found = self.listing(action, {ids_name: ids}, key, deadline) or []
        except NotFoundError:
            # No guide says whether an unknown id is omitted or fails the whole call. If it fails, bisecting finds it quickly.
            if len(ids) == 1:
                return []
            middle = len(ids) // 2
            halves = (ids[:middle], ids[middle:])
            return [entry for half in halves for entry in self._some_by_ids(action, ids_name, half, key, deadline)]
        # An API without this filter lists everything. Entries without an id are validated by the caller.
        wanted = set(ids)
        return [entry for entry in found if entry.get(key) in (None, "") or str(entry[key]) in wanted]

    def _page(self, action: str, params: Params, offset: int, deadline: Deadline) -> tuple[int, list[dict[str, Any]]]:
        of_project = {"ProjectIDs": [self.config.project_id]} if self.config.project_id else {}
        page = page_of(self.read(action, {**params, **of_project, "Offset": offset, "Limit": PAGE}, deadline))
        if page is None:
            raise UnknownOutcomeError(f"{action}: unexpected response: not a list.")
        return page

    def _exchange(self, action: str, params: Params) -> Answer:
        config = self.config
        form = flatten({"Region": config.region, "Zone": config.zone or None, **params, "Action": action, "PublicKey": config.public_key})
        for name, value in {**form, "private_key": config.private_key}.items():
            if SURROGATE.search(value):
                raise FatalError(f"{action}: {name} contains characters that cannot be encoded as UTF-8.")
        form["Signature"] = signature(form, config.private_key)
        secrets = (config.private_key, form["Signature"])
        status, headers, body = self._transport.post(action, urlencode(form).encode(), secrets)
        if 300 <= status < 400:
            host = printable(_host(headers.get("Location", "")), secrets)
            raise GatewayError(
                f"{action}: {config.api_url} redirects to {host or 'another page'}, which is probably a login page. "
                "Check api_url: it is the URL of the API itself, usually https://console.<customer>/api."
            )
        wait = retry_after(headers.get("Retry-After", ""), self.clock.wall())
        if status == 429:
            raise TooFrequentError(f"{action}: too many requests (HTTP status 429). This is usually temporary.", retry_after=wait)
        answer = parsed(body, form["Signature"])
        answer.request_id = request_id(headers.get(REQUEST_ID_HEADER, ""), secrets)
        ret_code = whole_number(answer.get("RetCode"))
        if ret_code == 0 and 200 <= status < 300:
            return answer
        started = status in (408, 499) or status >= 500
        if ret_code and not started:
            message = answer.get("Message")
            error = refusal(action, ret_code, printable(message, secrets) if isinstance(message, str) else "", answer.request_id)
            if isinstance(error, TooFrequentError):
                error.retry_after = wait
            raise error
        unexpected = f"{action}: {excerpt(status, body, secrets)}"
        if answer.request_id:
            unexpected += f" The platform keeps it as request {answer.request_id}."
        if ret_code is None and not started and status >= 400:
            raise GatewayError(f"{unexpected} Check api_url and the proxy variables.", request_id=answer.request_id)
        raise UnknownOutcomeError(unexpected, request_id=answer.request_id)


def _host(location: str) -> str:
    """The host in a Location header, without user name and password; empty if there is none."""
    try:
        return urlsplit(location).netloc.rpartition("@")[2]
    except ValueError:
        return ""
