# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Whether disks may be rolled back, and what to do next until they are: pure functions, in the manner of :mod:`_plan`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ansible_collections.ucloudstack.cloud.plugins.module_utils._plan import UNLISTED_SECONDS, age, ended, refused_for_good, unmarked
from ansible_collections.ucloudstack.cloud.plugins.module_utils._present import present
from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import REMARK_LENGTH, Disk, Snapshot, by_age, iso_utc, quoted
from ansible_collections.ucloudstack.cloud.plugins.module_utils._states import (
    NEVER_USABLE,
    DiskState,
    SnapshotState,
    VmState,
    snapshot_state,
    vm_state,
)
from ansible_collections.ucloudstack.cloud.plugins.module_utils._steps import Outcome, Progress, Seen, Sent, Step

STILL_SECONDS = 15.0
"""A rollback never seen at work is done when the snapshot was Normal in every look for so long: it was too quick to be seen."""


def preflight_rollback(
    seen: Seen,
    *,
    disk_id: str,
    wanted: str,
    candidates: Sequence[Snapshot],
    disk: Disk | None,
    home: str,
    marker_name: str | None,
    backup_name: str | None,
    wall: float,
) -> Step:
    """May this disk be put back, and must it be? ``do`` is ``rollback``, ``wait`` (one is running: joined) or ``done``.

    ``candidates``: the snapshots that the user's words (``wanted``) fit; ``disk``: None where the key may not ask for it; ``home``: the
    VM that the user says the disk belongs to, or empty.
    """
    now_data = f"{disk_id}: data as it is now"
    step = Step("rollback", "rolled_back", disk_id, msg="to be rolled back", changed=True, before=now_data)

    def failed(msg: str) -> Step:
        return ended(step, "failed", msg, failed=True, changed=False, after=now_data)

    usable = [each for each in candidates if each.meaning in (SnapshotState.USABLE, SnapshotState.ROLLING_BACK)]
    if len(usable) > 1:
        return failed(f"{wanted} is ambiguous: {' and '.join(str(each) for each in usable)}; give snapshot_ids")
    if not usable:
        found = "; ".join(f"{each} is not usable" for each in candidates)
        return failed(found or f"{wanted} does not exist")
    target = usable[0]
    step = replace(
        step,
        snapshot_id=target.snapshot_id,
        after=f"{disk_id}: data of {target.snapshot_id} named {quoted(target.name)}, {iso_utc(target.create_time) or 'of unknown age'}",
    )
    for option, copy in (("marker_name", marker_name), ("backup_name", backup_name)):
        if copy == target.name:
            return failed(f"{option} {copy!r} is the name of the snapshot to go back to: choose another one")
    if marker_name:
        marks = [each for each in seen.named(disk_id, marker_name) if each.snapshot_id != target.snapshot_id]
        proofs = _proofs(marks, target)
        if proofs:
            step = ended(step, "already_done", f"rolled back before; marker {proofs[-1]}, {age(proofs[-1], wall)}", before=step.after)
            if not home or disk is None or disk.vm_id:
                return replace(step, changed=False)
            return replace(step, before=f"{step.after}\n{disk_id}: detached", after=f"{step.after}\n{disk_id}: attached to VM {home}")
        if marks:
            return failed(
                f"marker_name {marker_name!r} is taken by {marks[-1]}, which marks no rollback to {target.snapshot_id}: "
                "choose another marker_name, or delete that snapshot"
            )
    backups = [each for each in seen.named(disk_id, backup_name or "") if backup_name and each.meaning not in NEVER_USABLE]
    for backup in backups:
        if backup.remark != backup_remark(target, marker_name or ""):
            return failed(
                f"backup_name {backup_name!r} is taken by {backup}, which is no backup for this rollback and its marker: "
                "choose another backup_name"
            )
        warning = (
            f"{disk_id}: the backup {backup} is from an earlier attempt, {age(backup, wall)}; it is kept and used, no newer one is made."
        )
        step = replace(step, warnings=(*step.warnings, warning))
    rolling = [each for each in seen.snapshots.values() if each.disk_id == disk_id and each.meaning is SnapshotState.ROLLING_BACK]
    if target.meaning is SnapshotState.ROLLING_BACK:
        step = _with_copies(step, marker_name, None)
        if backup_name and not backups:
            warning = f"{disk_id}: no backup {backup_name!r} was made, because the rollback was already running when the task began."
            step = replace(step, warnings=(warning,))
        return replace(step, do="wait", outcome="joined", msg="already rolling back to this snapshot")
    if rolling:
        return failed(f"the disk is being rolled back to another snapshot, {rolling[0]}")
    if disk is not None:
        if disk.meaning is DiskState.LOST:
            return failed(f"the disk is {disk.status}")
        if home and disk.vm_id and disk.vm_id != home:
            return failed(f"the disk is attached to VM {disk.vm_id}, and attach_to says {home}")
        on = is_on(disk)
        if on:
            return failed(f"{on}: stop the VM, or detach the disk, and run the task again")
    return _with_copies(step, marker_name, None if backups else backup_name)


def is_on(disk: Disk) -> str:
    """What keeps the disk from being rolled back: its VM is on. Empty when it is off, or unknown."""
    if not disk.vm_id or not disk.vm_state or vm_state(disk.vm_state) is VmState.STOPPED:  # API guide 5.3: the VM must be shut down
        return ""
    return f"the disk is attached to VM {disk.vm_id}, which is {disk.vm_state}"


def _with_copies(step: Step, marker_name: str | None, backup_name: str | None) -> Step:
    """Diff mode shows the snapshots that a rollback makes, too."""
    for kind, name in (("backup", backup_name), ("marker", marker_name)):
        if name:
            step = replace(step, after=f"{step.after}\n{step.disk_id}: {kind} snapshot named {name!r}")
    return step


def marker_remark(snapshot_id: str) -> str:
    """What the remark of a marker says: the proof that the disk was put back to this very snapshot."""
    return f"ucloudstack.cloud marker target={snapshot_id}"[:REMARK_LENGTH]


def _proofs(marks: Sequence[Snapshot], target: Snapshot) -> list[Snapshot]:
    """Those that were made after a rollback to the target, in whatever status they are."""
    return [each for each in marks if each.remark == marker_remark(target.snapshot_id) and by_age(each)[0] >= by_age(target)[0]]


def backup_remark(target: Snapshot, marker_name: str) -> str:
    """What the remark of a backup says: before which rollback it was made, told by its target and its marker."""
    return f"ucloudstack.cloud backup marker={marker_name} target={target.snapshot_id}"[:REMARK_LENGTH]


def rolled_back(seen: Seen, progress: Progress, now: float, *, target: Snapshot, marker_name: str | None, wait: bool, wall: float) -> Step:
    """The disk of ``target`` is put back to it, and marked. Outcomes: rolled_back, joined, already_done, pending, failed."""
    sent = [each for each in progress.sent if each.do == "rollback"]
    started = [each for each in sent if each.result in ("accepted", "unknown")]
    repeat = "run the same task again: it joins the rollback while it runs, and once it is over rolls back again"
    repeat += f" and makes the marker {marker_name!r}; leave the VM off until then" if marker_name else ", so look before you do"
    step = Step("rollback", "rolled_back", target.disk_id, target.snapshot_id, changed=True, repeat=repeat)
    if refused_for_good(sent):
        doubt = " An earlier request for it had no answer, so the disk may be back all the same: leave its VM off." if started else ""
        return ended(step, "failed", f"{sent[-1].msg}{doubt}", failed=True, changed=bool(started), ret_code=sent[-1].ret_code)
    if not any(each.do == "create" for each in progress.sent):  # once its marker is being made, the disk is back
        unfinished = _unfinished_rollback(step, seen.snapshots.get(target.snapshot_id), started, progress, now, wait)
        if unfinished is not None and unfinished.do == "rollback" and marker_name:
            return _unless_marked(unfinished, seen, target, marker_name, bool(started))
        if unfinished is not None:
            return unfinished
    if not started:
        done = "a rollback to this snapshot that was already running was waited for"
    elif any(each.result == "unknown" for each in started):
        done = "rolled back; an answer of the API was lost"
    else:
        done = "rolled back"
    outcome: Outcome = "rolled_back" if started else "joined"
    if not marker_name:
        return ended(step, outcome, done)
    mark = present(
        seen, progress, now, disk_id=target.disk_id, name=marker_name, remark=marker_remark(target.snapshot_id), wait=True, wall=wall
    )
    if mark.do != "done":
        return replace(mark, outcome=outcome, changed=True, msg=f"{done}; marker {mark.msg}", given_up=done)
    if mark.failed:
        msg = f"{unmarked(done, marker_name, progress)}. {mark.msg}"
        return replace(ended(step, outcome, msg, failed=True), ret_code=mark.ret_code)
    return replace(ended(step, outcome, f"{done}, marker {mark.snapshot_id}"), warnings=mark.warnings)


def _unless_marked(step: Step, seen: Seen, target: Snapshot, marker_name: str, started: bool) -> Step:
    """The write of ``step``, unless another task has rolled the disk back meanwhile: decided on a full look in the same round."""
    if target.disk_id not in seen.disks:
        return replace(step, do="look")
    proofs = _proofs(seen.named(target.disk_id, marker_name), target)
    if not proofs:
        return step
    return ended(step, "already_done", f"rolled back meanwhile by another task; marker {proofs[-1]}", changed=started, warnings=())


def _unfinished_rollback(
    step: Step, current: Snapshot | None, started: Sequence[Sent], progress: Progress, now: float, wait: bool
) -> Step | None:
    """What is still to be done before the disk is back; None when it is. ``current``: the snapshot, as this look shows it."""
    lost = [each for each in started if each.result == "unknown"]
    since = started[-1].at if started else float("-inf")
    if current is None or current.meaning in NEVER_USABLE:
        last_listed = max((at for at, _status in progress.listed(step.snapshot_id)), default=now)
        if current is None and now - last_listed < UNLISTED_SECONDS:
            return replace(step, do="wait", msg="the snapshot is not listed at the moment")
        state = current.status if current else "not listed any more"
        msg = f"the rollback is not over, and the snapshot is {state}: whether the disk came back is unknown; leave its VM off"
        return ended(step, "failed", msg, failed=True, changed=bool(started))
    if current.meaning is SnapshotState.ROLLING_BACK:
        step = step if started else replace(step, outcome="joined")
        return replace(step, do="wait", msg="rolling back") if wait else ended(step, step.outcome, "rolling back, not waited for")
    if current.meaning is not SnapshotState.USABLE:
        return replace(step, do="wait", msg=f"{current.status}, waited for")
    if any(snapshot_state(status) is SnapshotState.ROLLING_BACK for _at, status in progress.listed(step.snapshot_id, since)):
        return None
    if not started:
        return step
    if not wait and not lost:
        return ended(step, "rolled_back", "the API accepted the rollback, not waited for")
    if now - since < STILL_SECONDS:
        return replace(step, do="wait", msg="accepted, not yet seen at work")
    if started[-1].result == "accepted":
        return None
    if len(lost) > 1:
        unknown = "it is unknown whether the disk was rolled back: twice no answer; leave its VM off, and run the task again"
        msg = f"{unknown}. {lost[-1].msg}"
        return ended(step, "failed", msg, failed=True, ret_code=lost[-1].ret_code)
    warning = f"{step.disk_id}: no answer to RollbackSnapshot, none seen at work for {STILL_SECONDS:g} s, so it was tried once more."
    return replace(step, warnings=(warning,))
