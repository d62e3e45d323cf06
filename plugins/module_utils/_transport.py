# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Sends one POST over HTTP, and classifies requests that got no response. Knows neither keys nor actions.

One pool of connections of urllib3, the library below ``requests``, serves all threads of a task, with one TLS context. ``requests`` itself
would take longer to import, and for each call; and it follows redirects, which lead to a login page instead of the API, and turn a POST
into a GET. Only what it knows about proxies is used here, if there is one.
"""

from __future__ import annotations

import io
import queue
import re
import ssl
import threading
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies

from ansible_collections.ucloudstack.cloud.plugins.module_utils._answers import MAX_BYTES, printable
from ansible_collections.ucloudstack.cloud.plugins.module_utils._errors import (
    EndpointError,
    NotSentError,
    UCloudStackError,
    UnknownOutcomeError,
)

with suppress(ImportError):  # reported by the modules, with missing_required_lib
    import urllib3

CONNECT_TIMEOUT = 10.0
HEADERS = {
    "User-Agent": "ansible-ucloudstack.cloud",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "Content-Type": "application/x-www-form-urlencoded",
}

CERTIFICATE_ADVICE = {
    9: "Check the clock of this host.",
    10: "Renew it, or check the clock of this host.",
    62: "Check that api_url uses a name or address of the certificate.",
    64: "Check that api_url uses a name or address of the certificate.",
}
"""By OpenSSL error code: not yet valid, expired, name mismatch, address mismatch."""


@dataclass(frozen=True)
class Config:
    """The API and the account. ``request_timeout``: seconds for one HTTP request; ``ca_path``: a file or directory."""

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


class Response(NamedTuple):
    """An HTTP response, whether or not it is from the API."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class RequestBody(io.BytesIO):
    """The body of a request, which records whether it was ever read: if it was not, the API has not received the request.

    The connection, the tunnel of a proxy and the TLS handshake come before that.
    """

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self._lock = threading.Lock()
        self._revoked = False
        self.sent = False

    def read(self, size: int | None = -1) -> bytes:
        with self._lock:
            if self._revoked:
                raise OSError("the call was abandoned before it was sent")
            self.sent = True
        return super().read(size)

    def revoke(self) -> bool:
        """Prevent it from being sent; returns False if it was already sent."""
        with self._lock:
            self._revoked = True
            return not self.sent


class Transport:
    """The HTTP connections with the API, for all threads of a task."""

    def __init__(self, config: Config) -> None:
        """Raises EndpointError if the URL, a proxy variable, or the CA file or directory, is unusable."""
        self._config = config
        self._pool, self._target = _pool(config)
        seconds = config.request_timeout  # post() never waits for longer
        self._timeout = urllib3.Timeout(connect=min(CONNECT_TIMEOUT, seconds / 3), read=seconds + 1)

    def post(self, action: str, form: bytes, secrets: Sequence[str]) -> Response:
        """Send once. Raises NotSentError, UnknownOutcomeError or EndpointError; their messages do not contain ``secrets``.

        The timeouts of urllib3 apply to each single wait, so a slow name server, or an endpoint that sends a byte now and then, would
        block the call forever. Therefore it runs in its own thread, which is abandoned after ``request_timeout``. If it has not sent its
        body by then, it never does.
        """
        outcome: queue.SimpleQueue[Response | UCloudStackError] = queue.SimpleQueue()
        body = RequestBody(form)
        threading.Thread(target=lambda: outcome.put(self._try_post(action, body, secrets)), daemon=True).start()
        try:
            answer = outcome.get(timeout=self._config.request_timeout)
        except queue.Empty:
            kind = NotSentError if body.revoke() else UnknownOutcomeError
            answer = kind(
                f"{action}: no response from {self._config.api_url} within request_timeout, {self._config.request_timeout:g} seconds."
            )
        if isinstance(answer, UCloudStackError):
            raise answer
        return answer

    def _try_post(self, action: str, body: RequestBody, secrets: Sequence[str]) -> Response | UCloudStackError:
        """As :meth:`post`, but returns the exception: if raised here, its chain would contain the request, and with it the signature."""
        url = self._config.api_url
        try:
            response = self._pool.request(
                "POST",
                self._target,
                body=body,
                headers={**HEADERS, "Content-Length": str(len(body.getbuffer()))},
                timeout=self._timeout,
                retries=False,
                redirect=False,
                assert_same_host=False,
                preload_content=False,
                decode_content=False,
            )
            with closing(response):  # its connection is kept, if it was read to its end
                content = _body(response)
            if len(content) > MAX_BYTES:
                return UnknownOutcomeError(f"{action}: {url} sent more than {MAX_BYTES} bytes, which is not a response of the API.")
            return Response(response.status, response.headers, content)
        except Exception as error:  # noqa: BLE001 (urllib3 raises many kinds, which differ between its versions)
            return failure(action, url, error, body.sent, secrets)


def failure(action: str, url: str, error: Exception, sent: bool, secrets: Sequence[str]) -> UCloudStackError:
    """The error for a request that ended in an exception. Only ``sent`` decides its class; the exception determines the advice."""
    causes = list(_exception_chain(error))
    reason = printable(str(causes[-1]) or type(causes[-1]).__name__, secrets)
    if sent:
        return UnknownOutcomeError(f"{action}: the connection to {url} broke before the response was complete ({reason}).")
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError) or type(cause).__name__ == "CertificateError":  # urllib3's, of names
            advice = CERTIFICATE_ADVICE.get(getattr(cause, "verify_code", 62), "Set ca_path to the CA that signed it.")
            details = printable(getattr(cause, "verify_message", str(cause)))
            return EndpointError(f"{action}: the certificate of {url} is not trusted ({details}). {advice}")
    if isinstance(error, ValueError):  # urllib3 raises it for an invalid URL or proxy
        return EndpointError(f"{action}: {url} cannot be opened ({reason}). Check api_url and the proxy variables.")
    if url.startswith("https:") and not any(isinstance(cause, _unconnected()) for cause in causes):
        return NotSentError(
            f"{action}: the TLS handshake with {url} failed ({reason}). Check whether api_url should start with http:// instead."
        )
    return NotSentError(f"{action}: cannot connect to {url} ({reason}). Check api_url, the network and the proxy variables.")


def _unconnected() -> tuple[type[Exception], ...]:
    """Exceptions from before a connection exists: of name resolution, the route, the proxy, or the response of a proxy to CONNECT."""
    kinds = urllib3.exceptions
    return (kinds.NewConnectionError, kinds.ConnectTimeoutError, kinds.ProxyError, HTTPException)


def _exception_chain(error: BaseException | None) -> Iterable[BaseException]:
    """The exception and all its causes, outermost first: urllib3 wraps ssl, socket and http.client."""
    seen: list[BaseException] = []
    todo = [error]
    while todo:
        cause = todo.pop(0)
        if cause is None or cause in seen:
            continue
        seen.append(cause)
        inner = [getattr(cause, "reason", None), *cause.args]
        todo += [cause.__cause__, cause.__context__, *(each for each in inner if isinstance(each, BaseException))]
    return seen


def _pool(config: Config) -> tuple[Any, str]:
    """The connections with the API, or with the proxy for it, and the target of each request: its path, or for some proxies its URL."""
    scheme = _checked_scheme(config.api_url)
    tls: dict[str, Any] = {"ssl_context": _tls_context(config)} if scheme == "https" else {}
    try:
        url, proxy = urllib3.util.parse_url(config.api_url), _proxy(config.api_url)
        manager = _proxy_manager(config, proxy, tls) if proxy else urllib3.PoolManager(num_pools=1, maxsize=config.parallelism, **tls)
        return manager.connection_from_url(url.url), url.url if proxy.startswith("http") and scheme == "http" else url.request_uri
    except ValueError as error:
        reason = printable(str(error))
        raise EndpointError(f"{printable(config.api_url)} cannot be opened ({reason}). Check api_url and the proxy variables.") from None


def _proxy(api_url: str) -> str:
    """The URL of the proxy that the environment names for this URL; empty if there is none."""
    if not getproxies():
        return ""
    # Imported here and below, since few tasks have a proxy, and urllib3 alone is imported in two thirds of the time.
    from requests.utils import get_environ_proxies, select_proxy

    proxy = select_proxy(api_url, get_environ_proxies(api_url, no_proxy=None)) or ""
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy


def _proxy_manager(config: Config, proxy: str, tls: Mapping[str, Any]) -> Any:
    """Raises ValueError, without the password for the proxy, if it cannot be used."""
    from requests.adapters import HTTPAdapter

    try:
        host = urllib3.util.parse_url(proxy).host
    except ValueError:
        host = None
    if not host:
        raise ValueError("the URL of the proxy is invalid")
    return HTTPAdapter(pool_connections=1, pool_maxsize=config.parallelism).proxy_manager_for(proxy, **tls)


def _checked_scheme(api_url: str) -> str:
    """http or https. Raises EndpointError, without quoting a URL that may contain a password."""
    if "@" in api_url:
        raise EndpointError("api_url must not contain a user name or password: set public_key and private_key instead.")
    try:
        url = urlsplit(api_url)
        usable = url.scheme in ("http", "https") and url.hostname and url.port != 0 and re.fullmatch(r"[!-~]+", api_url)
    except ValueError:  # unbalanced brackets, or an invalid port
        usable = None
    if not usable or "?" in api_url or "#" in api_url or "\\" in api_url:
        raise EndpointError(f"api_url is {printable(repr(api_url))}: it must be a URL such as https://console.example.com/api.")
    return urlsplit(api_url).scheme


def _tls_context(config: Config) -> ssl.SSLContext:
    """One context for all connections, because creating one parses the CA bundle. ``SSL_CERT_FILE`` and similar are ignored."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    version: str = urllib3.__version__  # type: ignore[attr-defined]
    if version.startswith("1."):
        context.check_hostname = False  # urllib3 1.x does not pass addresses to the context, and checks the name itself
    if not config.validate_certs:
        urllib3.disable_warnings()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif config.ca_path:
        try:
            _load_ca(context, config.ca_path)
        except OSError as error:
            raise EndpointError(f"ca_path {config.ca_path!r} contains no readable CA certificates ({error}).") from None
    else:
        system = ssl.get_default_verify_paths()
        paths = [system.openssl_cafile, system.openssl_capath]
        with suppress(ImportError):  # a distribution may leave it out, and let requests trust the system alone
            import certifi

            paths.append(certifi.where())
        for path in paths:
            if Path(path).exists():
                _load_ca(context, path)
    return context


def _load_ca(context: ssl.SSLContext, path: str) -> None:
    if Path(path).is_dir():
        context.load_verify_locations(capath=path)
    else:
        context.load_verify_locations(cafile=path)


def _body(response: Any) -> bytes:
    """The decompressed body, read only up to one chunk past the limit.

    urllib3 does not decompress it, because old versions expand 64 kB to 64 MB at once. ``read1`` is preferred to ``read``, because
    http.client treats a chunk with a length of -1 as endless, and would read all of it.
    """
    fetch = getattr(response, "read1", response.read)
    body = bytearray()
    while len(body) <= MAX_BYTES and (chunk := fetch(65536, decode_content=False)):
        body += chunk
    if response.headers.get("Content-Encoding", "").lower() in ("gzip", "x-gzip", "deflate"):
        return zlib.decompressobj(zlib.MAX_WBITS + 32).decompress(body, MAX_BYTES + 1)
    return bytes(body)
