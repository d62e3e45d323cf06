# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks and VMs: their states, and what is refused in which."""

from __future__ import annotations

from typing import Any

import pytest
from emulator.state import TRANSITION_SECONDS, VmState

DISK = {"Name": "data", "DiskSpace": 10, "SetType": "SSD", "ChargeType": "Month", "Quantity": 1}
VM = {
    "Name": "web",
    "VMType": "Normal",
    "ImageID": "cn-image-centos-74",
    "CPU": 2,
    "Memory": 2048,
    "BootDiskSetType": "Normal",
    "DataDiskSetType": "SSD",
    "VPCID": "vpc-9",
    "SubnetID": "subnet-9",
    "WANSGID": "sg-9",
    "ChargeType": "Dynamic",
    "Password": "Passw0rd-of-a-test",
}


def test_create_disk(call: Any, clock: Any) -> None:
    disk = call("CreateDisk", **DISK)["DiskID"]
    assert call.disk_status(disk) == "Creating"
    assert call.state.image(disk).stat().st_size == 10 * 1024**3
    clock.pass_seconds(TRANSITION_SECONDS)
    assert call.one("DescribeDisk", DiskIDs=[disk]) == {
        "Region": "cn",
        "Zone": "zone-01",
        "DiskID": disk,
        "Name": "data",
        "Remark": "",
        "Size": 10,
        "SetType": "SSD",
        "DiskType": "Data",
        "DiskStatus": "Unbound",
        "AttachResourceID": "",
        "ChargeType": "Month",
        "CreateTime": 1_700_000_000,
        "ExpireTime": 1_700_003_600,
    }


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"Name": None}, 229),
        ({"SetType": None}, 229),
        ({"DiskSpace": None}, 229),
        ({"DiskSpace": 0}, 140),
        ({"DiskSpace": 8001}, 140),
        ({"ChargeType": "Free"}, 140),
        ({"Quantity": "many"}, 140),
    ],
)
def test_parameters_of_create_disk(call: Any, params: dict[str, Any], code: int) -> None:
    assert call.code("CreateDisk", **{**DISK, **params}) == code
    assert call("DescribeDisk")["TotalCount"] == 0
    assert list(call.state.directory.glob("disks/*")) == []


def test_attach_and_detach(call: Any, clock: Any, disk: str) -> None:
    vm = call.state.add_vm("web", boot_gb=1)
    attach = {"DiskID": disk, "ResourceID": vm, "ResourceType": "VM"}
    assert call.code("AttachDisk", **{**attach, "ResourceType": "Shelf"}) == 140
    assert call.code("AttachDisk", **{**attach, "ResourceID": "vm-none"}) == 2011
    assert call.code("AttachDisk", **{**attach, "DiskID": "disk-none"}) == 2201
    assert call.code("DetachDisk", DiskID=disk, ResourceID=vm) == 2206
    assert call.code("AttachDisk", **attach) == 0
    assert (call.disk_status(disk), call.code("AttachDisk", **attach)) == ("Bounding", 2206)
    assert call.code("CreateSnapshot", DiskID=disk, Name="early") == 2206
    clock.pass_seconds(TRANSITION_SECONDS)
    info = call.one("DescribeDisk", DiskIDs=[disk])
    assert (info["DiskStatus"], info["AttachResourceID"]) == ("Bound", vm)
    assert call.code("DeleteDisk", DiskID=disk) == 2206
    assert call.code("DetachDisk", DiskID=disk, ResourceID="vm-other") == 140
    assert call.code("DetachDisk", DiskID=disk, ResourceID=vm) == 0
    assert call.disk_status(disk) == "Unbounding"
    clock.pass_seconds(TRANSITION_SECONDS)
    info = call.one("DescribeDisk", DiskIDs=[disk])
    assert (info["DiskStatus"], info["AttachResourceID"]) == ("Unbound", "")


def test_a_boot_disk_stays(call: Any) -> None:
    vm = call.state.add_vm("web", boot_gb=1)
    (boot,) = call.state.find_disks(vm_id=vm)
    assert call.code("DetachDisk", DiskID=boot, ResourceID=vm) == 140


def test_attach_needs_a_settled_vm(call: Any, disk: str) -> None:
    vm = call.state.add_vm("web", boot_gb=1, state=VmState.STOPPING)
    assert call.code("AttachDisk", DiskID=disk, ResourceID=vm, ResourceType="VM") == 2011


def test_filters_of_disks(call: Any, disk: str) -> None:
    vm = call.state.add_vm("web", boot_gb=1, data_gb=2)
    data, boot = call.state.find_disks(vm_id=vm)
    assert call.ids("DescribeDisk") == [data, boot, disk]
    assert call.ids("DescribeDisk", AttachResourceID=vm) == [data, boot]
    assert call.ids("DescribeDisk", DiskType="Boot") == [boot]
    assert call.ids("DescribeDisk", DiskIDs=[disk, "disk-none"]) == [disk]


def test_deleting_a_disk_destroys_its_snapshots(call: Any, clock: Any, disk: str) -> None:
    state = call.state
    snapshot, other = state.add_snapshot(disk, "mine"), state.add_snapshot(state.add_disk("other", 1), "theirs")
    files = state.image(disk), state.snapshot_image(snapshot)
    assert call.code("DeleteDisk", DiskID=disk) == 0
    assert (call.disk_status(disk), call.code("DeleteDisk", DiskID=disk)) == ("Deleting", 2206)
    assert call.code("RollbackSnapshot", SnapshotID=snapshot, DiskID=disk) == 2206
    clock.pass_seconds(TRANSITION_SECONDS)
    assert [info["SnapshotID"] for info in call("DescribeSnapshot")["Infos"]] == [other]
    assert call.code("DeleteDisk", DiskID=disk) == 2201
    assert not any(file.exists() for file in files)


def test_create_vm(call: Any, clock: Any) -> None:
    answer = call("CreateVMInstance", **VM, BootDiskSpace=5, DataDiskSpace=10, InternalIP="10.1.2.3")
    vm = answer["VMID"]
    info = call.one("DescribeVMInstance", VMIDs=[vm])
    assert (info["State"], info["Name"], info["CPU"], info["Memory"], info["CreateTime"]) == ("Initializing", "web", 2, 2048, 1_700_000_000)
    boot, data = info["DiskInfos"]
    assert (boot["Type"], boot["Size"], boot["Drive"], boot["IsElastic"]) == ("Boot", 5, "vda", "N")
    assert data == {"DiskID": answer["DiskID"], "Type": "Data", "Name": "web-data", "Drive": "vdb", "Size": 10, "IsElastic": "Y"}
    assert [(ip["IP"], ip["Type"], ip["SubnetID"]) for ip in info["IPInfos"]] == [("10.1.2.3", "Private", "subnet-9")]
    clock.pass_seconds(TRANSITION_SECONDS)
    assert (call.vm_state(vm), call.disk_status(data["DiskID"])) == ("Starting", "Bound")
    clock.pass_seconds(TRANSITION_SECONDS)
    assert call.vm_state(vm) == "Running"


def test_create_vm_defaults(call: Any, clock: Any) -> None:
    answer = call("CreateVMInstance", **VM)
    clock.pass_seconds(1000)  # work that came due one after the other is all done at the next call
    info = call.one("DescribeVMInstance", VMIDs=[answer["VMID"]])
    assert (answer["DiskID"], info["State"], [disk["Size"] for disk in info["DiskInfos"]]) == ("", "Running", [40])


@pytest.mark.parametrize("name", [name for name in VM if name != "Name"])
def test_parameters_of_create_vm(call: Any, name: str) -> None:
    assert call.code("CreateVMInstance", **{**VM, name: None}) == 229
    assert call("DescribeVMInstance")["TotalCount"] == call("DescribeDisk")["TotalCount"] == 0


def test_filters_of_vms(call: Any) -> None:
    state = call.state
    one, two = state.add_vm("one", boot_gb=1, vpc_id="vpc-1", subnet_id="a"), state.add_vm("two", boot_gb=1, vpc_id="vpc-2", subnet_id="b")
    assert (
        call.ids("DescribeVMInstance"),
        call.ids("DescribeVMInstance", VMIDs=[one, "vm-none"]),
        call.ids("DescribeVMInstance", VPCID="vpc-2"),
        call.ids("DescribeVMInstance", SubnetID="a"),
    ) == ([two, one], [one], [two], [one])


def test_stop_and_start(call: Any, clock: Any) -> None:
    vm = call.state.add_vm("web", boot_gb=1)
    assert call.code("StartVMInstance", VMID=vm) == 2011
    assert call("StopVMInstance", VMID=vm)["VMID"] == vm
    assert (call.vm_state(vm), call.code("StopVMInstance", VMID=vm), call.code("StartVMInstance", VMID=vm)) == ("Stopping", 2015, 2011)
    clock.pass_seconds(TRANSITION_SECONDS)
    assert (call.vm_state(vm), call.code("StopVMInstance", VMID=vm), call.code("PoweroffVMInstance", VMID=vm)) == ("Stopped", 2015, 2015)
    assert call.code("StartVMInstance", VMID=vm) == 0
    assert call.vm_state(vm) == "Starting"
    clock.pass_seconds(TRANSITION_SECONDS)
    assert call.vm_state(vm) == "Running"
    assert {call.code(f"{verb}VMInstance", VMID="vm-none") for verb in ("Start", "Stop", "Poweroff")} == {2011}


@pytest.mark.parametrize("before", ["StartVMInstance", "StopVMInstance"])
def test_poweroff_overtakes(call: Any, clock: Any, before: str) -> None:
    vm = call.state.add_vm("web", boot_gb=1, state=VmState.STOPPED if before == "StartVMInstance" else VmState.RUNNING)
    assert call.code(before, VMID=vm) == 0
    clock.pass_seconds(TRANSITION_SECONDS * 0.6)
    assert (call.code("PoweroffVMInstance", VMID=vm), call.vm_state(vm)) == (0, "Poweroffing")
    clock.pass_seconds(TRANSITION_SECONDS * 0.6)  # what it overtook would be done by now
    assert call.vm_state(vm) == "Poweroffing"
    clock.pass_seconds(TRANSITION_SECONDS)
    assert call.vm_state(vm) == "Stopped"


@pytest.mark.parametrize("action", ["StartVMInstance", "StopVMInstance", "PoweroffVMInstance"])
def test_vm_waits_for_its_disks(call: Any, clock: Any, action: str) -> None:
    state = VmState.STOPPED if action == "StartVMInstance" else VmState.RUNNING
    vm = call.state.add_vm("web", boot_gb=1, data_gb=1, state=state)
    data, boot = call.state.find_disks(vm_id=vm)
    assert call.code("CreateSnapshot", DiskID=data, Name="busy") == 0
    assert (call.code(action, VMID=vm), call.vm_state(vm)) == (2041, state)
    assert call.code("DetachDisk", DiskID=data, ResourceID=vm) == 2206
    clock.pass_seconds(call.state.snapshot_seconds)
    assert call.code(action, VMID=vm) == 0
    assert call.disk_status(boot) == "Bound"
