# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How one host is rolled back to the snapshots of a run, or why it cannot be."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
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
    """Return the plan, as documented in RETURN. ``run`` is an entry of the manifest, or {vm_id, disk_ids} of the host itself."""
    if not _are_records(snapshots, REQUIRED_KEYS):
        raise AnsibleFilterError("rollback_plan: the input must be a list of snapshot records, such as the snapshots of snapshot_info.")
    if not isinstance(run, Mapping) or not _are_records(run.get("snapshots") or [], {"snapshot_id"}):
        raise AnsibleFilterError(
            "rollback_plan: run is not an entry of a manifest: it must have vm_id and disk_ids, and records as snapshots."
        )
    own, vm, name = own or {}, vm or {}, f"{prefix}{run_id}"
    run_disks, vm_id = list(run.get("disk_ids") or []), run.get("vm_id") or ""
    requested = list(dict.fromkeys(disk_ids or run_disks))
    known_ids = {each["snapshot_id"] for each in run.get("snapshots") or []}
    remark = run_remark(run_id, vm_id, len(run_disks))
    snapshots = manual(snapshots)
    candidates = {disk_id: [each for each in snapshots if each["disk_id"] == disk_id and each["name"] == name] for disk_id in run_disks}
    targets = {
        disk_id: [
            each
            for each in found
            if each.get("remark") == remark and _is_usable(each) and (not known_ids or each["snapshot_id"] in known_ids)
        ]
        for disk_id, found in candidates.items()
    }

    goals = {disk_id: found[0] for disk_id, found in targets.items() if found and disk_id in requested}
    number, marked = last_rollback(snapshots, name, goals)
    on = vm_state(str(vm.get("state") or "")) in ON
    restoring = run.get("state") == "restoring" and not on
    unfinished = restoring and run.get("marker") in (None, f"{name}-r{number}")
    if marked and not unfinished and (again or restoring):  # restoring: a repeated rollback, none of whose markers exists yet
        number, marked = number + 1, {}
    done = bool(marked) and len(marked) == len(requested)
    mixed = bool(marked) and not done and (on or run.get("state") == "restored")
    number = max(number, 1)
    power_state = run.get("power_state") or vm.get("state") or ""
    marker, backup_name = f"{name}-r{number}", f"{name}-b{number}" if backup else ""

    def problems() -> Iterator[str]:
        if not run_disks:
            yield f"no disks are known for run {run_id}"
        if vm_id and not vm:
            yield f"VM {vm_id} does not exist"
        if own.get("vm_id") and own["vm_id"] != vm_id:
            yield f"run {run_id} was created for {vm_id or 'disks without a VM'}, but the host is now {own['vm_id']}"
        for disk_id in requested:
            if disk_id not in run_disks:
                yield f"{disk_id} is not a disk of run {run_id}"
            if restoring:  # its rollback may have left it detached; it is attached again afterwards
                continue
            if vm_id and disk_id not in vm.get("disk_ids", []):
                yield f"{disk_id} is no longer attached to {vm_id}"
            if own.get("disk_ids") and disk_id not in own["disk_ids"]:
                yield f"{disk_id} is no longer a disk of the host"
        for disk_id in requested if known_ids else run_disks:
            if len(targets[disk_id]) != 1:
                others = runs_of_vm([each for each in snapshots if each["disk_id"] == disk_id], prefix, vm_id)
                yield f"{disk_id} {_why_no_target(name, remark, candidates[disk_id], targets[disk_id], others)}"
        if mixed:
            yield (
                f"only {', '.join(marked)} had been rolled back to {name} before, and may have changed since: "
                "set snapshot_rollback_again=true to roll back all disks"
            )
        if number > MAX_ROLLBACKS:
            yield f"already rolled back to {name} {MAX_ROLLBACKS} times, and no marker names are left: use a new run"
        for disk_id in [] if done else requested:
            of_disk = [each for each in snapshots if each["disk_id"] == disk_id]
            reserved = _reserved_names(goals[disk_id], marker, backup_name)
            for each in of_disk:
                if each["name"] in reserved and each.get("remark") != reserved[each["name"]]:
                    yield f"{disk_id} has a snapshot {each['name']}, {each['snapshot_id']}, that is not a backup or marker of this rollback: delete it"
            more = len(reserved.keys() - {each["name"] for each in of_disk})
            if limit and more and len(of_disk) + more > limit:
                ours = sum(each["name"] != name and is_ours(each) for each in of_disk)
                yield (
                    f"{disk_id} has {len(of_disk)} snapshots, the limit is {limit}, and {more} more would be created; "
                    f"{ours} of them, created by this collection, can be pruned"
                )

    msg = next(problems(), "")
    already = done and not unfinished and not msg
    return {
        "host": host,
        "entry": {"vm_id": vm_id, "disk_ids": run_disks, "power_state": power_state, "marker": marker},
        "vm_id": vm_id,
        "power_state": power_state,
        "was_on": vm_state(power_state) in ON,
        "attach_to": dict.fromkeys(requested, vm_id) if vm_id else {},
        "whole_vm": bool(vm_id) and set(vm.get("disk_ids", [])) <= set(requested),
        "disk_ids": requested,
        "snapshot_ids": [each["snapshot_id"] for disk_id in requested for each in targets.get(disk_id, [])],
        "marker": marker,
        "backup": backup_name,
        "already": str(max(each.get("created_at") or "" for each in marked.values()) or "an unknown time") if already else "",
        "msg": msg,
    }


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


def _why_no_target(name: str, remark: str, candidates: Sequence[Record], targets: Sequence[Record], others: Sequence[str]) -> str:
    if len(targets) > 1:
        return f"has {len(targets)} snapshots {name}, {' and '.join(each['snapshot_id'] for each in targets)}: delete the wrong one"
    if not candidates:
        return f"has no snapshot {name}" + (f"; it has snapshots of {', '.join(others)}" if others else "")
    first = candidates[0]
    if first.get("remark") != remark:
        return f"has a snapshot {name} with the remark {quoted(first.get('remark'))}, but the remark of the run is {remark!r}"
    if not _is_usable(first):
        return f"has a snapshot {name} whose status is {first['status']}"
    return f"has a snapshot {name}, {first['snapshot_id']}, that is not the one in the manifest"
