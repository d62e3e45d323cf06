# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An emulated cloud, the tasks that users run against it, and a ledger of what each of them really did.

The ledger is written where the cloud does its work, so it knows what the modules cannot: whether a request without an answer was
carried out, and by whom.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from ansible_collections.ucloudstack.cloud.plugins.module_utils import _client, _transport
from ansible_collections.ucloudstack.cloud.plugins.module_utils._clock import Clock
from ansible_collections.ucloudstack.cloud.plugins.module_utils._errors import NotSentError
from emulator import state
from emulator.faults import KINDS
from emulator.generations import GENERATIONS
from emulator.server import Emulator
from emulator.state import Snapshot, VmState
from support.in_process import Answer, answer_of, as_on_a_host, told

from soak.simulation import START, Simulation

WRITTEN = 32
"""The first bytes of a disk, enough to tell its states apart."""
LATENCIES = (0.01, 0.01, 0.01, 0.2, 1.5)
"""Virtual seconds that a request or a response takes, drawn at random."""
IN_PLACE_OF_AN_ANSWER = {name for name, kind in KINDS.items() if kind.replaces_answer} | {"delay"}
"""Kinds of faults after which the caller has no response."""


@dataclass(frozen=True)
class Task:
    """A module and its options, without those of the connection."""

    module: str
    options: Mapping[str, Any]
    check: bool = False


@dataclass(frozen=True)
class Effect:
    """A write that the cloud carried out. ``at`` and ``visible``, when lists began to show it, are seconds of virtual time.

    ``beside``: of a create, the snapshots of that disk and name that were there already, useful or in the making; of a rollback
    with a marker, the markers that proved it to be done already.
    """

    do: str
    disk_id: str
    snapshot_id: str
    name: str
    at: float
    visible: float
    run: int
    beside: tuple[str, ...] = ()


@dataclass
class Run:
    """One task, run by one user, and all that came of it. Times are seconds of virtual time."""

    number: int
    task: Task
    answer: Answer = field(default_factory=Answer)
    began: float = 0.0
    ended: float = 0.0
    effects: list[Effect] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    unsent: int = 0
    left: dict[str, Snapshot] = field(default_factory=dict)
    """All snapshots at its end, those too that lists did not show."""
    data: dict[str, bytes] = field(default_factory=dict)
    """The first bytes of every disk and snapshot at its end."""
    power: str = ""
    """The state of the VM at its end."""
    at_home: frozenset[str] = frozenset()
    """The disks that were attached to the VM when it started."""
    left_detached: frozenset[str] = frozenset()
    """Those of them that were attached to nothing at its end."""

    @property
    def entries(self) -> list[dict[str, Any]]:
        return list(getattr(self.answer, "results", []))

    @property
    def changed(self) -> bool:
        return bool(getattr(self.answer, "changed", False))

    @property
    def told(self) -> list[str]:
        return told(self.answer)

    @property
    def faulty(self) -> bool:
        """Whether a fault struck one of its calls."""
        return bool(self.unsent) or any(call["fault"] for call in self.calls)

    @property
    def refused(self) -> bool:
        """Whether the API refused one of its calls."""
        return any(call["ret_code"] for call in self.calls)

    @property
    def writes(self) -> list[str]:
        return [call["action"] for call in self.calls if not call["action"].startswith("Describe")]

    @property
    def disk_ids(self) -> list[str]:
        return list(self.task.options.get("disk_ids", ()))

    def last_look(self, disk_id: str, before: float) -> float:
        """When, before that moment, it last asked for the snapshots of a disk; of all disks counts, too."""
        looks = (
            call["at"] - START
            for call in self.calls
            if call["action"] == "DescribeSnapshot"
            and "SnapshotIDs.0" not in call["params"]
            and call["params"].get("DiskID") in (None, disk_id)
        )
        return max((at for at in looks if at <= before), default=self.began)

    def __str__(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in self.task.options.items())
        return f"run {self.number}: {self.task.module}({options}){' in check mode' if self.task.check else ''}"


class World:
    """A cloud on virtual time with a few disks and VMs, as a context manager.

    ``seed`` decides all that is left to chance, and the ``generation`` of the platform where none is given.
    """

    def __init__(self, folder: Path, seed: int, *, snapshot_limit: int = 8, generation: str | None = None) -> None:
        self.time = Simulation()
        self.random = random.Random(seed)
        drawn = self.random.choice(list(GENERATIONS))
        work = self.random.choice((0.3, 2.0, 20.0))
        self.cloud = Emulator(
            folder,
            clock=self.time.wall,
            snapshot_seconds=work,
            rollback_seconds=work,
            snapshot_limit=snapshot_limit,
            generation=generation or drawn,
        )
        self.runs: list[Run] = []
        self.made: dict[str, Effect] = {}
        """The creates by the id of what they made."""
        self.rollbacks: list[Effect] = []
        self.struck: Counter[str] = Counter()
        self.unreachable = 0.0
        """The share of requests that find nobody to connect to."""
        self.model: dict[str, bytes] = {}
        """What the first bytes of every disk and snapshot have to be, once nothing is under way."""
        self.deleted: set[str] = set()
        self._page = self.random.choice((_client.PAGE, _client.PAGE, 4))  # with small ones, lists have many
        self._active: dict[str, Run] = {}
        self._stack = ExitStack()

    def __enter__(self) -> World:
        stack = self._stack
        stack.enter_context(mock.patch.object(state, "_new_id", lambda kind: f"{kind}-{self.random.randbytes(6).hex()}"))
        stack.enter_context(self.cloud)
        self._printed = stack.enter_context(as_on_a_host())
        clock = Clock(self.time.now, self.time.wall, self.time.sleep, lambda: 0.5)
        stack.enter_context(mock.patch.object(_client, "Clock", return_value=clock))
        stack.enter_context(mock.patch.object(_client, "PAGE", self._page))
        stack.enter_context(mock.patch.object(_transport.Transport, "post", self._on_its_way(_transport.Transport.post)))
        there = self.cloud.state
        for name, note in (
            ("create_snapshot", self._created),
            ("delete_snapshot", self._deleted),
            ("rollback_snapshot", self._rolled_back),
        ):
            stack.enter_context(mock.patch.object(there, name, partial(self._noted, getattr(there, name), note)))
        self.machine = there.add_vm("web", boot_gb=1, data_gb=1, state=VmState.STOPPED)
        self.homes = there.find_disks(vm_id=self.machine)
        """The disks that belong to the VM."""
        self.disks = [*self.homes, there.add_disk("spare", 1)]
        if self.random.random() < 0.1:
            there.add_timer(self.disks, every=self.random.choice((40, 900)), keep=2)
        for disk_id in self.disks:
            self.write(disk_id)
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    # ---- what users do

    def play(self, *tasks: Task) -> list[Run]:
        """Each task is run by a user of its own, all at the same moment."""
        runs = [Run(len(self.runs) + number, task) for number, task in enumerate(tasks)]
        self.runs += runs
        self._active = {f"user {number}": run for number, run in enumerate(runs)}
        self.time.together({user: partial(self._carry_out, run) for user, run in self._active.items()})
        for call in self.cloud.calls():
            run = self.runs[int(call["params"]["Zone"])]
            run.calls.append(call)
            self.struck.update((call["fault"] or "").split(",") if call["fault"] else ())
        self.cloud.state.forget_calls()
        return runs

    def write(self, disk_id: str) -> None:
        """A guest, or whoever has the disk, writes to it."""
        self.model[disk_id] = self.random.randbytes(WRITTEN)
        with self.cloud.state.image(disk_id).open("r+b") as image:
            image.write(self.model[disk_id])

    def remove(self, snapshot_id: str) -> None:
        """Somebody makes room."""
        self.cloud.state.remove_snapshot(snapshot_id)
        del self.model[snapshot_id]

    def set_faults(self, faults: Iterable[dict[str, Any]], unreachable: float = 0.0) -> None:
        """These faults are in force from now on, and no others."""
        self.cloud.faults.clear()
        self.cloud.add_faults(*faults)
        self.unreachable = unreachable

    def pass_time(self, seconds: float) -> None:
        """Nobody does anything for so long."""
        self.time.sleep(seconds)
        self.cloud.state.advance()

    # ---- what is there

    def snapshots(self) -> dict[str, Snapshot]:
        """All snapshots by id, those too that lists do not show, but not those that a timer created."""
        there = self.cloud.state
        found = (there.snapshot(each) for each in there.find_snapshots(hidden=True))
        return {each.id: each for each in found if not each.timer_id}

    def quiet(self) -> bool:
        """Nothing is under way, and nothing strange is shown or hidden."""
        there, now = self.cloud.state, self.time.wall()
        if there.timers():  # never for long
            return False
        disks = all(there.disk(disk_id).status == there.disk(disk_id).settled for disk_id in self.disks)
        return disks and all(
            each.listed_at <= now and each.shown_status(now) in ("Normal", "Failure") for each in self.snapshots().values()
        )

    def disagreements(self) -> list[str]:
        """Where the cloud is not as the ledger says. Only when quiet is everything there, or gone, that has to be."""
        self.cloud.state.advance()
        data = self.data()
        lines = [f"{each} is there, and was never made" for each in data if each not in self.model]
        if self.quiet():
            expected = self.model.keys() - self.deleted
            lines += [f"{each} should {'not ' if each in data else ''}be there" for each in sorted(expected ^ data.keys())]
            lines += [f"{each} has other bytes" for each in data if data[each] != self.model.get(each)]
        return lines

    def data(self) -> dict[str, bytes]:
        """The first bytes of every disk and snapshot."""
        images = {disk_id: self.cloud.state.image(disk_id) for disk_id in self.disks}
        images |= {snapshot_id: self.cloud.state.snapshot_image(snapshot_id) for snapshot_id in self.snapshots()}
        return {each: _first_bytes(image) for each, image in images.items()}

    # ---- how it is known

    def _carry_out(self, run: Run) -> None:
        cloud, task = self.cloud, run.task
        connection = {key: getattr(cloud, key) for key in ("api_url", "public_key", "private_key", "region")}
        acting = {} if task.module.endswith("_info") else {"parallelism": 1}  # one call after the other, so that it can be repeated
        # The zone, which every request carries and no platform since 1.22 minds, tells whose it is.
        options = {**connection, **acting, "zone": str(run.number), "request_timeout": 2, **task.options}
        run.began = self.time.now()
        run.at_home = frozenset(self.homes) & frozenset(cloud.state.find_disks(vm_id=self.machine))
        run.answer = answer_of(self._printed, task.module, options, check=task.check, diff=True)
        run.ended = self.time.now()
        cloud.state.advance()
        run.left = self.snapshots()
        run.power = cloud.state.vm(self.machine).state
        run.left_detached = run.at_home - frozenset(cloud.state.find_disks(vm_id=self.machine))
        run.data = self.data()

    def _on_its_way(self, post: Callable[..., Any]) -> Callable[..., Any]:
        def post_late(client: Any, action: str, *rest: Any) -> Any:
            self.time.sleep(self.random.choice(LATENCIES))
            if self.random.random() < self.unreachable:
                self.struck["no connection"] += 1
                self._active[self.time.user].unsent += 1
                raise NotSentError(f"{action}: cannot connect.")
            try:
                return post(client, action, *rest)
            finally:
                self.time.sleep(self.random.choice(LATENCIES))

        return post_late

    def _noted(self, act: Callable[..., Any], note: Callable[..., None], *args: Any, **options: Any) -> Any:
        done = act(*args, **options)
        if options.get("timer_id"):  # the platform's own
            return done
        note(self._active[self.time.user], *args, made=done)
        return done

    def _created(self, run: Run, disk_id: str, name: str, remark: str = "", *, made: str) -> None:
        useful = ("Createing", "Normal", "RollBacking")
        beside = [each.id for each in self._others(disk_id, name, made) if each.status in useful]
        visible = max(self.time.now(), self.cloud.state.snapshot(made).listed_at - START)
        run.effects.append(Effect("create", disk_id, made, name, self.time.now(), visible, run.number, tuple(beside)))
        self.made[made] = run.effects[-1]
        self.model[made] = self.model[disk_id]

    def _deleted(self, run: Run, snapshot_id: str, *, made: None) -> None:
        snapshot = self.cloud.state.snapshot(snapshot_id)
        run.effects.append(Effect("delete", snapshot.disk_id, snapshot_id, snapshot.name, self.time.now(), self.time.now(), run.number))
        self.deleted.add(snapshot_id)

    def _rolled_back(self, run: Run, snapshot_id: str, disk_id: str, *, made: None) -> None:
        marker = run.task.options.get("marker_name", "")
        marks = [each.id for each in self._others(disk_id, marker) if each.remark.endswith(f"target={snapshot_id}")] if marker else []
        run.effects.append(Effect("rollback", disk_id, snapshot_id, "", self.time.now(), self.time.now(), run.number, tuple(marks)))
        self.rollbacks.append(run.effects[-1])
        self.model[disk_id] = self.model[snapshot_id]

    def _others(self, disk_id: str, name: str, but: str = "") -> list[Snapshot]:
        return [each for each in self.snapshots().values() if (each.disk_id, each.name) == (disk_id, name) and each.id != but]


def _first_bytes(image: Path) -> bytes:
    with image.open("rb") as file:
        return file.read(WRITTEN)


def as_text(answer: Answer) -> str:
    """All that a user can read of a result, as one text."""
    return json.dumps({name: value for name, value in vars(answer).items() if name not in ("printed", "invocation")})
