# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deadlines, pauses and jitter."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.module_utils._clock import Clock, Deadline, growing


def test_a_deadline_comes_nearer_and_does_not_pass(ticks: Any) -> None:
    deadline = ticks.deadline(10)
    assert (deadline.left, deadline.seconds) == (10, 10)
    ticks.sleep(4)
    assert deadline.left == 6
    ticks.sleep(100)
    assert deadline.left == 0


@pytest.mark.parametrize(("chance", "pause"), [(0.0, 6.0), (0.5, 8.0), (1.0, 10.0)])
def test_a_pause_is_a_quarter_more_or_less(ticks: Any, chance: float, pause: float) -> None:
    ticks.chances = [chance]
    ticks.deadline(100).pause(8)
    assert ticks.sleeps == [pause]


def test_a_pause_ends_at_the_deadline(ticks: Any) -> None:
    deadline = ticks.deadline(5)
    deadline.pause(8)
    deadline.pause(8)
    assert ticks.sleeps == [5, 0]


def test_growing_pauses() -> None:
    assert list(islice(growing(0.5, 2, 8), 7)) == [0.5, 1, 2, 4, 8, 8, 8]
    assert list(islice(growing(3, 2, 2), 2)) == [3, 2]


def test_the_real_clock() -> None:
    clock = Clock()
    assert clock.now() <= clock.now()
    assert clock.wall() > 1_700_000_000
    assert all(0 <= clock.chance() < 1 for _turn in range(100))
    assert len({clock.chance() for _turn in range(100)}) > 1
    Deadline(clock, 0).pause(1000)  # returns at once
