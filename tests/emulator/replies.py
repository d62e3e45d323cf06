# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a reply to bytes on the connection, including all that a network and a gateway make of an answer."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import AsyncIterator
from typing import Any

from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from emulator.api import Reply

LOGIN_PAGE = "<!DOCTYPE html><html><head><title>Login</title></head><body><form action='/login'>Please log in</form></body></html>"
REQUEST_ID = "X-UCLOUD-REQUEST-UUID"
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)


class Dropped(Response):
    """No answer: the connection is reset."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Reset the connection, and stay until the server has seen it go."""
        transport: asyncio.Transport = scope["state"]["transport"]
        with contextlib.suppress(OSError):  # the client may have gone before
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
        transport.abort()
        while (await receive())["type"] != "http.disconnect":
            pass


class CutShort(Response):
    """Half of the body that the Content-Length promised, then the end of the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send one half and close."""
        half = bytes(self.body)[: len(self.body) // 2]
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": half, "more_body": True})
        transport: asyncio.Transport = scope["state"]["transport"]
        transport.close()
        while (await receive())["type"] != "http.disconnect":
            pass


def response(reply: Reply) -> Response:
    """The HTTP response of a reply; sending it may be no response at all."""
    headers = {REQUEST_ID: reply.request_id} if reply.request_id else {}
    if reply.fault is None:
        return JSONResponse(reply.answer, headers=headers)
    fields = reply.fault.fields
    match reply.fault.kind:
        case "drop" | "lose_answer":
            return Dropped()
        case "http_status":
            retry_after = {} if fields["retry_after"] is None else {"Retry-After": str(fields["retry_after"])}
            page = f"<html><body><h1>{fields['status']}</h1>gateway</body></html>"
            return HTMLResponse(page, fields["status"], headers=retry_after)
        case "html":
            return HTMLResponse(LOGIN_PAGE)
        case "redirect":
            return RedirectResponse(fields["location"], 302)
        case "empty":
            return Response(media_type="application/json")
        case "truncated" if fields["cut"] == "connection":
            return CutShort(json.dumps(reply.answer), headers=headers, media_type="application/json")
        case "truncated":
            text = json.dumps(reply.answer)
            return Response(text[: len(text) // 2], headers=headers, media_type="application/json")
        case "wrong_shape":
            return JSONResponse(_misshapen(reply.answer, fields["shape"]))
        case "endless_body":
            return StreamingResponse(_endless(), media_type="application/json")
    raise ValueError(f"no response for {reply.fault.kind}")


def _misshapen(answer: dict[str, Any], shape: str) -> Any:
    match shape:
        case "list":
            return [answer]
        case "string":
            return "Success"
        case "null":
            return None
        case "infos_string":
            return {**answer, "Infos": "none"}
        case _:
            return {name: value for name, value in answer.items() if name != "RetCode"}


async def _endless() -> AsyncIterator[bytes]:
    yield b'{"RetCode": 0, "Message": "'
    while True:
        yield b"x" * 65536
        await asyncio.sleep(0)  # lets the server see that the client has gone
