# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulator as a server in this process: uvicorn in a thread, on 127.0.0.1 alone."""

from __future__ import annotations

import asyncio
import secrets
import socket
import sqlite3
import string
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from emulator import control
from emulator.actions import REGION, ZONE
from emulator.api import Api
from emulator.errors import ApiError
from emulator.faults import Faults
from emulator.replies import LOGIN_PAGE, response
from emulator.state import TRANSITION_SECONDS, Machines, State

HOST = "127.0.0.1"
TICK_SECONDS = 0.1
KEEP_ALIVE_SECONDS = 600  # a server that hangs up first would look like a lost answer
STOP_SECONDS = 10
_KEY_CHARACTERS = string.ascii_letters + string.digits


class Emulator:
    """A running emulator, as a context manager.

    Times are in seconds but ``latency_ms``. ``snapshot_limit`` is per disk, 0 for none. With a ``clock`` of your own (Unix seconds) time
    stands still between requests; with the real one work also finishes while nobody asks. ``generation`` is a name, or None for the one
    that the directory has (a new one: 1.x). ``machines`` run the VMs; without, nothing does. Raises StateInUse, OtherGeneration or OSError.

    ``api_url``, ``control_url`` and the keys are there from the start; the server answers inside the ``with`` block. ``state`` and
    ``faults`` may be used directly.
    """

    region = REGION
    zone = ZONE

    def __init__(
        self,
        state_dir: Path | str,
        *,
        port: int = 0,
        snapshot_seconds: float = 2,
        rollback_seconds: float = 2,
        transition_seconds: float = TRANSITION_SECONDS,
        latency_ms: float = 0,
        snapshot_limit: int = 10,
        tls: bool = False,
        generation: str | None = None,
        machines: Machines | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.state = State(
            Path(state_dir).absolute(),
            snapshot_seconds=snapshot_seconds,
            rollback_seconds=rollback_seconds,
            transition_seconds=transition_seconds,
            snapshot_limit=snapshot_limit,
            generation=generation,
            machines=machines,
            clock=clock,
        )
        self.generation = self.state.generation
        try:
            self._socket = socket.create_server((HOST, port))
        except BaseException:
            self.state.close()
            raise
        self.faults = Faults()
        self.public_key = self.state.setting("public_key", lambda: _random_text(40))
        self.private_key = self.state.setting("private_key", lambda: _random_text(64))
        self.ca_path = str(_certificates(self.state.directory) / "ca.pem") if tls else None
        origin = f"{'https' if tls else 'http'}://{HOST}:{self._socket.getsockname()[1]}"
        self.api_url = f"{origin}/api"
        self.control_url = f"{origin}/control"

        api = Api(self.state, self.faults, self.public_key, self.private_key)
        certificate = str(_certificates(self.state.directory) / "server.pem") if tls else None
        config = uvicorn.Config(
            application(api, latency_ms / 1000),
            http=ConnectionInReach,
            loop="asyncio",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="critical",  # uvicorn would log whole URLs, and with them signatures
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            ssl_certfile=certificate,
            ssl_keyfile=certificate,
        )
        self._server = _Server(config, self.state.advance if clock is time.time else None)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="emulator", daemon=True)

    def __enter__(self) -> Emulator:
        self._thread.start()
        if not self._server.running.wait(STOP_SECONDS):
            raise RuntimeError("the emulator did not start")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.stop()
        self._thread.join(STOP_SECONDS)
        self._socket.close()
        self.state.close()

    @property
    def connection(self) -> dict[str, str]:
        """What a client needs: ``api_url, public_key, private_key, region, zone, control_url``, with TLS ``ca_path``."""
        names = ("api_url", "public_key", "private_key", "region", "zone", "control_url", *(["ca_path"] if self.ca_path else []))
        return {name: getattr(self, name) for name in names}

    def calls(self, action: str | None = None) -> list[dict[str, Any]]:
        """The calls so far, or those of one action, as the control API gives them."""
        return [call for call in self.state.calls() if action in (None, call["action"])]

    def add_faults(self, *faults: dict[str, Any]) -> None:
        """Put faults in force, as POST to the control API does. Raises BadFields."""
        with self.state.transaction():
            self.faults.add(list(faults))


def application(api: Api, latency: float = 0) -> Starlette:
    """The ASGI application: the API, its login page, and the control API.

    Each answer comes ``latency`` seconds after its request, as from a server that is half of them away: the work takes none of its own.
    """

    async def serve(request: Request) -> Response:
        try:
            body = await request.body()
        except ClientDisconnect:
            return Response()
        answered = asyncio.get_running_loop().time() + latency
        await _sleep_until(answered - latency / 2)
        content_type = request.headers.get("content-type", "")
        # Not in another thread: calls are carried out one after the other anyway, and handing them over costs more than most of them.
        reply = _handle(api, request.method, request.scope["query_string"], content_type, body)
        await _sleep_until(answered + reply.delay)
        return response(reply)

    async def login(request: Request) -> Response:
        return HTMLResponse(LOGIN_PAGE)

    async def broken(request: Request, error: Exception) -> Response:
        traceback.print_exception(error)
        return PlainTextResponse("the emulator itself failed", 500, {"Connection": "close"})  # as the server will

    routes = [
        Route("/api", serve, methods=["GET", "POST"]),
        Route("/api/", serve, methods=["GET", "POST"]),
        Route("/login", login),
        Mount("/control", routes=control.routes(api.state, api.faults)),
    ]
    return Starlette(routes=routes, exception_handlers={Exception: broken})


async def _sleep_until(moment: float) -> None:
    """``moment``: in seconds of the event loop."""
    if (left := moment - asyncio.get_running_loop().time()) > 0:
        await asyncio.sleep(left)


def _handle(api: Api, method: str, query: bytes, content_type: str, body: bytes) -> Any:
    api.state.advance()
    return api.handle(method, query, content_type, body)


class ConnectionInReach(HttpToolsProtocol):
    """Uvicorn's HTTP protocol, with the connection in each request's ``scope["state"]``, for replies that break it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Send head and body of an answer as they come: waiting to join them costs a client that delays its ACK 40 ms a request."""
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class _Server(uvicorn.Server):
    """Uvicorn's server, but it stops at once, and does the work that comes due while it runs."""

    def __init__(self, config: uvicorn.Config, tick: Callable[[], None] | None) -> None:
        super().__init__(config)
        config.load()  # here, so that a certificate that cannot be read is an error of the caller
        self.running = threading.Event()
        self._tick = tick

    def stop(self) -> None:
        """From another thread: end ``run``."""
        self._loop.call_soon_threadsafe(self._stopped.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        await super().startup(sockets)
        self.running.set()

    async def main_loop(self) -> None:
        while not self._stopped.is_set():
            try:
                await asyncio.wait_for(self._stopped.wait(), TICK_SECONDS if self._tick else None)
            except TimeoutError:
                await self._do_tick()

    async def _do_tick(self) -> None:
        try:
            await asyncio.to_thread(self._tick or (lambda: None))
        except (ApiError, OSError, sqlite3.Error):  # the next request meets it too, and fails
            traceback.print_exc()
            self._tick = None

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        for task in list(self.server_state.tasks):
            task.cancel()


def _random_text(length: int) -> str:
    return "".join(secrets.choice(_KEY_CHARACTERS) for position in range(length))


def _certificates(directory: Path) -> Path:
    """The folder with ``ca.pem`` and ``server.pem`` (key and chain), made at first use and kept, so that clients go on trusting it."""
    folder = directory / "tls"
    if not (folder / "ca.pem").exists():
        import trustme  # takes longer to import than the rest to start

        folder.mkdir(mode=0o700, exist_ok=True)
        authority = trustme.CA()
        authority.issue_cert(HOST, "localhost").private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
        authority.cert_pem.write_to_path(folder / "ca.pem.new")
        (folder / "ca.pem.new").rename(folder / "ca.pem")  # last and whole: when it is there, all is there
    return folder
