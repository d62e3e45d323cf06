# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In what the generations differ: words, numbers, fields, limits, filters, projects, request ids."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
import requests
from emulator.generations import GENERATIONS
from emulator.replies import REQUEST_ID
from emulator.server import Emulator
from emulator.state import DEFAULT_PROJECT, OtherGeneration, SnapshotStatus, State

EVERY = pytest.mark.parametrize("generation", GENERATIONS)
SINCE_2 = pytest.mark.parametrize("generation", ["2.x", "2026"])
ONLY_2026 = pytest.mark.parametrize("generation", ["2026"])


@pytest.mark.parametrize(
    ("generation", "numbers"),
    [
        ("1.x", [154, 170, 170, 171, 140, 229, 162, 229, 140, 140, 2201, 200, 2011]),
        ("2.x", [101, 103, 104, 109, 110, 102, 12000, 3, 113, 113, 200, 200, 1004]),
        ("2026", [101, 103, 104, 109, 110, 102, 12000, 3, 113, 113, 200, 200, 1004]),
    ],
)
def test_return_codes(call: Any, disk: str, numbers: list[int]) -> None:
    def changed(**params: str | None) -> int:
        form = {**call.form("DescribeDisk"), **params}
        return int(call.session.post(call.emulator.api_url, data=form).json()["RetCode"])

    assert [
        changed(Action=None),
        changed(PublicKey=None),
        changed(Signature=None),
        changed(Signature="0" * 40),
        call.code("DescribeNothing"),
        call.code("DescribeDisk", Region=None),
        call.code("DescribeDisk", Region="us"),
        call.code("CreateSnapshot", Name="before"),
        call.code("CreateSnapshot", Name="before", DiskID=disk, Remark="x" * 101),
        call.code("DescribeDisk", Limit=101),
        call.code("CreateSnapshot", Name="before", DiskID="disk-none"),
        call.code("DeleteSnapshot", SnapshotID="snapshot-none"),
        call.code("StopVMInstance", VMID="vm-none"),
    ] == numbers


@pytest.mark.parametrize(
    ("generation", "numbers"),
    [
        ("1.x", [2502, 7001, 2041, 2206, 2501, 2011, 2015, 2500]),
        ("2.x", [5000, 7001, 5000, 5000, 1014, 1005, 1006, 7000]),
        ("2026", [5000, 7001, 5000, 5000, 1014, 1005, 1006, 7000]),
    ],
)
def test_return_codes_of_states(call: Any, clock: Any, numbers: list[int]) -> None:
    vm = call.state.add_vm("web", boot_gb=1)
    (boot,) = call.state.find_disks(vm_id=vm)
    snapshot = call("CreateSnapshot", DiskID=boot, Name="before")["SnapshotID"]
    found = [
        call.code("CreateSnapshot", DiskID=boot, Name="second"),
        call.code("DeleteSnapshot", SnapshotID=snapshot),
        call.code("StopVMInstance", VMID=vm),
        call.code("DetachDisk", DiskID=boot, ResourceID=vm),
    ]
    clock.pass_seconds(call.state.snapshot_seconds)
    found += [call.code("RollbackSnapshot", DiskID=boot, SnapshotID=snapshot), call.code("StartVMInstance", VMID=vm)]
    call("StopVMInstance", VMID=vm)
    found.append(call.code("RestartVMInstance", VMID=vm))
    for number in range(2):
        call.state.add_snapshot(boot, f"s{number}")
    clock.pass_seconds(1)
    found.append(call.code("CreateSnapshot", DiskID=boot, Name="fourth"))
    assert found == numbers


@pytest.mark.parametrize(
    ("generation", "words"),
    [
        ("1.x", ["Createing", "Normal", "RollBacking", "Deleting", "Failure"]),
        ("2.x", ["Createing", "Normal", "RollBacking", "Deleting", "Failure"]),
        ("2026", ["Creating", "Normal", "Rollbacking", "Deleting", "Failure"]),
    ],
)
def test_words_of_snapshots(call: Any, disk: str, words: list[str]) -> None:
    ids = [call.state.add_snapshot(disk, status.name, status=status) for status in SnapshotStatus]
    assert [call.snapshot_status(snapshot) for snapshot in ids] == words
    assert [call.state.snapshot(snapshot).status for snapshot in ids] == list(SnapshotStatus)


@pytest.mark.parametrize(
    ("generation", "words"),
    [
        ("1.x", ["Creating", "Unbound", "Bounding", "Bound", "Snapshoting", "Rollbacking", "Unbounding", "Deleting"]),
        ("2.x", ["Creating", "Unbound", "Bounding", "Bound", "Snapshoting", "Rollbacking", "Unbounding", "Deleting"]),
        ("2026", ["Creating", "Detached", "Attaching", "Attached", "Attached", "Rollbacking", "Detaching", "Deleting"]),
    ],
)
def test_words_of_disks(call: Any, clock: Any, words: list[str]) -> None:
    vm = call.state.add_vm("web", boot_gb=1)
    disk = call("CreateDisk", Name="data", DiskSpace=1, SetType="SSD", ChargeType="Month")["DiskID"]
    shown = []

    def settle(seconds: float = 1) -> None:
        shown.append(call.disk_status(disk))
        clock.pass_seconds(seconds)

    settle()
    settle()
    call("AttachDisk", DiskID=disk, ResourceID=vm, ResourceType="VM")
    settle()
    settle()
    snapshot = call("CreateSnapshot", DiskID=disk, Name="before")["SnapshotID"]
    settle(call.state.snapshot_seconds)
    call("StopVMInstance", VMID=vm)
    clock.pass_seconds(1)
    call("RollbackSnapshot", DiskID=disk, SnapshotID=snapshot)
    settle(call.state.rollback_seconds)
    call("DetachDisk", DiskID=disk, ResourceID=vm)
    settle()
    call("DeleteDisk", DiskID=disk)
    settle()
    assert shown == words


@EVERY
def test_a_refusal_uses_the_words_of_its_generation(call: Any, disk: str) -> None:
    message = call("DetachDisk", DiskID=disk, ResourceID="vm-none")["Message"]
    assert message.endswith(f"{disk} is {call.says('Unbound')}")


@pytest.mark.parametrize(
    ("generation", "there", "absent"),
    [
        ("1.x", {"Zone"}, {"ProjectID", "Type", "Reason"}),
        (
            "2.x",
            {"ProjectID", "ProjectName", "Type", "DiskAttachResourceID", "SnapshotSize", "CompanyID", "Email"},
            {"Zone", "Reason", "Tags"},
        ),
        ("2026", {"ProjectID", "Type", "DiskName", "Encrypted", "Reason", "Tags", "RegionAlias", "CompanyName"}, {"Zone"}),
    ],
)
def test_fields_of_a_snapshot(call: Any, there: set[str], absent: set[str]) -> None:
    vm = call.state.add_vm("web", boot_gb=1)
    (boot,) = call.state.find_disks(vm_id=vm)
    call.state.add_snapshot(boot, "before")
    info = call.one("DescribeSnapshot")
    assert there <= set(info)
    assert not absent & set(info)
    shown = {"Type": "Manual", "DiskAttachResourceID": vm, "DiskAttachResourceType": "VM", "DiskName": "web-boot", "SnapshotSize": 1}
    assert all(info[name] == value for name, value in shown.items() if name in info)


@pytest.mark.parametrize(
    ("generation", "disk_fields", "vm_fields", "types"),
    [
        ("1.x", {"Zone"}, {"Zone"}, ("Boot", "Private")),
        ("2.x", {"ProjectID", "AttachResourceName", "Drive"}, {"ProjectID", "HostIP", "Reason", "UpdateTime"}, ("Boot", "Private")),
        ("2026", {"SnapshotCount", "AttachResourceStatus", "Tags"}, {"Hostname", "Tags", "QGAEnabled", "QGARunning"}, ("boot", "private")),
    ],
)
def test_fields_of_disks_and_vms(call: Any, disk_fields: set[str], vm_fields: set[str], types: tuple[str, str]) -> None:
    vm_id = call.state.add_vm("web", boot_gb=1)
    (boot,) = call.state.find_disks(vm_id=vm_id)
    call.state.add_snapshot(boot, "before")
    disk, vm = call.one("DescribeDisk"), call.one("DescribeVMInstance")
    assert disk_fields <= set(disk)
    assert vm_fields <= set(vm)
    assert (vm["DiskInfos"][0]["Type"], vm["IPInfos"][0]["Type"], disk["DiskType"]) == (*types, "Boot")
    assert [disk.get("SnapshotCount", 1), vm["DiskInfos"][0].get("SnapshotCount", 1)] == [1, 1]


@EVERY
def test_why_a_snapshot_failed(call: Any, disk: str) -> None:
    call.state.add_snapshot(disk, "failed", status=SnapshotStatus.FAILURE)
    info = call.one("DescribeSnapshot")
    assert info["SnapshotStatus"] == "Failure"
    assert bool(info.get("Reason")) == (call.generation.name == "2026")


@pytest.mark.parametrize(("generation", "entries", "code_of_zero"), [("1.x", 20, 140), ("2.x", 20, 113), ("2026", 10, 0)])
def test_entries_of_a_page(call: Any, entries: int, code_of_zero: int) -> None:
    for number in range(25):
        call.state.add_disk(f"d{number}", 1)
    assert len(call("DescribeDisk")["Infos"]) == entries
    assert len(call("DescribeDisk", Limit=100)["Infos"]) == 25
    zero = call("DescribeDisk", Limit=0)
    assert (zero["RetCode"], len(zero.get("Infos", []))) == (code_of_zero, 10 if code_of_zero == 0 else 0)


@pytest.mark.parametrize(
    ("name", "generations"),
    [
        ("before_patch-1.2", {"1.x", "2.x", "2026"}),
        ("补丁之前", {"1.x", "2.x", "2026"}),
        ("x" * 31, {"2026"}),
        ("x" * 129, set()),
        ("before patch", {"1.x", "2.x"}),
        ("10:30", {"1.x", "2.x"}),
        ("🚑", {"1.x", "2.x"}),
    ],
)
@EVERY
def test_names(call: Any, disk: str, generation: str, name: str, generations: set[str]) -> None:
    create_disk = {"DiskSpace": 1, "SetType": "SSD", "ChargeType": "Month"}
    codes = {call.code("CreateSnapshot", DiskID=disk, Name=name), call.code("CreateDisk", Name=name, **create_disk)}
    assert codes == {0 if generation in generations else call.generation.codes["Bad parameter"]}


@EVERY
def test_links_in_remarks(call: Any, disk: str, generation: str) -> None:
    for remark in ("see http://wiki.example", "a line\nand https://wiki.example"):
        code = call.code("CreateSnapshot", DiskID=call.state.add_disk("d", 1), Name="before", Remark=remark)
        assert code == (113 if generation == "2026" else 0)
    assert call.code("CreateSnapshot", DiskID=disk, Name="before", Remark="a wiki:\nhttp, not a link") == 0


@EVERY
def test_projects(call: Any, clock: Any, disk: str, generation: str) -> None:
    mine = call("CreateSnapshot", DiskID=disk, Name="mine", ProjectID="project-1")["SnapshotID"]
    clock.pass_seconds(call.state.snapshot_seconds)
    other = call("CreateSnapshot", DiskID=disk, Name="other")["SnapshotID"]
    made = call("CreateDisk", Name="data", DiskSpace=1, SetType="SSD", ChargeType="Month", ProjectID="project-1")["DiskID"]
    if generation == "1.x":
        assert call.ids("DescribeSnapshot", ProjectIDs=["project-1"]) == [other, mine]
        assert call.ids("DescribeDisk", ProjectIDs=["project-1"]) == [made, disk]
        return
    assert call.one("DescribeSnapshot", SnapshotIDs=[other])["ProjectID"] == DEFAULT_PROJECT
    assert call.one("DescribeSnapshot", ProjectIDs=["project-1"])["SnapshotID"] == mine
    assert call.ids("DescribeSnapshot", ProjectIDs=["project-1", DEFAULT_PROJECT]) == [other, mine]
    assert call.ids("DescribeDisk", ProjectIDs=["project-1"]) == [made]
    assert call("DescribeSnapshot", ProjectIDs=["project-none"])["TotalCount"] == 0


@EVERY
def test_keyword(call: Any, disk: str, generation: str) -> None:
    by_name = call.state.add_snapshot(disk, "nightly-1", "")
    by_remark = call.state.add_snapshot(disk, "second", "the nightly one")
    other = call.state.add_snapshot(disk, "third")
    vm = call.state.add_vm("nightly-vm", boot_gb=1)
    found = [by_remark, by_name] if generation != "1.x" else [other, by_remark, by_name]
    assert call.ids("DescribeSnapshot", Keyword="nightly") == found
    assert call.ids("DescribeVMInstance", Keyword="nightly") == [vm]
    assert call("DescribeVMInstance", Keyword="daily")["TotalCount"] == (generation == "1.x")
    assert call("DescribeDisk", Keyword="nightly")["TotalCount"] == (2 if generation == "1.x" else 1)


@EVERY
def test_filters_by_state(call: Any, disk: str, generation: str) -> None:
    call.state.add_snapshot(disk, "usable")
    busy = call.state.add_snapshot(disk, "rolling", status=SnapshotStatus.ROLLBACKING)
    call.state.add_vm("web", boot_gb=1)
    snapshots = call.ids("DescribeSnapshot", Status=[call.says("RollBacking"), "Deleting"])
    assert (snapshots == [busy], len(snapshots)) == ((True, 1) if generation == "2026" else (False, 2))
    assert call("DescribeDisk", Status=[call.says("Bound")])["TotalCount"] == (1 if generation == "2026" else 2)
    assert call("DescribeDisk", DiskTypes=["Boot"])["TotalCount"] == (1 if generation == "2026" else 2)
    assert call("DescribeVMInstance", States=["Stopped"])["TotalCount"] == (generation == "1.x")
    assert call("DescribeVMInstance", States=["Stopped", "Running"])["TotalCount"] == 1


@EVERY
def test_every_answer_has_an_id(call: Any, disk: str, generation: str) -> None:
    answers = [call.send("DescribeDisk"), call.send("DeleteSnapshot", SnapshotID="snapshot-none")]
    answers.append(call.session.post(call.emulator.api_url, data=b"{", headers={"Content-Type": "application/json"}))  # cannot be read
    call.emulator.add_faults({"kind": "refuse", "ret_code": 2, "count": 1}, {"kind": "throttle", "rate": 0.001})
    answers += [call.send("DescribeDisk") for _turn in range(3)]
    assert [answer.json()["RetCode"] for answer in answers][3:] == [2, 0, 165 if generation == "1.x" else 199]
    ids = [answer.headers.get(REQUEST_ID) for answer in answers]
    assert ids == [one["request_id"] for one in call.emulator.calls()]
    if generation == "2026":
        assert len({str(uuid.UUID(each)) for each in ids}) == len(answers)
    else:
        assert set(ids) == {None}


@ONLY_2026
def test_what_a_gateway_makes_has_no_id(call: Any) -> None:
    shapes: list[dict[str, Any]] = [
        {"kind": "html"},
        {"kind": "http_status", "status": 502},
        {"kind": "redirect"},
        {"kind": "empty"},
        {"kind": "wrong_shape"},
    ]
    call.emulator.add_faults(*({**fault, "count": 1} for fault in shapes), {"kind": "lose_answer", "count": 1})
    answers = [call.send("DescribeDisk") for _fault in shapes]
    assert [REQUEST_ID in answer.headers for answer in answers] == [False] * len(shapes)
    with pytest.raises(requests.ConnectionError):
        call.send("DescribeDisk")
    assert all(one["request_id"] for one in call.emulator.calls())
    call.emulator.add_faults({"kind": "truncated", "cut": "json"})
    assert REQUEST_ID in call.send("DescribeDisk").headers


@EVERY
def test_which_snapshots_count_for_the_limit(call: Any, disk: str, generation: str) -> None:
    for number in range(3):  # as many as the limit
        call.state.add_snapshot(disk, f"auto-{number}", timer_id="timer-1")
    assert call.code("CreateSnapshot", DiskID=disk, Name="mine") == {"1.x": 2500, "2.x": 7000, "2026": 0}[generation]


@ONLY_2026
def test_tags(call: Any, disk: str) -> None:
    vm, snapshot = call.state.add_vm("web", boot_gb=1), call.state.add_snapshot(disk, "before")
    for resource_id, action in ((disk, "DescribeDisk"), (vm, "DescribeVMInstance"), (snapshot, "DescribeSnapshot")):
        call.state.set_tags(resource_id, {"env": "old"})
        call.state.set_tags(resource_id, {"role": "web", "site": "北京"})
        tags = [info["Tags"] for info in call(action)["Infos"]]
        assert tags[-1] == [{"Key": "role", "Value": "web"}, {"Key": "site", "Value": "北京"}]
        assert tags[:-1] in ([], [[]])


@SINCE_2
def test_a_vm_keeps_remark_and_project(call: Any) -> None:
    call.state.add_vm("web", boot_gb=1, remark="of the shop", project_id="project-7")
    vm, disk = call.one("DescribeVMInstance"), call.one("DescribeDisk")
    assert (vm["Remark"], vm["ProjectID"], disk["ProjectID"]) == ("of the shop", "project-7", "project-7")


def test_a_new_emulator_speaks_the_oldest(tmp_path: Path) -> None:
    with Emulator(tmp_path) as emulator:
        assert emulator.generation is emulator.state.generation is GENERATIONS["1.x"]


def test_the_generation_is_kept(tmp_path: Path) -> None:
    State(tmp_path, generation="2026").close()
    with pytest.raises(OtherGeneration, match=f"^{tmp_path} is of generation 2026, not 1.x$"):
        State(tmp_path, generation="1.x")
    for same in (None, "2026"):
        state = State(tmp_path, generation=same)
        assert state.generation.name == "2026"
        state.close()


def test_a_generation_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        State(tmp_path, generation="3")
    State(tmp_path, generation="2.x").close()
