# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bytes: what a snapshot keeps and a rollback brings back, and that a crash in between loses nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from emulator import disks
from emulator.state import State, StateInUse, VmState, Work

SMALL = 16 << 20  # a disk that is quick to compare


def write(image: Path, offset: int, data: bytes) -> None:
    with image.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def read(image: Path, offset: int, length: int) -> bytes:
    with image.open("rb") as file:
        file.seek(offset)
        return file.read(length)


def allocated(image: Path) -> int:
    return image.stat().st_blocks * 512


def test_snapshot_write_rollback(call: Any, clock: Any, disk: str) -> None:
    image = call.state.image(disk)
    os.truncate(image, SMALL)
    write(image, 0, b"boot sector")
    write(image, 5 << 20, b"data " * 1000)
    write(image, SMALL - 3, b"end")
    before = image.read_bytes()
    snapshot = call("CreateSnapshot", DiskID=disk, Name="before")["SnapshotID"]
    write(image, 0, b"while it is Createing")  # the snapshot is of the moment the call was accepted
    clock.pass_seconds(call.state.snapshot_seconds)
    write(image, 12 << 20, b"where there was a hole")
    inode = image.stat().st_ino
    with image.open("rb") as held:
        assert call.code("RollbackSnapshot", SnapshotID=snapshot, DiskID=disk) == 0
        assert read(image, 12 << 20, 5) == b"where"  # nothing is touched before it is done
        clock.pass_seconds(call.state.rollback_seconds)
        assert call.snapshot_status(snapshot) == "Normal"
        assert held.read(11) == b"boot sector"
    assert image.read_bytes() == before
    assert image.stat().st_ino == inode


def test_rollback_to_one_leaves_the_others(call: Any, clock: Any, disk: str) -> None:
    image, ids = call.state.image(disk), []
    for content in (b"one", b"two", b"six"):
        write(image, 4096, content)
        ids.append(call("CreateSnapshot", DiskID=disk, Name=content.decode())["SnapshotID"])
        clock.pass_seconds(call.state.snapshot_seconds)
    assert call.code("DeleteSnapshot", SnapshotID=ids[0]) == 0
    for snapshot, content in ((ids[1], b"two"), (ids[2], b"six")):
        assert call.code("RollbackSnapshot", SnapshotID=snapshot, DiskID=disk) == 0
        clock.pass_seconds(call.state.rollback_seconds)
        assert (call.snapshot_status(snapshot), read(image, 4096, 3)) == ("Normal", content)


def test_a_big_empty_disk_costs_nothing(call: Any) -> None:
    state = call.state
    disk = state.add_disk("big", 4000)
    write(state.image(disk), 3000 * disks.GIB, b"x")
    snapshot = state.add_snapshot(disk, "big")
    assert state.snapshot_image(snapshot).stat().st_size == 4000 * disks.GIB
    assert allocated(state.snapshot_image(snapshot)) < 1 << 20
    assert read(state.snapshot_image(snapshot), 3000 * disks.GIB, 1) == b"x"


@pytest.mark.parametrize("size", [0, 1, 4096, (1 << 20) + 1])
def test_copy_is_exact(tmp_path: Path, size: int) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(os.urandom(size))
    target.write_bytes(b"longer than the source" * 100_000)
    for _turn in range(2):
        disks.copy(source, target)
        assert target.read_bytes() == source.read_bytes()


class Crash(BaseException):
    """As near as one process comes to SIGKILL: nothing catches it, nothing is committed after it."""


def reopen(state: State) -> None:
    """The same directory in the hands of the next process."""
    state.close()
    State.__init__(state, state.directory, clock=state.clock)


@pytest.fixture
def state(tmp_path: Path, clock: Any) -> Iterator[State]:
    state = State(tmp_path, snapshot_seconds=1, rollback_seconds=1, clock=clock)
    yield state
    state.close()


def test_crash_in_the_middle_of_restoring(state: State, clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = state.add_disk("data", 1)
    os.truncate(state.image(disk), SMALL)
    write(state.image(disk), 0, b"old" * 1_000_000)
    before = state.image(disk).read_bytes()
    snapshot = state.add_snapshot(disk, "before")
    write(state.image(disk), 1000, b"new" * 1_000_000)
    state.rollback_snapshot(snapshot, disk)
    clock.pass_seconds(1)

    def crash(reader: int, writer: int, start: int, end: int) -> None:
        os.pwrite(writer, os.pread(reader, 1000, start), start)
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(disks, "_copy_range", crash)
        with pytest.raises(Crash):
            state.advance()
    assert state.image(disk).read_bytes() != before
    reopen(state)
    assert state.snapshot(snapshot).status == "RollBacking"
    state.advance()
    assert (state.snapshot(snapshot).status, state.disk(disk).status) == ("Normal", "Unbound")
    assert state.image(disk).read_bytes() == before


def test_crash_before_a_commit_leaves_no_file(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = state.add_disk("data", 1)

    def crash(*_: object) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(state, "_insert", crash)
        with pytest.raises(Crash):
            state.create_snapshot(disk, "lost")
        with pytest.raises(Crash):
            state.add_disk("lost", 1)
    assert len(list(state.directory.glob("*/*.img"))) == 3
    reopen(state)
    assert list(state.directory.glob("*/*.img")) == [state.image(disk)]
    assert (state.find_disks(), state.find_snapshots(), state.disk(disk).status) == ([disk], [], "Unbound")


def test_crash_while_removing(state: State, clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = state.add_disk("data", 1)
    snapshot = state.add_snapshot(disk, "before")
    state.delete_snapshot(snapshot)
    clock.pass_seconds(1)

    def unlink_and_crash(path: Path, missing_ok: bool = False) -> None:
        os.unlink(path)
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", unlink_and_crash)
        with pytest.raises(Crash):
            state.advance()
    reopen(state)
    assert state.snapshot(snapshot).status == "Deleting"
    state.advance()
    assert (state.find_snapshots(), list(state.directory.glob("*/*.img"))) == ([], [state.image(disk)])


def test_work_continues_after_a_restart(state: State, clock: Any) -> None:
    vm, disk = state.add_vm("web", boot_gb=1, settled=False), state.add_disk("data", 1)
    snapshot = state.create_snapshot(disk, "before")
    reopen(state)
    assert (state.vm(vm).state, state.snapshot(snapshot).status) == ("Initializing", "Createing")
    clock.pass_seconds(1)
    state.advance()
    assert (state.vm(vm).state, state.snapshot(snapshot).status, state.disk(disk).status) == ("Running", "Normal", "Unbound")


def test_a_rollback_that_detaches_continues_after_a_restart(state: State, clock: Any) -> None:
    vm = state.add_vm("web", boot_gb=1, state=VmState.STOPPED)
    (boot,) = state.find_disks(vm_id=vm)
    state.rollback_snapshot(state.add_snapshot(boot, "before"), boot, detaches=True)
    reopen(state)
    clock.pass_seconds(2)
    state.advance()
    assert (state.disk(boot).vm_id, state.disk(boot).status, state.find_disks(vm_id=vm)) == ("", "Unbound", [])


def test_late_work_is_done_in_the_order_it_came_due(state: State, clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = state.add_disk("data", 1)
    state.create_snapshot(disk, "slow", seconds=5)
    state.add_disk("quick", 1, settled=False)
    state.add_vm("quicker", boot_gb=1, settled=False)
    done: list[tuple[str, float]] = []
    carry_out = state._carry_out

    def watch(work: Work, subject: str, target: str, due: float) -> None:
        done.append((work, due))
        carry_out(work, subject, target, due)

    monkeypatch.setattr(state, "_carry_out", watch)
    clock.pass_seconds(1000)
    state.advance()
    assert [work for work, due in done] == ["settle_disk", "settle_disk", "move_vm", "move_vm", "finish_snapshot"]
    assert [due for work, due in done] == sorted(due for work, due in done)


def test_one_emulator_a_directory(state: State) -> None:
    with pytest.raises(StateInUse, match="another emulator uses"):
        State(state.directory)
