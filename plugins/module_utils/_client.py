# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The API over HTTP: sign, send, read the answer, classify what went wrong, page through lists.

It knows no action by name. Sources: API guide chapter 1 (signature, forms, answers); no redirect is followed, because the
login page it leads to is not the API and a POST would be turned into a GET.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import queue
import re
import ssl
import threading
import traceback
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

from ansible_collections.ucloudstack.cloud.plugins.module_utils._clock import Clock, Deadline, growing
from ansible_collections.ucloudstack.cloud.plugins.module_utils._errors import (
    EndpointError,
    FatalError,
    GatewayError,
    NotFoundError,
    NotSentError,
    RefusedError,
    TooFrequentError,
    UCloudStackError,
    UnknownFateError,
    refusal,
)
from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import is_id, whole_number

try:
    import requests
    import requests.adapters
    import requests.certs
    import urllib3
except ImportError:
    pass  # reported by the modules, with missing_required_lib

PAGE = 100
"""Most entries an answer may hold (API guide 5.2)."""
MOST_BYTES = 1024 * 1024
MOST_VALUES = 100_000
MOST_LEVELS = 20
MOST_DIGITS = 30
LONGEST_KEY = 100
LONGEST_TEXT = 40_000
"""An answer of 100 entries has some 100 kB, 5,000 values and 5 levels; what is larger or deeper than this is none.

What 1 MB of JSON becomes in memory is up to the number of values: 100,000 commas, colons and brackets take less than 20 MB, however they
are written. One answer is read at a time, so that sixteen do not take sixteen times as much.
"""
MOST_ENTRIES = 100_000
"""Most entries of a list, all its pages together: one that says it has more is no list, or cannot be held."""
ONE_AT_A_TIME = threading.Lock()
SURROGATE = re.compile("[\ud800-\udfff]")
REQUEST_ID_HEADER = "X-UCLOUD-REQUEST-UUID"
"""What the vendor's SDKs of 2026 read a request's id from."""
LONGEST_REQUEST_ID = 64
CONNECT_TIMEOUT = 10.0
READ_ATTEMPTS = 5
LISTING_ATTEMPTS = 3
URLLIB3_ENTRY = "url" + "open"  # in one word, ansible-test would take it for a call of the standard library's
"""The function of urllib3 by which requests asks it for anything."""

CERTIFICATE_ADVICE = {
    9: "Check the clock of this host.",
    10: "Have it renewed, or check the clock of this host.",
    62: "Check that api_url has the name or address that the certificate was made for.",
    64: "Check that api_url has the name or address that the certificate was made for.",
}
"""By what OpenSSL says of a certificate: not yet valid, expired, another name, another address."""

Params = Mapping[str, Any]
Record = TypeVar("Record")


class UnsettledListingError(UCloudStackError):
    """A list changed every time while its pages were read, so that nothing can be said of what is not in it."""


@dataclass(frozen=True)
class Config:
    """Where the API is and who asks. ``request_timeout``: seconds for one HTTP request; ``ca_path``: a file or folder."""

    api_url: str
    public_key: str
    private_key: str = field(repr=False)
    region: str
    zone: str | None = None
    project_id: str | None = None
    validate_certs: bool = True
    ca_path: str | None = None
    request_timeout: float = 30.0
    parallelism: int = 16


def read_entries(action: str, entries: Iterable[dict[str, Any]], read: Callable[[dict[str, Any]], Record]) -> list[Record]:
    """What ``read`` makes of each entry of a list. Raises UnknownFateError where it raises ValueError."""
    try:
        return [read(entry) for entry in entries]
    except ValueError as error:
        raise UnknownFateError(f"{action}: the answer is not as the API guide describes it: {error}.") from None


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


class Answer(dict[str, Any]):
    """The fields of an answer.

    ``request_id``: under which the platform keeps the request, None where it gave none; ``created``: the id of what was created, checked.
    """

    request_id: str | None = None
    created: str | None = None


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


class RevocableBody(io.BytesIO):
    """The body of a request that can be taken back as long as it is not sent: without its body a request is none."""

    revoked = False

    def revoke(self) -> None:
        self.revoked = True

    def read(self, size: int | None = -1) -> bytes:
        if self.revoked:
            raise OSError("the call was given up before it was sent")
        return super().read(size)


class Client:
    """One session for all threads of a task. ``calls`` counts the requests by action, those without an answer too."""

    def __init__(self, config: Config, clock: Clock | None = None) -> None:
        """Raises EndpointError when the URL, or the CA file or folder, cannot be used."""
        self.config = config
        self.clock = clock or Clock()
        self.calls: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._pace = Pace(self.clock)
        self._session = _session(config)

    def write(self, action: str, params: Params, deadline: Deadline | None = None) -> Answer:
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
                return self.write(action, params, deadline)
            except TooFrequentError:
                if not deadline.left:
                    raise
            except (NotSentError, RefusedError, UnknownFateError):
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
                    raise UnknownFateError(f"{action}: time was up before all pages of the list were read.")
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
        page = _page_of(self.read(action, {**params, **of_project, "Offset": offset, "Limit": PAGE}, deadline))
        if page is None:
            raise UnknownFateError(f"{action}: the answer is not a list as the API guide describes it.")
        return page

    def _exchange(self, action: str, params: Params) -> Answer:
        config = self.config
        form = flatten({"Region": config.region, "Zone": config.zone or None, **params, "Action": action, "PublicKey": config.public_key})
        for name, value in {**form, "private_key": config.private_key}.items():
            if SURROGATE.search(value):
                raise FatalError(f"{action}: {name} is not text: it holds something that UTF-8 cannot write.")
        form["Signature"] = signature(form, config.private_key)
        secrets = (config.private_key, form["Signature"])
        status, headers, body = self._post(action, form, secrets)
        if 300 <= status < 400:
            host = printable(_host(headers.get("Location", "")), secrets)
            raise GatewayError(
                f"{action}: {config.api_url} redirects to {host or 'another page'}, which is probably a login page. "
                "Check api_url: it is the URL of the API itself, usually https://console.<customer>/api."
            )
        if status == 429:
            raise TooFrequentError(f"{action}: calls come too often (HTTP status 429). It passes by itself.")
        answer = Answer(_parsed(body, form["Signature"]) or {})
        answer.request_id = _request_id(headers.get(REQUEST_ID_HEADER, ""), secrets)
        ret_code = whole_number(answer.get("RetCode"))
        if ret_code == 0 and 200 <= status < 300:
            return answer
        started = status in (408, 499) or status >= 500
        if ret_code and not started:
            message = answer.get("Message")
            raise refusal(action, ret_code, printable(message, secrets) if isinstance(message, str) else "", answer.request_id)
        strange = f"{action}: {_strange(status, body, secrets)}"
        if answer.request_id:
            strange += f" The platform keeps it as request {answer.request_id}."
        if ret_code is None and not started and status >= 400:
            raise GatewayError(f"{strange} Check api_url and the proxy variables.", request_id=answer.request_id)
        raise UnknownFateError(strange, request_id=answer.request_id)

    def _post(self, action: str, form: dict[str, str], secrets: Sequence[str]) -> tuple[int, Mapping[str, str], bytes]:
        """HTTP status, headers and body. Raises NotSentError, UnknownFateError or EndpointError.

        The timeouts of requests are for each wait alone: a name server or an endpoint that sends a byte now and then would hold
        the call for ever. So it is made in a thread of its own, which is left to itself when ``request_timeout`` is over; what it
        has not sent until then, it does not send any more.
        """
        outcome: queue.SimpleQueue[tuple[int, Mapping[str, str], bytes] | UCloudStackError] = queue.SimpleQueue()
        body = RevocableBody(urlencode(form).encode())
        threading.Thread(target=lambda: outcome.put(self._try_post(action, body, secrets)), daemon=True).start()
        try:
            answer = outcome.get(timeout=self.config.request_timeout)
        except queue.Empty:
            body.revoke()
            answer = UnknownFateError(
                f"{action}: no answer from {self.config.api_url} within request_timeout, {self.config.request_timeout:g} seconds."
            )
        if isinstance(answer, UCloudStackError):
            raise answer
        return answer

    def _try_post(
        self, action: str, form: RevocableBody, secrets: Sequence[str]
    ) -> tuple[int, Mapping[str, str], bytes] | UCloudStackError:
        """As :meth:`_post`, but returns its exception: one raised here would carry the request, and with it the signature, in its chain."""
        config = self.config
        try:
            with self._session.post(
                config.api_url,
                data=form,
                headers={"Content-Type": "application/x-www-form-urlencoded"},
                timeout=(min(CONNECT_TIMEOUT, config.request_timeout / 3), config.request_timeout),
                allow_redirects=False,
                stream=True,
            ) as response:
                body = _body(response)
                if len(body) > MOST_BYTES:
                    return UnknownFateError(
                        f"{action}: {config.api_url} sent more than {MOST_BYTES} bytes, which no answer of the API has."
                    )
                return response.status_code, response.headers, body
        except Exception as error:  # noqa: BLE001 (requests and urllib3 raise many kinds, which differ between their versions)
            return _classified(action, config, error, secrets)


def _session(config: Config) -> Any:
    scheme = _checked_scheme(config.api_url)
    session: Any = requests.Session()
    session.proxies = requests.utils.get_environ_proxies(config.api_url, no_proxy=None)
    session.trust_env = False  # else ~/.netrc and REQUESTS_CA_BUNDLE of the machine would count; proxies are taken above
    session.get_redirect_target = lambda response: None  # else requests reads a redirect's body to the end, however long it is
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.verify = config.validate_certs
    session.headers.update({"User-Agent": "ansible-ucloudstack.cloud", "Accept-Encoding": "identity"})
    if scheme == "https":
        adapter = _context_adapter(_tls_context(config), config.parallelism)
    else:
        adapter = requests.adapters.HTTPAdapter(pool_connections=1, pool_maxsize=config.parallelism)
    session.mount(f"{scheme}://", adapter)
    return session


def _checked_scheme(api_url: str) -> str:
    """http or https. Raises EndpointError, which does not quote a URL that may hold a password."""
    if "@" in api_url:
        raise EndpointError("api_url must not hold a user name or password: the keys go into public_key and private_key.")
    try:
        url = urlsplit(api_url)
        usable = url.scheme in ("http", "https") and url.hostname and url.port != 0 and re.fullmatch(r"[!-~]+", api_url)
    except ValueError:  # brackets that do not close, or a port that is none
        usable = None
    if not usable or "?" in api_url or "#" in api_url or "\\" in api_url:
        raise EndpointError(f"api_url is {printable(repr(api_url))}: it must be a URL such as https://console.example.com/api.")
    return urlsplit(api_url).scheme


def _tls_context(config: Config) -> ssl.SSLContext:
    """Made once for all connections, since each new one parses the CA bundle. ``SSL_CERT_FILE`` and the like do not count."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    version: str = urllib3.__version__  # type: ignore[attr-defined]
    if version.startswith("1."):
        context.check_hostname = False  # it hides addresses from the context, and so compares names and addresses itself
    if not config.validate_certs:
        urllib3.disable_warnings()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif config.ca_path:
        try:
            _trust(context, config.ca_path)
        except OSError as error:
            raise EndpointError(f"ca_path {config.ca_path!r} holds no CA certificates that can be read ({error}).") from None
    else:
        system = ssl.get_default_verify_paths()
        bundle: str = requests.certs.where()  # type: ignore[attr-defined]
        for path in (bundle, system.openssl_cafile, system.openssl_capath):
            if Path(path).exists():
                _trust(context, path)
    return context


def _trust(context: ssl.SSLContext, path: str) -> None:
    if Path(path).is_dir():
        context.load_verify_locations(capath=path)
    else:
        context.load_verify_locations(cafile=path)


def _context_adapter(context: ssl.SSLContext, connections: int) -> Any:
    class ContextAdapter(requests.adapters.HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, **kwargs, ssl_context=context)

        def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
            return super().proxy_manager_for(*args, **kwargs, ssl_context=context)

        def get_connection_with_tls_context(self, request: Any, verify: Any, proxies: Any = None, cert: Any = None) -> Any:
            """requests 2.32.0 to 2.32.2 put a context of their own in place of ours where verify is True itself."""
            return super().get_connection_with_tls_context(request, verify and 1, proxies, cert)  # type: ignore[arg-type]

        def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
            """Nothing to add: what is trusted is in the context, and naming a bundle here would have it parsed again."""

    return ContextAdapter(pool_connections=1, pool_maxsize=connections)


def _page_of(answer: dict[str, Any]) -> tuple[int, list[dict[str, Any]]] | None:
    """The total and the entries that an answer has; None when it is no list."""
    entries, total = answer.get("Infos") or [], whole_number(answer.get("TotalCount"))
    if not isinstance(entries, list) or total is None or not all(isinstance(entry, dict) for entry in entries):
        return None
    return total, entries


def _body(response: Any) -> bytes:
    """The body, unpacked; of one that is too large, no more than shows it.

    urllib3 is not asked to unpack: older ones make 64 MB of 64 kB at once. Nor is it asked to ``read``, where it knows ``read1``:
    http.client takes a chunk that says it has -1 bytes for one without end, and would fetch all of it.
    """
    fetch = getattr(response.raw, "read1", response.raw.read)
    body = bytearray()
    while len(body) <= MOST_BYTES and (chunk := fetch(65536, decode_content=False)):
        body += chunk
    if response.headers.get("Content-Encoding", "").lower() in ("gzip", "x-gzip", "deflate"):
        return zlib.decompressobj(zlib.MAX_WBITS + 32).decompress(body, MOST_BYTES + 1)
    return bytes(body)


def _classified(action: str, config: Config, error: Exception, secrets: Sequence[str]) -> UCloudStackError:
    """What an exception of requests, or of what it rests on, says of the request's fate."""
    causes = list(_causes(error))
    url = config.api_url
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError) or type(cause).__name__ == "CertificateError":  # urllib3's, of names
            advice = CERTIFICATE_ADVICE.get(getattr(cause, "verify_code", 62), "Give the CA that signed it as ca_path.")
            said = printable(getattr(cause, "verify_message", str(cause)))
            return EndpointError(f"{action}: the certificate of {url} is not trusted ({said}). {advice}")
    frames = {frame.name for cause in causes for frame in traceback.extract_tb(cause.__traceback__)}
    reason = printable(str(causes[-1]) or type(causes[-1]).__name__, secrets)
    if "post" in frames and URLLIB3_ENTRY not in frames:
        return EndpointError(f"{action}: {url} cannot be opened. Check api_url and the proxy variables.")
    if "do_handshake" in frames:
        return NotSentError(f"{action}: the TLS handshake with {url} failed ({reason}). Check that api_url should begin with https://.")
    if "connect" in frames:  # name, route or proxy tunnel: the request is sent after them
        return NotSentError(f"{action}: cannot connect to {url} ({reason}). Check api_url, the network and the proxy variables.")
    return UnknownFateError(f"{action}: the connection to {url} broke before the answer was complete ({reason}).")


def _causes(error: BaseException | None) -> Iterable[BaseException]:
    """The exception and all that it grew from, outermost first: requests wraps urllib3, which wraps ssl, socket and http.client."""
    met: list[BaseException] = []
    todo = [error]
    while todo:
        cause = todo.pop(0)
        if cause is None or cause in met:
            continue
        met.append(cause)
        inner = [getattr(cause, "reason", None), *cause.args]
        todo += [cause.__cause__, cause.__context__, *(each for each in inner if isinstance(each, BaseException))]
    return met


def _parsed(body: bytes, signed: str) -> dict[str, Any] | None:
    """The JSON object in the body, without the signature that it may repeat; None when there is none, or one that no API sends."""
    if sum(map(body.count, (b",", b":", b"[", b"{"))) > MOST_VALUES:
        return None
    try:
        with ONE_AT_A_TIME:
            if max(map(len, body.split(b'"'))) > LONGEST_TEXT:
                return None
            answer = _sound(json.loads(body.decode(), parse_int=_integer, parse_constant=_refuse_constant), signed, MOST_LEVELS)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _integer(digits: str) -> int:
    if len(digits) > MOST_DIGITS:  # Pythons without a limit of their own would take minutes over a million of them
        raise ValueError("a number of too many digits")
    return int(digits)


def _sound(value: Any, signed: str, levels: int) -> Any:
    """The same value, with ``***`` for the signature, and ``?`` for lone surrogates, which nobody could encode again.

    Raises ValueError when it has more levels, or holds what a module could not return: an infinite number, or a key that is none.
    """
    if isinstance(value, str):
        return SURROGATE.sub("?", value).replace(signed, "***")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number too large")
    if isinstance(value, (dict, list)) and not levels:
        raise ValueError("nested too deep")
    if isinstance(value, dict):
        return {_key(key, signed): _sound(each, signed, levels - 1) for key, each in value.items()}
    return [_sound(each, signed, levels - 1) for each in value] if isinstance(value, list) else value


def _key(key: str, signed: str) -> str:
    if len(key) > LONGEST_KEY or key.startswith("__"):  # what ansible-core reads results by: __ansible_type and the like
        raise ValueError("a key that is none")
    return SURROGATE.sub("?", key).replace(signed, "***")


def _request_id(header: str, secrets: Sequence[str]) -> str | None:
    """The id that the platform gave a request, if what the header holds can be one."""
    given = printable(header, secrets)
    return given if given == header and header.isascii() and is_id(given) and len(given) <= LONGEST_REQUEST_ID else None


def _host(location: str) -> str:
    """The host that a Location header names, without user name and password; empty when there is none."""
    try:
        return urlsplit(location).netloc.rpartition("@")[2]
    except ValueError:
        return ""


def _strange(status: int, body: bytes, secrets: Sequence[str]) -> str:
    """What came in place of an answer, by its first characters."""
    enough = 400 * max(map(len, secrets))  # for 100 characters, even where each secret in them shrinks to three
    start = printable(body[:enough].decode(errors="replace"), secrets)[:100]
    return f"HTTP status {status}, and " + (f"not an answer of the API: {start!r}." if start else "an empty body.")


def printable(text: str, secrets: Iterable[str] = ()) -> str:
    """Foreign text fit for one line of output: no line breaks, no control characters, no secrets, 200 characters at most."""
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    return "".join(char if char.isprintable() else " " for char in text[:200]).strip()
