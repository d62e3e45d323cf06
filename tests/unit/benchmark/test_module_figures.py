# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The benchmark of the modules: its limit, its figures and its table. What a task takes is not asserted."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest
from benchmark.modules import figures
from benchmark.modules.figures import ECHO, PING, Cloud, Run

CLOUD = Cloud(latency=0.05, snapshot=3, rollback=4, short=0.2)


def run(seconds: float, calls: int = 0) -> Run:
    return Run(seconds, seconds / 2, 50, Counter(DescribeSnapshot=calls), seconds / 4)


@pytest.mark.parametrize(
    ("task", "disks", "parallelism", "seconds"),
    [
        (PING, 1000, 32, 0.5),
        (ECHO, 1000, 32, 0.5),
        ("create", 1, 16, 0.6 + 3 * 0.05 + 3),
        ("create", 100, 16, 0.6 + 9 * 0.05 + 3),
        ("create", 1000, 32, 0.6 + 34 * 0.05 + 3),
        ("loop", 10, 16, 0.6 + 3 * 0.05 + 3),
        ("repeat", 5000, 32, 0.6 + 0.05),
        ("info", 50, 16, 0.6 + 0.05),
        ("info", 5000, 16, 0.6 + 8 * 0.05),
        ("rollback", 10, 16, 0.6 + 5 * 0.05 + 7),
        ("delete", 10, 5, 0.6 + 4 * 0.05 + 0.2),
    ],
)
def test_limit_is_what_ansible_and_the_cloud_need(task: str, disks: int, parallelism: int, seconds: float) -> None:
    assert figures.limit(task, disks, parallelism, CLOUD, ping=0.5, imports=0.1) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("task", "disks", "seconds"),
    [
        ("create", 1000, 0.6 + (10 + 1000 + 10 - 20) / 20 + 3),
        ("rollback", 1000, 0.6 + (10 + 2 * 1010 - 20) / 20 + 7),
        ("info", 5000, 0.6 + (100 - 20) / 20),
        ("create", 1, 0.6 + 3 * 0.05 + 3),
        (PING, 1000, 0.5),
    ],
)
def test_limit_of_a_cloud_that_limits_requests(task: str, disks: int, seconds: float) -> None:
    cloud = replace(CLOUD, rate=20)
    assert figures.limit(task, disks, 32, cloud, ping=0.5, imports=0.1) == pytest.approx(seconds)


def test_a_row_has_the_medians_and_compares_them() -> None:
    ping, create = figures.rows(1, 16, CLOUD, 0.1, {PING: [run(0.5), run(9), run(0.4)], "create": [run(7.5, 5), run(7.5, 7)]})
    assert (ping.seconds, ping.of_limit, ping.of_ping) == (0.5, 1, 1)
    assert (create.runs, create.calls, create.of_ping, create.emulator_share) == (2, 6, 15, 0.25)
    assert create.of_limit == pytest.approx(2)
    assert figures.costs([ping, create]).splitlines() == [
        "disks  at once  task    runs  seconds  limit  of limit  of ping  CPU s  peak MiB  calls  emulator CPU",
        "    1       16  ping       3     0.50   0.50      1.00     1.00    0.2        50      0           25%",
        "    1       16  create     2     7.50   3.75      2.00    15.00    3.8        50      6           25%",
    ]


def test_all_figures_are_in_the_json() -> None:
    runs = {1: {PING: [run(0.5), run(0.4)]}}
    found = json.loads(json.dumps(figures.as_json(figures.rows(1, 16, CLOUD, 0.1, runs[1]), runs)))
    assert [each["seconds"] for each in found["runs"]] == [0.5, 0.4]
    assert [each["task"] for each in found["medians"]] == [PING]
