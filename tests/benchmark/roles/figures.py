# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From what the plays recorded to the tables of the benchmark. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from benchmark.tables import table

DEBUG = "debug"
"""The name of the measurement of plain debug tasks, which gives the unit."""
DEBUG_TASKS = 10
"""How many debug tasks its play has."""


@dataclass(frozen=True)
class Step:
    """A task of a play. ``hosts``: for how many hosts a worker was started; 1 with ``run_once``."""

    name: str
    seconds: float
    hosts: int


@dataclass(frozen=True)
class Run:
    """What one play cost. Both kinds of seconds are those from the start of its first task on."""

    seconds: float
    cpu_seconds: float
    peak_mib: float
    calls: int
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Row:
    """The medians of all runs of one measurement.

    ``debug_tasks``: its seconds, as debug tasks that would take as long; ``cpu_debug_tasks``: the same for its CPU seconds, which
    depend less on other load, and not on waiting for the cloud.
    """

    hosts: int
    measurement: str
    runs: int
    seconds: float
    milliseconds_per_host: float
    debug_tasks: float
    cpu_debug_tasks: float
    tasks: float
    cpu_seconds: float
    peak_mib: float
    calls: float


def steps(record: Mapping[str, Any]) -> tuple[Step, ...]:
    """The tasks in the record of the callback plugin: each lasts until the next one starts."""
    tasks = record["tasks"]
    ends = [*(task["start"] for task in tasks[1:]), record["end"]]
    return tuple(Step(task["name"], end - task["start"], task["hosts"]) for task, end in zip(tasks, ends, strict=True))


def rows(hosts: int, runs: Mapping[str, Sequence[Run]]) -> list[Row]:
    """A row for each measurement at one size, in units of the debug task measured at the same size."""
    unit = median(run.seconds for run in runs[DEBUG]) / DEBUG_TASKS
    cpu_unit = median(run.cpu_seconds for run in runs[DEBUG]) / DEBUG_TASKS
    found = []
    for measurement, each in runs.items():
        seconds = median(run.seconds for run in each)
        cpu_seconds = median(run.cpu_seconds for run in each)
        found.append(
            Row(
                hosts=hosts,
                measurement=measurement,
                runs=len(each),
                seconds=seconds,
                milliseconds_per_host=seconds / hosts * 1000,
                debug_tasks=seconds / unit,
                cpu_debug_tasks=cpu_seconds / cpu_unit,
                tasks=median(len(run.steps) for run in each),
                cpu_seconds=cpu_seconds,
                peak_mib=median(run.peak_mib for run in each),
                calls=median(run.calls for run in each),
            )
        )
    return found


@dataclass(frozen=True)
class Growth:
    """The cost of a host at the largest size divided by that at the smallest."""

    seconds: float
    cpu_seconds: float
    debug_tasks: float


def growth(found: Iterable[Row]) -> dict[str, Growth]:
    """How much more a host costs if there are many, for each measurement."""
    ordered = sorted(found, key=lambda row: row.hosts)
    ends: dict[str, tuple[Row, Row]] = {}
    for row in ordered:
        ends[row.measurement] = (ends.get(row.measurement, (row,))[0], row)
    return {
        measurement: Growth(
            seconds=last.milliseconds_per_host / first.milliseconds_per_host,
            cpu_seconds=(last.cpu_seconds / last.hosts) / (first.cpu_seconds / first.hosts),
            debug_tasks=last.debug_tasks / first.debug_tasks,
        )
        for measurement, (first, last) in ends.items()
        if last.hosts > first.hosts
    }


def costs(found: Iterable[Row]) -> str:
    """The table of all rows."""
    header = ("hosts", "play", "runs", "seconds", "ms per host", "debug tasks", "by CPU", "tasks", "CPU s", "peak MiB", "API calls")
    cells = [
        (
            f"{row.hosts}",
            row.measurement,
            f"{row.runs}",
            f"{row.seconds:.1f}",
            f"{row.milliseconds_per_host:.1f}",
            f"{row.debug_tasks:.1f}",
            f"{row.cpu_debug_tasks:.1f}",
            f"{row.tasks:g}",
            f"{row.cpu_seconds:.1f}",
            f"{row.peak_mib:.0f}",
            f"{row.calls:g}",
        )
        for row in found
    ]
    return table(header, cells)


def comparison(found: Iterable[Row], targets: Mapping[str, float]) -> str:
    """A line for each row that has a target: at most so many debug tasks."""
    return "\n".join(
        f"{row.measurement}, {row.hosts} hosts: {row.debug_tasks:.1f} debug tasks, target {targets[row.measurement]:g}: "
        + ("met" if row.debug_tasks <= targets[row.measurement] else "missed")
        for row in found
        if row.measurement in targets
    )


def profile(run: Run, limit: int = 25) -> str:
    """The table of the tasks that took longest, tasks of the same name together."""
    total = sum(step.seconds for step in run.steps)
    names = dict.fromkeys(step.name for step in run.steps)
    sums = [(sum(step.seconds for step in run.steps if step.name == name), name) for name in names]
    cells = []
    for seconds, name in sorted(sums, reverse=True)[:limit]:
        same = [step for step in run.steps if step.name == name]
        cells.append((f"{seconds:.2f}", f"{seconds / total:.0%}", f"{len(same)}", f"{sum(step.hosts for step in same)}", name))
    return table(("seconds", "share", "times", "hosts", "task"), cells)


def as_json(found: Iterable[Row], runs: Mapping[int, Mapping[str, Sequence[Run]]]) -> dict[str, Any]:
    """All figures: the medians, their growth, and every single run."""
    listed = list(found)
    return {
        "medians": [asdict(row) for row in listed],
        "growth": {measurement: asdict(each) for measurement, each in growth(listed).items()},
        "runs": [
            {"hosts": hosts, "measurement": measurement, **asdict(run)}
            for hosts, measurements in runs.items()
            for measurement, each in measurements.items()
            for run in each
        ],
    }
