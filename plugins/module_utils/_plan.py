# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What to do next: pure functions from (what is wanted, what was seen, what was tried) to a Step.

Each is asked again after every look, until it says ``done``. Its first answer is what check mode shows. A create is only
ever decided on a look, in the same moment, at all snapshots of the disk: so a repeat never makes a second one blindly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any

from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import (
    REMARK_LENGTH,
    Disk,
    Progress,
    Seen,
    Sent,
    Snapshot,
    Step,
    by_age,
    iso_utc,
    quoted,
)
from ansible_collections.ucloudstack.cloud.plugins.module_utils._states import (
    IN_PROGRESS,
    NEVER_USABLE,
    DiskState,
    SnapshotState,
    VmState,
    snapshot_state,
    vm_state,
)

LOST_ANSWER_SECONDS = 30.0
"""How long the effect of a write without an answer is looked for before it is sent once more."""
UNLISTED_SECONDS = 30.0
"""How long a snapshot that the API accepted may be missing from its lists before it counts as gone."""
STILL_SECONDS = 15.0
"""A rollback never seen at work is done when the snapshot was Normal in every look for so long: it was too quick to be seen."""
WRONG_STATE_SECONDS = 30.0
"""How long a write is tried that the API refuses for a state, while no state is seen that could pass."""
IN_DOUBT = "its answer was lost, and whether it was carried out is unknown"


def age(snapshot: Snapshot, wall: float) -> str:
    """``2 days 3 hours old``, at ``wall`` Unix seconds; its two largest units."""
    if snapshot.create_time is None:
        return "of unknown age"
    left = max(0, int(wall) - snapshot.create_time)
    parts: list[str] = []
    for unit, seconds in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        count, left = divmod(left, seconds)
        if count or (unit == "second" and not parts):
            parts.append(f"{count} {unit}" + ("" if count == 1 else "s"))
    return " ".join(parts[:2]) + " old"


def refused_for_good(sent: Sequence[Sent], since: float = float("-inf")) -> bool:
    """Whether the last of these writes would be refused again: for what it is, or for a state of which no end is seen.

    ``since``: a refusal before this time (monotonic seconds) was for a state that has passed.
    """
    if sent and sent[-1].fate == "failed":
        return True
    streak = list(takewhile(lambda each: each.fate == "wrong_state" and each.at >= since, reversed(sent)))
    return bool(streak) and streak[0].at - streak[-1].at >= WRONG_STATE_SECONDS


def present(seen: Seen, progress: Progress, now: float, *, disk_id: str, name: str, remark: str, wait: bool, wall: float) -> Step:
    """One usable snapshot of this name on this disk. Outcomes: created, adopted, present, pending, failed."""
    there = f"{disk_id}: snapshot named {name!r}"
    step = Step(
        "create",
        "created",
        disk_id,
        msg="to be created",
        changed=True,
        name=name,
        remark=remark,
        before=f"{disk_id}: no snapshot named {name!r}",
        after=there,
    )
    sent = [each for each in progress.sent if each.do == "create"]
    lost = [each for each in sent if each.fate == "unknown"]
    if refused_for_good(sent):
        doubt = " An earlier request for it had no answer, so it may exist all the same." if lost else ""
        return _done(step, "failed", f"{sent[-1].msg}{doubt}", failed=True, changed=False, ret_code=sent[-1].ret_code)
    accepted = [each for each in sent if each.fate == "accepted"]
    if accepted:
        return _made(replace(step, snapshot_id=accepted[-1].snapshot_id, msg="created"), seen, progress, now, accepted[-1], wait)

    mine = [each for each in seen.named(disk_id, name) if not each.automatic]  # a timer's are not the user's, and go by themselves
    new = [each for each in mine if each.snapshot_id not in progress.known]
    if lost and new:
        # Another task may have made one at the same moment: ours has our remark, where lists show remarks at all.
        ours = max(new, key=lambda each: (each.remark == remark, each.meaning not in NEVER_USABLE, by_age(each)))
        msg = "created; the answer of the API was lost, the snapshot was found by its name"
        step = replace(step, outcome="adopted", snapshot_id=ours.snapshot_id, msg=msg)
        step = _made(step, seen, progress, now, lost[-1], wait)
        return replace(step, warnings=(*step.warnings, *duplicate_warnings(new, "This task made one of them, and its answer was lost.")))
    usable = [each for each in mine if each.meaning is SnapshotState.USABLE]
    unfinished = [each for each in mine if each.meaning not in NEVER_USABLE and each.meaning is not SnapshotState.USABLE]
    step = replace(step, before=there, changed=False) if usable or unfinished else step
    if usable:
        newest = usable[-1]
        warnings = _remark_warnings(newest, remark) + duplicate_warnings(usable)
        return replace(_done(step, "present", f"already there, {age(newest, wall)}"), snapshot_id=newest.snapshot_id, warnings=warnings)
    if unfinished:
        other = unfinished[-1]
        step = replace(step, snapshot_id=other.snapshot_id, warnings=_remark_warnings(other, remark))
        if wait:
            return replace(step, do="wait", outcome="present", msg=f"{other.status}: already being made, waited for")
        return _done(step, "pending", f"{other.status}: already being made, not waited for")
    if disk_id not in seen.disks:
        return replace(step, do="look")
    if lost:
        if now - lost[-1].at < LOST_ANSWER_SECONDS:
            return replace(step, do="wait", msg="the answer of the API was lost, the snapshot is looked for")
        if len(lost) > 1:
            msg = (
                f"it is unknown whether the snapshot was made: twice no answer, and it is not listed; a repeat looks for it. {lost[-1].msg}"
            )
            return _done(step, "failed", msg, failed=True, changed=False, ret_code=lost[-1].ret_code)
        warning = f"{disk_id}: no answer to CreateSnapshot, and nothing listed for {LOST_ANSWER_SECONDS:g} s, so it was sent once more."
        return replace(step, warnings=(warning,))
    return step


def _made(step: Step, seen: Seen, progress: Progress, now: float, sent: Sent, wait: bool) -> Step:
    """The snapshot of ``step`` was made by this task: is it usable yet?"""
    snapshot = seen.snapshots.get(step.snapshot_id or "")
    if snapshot is None:
        last_listed = max((at for at, _status in progress.listed(step.snapshot_id)), default=sent.at)
        if now - last_listed < UNLISTED_SECONDS:
            return replace(step, do="wait", msg="created, but not listed yet")
        if not wait:
            return replace(step, do="done", warnings=(f"{step.snapshot_id} of {step.disk_id} is created, but not listed yet.",))
        if last_listed > sent.at:
            return _done(step, "failed", f"{step.snapshot_id} was created, but is not listed any more", failed=True)
        msg = f"{step.snapshot_id} was created, but is not listed after {UNLISTED_SECONDS:g} s: look for it before the task is repeated, "
        return _done(step, "failed", f"{msg}which would make a second one while it is not listed", failed=True)
    if snapshot.meaning is SnapshotState.USABLE:
        return replace(step, do="done")
    if snapshot.meaning in NEVER_USABLE:
        return _done(step, "failed", f"{step.snapshot_id} was created, but ended as {snapshot.status}, and cannot be used", failed=True)
    if not wait:
        return replace(step, do="done", msg=f"{step.msg}; {snapshot.status}, not waited for")
    return replace(step, do="wait", msg=f"{step.msg}; {snapshot.status}")


def absent(seen: Seen, progress: Progress, now: float, *, snapshot: Snapshot, wait: bool) -> Step:
    """This snapshot does not exist any more. Outcomes: deleted, absent, pending, failed."""
    what = f"{snapshot.disk_id}: snapshot {snapshot.snapshot_id} named {quoted(snapshot.name)}"
    step = Step(
        "delete", "deleted", snapshot.disk_id, snapshot.snapshot_id, "to be deleted", changed=True, before=what, after=f"{what} is gone"
    )
    last = progress.sent[-1] if progress.sent else None
    sent = [each for each in progress.sent if each.fate in ("accepted", "unknown")]
    lost = [each for each in sent if each.fate == "unknown"]
    current = seen.snapshots.get(snapshot.snapshot_id)
    if current is None or current.meaning is SnapshotState.GONE or (last and last.fate == "missing"):
        return _done(step, "deleted", "deleted") if sent else _done(step, "absent", "already gone", changed=False, before=step.after)
    if last and refused_for_good(progress.sent):
        return _done(step, "failed", last.msg, failed=True, changed=False, ret_code=last.ret_code)
    if current.meaning is SnapshotState.DELETING:
        if sent:
            return replace(step, do="wait" if wait else "done", msg="being deleted")
        step = replace(step, changed=False, before=step.after)
        if wait:
            return replace(step, do="wait", outcome="absent", msg="already being deleted, waited for")
        return _done(step, "pending", "already being deleted, not waited for")
    if current.meaning not in (SnapshotState.USABLE, SnapshotState.FAILED):
        if wait:
            return replace(step, do="wait", msg=f"{current.status}: cannot be deleted yet, waited for")
        msg = f"{current.snapshot_id} is {current.status} and cannot be deleted before that is over; with wait=true it is waited for"
        return _done(step, "failed", msg, failed=True, changed=False, after=step.before)
    if last is None:
        return step
    if last.fate in ("refused", "wrong_state") and current.meaning is SnapshotState.FAILED:
        msg = f"{current.snapshot_id} ended as {current.status}, and the API refuses to delete it (RetCode {last.ret_code}): ask the administrator"
        return _done(step, "failed", msg, failed=True, changed=False, ret_code=last.ret_code)
    if last.fate == "accepted":
        return replace(step, do="wait" if wait else "done", msg="the API accepted the deletion")
    if last.fate == "unknown" and now - last.at < LOST_ANSWER_SECONDS:
        return replace(step, do="wait", msg="the answer of the API was lost, the snapshot is watched")
    if len(lost) > 1:
        return _done(step, "failed", f"still there: twice no answer. {last.msg}", failed=True, ret_code=last.ret_code)
    return step


def nothing_there(disk_id: str, snapshot_id: str | None, what: str) -> Step:
    """Nothing has to be deleted; ``what`` says in words what was asked for."""
    line = f"{disk_id or snapshot_id}: {what} does not exist"
    return Step("done", "absent", disk_id, snapshot_id, f"{what} does not exist", before=line, after=line)


def rollback_plan(
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
        return _done(step, "failed", msg, failed=True, changed=False, after=now_data)

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
            step = _done(step, "already_done", f"rolled back before; marker {proofs[-1]}, {age(proofs[-1], wall)}", before=step.after)
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
    started = [each for each in sent if each.fate in ("accepted", "unknown")]
    repeat = "run the same task again: it joins the rollback while it runs, and once it is over rolls back again"
    repeat += f" and makes the marker {marker_name!r}; leave the VM off until then" if marker_name else ", so look before you do"
    step = Step("rollback", "rolled_back", target.disk_id, target.snapshot_id, changed=True, repeat=repeat)
    if refused_for_good(sent):
        doubt = " An earlier request for it had no answer, so the disk may be back all the same: leave its VM off." if started else ""
        return _done(step, "failed", f"{sent[-1].msg}{doubt}", failed=True, changed=bool(started), ret_code=sent[-1].ret_code)
    if not any(each.do == "create" for each in progress.sent):  # once its marker is being made, the disk is back
        unfinished = _unfinished_rollback(step, seen.snapshots.get(target.snapshot_id), started, progress, now, wait)
        if unfinished is not None and unfinished.do == "rollback" and marker_name:
            return _unless_marked(unfinished, seen, target, marker_name, bool(started))
        if unfinished is not None:
            return unfinished
    if not started:
        done = "a rollback to this snapshot that was already running was waited for"
    elif any(each.fate == "unknown" for each in started):
        done = "rolled back; an answer of the API was lost"
    else:
        done = "rolled back"
    outcome = "rolled_back" if started else "joined"
    if not marker_name:
        return _done(step, outcome, done)
    mark = present(
        seen, progress, now, disk_id=target.disk_id, name=marker_name, remark=marker_remark(target.snapshot_id), wait=True, wall=wall
    )
    if mark.do != "done":
        return replace(mark, outcome=outcome, changed=True, msg=f"{done}; marker {mark.msg}", given_up=done)
    if mark.failed:
        msg = f"{_unmarked(done, marker_name, progress)}. {mark.msg}"
        return replace(_done(step, outcome, msg, failed=True), ret_code=mark.ret_code)
    return replace(_done(step, outcome, f"{done}, marker {mark.snapshot_id}"), warnings=mark.warnings)


def _unless_marked(step: Step, seen: Seen, target: Snapshot, marker_name: str, started: bool) -> Step:
    """The write of ``step``, unless another task has rolled the disk back meanwhile: decided on a full look in the same round."""
    if target.disk_id not in seen.disks:
        return replace(step, do="look")
    proofs = _proofs(seen.named(target.disk_id, marker_name), target)
    if not proofs:
        return step
    return _done(step, "already_done", f"rolled back meanwhile by another task; marker {proofs[-1]}", changed=started, warnings=())


def _unmarked(done: str, marker_name: str, progress: Progress) -> str:
    """The disk is back, and what is to be said of its marker when nobody has seen it."""
    if any(each.do == "create" and each.fate in ("accepted", "unknown") for each in progress.sent):
        doubt = f"{done}, but it is unknown whether the marker {marker_name!r} is made: look for it before the task is repeated"
        return f"{doubt} once the VM was started, without it it would roll back again"
    return f"{done}, but the marker {marker_name!r} is not made: do not repeat the task once the VM was started, it would roll back again"


def _unfinished_rollback(
    step: Step, current: Snapshot | None, started: Sequence[Sent], progress: Progress, now: float, wait: bool
) -> Step | None:
    """What is still to be done before the disk is back; None when it is. ``current``: the snapshot, as this look shows it."""
    lost = [each for each in started if each.fate == "unknown"]
    since = started[-1].at if started else float("-inf")
    if current is None or current.meaning in NEVER_USABLE:
        last_listed = max((at for at, _status in progress.listed(step.snapshot_id)), default=now)
        if current is None and now - last_listed < UNLISTED_SECONDS:
            return replace(step, do="wait", msg="the snapshot is not listed at the moment")
        state = current.status if current else "not listed any more"
        msg = f"the rollback is not over, and the snapshot is {state}: whether the disk came back is unknown; leave its VM off"
        return _done(step, "failed", msg, failed=True, changed=bool(started))
    if current.meaning is SnapshotState.ROLLING_BACK:
        step = step if started else replace(step, outcome="joined")
        return replace(step, do="wait", msg="rolling back") if wait else _done(step, step.outcome, "rolling back, not waited for")
    if current.meaning is not SnapshotState.USABLE:
        return replace(step, do="wait", msg=f"{current.status}, waited for")
    if any(snapshot_state(status) is SnapshotState.ROLLING_BACK for _at, status in progress.listed(step.snapshot_id, since)):
        return None
    if not started:
        return step
    if not wait and not lost:
        return _done(step, "rolled_back", "the API accepted the rollback, not waited for")
    if now - since < STILL_SECONDS:
        return replace(step, do="wait", msg="accepted, not yet seen at work")
    if started[-1].fate == "accepted":
        return None
    if len(lost) > 1:
        unknown = "it is unknown whether the disk was rolled back: twice no answer; leave its VM off, and run the task again"
        msg = f"{unknown}. {lost[-1].msg}"
        return _done(step, "failed", msg, failed=True, ret_code=lost[-1].ret_code)
    warning = f"{step.disk_id}: no answer to RollbackSnapshot, none seen at work for {STILL_SECONDS:g} s, so it was tried once more."
    return replace(step, warnings=(warning,))


def timed_out(step: Step, progress: Progress, current: Snapshot | None, why: str) -> Step:
    """What is said of a unit that is not done when waiting ends, and ``why`` it ends. A repeat of the task carries on from there."""
    written = any(each.fate in ("accepted", "unknown") for each in progress.sent)
    last = progress.sent[-1] if progress.sent else None
    state = str(current) if current else f"{step.snapshot_id}, not listed" if step.snapshot_id else "not listed"
    if step.given_up and not any(each.do == "create" and each.fate == "accepted" for each in progress.sent):
        said = f" {last.msg}" if last and last.msg else ""
        msg = f"{_unmarked(step.given_up, step.name, progress)}; {why}.{said}"
        return _done(step, step.outcome, msg, failed=True, changed=True, ret_code=last.ret_code if last else None)
    if last and last.fate in ("refused", "wrong_state") and not written:
        return _done(
            step, "failed", f"{why}; nothing was done: {last.msg} Run the task again.", failed=True, changed=False, ret_code=last.ret_code
        )
    if not written and step.do != "wait":
        return _done(step, "failed", f"{why}; nothing was done. Run the task again.", failed=True, changed=False)
    under_way = current is not None and current.meaning in (*IN_PROGRESS, SnapshotState.DELETING)
    if last and last.fate == "unknown" and not under_way:
        goes_on = IN_DOUBT
    elif written or not step.changed or step.outcome == "joined":
        goes_on = "the work goes on"
    else:
        goes_on = "nothing was done yet"
    msg = f"{why}; last seen {state}; {goes_on}, {step.repeat or 'run the same task again to wait for it'}"
    return _done(step, "pending", msg, failed=True, changed=written)


def merged(steps: Sequence[Step]) -> Step:
    """One entry for a disk of which several snapshots are deleted: the worst outcome counts, and all are named."""
    if len(steps) == 1:
        return steps[0]
    worst = min(steps, key=lambda step: ("failed", "pending", "deleted", "absent").index(step.outcome))
    return replace(
        worst,
        msg="; ".join(f"{step.snapshot_id}: {step.msg}" for step in steps),
        changed=any(step.changed for step in steps),
        failed=any(step.failed for step in steps),
        before="\n".join(step.before for step in steps),
        after="\n".join(step.after for step in steps),
    )


def duplicate_warnings(snapshots: Sequence[Snapshot], which: str = "The newest counts.") -> tuple[str, ...]:
    """A warning that names all, where one disk has several snapshots of one name."""
    if len(snapshots) < 2:
        return ()
    disk_id, name = snapshots[0].disk_id, snapshots[0].name
    all_of_them = ", ".join(str(each) for each in snapshots)
    return (f"{disk_id} has {len(snapshots)} snapshots named {name!r}: {all_of_them}. {which}",)


def _remark_warnings(snapshot: Snapshot, remark: str) -> tuple[str, ...]:
    if not remark or snapshot.remark == remark:
        return ()
    return (f"{snapshot.snapshot_id} of {snapshot.disk_id} has the remark {quoted(snapshot.remark)}, and keeps it.",)


def _done(step: Step, outcome: str, msg: str, **changes: Any) -> Step:
    return replace(step, do="done", outcome=outcome, msg=msg, **changes)
