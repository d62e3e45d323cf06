# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From what the playbooks took to the table of the benchmark: how near a task comes to what the cloud itself needs. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from statistics import median
from typing import Any

from benchmark.tables import table

PING = "ping"
"""The name of the measurement of a playbook with one ``ping``: what Ansible itself needs."""
ECHO = "echo"
"""As :data:`PING`, but with a module that takes as many ids, and returns as many results, as the tasks that act."""
PAGE = 100
"""Entries of a list in one response (API guide 5.2)."""
LISTED_AT_ONCE = 16
"""Pages that ``snapshot_info`` reads side by side; it has no option for that."""


@dataclass(frozen=True)
class Cloud:
    """How fast the emulated cloud is: seconds of each call, of a snapshot, of a rollback, and of a short state such as Deleting.

    ``rate``: how many requests a second it accepts, as many of them at once; None: all.
    """

    latency: float
    snapshot: float
    rollback: float
    short: float
    rate: int | None = None


@dataclass(frozen=True)
class Run:
    """What one playbook took. ``peak_mib``: of its largest process; ``emulator_cpu_seconds``: of the cloud meanwhile."""

    seconds: float
    cpu_seconds: float
    peak_mib: float
    calls: Mapping[str, int]
    emulator_cpu_seconds: float


@dataclass(frozen=True)
class Row:
    """The medians of all runs of one task on so many disks.

    ``of_limit``: its seconds in those that the cloud, Ansible and the import of requests need; ``of_ping``: in those of the ``ping``.
    """

    task: str
    disks: int
    parallelism: int
    runs: int
    seconds: float
    limit: float
    of_limit: float
    of_ping: float
    cpu_seconds: float
    peak_mib: float
    calls: float
    emulator_share: float


def limit(task: str, disks: int, parallelism: int, cloud: Cloud, ping: float, imports: float) -> float:
    """The fewest seconds that a playbook with this task can take.

    A ``ping`` playbook, the import of requests, one list, all writes of all disks with so many at once, one poll after each, and what the
    cloud itself needs. ``info`` lists two snapshots of each disk, the pages after the first side by side. If the cloud accepts only so
    many requests a second, then the fewest that do it, 100 disks in each list and poll, take that long at least.
    """
    if task in (PING, ECHO):
        return ping
    pages = ceil((2 if task == "info" else 1) * disks / PAGE)
    waits = {"create": [cloud.snapshot], "loop": [cloud.snapshot], "rollback": [cloud.rollback, cloud.snapshot], "delete": [cloud.short]}
    writes = len(waits.get(task, []))
    later_pages = ceil((pages - 1) / LISTED_AT_ONCE) if task == "info" else 0
    rounds = 1 + later_pages + writes * (ceil(disks / parallelism) + 1)
    requests = pages + writes * (disks + pages)
    calls = max(rounds * cloud.latency, (requests - cloud.rate) / cloud.rate if cloud.rate else 0)
    return ping + imports + calls + sum(waits.get(task, []))


def rows(disks: int, parallelism: int, cloud: Cloud, imports: float, runs: Mapping[str, Sequence[Run]]) -> list[Row]:
    """A row for each task, by the ``ping`` that was measured in turn with it."""
    ping = median(run.seconds for run in runs[PING])
    found = []
    for task, each in runs.items():
        seconds = median(run.seconds for run in each)
        least = limit(task, disks, parallelism, cloud, ping, imports)
        found.append(
            Row(
                task=task,
                disks=disks,
                parallelism=parallelism,
                runs=len(each),
                seconds=seconds,
                limit=least,
                of_limit=seconds / least,
                of_ping=seconds / ping,
                cpu_seconds=median(run.cpu_seconds for run in each),
                peak_mib=median(run.peak_mib for run in each),
                calls=median(sum(run.calls.values()) for run in each),
                emulator_share=median(run.emulator_cpu_seconds / run.seconds for run in each),
            )
        )
    return found


def costs(found: Sequence[Row]) -> str:
    """The table of all rows."""
    header = ("disks", "at once", "task", "runs", "seconds", "limit", "of limit", "of ping", "CPU s", "peak MiB", "calls", "emulator CPU")
    cells = [
        (
            f"{row.disks}",
            f"{row.parallelism}",
            row.task,
            f"{row.runs}",
            f"{row.seconds:.2f}",
            f"{row.limit:.2f}",
            f"{row.of_limit:.2f}",
            f"{row.of_ping:.2f}",
            f"{row.cpu_seconds:.1f}",
            f"{row.peak_mib:.0f}",
            f"{row.calls:g}",
            f"{row.emulator_share:.0%}",
        )
        for row in found
    ]
    return table(header, cells)


def as_json(found: Sequence[Row], runs: Mapping[int, Mapping[str, Sequence[Run]]]) -> dict[str, Any]:
    """All figures: the medians, and every single run."""
    return {
        "medians": [asdict(row) for row in found],
        "runs": [
            {"disks": disks, "task": task, **vars(run)} for disks, tasks in runs.items() for task, each in tasks.items() for run in each
        ],
    }
