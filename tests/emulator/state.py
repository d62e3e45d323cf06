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
import sqlite3
import string
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from emulator import disks
from emulator.errors import (
    BAD_PARAMETER,
    DISK_MISSING,
    DISK_WRONG_STATE,
    SNAPSHOT_IN_PROGRESS,
    SNAPSHOT_LIMIT,
    SNAPSHOT_MISSING,
    SNAPSHOT_NOT_STABLE,
    VM_DISK_NOT_STABLE,
    VM_MISSING_OR_WRONG_STATE,
    VM_NOT_OFF,
    VM_NOT_RUNNING,
    ApiError,
)

TRANSITION_SECONDS = 0.2
"""How long the short states last: Creating, Bounding, Unbounding, Deleting, and each step of a VM on its way."""


class DiskStatus(StrEnum):
    """Those states of a disk that are reached here, in the API's spelling."""

    CREATING = "Creating"
    UNBOUND = "Unbound"
    BOUNDING = "Bounding"
    BOUND = "Bound"
    UNBOUNDING = "Unbounding"
    DELETING = "Deleting"
    SNAPSHOTING = "Snapshoting"
    ROLLBACKING = "Rollbacking"


class SnapshotStatus(StrEnum):
    """States of a snapshot in the API's spelling; Failure is of 2.x."""

    CREATEING = "Createing"
    NORMAL = "Normal"
    ROLLBACKING = "RollBacking"
    DELETING = "Deleting"
    FAILURE = "Failure"


class VmState(StrEnum):
    """Those states of a VM that are reached here, in the API's spelling."""

    INITIALIZING = "Initializing"
    STARTING = "Starting"
    RUNNING = "Running"
    STOPPING = "Stopping"
    POWEROFFING = "Poweroffing"
    STOPPED = "Stopped"


STABLE_DISK = (DiskStatus.BOUND, DiskStatus.UNBOUND)
BUSY_WITH_SNAPSHOT = (DiskStatus.SNAPSHOTING, DiskStatus.ROLLBACKING)


@dataclass(frozen=True)
class Disk:
    """A disk. ``vm_id`` and ``drive`` are empty when it is not attached; ``create_time`` is Unix seconds."""

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

    @property
    def settled(self) -> DiskStatus:
        """The state to return to when nothing is under way."""
        return DiskStatus.BOUND if self.vm_id else DiskStatus.UNBOUND


@dataclass(frozen=True)
class Vm:
    """A VM. ``memory_mb`` in MB, ``create_time`` in Unix seconds."""

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


@dataclass(frozen=True)
class Snapshot:
    """A snapshot. Lists omit it before ``listed_at``; until ``odd_until`` it shows ``odd_status`` (both Unix seconds, 0 = never)."""

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

    def shown_status(self, now: float) -> str:
        """The status that the API shows, and acts on, at this moment."""
        return self.odd_status if now < self.odd_until else self.status


class Work(StrEnum):
    """What a job does when it is due."""

    SETTLE_DISK = "settle_disk"
    REMOVE_DISK = "remove_disk"
    FINISH_SNAPSHOT = "finish_snapshot"
    FINISH_ROLLBACK = "finish_rollback"
    REMOVE_SNAPSHOT = "remove_snapshot"
    MOVE_VM = "move_vm"


_SCHEMA = """
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS disks (
    id TEXT PRIMARY KEY, name TEXT, size_gb INTEGER, set_type TEXT, disk_type TEXT, charge_type TEXT, status TEXT,
    vm_id TEXT, drive TEXT, create_time INTEGER);
CREATE TABLE IF NOT EXISTS vms (
    id TEXT PRIMARY KEY, name TEXT, state TEXT, vm_type TEXT, image_id TEXT, cpu INTEGER, memory_mb INTEGER, vpc_id TEXT,
    subnet_id TEXT, security_group TEXT, charge_type TEXT, ip TEXT, create_time INTEGER);
CREATE TABLE IF NOT EXISTS snapshots (
    id TEXT PRIMARY KEY, disk_id TEXT, disk_type TEXT, name TEXT, remark TEXT, status TEXT, create_time INTEGER,
    listed_at REAL, odd_status TEXT, odd_until REAL);
CREATE TABLE IF NOT EXISTS jobs (seq INTEGER PRIMARY KEY, due REAL, work TEXT, subject TEXT, target TEXT);
CREATE TABLE IF NOT EXISTS calls (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, action TEXT, params TEXT, ret_code INTEGER, at REAL, fault TEXT);
CREATE INDEX IF NOT EXISTS disks_by_vm ON disks (vm_id);
CREATE INDEX IF NOT EXISTS snapshots_by_disk ON snapshots (disk_id);
CREATE INDEX IF NOT EXISTS jobs_by_due ON jobs (due);
"""


class StateInUse(Exception):
    """Another emulator works on this state directory."""


class State:
    """Everything the emulated cloud knows, kept in ``directory``.

    Thread-safe: each public method takes the lock; ``transaction`` groups several. Time is Unix seconds from ``clock``;
    ``advance`` carries out what is due by then. Raises StateInUse when another process has the directory.
    """

    def __init__(
        self,
        directory: Path,
        *,
        snapshot_seconds: float = 2,
        rollback_seconds: float = 2,
        transition_seconds: float = TRANSITION_SECONDS,
        snapshot_limit: int = 10,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.directory = directory
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
        self._remove_leftovers()

    def close(self) -> None:
        """Let go of the directory."""
        with self._lock:
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
        """Raises ApiError 2201 when there is no such disk."""
        with self._lock:
            row = self._row("SELECT * FROM disks WHERE id = ?", disk_id)
        if row is None:
            raise ApiError(DISK_MISSING, disk_id)
        return Disk(**row)

    def find_disks(self, ids: Collection[str] = (), *, vm_id: str = "", disk_type: str = "") -> list[str]:
        """Ids of disks, newest first; empty filters match all."""
        return self._find("disks", ids, {"vm_id": vm_id, "disk_type": disk_type})

    def add_disk(
        self,
        name: str,
        size_gb: int,
        *,
        vm_id: str = "",
        disk_type: str = "Data",
        set_type: str = "Normal",
        charge_type: str = "Dynamic",
        settled: bool = True,
    ) -> str:
        """A new empty disk; its id. Settled: ready at once. Otherwise Creating for a moment first, as through the API."""
        with self.transaction():
            drive = self._free_drive(vm_id) if vm_id else ""
            disk = Disk(_new_id("disk"), name, size_gb, set_type, disk_type, charge_type, "", vm_id, drive, self._now())
            disks.create(self.image(disk.id), size_gb)
            self._insert("disks", asdict(disk) | {"status": disk.settled if settled else DiskStatus.CREATING})
            if not settled:
                self._schedule(self.transition_seconds, Work.SETTLE_DISK, disk.id)
            return disk.id

    def attach_disk(self, disk_id: str, vm_id: str) -> None:
        """Bounding, then Bound. Only an Unbound disk, and only a VM that is Running or Stopped (assumed)."""
        with self.transaction():
            disk, vm = self.disk(disk_id), self.vm(vm_id)
            self._require_disk_status(disk, DiskStatus.UNBOUND)
            if vm.state not in (VmState.RUNNING, VmState.STOPPED):
                raise ApiError(VM_MISSING_OR_WRONG_STATE, f"{vm_id} is {vm.state}")
            self._db.execute("UPDATE disks SET vm_id = ?, drive = ? WHERE id = ?", (vm_id, self._free_drive(vm_id), disk_id))
            self._set_disk_status(disk_id, DiskStatus.BOUNDING)
            self._schedule(self.transition_seconds, Work.SETTLE_DISK, disk_id)

    def detach_disk(self, disk_id: str, vm_id: str) -> None:
        """Unbounding, then Unbound. Only a Bound data disk of that VM."""
        with self.transaction():
            disk = self.disk(disk_id)
            self._require_disk_status(disk, DiskStatus.BOUND)
            if disk.vm_id != vm_id:
                raise ApiError(BAD_PARAMETER, f"{disk_id} is attached to {disk.vm_id}")
            if disk.disk_type == "Boot":
                raise ApiError(BAD_PARAMETER, f"{disk_id} is a boot disk")
            self._db.execute("UPDATE disks SET vm_id = '', drive = '' WHERE id = ?", (disk_id,))
            self._set_disk_status(disk_id, DiskStatus.UNBOUNDING)
            self._schedule(self.transition_seconds, Work.SETTLE_DISK, disk_id)

    def delete_disk(self, disk_id: str) -> None:
        """Deleting, then gone together with its snapshots. Only an Unbound disk."""
        with self.transaction():
            self._require_disk_status(self.disk(disk_id), DiskStatus.UNBOUND)
            self._set_disk_status(disk_id, DiskStatus.DELETING)
            self._schedule(self.transition_seconds, Work.REMOVE_DISK, disk_id)

    # ---- snapshots

    def snapshot(self, snapshot_id: str) -> Snapshot:
        """Raises ApiError 200 when there is no such snapshot."""
        with self._lock:
            row = self._row("SELECT * FROM snapshots WHERE id = ?", snapshot_id)
        if row is None:
            raise ApiError(SNAPSHOT_MISSING, snapshot_id)
        return Snapshot(**row)

    def find_snapshots(self, ids: Collection[str] = (), *, disk_id: str = "", hidden: bool = False) -> list[str]:
        """Ids of the snapshots that are listed now, or hidden ones too, newest first; empty filters match all."""
        return self._find("snapshots", ids, {"disk_id": disk_id}, listed_by=None if hidden else self.clock())

    def create_snapshot(
        self,
        disk_id: str,
        name: str,
        remark: str = "",
        *,
        ends_as: SnapshotStatus = SnapshotStatus.NORMAL,
        seconds: float | None = -1,
        listed_after: float = 0,
    ) -> str:
        """Take the disk's bytes as they are now; the new snapshot's id.

        Createing, and the disk Snapshoting, for ``seconds`` (-1: the usual time; None: for ever), then ``ends_as``. Lists omit it
        for ``listed_after`` seconds. Refused: 2201, 2206, 2502, and 2500 when the disk has its limit of them, in any state.
        """
        with self.transaction():
            disk = self.disk(disk_id)
            self._require_snapshot_ready(disk)
            (count,) = self._row("SELECT count(*) FROM snapshots WHERE disk_id = ?", disk_id)
            if self.snapshot_limit and count >= self.snapshot_limit:
                raise ApiError(SNAPSHOT_LIMIT, f"{disk_id} has {count}")
            snapshot_id = self.add_snapshot(disk_id, name, remark, SnapshotStatus.CREATEING, listed_after=listed_after)
            self._set_disk_status(disk_id, DiskStatus.SNAPSHOTING)
            if seconds is not None:
                self._schedule(self.snapshot_seconds if seconds < 0 else seconds, Work.FINISH_SNAPSHOT, snapshot_id, ends_as)
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
    ) -> str:
        """A snapshot of the disk's bytes in this state at once, without rules or work: to set a scene. ``age`` in seconds."""
        with self.transaction():
            disk = self.disk(disk_id)
            created = int(self.clock() - age)
            listed_at = self.clock() + listed_after if listed_after else 0
            snapshot = Snapshot(_new_id("snapshot"), disk_id, disk.disk_type, name, remark, status, created, listed_at)
            disks.copy(self.image(disk_id), self.snapshot_image(snapshot.id))
            self._insert("snapshots", asdict(snapshot))
            return snapshot.id

    def remove_snapshot(self, snapshot_id: str) -> None:
        """Gone at once, without rules or work: to set a scene."""
        with self.transaction():
            self.snapshot_image(snapshot_id).unlink(missing_ok=True)
            self._db.execute("DELETE FROM snapshots WHERE id = ?", (snapshot_id,))

    def rollback_snapshot(self, snapshot_id: str, disk_id: str) -> None:
        """RollBacking and Rollbacking, then the disk has the snapshot's bytes. Refused: 200, 2201, 140, 7001, 2502, 2206, 2501."""
        with self.transaction():
            snapshot, disk = self.snapshot(snapshot_id), self.disk(disk_id)
            if snapshot.disk_id != disk_id:
                raise ApiError(BAD_PARAMETER, f"{snapshot_id} is of another disk")
            self._require_normal(snapshot)
            self._require_snapshot_ready(disk)
            if disk.vm_id and self.vm(disk.vm_id).state != VmState.STOPPED:
                raise ApiError(VM_NOT_OFF, disk.vm_id)
            self._set_snapshot_status(snapshot_id, SnapshotStatus.ROLLBACKING)
            self._set_disk_status(disk_id, DiskStatus.ROLLBACKING)
            self._schedule(self.rollback_seconds, Work.FINISH_ROLLBACK, snapshot_id)

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Deleting for a moment, then gone. Refused: 200, 7001."""
        with self.transaction():
            self._require_normal(self.snapshot(snapshot_id))
            self._set_snapshot_status(snapshot_id, SnapshotStatus.DELETING)
            self._schedule(self.transition_seconds, Work.REMOVE_SNAPSHOT, snapshot_id)

    def show_odd_status(self, snapshot_id: str, status: str, seconds: float) -> None:
        """Show this status, whatever the snapshot is doing, for so long."""
        with self.transaction():
            until = self.clock() + seconds
            self._db.execute("UPDATE snapshots SET odd_status = ?, odd_until = ? WHERE id = ?", (status, until, snapshot_id))

    # ---- VMs

    def vm(self, vm_id: str) -> Vm:
        """Raises ApiError 2011 when there is no such VM."""
        with self._lock:
            row = self._row("SELECT * FROM vms WHERE id = ?", vm_id)
        if row is None:
            raise ApiError(VM_MISSING_OR_WRONG_STATE, vm_id)
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
    ) -> str:
        """A new VM with a boot disk and, with ``data_gb``, a data disk (GB); its id.

        Settled: in ``state`` at once. Otherwise Initializing, Starting, Running, as through the API.
        """
        with self.transaction():
            vm_id, state = _new_id("vm"), state if settled else VmState.INITIALIZING
            (count,) = self._row("SELECT count(*) FROM vms")
            ip = ip or f"10.0.{count // 250 % 256}.{count % 250 + 2}"
            vm = Vm(vm_id, name, state, vm_type, image_id, cpu, memory_mb, vpc_id, subnet_id, security_group, charge_type, ip, self._now())
            self._insert("vms", asdict(vm))
            for disk_type, size_gb, set_type in (("Boot", boot_gb, boot_set_type), ("Data", data_gb, data_set_type)):
                if size_gb:
                    label = f"{name}-{disk_type.lower()}"
                    kind = {"disk_type": disk_type, "set_type": set_type, "charge_type": charge_type}
                    self.add_disk(label, size_gb, vm_id=vm_id, settled=settled, **kind)
            if not settled:
                self._schedule(self.transition_seconds, Work.MOVE_VM, vm_id, VmState.STARTING)
            return vm_id

    def start_vm(self, vm_id: str) -> None:
        """Starting, then Running. Only from Stopped (2011) and with stable disks (2041)."""
        with self.transaction():
            vm = self.vm(vm_id)
            if vm.state != VmState.STOPPED:
                raise ApiError(VM_MISSING_OR_WRONG_STATE, f"{vm_id} is {vm.state}")
            self._require_stable_disks(vm_id)
            self._move_vm(vm_id, VmState.STARTING, VmState.RUNNING)

    def stop_vm(self, vm_id: str, *, hangs: bool = False) -> None:
        """Stopping, then Stopped, or Stopping for ever when the guest hangs. Only from Running (2015), with stable disks (2041)."""
        with self.transaction():
            vm = self.vm(vm_id)
            if vm.state != VmState.RUNNING:
                raise ApiError(VM_NOT_RUNNING, f"{vm_id} is {vm.state}")
            self._require_stable_disks(vm_id)
            self._move_vm(vm_id, VmState.STOPPING, None if hangs else VmState.STOPPED)

    def poweroff_vm(self, vm_id: str) -> None:
        """Poweroffing, then Stopped. From Running, and out of a hung Stopping or Starting (2015); with stable disks (2041)."""
        with self.transaction():
            vm = self.vm(vm_id)
            if vm.state not in (VmState.RUNNING, VmState.STOPPING, VmState.STARTING):
                raise ApiError(VM_NOT_RUNNING, f"{vm_id} is {vm.state}")
            self._require_stable_disks(vm_id)
            self._move_vm(vm_id, VmState.POWEROFFING, VmState.STOPPED)

    # ---- calls

    def record_call(self, action: str, params: Mapping[str, str], ret_code: int | None, fault: str | None) -> None:
        """Keep a call; ``ret_code`` is None when no answer of the API was given, ``fault`` names what befell it."""
        with self.transaction():
            values = (action, json.dumps(dict(params)), ret_code, self.clock(), fault)
            self._db.execute("INSERT INTO calls (action, params, ret_code, at, fault) VALUES (?, ?, ?, ?, ?)", values)

    def calls(self) -> list[dict[str, Any]]:
        """All calls in order: ``{action, params, ret_code, at, fault}``, ``at`` in Unix seconds."""
        with self._lock:
            rows = self._db.execute("SELECT action, params, ret_code, at, fault FROM calls ORDER BY seq").fetchall()
        return [dict(row) | {"params": json.loads(row["params"])} for row in rows]

    def forget_calls(self) -> None:
        """Empty the list of calls."""
        with self.transaction():
            self._db.execute("DELETE FROM calls")

    # ---- work

    def advance(self) -> None:
        """Carry out all work that is due by now, in the order in which it came due."""
        with self._lock:
            now = self.clock()
            while job := self._row("SELECT * FROM jobs WHERE due <= ? ORDER BY due, seq LIMIT 1", now):
                with self.transaction():
                    self._db.execute("DELETE FROM jobs WHERE seq = ?", (job["seq"],))
                    self._carry_out(Work(job["work"]), job["subject"], job["target"], job["due"])

    def _carry_out(self, work: Work, subject: str, target: str, due: float) -> None:
        match work:
            case Work.SETTLE_DISK:
                self._set_disk_status(subject, self.disk(subject).settled)
            case Work.REMOVE_DISK:
                self._remove_disk(subject)
            case Work.FINISH_SNAPSHOT | Work.FINISH_ROLLBACK:
                disk = self.disk(self.snapshot(subject).disk_id)
                if work is Work.FINISH_ROLLBACK:
                    disks.copy(self.snapshot_image(subject), self.image(disk.id))
                self._set_snapshot_status(subject, SnapshotStatus(target or SnapshotStatus.NORMAL))
                self._set_disk_status(disk.id, disk.settled)
            case Work.REMOVE_SNAPSHOT:
                self.remove_snapshot(subject)
            case Work.MOVE_VM:
                self._db.execute("UPDATE vms SET state = ? WHERE id = ?", (target, subject))
                if target == VmState.STARTING:
                    self._schedule(self.transition_seconds, Work.MOVE_VM, subject, VmState.RUNNING, since=due)

    def _schedule(self, seconds: float, work: Work, subject: str, target: str = "", *, since: float | None = None) -> None:
        due = (self.clock() if since is None else since) + seconds
        self._db.execute("INSERT INTO jobs (due, work, subject, target) VALUES (?, ?, ?, ?)", (due, work, subject, target))

    def _move_vm(self, vm_id: str, state: VmState, target: VmState | None) -> None:
        self._db.execute("DELETE FROM jobs WHERE subject = ?", (vm_id,))  # a poweroff overtakes what was under way
        self._db.execute("UPDATE vms SET state = ? WHERE id = ?", (state, vm_id))
        if target:
            self._schedule(self.transition_seconds, Work.MOVE_VM, vm_id, target)

    def _remove_disk(self, disk_id: str) -> None:
        for row in self._db.execute("SELECT id FROM snapshots WHERE disk_id = ?", (disk_id,)).fetchall():
            self.remove_snapshot(row["id"])
        self.image(disk_id).unlink(missing_ok=True)
        self._db.execute("DELETE FROM disks WHERE id = ?", (disk_id,))

    def _remove_leftovers(self) -> None:
        for folder in ("disks", "snapshots"):
            known = {row["id"] for row in self._db.execute(f"SELECT id FROM {folder}")}
            for file in (self.directory / folder).glob("*.img"):
                if file.stem not in known:
                    file.unlink()

    # ---- rules

    def _require_disk_status(self, disk: Disk, *allowed: DiskStatus) -> None:
        if disk.status not in allowed:
            raise ApiError(DISK_WRONG_STATE, f"{disk.id} is {disk.status}")

    def _require_snapshot_ready(self, disk: Disk) -> None:
        if disk.status in BUSY_WITH_SNAPSHOT:
            raise ApiError(SNAPSHOT_IN_PROGRESS, f"{disk.id} is {disk.status}")
        self._require_disk_status(disk, *STABLE_DISK)

    def _require_normal(self, snapshot: Snapshot) -> None:
        status = snapshot.shown_status(self.clock())
        if status != SnapshotStatus.NORMAL:
            raise ApiError(SNAPSHOT_NOT_STABLE, f"{snapshot.id} is {status}")

    def _require_stable_disks(self, vm_id: str) -> None:
        for disk_id in self.find_disks(vm_id=vm_id):
            disk = self.disk(disk_id)
            if disk.status not in STABLE_DISK:
                raise ApiError(VM_DISK_NOT_STABLE, f"{disk_id} is {disk.status}")

    # ---- rows

    def _now(self) -> int:
        return int(self.clock())

    def _row(self, query: str, *values: Any) -> Any:
        return self._db.execute(query, values).fetchone()

    def _insert(self, table: str, values: Mapping[str, Any]) -> None:
        columns = ", ".join(values)
        self._db.execute(f"INSERT INTO {table} ({columns}) VALUES ({', '.join('?' * len(values))})", tuple(values.values()))

    def _find(self, table: str, ids: Collection[str], equal: Mapping[str, str], *, listed_by: float | None = None) -> list[str]:
        wanted = {column: value for column, value in equal.items() if value}
        conditions, values = [f"{column} = ?" for column in wanted], list[Any](wanted.values())
        if ids:
            conditions.append("id IN (SELECT value FROM json_each(?))")
            values.append(json.dumps(list(ids)))
        if listed_by is not None:
            conditions.append("listed_at <= ?")
            values.append(listed_by)
        query = f"SELECT id FROM {table} WHERE {' AND '.join(conditions) or 'TRUE'} ORDER BY rowid DESC"
        with self._lock:
            return [row["id"] for row in self._db.execute(query, values)]

    def _set_disk_status(self, disk_id: str, status: DiskStatus) -> None:
        self._db.execute("UPDATE disks SET status = ? WHERE id = ?", (status, disk_id))

    def _set_snapshot_status(self, snapshot_id: str, status: SnapshotStatus) -> None:
        self._db.execute("UPDATE snapshots SET status = ? WHERE id = ?", (status, snapshot_id))

    def _free_drive(self, vm_id: str) -> str:
        taken = {row["drive"] for row in self._db.execute("SELECT drive FROM disks WHERE vm_id = ?", (vm_id,))}
        return next((drive for letter in string.ascii_lowercase if (drive := f"vd{letter}") not in taken), "")


def _new_id(kind: str) -> str:
    return f"{kind}-{secrets.token_hex(6)}"
