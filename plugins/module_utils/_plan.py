# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What all decisions share: pure functions from (what is wanted, what was seen, what was tried) to a :class:`Step`.

Each is asked again after every poll, until it says ``done``. Its first answer is what check mode shows. A create is only ever decided on
a list, from the same moment, of all snapshots of the disk: so a repeat never creates a second one blindly.
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
"""How long the effect of a write without an answer is looked for before it is sent once more."""
UNLISTED_SECONDS = 30.0
"""How long a snapshot that the API accepted may be missing from its lists before it counts as gone."""
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
    if sent and sent[-1].result == "failed":
        return True
    streak = list(takewhile(lambda each: each.result == "wrong_state" and each.at >= since, reversed(sent)))
    return bool(streak) and streak[0].at - streak[-1].at >= WRONG_STATE_SECONDS


def timed_out(step: Step, progress: Progress, current: Snapshot | None, why: str) -> Step:
    """What is said of a unit that is not done when waiting ends, and ``why`` it ends. A repeat of the task carries on from there."""
    written = any(each.result in ("accepted", "unknown") for each in progress.sent)
    last = progress.sent[-1] if progress.sent else None
    state = str(current) if current else f"{step.snapshot_id}, not listed" if step.snapshot_id else "not listed"
    if step.given_up and not any(each.do == "create" and each.result == "accepted" for each in progress.sent):
        said = f" {last.msg}" if last and last.msg else ""
        msg = f"{unmarked(step.given_up, step.name, progress)}; {why}.{said}"
        return ended(step, step.outcome, msg, failed=True, changed=True, ret_code=last.ret_code if last else None)
    if last and last.result in ("refused", "wrong_state") and not written:
        return ended(
            step, "failed", f"{why}; nothing was done: {last.msg} Run the task again.", failed=True, changed=False, ret_code=last.ret_code
        )
    if not written and step.do != "wait":
        return ended(step, "failed", f"{why}; nothing was done. Run the task again.", failed=True, changed=False)
    under_way = current is not None and current.meaning in (*IN_PROGRESS, SnapshotState.DELETING)
    if last and last.result == "unknown" and not under_way:
        goes_on = IN_DOUBT
    elif written or not step.changed or step.outcome == "joined":
        goes_on = "the work goes on"
    else:
        goes_on = "nothing was done yet"
    msg = f"{why}; last seen {state}; {goes_on}, {step.repeat or 'run the same task again to wait for it'}"
    return ended(step, "pending", msg, failed=True, changed=written)


def unmarked(done: str, marker_name: str, progress: Progress) -> str:
    """The disk is back, and what is to be said of its marker when nobody has seen it."""
    if any(each.do == "create" and each.result in ("accepted", "unknown") for each in progress.sent):
        doubt = f"{done}, but it is unknown whether the marker {marker_name!r} is made: look for it before the task is repeated"
        return f"{doubt} once the VM was started, without it it would roll back again"
    return f"{done}, but the marker {marker_name!r} is not made: do not repeat the task once the VM was started, it would roll back again"


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


def ended(step: Step, outcome: Outcome, msg: str, **changes: Any) -> Step:
    return replace(step, do="done", outcome=outcome, msg=msg, **changes)
