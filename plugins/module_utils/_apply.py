# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Executes plans: one loop that lists, decides, writes and waits for all units of a task together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol, TypeVar

from ansible_collections.ucloudstack.cloud.plugins.module_utils import _plan, _snapshots, _vms
from ansible_collections.ucloudstack.cloud.plugins.module_utils._answers import Answer
from ansible_collections.ucloudstack.cloud.plugins.module_utils._client import Client
from ansible_collections.ucloudstack.cloud.plugins.module_utils._clock import Deadline
from ansible_collections.ucloudstack.cloud.plugins.module_utils._errors import (
    FatalError,
    GatewayError,
    NotFoundError,
    NotSentError,
    RefusedError,
    UCloudStackError,
    UnknownOutcomeError,
    WrongStateError,
)
from ansible_collections.ucloudstack.cloud.plugins.module_utils._polling import Polling
from ansible_collections.ucloudstack.cloud.plugins.module_utils._progress import ProgressFile
from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import Disk, Snapshot
from ansible_collections.ucloudstack.cloud.plugins.module_utils._states import IN_PROGRESS, NEVER_USABLE, DiskState, VmState, vm_state
from ansible_collections.ucloudstack.cloud.plugins.module_utils._steps import Do, Progress, Result, Seen, Sent, Step

Decide = Callable[[Seen, Progress, float], Step]

UNSTABLE_DISK = 5000
"""RetCode of 2.x for a disk that is busy, which is temporary even if its state does not show it, and for a lost one, which is not."""


class UnitOfWork(Protocol):
    """What :func:`until_done` needs of a unit: its next step and its progress, and that it records what was sent."""

    step: Step
    progress: Progress

    def sent(self, sent: Sent) -> None:
        """Record what was sent."""


AnyUnit = TypeVar("AnyUnit", bound=UnitOfWork)


@dataclass
class Unit:
    """One piece of work: a function that decides, and the progress it decides on.

    ``snapshot_id`` is watched from the start; a unit without one watches its disk until its step names a snapshot.
    """

    decide: Decide
    disk_id: str
    snapshot_id: str | None = None
    progress: Progress = Progress()
    step: Step = Step("list", "pending", "")
    first: Step | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def watched(self) -> list[str]:
        """The ids of the snapshots that the next poll must list."""
        return [each for each in dict.fromkeys((self.snapshot_id, self.step.snapshot_id)) if each]

    @property
    def final(self) -> Step:
        """The last decision; the snapshot is the requested one, if one was requested."""
        snapshot_id = self.snapshot_id or self.step.snapshot_id
        return replace(self.step, snapshot_id=snapshot_id, request_id=self.step.request_id or self.progress.request_id)

    @property
    def involved(self) -> list[str]:
        """The ids of all snapshots of this unit, including those that it created."""
        return [*self.watched, *self.created]

    @property
    def created(self) -> list[str]:
        """The ids of the snapshots that it created, as far as there was a response."""
        return [sent.snapshot_id for sent in self.progress.sent if sent.snapshot_id]

    @property
    def was_polled_once(self) -> bool:
        """Whether one poll has looked for the snapshot that it created: the wait for it begins."""
        created = self.created
        return sum(snapshot_id in created for _at, snapshot_id, _status in self.progress.polls) == 1

    def sent(self, sent: Sent) -> None:
        """Record a write. Until the next poll there is nothing to do but wait."""
        self.progress = replace(self.progress, sent=(*self.progress.sent, sent))
        self.step = replace(self.step, do="wait", snapshot_id=sent.snapshot_id or self.step.snapshot_id)

    def consider(self, seen: Seen, now: float) -> None:
        self.step = self.decide(seen, self.progress, now)
        self.first = self.first or self.step
        self.warnings += [each for each in self.step.warnings if each not in self.warnings]


def until_done(
    units: Sequence[AnyUnit],
    deadline: Deadline,
    parallelism: int,
    send: Callable[[AnyUnit], Sent],
    poll: Callable[[Sequence[AnyUnit]], None],
    stop_waiting: Callable[[Sequence[AnyUnit], str], None],
    report: Callable[[Iterable[tuple[Step, Progress]]], None],
) -> None:
    """The one loop in which everything is executed and waited for: write in parallel, pause, poll everything that is not done.

    ``poll`` gives every unit its next step; ``stop_waiting`` ends units for the given reason; ``report``: as
    :meth:`ProgressFile.write`, once a round.
    """
    polling, trouble = Polling(deadline), ""
    while todo := [unit for unit in units if unit.step.do != "done"]:
        if not deadline.left:
            stop_waiting(todo, f"timed out after {deadline.seconds:g} s{trouble}")
            for unit in todo:
                unit.step = replace(unit.step, reason="timeout")
            break
        report((unit.step, unit.progress) for unit in units)
        writing = [unit for unit in todo if unit.step.do not in ("list", "wait")]
        with ThreadPoolExecutor(max_workers=parallelism) as threads:
            results = list(threads.map(send, writing))
        for unit, sent in zip(writing, results):
            unit.sent(sent)
            polling.written(unit, sent)
        polling.pause()
        try:
            poll(todo)
            trouble = ""
        except FatalError as error:
            stop_waiting(todo, str(error).rstrip("."))
        except UCloudStackError as error:  # it may be temporary, and says nothing about the work
            trouble = f", and the last poll failed: {str(error).rstrip('.')}"
        for unit in todo:
            if unit.step.do not in ("list", "wait"):
                polling.ended(unit)


def sent_once(
    client: Client,
    deadline: Deadline,
    do: Do,
    write: Callable[[], Answer],
    result: Callable[[UCloudStackError], Result],
) -> Sent:
    """Send one write, once, and return what is known of it afterwards."""
    try:
        if not deadline.left:
            raise RefusedError("timed out before the request was sent.")
        answer = write()
    except UCloudStackError as error:
        return Sent(do, result(error), client.clock.now(), None, str(error), error.ret_code, error.request_id)
    return Sent(do, "accepted", client.clock.now(), answer.created, request_id=answer.request_id)


def result_of(error: UCloudStackError) -> Result:
    """What an exception of the client means for a write: ``unknown``, ``refused`` (temporarily), ``wrong_state`` or ``failed``."""
    if isinstance(error, (UnknownOutcomeError, GatewayError)):
        return "unknown"
    if isinstance(error, WrongStateError):
        return "wrong_state"
    return "refused" if isinstance(error, (NotSentError, RefusedError)) else "failed"


class Task:
    """What the units of one task share: the client, one deadline, and every snapshot as it was last listed."""

    def __init__(self, client: Client, seconds: float, progress_file: ProgressFile) -> None:
        self.client = client
        self.progress_file = progress_file
        self.deadline = Deadline(client.clock, seconds)
        self.latest: dict[str, Snapshot] = {}
        self.timed_out = False
        self._listed: dict[str, frozenset[str]] = {}
        """The ids of all snapshots of a disk, when it was last listed completely."""

    def read(self, snapshot_ids: Iterable[str] = (), disk_ids: Iterable[str] = ()) -> Seen:
        """List snapshots by id, and all snapshots of disks, in as few calls as possible. Raises as :meth:`Client.listing`."""
        ids, disks = sorted(set(snapshot_ids)), list(dict.fromkeys(disk_ids))
        found = _snapshots.by_ids(self.client, ids, self.deadline) if ids else []
        found += _snapshots.of_disks(self.client, disks, self.deadline) if disks else []
        seen = Seen({each.snapshot_id: each for each in found}, frozenset(disks))
        self.latest.update(seen.snapshots)
        self._listed.update({disk_id: frozenset(each.snapshot_id for each in seen.of_disk(disk_id)) for disk_id in disks})
        return seen

    def plan(self, units: Sequence[Unit], seen: Seen) -> None:
        """Every unit's first decision: what check mode shows, and where :meth:`carry_out` starts."""
        progress = Progress(known=frozenset(seen.snapshots))
        for unit in units:
            unit.progress = progress
        self._consider(units, seen)

    def plan_late(self, units: Sequence[Unit], seen: Seen) -> None:
        """As :meth:`plan`, if ``seen`` may be outdated: a write is decided on the next listing instead."""
        self.plan(units, seen)
        for unit in units:
            if unit.step.do not in ("wait", "done"):
                unit.step = replace(unit.step, do="list")

    def carry_out(self, units: Sequence[Unit], goal: str) -> None:
        """Write, wait and decide again until every planned unit is done or has timed out. ``goal``: as in :meth:`ProgressFile.write`."""
        report = partial(self.progress_file.write, goal)
        until_done(units, self.deadline, self.client.config.parallelism, self._send, self._poll, self._stop_waiting, report)

    def _poll(self, units: Sequence[Unit]) -> None:
        unlisted = [unit.disk_id for unit in units if unit.step.do == "list" or not unit.watched]
        self._consider(units, self.read((each for unit in units for each in unit.watched), unlisted))
        with suppress(UCloudStackError):  # duplicates() does it again
            self.read(disk_ids=[unit.disk_id for unit in units if not self._is_compared(unit) and unit.was_polled_once])

    def _is_compared(self, unit: Unit) -> bool:
        """Whether the disk was listed completely after it had the snapshot that the unit created, and so with any other of its name."""
        return self._listed.get(unit.disk_id, frozenset()).issuperset(unit.created)

    def duplicates(self, units: Iterable[Unit], name: str, which: str = "The newest is used.") -> list[str]:
        """Warnings about disks that have several snapshots of a name that these units created: two concurrent tasks may do that.

        Of two such tasks, the one whose request came second is sure to see both. ``which``: which of them counts.
        """
        created = [unit for unit in units if any(sent.do == "create" for sent in unit.progress.sent)]
        try:
            self.read(disk_ids=[unit.disk_id for unit in created if not self._is_compared(unit)])
        except UCloudStackError as error:
            return [f"It could not be checked whether snapshots named {name!r} were created twice: {error}"]
        seen, disk_ids = Seen(self.latest, frozenset()), [unit.disk_id for unit in created]
        named = (seen.named(disk_id, name) for disk_id in disk_ids)
        usable = ([each for each in snapshots if each.meaning not in NEVER_USABLE and not each.automatic] for snapshots in named)
        return [warning for snapshots in usable for warning in _plan.duplicate_warnings(snapshots, which)]

    def _consider(self, units: Sequence[Unit], seen: Seen) -> None:
        now = self.client.clock.now()
        for unit in units:
            polls = [(now, each, seen.snapshots[each].status if each in seen.snapshots else None) for each in unit.watched]
            unit.progress = replace(unit.progress, polls=(*unit.progress.polls, *polls))
            unit.consider(seen, now)
        again = [unit for unit in units if unit.step.do == "list"]
        if again:
            full = self.read(disk_ids=(unit.disk_id for unit in again))
            both = Seen({**seen.snapshots, **full.snapshots}, seen.disks | full.disks)
            for unit in again:
                unit.consider(both, now)

    def _send(self, unit: Unit) -> Sent:
        step = unit.step
        writes: dict[str, Callable[[], Answer]] = {
            "create": lambda: _snapshots.create(self.client, step.disk_id, step.name, step.remark, self.deadline),
            "delete": lambda: _snapshots.delete(self.client, step.snapshot_id or "", self.deadline),
            "rollback": lambda: self._roll_back(unit, step.snapshot_id or ""),
        }
        return sent_once(self.client, self.deadline, step.do, writes[step.do], lambda error: self._result(step, error))

    def _result(self, step: Step, error: UCloudStackError) -> Result:
        if isinstance(error, NotFoundError) and step.do == "delete":
            return "missing"
        if isinstance(error, WrongStateError):
            return self._result_by_state(step.disk_id)
        if error.ret_code == UNSTABLE_DISK and self._result_by_state(step.disk_id) == "failed":
            return "failed"
        return result_of(error)

    def _result_by_state(self, disk_id: str) -> Result:
        """What becomes of a write that a state forbids: ``refused`` if a temporary state is listed, or if the key may not list it."""
        try:
            disk = _vms.attachments(self.client, [disk_id], self.deadline)[0].get(disk_id)
            if disk is None:
                return "refused"
            if disk.meaning is DiskState.LOST:
                return "failed"
            if _passes(disk) or any(each.meaning in IN_PROGRESS for each in _snapshots.of_disks(self.client, [disk_id], self.deadline)):
                return "refused"
        except UCloudStackError:
            return "refused"
        return "wrong_state"

    def _roll_back(self, unit: Unit, snapshot_id: str) -> Answer:
        """Send the rollback. Before it is sent once more, its VM must be off: it may have been started since. Raises FatalError, RefusedError."""
        if any(sent.do == "rollback" and sent.result == "unknown" for sent in unit.progress.sent):
            try:
                disk = _vms.attachments(self.client, [unit.disk_id], self.deadline)[0].get(unit.disk_id)
            except (NotSentError, UnknownOutcomeError) as error:
                raise RefusedError(
                    f"before the rollback is sent once more, its VM must be off, and its state is not known: {error}"
                ) from None
            if disk and disk.in_use:
                raise FatalError(f"the rollback had no response, and was not sent again because {disk.in_use}.")
        return _snapshots.rollback(self.client, unit.disk_id, snapshot_id, self.deadline)

    def _stop_waiting(self, units: Sequence[Unit], why: str) -> None:
        self.timed_out = True
        for unit in units:
            current = self.latest.get(unit.watched[-1]) if unit.watched else None
            unit.step = _plan.timed_out(unit.step, unit.progress, current, why)


def _passes(disk: Disk) -> bool:
    """Whether the disk, or the VM that it is attached to, is in a temporary state, or in one that is not known."""
    settled = (VmState.RUNNING, VmState.STOPPED, VmState.LOST)
    return disk.meaning is not DiskState.STABLE or (disk.vm_state != "" and vm_state(disk.vm_state) not in settled)
