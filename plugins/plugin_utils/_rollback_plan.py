# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How one host is rolled back to the snapshots of a run, or why it cannot be."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import Snapshot, quoted
from ansible_collections.ucloudstack.cloud.plugins.module_utils._rollback import backup_remark, marker_remark
from ansible_collections.ucloudstack.cloud.plugins.module_utils._states import ON, SnapshotState, snapshot_state, vm_state
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._runs import is_ours, manual, run_remark, runs_of_vm

MAX_ROLLBACKS = 9  # a name has at most 30 characters, of which prefix and run id leave three for the suffix

REQUIRED_KEYS = {"snapshot_id", "disk_id", "name", "status"}

Record = Mapping[str, Any]


def rollback_plan(
    snapshots: Any,
    *,
    host: str,
    run_id: str,
    prefix: str,
    run: Any,
    own: Mapping[str, Any] | None = None,
    vm: Mapping[str, Any] | None = None,
    disk_ids: Sequence[str] = (),
    backup: bool = False,
    again: bool = False,
    limit: int = 0,
) -> dict[str, Any]:
    """Return how the host is rolled back, and ``msg``: why it cannot be, or empty.

    ``snapshots``: records of ``snapshot_info``; ``run``: an entry of the manifest, or {vm_id, disk_ids} of the host itself; ``own``: what
    the host names; ``vm``: the record of its VM; the rest: the variables of the role. Raises AnsibleFilterError for other types.
    """
    if not _are_records(snapshots, REQUIRED_KEYS):
        raise AnsibleFilterError("rollback_plan: the input must be a list of snapshot records, such as the snapshots of snapshot_info.")
    if not isinstance(run, Mapping) or not _are_records(run.get("snapshots") or [], {"snapshot_id"}):
        raise AnsibleFilterError(
            "rollback_plan: run is not an entry of a manifest: it must have vm_id and disk_ids, and records as snapshots."
        )
    goal = _Goal(manual(snapshots), run_id=run_id, prefix=prefix, run=run, own=own or {}, vm=vm or {}, disk_ids=disk_ids)
    attempt = _Attempt(goal, backup=backup, again=again, limit=limit)
    msg = next(chain(goal.faults(), attempt.faults()), "")
    power_state = run.get("power_state") or goal.vm.get("state") or ""
    return {
        "host": host,
        "entry": {"vm_id": goal.vm_id, "disk_ids": goal.run_disks, "power_state": power_state, "marker": attempt.marker},
        "vm_id": goal.vm_id,
        "power_state": power_state,
        "was_on": vm_state(power_state) in ON,
        "attach_to": dict.fromkeys(goal.requested, goal.vm_id) if goal.vm_id else {},
        "whole_vm": bool(goal.vm_id) and set(goal.vm.get("disk_ids", [])) <= set(goal.requested),
        "disk_ids": goal.requested,
        "snapshot_ids": [each["snapshot_id"] for disk_id in goal.requested for each in goal.targets.get(disk_id, [])],
        "marker": attempt.marker,
        "backup": attempt.backup,
        "already": attempt.done_at() if attempt.done and not attempt.unfinished and not msg else "",
        "msg": msg,
    }


class _Goal:
    """What a host is rolled back to: its disks, and the snapshot of the run that each of them has."""

    def __init__(
        self, snapshots: Sequence[Record], *, run_id: str, prefix: str, run: Record, own: Record, vm: Record, disk_ids: Sequence[str]
    ) -> None:
        self.snapshots, self.run_id, self.prefix, self.run, self.own, self.vm = snapshots, run_id, prefix, run, own, vm
        self.name, self.vm_id = f"{prefix}{run_id}", run.get("vm_id") or ""
        self.run_disks = list(run.get("disk_ids") or [])
        self.requested = list(dict.fromkeys(disk_ids or self.run_disks))
        self.remark = run_remark(run_id, self.vm_id, len(self.run_disks))
        self.on = vm_state(str(vm.get("state") or "")) in ON
        self.restoring = run.get("state") == "restoring" and not self.on
        self.known_ids = {each["snapshot_id"] for each in run.get("snapshots") or []}
        self.candidates = {disk_id: [each for each in self.of_disk(disk_id) if each["name"] == self.name] for disk_id in self.run_disks}
        self.targets = {disk_id: list(filter(self._is_target, found)) for disk_id, found in self.candidates.items()}

    def of_disk(self, disk_id: str) -> list[Record]:
        return [each for each in self.snapshots if each["disk_id"] == disk_id]

    def _is_target(self, snapshot: Record) -> bool:
        known = not self.known_ids or snapshot["snapshot_id"] in self.known_ids
        return known and snapshot.get("remark") == self.remark and _is_usable(snapshot)

    def faults(self) -> Iterator[str]:
        if not self.run_disks:
            yield f"no disks are known for run {self.run_id}"
        if self.vm_id and not self.vm:
            yield f"VM {self.vm_id} does not exist"
        if self.own.get("vm_id") and self.own["vm_id"] != self.vm_id:
            yield f"run {self.run_id} was created for {self.vm_id or 'disks without a VM'}, but the host is now {self.own['vm_id']}"
        for disk_id in self.requested:
            if disk_id not in self.run_disks:
                yield f"{disk_id} is not a disk of run {self.run_id}"
            if self.restoring:  # its rollback may have left it detached; it is attached again afterwards
                continue
            if self.vm_id and disk_id not in self.vm.get("disk_ids", []):
                yield f"{disk_id} is no longer attached to {self.vm_id}"
            if self.own.get("disk_ids") and disk_id not in self.own["disk_ids"]:
                yield f"{disk_id} is no longer a disk of the host"
        for disk_id in self.requested if self.known_ids else self.run_disks:
            if len(self.targets[disk_id]) != 1:
                yield f"{disk_id} {self._why_no_target(disk_id)}"

    def _why_no_target(self, disk_id: str) -> str:
        targets, candidates = self.targets[disk_id], self.candidates[disk_id]
        if len(targets) > 1:
            return (
                f"has {len(targets)} snapshots {self.name}, {' and '.join(each['snapshot_id'] for each in targets)}: delete the wrong one"
            )
        if not candidates:
            others = runs_of_vm(self.of_disk(disk_id), self.prefix, self.vm_id)
            return f"has no snapshot {self.name}" + (f"; it has snapshots of {', '.join(others)}" if others else "")
        first = candidates[0]
        if first.get("remark") != self.remark:
            return f"has a snapshot {self.name} with the remark {quoted(first.get('remark'))}, but the remark of the run is {self.remark!r}"
        if not _is_usable(first):
            return f"has a snapshot {self.name} whose status is {first['status']}"
        return f"has a snapshot {self.name}, {first['snapshot_id']}, that is not the one in the manifest"


class _Attempt:
    """Which of the rollbacks to the goal this one is: the first, an unfinished one that is continued, or another."""

    def __init__(self, goal: _Goal, *, backup: bool, again: bool, limit: int) -> None:
        self.goal, self.limit = goal, limit
        self.targets = {disk_id: found[0] for disk_id, found in goal.targets.items() if found and disk_id in goal.requested}
        number, marked = last_rollback(goal.snapshots, goal.name, self.targets)
        self.unfinished = goal.restoring and goal.run.get("marker") in (None, f"{goal.name}-r{number}")
        # restoring: a repeated rollback, none of whose markers exists yet
        if marked and not self.unfinished and (again or goal.restoring):
            number, marked = number + 1, {}
        self.number, self.marked = max(number, 1), marked
        self.done = bool(marked) and len(marked) == len(goal.requested)
        self.marker, self.backup = f"{goal.name}-r{self.number}", f"{goal.name}-b{self.number}" if backup else ""

    def done_at(self) -> str:
        return str(max(each.get("created_at") or "" for each in self.marked.values()) or "an unknown time")

    def faults(self) -> Iterator[str]:
        """Why it cannot be done; to be asked if the goal has no faults."""
        name = self.goal.name
        if self.marked and not self.done and (self.goal.on or self.goal.run.get("state") == "restored"):
            yield (
                f"only {', '.join(self.marked)} had been rolled back to {name} before, and may have changed since: "
                "set snapshot_rollback_again=true to roll back all disks"
            )
        if self.number > MAX_ROLLBACKS:
            yield f"already rolled back to {name} {MAX_ROLLBACKS} times, and no marker names are left: use a new run"
        for disk_id in [] if self.done else self.goal.requested:
            yield from self._faults_of_names(disk_id)

    def _faults_of_names(self, disk_id: str) -> Iterator[str]:
        """Whether the marker and the backup of a disk can be created."""
        of_disk = self.goal.of_disk(disk_id)
        reserved = _reserved_names(self.targets[disk_id], self.marker, self.backup)
        for each in of_disk:
            if each["name"] in reserved and each.get("remark") != reserved[each["name"]]:
                yield f"{disk_id} has a snapshot {each['name']}, {each['snapshot_id']}, that is not a backup or marker of this rollback: delete it"
        more = len(reserved.keys() - {each["name"] for each in of_disk})
        if self.limit and more and len(of_disk) + more > self.limit:
            ours = sum(each["name"] != self.goal.name and is_ours(each) for each in of_disk)
            yield (
                f"{disk_id} has {len(of_disk)} snapshots, the limit is {self.limit}, and {more} more would be created; "
                f"{ours} of them, created by this collection, can be pruned"
            )


def last_rollback(snapshots: Sequence[Record], name: str, targets: Mapping[str, Record]) -> tuple[int, dict[str, Record]]:
    """Number of the last rollback to ``targets`` (0: none), and its marker on each disk that has one."""
    marks: dict[int, dict[str, Record]] = {}
    for each in snapshots:
        match = re.fullmatch(re.escape(name) + r"-r([1-9])", each["name"])
        target = targets.get(each["disk_id"])
        if match and target and each.get("remark") == marker_remark(target["snapshot_id"]):
            marks.setdefault(int(match[1]), {})[each["disk_id"]] = each
    last = max(marks, default=0)
    return last, marks.get(last, {})


def _reserved_names(target: Record, marker: str, backup: str) -> dict[str, str]:
    """Name and remark of the marker and backup that the module creates for a rollback; it refuses other snapshots with these names."""
    snapshot = Snapshot(target["snapshot_id"], target["disk_id"], target["name"], target["status"])
    reserved = {marker: marker_remark(snapshot.snapshot_id)}
    if backup:
        reserved[backup] = backup_remark(snapshot, marker)
    return reserved


def _is_usable(snapshot: Record) -> bool:
    return snapshot_state(str(snapshot["status"])) in (SnapshotState.USABLE, SnapshotState.ROLLING_BACK)


def _are_records(value: Any, needed: set[str]) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and all(isinstance(each, Mapping) and set(each) >= needed for each in value)
    )
