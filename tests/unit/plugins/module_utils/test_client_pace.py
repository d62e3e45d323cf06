# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All threads of a client slow down together when the API says that calls come too often, and recover together."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.module_utils._client import Client, Config, Pace
from ansible_collections.ucloudstack.cloud.plugins.module_utils._clock import Clock, Deadline
from ansible_collections.ucloudstack.cloud.plugins.module_utils._errors import TooFrequentError
from emulator.server import Emulator

FOREVER = float("inf")


@pytest.fixture
def pace(ticks: Any) -> Pace:
    return Pace(ticks.clock())


def slow_down(pace: Pace, times: int) -> None:
    for _ in range(times):
        pace.slower(pace.wait(FOREVER))


def gap(pace: Pace) -> float:
    before = pace.wait(FOREVER)
    return pace.wait(FOREVER) - before


def test_nothing_is_held_back_at_first(pace: Pace, ticks: Any) -> None:
    assert [pace.wait(FOREVER) for _ in range(100)] == [0] * 100
    assert ticks.sleeps == []


def test_each_time_the_gap_doubles_up_to_a_limit(pace: Pace) -> None:
    gaps = []
    for _ in range(10):
        slow_down(pace, 1)
        gaps.append(gap(pace))
    assert gaps == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10, 10])


def test_calls_already_under_way_do_not_slow_it_down_again(pace: Pace) -> None:
    sent = [pace.wait(FOREVER) for _ in range(16)]
    pace.wait(FOREVER)
    slow_down(pace, 1)
    before = gap(pace)
    for each in sent[:-1]:
        pace.slower(each - 1)
    assert gap(pace) == pytest.approx(before)


def test_the_next_call_waits_too(pace: Pace, ticks: Any) -> None:
    pace.slower(pace.wait(FOREVER))
    assert pace.wait(FOREVER) == pytest.approx(0.1)
    assert ticks.elapsed == pytest.approx(0.1)


def test_it_recovers_with_every_call_that_goes_through(pace: Pace) -> None:
    slow_down(pace, 4)
    gaps = []
    for _ in range(60):
        gaps.append(gap(pace))
        pace.faster()
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[0] == pytest.approx(0.8) and gaps[-1] == 0


def test_who_cannot_wait_so_long_is_told_at_once_and_takes_nobodys_turn(pace: Pace, ticks: Any) -> None:
    slow_down(pace, 5)
    began = ticks.elapsed
    with pytest.raises(TooFrequentError, match="time would be up"):
        pace.wait(1)
    assert ticks.elapsed == began
    assert pace.wait(FOREVER) == pytest.approx(began + 1.6)


def test_a_write_waits_for_its_turn(connect: Callable[..., Client], endpoint: Callable[..., Any], ticks: Any) -> None:
    client = connect(endpoint({"RetCode": 165}, {"RetCode": 0}).url)
    with pytest.raises(TooFrequentError):
        client.write("CreateSnapshot", {})
    client.write("CreateSnapshot", {})
    assert ticks.sleeps == pytest.approx([0.1])


def test_many_threads_at_an_api_that_allows_five_calls_a_second(cloud: Emulator, virtual_time: Any) -> None:
    config = Config(cloud.api_url, cloud.public_key, cloud.private_key, cloud.region)
    client = Client(config, Clock(virtual_time.now, virtual_time.wall, virtual_time.sleep, lambda: 0.5))
    cloud.add_faults({"action": "DescribeSnapshot", "kind": "throttle", "rate": 5, "burst": 5})
    deadline = Deadline(client.clock, 3600)
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda _: client.read("DescribeSnapshot", {}, deadline), range(80)))
    refused = [call for call in cloud.calls() if call["ret_code"] == 165]
    assert [answer["RetCode"] for answer in answers] == [0] * 80
    assert refused and len(refused) < 80
    assert deadline.left

    cloud.faults.clear()
    for _ in range(60):
        client.read("DescribeSnapshot", {}, deadline)
    before = virtual_time.now()
    for _ in range(10):
        client.read("DescribeSnapshot", {}, deadline)
    assert virtual_time.now() == before
