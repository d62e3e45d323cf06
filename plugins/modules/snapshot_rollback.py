#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: snapshot_rollback
short_description: Roll UCloudStack disks back to a snapshot
version_added: 0.1.0
author:
  - UCloudStack collection contributors (@ucloudstack)
description:
  - Rolls one or more disks back to one of their snapshots. All data written to a disk since its snapshot is lost.
  - Everything that can be checked is checked for all disks before the first disk is touched. After that, every disk is
    attempted, and disks that were rolled back stay rolled back.
  - A disk must be detached, or its VM shut down. If the key has no permission to list disks and VMs, the module warns, and the API
    itself rejects each disk whose VM is not shut down.
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - With O(marker_name), a rollback is done once. Without it, every run rolls back.
      - If the module is killed between the end of a rollback and the creation of its marker, the next run rolls back once more,
        because the API does not show that the rollback was done.
options:
  snapshot_ids:
    description:
      - Ids of the snapshots to roll back to, each once, and only one per disk.
      - Either this, or O(name) and O(disk_ids), is required.
    type: list
    elements: str
    aliases: [snapshot_id]
  name:
    description:
      - Name of the snapshots to roll back to. Each of O(disk_ids) must have exactly one usable snapshot of this name.
    type: str
  disk_ids:
    description:
      - Ids of the disks to roll back to their snapshot named O(name), each once.
    type: list
    elements: str
    aliases: [disk_id]
  marker_name:
    description:
      - Makes the rollback idempotent. As soon as a disk is rolled back, a snapshot with this name is created, whose remark
        contains the id of the snapshot that the disk was rolled back to. A disk that has its marker is not rolled back again.
      - Use a new name for each rollback. A snapshot with this name that marks a rollback to another snapshot is an error.
      - It counts against the snapshot limit of the disk. If the marker cannot be created, the task fails after the rollback and
        warns not to run it again.
    type: str
  backup_name:
    description:
      - Before any disk is rolled back, the current state of all disks is kept in snapshots with this name.
      - A backup without its marker belongs to an interrupted attempt. It is reused, and its age is reported.
      - A snapshot with this name that is not a backup for this rollback and this O(marker_name) is an error.
      - Requires O(marker_name).
    type: str
  attach_to:
    description:
      - The VM that each disk must be attached to after its rollback, by disk id.
      - Some platforms leave a disk detached after its rollback. With O(wait=true), a disk that was attached when the task started is
        attached to the same VM again. Set this option if a task is run again after it was interrupted in between, because the
        module cannot find out the VM then.
      - A disk that is attached to another VM is an error, before anything is written.
    type: dict
    default: {}
  wait:
    description:
      - Whether to wait until the disks are rolled back. V(false) cannot be used with O(marker_name), O(backup_name) or O(attach_to).
    type: bool
    default: true
extends_documentation_fragment:
  - ucloudstack.cloud.connection
  - ucloudstack.cloud.acting
  - ucloudstack.cloud.attributes
seealso:
  - module: ucloudstack.cloud.snapshot
  - module: ucloudstack.cloud.snapshot_info
"""

EXAMPLES = r"""
- name: Roll both disks of a stopped server back to the state before the patches, once
  ucloudstack.cloud.snapshot_rollback:
    name: before-patch-2026-11
    disk_ids:
      - disk-boot01
      - disk-data01
    marker_name: rolled-back-2026-11
  delegate_to: localhost

- name: Do the same, but keep the current state first
  ucloudstack.cloud.snapshot_rollback:
    name: before-patch-2026-11
    disk_ids:
      - disk-boot01
      - disk-data01
    marker_name: rolled-back-2026-11
    backup_name: broken-2026-11

- name: Roll one disk back to one snapshot each time the task runs
  ucloudstack.cloud.snapshot_rollback:
    snapshot_id: snapshot-7dk2mq
"""

RETURN = r"""
results:
  description: Result for each requested disk or snapshot, in the requested order. Also returned if the task fails.
  returned: when the options are valid
  type: list
  elements: dict
  contains:
    disk_id:
      description: The disk; V(null) if the requested snapshot id does not exist.
      type: str
      sample: disk-boot01
    snapshot_id:
      description: The snapshot that the disk was rolled back to; V(null) if there is none.
      type: str
      sample: snapshot-7dk2mq
    outcome:
      description:
        - V(rolled_back) - the disk was rolled back; with O(wait=false), the rollback was started.
        - V(joined) - a rollback to this snapshot was already running, and was waited for unless O(wait=false).
        - V(already_done) - its marker shows that the disk was rolled back before.
        - V(detached) - the disk was rolled back, but the platform left it detached, and it could not be attached to its VM again. The task
          fails.
        - V(pending) - unfinished, because of a timeout, or because another disk of the task failed while a rollback that another process
          had started was running.
        - V(skipped) - not started, because another item of the task failed.
        - V(failed) - see RV(results[].msg).
      type: str
      sample: rolled_back
    reason:
      description:
        - Reason for the outcome, for programs. V(null) if outcome and RV(results[].ret_code) say it all.
        - V(other_item_failed) - nothing was started for this item, because another item of the task failed.
        - V(backup_failed) - nothing was started for this item, because its backup failed.
        - V(timeout) - timed out.
      type: str
      sample: null
    msg:
      description: Human-readable message.
      type: str
      sample: rolled back, marker snapshot-9xw3fa
    ret_code:
      description: The API's return code, if it rejected the request.
      type: int
      sample: null
    request_id:
      description:
        - Id of the last write request for this item, or of the request that failed before any write, by which the administrator of the
          platform can find it. V(null) if there was none, or if the platform returns no ids.
      type: str
      sample: 0d1d8a4c-1f4e-4c0f-9c39-6c6f3d5f9a51
counts:
  description: Number of RV(results) per outcome, including zeros.
  returned: when the options are valid
  type: dict
  sample: {rolled_back: 2, joined: 0, already_done: 0, detached: 0, pending: 0, skipped: 0, failed: 0}
snapshots:
  description: The snapshots rolled back to, and the backups and markers that the task created or used, as last returned by the API.
  returned: when the options are valid
  type: list
  elements: dict
  contains:
    snapshot_id:
      description: Id of the snapshot.
      type: str
      sample: snapshot-7dk2mq
    disk_id:
      description: Id of the disk.
      type: str
      sample: disk-boot01
    disk_type:
      description: V(Boot) or V(Data).
      type: str
      sample: Boot
    name:
      description: Name of the snapshot, exactly as stored, including non-printable characters.
      type: str
      sample: before-patch-2026-11
    remark:
      description: Remark of the snapshot, exactly as stored, including non-printable characters.
      type: str
      sample: before the November patches
    status:
      description:
        - Status as the API spells it, such as V(Normal), V(Createing) or V(Creating), V(RollBacking) or V(Rollbacking), V(Deleting), V(Failure).
        - Only V(Normal) can be rolled back to or deleted.
      type: str
      sample: Normal
    region:
      description: Region of the snapshot.
      type: str
      sample: cn
    zone:
      description: Zone of the snapshot, empty on platforms without zones.
      type: str
      sample: zone-01
    create_time:
      description: When the snapshot was created, in Unix seconds.
      type: int
      sample: 1795428000
    created_at:
      description: When the snapshot was created, as ISO 8601 in UTC.
      type: str
      sample: '2026-11-23T10:00:00Z'
    automatic:
      description: Whether a timer of the platform created the snapshot, and will delete it. Always V(false) if the platform does not report it.
      type: bool
      sample: false
snapshot_id:
  description: Id of the snapshot rolled back to, if exactly one was requested.
  returned: when the options are valid
  type: str
  sample: snapshot-7dk2mq
api_calls:
  description: Number of API requests, by action.
  returned: always
  type: dict
  sample: {CreateSnapshot: 2, DescribeDisk: 1, DescribeSnapshot: 6, DescribeVMInstance: 1, RollbackSnapshot: 2}
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ucloudstack.cloud.plugins.module_utils import _module, _present, _results, _rollback, _vms
from ansible_collections.ucloudstack.cloud.plugins.module_utils._apply import Task, Unit
from ansible_collections.ucloudstack.cloud.plugins.module_utils._client import Client
from ansible_collections.ucloudstack.cloud.plugins.module_utils._errors import NoPermissionError
from ansible_collections.ucloudstack.cloud.plugins.module_utils._reattach import reattach
from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import LONGEST_NAME, NAME_LENGTH, Disk, is_id
from ansible_collections.ucloudstack.cloud.plugins.module_utils._steps import Outcome, Reason, Seen

OLDEST_BACKUP = "The oldest holds the state before the first rollback."
OUTCOMES = ("rolled_back", "joined", "already_done", "detached", "pending", "skipped", "failed")
ROLLED_BACK = ("rolled_back", "joined", "already_done")


def job(client: Client, module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    disk_ids, snapshot_ids = _module.ids(params, "disk_ids") or [], _module.ids(params, "snapshot_ids") or []
    name = _module.text(params, "name", LONGEST_NAME)
    marker, backup = (_module.text(params, option, NAME_LENGTH) for option in ("marker_name", "backup_name"))
    if bool(snapshot_ids) == bool(disk_ids or name) or bool(disk_ids) != bool(name):
        raise _module.InputError("give either snapshot_ids, or name and disk_ids; an option that is null counts as omitted.")
    if backup and not marker:
        raise _module.InputError(
            "backup_name needs marker_name: without a marker a finished rollback cannot be told from an unfinished one."
        )
    if (marker or backup) and not params["wait"]:
        raise _module.InputError(
            "wait=false cannot be used with marker_name or backup_name: the backup is created before the rollback, the marker after it."
        )
    names = [each for each in (name, marker, backup) if each]
    if len(set(names)) < len(names):
        raise _module.InputError("name, marker_name and backup_name must differ from each other.")
    homes = {disk_id: str(vm_id) for disk_id, vm_id in (params["attach_to"] or {}).items()}
    if not all(is_id(each) and each != "None" for each in (*homes, *homes.values())):  # what a null becomes
        raise _module.InputError("attach_to must name a disk and its VM in each entry, both by their ids.")
    if homes and not params["wait"]:
        raise _module.InputError("wait=false cannot be used with attach_to: a disk is attached after its rollback.")
    wanted = Wanted(snapshot_ids, disk_ids, name or "", marker, backup, params["wait"], homes)
    return roll_back(Task(client, params["wait_timeout"], _module.progress_file(module)), wanted, module.check_mode)


@dataclass(frozen=True)
class Wanted:
    """Which disks are to be rolled back: to the snapshots of these ids, or each to its snapshot of this name.

    ``homes``: the VM that each disk has to be attached to afterwards, by disk id, if the user says so.
    """

    snapshot_ids: Sequence[str]
    disk_ids: Sequence[str]
    name: str
    marker_name: str | None
    backup_name: str | None
    wait: bool
    homes: Mapping[str, str]


def roll_back(task: Task, wanted: Wanted, check_mode: bool) -> dict[str, Any]:
    """All disks are rolled back; if the preflight finds anything wrong, none is started."""
    wall = task.client.clock.wall()
    seen, pairs = find(task, wanted)
    attached, warnings = _vms.attachments(task.client, [disk_id for disk_id, _target in pairs if disk_id], task.deadline)
    homes = {**{disk.disk_id: disk.vm_id for disk in attached.values() if disk.vm_id}, **wanted.homes}
    units = [plan(seen, wanted, disk_id, target, attached.get(disk_id), wall) for disk_id, target in pairs]
    todo = [unit for unit in units if unit.step.do != "done"]
    backups: list[Unit] = []
    if any(unit.step.failed for unit in units):
        skip(todo, "another disk cannot be rolled back")
    elif not check_mode:
        if wanted.backup_name:
            backups = back_up(task, todo, seen, wanted, wall)
        unsafe = {backup.disk_id: backup.step.msg for backup in backups if backup.step.failed}
        if unsafe:
            for unit in todo:
                if unit.disk_id in unsafe:
                    msg = f"not started, because its backup failed: {unsafe[unit.disk_id]}"
                    end(unit, "failed", "backup_failed", msg)
            skip([unit for unit in todo if unit.disk_id not in unsafe], "another disk's backup failed")
        else:
            if backups:
                task.plan_late(todo, seen)
            else:
                task.plan(todo, seen)
            task.carry_out(todo, "rolled back")
            if wanted.wait:
                at_home = {disk.disk_id for disk in attached.values() if disk.vm_id == homes.get(disk.disk_id)}
                untouched = at_home - {unit.disk_id for unit in todo}
                warnings += attach_again(task, [unit for unit in units if unit.disk_id not in untouched], homes)
            warnings += task.duplicates(todo, wanted.marker_name) if wanted.marker_name else []
            warnings += task.duplicates(backups, wanted.backup_name, OLDEST_BACKUP) if wanted.backup_name else []
    return _results.of_snapshots(task, OUTCOMES, [[unit] for unit in units], warnings, backups)


def find(task: Task, wanted: Wanted) -> tuple[Seen, list[tuple[str, str]]]:
    """All snapshots of the disks in question, and each disk's id with its target's; one of the two may be empty."""
    listed = task.read(wanted.snapshot_ids).snapshots
    pairs = [(listed[each].disk_id if each in listed else "", each) for each in wanted.snapshot_ids]
    pairs += [(disk_id, "") for disk_id in wanted.disk_ids]
    targets: dict[str, list[str]] = {}
    for disk_id, target in pairs:
        if disk_id:
            targets.setdefault(disk_id, []).append(target)
    for disk_id, rivals in targets.items():
        if len(rivals) > 1:
            raise _module.InputError(f"{' and '.join(rivals)} are snapshots of the same disk, {disk_id}: give one of them.")
    unknown = sorted(set(wanted.homes) - set(targets))
    if unknown:
        raise _module.InputError(f"attach_to names {', '.join(unknown)}, not among the disks to roll back.")
    return task.read(disk_ids=targets), pairs


def plan(seen: Seen, wanted: Wanted, disk_id: str, target: str, disk: Disk | None, wall: float) -> Unit:
    """The unit of work for one disk, its first step decided."""
    by_id = [seen.snapshots[target]] if target in seen.snapshots else []
    step = _rollback.preflight_rollback(
        seen,
        disk_id=disk_id,
        wanted=f"snapshot {target}" if target else f"a snapshot of the disk named {wanted.name!r}",
        candidates=by_id if target else seen.named(disk_id, wanted.name),
        disk=disk,
        home=wanted.homes.get(disk_id, ""),
        marker_name=wanted.marker_name,
        backup_name=wanted.backup_name,
        wall=wall,
    )
    snapshot = seen.snapshots.get(step.snapshot_id or "")
    rest: dict[str, Any] = {"marker_name": wanted.marker_name, "wait": wanted.wait, "wall": wall}
    decide = partial(_rollback.rolled_back, target=snapshot, **rest) if snapshot else lambda *_: step
    return Unit(decide, disk_id, step.snapshot_id or target or None, step=step, first=step, warnings=list(step.warnings))


def back_up(task: Task, units: Sequence[Unit], seen: Seen, wanted: Wanted, wall: float) -> list[Unit]:
    """Create a backup of every disk that is about to be rolled back; done when all backups are usable."""
    backups = [
        Unit(
            partial(
                _present.present,
                disk_id=unit.disk_id,
                name=wanted.backup_name or "",
                remark=_rollback.backup_remark(seen.snapshots[unit.step.snapshot_id or ""], wanted.marker_name or ""),
                wait=True,
                wall=wall,
            ),
            unit.disk_id,
        )
        for unit in units
        if unit.step.do == "rollback"
    ]
    task.plan(backups, seen)
    task.carry_out(backups, "backed up")
    return backups


def attach_again(task: Task, units: Sequence[Unit], homes: Mapping[str, str]) -> list[str]:
    """Attach the disks again that their rollback left detached. One that stays detached is a failure: its VM cannot be started.

    Returns warnings.
    """
    rolled_back = [unit for unit in units if unit.step.outcome in ROLLED_BACK and unit.disk_id in homes]
    try:
        steps = reattach(task, {unit.disk_id: homes[unit.disk_id] for unit in rolled_back}) if rolled_back else {}
    except NoPermissionError as error:
        return [f"It could not be checked that {', '.join(unit.disk_id for unit in rolled_back)} did not end detached: {error}"]
    for unit in rolled_back:
        step = steps[unit.disk_id]
        marked_before = unit.first is not None and unit.first.outcome == "already_done"  # then attaching is all that can change
        changed = step.changed or (unit.step.changed and not marked_before)
        if step.outcome == "detached":
            msg = f"{unit.step.msg.rstrip('.')}; not attached to VM {step.vm_id}: {step.msg}. Attach it before the VM is started"
            unit.step = replace(unit.step, outcome="detached", failed=True, msg=msg, ret_code=step.ret_code, request_id=step.request_id)
            unit.step = replace(unit.step, reason=step.reason)
        elif step.changed:
            unit.step = replace(unit.step, msg=f"{unit.step.msg}; attached to VM {step.vm_id} again", request_id=step.request_id)
        unit.step = replace(unit.step, changed=changed)
    return []


def skip(units: Sequence[Unit], why: str) -> None:
    """Start nothing for these; a rollback that another process started is not waited for."""
    for unit in units:
        if unit.step.do == "wait":
            end(unit, "pending", "other_item_failed", f"already rolling back to this snapshot, not waited for, because {why}")
        else:
            end(unit, "skipped", "other_item_failed", f"not started, because {why}")


def end(unit: Unit, outcome: Outcome, reason: Reason, msg: str) -> None:
    """End a unit for which nothing was sent."""
    step = replace(unit.step, do="done", failed=True, changed=False, after=unit.step.before)
    unit.step = unit.first = replace(step, outcome=outcome, reason=reason, msg=msg)


def main() -> None:
    spec = {
        "snapshot_ids": {"type": "list", "elements": "str", "aliases": ["snapshot_id"]},
        "name": {"type": "str"},
        "disk_ids": {"type": "list", "elements": "str", "aliases": ["disk_id"]},
        "marker_name": {"type": "str"},
        "backup_name": {"type": "str"},
        "attach_to": {"type": "dict", "default": {}},
    }
    _module.run(job, {**spec, **_module.ACTING}, partial(_results.of_nothing, OUTCOMES))


if __name__ == "__main__":
    main()
