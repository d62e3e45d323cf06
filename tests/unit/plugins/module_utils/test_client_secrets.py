# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The private key and the signature are in nothing but the body of a request, not even if the other end repeats them."""

from __future__ import annotations

import io
import json
import logging
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.module_utils._client import Client
from ansible_collections.ucloudstack.cloud.plugins.module_utils._errors import UCloudStackError
from ansible_collections.ucloudstack.cloud.plugins.module_utils._transport import Config

Connect = Callable[..., Client]
Serve = Callable[..., Any]
PRIVATE_KEY = "a-private-key-for-these-tests-zyxwvutsrqponmlkjihgfedcba"


def http(body: str, status: int = 200, *fields: str) -> bytes:
    head = "".join(f"{each}\r\n" for each in (f"Content-Length: {len(body.encode())}", *fields))
    return f"HTTP/1.1 {status} Whatever\r\n{head}\r\n{body}".encode()


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


ECHOES: dict[str, Callable[[str], bytes | None]] = {
    "in Message": lambda text: http(f'{{"RetCode": 171, "Message": "wrong: {text}"}}'),
    "in a page": lambda text: http(f"<html>{text}</html>"),
    "in a page, often": lambda text: http(f"{text} " * 50),
    "in a page, cut": lambda text: http(f"{text.partition(' ')[0]} " * 50),
    "in a page, at every offset": lambda text: http(" ".join("x" * length + text for length in range(60))),
    "in an error page": lambda text: http(f"<html>{text}</html>", 502),
    "in a refusal": lambda text: http(text, 403),
    "in Location": lambda text: http("", 302, f"Location: https://{text}.test/{text}"),
    "in the status line": lambda text: f"{text}\r\n\r\n".encode(),
    "in the status": lambda text: f"HTTP/1.1 {text} OK\r\n\r\n".encode(),
    "in a header": lambda text: f"HTTP/1.1 200 OK\r\nContent-Length: {text}\r\nTransfer-Encoding: chunked\r\n\r\n{text}\r\n".encode(),
    "in the id of the request": lambda text: http('{"RetCode": 171}', 200, f"X-UCLOUD-REQUEST-UUID: {text}"),
    "alone in the id of the request": lambda text: http("x", 200, f"X-UCLOUD-REQUEST-UUID: {text.partition(' ')[0]}"),
    "in the coding": lambda text: http(text, 200, "Content-Encoding: gzip"),
    "in a broken answer": lambda text: http(f'{{"RetCode": 0, "X": "{text}"'),
    "nowhere": lambda text: None,
}


@pytest.mark.parametrize("echo", ECHOES)
def test_what_the_other_end_repeats(connect: Connect, endpoint: Serve, echo: str, caplog: pytest.LogCaptureFixture) -> None:
    server = endpoint(lambda request: ECHOES[echo](f"{request.form['Signature']} {PRIVATE_KEY}"))
    client = connect(server.url, private_key=PRIVATE_KEY)
    with caplog.at_level(logging.DEBUG), pytest.raises(UCloudStackError) as caught:
        client.call("CreateSnapshot", {"Name": "x"})
    (request,) = server.requests
    said = io.StringIO()
    for error in chain(caught.value):
        said.write(f"{error!s} {error!r} {error.args!r} {vars(error)!r}")
        assert not hasattr(error, "request") and not hasattr(error, "response")
    said.write("".join(traceback.format_exception(type(caught.value), caught.value, caught.value.__traceback__)))
    said.write(caplog.text)
    for secret in (PRIVATE_KEY, request.form["Signature"]):
        assert len(secret) >= 40
        for start in range(len(secret) - 11):
            assert secret[start : start + 12] not in said.getvalue()


def test_answer_that_repeats_the_signature_is_passed_on_without_it(connect: Connect, endpoint: Serve) -> None:
    server = endpoint(lambda request: http(json.dumps({"RetCode": 0, "Infos": [{request.form["Signature"]: [f"of {request.form}"]}]})))
    answer = connect(server.url).call("DescribeSnapshot", {})
    (request,) = server.requests
    assert request.form["Signature"] not in str(answer)
    assert answer["Infos"][0]["***"][0].startswith("of {'Region': 'cn'"), "and the rest is as it was sent"


def test_the_url_and_the_headers_hold_no_secret(connect: Connect, endpoint: Serve) -> None:
    server = endpoint({"RetCode": 0})
    client = connect(server.url)
    client.call("CreateSnapshot", {"Name": "x"})
    (request,) = server.requests
    shown = f"{request.line} {dict(request.headers)}"
    assert request.form["Signature"] not in shown and client.config.public_key not in shown
    assert client.config.private_key not in shown + request.body.decode()


def test_the_configuration_does_not_show_the_key() -> None:
    config = Config("https://console.customer.test/api", "public", "private-key-that-is-long", "cn")
    assert "private-key-that-is-long" not in f"{config} {config!r}"
    assert "public" in repr(config)


def test_a_ca_path_or_url_that_fails_does_not_show_the_key(connect: Connect) -> None:
    for options in ({"url": "nonsense"}, {"url": "https://console.customer.test", "ca_path": "/nowhere"}):
        with pytest.raises(UCloudStackError) as caught:
            connect(**options)
        text = "".join(traceback.format_exception(type(caught.value), caught.value, caught.value.__traceback__)) + "".join(
            repr(each) for each in chain(caught.value)
        )
        assert "private-key" not in text
