# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Proxies of the environment are used, and nothing else of it."""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any

import pytest
import trustme
from ansible_collections.ucloudstack.cloud.plugins.module_utils._client import Client
from ansible_collections.ucloudstack.cloud.plugins.module_utils._errors import EndpointError, NotSentError

Connect = Callable[..., Client]
Serve = Callable[..., Any]
GOOD = {"RetCode": 0}


def tunnel(request: Any) -> None:
    """What a proxy does with CONNECT: join the two connections, whatever host was asked for, by its port."""
    upstream = socket.create_connection(("127.0.0.1", int(request.line.split()[1].rpartition(":")[2])))
    request.connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")

    def copy(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=copy, args=(upstream, request.connection), daemon=True)
    thread.start()
    copy(request.connection, upstream)
    thread.join()
    upstream.close()


@pytest.mark.parametrize("scheme", ["http://", ""])
@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_http_goes_through_the_proxy(
    connect: Connect, endpoint: Serve, monkeypatch: pytest.MonkeyPatch, variable: str, scheme: str
) -> None:
    proxy = endpoint(GOOD)
    monkeypatch.setenv(variable, f"{scheme}127.0.0.1:{proxy.port}")
    assert connect("http://console.customer.test/api").call("CreateSnapshot", {"Name": "x"}) == GOOD
    (request,) = proxy.requests
    assert request.line == "POST http://console.customer.test/api HTTP/1.1"
    assert request.form["Name"] == "x"


def test_https_goes_through_a_tunnel(
    connect: Connect,
    endpoint: Serve,
    monkeypatch: pytest.MonkeyPatch,
    authority: trustme.CA,
    certificate: Callable[..., ssl.SSLContext],
    ca_file: str,
) -> None:
    server = endpoint(GOOD, tls=certificate(authority, "console.customer.test"))
    proxy = endpoint(tunnel)
    monkeypatch.setenv("https_proxy", f"http://someone:some%20thing@127.0.0.1:{proxy.port}")
    client = connect(f"https://console.customer.test:{server.port}/api", ca_path=ca_file)
    for _turn in range(3):
        assert client.call("CreateSnapshot", {"Name": "x"}) == GOOD
    assert [request.line.rpartition(" HTTP/")[0] for request in proxy.requests] == [f"CONNECT console.customer.test:{server.port}"]
    assert proxy.requests[0].headers["proxy-authorization"] == "Basic " + base64.b64encode(b"someone:some thing").decode()
    assert [request.form["Name"] for request in server.requests] == ["x"] * 3
    assert "proxy-authorization" not in server.requests[0].headers


def test_certificates_are_checked_through_a_tunnel_too(
    connect: Connect, endpoint: Serve, monkeypatch: pytest.MonkeyPatch, certificate: Callable[..., ssl.SSLContext], ca_file: str
) -> None:
    server = endpoint(GOOD, tls=certificate(trustme.CA(), "console.customer.test"))
    proxy = endpoint(tunnel)
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
    with pytest.raises(EndpointError, match="is not trusted"):
        connect(f"https://console.customer.test:{server.port}/api", ca_path=ca_file).call("CreateSnapshot", {})
    assert server.requests == []
    assert connect(f"https://console.customer.test:{server.port}/api", validate_certs=False).call("CreateSnapshot", {}) == GOOD


def test_the_name_is_checked_through_a_tunnel_too(
    connect: Connect,
    endpoint: Serve,
    monkeypatch: pytest.MonkeyPatch,
    authority: trustme.CA,
    certificate: Callable[..., ssl.SSLContext],
    ca_file: str,
) -> None:
    server = endpoint(GOOD, tls=certificate(authority, "127.0.0.1", "localhost"))
    monkeypatch.setenv("https_proxy", f"http://localhost:{endpoint(tunnel).port}")
    with pytest.raises(EndpointError, match="uses a name or address"):
        connect(f"https://console.customer.test:{server.port}/api", ca_path=ca_file).call("CreateSnapshot", {})
    assert server.requests == []


@pytest.mark.parametrize("exempt", ["127.0.0.1", "127.0.0.0/8", "*", "example.test,127.0.0.1"])
@pytest.mark.parametrize("variable", ["no_proxy", "NO_PROXY"])
def test_what_needs_no_proxy_goes_directly(
    connect: Connect, endpoint: Serve, monkeypatch: pytest.MonkeyPatch, exempt: str, variable: str
) -> None:
    server, proxy = endpoint(GOOD), endpoint({"RetCode": 1})
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv(variable, exempt)
    assert connect(server.url).call("CreateSnapshot", {}) == GOOD
    assert proxy.requests == [] and server.requests[0].line == "POST /api HTTP/1.1"


def test_a_proxy_for_http_is_not_used_for_https(
    connect: Connect,
    endpoint: Serve,
    monkeypatch: pytest.MonkeyPatch,
    authority: trustme.CA,
    certificate: Callable[..., ssl.SSLContext],
    ca_file: str,
) -> None:
    server, proxy = endpoint(GOOD, tls=certificate(authority, "127.0.0.1")), endpoint(GOOD)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
    assert connect(server.url, ca_path=ca_file).call("CreateSnapshot", {}) == GOOD
    assert proxy.requests == [] and len(server.requests) == 1


@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", id="403"),
        pytest.param(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n", id="407"),
        pytest.param(b"HTTP/1.1 502 Nobody there\r\nContent-Length: 0\r\n\r\n", id="502"),
        pytest.param(b"garbage\r\n\r\n", id="garbage"),
        pytest.param(None, id="closed"),
    ],
)
def test_a_tunnel_that_does_not_come_to_be(
    connect: Connect, endpoint: Serve, monkeypatch: pytest.MonkeyPatch, refusal: bytes | None
) -> None:
    proxy = endpoint(refusal)
    monkeypatch.setenv("https_proxy", f"http://someone:something@127.0.0.1:{proxy.port}")
    with pytest.raises(NotSentError, match="Check api_url, the network and the proxy variables") as caught:
        connect("https://console.customer.test/api").call("CreateSnapshot", {})
    assert "something" not in str(caught.value) and str(caught.value).isprintable()
    assert len(proxy.requests) == 1


@pytest.mark.parametrize("url", ["http://console.customer.test/api", "https://console.customer.test/api"])
def test_an_unreachable_proxy(connect: Connect, endpoint: Serve, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    proxy = endpoint(GOOD)
    proxy.stop()
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.port}")
    with pytest.raises(NotSentError, match="proxy variables"):
        connect(url).call("CreateSnapshot", {})


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("http://", "the URL of the proxy is invalid"),
        ("http://[::1", "the URL of the proxy is invalid"),
        ("http://127.0.0.1:99999", "the URL of the proxy is invalid"),
        ("http://someone:something@:80", "the URL of the proxy is invalid"),
        ("ftp://someone:something@127.0.0.1", "unsupported scheme"),
        ("socks5://someone:something@127.0.0.1", "SOCKS"),  # needs PySocks
    ],
)
def test_proxy_variables_that_make_no_sense(connect: Connect, monkeypatch: pytest.MonkeyPatch, value: str, reason: str) -> None:
    monkeypatch.setenv("http_proxy", value)
    with pytest.raises(EndpointError, match="proxy variables") as caught:
        connect("http://console.customer.test/api")
    assert reason in str(caught.value)
    assert "something" not in str(caught.value) and str(caught.value).isprintable()
