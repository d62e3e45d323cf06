# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When polls are made: how late an end is noticed, and with how many calls."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from statistics import mean
from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.module_utils._clock import Clock, Deadline
from ansible_collections.ucloudstack.cloud.plugins.module_utils._polling import LONGEST, SHORTEST, Polling
from ansible_collections.ucloudstack.cloud.plugins.module_utils._steps import Sent

LATENCY = 0.05


def created(ticks: Any) -> Sent:
    return Sent("create", "accepted", ticks.elapsed, "snapshot-1")


def noticed(ticks: Any, lasts: float, latency: float = LATENCY) -> tuple[float, int]:
    """How late the end of a snapshot that lasts so long is noticed, in seconds, and after how many polls."""
    polling, polls, seen = Polling(ticks.deadline(7200)), 0, 0.0
    polling.written("unit", created(ticks))
    end = ticks.elapsed + lasts
    while seen < end:
        polling.pause()
        ticks.elapsed += latency
        polls, seen = polls + 1, ticks.elapsed
    return seen - end, polls


@pytest.mark.parametrize(("lasts", "share", "calls"), [(3, 0.05, 13), (30, 0.05, 40), (600, 0.05, 90)])
def test_ends_are_noticed_soon_and_with_few_calls(ticks: Any, lasts: float, share: float, calls: float) -> None:
    chance = Random(1)
    found = []
    for _turn in range(300):
        ticks.chances = [chance.random() for _poll in range(200)]
        found.append(noticed(ticks, lasts * (0.9 + 0.2 * chance.random())))
    assert mean(late for late, _polls in found) / lasts <= share
    assert mean(polls for _late, polls in found) <= calls


def test_pauses_grow_from_a_quarter_of_a_second_to_15_seconds(ticks: Any) -> None:
    noticed(ticks, 600, latency=0)
    assert ticks.sleeps[0] == SHORTEST and ticks.sleeps[-1] == LONGEST
    assert all(before <= after * 1.001 for before, after in pairwise(ticks.sleeps))


def test_a_slow_poll_is_part_of_the_pause_up_to_its_half(ticks: Any) -> None:
    polling = Polling(ticks.deadline())
    for took in (0.0, 0.1, 5.0):
        polling.pause()
        ticks.elapsed += took
    polling.pause()
    assert ticks.sleeps == pytest.approx([0.25, 0.25, 0.15, ticks.sleeps[3]])
    assert ticks.sleeps[3] == pytest.approx(0.09 * (ticks.elapsed - ticks.sleeps[3]) / 2)


@pytest.mark.parametrize("result", ["refused", "failed", "wrong_state", "missing"])
def test_a_rejected_write_starts_no_wait(ticks: Any, result: Any) -> None:
    polling = Polling(ticks.deadline())
    ticks.elapsed = 100.0
    polling.written("unit", Sent("create", result, 100.0))
    polling.pause()
    assert ticks.sleeps == [4.5]  # half of the share of 100 seconds, because a poll that took as long is part of it


def test_the_last_of_many_is_polled_when_it_should_be_done(ticks: Any) -> None:
    polling = Polling(ticks.deadline())
    polling.written("first", created(ticks))
    ticks.elapsed = 1.0
    polling.written("last", created(ticks))
    ticks.elapsed = 10.0  # the first took 10 seconds, so the last should end at 11, before the next poll by share
    polling.ended("first")
    ticks.elapsed = 10.9
    polling.pause()
    assert ticks.elapsed == pytest.approx(11)
    polling.pause()  # it takes longer: as if nothing was known
    assert ticks.sleeps[-1] == pytest.approx(0.9)


def test_how_long_other_writes_take_does_not_count(ticks: Any) -> None:
    polling = Polling(ticks.deadline())
    polling.written("first", Sent("rollback", "accepted", 0.0))
    polling.written("last", created(ticks))
    ticks.elapsed = 10.0
    polling.ended("first")
    polling.ended("unit without a write")
    ticks.elapsed = 10.5
    polling.pause()
    assert ticks.sleeps == [pytest.approx(0.09 * 10.5 / 2)]


def test_a_poll_that_is_due_has_no_jitter(ticks: Any) -> None:
    polling = Polling(ticks.deadline())
    polling.written("first", created(ticks))
    ticks.elapsed = 1.0
    polling.written("last", created(ticks))
    ticks.elapsed, ticks.chances = 1.9, [0.0]
    polling.ended("first")
    ticks.elapsed = 2.8
    polling.pause()
    assert ticks.elapsed == pytest.approx(2.9)


def test_a_pause_ends_at_the_deadline(ticks: Any) -> None:
    polling = Polling(Deadline(Clock(now=ticks.clock().now, sleep=ticks.sleep, chance=ticks.chance), 0.1))
    polling.pause()
    assert ticks.sleeps == [0.1]
