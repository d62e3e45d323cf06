# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks and VMs: their states, and what is refused in which."""

from __future__ import annotations

from typing import Any

import pytest
from emulator.errors import Reason
from emulator.generations import GENERATIONS
from emulator.state import TRANSITION_SECONDS, VmState

pytestmark = pytest.mark.parametrize("generation", GENERATIONS)

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
    assert (
        call.one("DescribeDisk", DiskIDs=[disk]).items()
        >= {
            "Region": "cn",
            "DiskID": disk,
            "Name": "data",
            "Remark": "",
            "Size": 10,
            "SetType": "SSD",
            "DiskType": "Data",
            "DiskStatus": call.says("Unbound"),
            "AttachResourceID": "",
            "ChargeType": "Month",
            "CreateTime": 1_700_000_000,
            "ExpireTime": 1_700_003_600,
        }.items()
    )


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"Name": None}, Reason.PARAMETER_MISSING),
        ({"SetType": None}, Reason.PARAMETER_MISSING),
        ({"DiskSpace": None}, Reason.PARAMETER_MISSING),
        ({"DiskSpace": 0}, Reason.BAD_PARAMETER),
        ({"DiskSpace": 8001}, Reason.BAD_PARAMETER),
        ({"ChargeType": "Free"}, Reason.BAD_PARAMETER),
        ({"Quantity": "many"}, Reason.BAD_PARAMETER),
    ],
)
def test_parameters_of_create_disk(call: Any, params: dict[str, Any], reason: Reason) -> None:
    assert call.code("CreateDisk", **{**DISK, **params}) == call.no(reason)
    assert call("DescribeDisk")["TotalCount"] == 0
    assert list(call.state.directory.glob("disks/*")) == []


def test_attach_and_detach(call: Any, clock: Any, disk: str) -> None:
    vm = call.state.add_vm("web", boot_gb=1)
    attach = {"DiskID": disk, "ResourceID": vm, "ResourceType": "VM"}
    assert call.code("AttachDisk", **{**attach, "ResourceType": "Shelf"}) == call.no(Reason.BAD_PARAMETER)
    assert call.code("AttachDisk", **{**attach, "ResourceID": "vm-none"}) == call.no(Reason.VM_MISSING)
    assert call.code("AttachDisk", **{**attach, "DiskID": "disk-none"}) == call.no(Reason.DISK_MISSING)
    assert call.code("DetachDisk", DiskID=disk, ResourceID=vm) == call.no(Reason.DISK_WRONG_STATE)
    assert call.code("AttachDisk", **attach) == 0
    assert (call.disk_status(disk), call.code("AttachDisk", **attach)) == (call.says("Bounding"), call.no(Reason.DISK_WRONG_STATE))
    assert call.code("CreateSnapshot", DiskID=disk, Name="early") == call.no(Reason.DISK_WRONG_STATE)
    clock.pass_seconds(TRANSITION_SECONDS)
    info = call.one("DescribeDisk", DiskIDs=[disk])
    assert (info["DiskStatus"], info["AttachResourceID"]) == (call.says("Bound"), vm)
    assert call.code("DeleteDisk", DiskID=disk) == call.no(Reason.DISK_WRONG_STATE)
    assert call.code("DetachDisk", DiskID=disk, ResourceID="vm-other") == call.no(Reason.BAD_PARAMETER)
    assert call.code("DetachDisk", DiskID=disk, ResourceID=vm) == 0
    assert call.disk_status(disk) == call.says("Unbounding")
    clock.pass_seconds(TRANSITION_SECONDS)
    info = call.one("DescribeDisk", DiskIDs=[disk])
    assert (info["DiskStatus"], info["AttachResourceID"]) == (call.says("Unbound"), "")


def test_a_boot_disk_stays(call: Any) -> None:
    vm = call.state.add_vm("web", boot_gb=1)
    (boot,) = call.state.find_disks(vm_id=vm)
    assert call.code("DetachDisk", DiskID=boot, ResourceID=vm) == call.no(Reason.BAD_PARAMETER)


def test_attach_needs_a_settled_vm(call: Any, disk: str) -> None:
    vm = call.state.add_vm("web", boot_gb=1, state=VmState.STOPPING)
    assert call.code("AttachDisk", DiskID=disk, ResourceID=vm, ResourceType="VM") == call.no(Reason.VM_WRONG_STATE)


def test_a_free_boot_disk_goes_to_a_stopped_vm_without_one(call: Any, clock: Any) -> None:
    vm, other = (call.state.add_vm(name, boot_gb=1, state=VmState.STOPPED) for name in ("web", "db"))
    (boot,) = call.state.find_disks(vm_id=vm)
    detach(call, clock, boot)
    assert call.code("StartVMInstance", VMID=vm) == call.no(Reason.VM_WRONG_STATE)
    attach = {"DiskID": boot, "ResourceType": "VM"}
    assert call.code("AttachDisk", ResourceID=other, **attach) == call.no(Reason.BAD_PARAMETER)
    running = call.state.add_vm("running", boot_gb=0)
    assert call.code("AttachDisk", ResourceID=running, **attach) == call.no(Reason.VM_NOT_OFF)
    assert call.code("AttachDisk", ResourceID=vm, **attach) == 0
    clock.pass_seconds(TRANSITION_SECONDS)
    info = call.one("DescribeVMInstance", VMIDs=[vm])["DiskInfos"][0]
    assert (info["DiskID"], info["Drive"], call.code("StartVMInstance", VMID=vm)) == (boot, "vda", 0)


def detach(call: Any, clock: Any, boot: str) -> None:
    """The only way to get a boot disk off its VM: a rollback that does it."""
    snapshot = call.state.add_snapshot(boot, "before")
    call.state.rollback_snapshot(snapshot, boot, detaches=True)
    clock.pass_seconds(call.state.rollback_seconds)


def test_an_external_disk_is_like_others_but_for_snapshots(call: Any, clock: Any, generation: str) -> None:
    vm = call.state.add_vm("web", boot_gb=1, state=VmState.STOPPED)
    lun = call.state.add_disk("lun", 1, external=True)
    snapshot = call.state.add_snapshot(lun, "impossible")
    refused = 140 if generation == "1.x" else 207
    assert call.code("CreateSnapshot", DiskID=lun, Name="before") == refused
    assert call.code("RollbackSnapshot", DiskID=lun, SnapshotID=snapshot) == refused
    assert call.code("AttachDisk", DiskID=lun, ResourceID=vm, ResourceType="VM") == 0
    clock.pass_seconds(TRANSITION_SECONDS)
    assert call.disk_status(lun) == call.says("Bound")
    shown = [disk.get("IsSharedblock") for disk in call.one("DescribeVMInstance")["DiskInfos"]]
    assert shown == ([False, True] if generation == "2026" else [None, None])
    assert call.code("DetachDisk", DiskID=lun, ResourceID=vm) == 0


def test_filters_of_disks(call: Any, disk: str) -> None:
    vm = call.state.add_vm("web", boot_gb=1, data_gb=2)
    data, boot = call.state.find_disks(vm_id=vm)
    assert call.ids("DescribeDisk") == [data, boot, disk]
    assert call.ids("DescribeDisk", AttachResourceID=vm) == [data, boot]
    assert call.ids("DescribeDisk", DiskType="Boot") == [boot]
    assert call.ids("DescribeDisk", DiskIDs=[disk, "disk-none"]) == [disk]


def test_create_vm(call: Any, clock: Any) -> None:
    answer = call("CreateVMInstance", **VM, BootDiskSpace=5, DataDiskSpace=10, InternalIP="10.1.2.3")
    vm = answer["VMID"]
    info = call.one("DescribeVMInstance", VMIDs=[vm])
    assert (info["State"], info["Name"], info["CPU"], info["Memory"], info["CreateTime"]) == (
        call.says("Initializing"),
        "web",
        2,
        2048,
        1_700_000_000,
    )
    boot, data = info["DiskInfos"]
    spell = call.generation.spell_type
    assert (boot["Type"], boot["Size"], boot["Drive"], boot["IsElastic"]) == (spell("Boot"), 5, "vda", "N")
    shown = {"DiskID": answer["DiskID"], "Type": spell("Data"), "Name": "web-data", "Drive": "vdb", "Size": 10, "IsElastic": "Y"}
    assert data.items() >= shown.items()
    assert [(ip["IP"], ip["Type"], ip["SubnetID"]) for ip in info["IPInfos"]] == [("10.1.2.3", spell("Private"), "subnet-9")]
    clock.pass_seconds(TRANSITION_SECONDS)
    assert (call.vm_state(vm), call.disk_status(data["DiskID"])) == ("Starting", call.says("Bound"))
    clock.pass_seconds(TRANSITION_SECONDS)
    assert call.vm_state(vm) == "Running"


def test_create_vm_defaults(call: Any, clock: Any) -> None:
    answer = call("CreateVMInstance", **VM)
    clock.pass_seconds(1000)  # work that came due one after the other is all done at the next call
    info = call.one("DescribeVMInstance", VMIDs=[answer["VMID"]])
    assert (answer["DiskID"], info["State"], [disk["Size"] for disk in info["DiskInfos"]]) == ("", "Running", [40])


@pytest.mark.parametrize("name", [name for name in VM if name != "Name"])
def test_parameters_of_create_vm(call: Any, name: str) -> None:
    assert call.code("CreateVMInstance", **{**VM, name: None}) == call.no(Reason.PARAMETER_MISSING)
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
    assert call.code("StartVMInstance", VMID=vm) == call.no(Reason.VM_WRONG_STATE)
    assert call("StopVMInstance", VMID=vm)["VMID"] == vm
    assert (call.vm_state(vm), call.code("StopVMInstance", VMID=vm), call.code("StartVMInstance", VMID=vm)) == (
        "Stopping",
        call.no(Reason.VM_NOT_RUNNING),
        call.no(Reason.VM_WRONG_STATE),
    )
    clock.pass_seconds(TRANSITION_SECONDS)
    assert (call.vm_state(vm), call.code("StopVMInstance", VMID=vm), call.code("PoweroffVMInstance", VMID=vm)) == (
        "Stopped",
        call.no(Reason.VM_NOT_RUNNING),
        call.no(Reason.VM_NOT_RUNNING),
    )
    assert call.code("StartVMInstance", VMID=vm) == 0
    assert call.vm_state(vm) == "Starting"
    clock.pass_seconds(TRANSITION_SECONDS)
    assert call.vm_state(vm) == "Running"
    assert {call.code(f"{verb}VMInstance", VMID="vm-none") for verb in ("Start", "Stop", "Restart", "Poweroff")} == {
        call.no(Reason.VM_MISSING)
    }


def test_restart(call: Any, clock: Any) -> None:
    vm = call.state.add_vm("web", boot_gb=1)
    assert call.code("RestartVMInstance", VMID=vm) == 0
    assert (call.vm_state(vm), call.code("RestartVMInstance", VMID=vm)) == ("Restarting", call.no(Reason.VM_NOT_RUNNING))
    clock.pass_seconds(TRANSITION_SECONDS)
    assert call.vm_state(vm) == "Running"


@pytest.mark.parametrize("before", ["StartVMInstance", "StopVMInstance", "RestartVMInstance"])
def test_poweroff_overtakes(call: Any, clock: Any, before: str) -> None:
    vm = call.state.add_vm("web", boot_gb=1, state=VmState.STOPPED if before == "StartVMInstance" else VmState.RUNNING)
    assert call.code(before, VMID=vm) == 0
    clock.pass_seconds(TRANSITION_SECONDS * 0.6)
    assert (call.code("PoweroffVMInstance", VMID=vm), call.vm_state(vm)) == (0, "Poweroffing")
    clock.pass_seconds(TRANSITION_SECONDS * 0.6)  # what it overtook would be done by now
    assert call.vm_state(vm) == "Poweroffing"
    clock.pass_seconds(TRANSITION_SECONDS)
    assert call.vm_state(vm) == "Stopped"


@pytest.mark.parametrize("action", ["StartVMInstance", "StopVMInstance", "RestartVMInstance", "PoweroffVMInstance"])
def test_vm_waits_for_its_disks(call: Any, clock: Any, action: str) -> None:
    state = VmState.STOPPED if action == "StartVMInstance" else VmState.RUNNING
    vm = call.state.add_vm("web", boot_gb=1, data_gb=1, state=state)
    data, boot = call.state.find_disks(vm_id=vm)
    assert call.code("CreateSnapshot", DiskID=data, Name="busy") == 0
    assert (call.code(action, VMID=vm), call.vm_state(vm)) == (call.no(Reason.VM_DISK_NOT_STABLE), state)
    assert call.code("DetachDisk", DiskID=data, ResourceID=vm) == call.no(Reason.DISK_WRONG_STATE)
    clock.pass_seconds(call.state.snapshot_seconds)
    assert call.code(action, VMID=vm) == 0
    assert call.disk_status(boot) == call.says("Bound")
