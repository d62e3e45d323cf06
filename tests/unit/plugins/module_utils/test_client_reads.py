# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads are repeated: what may pass a few times, calls that come too often until the deadline, all else never."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.module_utils._client import Client
from ansible_collections.ucloudstack.cloud.plugins.module_utils._errors import (
    EndpointError,
    FatalError,
    NotSentError,
    RefusedError,
    TooFrequentError,
    UCloudStackError,
    UnknownOutcomeError,
)

Connect = Callable[..., Client]
Serve = Callable[..., Any]
GOOD = {"RetCode": 0, "TotalCount": 0, "Infos": []}
UNAVAILABLE = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(None, id="closed"),
        pytest.param(UNAVAILABLE, id="503"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", id="empty"),
        pytest.param({"RetCode": 560}, id="busy"),
        pytest.param({"RetCode": 5000}, id="refused for now"),
        pytest.param({"RetCode": 165}, id="too frequent"),
    ],
)
def test_what_may_pass_is_asked_again(connect: Connect, endpoint: Serve, ticks: Any, failure: Any) -> None:
    server = endpoint(failure, failure, GOOD)
    client = connect(server.url)
    assert client.read("DescribeSnapshot", {"Offset": 0}, ticks.deadline()) == GOOD
    assert len(server.requests) == 3 and client.calls == {"DescribeSnapshot": 3}
    assert server.requests[0].body == server.requests[2].body


def test_pauses_grow_and_differ_from_client_to_client(connect: Connect, endpoint: Serve, ticks: Any) -> None:
    server = endpoint(UNAVAILABLE)
    ticks.chances = [0, 1, 0.5, 0.25]
    with pytest.raises(UnknownOutcomeError):
        connect(server.url).read("DescribeSnapshot", {}, ticks.deadline())
    assert ticks.sleeps == [0.5 * 0.75, 1 * 1.25, 2 * 1.0, 4 * 0.875]


@pytest.mark.parametrize(
    ("failure", "kind"),
    [(None, UnknownOutcomeError), (UNAVAILABLE, UnknownOutcomeError), ({"RetCode": 2502}, RefusedError), ({"RetCode": 201}, RefusedError)],
)
def test_five_attempts_at_most(connect: Connect, endpoint: Serve, ticks: Any, failure: Any, kind: type[UCloudStackError]) -> None:
    server = endpoint(failure)
    with pytest.raises(kind):
        connect(server.url).read("DescribeSnapshot", {}, ticks.deadline())
    assert len(server.requests) == 5


def test_five_attempts_at_most_when_nobody_is_there(connect: Connect, endpoint: Serve, ticks: Any) -> None:
    server = endpoint(GOOD)
    server.stop()
    client = connect(server.url)
    with pytest.raises(NotSentError):
        client.read("DescribeSnapshot", {}, ticks.deadline())
    assert client.calls == {"DescribeSnapshot": 5}


def test_too_frequent_calls_do_not_count_as_attempts(connect: Connect, endpoint: Serve, ticks: Any) -> None:
    server = endpoint(*[{"RetCode": 199}] * 12, *[UNAVAILABLE] * 4, GOOD)
    assert connect(server.url).read("DescribeSnapshot", {}, ticks.deadline()) == GOOD
    assert len(server.requests) == 17


@pytest.mark.parametrize("failure", [{"RetCode": 165}, {"RetCode": 199}, b"HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n"])
def test_too_frequent_calls_are_repeated_until_the_deadline(connect: Connect, endpoint: Serve, ticks: Any, failure: Any) -> None:
    server = endpoint(failure)
    with pytest.raises(TooFrequentError):
        connect(server.url).read("DescribeSnapshot", {}, ticks.deadline(100))
    assert len(server.requests) > 8
    assert ticks.elapsed == pytest.approx(100)


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        ({"RetCode": 171}, FatalError),
        ({"RetCode": 31337}, FatalError),
        (b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n", EndpointError),
        (b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", EndpointError),
    ],
)
def test_what_cannot_pass_fails_at_once(connect: Connect, endpoint: Serve, ticks: Any, failure: Any, kind: type[UCloudStackError]) -> None:
    server = endpoint(failure)
    with pytest.raises(kind):
        connect(server.url).read("DescribeSnapshot", {}, ticks.deadline())
    assert len(server.requests) == 1 and ticks.sleeps == []


@pytest.mark.parametrize("seconds", [0, 0.1, 1, 3])
@pytest.mark.parametrize("failure", [UNAVAILABLE, {"RetCode": 165}])
def test_nobody_waits_past_the_deadline(connect: Connect, endpoint: Serve, ticks: Any, seconds: float, failure: Any) -> None:
    server = endpoint(failure)
    with pytest.raises(UCloudStackError):
        connect(server.url).read("DescribeSnapshot", {}, ticks.deadline(seconds))
    assert ticks.elapsed == pytest.approx(seconds)
    assert len(server.requests) == 1 + sum(sleep > 0 for sleep in ticks.sleeps) or failure == {"RetCode": 165}
    assert len(server.requests) == 1 or seconds


@pytest.mark.parametrize("call", ["read", "call"])
def test_a_call_whose_turn_comes_after_the_deadline_is_not_sent(connect: Connect, endpoint: Serve, ticks: Any, call: str) -> None:
    server = endpoint(*[{"RetCode": 165}] * 8, GOOD)
    client = connect(server.url)
    client.read("DescribeSnapshot", {}, ticks.deadline())  # has slowed the client down
    sent, began = len(server.requests), ticks.elapsed
    with pytest.raises(TooFrequentError, match="would time out"):
        getattr(client, call)("DescribeSnapshot", {}, ticks.deadline(0.1))
    assert len(server.requests) == sent and ticks.elapsed <= began + 0.1
    assert client.calls == {"DescribeSnapshot": sent}
