# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What to do next so that a disk has a usable snapshot of a name: a pure function, in the manner of :mod:`_plan`."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.ucloudstack.cloud.plugins.module_utils._plan import (
    LOST_ANSWER_SECONDS,
    UNLISTED_SECONDS,
    age,
    duplicate_warnings,
    ended,
    refused_for_good,
)
from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import Snapshot, by_age, quoted
from ansible_collections.ucloudstack.cloud.plugins.module_utils._states import NEVER_USABLE, SnapshotState
from ansible_collections.ucloudstack.cloud.plugins.module_utils._steps import Progress, Seen, Sent, Step


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
    lost = [each for each in sent if each.result == "unknown"]
    if refused_for_good(sent):
        doubt = " An earlier request for it had no answer, so it may exist all the same." if lost else ""
        return ended(step, "failed", f"{sent[-1].msg}{doubt}", failed=True, changed=False, ret_code=sent[-1].ret_code)
    accepted = [each for each in sent if each.result == "accepted"]
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
        return replace(ended(step, "present", f"already there, {age(newest, wall)}"), snapshot_id=newest.snapshot_id, warnings=warnings)
    if unfinished:
        other = unfinished[-1]
        step = replace(step, snapshot_id=other.snapshot_id, warnings=_remark_warnings(other, remark))
        if wait:
            return replace(step, do="wait", outcome="present", msg=f"{other.status}: already being made, waited for")
        return ended(step, "pending", f"{other.status}: already being made, not waited for")
    if disk_id not in seen.disks:
        return replace(step, do="look")
    if lost:
        if now - lost[-1].at < LOST_ANSWER_SECONDS:
            return replace(step, do="wait", msg="the answer of the API was lost, the snapshot is looked for")
        if len(lost) > 1:
            msg = (
                f"it is unknown whether the snapshot was made: twice no answer, and it is not listed; a repeat looks for it. {lost[-1].msg}"
            )
            return ended(step, "failed", msg, failed=True, changed=False, ret_code=lost[-1].ret_code)
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
            return ended(step, "failed", f"{step.snapshot_id} was created, but is not listed any more", failed=True)
        msg = f"{step.snapshot_id} was created, but is not listed after {UNLISTED_SECONDS:g} s: look for it before the task is repeated, "
        return ended(step, "failed", f"{msg}which would make a second one while it is not listed", failed=True)
    if snapshot.meaning is SnapshotState.USABLE:
        return replace(step, do="done")
    if snapshot.meaning in NEVER_USABLE:
        return ended(step, "failed", f"{step.snapshot_id} was created, but ended as {snapshot.status}, and cannot be used", failed=True)
    if not wait:
        return replace(step, do="done", msg=f"{step.msg}; {snapshot.status}, not waited for")
    return replace(step, do="wait", msg=f"{step.msg}; {snapshot.status}")


def _remark_warnings(snapshot: Snapshot, remark: str) -> tuple[str, ...]:
    if not remark or snapshot.remark == remark:
        return ()
    return (f"{snapshot.snapshot_id} of {snapshot.disk_id} has the remark {quoted(snapshot.remark)}, and keeps it.",)
