# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The next step to give a disk a usable snapshot of a name: a pure function, like all of :mod:`_plan`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ansible_collections.ucloudstack.cloud.plugins.module_utils._plan import (
    LOST_ANSWER_SECONDS,
    UNLISTED_SECONDS,
    age,
    duplicate_warnings,
    ended,
    rejected_permanently,
)
from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import Snapshot, by_age, quoted
from ansible_collections.ucloudstack.cloud.plugins.module_utils._states import NEVER_USABLE, SnapshotState
from ansible_collections.ucloudstack.cloud.plugins.module_utils._steps import Progress, Seen, Sent, Step


def present(seen: Seen, progress: Progress, now: float, *, disk_id: str, name: str, remark: str, wait: bool, wall: float) -> Step:
    """The next step until the disk has a usable snapshot of this name. Outcomes: created, adopted, present, pending, failed."""
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
    if rejected_permanently(sent):
        doubt = " An earlier request got no response, so the snapshot may exist nevertheless." if lost else ""
        return ended(step, "failed", f"{sent[-1].msg}{doubt}", failed=True, changed=False, ret_code=sent[-1].ret_code)
    accepted = [each for each in sent if each.result == "accepted"]
    if accepted:
        return _created(replace(step, snapshot_id=accepted[-1].snapshot_id, msg="created"), seen, progress, now, accepted[-1], wait)

    mine = [each for each in seen.named(disk_id, name) if not each.automatic]  # the platform deletes those of its timers
    new = [each for each in mine if each.snapshot_id not in progress.known]
    if lost and new:
        return _adopted(step, new, seen, progress, now, lost[-1], wait)
    if any(each.meaning not in NEVER_USABLE for each in mine):
        return _existing(replace(step, before=step.after, changed=False), mine, wait, wall)
    if disk_id not in seen.disks:
        return replace(step, do="list")
    return _unseen(step, lost, now) if lost else step


def _adopted(step: Step, new: Sequence[Snapshot], seen: Seen, progress: Progress, now: float, sent: Sent, wait: bool) -> Step:
    """The next step if the response to ``sent`` was lost, and these snapshots of the name have appeared since."""
    # Another task may have created one at the same moment: ours has our remark, if lists show remarks at all.
    ours = max(new, key=lambda each: (each.remark == step.remark, each.meaning not in NEVER_USABLE, by_age(each)))
    msg = "created; the response was lost, and the snapshot was found by its name"
    step = _created(replace(step, outcome="adopted", snapshot_id=ours.snapshot_id, msg=msg), seen, progress, now, sent, wait)
    duplicates = duplicate_warnings(new, "This task created one of them; its response was lost.")
    return replace(step, warnings=(*step.warnings, *duplicates))


def _existing(step: Step, mine: Sequence[Snapshot], wait: bool, wall: float) -> Step:
    """The next step if some of these snapshots, which this task did not create, are or may become usable."""
    usable = [each for each in mine if each.meaning is SnapshotState.USABLE]
    if usable:
        newest = usable[-1]
        warnings = _remark_warnings(newest, step.remark) + duplicate_warnings(usable)
        return replace(ended(step, "present", f"already exists, {age(newest, wall)}"), snapshot_id=newest.snapshot_id, warnings=warnings)
    unfinished = [each for each in mine if each.meaning not in NEVER_USABLE][-1]
    step = replace(step, snapshot_id=unfinished.snapshot_id, warnings=_remark_warnings(unfinished, step.remark))
    if wait:
        return replace(step, do="wait", outcome="present", msg=f"{unfinished.status}: already being created; waiting")
    return ended(step, "pending", f"{unfinished.status}: already being created; not waiting")


def _unseen(step: Step, lost: Sequence[Sent], now: float) -> Step:
    """The next step if the responses to ``lost`` were lost, and no effect of them is listed."""
    if now - lost[-1].at < LOST_ANSWER_SECONDS:
        return replace(step, do="wait", msg="the response was lost; checking whether the snapshot exists")
    if len(lost) > 1:
        msg = "it is unknown whether the snapshot was created: two requests got no response, and it is not listed"
        msg = f"{msg}; run the task again to look for it. {lost[-1].msg}"
        return ended(step, "failed", msg, failed=True, changed=False, ret_code=lost[-1].ret_code)
    warning = f"{step.disk_id}: no response to CreateSnapshot, and nothing listed for {LOST_ANSWER_SECONDS:g} s, so it was sent once more."
    return replace(step, warnings=(warning,))


def _created(step: Step, seen: Seen, progress: Progress, now: float, sent: Sent, wait: bool) -> Step:
    """The next step until the snapshot of ``step``, which this task created, is usable."""
    snapshot = seen.snapshots.get(step.snapshot_id or "")
    if snapshot is None:
        last_listed = max((at for at, _status in progress.listed(step.snapshot_id)), default=sent.at)
        if now - last_listed < UNLISTED_SECONDS:
            return replace(step, do="wait", msg="created, but not listed yet")
        if not wait:
            return replace(step, do="done", warnings=(f"{step.snapshot_id} of {step.disk_id} was created, but is not listed yet.",))
        if last_listed > sent.at:
            return ended(step, "failed", f"{step.snapshot_id} was created, but is no longer listed", failed=True)
        msg = f"{step.snapshot_id} was created, but is not listed after {UNLISTED_SECONDS:g} s: wait until it is listed before you "
        return ended(step, "failed", f"{msg}run the task again, or a second snapshot is created", failed=True)
    if snapshot.meaning is SnapshotState.USABLE:
        return replace(step, do="done")
    if snapshot.meaning in NEVER_USABLE:
        return ended(step, "failed", f"{step.snapshot_id} was created, but is {snapshot.status}: it cannot be used", failed=True)
    if not wait:
        return replace(step, do="done", msg=f"{step.msg}; {snapshot.status}, not waiting")
    return replace(step, do="wait", msg=f"{step.msg}; {snapshot.status}")


def _remark_warnings(snapshot: Snapshot, remark: str) -> tuple[str, ...]:
    if not remark or snapshot.remark == remark:
        return ()
    return (f"{snapshot.snapshot_id} of {snapshot.disk_id} already has the remark {quoted(snapshot.remark)}, which is kept.",)
