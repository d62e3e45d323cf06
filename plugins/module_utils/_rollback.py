# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Whether a disk can be rolled back, and the next step until it is: pure functions, like all of :mod:`_plan`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ansible_collections.ucloudstack.cloud.plugins.module_utils._plan import UNLISTED_SECONDS, age, ended, rejected_permanently, unmarked
from ansible_collections.ucloudstack.cloud.plugins.module_utils._present import present
from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import REMARK_LENGTH, Disk, Snapshot, by_age, iso_utc, quoted
from ansible_collections.ucloudstack.cloud.plugins.module_utils._states import (
    NEVER_USABLE,
    DiskState,
    SnapshotState,
    snapshot_state,
)
from ansible_collections.ucloudstack.cloud.plugins.module_utils._steps import Outcome, Progress, Seen, Sent, Step

QUIET_SECONDS = 15.0
"""A rollback that was never seen running is done if the snapshot was Normal in every poll for that long: it ended between two polls."""


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
    """Whether this disk can be rolled back, and has to be: ``rollback``, ``wait`` (one is running: joined) or ``done``.

    ``wanted``: the user's description of the snapshot; ``candidates``: the snapshots that match it; ``disk``: None if the key has no
    permission to list it; ``home``: the VM that the disk belongs to according to the user, or empty.
    """
    step = Step("rollback", "rolled_back", disk_id, msg="to be rolled back", changed=True, before=f"{disk_id}: current data")
    usable = [each for each in candidates if each.meaning in (SnapshotState.USABLE, SnapshotState.ROLLING_BACK)]
    if len(usable) > 1:
        return failed(step, f"{wanted} is ambiguous: {' and '.join(str(each) for each in usable)}; use snapshot_ids to choose one")
    if not usable:
        found = "; ".join(f"{each} is not usable" for each in candidates)
        return failed(step, found or f"{wanted} does not exist")
    target = usable[0]
    step = replace(
        step,
        snapshot_id=target.snapshot_id,
        after=f"{disk_id}: data of {target.snapshot_id} named {quoted(target.name)}, {iso_utc(target.create_time) or 'of unknown age'}",
    )
    for option, name in (("marker_name", marker_name), ("backup_name", backup_name)):
        if name == target.name:
            return failed(step, f"{option} {name!r} is also the name of the snapshot to roll back to: choose another name")
    marks = [each for each in seen.named(disk_id, marker_name or "") if marker_name and each.snapshot_id != target.snapshot_id]
    if marks:
        return _marked(step, marks, target, detached_from=home if disk is not None and not disk.vm_id else "", wall=wall)
    backups = [each for each in seen.named(disk_id, backup_name or "") if backup_name and each.meaning not in NEVER_USABLE]
    step = _with_backups(step, backups, backup_remark(target, marker_name or ""), wall)
    if step.failed:
        return step
    if target.meaning is SnapshotState.ROLLING_BACK:
        return _joined(step, marker_name, None if backups else backup_name)
    rolling = [each for each in seen.of_disk(disk_id) if each.meaning is SnapshotState.ROLLING_BACK]
    if rolling:
        return failed(step, f"the disk is being rolled back to another snapshot, {rolling[0]}")
    step = _with_disk(step, disk, home)
    return step if step.failed else _with_copies(step, marker_name, None if backups else backup_name)


def failed(step: Step, msg: str) -> Step:
    """``step``, refused by the preflight."""
    return ended(step, "failed", msg, failed=True, changed=False, after=step.before)


def _marked(step: Step, marks: Sequence[Snapshot], target: Snapshot, *, detached_from: str, wall: float) -> Step:
    """The final step if snapshots with the name of the marker exist. ``detached_from``: the VM that the disk is missing from, or empty."""
    proofs = _proofs(marks, target)
    if not proofs:
        return failed(
            step,
            f"marker_name {marks[-1].name!r} is already used by {marks[-1]}, which is not a marker for {target.snapshot_id}: "
            "choose another marker_name, or delete that snapshot",
        )
    step = ended(step, "already_done", f"rolled back before; marker {proofs[-1]}, {age(proofs[-1], wall)}", before=step.after)
    if not detached_from:
        return replace(step, changed=False)
    return replace(
        step,
        before=f"{step.after}\n{step.disk_id}: detached",
        after=f"{step.after}\n{step.disk_id}: attached to VM {detached_from}",
    )


def _with_backups(step: Step, backups: Sequence[Snapshot], remark: str, wall: float) -> Step:
    """``step`` with a warning for each existing backup, which is reused; failed if one does not have the ``remark`` of this rollback."""
    for backup in backups:
        if backup.remark != remark:
            return failed(
                step,
                f"backup_name {backup.name!r} is already used by {backup}, which is not a backup for this rollback and marker: "
                "choose another backup_name",
            )
        warning = f"{step.disk_id}: the backup {backup} of an earlier attempt, {age(backup, wall)}, is reused; no new backup is created."
        step = replace(step, warnings=(*step.warnings, warning))
    return step


def _joined(step: Step, marker_name: str | None, missing_backup: str | None) -> Step:
    """Wait for a rollback that another process has started; it is too late for the ``missing_backup``."""
    step = _with_copies(step, marker_name, None)
    if missing_backup:
        warning = (
            f"{step.disk_id}: no backup {missing_backup!r} was created, because the rollback was already running when the task started."
        )
        step = replace(step, warnings=(warning,))
    return replace(step, do="wait", outcome="joined", msg="already rolling back to this snapshot")


def _with_disk(step: Step, disk: Disk | None, home: str) -> Step:
    """``step``, failed if the state of the disk or of its VM forbids the rollback."""
    if disk is None:
        return step
    if disk.meaning is DiskState.LOST:
        return failed(step, f"the disk is {disk.status}")
    if home and disk.vm_id and disk.vm_id != home:
        return failed(
            step, f"the disk is attached to VM {disk.vm_id}, but attach_to is {home}: fix attach_to, or attach the disk to that VM"
        )
    return failed(step, f"{disk.in_use}: stop the VM, or detach the disk, and run the task again") if disk.in_use else step


def _with_copies(step: Step, marker_name: str | None, backup_name: str | None) -> Step:
    """Diff mode also shows the snapshots that a rollback creates."""
    for kind, name in (("backup", backup_name), ("marker", marker_name)):
        if name:
            step = replace(step, after=f"{step.after}\n{step.disk_id}: {kind} snapshot named {name!r}")
    return step


def marker_remark(snapshot_id: str) -> str:
    """The remark of a marker: the proof that the disk was rolled back to this snapshot."""
    return f"ucloudstack.cloud marker target={snapshot_id}"[:REMARK_LENGTH]


def _proofs(marks: Sequence[Snapshot], target: Snapshot) -> list[Snapshot]:
    """The markers of rollbacks to the target, whatever their status."""
    return [each for each in marks if each.remark == marker_remark(target.snapshot_id) and by_age(each)[0] >= by_age(target)[0]]


def backup_remark(target: Snapshot, marker_name: str) -> str:
    """The remark of a backup: it identifies the rollback by target and marker."""
    return f"ucloudstack.cloud backup marker={marker_name} target={target.snapshot_id}"[:REMARK_LENGTH]


def rolled_back(seen: Seen, progress: Progress, now: float, *, target: Snapshot, marker_name: str | None, wait: bool, wall: float) -> Step:
    """The next step until the disk of ``target`` is rolled back to it, and marked.

    Outcomes: rolled_back, joined, already_done, pending, failed.
    """
    sent = [each for each in progress.sent if each.do == "rollback"]
    started = [each for each in sent if each.result in ("accepted", "unknown")]
    repeat = "run the same task again: it joins the rollback if that is still running, and otherwise rolls back again"
    repeat += f" and creates the marker {marker_name!r}; keep the VM off until then" if marker_name else ", so check the disk first"
    step = Step("rollback", "rolled_back", target.disk_id, target.snapshot_id, changed=True, repeat=repeat)
    if rejected_permanently(sent):
        doubt = " An earlier request got no response, so the disk may be rolled back nevertheless: keep its VM off." if started else ""
        return ended(step, "failed", f"{sent[-1].msg}{doubt}", failed=True, changed=bool(started), ret_code=sent[-1].ret_code)
    if not any(each.do == "create" for each in progress.sent):  # a marker is created only after the rollback is done
        unfinished = _unfinished_rollback(step, seen.snapshots.get(target.snapshot_id), started, progress, now, wait)
        if unfinished is not None and unfinished.do == "rollback" and marker_name:
            return _unless_marked(unfinished, seen, target, marker_name, bool(started))
        if unfinished is not None:
            return unfinished
    if not started:
        done = "rolled back by a rollback that was already running"
    elif any(each.result == "unknown" for each in started):
        done = "rolled back; a response was lost"
    else:
        done = "rolled back"
    outcome: Outcome = "rolled_back" if started else "joined"
    if not marker_name:
        return ended(step, outcome, done)
    mark = present(
        seen, progress, now, disk_id=target.disk_id, name=marker_name, remark=marker_remark(target.snapshot_id), wait=True, wall=wall
    )
    if mark.do != "done":
        return replace(mark, outcome=outcome, changed=True, msg=f"{done}; marker {mark.msg}", if_timed_out=done)
    if mark.failed:
        msg = f"{unmarked(done, marker_name, progress)}. {mark.msg}"
        return replace(ended(step, outcome, msg, failed=True), ret_code=mark.ret_code)
    return replace(ended(step, outcome, f"{done}, marker {mark.snapshot_id}"), warnings=mark.warnings)


def _unless_marked(step: Step, seen: Seen, target: Snapshot, marker_name: str, started: bool) -> Step:
    """``step``, unless another task has rolled the disk back meanwhile, according to a complete listing in the same round."""
    if target.disk_id not in seen.disks:
        return replace(step, do="list")
    proofs = _proofs(seen.named(target.disk_id, marker_name), target)
    if not proofs:
        return step
    return ended(step, "already_done", f"rolled back meanwhile by another task; marker {proofs[-1]}", changed=started, warnings=())


def _unfinished_rollback(
    step: Step, current: Snapshot | None, started: Sequence[Sent], progress: Progress, now: float, wait: bool
) -> Step | None:
    """The next step until the disk is rolled back; None if it is. ``current``: the snapshot in the latest listing."""
    lost = [each for each in started if each.result == "unknown"]
    since = started[-1].at if started else float("-inf")
    if current is None or current.meaning in NEVER_USABLE:
        last_listed = max((at for at, _status in progress.listed(step.snapshot_id)), default=now)
        if current is None and now - last_listed < UNLISTED_SECONDS:
            return replace(step, do="wait", msg="the snapshot is not listed at the moment")
        state = current.status if current else "no longer listed"
        msg = f"the rollback did not finish, and the snapshot is {state}: it is unknown whether the disk was rolled back; keep its VM off"
        return ended(step, "failed", msg, failed=True, changed=bool(started))
    if current.meaning is SnapshotState.ROLLING_BACK:
        step = step if started else replace(step, outcome="joined")
        return replace(step, do="wait", msg="rolling back") if wait else ended(step, step.outcome, "rolling back; not waiting")
    if current.meaning is not SnapshotState.USABLE:
        return replace(step, do="wait", msg=f"{current.status}; waiting")
    if any(snapshot_state(status) is SnapshotState.ROLLING_BACK for _at, status in progress.listed(step.snapshot_id, since)):
        return None
    if not started:
        return step
    if not wait and not lost:
        return ended(step, "rolled_back", "the API accepted the rollback; not waiting")
    if now - since < QUIET_SECONDS:
        return replace(step, do="wait", msg="accepted, not yet seen running")
    if started[-1].result == "accepted":
        return None
    if len(lost) > 1:
        unknown = "it is unknown whether the disk was rolled back: two requests got no response; keep its VM off, and run the task again"
        msg = f"{unknown}. {lost[-1].msg}"
        return ended(step, "failed", msg, failed=True, ret_code=lost[-1].ret_code)
    warning = f"{step.disk_id}: no response to RollbackSnapshot, and no rollback seen for {QUIET_SECONDS:g} s, so it was tried once more."
    return replace(step, warnings=(warning,))
