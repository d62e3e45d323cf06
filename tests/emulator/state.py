# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks, VMs and snapshots, the rules between them, and the work that is under way. Knows no HTTP and no parameters.

Everything is in SQLite under the state directory. A call is one transaction. What takes time is a row in ``jobs`` with the wall
clock time at which it is due, so it goes on after a crash. Work on files comes before its commit and may be repeated: a crash in
between leaves either a file without a row (removed at the next start) or a job that is done once more.
"""

from __future__ import annotations

import fcntl
import json
import secrets
import socket
import sqlite3
import string
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from emulator import disks
from emulator.errors import ApiError, Reason
from emulator.generations import GENERATIONS, OLDEST

TRANSITION_SECONDS = 0.2
"""How long the short states last: Creating, Bounding, Unbounding, Deleting, and each step of a VM on its way."""
BIN_SECONDS = 360_000
"""How long a deleted disk stays in the recycle bin."""
DEFAULT_PROJECT = "project-default"


class DiskStatus(StrEnum):
    """Those states of a disk that are reached here, in the spelling of 1.x. Deleted: it is in the recycle bin."""

    CREATING = "Creating"
    UNBOUND = "Unbound"
    BOUNDING = "Bounding"
    BOUND = "Bound"
    UNBOUNDING = "Unbounding"
    DELETING = "Deleting"
    DELETED = "Deleted"
    SNAPSHOTING = "Snapshoting"
    ROLLBACKING = "Rollbacking"


class SnapshotStatus(StrEnum):
    """States of a snapshot in the spelling of 1.x; Failure is of 2.x."""

    CREATEING = "Createing"
    NORMAL = "Normal"
    ROLLBACKING = "RollBacking"
    DELETING = "Deleting"
    FAILURE = "Failure"


class VmState(StrEnum):
    """Those states of a VM that are reached here, in the spelling of 1.x."""

    INITIALIZING = "Initializing"
    STARTING = "Starting"
    RESTARTING = "Restarting"
    RUNNING = "Running"
    STOPPING = "Stopping"
    POWEROFFING = "Poweroffing"
    STOPPED = "Stopped"


AFTER_ITS_END: dict[str, VmState] = {
    VmState.RUNNING: VmState.STOPPED,
    VmState.STOPPING: VmState.STOPPED,
    VmState.RESTARTING: VmState.RUNNING,
}
"""The next state of a VM whose guest has shut down, by its state so far."""
STABLE_DISK = (DiskStatus.BOUND, DiskStatus.UNBOUND)
BUSY_WITH_SNAPSHOT = (DiskStatus.SNAPSHOTING, DiskStatus.ROLLBACKING)


class SnapshotType(StrEnum):
    """Who created a snapshot: somebody through the API, or a timer."""

    MANUAL = "Manual"
    AUTOMATIC = "Automatic"


@dataclass(frozen=True)
class Disk:
    """A disk. ``vm_id`` and ``drive`` are empty when it is not attached; ``create_time`` is Unix seconds.

    ``external``: a LUN of a storage that the platform cannot snapshot. ``deleted_at``: when it went to the recycle bin, 0 if it did not.
    Until ``odd_until`` it shows ``odd_status``.
    """

    id: str
    name: str
    size_gb: int
    set_type: str
    disk_type: str
    charge_type: str
    status: str
    vm_id: str
    drive: str
    create_time: int
    remark: str = ""
    project_id: str = DEFAULT_PROJECT
    external: bool = False
    deleted_at: int = 0
    odd_status: str = ""
    odd_until: float = 0

    @property
    def settled(self) -> DiskStatus:
        """The state to return to when nothing is under way."""
        return DiskStatus.BOUND if self.vm_id else DiskStatus.UNBOUND


@dataclass(frozen=True)
class Vm:
    """A VM. ``memory_mb`` in MB, ``create_time`` in Unix seconds. Until ``odd_until`` it shows ``odd_status``.

    ``ssh_port``: the port of 127.0.0.1 that leads to its guest; 0 without machines.
    """

    id: str
    name: str
    state: str
    vm_type: str
    image_id: str
    cpu: int
    memory_mb: int
    vpc_id: str
    subnet_id: str
    security_group: str
    charge_type: str
    ip: str
    create_time: int
    remark: str = ""
    project_id: str = DEFAULT_PROJECT
    odd_status: str = ""
    odd_until: float = 0
    ssh_port: int = 0


@dataclass(frozen=True)
class Snapshot:
    """A snapshot. Lists omit it before ``listed_at``; until ``odd_until`` it shows ``odd_status`` (both Unix seconds, 0 = never).

    ``timer_id`` is that of the timer that created it, or empty.
    """

    id: str
    disk_id: str
    disk_type: str
    name: str
    remark: str
    status: str
    create_time: int
    listed_at: float = 0
    odd_status: str = ""
    odd_until: float = 0
    project_id: str = DEFAULT_PROJECT
    timer_id: str = ""

    @property
    def type(self) -> SnapshotType:
        """Who created it."""
        return SnapshotType.AUTOMATIC if self.timer_id else SnapshotType.MANUAL

    def shown_status(self, now: float) -> str:
        """The status that the API shows, and acts on, at this moment."""
        return odd(self, now) or self.status


def odd(record: Disk | Vm | Snapshot, now: float) -> str:
    """The word that the API shows, and acts on, in place of its status at this moment; empty: none."""
    return record.odd_status if now < record.odd_until else ""


@dataclass(frozen=True)
class Timer:
    """It snapshots its disks every so many seconds, and keeps so many of the snapshots that it created of a disk."""

    id: str
    name: str
    every: float
    keep: int
    disk_ids: tuple[str, ...]


class Machines(Protocol):
    """What runs the VMs, if they are more than rows: ``emulator.qemu``. A VM that is not on ignores all but ``start``."""

    image: Path
    """What the boot disk of a new VM starts with."""

    def start(self, vm: Vm, disks: Mapping[str, Path]) -> None:
        """Power on, with disks (id → file), boot disk first."""

    def runs(self, vm_id: str) -> bool:
        """Whether it is on."""

    def shut_down(self, vm_id: str) -> None:
        """Ask the guest to end."""

    def power_off(self, vm_id: str) -> None:
        """End it at once."""

    def paused(self, vm_id: str) -> AbstractContextManager[None]:
        """It writes nothing meanwhile."""

    def close(self) -> None:
        """Power off all."""


class Work(StrEnum):
    """What a job does when it is due."""

    SETTLE_DISK = "settle_disk"
    BIN_DISK = "bin_disk"
    REMOVE_DISK = "remove_disk"
    FINISH_SNAPSHOT = "finish_snapshot"
    FINISH_ROLLBACK = "finish_rollback"
    REMOVE_SNAPSHOT = "remove_snapshot"
    MOVE_VM = "move_vm"
    RUN_TIMER = "run_timer"


_SCHEMA = """
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS disks (
    id TEXT PRIMARY KEY, name TEXT, size_gb INTEGER, set_type TEXT, disk_type TEXT, charge_type TEXT, status TEXT,
    vm_id TEXT, drive TEXT, create_time INTEGER, remark TEXT, project_id TEXT, external INTEGER, deleted_at INTEGER, odd_status TEXT,
    odd_until REAL);
CREATE TABLE IF NOT EXISTS vms (
    id TEXT PRIMARY KEY, name TEXT, state TEXT, vm_type TEXT, image_id TEXT, cpu INTEGER, memory_mb INTEGER, vpc_id TEXT,
    subnet_id TEXT, security_group TEXT, charge_type TEXT, ip TEXT, create_time INTEGER, remark TEXT, project_id TEXT, odd_status TEXT,
    odd_until REAL, ssh_port INTEGER);
CREATE TABLE IF NOT EXISTS snapshots (
    id TEXT PRIMARY KEY, disk_id TEXT, disk_type TEXT, name TEXT, remark TEXT, status TEXT, create_time INTEGER,
    listed_at REAL, odd_status TEXT, odd_until REAL, project_id TEXT, timer_id TEXT);
CREATE TABLE IF NOT EXISTS tags (resource_id TEXT, key TEXT, value TEXT, PRIMARY KEY (resource_id, key));
CREATE TABLE IF NOT EXISTS timers (id TEXT PRIMARY KEY, name TEXT, every REAL, keep INTEGER, disk_ids TEXT);
CREATE TABLE IF NOT EXISTS jobs (seq INTEGER PRIMARY KEY, due REAL, work TEXT, subject TEXT, target TEXT);
CREATE TABLE IF NOT EXISTS calls (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, action TEXT, params TEXT, ret_code INTEGER, at REAL, fault TEXT, request_id TEXT);
CREATE INDEX IF NOT EXISTS disks_by_vm ON disks (vm_id);
CREATE INDEX IF NOT EXISTS snapshots_by_disk ON snapshots (disk_id);
CREATE INDEX IF NOT EXISTS jobs_by_due ON jobs (due);
"""


class Found(Sequence[str]):
    """Ids that a query finds: their number, or a part of them, is read without the rest, since lists are read page by page."""

    def __init__(self, read: Callable[[int, int], list[str]], count: Callable[[], int]) -> None:
        """``read(limit, offset)``: at most so many ids, or all with -1, as in SQL."""
        self._read = read
        self._count = cache(count)

    def __len__(self) -> int:
        return self._count()

    def __getitem__(self, part: Any) -> Any:
        """An id, or a list of ids."""
        if isinstance(part, int):
            return self.all()[part]
        start, stop, step = part.indices(len(self))
        return self._read(max(stop - start, 0), start)[::step]

    def __iter__(self) -> Iterator[str]:
        return iter(self.all())

    def all(self) -> list[str]:
        """All of them, without counting them first."""
        return self._read(-1, 0)


class StateInUse(Exception):
    """Another emulator works on this state directory."""


class OtherGeneration(Exception):
    """The state directory is of another generation than the one asked for."""


class State:
    """Everything the emulated cloud knows, kept in ``directory``.

    Thread-safe: each public method takes the lock; ``transaction`` groups several. Time is Unix seconds from ``clock``;
    ``advance`` carries out what is due by then. ``generation`` is a name, or None for the one that the directory has (a new one: 1.x).
    Without ``machines``, a VM is a row whose state changes by time. With them, those that were on are powered on again.
    Raises StateInUse when another process has the directory, OtherGeneration when it has another generation.
    """

    def __init__(
        self,
        directory: Path,
        *,
        snapshot_seconds: float = 2,
        rollback_seconds: float = 2,
        transition_seconds: float = TRANSITION_SECONDS,
        snapshot_limit: int = 10,
        generation: str | None = None,
        machines: Machines | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.directory = directory
        self.machines = machines
        self.snapshot_seconds = snapshot_seconds
        self.rollback_seconds = rollback_seconds
        self.transition_seconds = transition_seconds
        self.snapshot_limit = snapshot_limit
        self.clock = clock
        self._lock = threading.RLock()
        self._depth = 0
        for folder in (directory, directory / "disks", directory / "snapshots"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock_file = (directory / "lock").open("w")
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock_file.close()
            raise StateInUse(f"another emulator uses {directory}") from None
        self._db = sqlite3.connect(directory / "state.sqlite", isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        # A killed process loses nothing that was written; only a crash of the host would, so nothing waits for the disk.
        self._db.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; {_SCHEMA}")
        kept = self.setting("generation", lambda: GENERATIONS[generation or OLDEST].name)
        if generation not in (None, kept):
            self.close()
            raise OtherGeneration(f"{directory} is of generation {kept}, not {generation}")
        self.generation = GENERATIONS[kept]
        self._remove_leftovers()
        self._power_on_again()

    def close(self) -> None:
        """Let go of the directory."""
        with self._lock:
            if self.machines:
                self.machines.close()
            self._db.close()
            self._lock_file.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing of what is done inside; may be nested: a refusal inside, which comes before the first write, undoes nothing."""
        with self._lock:
            if self._depth == 0:
                self._db.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                if self._depth == 1:
                    self._db.execute("ROLLBACK")
                raise
            else:
                if self._depth == 1:
                    self._db.execute("COMMIT")
            finally:
                self._depth -= 1

    def setting(self, name: str, make: Callable[[], str]) -> str:
        """The value kept under this name; made and kept at first use."""
        with self.transaction():
            self._db.execute("INSERT OR IGNORE INTO settings VALUES (?, ?)", (name, make()))
            return str(self._row("SELECT value FROM settings WHERE name = ?", name)["value"])

    # ---- disks

    def image(self, disk_id: str) -> Path:
        """The file of a disk's bytes, which whoever plays the VM may write to."""
        return self.directory / "disks" / f"{disk_id}.img"

    def snapshot_image(self, snapshot_id: str) -> Path:
        """The file of a snapshot's bytes."""
        return self.directory / "snapshots" / f"{snapshot_id}.img"

    def disk(self, disk_id: str) -> Disk:
        """Raises ApiError when there is no such disk."""
        found = self.disks([disk_id])
        if not found:
            raise ApiError(Reason.DISK_MISSING, disk_id)
        return found[disk_id]

    def disks(self, ids: Collection[str]) -> dict[str, Disk]:
        """Those of these ids that exist, by id."""
        return {row["id"]: Disk(**row) for row in self._rows("SELECT * FROM disks WHERE id", ids)}

    def find_disks(self, ids: Collection[str] = (), *, vm_id: str = "", disk_type: str = "", recycled: bool | None = False) -> list[str]:
        """Ids of disks, of those in the recycle bin, or (None) of all, newest first; empty filters match all."""
        condition = "TRUE" if recycled is None else f"(deleted_at > 0) = {recycled}"
        return self._find("disks", ids, {"vm_id": vm_id, "disk_type": disk_type}, condition)

    def add_disk(
        self,
        name: str,
        size_gb: int,
        *,
        vm_id: str = "",
        disk_type: str = "Data",
        set_type: str = "Normal",
        charge_type: str = "Dynamic",
        remark: str = "",
        project_id: str = DEFAULT_PROJECT,
        external: bool = False,
        settled: bool = True,
    ) -> str:
        """A new empty disk; its id. Settled: ready at once. Otherwise Creating for a moment first, as through the API."""
        with self.transaction():
            drive = self._free_drive(vm_id) if vm_id else ""
            kind = set_type, disk_type, charge_type
            disk = Disk(_new_id("disk"), name, size_gb, *kind, "", vm_id, drive, self._now(), remark, project_id, external)
            disks.create(self.image(disk.id), size_gb)
            self._insert("disks", asdict(disk) | {"status": disk.settled if settled else DiskStatus.CREATING})
            if not settled:
                self._schedule(self.transition_seconds, Work.SETTLE_DISK, disk.id)
            return disk.id

    def attach_disk(self, disk_id: str, vm_id: str) -> None:
        """Bounding, then Bound. Only an Unbound disk, and only a VM that is Running or Stopped; a boot disk: Stopped, without another."""
        with self.transaction():
            disk, vm = self.disk(disk_id), self.vm(vm_id)
            self._require_disk_status(disk, DiskStatus.UNBOUND)
            if disk.disk_type == "Boot":
                self._require_vm_state(vm, Reason.VM_NOT_OFF, VmState.STOPPED)
                if self.find_disks(vm_id=vm_id, disk_type="Boot"):
                    raise ApiError(Reason.BAD_PARAMETER, f"{vm_id} has a boot disk")
            self._require_vm_state(vm, Reason.VM_WRONG_STATE, VmState.RUNNING, VmState.STOPPED)
            self._db.execute("UPDATE disks SET vm_id = ?, drive = ? WHERE id = ?", (vm_id, self._free_drive(vm_id), disk_id))
            self._set_disk_status(disk_id, DiskStatus.BOUNDING)
            self._schedule(self.transition_seconds, Work.SETTLE_DISK, disk_id)

    def detach_disk(self, disk_id: str, vm_id: str) -> None:
        """Unbounding, then Unbound. Only a Bound data disk of that VM."""
        with self.transaction():
            disk = self.disk(disk_id)
            self._require_disk_status(disk, DiskStatus.BOUND)
            if disk.vm_id != vm_id:
                raise ApiError(Reason.BAD_PARAMETER, f"{disk_id} is attached to {disk.vm_id}")
            if disk.disk_type == "Boot":
                raise ApiError(Reason.BAD_PARAMETER, f"{disk_id} is a boot disk")
            self._detach(disk_id)
            self._set_disk_status(disk_id, DiskStatus.UNBOUNDING)
            self._schedule(self.transition_seconds, Work.SETTLE_DISK, disk_id)

    def delete_disk(self, disk_id: str) -> None:
        """Its snapshots are gone at once; Deleting, then it is in the recycle bin. Only an Unbound disk."""
        with self.transaction():
            self._require_disk_status(self.disk(disk_id), DiskStatus.UNBOUND)
            for snapshot_id in self.find_snapshots(disk_id=disk_id, hidden=True):
                self._forget("snapshots", snapshot_id, Work.REMOVE_SNAPSHOT)
            self._set_disk_status(disk_id, DiskStatus.DELETING)
            self._schedule(self.transition_seconds, Work.BIN_DISK, disk_id)

    def recover_disk(self, disk_id: str) -> None:
        """Out of the recycle bin, Unbound, with its bytes and without its snapshots."""
        with self.transaction():
            self._require_in_bin(disk_id)
            self._db.execute("DELETE FROM jobs WHERE subject = ?", (disk_id,))
            self._db.execute("UPDATE disks SET deleted_at = 0 WHERE id = ?", (disk_id,))
            self._set_disk_status(disk_id, DiskStatus.UNBOUND)

    def terminate_disk(self, disk_id: str) -> None:
        """Out of the recycle bin, and gone."""
        with self.transaction():
            self._require_in_bin(disk_id)
            self._db.execute("DELETE FROM jobs WHERE subject = ?", (disk_id,))
            self._forget("disks", disk_id, Work.REMOVE_DISK)

    # ---- snapshots

    def snapshot(self, snapshot_id: str) -> Snapshot:
        """Raises ApiError when there is no such snapshot."""
        found = self.snapshots([snapshot_id])
        if not found:
            raise ApiError(Reason.SNAPSHOT_MISSING, snapshot_id)
        return found[snapshot_id]

    def snapshots(self, ids: Collection[str]) -> dict[str, Snapshot]:
        """Those of these ids that exist, by id."""
        return {row["id"]: Snapshot(**row) for row in self._rows("SELECT * FROM snapshots WHERE id", ids)}

    def find_snapshots(self, ids: Collection[str] = (), *, disk_id: str = "", hidden: bool = False) -> list[str]:
        """Ids of the snapshots that are listed now, or hidden ones too, newest first; empty filters match all."""
        return self.list_snapshots(ids, disk_id=disk_id, hidden=hidden).all()

    def list_snapshots(self, ids: Collection[str] = (), *, disk_id: str = "", hidden: bool = False) -> Found:
        """As :meth:`find_snapshots`, but only what is asked for is read."""
        return self._found("snapshots", ids, {"disk_id": disk_id}, "TRUE" if hidden else f"listed_at <= {self.clock()!r}")

    def create_snapshot(
        self,
        disk_id: str,
        name: str,
        remark: str = "",
        *,
        ends_as: SnapshotStatus = SnapshotStatus.NORMAL,
        seconds: float | None = -1,
        listed_after: float = 0,
        project_id: str = DEFAULT_PROJECT,
        timer_id: str = "",
        since: float | None = None,
    ) -> str:
        """Take the disk's bytes as they are now; the new snapshot's id.

        Createing, and the disk Snapshoting, for ``seconds`` (-1: the usual time; None: for ever) from ``since`` (now), then ``ends_as``.
        Lists omit it for ``listed_after`` seconds. Refused while the disk is busy, and when it has its limit of snapshots, in any state,
        which does not stop a timer.
        """
        with self.transaction():
            disk = self.disk(disk_id)
            self._require_snapshot_ready(disk)
            counted = "TRUE" if self.generation.limit_counts_automatic else "timer_id = ''"
            (count,) = self._row(f"SELECT count(*) FROM snapshots WHERE disk_id = ? AND {counted}", disk_id)
            if self.snapshot_limit and count >= self.snapshot_limit and not timer_id:
                raise ApiError(Reason.SNAPSHOT_LIMIT, f"{disk_id} has {count}")
            owner = {"project_id": project_id, "timer_id": timer_id}
            age = 0 if since is None else self.clock() - since
            snapshot_id = self.add_snapshot(disk_id, name, remark, SnapshotStatus.CREATEING, age=age, listed_after=listed_after, **owner)
            self._set_disk_status(disk_id, DiskStatus.SNAPSHOTING)
            if seconds is not None:
                duration = self.snapshot_seconds if seconds < 0 else seconds
                self._schedule(duration, Work.FINISH_SNAPSHOT, snapshot_id, ends_as, since=since)
            return snapshot_id

    def add_snapshot(
        self,
        disk_id: str,
        name: str,
        remark: str = "",
        status: SnapshotStatus = SnapshotStatus.NORMAL,
        *,
        age: float = 0,
        listed_after: float = 0,
        project_id: str = DEFAULT_PROJECT,
        timer_id: str = "",
    ) -> str:
        """A snapshot of the disk's bytes in this state at once, without rules or work: to set a scene. ``age`` in seconds.

        With the id of a timer (any text) it is Automatic.
        """
        with self.transaction():
            disk = self.disk(disk_id)
            created = int(self.clock() - age)
            listed_at = self.clock() + listed_after if listed_after else 0
            texts = disk.disk_type, name, remark, status
            owner = {"project_id": project_id, "timer_id": timer_id}
            snapshot = Snapshot(_new_id("snapshot"), disk_id, *texts, created, listed_at)
            with self.machines.paused(disk.vm_id) if self.machines else nullcontext():
                disks.copy(self.image(disk_id), self.snapshot_image(snapshot.id))
            self._insert("snapshots", asdict(snapshot) | owner)
            return snapshot.id

    def remove_snapshot(self, snapshot_id: str) -> None:
        """Gone at once, without rules or work: to set a scene."""
        with self.transaction():
            self.snapshot_image(snapshot_id).unlink(missing_ok=True)
            self._db.execute("DELETE FROM snapshots WHERE id = ?", (snapshot_id,))

    def rollback_snapshot(self, snapshot_id: str, disk_id: str, *, detaches: bool = False) -> None:
        """RollBacking and Rollbacking, then the disk has the snapshot's bytes; it stays attached, unless the rollback ``detaches`` it.

        Refused: another disk's snapshot, one that is not Normal, a busy disk, a VM that is not Stopped.
        """
        with self.transaction():
            disk = self.disk(disk_id)
            self._require_no_bin(disk)
            snapshot = self.snapshot(snapshot_id)
            if snapshot.disk_id != disk_id:
                raise ApiError(Reason.BAD_PARAMETER, f"{snapshot_id} is of another disk")
            self._require_normal(snapshot)
            self._require_snapshot_ready(disk)
            if disk.vm_id:
                self._require_vm_state(self.vm(disk.vm_id), Reason.VM_NOT_OFF, VmState.STOPPED)
            self._set_snapshot_status(snapshot_id, SnapshotStatus.ROLLBACKING)
            self._set_disk_status(disk_id, DiskStatus.ROLLBACKING)
            self._schedule(self.rollback_seconds, Work.FINISH_ROLLBACK, snapshot_id, "detach" if detaches else "")

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Deleting for a moment, then gone. Refused unless it is Normal."""
        with self.transaction():
            self._require_normal(self.snapshot(snapshot_id))
            self._set_snapshot_status(snapshot_id, SnapshotStatus.DELETING)
            self._schedule(self.transition_seconds, Work.REMOVE_SNAPSHOT, snapshot_id)

    def show_odd_status(self, resource_id: str, status: str, seconds: float) -> None:
        """Show this status, and act on it, whatever the snapshot, disk or VM is doing, for so long."""
        with self.transaction():
            until = self.clock() + seconds
            for table in ("snapshots", "disks", "vms"):
                self._db.execute(f"UPDATE {table} SET odd_status = ?, odd_until = ? WHERE id = ?", (status, until, resource_id))

    def set_tags(self, resource_id: str, tags: Mapping[str, str]) -> None:
        """All tags of a disk, VM or snapshot."""
        with self.transaction():
            self._db.execute("DELETE FROM tags WHERE resource_id = ?", (resource_id,))
            for key, value in tags.items():
                self._insert("tags", {"resource_id": resource_id, "key": key, "value": value})

    def tags(self, ids: Collection[str]) -> dict[str, dict[str, str]]:
        """The tags of those of these disks, VMs or snapshots that have any, by id and key."""
        found: dict[str, dict[str, str]] = {}
        for row in self._rows("SELECT * FROM tags WHERE resource_id", ids):
            found.setdefault(row["resource_id"], {})[row["key"]] = row["value"]
        return found

    # ---- timers

    def add_timer(self, disk_ids: Collection[str], *, every: float, keep: int = 10, name: str = "auto") -> str:
        """A timer that runs for the first time in ``every`` seconds; its id. It stays when disks of it go."""
        with self.transaction():
            for disk_id in disk_ids:
                self.disk(disk_id)
            timer_id = _new_id("timer")
            self._insert("timers", {"id": timer_id, "name": name, "every": every, "keep": keep, "disk_ids": json.dumps(list(disk_ids))})
            self._schedule(every, Work.RUN_TIMER, timer_id)
            return timer_id

    def timers(self) -> list[Timer]:
        """All timers, oldest first."""
        with self._lock:
            rows = self._db.execute("SELECT * FROM timers ORDER BY rowid").fetchall()
        return [Timer(**{**row, "disk_ids": tuple(json.loads(row["disk_ids"]))}) for row in rows]

    def remove_timers(self) -> None:
        """No timers any more; their snapshots stay."""
        with self.transaction():
            self._db.execute("DELETE FROM jobs WHERE work = ?", (Work.RUN_TIMER,))
            self._db.execute("DELETE FROM timers")

    # ---- VMs

    def vm(self, vm_id: str) -> Vm:
        """Raises ApiError when there is no such VM."""
        with self._lock:
            row = self._row("SELECT * FROM vms WHERE id = ?", vm_id)
        if row is None:
            raise ApiError(Reason.VM_MISSING, vm_id)
        return Vm(**row)

    def find_vms(self, ids: Collection[str] = (), *, vpc_id: str = "", subnet_id: str = "") -> list[str]:
        """Ids of VMs, newest first; empty filters match all."""
        return self._find("vms", ids, {"vpc_id": vpc_id, "subnet_id": subnet_id})

    def add_vm(
        self,
        name: str,
        *,
        boot_gb: int = 40,
        data_gb: int = 0,
        settled: bool = True,
        state: VmState = VmState.RUNNING,
        boot_set_type: str = "Normal",
        data_set_type: str = "Normal",
        vm_type: str = "Normal",
        image_id: str = "image-1",
        cpu: int = 1,
        memory_mb: int = 1024,
        vpc_id: str = "vpc-1",
        subnet_id: str = "subnet-1",
        security_group: str = "sg-1",
        charge_type: str = "Dynamic",
        ip: str = "",
        remark: str = "",
        project_id: str = DEFAULT_PROJECT,
    ) -> str:
        """A new VM with a boot disk and, with ``data_gb``, a data disk (GB); its id.

        Settled: in ``state`` at once. Otherwise Initializing, Starting, Running, as through the API.
        """
        with self.transaction():
            if self.machines and boot_gb * disks.GIB < self.machines.image.stat().st_size:
                raise ApiError(Reason.BAD_PARAMETER, f"{self.machines.image} is larger than the boot disk")
            vm_id, state = _new_id("vm"), state if settled else VmState.INITIALIZING
            (count,) = self._row("SELECT count(*) FROM vms")
            ip = ip or f"10.0.{count // 250 % 256}.{count % 250 + 2}"
            hardware = vm_type, image_id, cpu, memory_mb
            network = vpc_id, subnet_id, security_group
            port = _free_port() if self.machines else 0
            vm = Vm(vm_id, name, state, *hardware, *network, charge_type, ip, self._now(), remark, project_id, ssh_port=port)
            self._insert("vms", asdict(vm))
            for disk_type, size_gb, set_type in (("Boot", boot_gb, boot_set_type), ("Data", data_gb, data_set_type)):
                if size_gb:
                    label = f"{name}-{disk_type.lower()}"
                    disk_id = self.add_disk(
                        label,
                        size_gb,
                        vm_id=vm_id,
                        disk_type=disk_type,
                        set_type=set_type,
                        charge_type=charge_type,
                        project_id=project_id,
                        settled=settled,
                    )
                    if disk_type == "Boot" and self.machines:
                        disks.install(self.machines.image, self.image(disk_id))
            if not settled:
                self._schedule(self.transition_seconds, Work.MOVE_VM, vm_id, VmState.STARTING)
            elif state == VmState.RUNNING:
                self._power_on(vm_id)
            return vm_id

    def start_vm(self, vm_id: str, *, with_busy_disks: bool = False) -> None:
        """Starting, then Running. Only from Stopped, with a boot disk, and with stable disks."""
        with self.transaction():
            self._require_vm_state(self.vm(vm_id), Reason.VM_WRONG_STATE, VmState.STOPPED)
            self._require_stable_disks(vm_id, with_busy_disks)
            if not self.find_disks(vm_id=vm_id, disk_type="Boot"):
                raise ApiError(Reason.VM_WRONG_STATE, f"{vm_id} has no boot disk")
            self._move_vm(vm_id, VmState.STARTING, VmState.RUNNING)
            self._power_on(vm_id)

    def stop_vm(self, vm_id: str, *, hangs: bool = False, with_busy_disks: bool = False) -> None:
        """Stopping, then Stopped, or Stopping for ever when the guest hangs. Only from Running, with stable disks."""
        with self.transaction():
            self._require_vm_state(self.vm(vm_id), Reason.VM_NOT_RUNNING, VmState.RUNNING)
            self._require_stable_disks(vm_id, with_busy_disks)
            self._shut_down(vm_id, VmState.STOPPING, VmState.STOPPED, hangs)

    def restart_vm(self, vm_id: str, *, hangs: bool = False, with_busy_disks: bool = False) -> None:
        """Restarting, then Running, or Restarting for ever when the guest hangs. Only from Running, with stable disks."""
        with self.transaction():
            self._require_vm_state(self.vm(vm_id), Reason.VM_NOT_RUNNING, VmState.RUNNING)
            self._require_stable_disks(vm_id, with_busy_disks)
            self._shut_down(vm_id, VmState.RESTARTING, VmState.RUNNING, hangs)

    def poweroff_vm(self, vm_id: str, *, with_busy_disks: bool = False) -> None:
        """Poweroffing, then Stopped. From Running, and out of a hung Stopping, Starting or Restarting; with stable disks."""
        with self.transaction():
            from_states = VmState.RUNNING, VmState.STOPPING, VmState.STARTING, VmState.RESTARTING
            self._require_vm_state(self.vm(vm_id), Reason.VM_NOT_RUNNING, *from_states)
            self._require_stable_disks(vm_id, with_busy_disks)
            self._move_vm(vm_id, VmState.POWEROFFING, VmState.STOPPED)
            if self.machines:
                self.machines.power_off(vm_id)

    # ---- calls

    def record_call(
        self, action: str, params: Mapping[str, str], ret_code: int | None, fault: str | None, request_id: str | None = None
    ) -> None:
        """Keep a call; ``ret_code`` is None when no answer of the API was given, ``fault`` names what befell it."""
        with self.transaction():
            call = {"action": action, "params": json.dumps(dict(params)), "ret_code": ret_code, "at": self.clock(), "fault": fault}
            self._insert("calls", call | {"request_id": request_id})

    def calls(self) -> list[dict[str, Any]]:
        """All calls in order: ``{action, params, ret_code, at, fault, request_id}``, ``at`` in Unix seconds."""
        with self._lock:
            rows = self._db.execute("SELECT action, params, ret_code, at, fault, request_id FROM calls ORDER BY seq").fetchall()
        return [dict(row) | {"params": json.loads(row["params"])} for row in rows]

    def forget_calls(self) -> None:
        """Empty the list of calls."""
        with self.transaction():
            self._db.execute("DELETE FROM calls")

    # ---- work

    def advance(self) -> None:
        """Carry out all work that is due by now, in the order in which it came due, and notice which guests have ended."""
        with self._lock:
            now = self.clock()
            while job := self._row("SELECT * FROM jobs WHERE due <= ? ORDER BY due, seq LIMIT 1", now):
                with self.transaction():
                    self._db.execute("DELETE FROM jobs WHERE seq = ?", (job["seq"],))
                    self._carry_out(Work(job["work"]), job["subject"], job["target"], job["due"])
            self._notice_ends()

    def _carry_out(self, work: Work, subject: str, target: str, due: float) -> None:
        match work:
            case Work.SETTLE_DISK:
                self._settle(subject)
            case Work.REMOVE_DISK:
                self._remove_disk(subject)
            case Work.BIN_DISK:
                self._db.execute("UPDATE disks SET deleted_at = ? WHERE id = ?", (int(due), subject))
                self._set_disk_status(subject, DiskStatus.DELETED)
                self._schedule(BIN_SECONDS, Work.REMOVE_DISK, subject, since=due)
            case Work.FINISH_SNAPSHOT:
                self._set_snapshot_status(subject, SnapshotStatus(target))
                self._settle(self.snapshot(subject).disk_id)
            case Work.FINISH_ROLLBACK:
                disk_id = self.snapshot(subject).disk_id
                disks.copy(self.snapshot_image(subject), self.image(disk_id))
                if target == "detach":
                    self._detach(disk_id)
                self._set_snapshot_status(subject, SnapshotStatus.NORMAL)
                self._settle(disk_id)
            case Work.REMOVE_SNAPSHOT:
                self.remove_snapshot(subject)
            case Work.MOVE_VM:
                self._db.execute("UPDATE vms SET state = ? WHERE id = ?", (target, subject))
                if target == VmState.STARTING:
                    self._power_on(subject)
                    self._schedule(self.transition_seconds, Work.MOVE_VM, subject, VmState.RUNNING, since=due)
            case Work.RUN_TIMER:
                self._run_timer(next(timer for timer in self.timers() if timer.id == subject), due)

    def _schedule(self, seconds: float, work: Work, subject: str, target: str = "", *, since: float | None = None) -> None:
        due = (self.clock() if since is None else since) + seconds
        self._db.execute("INSERT INTO jobs (due, work, subject, target) VALUES (?, ?, ?, ?)", (due, work, subject, target))

    def _move_vm(self, vm_id: str, state: VmState, target: VmState | None) -> None:
        self._db.execute("DELETE FROM jobs WHERE subject = ?", (vm_id,))  # a poweroff overtakes what was under way
        self._db.execute("UPDATE vms SET state = ? WHERE id = ?", (state, vm_id))
        if target:
            self._schedule(self.transition_seconds, Work.MOVE_VM, vm_id, target)

    def _shut_down(self, vm_id: str, state: VmState, end: VmState, hangs: bool) -> None:
        """Without machines, the guest ends in time, unless it hangs. With them, ``_notice_ends`` sees it."""
        self._move_vm(vm_id, state, None if hangs or self.machines else end)
        if self.machines and not hangs:
            self.machines.shut_down(vm_id)

    def _power_on(self, vm_id: str) -> None:
        if self.machines:
            attached = sorted(map(self.disk, self.find_disks(vm_id=vm_id)), key=lambda disk: (disk.disk_type != "Boot", disk.drive))
            self.machines.start(self.vm(vm_id), {disk.id: self.image(disk.id) for disk in attached})

    def _power_on_again(self) -> None:
        """After this emulator ended, and all machines with it."""
        for vm in map(self.vm, self.find_vms()):
            if vm.state in (VmState.RUNNING, VmState.STARTING):
                self._power_on(vm.id)

    def _notice_ends(self) -> None:
        if not self.machines:
            return
        for vm in map(self.vm, self.find_vms()):
            if (state := AFTER_ITS_END.get(vm.state)) and not self.machines.runs(vm.id):
                with self.transaction():
                    self._db.execute("UPDATE vms SET state = ? WHERE id = ?", (state, vm.id))
                    if state == VmState.RUNNING:
                        self._power_on(vm.id)

    def _run_timer(self, timer: Timer, due: float) -> None:
        self._schedule(timer.every, Work.RUN_TIMER, timer.id, since=due)
        for disk_id in self.find_disks(timer.disk_ids):
            disk = self.disk(disk_id)
            name = f"{timer.name}-{datetime.fromtimestamp(due, UTC):%Y%m%d%H%M%S}"
            try:
                self.create_snapshot(disk_id, name, project_id=disk.project_id, timer_id=timer.id, since=due)
            except ApiError:  # busy, or external
                continue
            made = [each for each in map(self.snapshot, self.find_snapshots(disk_id=disk_id, hidden=True)) if each.timer_id == timer.id]
            for old in made[timer.keep :]:
                if old.status in (SnapshotStatus.NORMAL, SnapshotStatus.FAILURE):
                    self._set_snapshot_status(old.id, SnapshotStatus.DELETING)
                    self._schedule(self.transition_seconds, Work.REMOVE_SNAPSHOT, old.id, since=due)

    def _settle(self, disk_id: str) -> None:
        self._set_disk_status(disk_id, self.disk(disk_id).settled)

    def _detach(self, disk_id: str) -> None:
        self._db.execute("UPDATE disks SET vm_id = '', drive = '' WHERE id = ?", (disk_id,))

    def _forget(self, table: str, row_id: str, work: Work) -> None:
        """Delete the row now, and its file after the commit: a crash in between leaves a file without a row."""
        self._db.execute(f"DELETE FROM {table} WHERE id = ?", (row_id,))
        self._schedule(0, work, row_id)

    def _remove_disk(self, disk_id: str) -> None:
        self.image(disk_id).unlink(missing_ok=True)
        self._db.execute("DELETE FROM disks WHERE id = ?", (disk_id,))

    def _remove_leftovers(self) -> None:
        for folder in ("disks", "snapshots"):
            known = {row["id"] for row in self._db.execute(f"SELECT id FROM {folder}")}
            for file in (self.directory / folder).glob("*.img"):
                if file.stem not in known:
                    file.unlink()

    # ---- rules

    def _require_no_bin(self, disk: Disk) -> None:
        if disk.deleted_at:
            raise ApiError(Reason.DISK_IN_BIN, disk.id)

    def _require_disk_status(self, disk: Disk, *allowed: DiskStatus) -> None:
        self._require_no_bin(disk)
        if (status := odd(disk, self.clock()) or disk.status) not in allowed:
            raise ApiError(Reason.DISK_WRONG_STATE, f"{disk.id} is {self.generation.spell_disk(status)}")

    def _require_snapshot_ready(self, disk: Disk) -> None:
        if disk.external:
            raise ApiError(Reason.DISK_EXTERNAL, disk.id)
        if disk.status in BUSY_WITH_SNAPSHOT:
            raise ApiError(Reason.SNAPSHOT_IN_PROGRESS, disk.id)
        self._require_disk_status(disk, *STABLE_DISK)

    def _require_normal(self, snapshot: Snapshot) -> None:
        status = snapshot.shown_status(self.clock())
        if status != SnapshotStatus.NORMAL:
            raise ApiError(Reason.SNAPSHOT_NOT_STABLE, f"{snapshot.id} is {self.generation.spell_snapshot(status)}")

    def _require_vm_state(self, vm: Vm, reason: Reason, *allowed: VmState) -> None:
        if (state := odd(vm, self.clock()) or vm.state) not in allowed:
            raise ApiError(reason, f"{vm.id} is {self.generation.spell_vm(state)}")

    def _require_stable_disks(self, vm_id: str, with_busy_disks: bool) -> None:
        for disk in map(self.disk, self.find_disks(vm_id=vm_id)):
            status = odd(disk, self.clock()) or disk.status
            if status not in STABLE_DISK and not with_busy_disks:
                raise ApiError(Reason.VM_DISK_NOT_STABLE, f"{disk.id} is {self.generation.spell_disk(status)}")

    def _require_in_bin(self, disk_id: str) -> None:
        row = self._row("SELECT deleted_at FROM disks WHERE id = ?", disk_id)
        if row is None:
            raise ApiError(Reason.RESOURCE_MISSING, disk_id)
        if not row["deleted_at"]:
            raise ApiError(Reason.NOT_IN_BIN, disk_id)

    # ---- rows

    def _now(self) -> int:
        return int(self.clock())

    def _row(self, query: str, *values: Any) -> Any:
        return self._db.execute(query, values).fetchone()

    def _insert(self, table: str, values: Mapping[str, Any]) -> None:
        columns = ", ".join(values)
        self._db.execute(f"INSERT INTO {table} ({columns}) VALUES ({', '.join('?' * len(values))})", tuple(values.values()))

    def _rows(self, query: str, ids: Collection[str]) -> list[Any]:
        with self._lock:
            return self._db.execute(f"{query} IN (SELECT value FROM json_each(?))", (json.dumps(list(ids)),)).fetchall()

    def _find(self, table: str, ids: Collection[str], equal: Mapping[str, str], condition: str = "TRUE") -> list[str]:
        return self._found(table, ids, equal, condition).all()

    def _found(self, table: str, ids: Collection[str], equal: Mapping[str, str], condition: str) -> Found:
        wanted = {column: value for column, value in equal.items() if value}
        conditions, values = [condition, *(f"{column} = ?" for column in wanted)], list[Any](wanted.values())
        if ids:
            conditions.append("id IN (SELECT value FROM json_each(?))")
            values.append(json.dumps(list(ids)))
        rows = f"FROM {table} WHERE {' AND '.join(conditions)}"

        def read(limit: int, offset: int) -> list[str]:
            with self._lock:
                query = f"SELECT id {rows} ORDER BY rowid DESC LIMIT {limit} OFFSET {offset}"
                return [row["id"] for row in self._db.execute(query, values)]

        def count() -> int:
            with self._lock:
                return int(self._row(f"SELECT count(*) AS count {rows}", *values)["count"])

        return Found(read, count)

    def _set_disk_status(self, disk_id: str, status: DiskStatus) -> None:
        self._db.execute("UPDATE disks SET status = ? WHERE id = ?", (status, disk_id))

    def _set_snapshot_status(self, snapshot_id: str, status: SnapshotStatus) -> None:
        self._db.execute("UPDATE snapshots SET status = ? WHERE id = ?", (status, snapshot_id))

    def _free_drive(self, vm_id: str) -> str:
        taken = {row["drive"] for row in self._db.execute("SELECT drive FROM disks WHERE vm_id = ?", (vm_id,))}
        return next((drive for letter in string.ascii_lowercase if (drive := f"vd{letter}") not in taken), "")


def _free_port() -> int:
    """Below those that the system gives to others while the VM is off."""
    while True:
        port = secrets.choice(range(20_000, 32_000))
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def _new_id(kind: str) -> str:
    return f"{kind}-{secrets.token_hex(6)}"
