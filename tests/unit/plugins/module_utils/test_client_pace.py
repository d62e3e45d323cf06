# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All threads of a client slow down together when the API says that calls come too often, and recover together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from heapq import heappop, heappush
from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.module_utils._answers import retry_after
from ansible_collections.ucloudstack.cloud.plugins.module_utils._client import Client, Pace
from ansible_collections.ucloudstack.cloud.plugins.module_utils._clock import Clock, Deadline
from ansible_collections.ucloudstack.cloud.plugins.module_utils._errors import TooFrequentError
from ansible_collections.ucloudstack.cloud.plugins.module_utils._transport import Config
from emulator.errors import Reason
from emulator.server import Emulator

FOREVER = float("inf")


@pytest.fixture
def pace(ticks: Any) -> Pace:
    return Pace(ticks.clock())


def slow_down(pace: Pace, times: int = 1) -> None:
    for _turn in range(times):
        pace.slower(pace.wait(FOREVER))


@pytest.fixture
def gap(pace: Pace, ticks: Any) -> Callable[[], float]:
    """``gap()``: seconds between two calls."""

    def measure() -> float:
        pace.wait(FOREVER)
        before = ticks.elapsed
        pace.wait(FOREVER)
        return float(ticks.elapsed - before)

    return measure


def test_nothing_is_held_back_at_first(pace: Pace, ticks: Any) -> None:
    for _turn in range(100):
        pace.faster(pace.wait(FOREVER))
    assert ticks.sleeps == []


def test_each_time_the_gap_widens_up_to_a_limit(pace: Pace, gap: Callable[[], float]) -> None:
    gaps = []
    for _turn in range(40):
        slow_down(pace)
        gaps.append(gap())
    assert gaps[:3] == pytest.approx([0.02, 0.026, 0.0338])
    assert gaps[24:] == [pytest.approx(10)] * 16


def test_calls_of_the_pace_before_neither_slow_it_down_again_nor_speed_it_up(pace: Pace, gap: Callable[[], float]) -> None:
    under_way = [pace.wait(FOREVER) for _turn in range(16)]
    pace.slower(under_way[0])
    for each in under_way[1:8]:
        pace.slower(each)
    for each in under_way[8:]:
        pace.faster(each)
    assert gap() == pytest.approx(0.02)


def test_a_new_gap_holds_for_calls_that_wait_already(pace: Pace, ticks: Any) -> None:
    slow_down(pace)
    under_way = pace.wait(FOREVER)
    rejected_meanwhile = [under_way]

    def sleep_and_be_rejected(seconds: float) -> None:
        ticks.sleep(seconds)
        if rejected_meanwhile:
            pace.slower(rejected_meanwhile.pop(), retry_after=5)

    pace._clock = Clock(now=lambda: ticks.elapsed, sleep=sleep_and_be_rejected)
    began = ticks.elapsed
    pace.wait(FOREVER)
    assert ticks.elapsed == pytest.approx(began + 0.02 + 5)


def test_the_next_call_waits_too(pace: Pace, ticks: Any) -> None:
    slow_down(pace)
    pace.wait(FOREVER)
    assert ticks.sleeps == pytest.approx([0.02])


def test_it_recovers_with_every_call_that_goes_through(pace: Pace, gap: Callable[[], float]) -> None:
    slow_down(pace, 15)
    gaps = []
    for _turn in range(200):
        gaps.append(gap())
        pace.faster(pace.wait(FOREVER))
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[0] == pytest.approx(0.02 * 1.3**14) and gaps[-1] == 0


def test_who_cannot_wait_so_long_fails_at_once_and_takes_nobodys_turn(pace: Pace, ticks: Any) -> None:
    slow_down(pace, 15)
    began = ticks.elapsed
    with pytest.raises(TooFrequentError, match="would time out"):
        pace.wait(0.5)
    assert ticks.elapsed == began
    pace.wait(2)
    assert ticks.elapsed == pytest.approx(began + 0.02 * 1.3**14)


def test_who_cannot_wait_for_the_others_fails(ticks: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sleeping, awake = threading.Event(), threading.Event()

    def sleep(seconds: float) -> None:
        sleeping.set()
        assert awake.wait(10)
        ticks.elapsed += seconds

    pace = Pace(Clock(now=lambda: ticks.elapsed, sleep=sleep))
    monkeypatch.setattr(pace, "PATIENCE", 0.01)
    slow_down(pace)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(pace.wait, FOREVER)
        assert sleeping.wait(10)
        with pytest.raises(TooFrequentError, match="would time out"):
            pace.wait(0)
        awake.set()
        assert first.result() == 1
    pace.wait(FOREVER)  # nobody holds it any more


def test_a_write_waits_for_its_turn(connect: Callable[..., Client], endpoint: Callable[..., Any], ticks: Any) -> None:
    client = connect(endpoint({"RetCode": 165}, {"RetCode": 0}).url)
    with pytest.raises(TooFrequentError):
        client.call("CreateSnapshot", {})
    client.call("CreateSnapshot", {})
    assert ticks.sleeps == pytest.approx([0.02])


@pytest.mark.parametrize("under_way", [0, 16])
def test_no_call_is_made_before_the_api_wants_one(pace: Pace, ticks: Any, under_way: int) -> None:
    """Even if only a call of the pace before was told so."""
    calls = [pace.wait(FOREVER) for _turn in range(1 + under_way)]
    for each in calls[1:]:
        pace.slower(each)
    pace.slower(calls[0], retry_after=7)
    pace.wait(FOREVER)
    assert ticks.sleeps == pytest.approx([7])
    pace.slower(pace.wait(FOREVER), retry_after=600)
    with pytest.raises(TooFrequentError, match="would time out"):
        pace.wait(60)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0),
        ("7", 7),
        ("Thu, 01 Jan 1970 00:01:00 GMT", 60),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("", 0),
        ("soon", 0),
        ("-7", 0),
        ("1.5", 0),
        ("\u0661", 0),
        ("9" * 31, 0),
        ("Thu, 01 Jan 10000 00:01:00 GMT", 0),
    ],
)
def test_header_of_a_refusal(header: str, seconds: float) -> None:
    assert retry_after(header, 0.0) == seconds


def test_client_waits_as_long_as_the_api_wants(cloud: Emulator, connect: Callable[..., Client], ticks: Any) -> None:
    client = connect(cloud.api_url, public_key=cloud.public_key, private_key=cloud.private_key)
    cloud.add_faults({"action": "DescribeSnapshot", "kind": "http_status", "status": 429, "retry_after": 7, "count": 1})
    assert client.read("DescribeSnapshot", {}, ticks.deadline())["RetCode"] == 0
    assert ticks.elapsed == pytest.approx(7)


@pytest.mark.parametrize(
    ("rate", "burst", "clients", "times"),
    [
        (5, 5, 16, 1.1),
        (5, 5, 64, 1.1),
        (5, 5, 1, 1.1),
        (20, 20, 32, 1.1),
        (20, 3, 32, 1.1),
        (100, 100, 32, 1.1),
        (1, 1, 16, 1.3),
        (20, 1, 32, 1.3),
    ],
)
def test_many_clients_come_near_the_rate_that_is_allowed(rate: float, burst: int, clients: int, times: float) -> None:
    """Played in one thread: responses arrive 50 ms after their calls, also while the next call sleeps.

    An API that allows so many calls a second, but never two at once, allows fewer in practice.
    """
    now, tokens, counted = 0.0, float(burst), 0.0
    idle, refused, done = clients, 0, 0
    under_way: list[tuple[float, int, bool]] = []  # (when the response arrives, the pace of the call, whether it is accepted)

    def respond() -> None:
        nonlocal now, idle, refused, done
        now, made_at, accepted = heappop(under_way)
        (shared.faster if accepted else shared.slower)(made_at)
        idle, refused, done = idle + 1, refused + (not accepted), done + accepted

    def sleep(seconds: float) -> None:
        nonlocal now
        end = now + seconds
        while under_way and under_way[0][0] <= end:
            respond()
        now = end

    shared = Pace(Clock(now=lambda: now, sleep=sleep))
    while done < 400:
        if not idle:
            respond()
            continue
        made_at, idle = shared.wait(FOREVER), idle - 1
        tokens, counted = min(burst, tokens + (now - counted) * rate), now
        heappush(under_way, (now + 0.05, made_at, tokens >= 1))
        tokens -= tokens >= 1
    at_best = (400 - burst) / rate
    assert 0 < refused < 120
    assert at_best <= now + 0.001 < times * at_best


def test_many_threads_at_an_api_that_allows_five_calls_a_second(cloud: Emulator, virtual_time: Any) -> None:
    config = Config(cloud.api_url, cloud.public_key, cloud.private_key, cloud.region)
    client = Client(config, Clock(virtual_time.now, virtual_time.wall, virtual_time.sleep, lambda: 0.5))
    cloud.add_faults({"action": "DescribeSnapshot", "kind": "throttle", "rate": 5, "burst": 5})
    deadline = Deadline(client.clock, 3600)
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda _: client.read("DescribeSnapshot", {}, deadline), range(80)))
    refused = [call for call in cloud.calls() if call["ret_code"] == cloud.generation.codes[Reason.TOO_FREQUENT]]
    assert [answer["RetCode"] for answer in answers] == [0] * 80
    assert refused and deadline.left

    cloud.faults.clear()
    for _turn in range(200):
        client.read("DescribeSnapshot", {}, deadline)
    before = virtual_time.now()
    for _turn in range(10):
        client.read("DescribeSnapshot", {}, deadline)
    assert virtual_time.now() == before
