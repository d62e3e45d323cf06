# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""URLs that cannot be meant are refused in one line, before any request."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest
from ansible_collections.ucloudstack.cloud.plugins.module_utils._client import Client
from ansible_collections.ucloudstack.cloud.plugins.module_utils._errors import EndpointError, NotSentError

Connect = Callable[..., Client]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/",
        "console.customer.test/api",
        "console.customer.test:443/api",
        "//console.customer.test/api",
        "ftp://console.customer.test/api",
        "file:///etc/passwd",
        "https:console.customer.test",
        "https://",
        "https:///api",
        "https://:443/api",
        "https://console.customer.test:0/api",
        "https://console.customer.test:65536/api",
        "https://console.customer.test:https/api",
        "https://console.customer.test:-1/api",
        "https://[::1/api",
        "https://[not an address]/api",
        "https://console.customer.test /api",
        " https://console.customer.test/api",
        "https://console.customer.test/api ",
        "https://console.customer.test/api\n",
        "https://console.customer.test/api\nX-Header: 1",
        "https://console.customer.test/a\x00pi",
        "https://console.customer.test/api\u200b",
        "https://console.customer.test\\api",
        "https://console.customer.test/api?Action=DescribeSnapshot",
        "https://console.customer.test/api#top",
        "https://控制台.test/api",
        "https://console.customer.test/\ud800",
        "x" * 5000,
    ],
)
def test_an_invalid_url(connect: Connect, url: str) -> None:
    with pytest.raises(EndpointError, match="it must be a URL such as https://console.example.com/api") as caught:
        connect(url)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 400
    assert url[:20].strip() in str(caught.value) or not url[:20].isprintable()


@pytest.mark.parametrize(
    "url",
    [
        "https://someone:something@console.customer.test/api",
        "https://something@console.customer.test/api",
        "ftp://someone:something@console.customer.test/api",
        "someone:something@console.customer.test/api",
        "https://someone:something@console.customer.test:99999/api",
    ],
)
def test_a_password_in_the_url_is_refused_and_not_repeated(connect: Connect, url: str) -> None:
    with pytest.raises(EndpointError, match="must not contain a user name or password") as caught:
        connect(url)
    assert "something" not in str(caught.value) and caught.value.__context__ is None


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080/api",
        "https://console.customer.test",
        "https://console.customer.test/",
        "HTTPS://Console.Customer.Test:443/a/b/api/",
        "https://[::1]:8443/api",
        "https://console.customer.test:/api",
        "https://xn--console-0y2p.test/%E6%8E%A7",
    ],
)
def test_a_url_that_is_one(connect: Connect, url: str) -> None:
    assert connect(url).config.api_url == url


@pytest.mark.parametrize("host", ["a..b", ".customer.test", "x" * 64 + ".test", "127.0.0.1.", "-.-", "%41"])
def test_a_host_that_cannot_be_asked_for(connect: Connect, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises((EndpointError, NotSentError), match="Check api_url"):
        connect(f"http://{host}/api").call("CreateSnapshot", {})
