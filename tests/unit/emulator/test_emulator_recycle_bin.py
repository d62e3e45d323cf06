# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deleted disks: the recycle bin, the way back, the end."""

from __future__ import annotations

from typing import Any

import pytest
from emulator.errors import Reason
from emulator.generations import GENERATIONS
from emulator.state import BIN_SECONDS, TRANSITION_SECONDS, State

pytestmark = pytest.mark.parametrize("generation", GENERATIONS)


@pytest.fixture
def deleted(call: Any, clock: Any, disk: str) -> str:
    """A disk in the recycle bin."""
    call.state.image(disk).write_bytes(b"of the disk")
    assert call.code("DeleteDisk", DiskID=disk) == 0
    clock.pass_seconds(TRANSITION_SECONDS)
    return disk


def test_deleting_a_disk_destroys_its_snapshots_at_once(call: Any, clock: Any, disk: str) -> None:
    state = call.state
    snapshot, other = state.add_snapshot(disk, "mine"), state.add_snapshot(state.add_disk("other", 1), "theirs")
    assert call.code("DeleteDisk", DiskID=disk) == 0
    assert (call.disk_status(disk), call.code("DeleteDisk", DiskID=disk)) == ("Deleting", call.no(Reason.DISK_WRONG_STATE))
    assert call.ids("DescribeSnapshot") == [other]
    assert call.code("RollbackSnapshot", SnapshotID=snapshot, DiskID=disk) == call.no(Reason.SNAPSHOT_MISSING)
    assert not state.snapshot_image(snapshot).exists()
    clock.pass_seconds(TRANSITION_SECONDS)
    assert call("DescribeDisk", DiskIDs=[disk])["TotalCount"] == 0


def test_only_an_unattached_disk_is_deleted(call: Any) -> None:
    vm = call.state.add_vm("web", boot_gb=1, data_gb=1)
    for disk in call.state.find_disks(vm_id=vm):
        assert call.code("DeleteDisk", DiskID=disk) == call.no(Reason.DISK_WRONG_STATE)
    assert call("DescribeRecycledResource")["TotalCount"] == 0


def test_record_of_a_deleted_disk(call: Any, clock: Any, deleted: str) -> None:
    info = call.one("DescribeRecycledResource", ResourceIDs=[deleted, "disk-none"])
    assert (
        info.items()
        >= {
            "ResourceID": deleted,
            "ResourceType": "Disk",
            "Name": "data",
            "DeleteTime": int(clock.now),
            "WillTerminateTime": int(clock.now) + BIN_SECONDS,
            "IsAutoTerminated": True,
        }.items()
    )
    assert ("Zone" in info, "ProjectID" in info) == ((True, False) if call.generation.name == "1.x" else (False, True))
    assert call("DescribeRecycledResource", ResourceIDs=["disk-none"])["TotalCount"] == 0


@pytest.mark.parametrize(
    ("action", "params"),
    [
        ("CreateSnapshot", {"Name": "late"}),
        ("RollbackSnapshot", {"SnapshotID": "snapshot-any"}),
        ("AttachDisk", {"ResourceID": "vm", "ResourceType": "VM"}),
        ("DetachDisk", {"ResourceID": "vm"}),
        ("DeleteDisk", {}),
    ],
)
def test_nothing_works_on_a_deleted_disk(call: Any, deleted: str, generation: str, action: str, params: dict[str, str]) -> None:
    if "ResourceID" in params:
        params = {**params, "ResourceID": call.state.add_vm("web", boot_gb=1)}
    assert call.code(action, DiskID=deleted, **params) == (2201 if generation == "1.x" else 5002)


def test_a_disk_comes_out_of_the_bin(call: Any, clock: Any, deleted: str) -> None:
    assert call.code("RollbackResource", ResourceID=deleted) == 0
    assert (call.disk_status(deleted), call("DescribeRecycledResource")["TotalCount"]) == (call.says("Unbound"), 0)
    assert call.state.image(deleted).read_bytes() == b"of the disk"
    assert call("DescribeSnapshot", DiskID=deleted)["TotalCount"] == 0
    clock.pass_seconds(BIN_SECONDS)
    assert call.code("CreateSnapshot", DiskID=deleted, Name="again") == 0
    assert call.code("RollbackResource", ResourceID=deleted) == call.no(Reason.NOT_IN_BIN)


def test_a_disk_is_terminated(call: Any, deleted: str) -> None:
    assert call.code("TerminateResource", ResourceID=deleted) == 0
    assert call("DescribeRecycledResource")["TotalCount"] == 0
    assert not call.state.image(deleted).exists()
    assert call.code("RollbackResource", ResourceID=deleted) == call.no(Reason.RESOURCE_MISSING)
    assert call.code("CreateSnapshot", DiskID=deleted, Name="late") == call.no(Reason.DISK_MISSING)


def test_only_what_is_in_the_bin_is_terminated(call: Any, disk: str) -> None:
    assert call.code("TerminateResource", ResourceID=disk) == call.no(Reason.NOT_IN_BIN)
    assert call.code("TerminateResource") == call.no(Reason.PARAMETER_MISSING)
    assert call.disk_status(disk) == call.says("Unbound")


def test_the_bin_empties_itself(call: Any, clock: Any, deleted: str) -> None:
    clock.pass_seconds(BIN_SECONDS - 1)
    assert call("DescribeRecycledResource")["TotalCount"] == 1
    clock.pass_seconds(1)
    assert call("DescribeRecycledResource")["TotalCount"] == 0
    assert not call.state.image(deleted).exists()


def test_a_kill_after_a_deletion_leaves_no_file(tmp_path: Any, clock: Any, generation: str) -> None:
    there = tmp_path / "other"
    state = State(there, generation=generation, clock=clock)
    disk = state.add_disk("data", 1)
    state.add_snapshot(disk, "before")
    state.delete_disk(disk)
    state.close()  # before the files went
    state = State(there, clock=clock)
    assert [file.stem for file in there.glob("*/*.img")] == [disk]
    clock.pass_seconds(1)
    state.advance()
    state.terminate_disk(disk)
    state.close()
    state = State(there, clock=clock)
    assert list(there.glob("*/*.img")) == state.find_disks(recycled=None) == []
    state.advance()
    state.close()
