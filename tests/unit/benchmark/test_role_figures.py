# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The benchmark of the roles: its figures and its tables. What the roles cost is not asserted."""

from __future__ import annotations

import pytest
from benchmark.roles import figures
from benchmark.roles.figures import DEBUG, Growth, Row, Run, Step
from benchmark.roles.plays import measure


def run(seconds: float, tasks: int = 1, calls: int = 0) -> Run:
    return Run(seconds, seconds / 2, 100, calls, (Step("a task", seconds / tasks, 1),) * tasks)


def sizes() -> list[Row]:
    few = figures.rows(10, {DEBUG: [run(2), run(9), run(1)], "role": [run(2, 4, 7)]})
    return few + figures.rows(40, {DEBUG: [run(8)], "role": [run(20), run(12)]})


def test_a_task_lasts_until_the_next_one_starts() -> None:
    tasks = [{"name": "one", "start": 5.0, "hosts": 3}, {"name": "two", "start": 7.0, "hosts": 1}]
    assert figures.steps({"tasks": tasks, "end": 7.5}) == (Step("one", 2.0, 3), Step("two", 0.5, 1))


def test_a_row_has_the_medians_in_debug_tasks_of_its_size() -> None:
    debug, role, _role, many = sizes()
    assert (debug.runs, debug.seconds, debug.debug_tasks) == (3, 2, figures.DEBUG_TASKS)
    assert (role.milliseconds_per_host, role.debug_tasks, role.tasks, role.cpu_seconds, role.calls) == (200, 10, 4, 1, 7)
    assert (many.seconds, many.debug_tasks) == (16, 20)


def test_growth_is_from_the_smallest_size_to_the_largest() -> None:
    assert figures.growth(sizes()) == {DEBUG: Growth(1, 1, 1), "role": Growth(2, 2, 2)} == figures.growth(reversed(sizes()))
    assert figures.growth(sizes()[:2]) == {}


def test_table_of_the_costs() -> None:
    assert figures.costs(sizes()[:2]).splitlines() == [
        "hosts  play   runs  seconds  ms per host  debug tasks  by CPU  tasks  CPU s  peak MiB  API calls",
        "   10  debug     3      2.0        200.0         10.0    10.0      1    1.0       100          0",
        "   10  role      1      2.0        200.0         10.0    10.0      4    1.0       100          7",
    ]


def test_targets_are_compared_in_words() -> None:
    met, missed = figures.comparison(sizes(), {"role": 10}).splitlines()
    assert met == "role, 10 hosts: 10.0 debug tasks, target 10: met"
    assert missed == "role, 40 hosts: 20.0 debug tasks, target 10: missed"
    assert figures.comparison(sizes(), {}) == ""


def test_profile_adds_up_tasks_of_the_same_name() -> None:
    done = Run(4, 0, 0, 0, (Step("short", 0.5, 1), Step("long", 3, 20), Step("short", 0.5, 1)))
    assert figures.profile(done).splitlines() == [
        "seconds  share  times  hosts  task",
        "   3.00    75%      1     20  long",
        "   1.00    25%      2      2  short",
    ]
    assert len(figures.profile(done, limit=1).splitlines()) == 2


def test_json_has_every_run() -> None:
    found = figures.as_json(sizes(), {10: {DEBUG: [run(2), run(9)]}})
    assert [each["hosts"] for each in found["medians"]] == [10, 10, 40, 40]
    assert found["growth"]["role"] == {"seconds": 2, "cpu_seconds": 2, "debug_tasks": 2}
    assert [(each["measurement"], each["seconds"]) for each in found["runs"]] == [(DEBUG, 2), (DEBUG, 9)]


@pytest.mark.parametrize(("seconds", "runs"), [(29, 3), (30, 1)])
def test_only_a_short_play_is_repeated(seconds: float, runs: int) -> None:
    turns: list[str] = []

    def take_a_turn(measurement: str) -> Run:
        turns.append(measurement)
        return run(seconds)

    measured = measure(take_a_turn, 3)
    assert turns == [DEBUG, "snapshot_create", "guarded_maintenance"] * runs
    assert {len(each) for each in measured.values()} == {runs}
