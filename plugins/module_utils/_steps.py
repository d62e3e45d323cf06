# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What is decided about one unit of work, and what the decision rests on, as plain data. All values are explained here, once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import Snapshot, by_age

Do = Literal["list", "wait", "done", "create", "delete", "rollback", "start", "stop", "power_off", "attach"]
"""``list``: list all snapshots of the disk, then decide again; ``wait``; ``done``; else the write to send."""
Result = Literal["accepted", "refused", "wrong_state", "unknown", "failed", "missing"]
"""Of a write: ``accepted`` by the API; ``refused``, nothing was done, later it may be; ``wrong_state``, refused for a state, and none is seen
that passes; ``unknown``, it may have been done; ``failed``, nothing was done, and a repeat would be refused again; ``missing``, what was
to be deleted does not exist."""
Outcome = Literal[
    "created",
    "adopted",
    "present",
    "deleted",
    "absent",
    "undone",
    "rolled_back",
    "joined",
    "already_done",
    "attached",
    "detached",
    "started",
    "stopped",
    "powered_off",
    "unchanged",
    "pending",
    "skipped",
    "failed",
]
"""Of an item of a task, as the documentation of the modules explains it; ``attached`` is the one that no module returns."""
Reason = Literal["", "other_item_failed", "backup_failed", "timeout"]
"""For programs, why an outcome is not the wanted one; empty if the outcome, or the return code, says it all."""


@dataclass(frozen=True)
class Seen:
    """What one poll of the API listed.

    ``snapshots`` by id; ``disks`` are those of which every snapshot is in there, so that absence from it means absence.
    """

    snapshots: Mapping[str, Snapshot]
    disks: frozenset[str]

    @cached_property
    def _by_disk(self) -> Mapping[str, list[Snapshot]]:
        """Each unit of a task asks for those of its disk."""
        found: dict[str, list[Snapshot]] = {}
        for snapshot in sorted(self.snapshots.values(), key=by_age):
            found.setdefault(snapshot.disk_id, []).append(snapshot)
        return found

    def of_disk(self, disk_id: str) -> Sequence[Snapshot]:
        """The disk's snapshots, oldest first."""
        return self._by_disk.get(disk_id, [])

    def named(self, disk_id: str, name: str) -> list[Snapshot]:
        """The disk's snapshots of exactly this name, oldest first."""
        return [each for each in self.of_disk(disk_id) if each.name == name]


@dataclass(frozen=True)
class Sent:
    """A write that was attempted, and what is known of it.

    ``at``: monotonic seconds.
    """

    do: Do
    result: Result
    at: float
    snapshot_id: str | None = None
    msg: str = ""
    ret_code: int | None = None
    request_id: str | None = None


@dataclass(frozen=True)
class Progress:
    """All that a decision about one unit of work may rest on, besides what was just listed.

    ``known``: ids of the snapshots that existed before the task wrote anything; ``polls``: what each poll listed of the
    unit's snapshots, as (monotonic seconds, snapshot id, status, or None when it was not listed).
    """

    known: frozenset[str] = frozenset()
    sent: tuple[Sent, ...] = ()
    polls: tuple[tuple[float, str, str | None], ...] = ()

    @property
    def request_id(self) -> str | None:
        """The platform's id of the last write."""
        return self.sent[-1].request_id if self.sent else None

    def listed(self, snapshot_id: str | None, since: float = float("-inf")) -> list[tuple[float, str]]:
        """When, from ``since`` on, the snapshot was listed, and its status."""
        return [(at, status) for at, each, status in self.polls if each == snapshot_id and at >= since and status is not None]


@dataclass(frozen=True)
class Step:
    """The next thing to do for one unit of work, and its outcome if the API rejects nothing.

    ``before`` and ``after`` are the lines that diff mode shows.
    ``if_timed_out``: what to report if time runs out before the next step, and only a marker is missing; ``repeat``: what a repeated
    task would do, if it would not just continue.
    """

    do: Do
    outcome: Outcome
    disk_id: str
    snapshot_id: str | None = None
    msg: str = ""
    reason: Reason = ""
    changed: bool = False
    failed: bool = False
    ret_code: int | None = None
    request_id: str | None = None
    name: str = ""
    remark: str = ""
    before: str = ""
    after: str = ""
    if_timed_out: str = ""
    repeat: str = ""
    vm_id: str = ""
    previous_state: str = ""
    warnings: tuple[str, ...] = ()
