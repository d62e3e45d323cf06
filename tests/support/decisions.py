# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Short notation for the tests of decisions: what was observed, what was attempted, and the gist of the resulting step."""

from __future__ import annotations

from typing import Any

from ansible_collections.ucloudstack.cloud.plugins.module_utils import _present
from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import Snapshot
from ansible_collections.ucloudstack.cloud.plugins.module_utils._steps import Progress, Seen, Sent, Step

NOW, WALL = 1000.0, 1_795_428_000.0
DISK = "disk-1"
UNFINISHED = ["Createing", "RollBacking", "Pondering", "Creating", "Rollbacking", "Unknown", "Norma", ""]
UNUSABLE = ["Deleting", "Deleted", "Released", "Failure"]
RESULTS = ["accepted", "refused", "wrong_state", "unknown", "failed"]
NOTHING_YET = Progress()


def snap(snapshot_id: str, status: str = "Normal", *, name: str = "x", disk: str = DISK, age: int = 60, remark: str = "") -> Snapshot:
    return Snapshot(snapshot_id, disk, name, status, create_time=int(WALL) - age, remark=remark)


def seen(*snapshots: Snapshot, full: bool = True) -> Seen:
    return Seen({each.snapshot_id: each for each in snapshots}, frozenset({DISK} if full else ()))


def tried(
    do: Any, *results: tuple[Any, float], snapshot_id: str | None = None, known: tuple[str, ...] = (), **looks: str | None
) -> Progress:
    """Writes with their results, each so many seconds ago; ``polls``: the status of a snapshot 5 seconds ago."""
    sent = tuple(
        Sent(do, result, NOW - ago, snapshot_id if result == "accepted" else None, f"said {result}", 2500 if result == "failed" else None)
        for result, ago in results
    )
    return Progress(frozenset(known), sent, tuple((NOW - 5, each, status) for each, status in looks.items()))


def gist(step: Step) -> tuple[str, str, bool, bool]:
    return (step.do, step.outcome, step.changed, step.failed)


def present(what: Seen, progress: Progress = NOTHING_YET, *, wait: bool = True, remark: str = "") -> Step:
    return _present.present(what, progress, NOW, disk_id=DISK, name="x", remark=remark, wait=wait, wall=WALL)
