# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The four snapshot actions and their rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from emulator.errors import Reason
from emulator.generations import GENERATIONS
from emulator.server import Emulator
from emulator.state import TRANSITION_SECONDS, SnapshotStatus, VmState

pytestmark = pytest.mark.parametrize("generation", GENERATIONS)


def make(call: Any, disk: str, name: str = "before") -> str:
    return str(call("CreateSnapshot", DiskID=disk, Name=name)["SnapshotID"])


def make_normal(call: Any, clock: Any, disk: str, name: str = "before") -> str:
    snapshot = make(call, disk, name)
    clock.pass_seconds(call.state.snapshot_seconds)
    return snapshot


def test_a_snapshot_takes_its_time(call: Any, clock: Any, disk: str) -> None:
    snapshot = make(call, disk)
    clock.pass_seconds(call.state.snapshot_seconds - 1)
    assert (call.snapshot_status(snapshot), call.disk_status(disk)) == (call.says("Createing"), call.busy("Unbound"))
    clock.pass_seconds(1)
    assert (call.snapshot_status(snapshot), call.disk_status(disk)) == ("Normal", call.says("Unbound"))


def test_a_bound_disk_is_bound_again(call: Any, clock: Any) -> None:
    vm = call.state.add_vm("web", boot_gb=1)
    (boot,) = call.state.find_disks(vm_id=vm)
    snapshot = make_normal(call, clock, boot)
    assert call.disk_status(boot) == call.says("Bound")
    assert call.one("DescribeSnapshot", SnapshotIDs=[snapshot])["DiskType"] == "Boot"


def test_record(call: Any, clock: Any, disk: str) -> None:
    snapshot = call("CreateSnapshot", DiskID=disk, Name="before", Remark="patch day")["SnapshotID"]
    assert (
        call.one("DescribeSnapshot", SnapshotIDs=[snapshot]).items()
        >= {
            "Region": "cn",
            "Name": "before",
            "Remark": "patch day",
            "SnapshotID": snapshot,
            "SnapshotStatus": call.says("Createing"),
            "DiskID": disk,
            "DiskType": "Data",
            "CreateTime": int(clock.now),
        }.items()
    )


def test_names_are_not_unique(call: Any, clock: Any, disk: str) -> None:
    assert make_normal(call, clock, disk) != make(call, disk)
    assert [info["Name"] for info in call("DescribeSnapshot")["Infos"]] == ["before", "before"]


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"Name": None}, Reason.PARAMETER_MISSING),
        ({"Name": ""}, Reason.PARAMETER_MISSING),
        ({"DiskID": None}, Reason.PARAMETER_MISSING),
        ({"Name": "快" * 30, "Remark": "🚑" * 100}, None),
        ({"Name": "快" * 129}, Reason.BAD_PARAMETER),
        ({"Remark": "🚑" * 101}, Reason.BAD_PARAMETER),
        ({"DiskID": "disk-none"}, Reason.DISK_MISSING),
    ],
)
def test_parameters_of_create(call: Any, disk: str, params: dict[str, Any], reason: Reason | None) -> None:
    assert call.code("CreateSnapshot", **{"DiskID": disk, "Name": "before", **params}) == call.no(reason)
    assert call("DescribeSnapshot")["TotalCount"] == (reason is None)


def test_one_snapshot_at_a_time(call: Any, clock: Any, disk: str) -> None:
    make(call, disk)
    assert call.code("CreateSnapshot", DiskID=disk, Name="second") == call.no(Reason.SNAPSHOT_IN_PROGRESS)
    other = call.state.add_disk("other", 1)
    assert call.code("CreateSnapshot", DiskID=other, Name="beside") == 0
    clock.pass_seconds(call.state.snapshot_seconds)
    assert call.code("CreateSnapshot", DiskID=disk, Name="second") == 0


def test_only_a_settled_disk_can_be_snapshotted(call: Any, clock: Any) -> None:
    disk = call("CreateDisk", Name="new", DiskSpace=1, SetType="Normal", ChargeType="Dynamic")["DiskID"]
    assert call.code("CreateSnapshot", DiskID=disk, Name="early") == call.no(Reason.DISK_WRONG_STATE)
    clock.pass_seconds(TRANSITION_SECONDS)
    assert call.code("CreateSnapshot", DiskID=disk, Name="early") == 0


def test_limit_counts_what_is_not_deleted(call: Any, clock: Any, disk: str) -> None:
    state = call.state  # its limit is 3
    state.add_snapshot(disk, "failed", status=SnapshotStatus.FAILURE)
    doomed = state.add_snapshot(disk, "doomed")
    make_normal(call, clock, disk)
    assert call.code("CreateSnapshot", DiskID=disk, Name="one-too-many") == call.no(Reason.SNAPSHOT_LIMIT)
    assert call.code("CreateSnapshot", DiskID=state.add_disk("other", 1), Name="beside") == 0
    assert call.code("DeleteSnapshot", SnapshotID=doomed) == 0
    assert call.code("CreateSnapshot", DiskID=disk, Name="too-soon") == call.no(Reason.SNAPSHOT_LIMIT)
    clock.pass_seconds(TRANSITION_SECONDS)
    assert call.code("CreateSnapshot", DiskID=disk, Name="fits") == 0


def test_limit_of_zero_is_no_limit(tmp_path: Path, clock: Any, generation: str) -> None:
    with Emulator(tmp_path / "state", snapshot_limit=0, snapshot_seconds=0, generation=generation, clock=clock) as emulator:
        disk = emulator.state.add_disk("data", 1)
        for number in range(12):
            emulator.state.create_snapshot(disk, f"s{number}")
            emulator.state.advance()
        assert len(emulator.state.find_snapshots(disk_id=disk)) == 12


def test_delete(call: Any, clock: Any, disk: str) -> None:
    snapshot = make(call, disk)
    assert call.code("DeleteSnapshot", SnapshotID=snapshot) == call.no(Reason.SNAPSHOT_NOT_STABLE)
    clock.pass_seconds(call.state.snapshot_seconds)
    image = call.state.snapshot_image(snapshot)
    assert image.exists()
    assert call.code("DeleteSnapshot", SnapshotID=snapshot) == 0
    assert call.snapshot_status(snapshot) == "Deleting"
    assert call.code("DeleteSnapshot", SnapshotID=snapshot) == call.no(Reason.SNAPSHOT_NOT_STABLE)
    clock.pass_seconds(TRANSITION_SECONDS)
    assert call("DescribeSnapshot")["TotalCount"] == 0
    assert call.code("DeleteSnapshot", SnapshotID=snapshot) == call.no(Reason.SNAPSHOT_MISSING)
    assert not image.exists()


@pytest.mark.parametrize("status", [status for status in SnapshotStatus if status != SnapshotStatus.NORMAL])
def test_only_normal_is_deleted_or_rolled_back(call: Any, disk: str, status: SnapshotStatus) -> None:
    snapshot = call.state.add_snapshot(disk, "before", status=status)
    assert call.code("DeleteSnapshot", SnapshotID=snapshot) == call.no(Reason.SNAPSHOT_NOT_STABLE)
    assert call.code("RollbackSnapshot", SnapshotID=snapshot, DiskID=disk) == call.no(Reason.SNAPSHOT_NOT_STABLE)
    assert (call.snapshot_status(snapshot), call.disk_status(disk)) == (call.says(status), call.says("Unbound"))


def test_rollback_takes_its_time(call: Any, clock: Any, disk: str) -> None:
    snapshot = make_normal(call, clock, disk)
    other = make_normal(call, clock, disk, "other")
    assert call.code("RollbackSnapshot", SnapshotID=snapshot, DiskID=disk) == 0
    clock.pass_seconds(call.state.rollback_seconds - 1)
    assert (call.snapshot_status(snapshot), call.disk_status(disk)) == (call.says("RollBacking"), call.says("Rollbacking"))
    assert call.code("RollbackSnapshot", SnapshotID=snapshot, DiskID=disk) == call.no(Reason.SNAPSHOT_NOT_STABLE)
    assert call.code("RollbackSnapshot", SnapshotID=other, DiskID=disk) == call.no(Reason.SNAPSHOT_IN_PROGRESS)
    assert call.code("CreateSnapshot", DiskID=disk, Name="now") == call.no(Reason.SNAPSHOT_IN_PROGRESS)
    assert call.code("DeleteSnapshot", SnapshotID=snapshot) == call.no(Reason.SNAPSHOT_NOT_STABLE)
    clock.pass_seconds(1)
    assert (call.snapshot_status(snapshot), call.disk_status(disk)) == ("Normal", call.says("Unbound"))


def test_rollback_needs_the_right_disk(call: Any, clock: Any, disk: str) -> None:
    snapshot, other = make_normal(call, clock, disk), call.state.add_disk("other", 1)
    assert call.code("RollbackSnapshot", SnapshotID=snapshot, DiskID=other) == call.no(Reason.BAD_PARAMETER)
    assert call.code("RollbackSnapshot", SnapshotID=snapshot, DiskID="disk-none") == call.no(Reason.DISK_MISSING)
    assert call.code("RollbackSnapshot", SnapshotID="snapshot-none", DiskID=disk) == call.no(Reason.SNAPSHOT_MISSING)
    assert call.code("RollbackSnapshot", DiskID=disk) == call.no(Reason.PARAMETER_MISSING)


@pytest.mark.parametrize(
    ("state", "reason"),
    [(state, None if state == VmState.STOPPED else Reason.VM_NOT_OFF) for state in VmState if state != VmState.INITIALIZING],
)
def test_rollback_needs_the_vm_off(call: Any, state: VmState, reason: Reason | None) -> None:
    vm = call.state.add_vm("web", boot_gb=1, state=state)
    (boot,) = call.state.find_disks(vm_id=vm)
    snapshot = call.state.add_snapshot(boot, "before")
    assert call.code("RollbackSnapshot", SnapshotID=snapshot, DiskID=boot) == call.no(reason)
    assert call.disk_status(boot) == call.says("Bound" if reason else "Rollbacking")


def test_filters_and_unknown_ids(call: Any, disk: str) -> None:
    state = call.state
    other = state.add_disk("other", 1)
    mine, theirs = state.add_snapshot(disk, "mine"), state.add_snapshot(other, "theirs")
    assert call.ids("DescribeSnapshot") == [theirs, mine]
    assert call.ids("DescribeSnapshot", DiskID=disk) == [mine]
    assert call.ids("DescribeSnapshot", SnapshotIDs=[theirs, "snapshot-none"]) == [theirs]
    assert call.ids("DescribeSnapshot", SnapshotIDs=[theirs], DiskID=disk) == []
    assert call("DescribeSnapshot", DiskID="disk-none") == {
        **call("DescribeSnapshot", DiskID="disk-none"),
        "RetCode": 0,
        "TotalCount": 0,
        "Infos": [],
    }


def test_pages(call: Any, disk: str) -> None:
    ids = [call.state.add_snapshot(disk, f"s{number}") for number in range(25)][::-1]
    usual = call.generation.limit
    assert call.ids("DescribeSnapshot") == ids[:usual]
    assert call.ids("DescribeSnapshot", Offset=usual) == ids[usual : 2 * usual]
    assert call.ids("DescribeSnapshot", Offset=3, Limit=4) == ids[3:7]
    assert call.ids("DescribeSnapshot", Offset=25) == []
    assert call.ids("DescribeSnapshot", SnapshotIDs=ids, Limit=100) == ids
    assert call("DescribeSnapshot", Offset=20)["TotalCount"] == 25


@pytest.mark.parametrize(
    "params", [{"Limit": 101}, {"Limit": "ten"}, {"Limit": "\N{FULLWIDTH DIGIT ONE}"}, {"Offset": -1}, {"Offset": "1.5"}]
)
def test_limit_and_offset_are_checked(call: Any, params: dict[str, Any]) -> None:
    assert call.code("DescribeSnapshot", **params) == call.no(Reason.BAD_PARAMETER)
