# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Attaches disks again that a rollback left detached (user guide 6.12.4: on success, "the disk becomes Unbound")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ansible_collections.ucloudstack.cloud.plugins.module_utils import _vms
from ansible_collections.ucloudstack.cloud.plugins.module_utils._apply import Task, result_of, sent_once, until_done
from ansible_collections.ucloudstack.cloud.plugins.module_utils._errors import NoPermissionError, UCloudStackError
from ansible_collections.ucloudstack.cloud.plugins.module_utils._plan import LOST_ANSWER_SECONDS, rejected_permanently
from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import Disk
from ansible_collections.ucloudstack.cloud.plugins.module_utils._states import UNLISTED, DiskState
from ansible_collections.ucloudstack.cloud.plugins.module_utils._steps import Progress, Sent, Step


def attached(disk: Disk, progress: Progress, now: float, *, vm_id: str) -> Step:
    """The next step until the disk is attached to this VM: ``attach``, ``wait`` or ``done``. Outcomes: attached, detached."""
    step = Step("attach", "attached", disk.disk_id, vm_id=vm_id)
    last = progress.sent[-1] if progress.sent else None
    if disk.vm_id == vm_id and (disk.meaning is DiskState.STABLE or not progress.sent):
        return replace(step, do="done", changed=any(each.result in ("accepted", "unknown") for each in progress.sent))
    if disk.vm_id and disk.vm_id != vm_id:
        return _detached(step, f"it is attached to VM {disk.vm_id}")
    if disk.meaning is DiskState.LOST:
        return _detached(step, f"the disk is {disk.status}")
    if last and rejected_permanently(progress.sent):
        return replace(_detached(step, last.msg), ret_code=last.ret_code)
    if disk.meaning is not DiskState.STABLE or (last and last.result == "accepted"):
        return replace(step, do="wait", msg=f"the disk is {disk.status}")
    if last and last.result == "unknown":
        if now - last.at < LOST_ANSWER_SECONDS:
            return replace(step, do="wait", msg="the response was lost")
        if sum(each.result == "unknown" for each in progress.sent) > 1:
            return replace(_detached(step, f"two requests got no response. {last.msg}"), ret_code=last.ret_code)
    return step


def _detached(step: Step, why: str) -> Step:
    return replace(step, do="done", outcome="detached", msg=why.rstrip("."))


@dataclass
class _Unit:
    """A disk that is being attached to its VM again."""

    disk: Disk
    vm_id: str
    step: Step
    progress: Progress = Progress()

    def sent(self, sent: Sent) -> None:
        self.progress = replace(self.progress, sent=(*self.progress.sent, sent))
        self.step = replace(self.step, do="wait", msg=sent.msg.rstrip("."))


def reattach(task: Task, homes: Mapping[str, str]) -> dict[str, Step]:
    """Attach each detached disk of ``homes`` (disk id → VM id), and wait for it.

    Returns the last step of each disk. Raises only NoPermissionError, before anything is written, if the key has no permission to list
    disks: the results of the rollback must not be lost.
    """
    client, deadline = task.client, task.deadline
    units = [_Unit(Disk(disk_id, ""), vm_id, Step("wait", "attached", disk_id, vm_id=vm_id)) for disk_id, vm_id in homes.items()]

    def list_again(units: Sequence[_Unit]) -> None:
        listed = {disk.disk_id: disk for disk in _vms.disks(client, [unit.disk.disk_id for unit in units], deadline)}
        for unit in units:
            unit.disk = listed.get(unit.disk.disk_id, Disk(unit.disk.disk_id, UNLISTED))
            unit.step = attached(unit.disk, unit.progress, client.clock.now(), vm_id=unit.vm_id)

    def send(unit: _Unit) -> Sent:
        return sent_once(client, deadline, "attach", partial(_vms.attach, client, unit.disk.disk_id, unit.vm_id, deadline), result_of)

    def time_out(units: Sequence[_Unit], why: str) -> None:
        for unit in units:
            last = unit.progress.sent[-1] if unit.progress.sent else None
            details = unit.step.msg or (last.msg if last else "")
            unit.step = replace(_detached(unit.step, f"{why}; {details}" if details else why), ret_code=last.ret_code if last else None)

    try:
        list_again(units)
    except NoPermissionError:
        raise
    except UCloudStackError as error:  # the loop below lists again
        for unit in units:
            unit.step = replace(unit.step, msg=str(error).rstrip("."))
    report = partial(task.progress_file.write, "attached again")
    until_done(units, deadline, client.config.parallelism, send, list_again, time_out, report)
    return {unit.disk.disk_id: replace(unit.step, request_id=unit.progress.request_id) for unit in units}
