# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One function an action: read and check the parameters, have the state do it, give the fields of the answer.

Fields are all that the vendor's client models name, so that its schemas are satisfied; rules between things are in ``state``.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

from emulator.errors import BAD_PARAMETER, PARAMETER_MISSING, REGION_MISSING, SNAPSHOT_MISSING, ZONE_MISSING, ApiError
from emulator.state import SnapshotStatus, State

REGION = "cn"
ZONE = "zone-01"

NAME_LENGTH = 30
REMARK_LENGTH = 100
LIMIT_DEFAULT = 20
LIMIT_MAX = 100
DISK_GB_MAX = 8000
CHARGE_TYPES = ("Dynamic", "Month", "Year")

Fields = dict[str, Any]
Quirks = Mapping[str, Mapping[str, Any]]
"""Faults that change how a call is carried out: kind → its fields."""


class Params:
    """Flat parameters of one call. An empty value is the same as none (assumed). Its methods raise ApiError 229 or 140."""

    def __init__(self, flat: Mapping[str, str]) -> None:
        self._flat = flat

    def text(self, name: str, default: str = "", *, length: int | None = None) -> str:
        """An optional text of at most so many characters."""
        value = self._flat.get(name) or default
        if length is not None and len(value) > length:
            raise ApiError(BAD_PARAMETER, f"{name} is longer than {length} characters")
        return value

    def need(self, name: str, *, length: int | None = None) -> str:
        """A text that must be there."""
        if not (value := self.text(name, length=length)):
            raise ApiError(PARAMETER_MISSING, name)
        return value

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        """A required text out of a fixed set."""
        if (value := self.need(name)) not in allowed:
            raise ApiError(BAD_PARAMETER, f"{name} is none of {', '.join(allowed)}")
        return value

    def number(self, name: str, default: int | None, low: int, high: int | None = None) -> int:
        """A whole number in decimal within low and high; required when there is no default."""
        text = self.need(name) if default is None else self.text(name, str(default))
        if not (text.isascii() and text.isdigit()) or len(text) > 18:
            raise ApiError(BAD_PARAMETER, f"{name} is not a whole number")
        value = int(text)
        if value < low or (high is not None and value > high):
            raise ApiError(BAD_PARAMETER, f"{name} is out of range")
        return value

    def array(self, name: str) -> list[str]:
        """``name.0``, ``name.1``, …, in no order. A bare ``name``, as in the guide's example, is a single one."""
        numbered = [value for key, value in self._flat.items() if key.startswith(f"{name}.") and key[len(name) + 1 :].isdecimal()]
        return [value for value in numbered or [self._flat.get(name, "")] if value]


def call(state: State, action: str, flat: Mapping[str, str], quirks: Quirks) -> Fields:
    """Carry out an action of ``ACTIONS``; the fields of its answer. Raises ApiError when it is refused, with nothing done."""
    params = Params(flat)
    if params.need("Region") != REGION:
        raise ApiError(REGION_MISSING)
    if params.text("Zone", ZONE) != ZONE:
        raise ApiError(ZONE_MISSING)
    return ACTIONS[action](state, params, quirks)


# ---- snapshots


def create_snapshot(state: State, params: Params, quirks: Quirks) -> Fields:
    """CreateSnapshot: Name (30 characters), DiskID, Remark (100 characters)."""
    name, disk_id = params.need("Name", length=NAME_LENGTH), params.need("DiskID")
    snapshot_id = state.create_snapshot(
        disk_id,
        name,
        params.text("Remark", length=REMARK_LENGTH),
        ends_as=SnapshotStatus.FAILURE if "fail_snapshot" in quirks else SnapshotStatus.NORMAL,
        seconds=quirks["stuck_snapshot"]["seconds"] if "stuck_snapshot" in quirks else -1,
        listed_after=quirks["listing_lag"]["seconds"] if "listing_lag" in quirks else 0,
    )
    _show_odd_status(state, snapshot_id, quirks)
    return {"SnapshotID": snapshot_id}


def describe_snapshot(state: State, params: Params, quirks: Quirks) -> Fields:
    """DescribeSnapshot: SnapshotIDs.N, DiskID, Offset, Limit. Ids that do not exist are left out (assumed)."""
    wanted, disk_id = params.array("SnapshotIDs"), params.text("DiskID")
    if "missing_id_fails" in quirks and (missing := set(wanted) - set(state.find_snapshots(wanted))):
        raise ApiError(SNAPSHOT_MISSING, min(missing))
    return _page(params, state.find_snapshots(wanted, disk_id=disk_id), lambda snapshot_id: _snapshot_info(state, snapshot_id), quirks)


def rollback_snapshot(state: State, params: Params, quirks: Quirks) -> Fields:
    """RollbackSnapshot: SnapshotID, DiskID."""
    snapshot_id, disk_id = params.need("SnapshotID"), params.need("DiskID")
    state.rollback_snapshot(snapshot_id, disk_id)
    _show_odd_status(state, snapshot_id, quirks)
    return {}


def delete_snapshot(state: State, params: Params, quirks: Quirks) -> Fields:
    """DeleteSnapshot: SnapshotID."""
    state.delete_snapshot(params.need("SnapshotID"))
    return {}


def _show_odd_status(state: State, snapshot_id: str, quirks: Quirks) -> None:
    if odd := quirks.get("odd_status"):
        state.show_odd_status(snapshot_id, odd["status"], odd["seconds"])


def _snapshot_info(state: State, snapshot_id: str) -> Fields:
    snapshot = state.snapshot(snapshot_id)
    return {
        "Region": REGION,
        "Zone": ZONE,
        "Name": snapshot.name,
        "Remark": snapshot.remark,
        "SnapshotID": snapshot.id,
        "SnapshotStatus": snapshot.shown_status(state.clock()),
        "DiskID": snapshot.disk_id,
        "DiskType": snapshot.disk_type,
        "CreateTime": snapshot.create_time,
    }


# ---- disks


def create_disk(state: State, params: Params, quirks: Quirks) -> Fields:
    """CreateDisk: Name, DiskSpace (GB), SetType, ChargeType. Quantity is how long is paid for, and changes nothing here."""
    kind = {"set_type": params.need("SetType"), "charge_type": params.choice("ChargeType", CHARGE_TYPES)}
    params.number("Quantity", 1, 0)
    return {"DiskID": state.add_disk(params.need("Name"), params.number("DiskSpace", None, 1, DISK_GB_MAX), settled=False, **kind)}


def describe_disk(state: State, params: Params, quirks: Quirks) -> Fields:
    """DescribeDisk: DiskIDs.N, DiskType, AttachResourceID (2.x), Offset, Limit."""
    found = state.find_disks(params.array("DiskIDs"), vm_id=params.text("AttachResourceID"), disk_type=params.text("DiskType"))
    return _page(params, found, lambda disk_id: _disk_info(state, disk_id), quirks)


def attach_disk(state: State, params: Params, quirks: Quirks) -> Fields:
    """AttachDisk: DiskID, ResourceID, ResourceType VM."""
    params.choice("ResourceType", ("VM",))
    state.attach_disk(params.need("DiskID"), params.need("ResourceID"))
    return {}


def detach_disk(state: State, params: Params, quirks: Quirks) -> Fields:
    """DetachDisk: DiskID, ResourceID."""
    state.detach_disk(params.need("DiskID"), params.need("ResourceID"))
    return {}


def delete_disk(state: State, params: Params, quirks: Quirks) -> Fields:
    """DeleteDisk: DiskID."""
    state.delete_disk(params.need("DiskID"))
    return {}


def _disk_info(state: State, disk_id: str) -> Fields:
    disk = state.disk(disk_id)
    return {
        "Region": REGION,
        "Zone": ZONE,
        "DiskID": disk.id,
        "Name": disk.name,
        "Remark": "",
        "Size": disk.size_gb,
        "SetType": disk.set_type,
        "DiskType": disk.disk_type,
        "DiskStatus": disk.status,
        "AttachResourceID": disk.vm_id,
        "ChargeType": disk.charge_type,
        "CreateTime": disk.create_time,
        "ExpireTime": disk.create_time + 3600,
    }


# ---- VMs


def create_vm_instance(state: State, params: Params, quirks: Quirks) -> Fields:
    """CreateVMInstance. The password is checked for presence and kept nowhere; Quantity is how long is paid for."""
    params.need("Password")
    params.number("Quantity", 1, 0)
    data_gb = params.number("DataDiskSpace", 0, 0, DISK_GB_MAX)
    vm_id = state.add_vm(
        params.need("Name", length=NAME_LENGTH),
        boot_gb=params.number("BootDiskSpace", 40, 1, DISK_GB_MAX),
        data_gb=data_gb,
        settled=False,
        boot_set_type=params.need("BootDiskSetType"),
        data_set_type=params.need("DataDiskSetType"),
        vm_type=params.need("VMType"),
        image_id=params.need("ImageID"),
        cpu=params.number("CPU", None, 1),
        memory_mb=params.number("Memory", None, 1),
        vpc_id=params.need("VPCID"),
        subnet_id=params.need("SubnetID"),
        security_group=params.need("WANSGID"),
        charge_type=params.choice("ChargeType", CHARGE_TYPES),
        ip=params.text("InternalIP"),
    )
    data_disks = state.find_disks(vm_id=vm_id, disk_type="Data")
    return {"VMID": vm_id, "DiskID": data_disks[0] if data_disks else "", "EIPID": ""}


def describe_vm_instance(state: State, params: Params, quirks: Quirks) -> Fields:
    """DescribeVMInstance: VMIDs.N, VPCID, SubnetID, Offset, Limit."""
    found = state.find_vms(params.array("VMIDs"), vpc_id=params.text("VPCID"), subnet_id=params.text("SubnetID"))
    return _page(params, found, lambda vm_id: _vm_info(state, vm_id), quirks)


def start_vm_instance(state: State, params: Params, quirks: Quirks) -> Fields:
    """StartVMInstance: VMID."""
    state.start_vm(params.need("VMID"))
    return {}


def stop_vm_instance(state: State, params: Params, quirks: Quirks) -> Fields:
    """StopVMInstance: VMID."""
    vm_id = params.need("VMID")
    state.stop_vm(vm_id, hangs="hang_stopping" in quirks)
    return {"VMID": vm_id}


def poweroff_vm_instance(state: State, params: Params, quirks: Quirks) -> Fields:
    """PoweroffVMInstance: VMID."""
    state.poweroff_vm(params.need("VMID"))
    return {}


def _vm_info(state: State, vm_id: str) -> Fields:
    vm = state.vm(vm_id)
    attached = [state.disk(disk_id) for disk_id in reversed(state.find_disks(vm_id=vm_id))]
    network = {"VPCID": vm.vpc_id, "VPCName": vm.vpc_id, "SubnetID": vm.subnet_id, "SubnetName": vm.subnet_id}
    address = {
        "IP": vm.ip,
        "Type": "Private",
        "IPVersion": "IPv4",
        "InterfaceID": f"nic-{vm.id}",
        "IsElastic": "N",
        "MAC": "52:54:00:" + ":".join(vm.id[-6:][at : at + 2] for at in (0, 2, 4)),
        "SGID": vm.security_group,
        "SGName": vm.security_group,
        **network,
    }
    return {
        "Region": REGION,
        "Zone": ZONE,
        "VMID": vm.id,
        "Name": vm.name,
        "Remark": "",
        "State": vm.state,
        "CPU": vm.cpu,
        "Memory": vm.memory_mb,
        "ImageID": vm.image_id,
        "OSName": "Linux",
        "OSType": "Linux",
        "VMType": vm.vm_type,
        "VMTypeAlias": vm.vm_type,
        "ChargeType": vm.charge_type,
        "CreateTime": vm.create_time,
        "ExpireTime": vm.create_time + 3600,
        "IPInfos": [address],
        "DiskInfos": [
            {
                "DiskID": disk.id,
                "Type": disk.disk_type,
                "Name": disk.name,
                "Drive": disk.drive,
                "Size": disk.size_gb,
                "IsElastic": "N" if disk.disk_type == "Boot" else "Y",
            }
            for disk in attached
        ],
        **network,
    }


def _page(params: Params, found: list[str], info: Callable[[str], Fields], quirks: Quirks) -> Fields:
    offset, limit = params.number("Offset", 0, 0), params.number("Limit", LIMIT_DEFAULT, 1, LIMIT_MAX)
    if shuffle := quirks.get("shuffle_pages"):
        rng: random.Random = shuffle["rng"]
        rng.shuffle(found)
    if offset and "shift_pages" in quirks:
        found = found[1:]
    return {"TotalCount": len(found), "Infos": [info(one) for one in found[offset : offset + limit]]}


Action = Callable[[State, Params, Quirks], Fields]
ACTIONS: dict[str, Action] = {
    "CreateSnapshot": create_snapshot,
    "DescribeSnapshot": describe_snapshot,
    "RollbackSnapshot": rollback_snapshot,
    "DeleteSnapshot": delete_snapshot,
    "CreateDisk": create_disk,
    "DescribeDisk": describe_disk,
    "AttachDisk": attach_disk,
    "DetachDisk": detach_disk,
    "DeleteDisk": delete_disk,
    "CreateVMInstance": create_vm_instance,
    "DescribeVMInstance": describe_vm_instance,
    "StartVMInstance": start_vm_instance,
    "StopVMInstance": stop_vm_instance,
    "PoweroffVMInstance": poweroff_vm_instance,
}
