# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The next step to delete a snapshot: a pure function, like all of :mod:`_plan`."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.ucloudstack.cloud.plugins.module_utils._plan import LOST_ANSWER_SECONDS, ended, rejected_permanently
from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import Snapshot, quoted
from ansible_collections.ucloudstack.cloud.plugins.module_utils._states import SnapshotState
from ansible_collections.ucloudstack.cloud.plugins.module_utils._steps import Progress, Seen, Step


def absent(seen: Seen, progress: Progress, now: float, *, snapshot: Snapshot, wait: bool) -> Step:
    """The next step until this snapshot no longer exists. Outcomes: deleted, absent, pending, failed."""
    what = f"{snapshot.disk_id}: snapshot {snapshot.snapshot_id} named {quoted(snapshot.name)}"
    step = Step(
        "delete", "deleted", snapshot.disk_id, snapshot.snapshot_id, "to be deleted", changed=True, before=what, after=f"{what} is deleted"
    )
    last = progress.sent[-1] if progress.sent else None
    sent = [each for each in progress.sent if each.result in ("accepted", "unknown")]
    lost = [each for each in sent if each.result == "unknown"]
    current = seen.snapshots.get(snapshot.snapshot_id)
    if current is None or current.meaning is SnapshotState.GONE or (last and last.result == "missing"):
        return ended(step, "deleted", "deleted") if sent else ended(step, "absent", "already deleted", changed=False, before=step.after)
    if last and rejected_permanently(progress.sent):
        return ended(step, "failed", last.msg, failed=True, changed=False, ret_code=last.ret_code)
    if current.meaning is SnapshotState.DELETING:
        if sent:
            return replace(step, do="wait" if wait else "done", msg="being deleted")
        step = replace(step, changed=False, before=step.after)
        if wait:
            return replace(step, do="wait", outcome="absent", msg="already being deleted; waiting")
        return ended(step, "pending", "already being deleted; not waiting")
    if current.meaning not in (SnapshotState.USABLE, SnapshotState.FAILED):
        if wait:
            return replace(step, do="wait", msg=f"{current.status}: cannot be deleted yet; waiting")
        msg = f"{current.snapshot_id} cannot be deleted while it is {current.status}: use wait=true to wait for it"
        return ended(step, "failed", msg, failed=True, changed=False, after=step.before)
    if last is None:
        return step
    if last.result in ("refused", "wrong_state") and current.meaning is SnapshotState.FAILED:
        msg = (
            f"{current.snapshot_id} is {current.status}, and the API refuses to delete it (RetCode {last.ret_code}): ask the administrator"
        )
        return ended(step, "failed", msg, failed=True, changed=False, ret_code=last.ret_code)
    if last.result == "accepted":
        return replace(step, do="wait" if wait else "done", msg="the API accepted the deletion")
    if last.result == "unknown" and now - last.at < LOST_ANSWER_SECONDS:
        return replace(step, do="wait", msg="the response was lost; checking whether the snapshot still exists")
    if len(lost) > 1:
        return ended(step, "failed", f"still exists: two requests got no response. {last.msg}", failed=True, ret_code=last.ret_code)
    return step


def nothing_there(disk_id: str, snapshot_id: str | None, what: str) -> Step:
    """The step of a snapshot that does not exist; ``what`` describes it for a person."""
    line = f"{disk_id or snapshot_id}: {what} does not exist"
    return Step("done", "absent", disk_id, snapshot_id, f"{what} does not exist", before=line, after=line)
