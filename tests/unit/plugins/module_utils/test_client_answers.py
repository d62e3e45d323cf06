# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers as no API should give them: each becomes data, or one line, and never a traceback."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.module_utils._answers import MAX_BYTES, printable
from ansible_collections.ucloudstack.cloud.plugins.module_utils._client import Client
from ansible_collections.ucloudstack.cloud.plugins.module_utils._errors import (
    EndpointError,
    FatalError,
    UCloudStackError,
    UnknownOutcomeError,
)

Connect = Callable[..., Client]
Serve = Callable[..., Any]


def http(body: bytes, status: int = 200, *fields: bytes) -> bytes:
    head = b"".join(field + b"\r\n" for field in (b"Content-Length: %d" % len(body), *fields))
    return b"HTTP/1.1 %d Whatever\r\n%s\r\n%s" % (status, head, body)


def nested(levels: int) -> bytes:
    return b'{"RetCode": 0, "Extra": %s%s}' % (b"[" * levels, b"]" * levels)


@pytest.mark.parametrize(
    ("body", "quoted"),
    [
        pytest.param(b"<html><body>Please log in</body></html>", "<html><body>Please log in", id="HTML"),
        pytest.param(b"", "an empty body", id="empty"),
        pytest.param(b" \r\n\t ", "an empty body", id="blanks"),
        pytest.param(b'[{"RetCode": 0}]', '[{"RetCode": 0}]', id="a list"),
        pytest.param(b'"Success"', '"Success"', id="a string"),
        pytest.param(b"null", "null", id="null"),
        pytest.param(b"0", "'0'", id="a number"),
        pytest.param(b'{"Action": "X"}', '{"Action": "X"}', id="no RetCode"),
        pytest.param(b'{"RetCode": null}', "null", id="RetCode null"),
        pytest.param(b'{"RetCode": ""}', "RetCode", id="RetCode empty"),
        pytest.param(b'{"RetCode": "zero"}', "zero", id="RetCode a word"),
        pytest.param(b'{"RetCode": false}', "false", id="RetCode false"),
        pytest.param(b'{"RetCode": 0.4}', "0.4", id="RetCode a fraction"),
        pytest.param(b'{"RetCode": [0]}', "[0]", id="RetCode a list"),
        pytest.param(b'{"RetCode": NaN}', "NaN", id="NaN"),
        pytest.param(b'{"RetCode": 0, "X": -Infinity}', "Infinity", id="infinity"),
        pytest.param(b'{"RetCode": %s}' % (b"9" * 5000), "9999", id="a number of 5000 digits"),
        pytest.param(b'{"RetCode": 0}}', '{"RetCode": 0}}', id="a brace too many"),
        pytest.param(b'{"RetCode": 0', '{"RetCode": 0', id="a brace too few"),
        pytest.param(b'\xef\xbb\xbf{"RetCode": 0}', "RetCode", id="a byte order mark"),
        pytest.param(b"\xff\xfe\x00garbage", "garbage", id="not UTF-8"),
        pytest.param(nested(30), "Extra", id="nested 30 levels"),
        pytest.param(nested(200_000), "Extra", id="nested 200000 levels"),
    ],
)
def test_not_an_answer_of_the_api(connect: Connect, endpoint: Serve, body: bytes, quoted: str) -> None:
    server = endpoint(http(body))
    with pytest.raises(UnknownOutcomeError, match="CreateSnapshot: HTTP status 200") as caught:
        connect(server.url).call("CreateSnapshot", {})
    message = str(caught.value)
    assert quoted in message and message.isprintable() and len(message) < 250


@pytest.mark.parametrize(
    "body",
    [
        b'{"RetCode": 0, "SnapshotID": "snapshot-1"}',
        b'{"RetCode": "0", "SnapshotID": "snapshot-1"}',
        b'{"RetCode": 0.0, "SnapshotID": "snapshot-1"}',
        b'\n {"SnapshotID":"snapshot-1","RetCode":0,"Unknown":{"deep":[1,{"er":null}]}} \n',
    ],
)
def test_answers_that_differ_in_spelling(connect: Connect, endpoint: Serve, body: bytes) -> None:
    assert connect(endpoint(http(body)).url).call("CreateSnapshot", {})["SnapshotID"] == "snapshot-1"


@pytest.mark.parametrize("status", [200, 201, 400, 403, 404])
def test_a_return_code_counts_with_any_status_but_a_servers_error(connect: Connect, endpoint: Serve, status: int) -> None:
    server = endpoint(http(b'{"RetCode": "2201", "Message": "no disk-1"}', status))
    with pytest.raises(FatalError, match="RetCode 2201: no disk-1") as caught:
        connect(server.url).call("CreateSnapshot", {})
    assert caught.value.ret_code == 2201


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413])
@pytest.mark.parametrize("body", [b"<h1>Not here</h1>", b'{"error": "Not here"}', b""])
def test_a_gateway_that_refuses(connect: Connect, endpoint: Serve, status: int, body: bytes) -> None:
    with pytest.raises(EndpointError, match=f"HTTP status {status} and .* Check api_url and the proxy variables") as caught:
        connect(endpoint(http(body, status)).url).call("CreateSnapshot", {})
    assert caught.value.ret_code is None


@pytest.mark.parametrize("status", [408, 499, 500, 503])
def test_a_return_code_with_a_servers_error_is_not_believed(connect: Connect, endpoint: Serve, status: int) -> None:
    with pytest.raises(UnknownOutcomeError):
        connect(endpoint(http(b'{"RetCode": 2201}', status)).url).call("CreateSnapshot", {})


@pytest.mark.parametrize("message", [None, 5, ["x"], {"x": 1}, "", "two\nlines\x1b[31m and\u202e more", "x" * 5000])
def test_whatever_the_message_is(connect: Connect, endpoint: Serve, message: Any) -> None:
    with pytest.raises(UCloudStackError, match=r"quota is exceeded .RetCode 161") as caught:
        connect(endpoint({"RetCode": 161, "Message": message}).url).call("CreateSnapshot", {})
    assert str(caught.value).isprintable() and len(str(caught.value)) < 400


def test_the_limit_of_bytes(connect: Connect, endpoint: Serve) -> None:
    texts = b'{"RetCode": 0, "X": [' + b'"%s",' % (b"x" * 1000) * (MAX_BYTES // 1010)
    fits = texts + b'"%s"]}' % (b"x" * (MAX_BYTES - len(texts) - 4))
    assert len(fits) == MAX_BYTES
    server = endpoint(http(fits), http(fits + b" "), http(b'{"RetCode": 0}'))
    client = connect(server.url)
    assert client.call("CreateSnapshot", {})["RetCode"] == 0
    with pytest.raises(UnknownOutcomeError, match=f"more than {MAX_BYTES} bytes"):
        client.call("CreateSnapshot", {})
    assert client.call("CreateSnapshot", {})["RetCode"] == 0


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 500 No\r\n\r\n", b"HTTP/1.1 302 Found\r\nLocation: http://login.test/\r\n\r\n"]
)
def test_an_endless_body(connect: Connect, endpoint: Serve, head: bytes) -> None:
    sent = []

    def pour(request: Any) -> None:
        request.connection.sendall(head)
        for _turn in range(64):
            request.connection.sendall(b"x" * 2**20)
            sent.append(2**20)

    server = endpoint(pour)
    with pytest.raises(UnknownOutcomeError, match=f"more than {MAX_BYTES} bytes"):
        connect(server.url).call("CreateSnapshot", {})
    assert sum(sent) < 32 * 2**20  # what the sockets hold by themselves


@pytest.mark.parametrize(("coding", "pack"), [(b"gzip", gzip.compress), (b"deflate", zlib.compress)])
def test_packed_answers(connect: Connect, endpoint: Serve, coding: bytes, pack: Callable[[bytes], bytes]) -> None:
    body = json.dumps({"RetCode": 0, "SnapshotID": "snapshot-1", "X": list(range(5000))}).encode()
    server = endpoint(http(pack(body), 200, b"Content-Encoding: " + coding))
    assert connect(server.url).call("CreateSnapshot", {})["SnapshotID"] == "snapshot-1"
    assert server.requests[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    "body", [b"not gzip at all", gzip.compress(b'{"RetCode": 0, "X": "' + bytes(100) * 2 + b'"}')[:-20]], ids=["not packed", "cut short"]
)
def test_packed_answers_that_cannot_be_unpacked(connect: Connect, endpoint: Serve, body: bytes) -> None:
    with pytest.raises(UnknownOutcomeError):
        connect(endpoint(http(body, 200, b"Content-Encoding: gzip")).url).call("CreateSnapshot", {})


def test_a_small_packed_answer_that_is_large(connect: Connect, endpoint: Serve) -> None:
    bomb = gzip.compress(b'{"RetCode": 0, "X": "' + b"x" * (MAX_BYTES + 1) + b'"}')
    with pytest.raises(UnknownOutcomeError, match=f"more than {MAX_BYTES} bytes"):
        connect(endpoint(http(bomb, 200, b"Content-Encoding: gzip")).url).call("CreateSnapshot", {})


def test_what_cannot_be_encoded_again_is_replaced(connect: Connect, endpoint: Serve) -> None:
    server = endpoint(http(rb'{"RetCode": 0, "a\ud800": ["\udfff", "\ud83d\udcbe", {"x": "\ud83d"}]}'))
    answer = connect(server.url).call("DescribeSnapshot", {})
    assert answer == {"RetCode": 0, "a?": ["?", "\U0001f4be", {"x": "?"}]}


def test_a_message_that_cannot_be_encoded_again(connect: Connect, endpoint: Serve) -> None:
    with pytest.raises(UCloudStackError) as caught:
        connect(endpoint(http(rb'{"RetCode": 161, "Message": "x\ud800y"}')).url).call("CreateSnapshot", {})
    assert "x?y" in str(caught.value)


@pytest.mark.parametrize(
    ("location", "named"),
    [
        ("https://sso.customer.test/login?next=%2Fapi", "sso.customer.test"),
        ("//sso.customer.test/login", "sso.customer.test"),
        ("https://me:password@sso.customer.test/", "sso.customer.test"),
        ("/login", "another page"),
        ("http://[::1", "another page"),
        ("", "another page"),
        ("https://\xe9\xff.test/", "\xe9"),
    ],
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_named_and_not_followed(connect: Connect, endpoint: Serve, location: str, named: str, status: int) -> None:
    server = endpoint(http(b"moved", status, b"Location: " + location.encode("latin-1")))
    with pytest.raises(EndpointError, match=r"redirects to .*probably a login page. Check api_url") as caught:
        connect(server.url).call("CreateSnapshot", {})
    assert named in str(caught.value) and "password" not in str(caught.value)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_nothing_is_sent_to_where_a_redirect_points(connect: Connect, endpoint: Serve, status: int) -> None:
    other = endpoint({"RetCode": 0})
    server = endpoint(http(b"", status, f"Location: {other.url}".encode()))
    with pytest.raises(EndpointError, match=f"redirects to 127.0.0.1:{other.port}"):
        connect(server.url).call("CreateSnapshot", {})
    assert other.requests == []


def test_printable_text() -> None:
    assert printable("one\r\ntwo\tthree\x00\x1b[0m\u2028end ") == "one  two three  [0m end"
    assert printable("磁盘 \U0001f4be") == "磁盘 \U0001f4be"
    assert printable("x" * 1000) == "x" * 200
    assert printable("a secret here", ["secret", ""]) == "a *** here"


# ---- the id of a request


def test_id_of_a_request_is_kept_beside_the_answer(connect: Callable[..., Client], endpoint: Callable[..., Any]) -> None:
    server = endpoint(http(b'{"RetCode": 0}', 200, b"X-UCLOUD-REQUEST-UUID: 6f2c-1"), http(b'{"RetCode": 0}', 200))
    client = connect(server.url)
    assert [client.call("DeleteSnapshot", {}).request_id for _turn in range(2)] == ["6f2c-1", None]


@pytest.mark.parametrize("body", [b'{"RetCode": 2500}', b'{"RetCode": 130}', b"<html>", b'{"RetCode": 0, "X": '])
def test_id_of_a_request_is_in_every_error_that_has_one(connect: Callable[..., Client], endpoint: Callable[..., Any], body: bytes) -> None:
    server = endpoint(http(body, 200, b"X-UCLOUD-REQUEST-UUID: 6f2c-1"))
    with pytest.raises(UCloudStackError, match="request 6f2c-1") as caught:
        connect(server.url).call("DeleteSnapshot", {})
    assert caught.value.request_id == "6f2c-1"


@pytest.mark.parametrize("header", [b"", b" ", b"two words", b"x" * 65, b"\xff\xfe", b"bell\x07", b"a-private-key-for-these-tests"])
def test_an_invalid_request_id_is_ignored(connect: Callable[..., Client], endpoint: Callable[..., Any], header: bytes) -> None:
    server = endpoint(http(b'{"RetCode": 0}', 200, b"X-UCLOUD-REQUEST-UUID: " + header))
    answer = connect(server.url, private_key="a-private-key-for-these-tests").call("DeleteSnapshot", {})
    assert answer.request_id is None
