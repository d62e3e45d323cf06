# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A write is sent once, whatever happens to it; the class of the exception says what may have come of it."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.module_utils._client import Client
from ansible_collections.ucloudstack.cloud.plugins.module_utils._errors import (
    GatewayError,
    NotSentError,
    TooFrequentError,
    UCloudStackError,
    UnknownOutcomeError,
)
from emulator.server import Emulator

Connect = Callable[..., Client]
Serve = Callable[..., Any]
CREATE = ("CreateSnapshot", {"DiskID": "disk-1", "Name": "before"})


def failure(client: Client) -> UCloudStackError:
    """What a write raises: one line, that names the action, with nothing of the request in its chain."""
    with pytest.raises(UCloudStackError) as caught:
        client.call(*CREATE)
    error = caught.value
    assert str(error).startswith("CreateSnapshot: ") and "\n" not in str(error) and len(str(error)) < 600
    assert error.__cause__ is None and error.__context__ is None
    return error


# ---- never sent


def test_connection_refused(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    assert failure(connect(f"http://127.0.0.1:{port}/api")).__class__ is NotSentError


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_name_that_does_not_resolve(connect: Connect, monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    client = connect(f"{scheme}://console.customer.test/api")
    monkeypatch.setattr(socket, "getaddrinfo", fail)
    error = failure(client)
    assert error.__class__ is NotSentError and "Name or service not known" in str(error)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_nobody_answers_the_connection(connect: Connect, monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as stack:
        for _turn in range(3):  # the queue of a server that never accepts
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        error = failure(connect(f"{scheme}://127.0.0.1:{full.getsockname()[1]}/api", request_timeout=0.6))
    assert error.__class__ is NotSentError and "cannot connect" in str(error)


def test_https_to_a_port_that_speaks_http(connect: Connect, cloud: Emulator) -> None:
    error = failure(connect(cloud.api_url.replace("http:", "https:")))
    assert error.__class__ is NotSentError and "should start with http://" in str(error)
    assert cloud.calls() == []


@pytest.mark.parametrize("last_act", ["reset", "silence", "end"])
def test_handshake_that_does_not_come_to_an_end(connect: Connect, last_act: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = connect(f"https://127.0.0.1:{server.getsockname()[1]}/api", request_timeout=0.9)

        def accept() -> None:
            connection = server.accept()[0]
            connection.recv(1)
            if last_act == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif last_act == "silence":
                gone.wait(5)
            connection.close()

        gone = threading.Event()
        thread = threading.Thread(target=accept)
        thread.start()
        error = failure(client)
        gone.set()
        thread.join()
    assert error.__class__ is NotSentError and "handshake" in str(error)


# ---- sent, and then


def reset(request: Any) -> None:
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def silence(request: Any) -> None:
    request.connection.settimeout(5)
    with contextlib.suppress(OSError):
        request.connection.recv(1)  # until the client goes


def dripping(data: bytes) -> Callable[[Any], None]:
    """Sends a byte every few milliseconds, which takes seconds: long before, a client must have gone."""

    def answer(request: Any) -> None:
        for index in range(len(data)):
            request.connection.sendall(data[index : index + 1])
            time.sleep(0.03)

    return answer


BODY = b'{"RetCode": 0, "SnapshotID": "snapshot-1"}'.ljust(120)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 120\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
UNTIL_CLOSED = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"


def only(data: bytes) -> Callable[[Any], None]:
    """Sends this, and ends the connection."""
    return lambda request: request.connection.sendall(data)


def first(data: bytes, then: Callable[[Any], None]) -> Callable[[Any], None]:
    def answer(request: Any) -> None:
        request.connection.sendall(data)
        then(request)

    return answer


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        pytest.param(reset, UnknownOutcomeError, id="reset"),
        pytest.param(None, UnknownOutcomeError, id="closed"),
        pytest.param(only(HEAD[:30]), UnknownOutcomeError, id="closed in the head"),
        pytest.param(only(HEAD + BODY[:20]), UnknownOutcomeError, id="closed in the body"),
        pytest.param(only(CHUNKED + b'f\r\n{"RetCode": 0, '), UnknownOutcomeError, id="closed in a chunk"),
        pytest.param(only(CHUNKED + b"what\r\n"), UnknownOutcomeError, id="chunks that are none"),
        pytest.param(only(UNTIL_CLOSED + BODY[:20]), UnknownOutcomeError, id="closed in the JSON"),
        pytest.param(b"\x00\x01\x02 no HTTP at all\r\n\r\n", UnknownOutcomeError, id="not HTTP"),
        pytest.param(b"HTTP/1.1 banana OK\r\n\r\n", UnknownOutcomeError, id="a status that is none"),
        pytest.param(b"HTTP/1.1 204 No Content\r\n\r\n", UnknownOutcomeError, id="nothing"),
        *(
            pytest.param(b"HTTP/1.1 %d X\r\nContent-Length: 13\r\n\r\n" % status + b'{"RetCode":0}', kind, id=f"status {status}")
            for status, kind in [
                (400, UnknownOutcomeError),  # RetCode 0 denies it
                (408, UnknownOutcomeError),
                (429, TooFrequentError),
                (499, UnknownOutcomeError),
                (500, UnknownOutcomeError),
                (502, UnknownOutcomeError),
                (503, UnknownOutcomeError),
                (504, UnknownOutcomeError),
            ]
        ),
        *(
            pytest.param(b"HTTP/1.1 %d X\r\nContent-Length: 15\r\n\r\n<html>no</html>" % status, kind, id=f"page with status {status}")
            for status, kind in [
                (200, UnknownOutcomeError),
                (302, GatewayError),
                (400, GatewayError),
                (401, GatewayError),
                (403, GatewayError),
                (404, GatewayError),
                (405, GatewayError),
                (408, UnknownOutcomeError),
                (429, TooFrequentError),
                (500, UnknownOutcomeError),
                (502, UnknownOutcomeError),
            ]
        ),
    ],
)
def test_a_write_is_sent_once_and_its_outcome_is_reported(
    connect: Connect, endpoint: Serve, answer: Any, kind: type[UCloudStackError]
) -> None:
    server = endpoint(answer)
    client = connect(server.url)
    assert failure(client).__class__ is kind
    assert len(server.requests) == 1
    assert client.calls == {"CreateSnapshot": 1}


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(silence, id="silence"),
        pytest.param(dripping(HEAD + BODY), id="head and body, byte by byte"),
        pytest.param(first(HEAD, dripping(BODY)), id="a known length, byte by byte"),
        pytest.param(first(UNTIL_CLOSED, dripping(BODY)), id="no length, byte by byte"),
        pytest.param(first(CHUNKED, dripping(b"78\r\n" + BODY + b"\r\n0\r\n\r\n")), id="a chunk, byte by byte"),
        pytest.param(dripping(b"HTTP/1.1 100 Continue\r\n\r\n" * 5 + HEAD + BODY), id="not yet, not yet, not yet"),
    ],
)
def test_request_timeout_is_for_the_whole_request(connect: Connect, endpoint: Serve, answer: Any) -> None:
    server = endpoint(answer)
    error = failure(connect(server.url, request_timeout=0.4))
    assert error.__class__ is UnknownOutcomeError and "within request_timeout, 0.4 seconds" in str(error)
    assert all(thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread())  # none delays the exit
    assert len(server.requests) == 1


FAULTS: list[tuple[dict[str, Any], type[UCloudStackError], bool]] = [
    ({"kind": "drop"}, UnknownOutcomeError, False),
    ({"kind": "lose_answer"}, UnknownOutcomeError, True),
    ({"kind": "http_status", "status": 500, "done": True}, UnknownOutcomeError, True),
    ({"kind": "http_status", "status": 502, "done": False}, UnknownOutcomeError, False),
    ({"kind": "http_status", "status": 404, "done": False}, GatewayError, False),
    ({"kind": "http_status", "status": 429, "done": False}, TooFrequentError, False),
    ({"kind": "html", "done": True}, UnknownOutcomeError, True),
    ({"kind": "redirect"}, GatewayError, False),
    ({"kind": "empty"}, UnknownOutcomeError, True),
    ({"kind": "truncated", "cut": "connection"}, UnknownOutcomeError, True),
    ({"kind": "truncated", "cut": "json"}, UnknownOutcomeError, True),
    ({"kind": "wrong_shape", "shape": "list"}, UnknownOutcomeError, True),
    ({"kind": "wrong_shape", "shape": "string"}, UnknownOutcomeError, True),
    ({"kind": "wrong_shape", "shape": "null"}, UnknownOutcomeError, True),
    ({"kind": "wrong_shape", "shape": "no_ret_code"}, UnknownOutcomeError, True),
    ({"kind": "endless_body"}, UnknownOutcomeError, True),
    ({"kind": "refuse", "ret_code": 165}, TooFrequentError, False),
    ({"kind": "refuse", "ret_code": 560}, UnknownOutcomeError, False),
]


@pytest.mark.parametrize(("fault", "kind", "done"), [pytest.param(*each, id=" ".join(map(str, each[0].values()))) for each in FAULTS])
def test_each_fault_of_the_emulator(
    cloud: Emulator, connect: Connect, fault: dict[str, Any], kind: type[UCloudStackError], done: bool
) -> None:
    client = connect(cloud.api_url, public_key=cloud.public_key, private_key=cloud.private_key)
    disk_id = cloud.state.add_disk("data", 1)
    cloud.add_faults({"action": "CreateSnapshot", **fault})
    with pytest.raises(kind) as caught:
        client.call("CreateSnapshot", {"DiskID": disk_id, "Name": "before"})
    assert caught.value.__class__ is kind
    assert len(cloud.calls("CreateSnapshot")) == 1
    assert len(cloud.state.find_snapshots(disk_id=disk_id)) == done


def test_a_code_that_nobody_knows_fails_at_once(connect: Connect, endpoint: Serve) -> None:
    server = endpoint({"RetCode": 31337, "Message": "what is that?"})
    error = failure(connect(server.url))
    assert "31337: what is that?" in str(error) and error.ret_code == 31337
    assert len(server.requests) == 1


def test_after_a_failure_the_next_write_goes_through(connect: Connect, endpoint: Serve) -> None:
    server = endpoint(reset, None, b"\x00\r\n\r\n", {"RetCode": 0, "SnapshotID": "snapshot-1"})
    client = connect(server.url)
    for _turn in range(3):
        failure(client)
    assert client.call(*CREATE)["SnapshotID"] == "snapshot-1"


def test_call_given_up_before_it_was_sent_is_never_sent(connect: Connect, endpoint: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = endpoint({"RetCode": 0})
    name_server_answers = threading.Event()
    look_up = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args: name_server_answers.wait(10) and look_up(*args))
    threads = set(threading.enumerate())
    error = failure(connect(server.url, request_timeout=0.2))
    late = [thread for thread in threading.enumerate() if thread not in threads and thread.daemon]
    name_server_answers.set()
    for thread in late:
        thread.join(10)
    assert error.__class__ is NotSentError and late
    assert [request.body for request in server.requests if request.body] == []
