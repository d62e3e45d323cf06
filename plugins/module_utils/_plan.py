# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Shared by all decisions: pure functions from (desired state, observed state, attempts so far) to a :class:`Step`.

Each is called again after every poll, until it returns ``done``. Check mode shows its first result. A create is decided only on a
complete listing of the disk, read in the same round, so that a retry never creates a second snapshot blindly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any

from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import Snapshot
from ansible_collections.ucloudstack.cloud.plugins.module_utils._states import IN_PROGRESS, SnapshotState
from ansible_collections.ucloudstack.cloud.plugins.module_utils._steps import Outcome, Progress, Sent, Step

LOST_ANSWER_SECONDS = 30.0
"""How long to look for the effect of a write without a response before it is sent once more."""
UNLISTED_SECONDS = 30.0
"""How long a snapshot that the API accepted may be missing from lists before it counts as deleted."""
WRONG_STATE_SECONDS = 30.0
"""How long to retry a write that the API rejects because of a state, while no transitional state is seen."""
IN_DOUBT = "the response was lost, so it is unknown whether the request was carried out"


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


def rejected_permanently(sent: Sequence[Sent], since: float = float("-inf")) -> bool:
    """Whether the rejection of the last write is permanent: by its kind, or because of a state that does not change.

    ``since``: rejections before this time (monotonic seconds) were because of a state that has ended.
    """
    if sent and sent[-1].result == "failed":
        return True
    streak = list(takewhile(lambda each: each.result == "wrong_state" and each.at >= since, reversed(sent)))
    return bool(streak) and streak[0].at - streak[-1].at >= WRONG_STATE_SECONDS


def timed_out(step: Step, progress: Progress, current: Snapshot | None, why: str) -> Step:
    """The final step of a unit that is not done when waiting ends; ``why``: the reason. Running the task again resumes from there."""
    written = any(each.result in ("accepted", "unknown") for each in progress.sent)
    last = progress.sent[-1] if progress.sent else None
    state = str(current) if current else f"{step.snapshot_id}, not listed" if step.snapshot_id else "not listed"
    if step.if_timed_out and not any(each.do == "create" and each.result == "accepted" for each in progress.sent):
        details = f" {last.msg}" if last and last.msg else ""
        msg = f"{unmarked(step.if_timed_out, step.name, progress)}; {why}.{details}"
        return ended(step, step.outcome, msg, failed=True, changed=True, ret_code=last.ret_code if last else None)
    if last and last.result in ("refused", "wrong_state") and not written:
        return ended(
            step, "failed", f"{why}; nothing was done: {last.msg} Run the task again.", failed=True, changed=False, ret_code=last.ret_code
        )
    if not written and step.do != "wait":
        return ended(step, "failed", f"{why}; nothing was done. Run the task again.", failed=True, changed=False)
    in_progress = current is not None and current.meaning in (*IN_PROGRESS, SnapshotState.DELETING)
    if last and last.result == "unknown" and not in_progress:
        status = IN_DOUBT
    elif written or not step.changed or step.outcome == "joined":
        status = "the operation continues"
    else:
        status = "nothing was done yet"
    msg = f"{why}; last seen {state}; {status}, {step.repeat or 'run the same task again to wait for it'}"
    return ended(step, "pending", msg, failed=True, changed=written)


def unmarked(done: str, marker_name: str, progress: Progress) -> str:
    """The message for a disk that is rolled back, but whose marker is not known to exist; ``done`` is its first part."""
    if any(each.do == "create" and each.result in ("accepted", "unknown") for each in progress.sent):
        doubt = f"{done}, but it is unknown whether the marker {marker_name!r} was created: check before you run the task again"
        return f"{doubt} after starting the VM, because without the marker it would roll back again"
    advice = "do not run the task again after starting the VM, because it would roll back again"
    return f"{done}, but the marker {marker_name!r} was not created: {advice}"


def merged(steps: Sequence[Step]) -> Step:
    """One entry for a disk with several snapshots to delete: it has the worst outcome, and its message names all of them."""
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


def duplicate_warnings(snapshots: Sequence[Snapshot], which: str = "The newest is used.") -> tuple[str, ...]:
    """A warning that names all snapshots, if a disk has several of the same name. ``which``: what to say about them."""
    if len(snapshots) < 2:
        return ()
    disk_id, name = snapshots[0].disk_id, snapshots[0].name
    all_of_them = ", ".join(str(each) for each in snapshots)
    return (f"{disk_id} has {len(snapshots)} snapshots named {name!r}: {all_of_them}. {which}",)


def ended(step: Step, outcome: Outcome, msg: str, **changes: Any) -> Step:
    return replace(step, do="done", outcome=outcome, msg=msg, **changes)
