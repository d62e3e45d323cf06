# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures for the tests of the client: time that passes only in sleeps, scripted endpoints, and their certificates."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
import trustme
from ansible_collections.ucloudstack.cloud.plugins.module_utils._client import Client
from ansible_collections.ucloudstack.cloud.plugins.module_utils._clock import Clock, Deadline
from ansible_collections.ucloudstack.cloud.plugins.module_utils._transport import Config

PUBLIC_KEY = "public-key-of-the-unit-tests-0123456789"
PRIVATE_KEY = "private-key-of-the-unit-tests-abcdefghijklmnopqrstuvwxyz"
PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@dataclass
class Ticks:
    """Time that passes only in ``sleep``; ``sleeps`` are all so far, and ``chances`` what jitter draws next (in the middle when empty)."""

    sleeps: list[float] = field(default_factory=list)
    chances: list[float] = field(default_factory=list)
    elapsed: float = 0.0

    def clock(self) -> Clock:
        return Clock(now=lambda: self.elapsed, wall=lambda: self.elapsed, sleep=self.sleep, chance=self.chance)

    def deadline(self, seconds: float = 600) -> Deadline:
        return Deadline(self.clock(), seconds)

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.sleeps.append(seconds)
        self.elapsed += seconds

    def chance(self) -> float:
        return self.chances.pop(0) if self.chances else 0.5


@dataclass(frozen=True)
class Request:
    """A request as it came; ``line`` holds method, target and version."""

    line: str
    headers: Mapping[str, str]
    body: bytes
    connection: socket.socket

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True, strict_parsing=True))


Answer = Callable[[Request], Any]
"""How a server of these tests responds to a request: with these bytes, or, if None, not at all."""


def reply(body: Any, status: int = 200, **headers: str) -> bytes:
    """An HTTP answer. ``body`` is bytes, or what is sent as JSON; ``Content_Encoding="gzip"`` becomes a header."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {"Content-Length": str(len(content)), **{name.replace("_", "-"): value for name, value in headers.items()}}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} Whatever\r\n{head}\r\n".encode("latin-1") + content


class Endpoint:
    """A server on 127.0.0.1 that answers every request as ``answer`` says, and keeps them in ``requests``.

    An answer of None ends the connection. ``stopped`` tells answers that take their time that nobody waits any more.
    """

    def __init__(self, answer: Answer, tls: ssl.SSLContext | None = None) -> None:
        self.answer = answer
        self.requests: list[Request] = []
        self.stopped = threading.Event()
        self._tls = tls
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}/api"
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        self.stopped.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self._socket.accept()[0],), daemon=True).start()

    def _serve(self, raw: socket.socket) -> None:
        with contextlib.suppress(OSError), raw:  # among them that a client does not trust the certificate
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._tls.wrap_socket(raw, server_side=True) if self._tls else raw as connection:
                while request := _read(connection):
                    self.requests.append(request)
                    answer = self.answer(request)
                    if answer is None:
                        return
                    connection.sendall(answer)


def _read(connection: socket.socket) -> Request | None:
    with connection.makefile("rb") as stream:
        line = stream.readline().decode("latin-1").strip()
        headers = {}
        while field_line := stream.readline().decode("latin-1").strip():
            name, _colon, value = field_line.partition(":")
            headers[name.lower()] = value.strip()
        body = stream.read(int(headers.get("content-length", 0)))
    return Request(line, headers, body, connection) if line else None


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine that runs the tests may have proxies; endpoints on 127.0.0.1 need none."""
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def connect(ticks: Ticks) -> Callable[..., Client]:
    """``connect(url, **options of Config)``: a client on the time of ``ticks``."""

    def make(url: str, **options: Any) -> Client:
        given: dict[str, Any] = {"public_key": PUBLIC_KEY, "private_key": PRIVATE_KEY, "region": "cn", **options}
        return Client(Config(url, **given), ticks.clock())

    return make


@pytest.fixture
def endpoint() -> Iterator[Callable[..., Endpoint]]:
    """``endpoint(answer, …, tls=context)``: answers are functions of the request, bytes, or what is sent as JSON; the last is repeated."""
    running = []

    def start(*answers: Any, tls: ssl.SSLContext | None = None) -> Endpoint:
        left = list(answers)
        lock = threading.Lock()

        def answer(request: Request) -> bytes | None:
            with lock:
                current = left.pop(0) if len(left) > 1 else left[0]
            given = current(request) if callable(current) else current
            return given if given is None or isinstance(given, bytes) else reply(given)

        running.append(Endpoint(answer, tls))
        return running[-1]

    yield start
    for each in running:
        each.stop()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def certificate() -> Callable[..., ssl.SSLContext]:
    """``certificate(authority, "127.0.0.1")``: what a server with a certificate for these names needs."""

    def make(authority: trustme.CA, *names: str, **options: Any) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*names, **options).configure_cert(context)
        return context

    return make


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)
