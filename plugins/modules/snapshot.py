#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: snapshot
short_description: Create or delete snapshots of UCloudStack disks
version_added: 0.1.0
author:
  - UCloudStack collection contributors (@ucloudstack)
description:
  - Ensures that each disk has a usable snapshot with the given name, or has none.
  - A snapshot is found by its disk and its exact name. An existing snapshot is not created again; one that is still being
    created, for example by another process, is waited for.
  - Snapshots are crash-consistent. They contain what was written to the disk at that moment. Flush or freeze file systems first
    if you need more.
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - The UCloudStack API has no unique names and no idempotency token for requests.
      - If a response is lost, the module looks for the snapshot by disk and name for 30 seconds, before it sends the request once
        more. If the list of snapshots lags behind by more than that, a second snapshot may be created.
      - Two tasks that run at the same time can create one snapshot each. The module checks for duplicates while it waits, and the task
        whose snapshot is the second one warns.
options:
  state:
    description:
      - V(present) - every disk has a usable snapshot with this name.
      - V(absent) - the disks have no snapshot with this name, or the snapshots of O(snapshot_ids) do not exist. A deletion is
        final.
    type: str
    choices: [present, absent]
    default: present
  name:
    description:
      - Name of the snapshots. The name of a new snapshot has 1 to 30 characters. Letters, digits, C(.), C(_) and C(-) are accepted by every
        generation of the platform; newer generations reject spaces, colons and similar characters.
      - Required with O(disk_ids).
    type: str
  disk_ids:
    description:
      - Ids of the disks, each once.
      - Required with O(state=present). With O(state=absent), either this or O(snapshot_ids) is required.
    type: list
    elements: str
    aliases: [disk_id]
  snapshot_ids:
    description:
      - Ids of the snapshots to delete, each once. Only with O(state=absent).
    type: list
    elements: str
    aliases: [snapshot_id]
  remark:
    description:
      - Remark of new snapshots, up to 100 characters. An existing snapshot keeps its remark, because the remark proves who created the
        snapshot; if it differs, the module warns.
    type: str
  remarks:
    description:
      - Remarks of individual disks, by disk id, up to 100 characters each. The other disks get O(remark).
    type: dict
  all_or_nothing:
    description:
      - If the snapshot of a disk cannot be created, delete those that this task created for the other disks.
      - Snapshots that existed before the task are kept, and so are snapshots whose response was lost (RV(results[].outcome=adopted)).
        After a timeout nothing is deleted. The deletion may take O(wait_timeout) once more.
      - Cannot be used with O(wait=false) or O(state=absent).
    type: bool
    default: false
  wait:
    description:
      - Whether to wait until new snapshots are usable, or deleted snapshots are gone.
      - With V(false), the task returns when every new snapshot is listed, so that running the task again finds it.
    type: bool
    default: true
extends_documentation_fragment:
  - ucloudstack.cloud.connection
  - ucloudstack.cloud.acting
  - ucloudstack.cloud.attributes
seealso:
  - module: ucloudstack.cloud.snapshot_info
  - module: ucloudstack.cloud.snapshot_rollback
"""

EXAMPLES = r"""
- name: Snapshot both disks of a server before it is patched
  ucloudstack.cloud.snapshot:
    name: before-patch-2026-11
    disk_ids:
      - disk-boot01
      - disk-data01
    remark: before the November patches
  delegate_to: localhost
  register: before_patch

- name: Show the result for each disk
  ansible.builtin.debug:
    msg: "{{ item.disk_id }}: {{ item.outcome }}, {{ item.snapshot_id }}"
  loop: "{{ before_patch.results }}"
  loop_control:
    label: "{{ item.disk_id }}"

- name: Snapshot all disks or none
  ucloudstack.cloud.snapshot:
    name: before-migration
    disk_ids: "{{ database_disks }}"
    all_or_nothing: true

- name: Delete the snapshots of that name from these disks
  ucloudstack.cloud.snapshot:
    state: absent
    name: before-patch-2026-11
    disk_ids:
      - disk-boot01
      - disk-data01

- name: Delete one snapshot by its id
  ucloudstack.cloud.snapshot:
    state: absent
    snapshot_id: "{{ before_patch.results[0].snapshot_id }}"
  when: before_patch.results[0].snapshot_id is not none  # as it is in check mode
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
      description: The snapshot; V(null) if there is none or, in check mode, if it would be created.
      type: str
      sample: snapshot-7dk2mq
    outcome:
      description:
        - V(created) - the snapshot was created.
        - V(adopted) - the snapshot was created, and found by its name because the response was lost.
        - V(present) - the snapshot existed, or another process was already creating it.
        - V(deleted) - the snapshot was deleted.
        - V(absent) - the snapshot did not exist.
        - V(pending) - unfinished, because of a timeout or O(wait=false).
        - V(undone) - the snapshot was created and deleted again because of O(all_or_nothing).
        - V(failed) - see RV(results[].msg).
      type: str
      sample: created
    reason:
      description:
        - Reason for the outcome, for programs. V(null) if outcome and RV(results[].ret_code) say it all.
        - V(timeout) - timed out.
      type: str
      sample: null
    msg:
      description: Human-readable message.
      type: str
      sample: created
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
  sample: {created: 2, adopted: 0, present: 0, deleted: 0, absent: 0, pending: 0, undone: 0, failed: 0}
snapshots:
  description: The snapshots referred to by RV(results), as last returned by the API, including deleted ones.
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
  description: Id of the snapshot, if exactly one disk or snapshot was requested; V(null) in check mode if it would be created.
  returned: when the options are valid
  type: str
  sample: snapshot-7dk2mq
api_calls:
  description: Number of API requests, by action.
  returned: always
  type: dict
  sample: {CreateSnapshot: 2, DescribeSnapshot: 4}
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ucloudstack.cloud.plugins.module_utils import _absent, _module, _present, _results
from ansible_collections.ucloudstack.cloud.plugins.module_utils._apply import Task, Unit
from ansible_collections.ucloudstack.cloud.plugins.module_utils._client import Client
from ansible_collections.ucloudstack.cloud.plugins.module_utils._errors import UCloudStackError
from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import LONGEST_NAME, NAME_LENGTH
from ansible_collections.ucloudstack.cloud.plugins.module_utils._states import SnapshotState
from ansible_collections.ucloudstack.cloud.plugins.module_utils._steps import Seen, Step

OUTCOMES = ("created", "adopted", "present", "deleted", "absent", "pending", "undone", "failed")


@dataclass(frozen=True)
class Wanted:
    """A snapshot that a disk is to have."""

    disk_id: str
    name: str
    remark: str


def job(client: Client, module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    disk_ids, snapshot_ids = _module.ids(params, "disk_ids") or [], _module.ids(params, "snapshot_ids") or []
    name = _module.text(params, "name", NAME_LENGTH if params["state"] == "present" else LONGEST_NAME) or ""
    check_combination(params, bool(name), bool(disk_ids), bool(snapshot_ids))
    remark, remarks = _module.remark(params["remark"]), params["remarks"] or {}
    wanted = [Wanted(disk_id, name, _module.remark(remarks.get(disk_id, remark))) for disk_id in disk_ids]
    unknown = sorted(set(remarks) - set(disk_ids))
    if unknown:
        raise _module.InputError(f"remarks names {', '.join(unknown)}, not among disk_ids.")
    task = Task(client, params["wait_timeout"], _module.progress_file(module))
    if params["state"] == "absent":
        return ensure_absent(task, module, disk_ids, name, snapshot_ids)
    return ensure_present(task, module, wanted, name)


def check_combination(params: Mapping[str, Any], name: bool, disk_ids: bool, snapshot_ids: bool) -> None:
    """Raises InputError for options that do not go together."""
    if params["state"] == "present" and snapshot_ids:
        raise _module.InputError("snapshot_ids can only be used with state=absent: a new snapshot gets its id from the API.")
    if snapshot_ids == (disk_ids or name):
        raise _module.InputError(
            "state=absent takes either snapshot_ids, or name and disk_ids; state=present takes name and disk_ids. "
            "An option that is null counts as omitted."
        )
    if not snapshot_ids and not (name and disk_ids):
        raise _module.InputError(f"{'disk_ids' if name else 'name'} is missing: name and disk_ids go together.")
    if params["all_or_nothing"] and (params["state"] == "absent" or not params["wait"]):
        raise _module.InputError("all_or_nothing cannot be used with state=absent or with wait=false.")


def ensure_present(task: Task, module: AnsibleModule, wanted: Sequence[Wanted], name: str) -> dict[str, Any]:
    """Every disk has its wanted snapshot, and it is usable."""
    rest = {"wait": module.params["wait"], "wall": task.client.clock.wall()}
    units = [Unit(partial(_present.present, **asdict(each), **rest), each.disk_id) for each in wanted]
    task.plan(units, task.read(disk_ids=[each.disk_id for each in wanted]))
    warnings: list[str] = []
    if not module.check_mode:
        task.carry_out(units, "usable")
        warnings = task.duplicates(units, name)
        if module.params["all_or_nothing"] and not task.timed_out and any(unit.step.failed for unit in units):
            warnings += undo(task, units)
    return _results.of_snapshots(task, OUTCOMES, [[unit] for unit in units], warnings)


def undo(task: Task, units: Sequence[Unit]) -> list[str]:
    """Delete what this task created, with a deadline of its own; what cannot be deleted stays ``created`` and says so. Returns warnings."""
    created = [unit for unit in units if unit.step.outcome == "created" and not unit.step.failed]
    again = Task(task.client, task.deadline.seconds, task.progress_file)
    removals = [
        Unit(partial(_absent.absent, snapshot=task.latest[unit.step.snapshot_id or ""], wait=True), unit.disk_id, unit.step.snapshot_id)
        for unit in created
    ]
    try:
        again.plan(removals, again.read(each for unit in removals for each in unit.watched))
        again.carry_out(removals, "deleted again")
    except UCloudStackError as error:
        for unit in removals:
            unit.step = replace(unit.step, outcome="failed", msg=str(error))
    for unit, removal in zip(created, removals):
        if removal.step.outcome in ("deleted", "absent"):
            unit.step = replace(unit.step, outcome="undone", changed=False, msg="created, and deleted again because of all_or_nothing")
        else:
            why = "its deletion did not end in time" if removal.step.outcome == "pending" else removal.step.msg
            unit.step = replace(unit.step, failed=True, msg=f"created, and could not be deleted again: {why}")
    undone = [unit for unit in units if unit.step.outcome == "undone"]
    adopted = [unit for unit in units if unit.step.outcome == "adopted"]
    return [
        *(f"{unit.disk_id}: {unit.step.snapshot_id} was {unit.step.msg}" for unit in undone),
        *(
            f"{unit.disk_id}: {unit.step.snapshot_id} stays, since its answer was lost and another process may have created it"
            for unit in adopted
        ),
    ]


def ensure_absent(task: Task, module: AnsibleModule, disk_ids: Sequence[str], name: str, snapshot_ids: Sequence[str]) -> dict[str, Any]:
    """The snapshots of these ids, or all of this name on these disks, are gone."""
    seen = task.read(snapshot_ids, disk_ids)
    items = [units_to_delete(seen, [each], _absent.nothing_there("", each, f"snapshot {each}"), module) for each in snapshot_ids]
    for disk_id in disk_ids:
        named = [snapshot.snapshot_id for snapshot in seen.named(disk_id, name)]
        items.append(units_to_delete(seen, named, _absent.nothing_there(disk_id, None, f"a snapshot named {name!r}"), module))
    everything = [unit for item in items for unit in item]
    task.plan(everything, seen)
    if not module.check_mode:
        task.carry_out(everything, "deleted")
    return _results.of_snapshots(task, OUTCOMES, items)


def units_to_delete(seen: Seen, snapshot_ids: Sequence[str], nothing: Step, module: AnsibleModule) -> list[Unit]:
    """One unit for each of these snapshots that exists; if none does, one whose decision is ``nothing``."""
    listed = [seen.snapshots[each] for each in snapshot_ids if each in seen.snapshots]
    existing = [each for each in listed if each.meaning is not SnapshotState.GONE]
    rest = {"wait": module.params["wait"]}
    units = [Unit(partial(_absent.absent, snapshot=each, **rest), each.disk_id, each.snapshot_id) for each in existing]
    return units or [Unit(lambda *_: nothing, nothing.disk_id)]


def main() -> None:
    spec = {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "name": {"type": "str"},
        "disk_ids": {"type": "list", "elements": "str", "aliases": ["disk_id"]},
        "snapshot_ids": {"type": "list", "elements": "str", "aliases": ["snapshot_id"]},
        "remark": {"type": "str"},
        "remarks": {"type": "dict"},
        "all_or_nothing": {"type": "bool", "default": False},
    }
    _module.run(job, {**spec, **_module.ACTING}, partial(_results.of_nothing, OUTCOMES))


if __name__ == "__main__":
    main()
