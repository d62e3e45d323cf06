# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One function an action: read and check the parameters, have the state do it, give the fields of the answer.

Records are written with the fields of the newest generation; which of them are sent is up to the generation. Of 1.x those are all that
the vendor's client models name, so that its schemas are satisfied. Rules between things are in ``state``.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from emulator.errors import ApiError, Reason
from emulator.generations import Generation, Rule
from emulator.state import BIN_SECONDS, DEFAULT_PROJECT, Disk, DiskStatus, Snapshot, SnapshotStatus, State, Vm, VmState, odd

REGION = "cn"
ZONE = "zone-01"

LIMIT_MAX = 100
DISK_GB_MAX = 8000
CHARGE_TYPES = ("Dynamic", "Month", "Year")
_COMPANY = {"RegionAlias": REGION, "CompanyID": 1, "CompanyName": "company", "Email": "owner@example.com"}

Fields = dict[str, Any]
Quirks = Mapping[str, Mapping[str, Any]]
"""Faults that change how a call is carried out: kind → its fields."""


class Params:
    """Flat parameters of one call. An empty value is the same as none (assumed). Its methods raise ApiError for missing and bad ones."""

    def __init__(self, flat: Mapping[str, str], generation: Generation) -> None:
        self._flat = flat
        self.generation = generation

    def text(self, name: str, default: str = "", *, rule: Rule | None = None) -> str:
        """An optional text, as the rule wants it."""
        value = self._flat.get(name) or default
        if rule and value and not rule.pattern.fullmatch(value):
            raise ApiError(Reason.BAD_PARAMETER, f"{name} must be {rule.words}")
        return value

    def need(self, name: str, *, rule: Rule | None = None) -> str:
        """A text that must be there."""
        if not (value := self.text(name, rule=rule)):
            raise ApiError(Reason.PARAMETER_MISSING, name)
        return value

    def name(self) -> str:
        """The Name of what is created."""
        return self.need("Name", rule=self.generation.name_rule)

    def remark(self) -> str:
        """The Remark of what is created."""
        return self.text("Remark", rule=self.generation.remark_rule)

    def project(self) -> str:
        """The project of what is created."""
        return self.text("ProjectID", DEFAULT_PROJECT) if self.generation.projects else DEFAULT_PROJECT

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        """A required text out of a fixed set."""
        if (value := self.need(name)) not in allowed:
            raise ApiError(Reason.BAD_PARAMETER, f"{name} is none of {', '.join(allowed)}")
        return value

    def number(self, name: str, default: int | None, low: int, high: int | None = None) -> int:
        """A whole number in decimal within low and high; required when there is no default."""
        text = self.need(name) if default is None else self.text(name, str(default))
        if not (text.isascii() and text.isdigit()) or len(text) > 18:
            raise ApiError(Reason.BAD_PARAMETER, f"{name} is not a whole number")
        value = int(text)
        if value < low or (high is not None and value > high):
            raise ApiError(Reason.BAD_PARAMETER, f"{name} is out of range")
        return value

    def array(self, name: str) -> list[str]:
        """``name.0``, ``name.1``, …, in no order. A bare ``name``, as in the guide's example, is a single one."""
        numbered = [value for key, value in self._flat.items() if key.startswith(f"{name}.") and key[len(name) + 1 :].isdecimal()]
        return [value for value in numbered or [self._flat.get(name, "")] if value]

    def filter(self, name: str) -> list[str]:
        """The values of a filter; none when this generation does not have it."""
        return self.array(name) if name in self.generation.filters else []


def call(state: State, action: str, flat: Mapping[str, str], quirks: Quirks) -> Fields:
    """Carry out an action of ``ACTIONS``; the fields of its answer. Raises ApiError when it is refused, with nothing done."""
    params = Params(flat, state.generation)
    if not (region := params.text("Region")):
        raise ApiError(Reason.REGION_MISSING)
    if region != REGION:
        raise ApiError(Reason.REGION_UNKNOWN, region)
    return ACTIONS[action](state, params, quirks)


# ---- snapshots


def create_snapshot(state: State, params: Params, quirks: Quirks) -> Fields:
    """CreateSnapshot: Name, DiskID, Remark, ProjectID."""
    name, disk_id = params.name(), params.need("DiskID")
    snapshot_id = state.create_snapshot(
        disk_id,
        name,
        params.remark(),
        ends_as=SnapshotStatus.FAILURE if "fail_snapshot" in quirks else SnapshotStatus.NORMAL,
        seconds=quirks["stuck_snapshot"]["seconds"] if "stuck_snapshot" in quirks else -1,
        listed_after=quirks["listing_lag"]["seconds"] if "listing_lag" in quirks else 0,
        project_id=params.project(),
    )
    _show_odd_status(state, snapshot_id, quirks)
    return {"SnapshotID": snapshot_id}


def describe_snapshot(state: State, params: Params, quirks: Quirks) -> Fields:
    """DescribeSnapshot: SnapshotIDs.N, DiskID, ProjectIDs.N, Keyword, Status.N, Offset, Limit. Unknown ids are left out (assumed)."""
    wanted, disk_id = params.array("SnapshotIDs"), params.text("DiskID")
    found = state.list_snapshots(wanted, disk_id=disk_id)
    if "missing_id_fails" in quirks and (missing := set(wanted) - set(state.find_snapshots(wanted))):
        raise ApiError(Reason.SNAPSHOT_MISSING, min(missing))
    return _page(params, found, lambda ids: _snapshot_infos(state, ids), quirks, {"Status": "SnapshotStatus"})


def rollback_snapshot(state: State, params: Params, quirks: Quirks) -> Fields:
    """RollbackSnapshot: SnapshotID, DiskID."""
    snapshot_id, disk_id = params.need("SnapshotID"), params.need("DiskID")
    state.rollback_snapshot(snapshot_id, disk_id, detaches="rollback_detaches" in quirks)
    _show_odd_status(state, snapshot_id, quirks)
    return {}


def delete_snapshot(state: State, params: Params, quirks: Quirks) -> Fields:
    """DeleteSnapshot: SnapshotID."""
    state.delete_snapshot(params.need("SnapshotID"))
    return {}


def _show_odd_status(state: State, resource_id: str, quirks: Quirks) -> None:
    if fault := quirks.get("odd_status"):
        state.show_odd_status(resource_id, fault["status"], fault["seconds"])


def _snapshot_infos(state: State, ids: Sequence[str]) -> list[Fields]:
    snapshots = state.snapshots(ids)
    disks, tags = state.disks({each.disk_id for each in snapshots.values()}), state.tags(ids)
    return [_snapshot_info(state, snapshots[each], disks[snapshots[each].disk_id], tags) for each in ids]


def _snapshot_info(state: State, snapshot: Snapshot, disk: Disk, tags: Tags) -> Fields:
    generation = state.generation
    values = {
        **_COMPANY,
        **_project(snapshot.project_id),
        **_place(),
        "Name": snapshot.name,
        "Remark": snapshot.remark,
        "SnapshotID": snapshot.id,
        "SnapshotStatus": odd(snapshot, state.clock()) or generation.spell_snapshot(snapshot.status),
        "SnapshotSize": disk.size_gb,
        "Type": snapshot.type,
        "Reason": "the storage cluster is out of space" if snapshot.status == SnapshotStatus.FAILURE else "",
        "DiskID": disk.id,
        "DiskName": disk.name,
        "DiskType": snapshot.disk_type,
        "DiskAttachResourceID": disk.vm_id,
        "DiskAttachResourceType": "VM" if disk.vm_id else "",
        "CreateTime": snapshot.create_time,
        "Encrypted": False,
        "Tags": _tags(tags, snapshot.id),
    }
    return generation.record("snapshot", values)


# ---- disks


def create_disk(state: State, params: Params, quirks: Quirks) -> Fields:
    """CreateDisk: Name, DiskSpace (GB), SetType, ChargeType, Remark, ProjectID. Quantity is how long is paid for: no effect here."""
    params.number("Quantity", 1, 0)
    disk_id = state.add_disk(
        params.name(),
        params.number("DiskSpace", None, 1, DISK_GB_MAX),
        set_type=params.need("SetType"),
        charge_type=params.choice("ChargeType", CHARGE_TYPES),
        remark=params.remark(),
        project_id=params.project(),
        settled=False,
    )
    return {"DiskID": disk_id}


def describe_disk(state: State, params: Params, quirks: Quirks) -> Fields:
    """DescribeDisk: DiskIDs.N, DiskType, AttachResourceID, ProjectIDs.N, Keyword, Status.N, DiskTypes.N, Offset, Limit."""
    found = state.find_disks(params.array("DiskIDs"), vm_id=params.text("AttachResourceID"), disk_type=params.text("DiskType"))
    filters = {"Status": "DiskStatus", "DiskTypes": "DiskType"}
    return _page(params, found, lambda ids: [_disk_info(state, disk_id) for disk_id in ids], quirks, filters)


def attach_disk(state: State, params: Params, quirks: Quirks) -> Fields:
    """AttachDisk: DiskID, ResourceID, ResourceType VM."""
    params.choice("ResourceType", ("VM",))
    disk_id = params.need("DiskID")
    state.attach_disk(disk_id, params.need("ResourceID"))
    _show_odd_status(state, disk_id, quirks)
    return {}


def detach_disk(state: State, params: Params, quirks: Quirks) -> Fields:
    """DetachDisk: DiskID, ResourceID."""
    disk_id = params.need("DiskID")
    state.detach_disk(disk_id, params.need("ResourceID"))
    _show_odd_status(state, disk_id, quirks)
    return {}


def delete_disk(state: State, params: Params, quirks: Quirks) -> Fields:
    """DeleteDisk: DiskID."""
    state.delete_disk(params.need("DiskID"))
    return {}


def _disk_status(state: State, disk: Disk) -> str:
    generation = state.generation
    hidden = disk.status == DiskStatus.SNAPSHOTING and not generation.shows_snapshoting
    return odd(disk, state.clock()) or generation.spell_disk(disk.settled if hidden else disk.status)


def _disk_info(state: State, disk_id: str) -> Fields:
    disk, generation = state.disk(disk_id), state.generation
    vm = state.vm(disk.vm_id) if state.find_vms([disk.vm_id]) else None
    values = {
        **_COMPANY,
        **_project(disk.project_id),
        **_place(),
        "DiskID": disk.id,
        "Name": disk.name,
        "Remark": disk.remark,
        "Size": disk.size_gb,
        "SetType": disk.set_type,
        "SetAlias": disk.set_type,
        "SetArch": "SSD",
        "SetProvider": "rbd",
        "DiskType": disk.disk_type,
        "DiskStatus": _disk_status(state, disk),
        "Drive": disk.drive,
        "AttachResourceID": disk.vm_id,
        "AttachResourceName": vm.name if vm else "",
        "AttachResourceStatus": _vm_state(state, vm) if vm else "",
        "AttachResourceType": "VM" if vm else "",
        "AttachResourceSnapCount": 0,
        "SnapshotCount": len(state.find_snapshots(disk_id=disk_id, hidden=True)),
        "CreatedAsBoot": disk.disk_type == "Boot",
        "Encrypted": False,
        "ShareAble": False,
        "Percent": 100,
        "Reason": "",
        "Tags": _tags(state.tags([disk_id]), disk_id),
        "ChargeType": disk.charge_type,
        "CreateTime": disk.create_time,
        "ExpireTime": disk.create_time + 3600,
    }
    return generation.record("disk", values)


# ---- the recycle bin


def describe_recycled_resource(state: State, params: Params, quirks: Quirks) -> Fields:
    """DescribeRecycledResource: ResourceIDs.N, ProjectIDs.N, Keyword, Offset, Limit. Only disks go to the bin here."""
    found = state.find_disks(params.array("ResourceIDs"), recycled=True)
    return _page(params, found, lambda ids: [_recycled_info(state, disk_id) for disk_id in ids], quirks, {})


def rollback_resource(state: State, params: Params, quirks: Quirks) -> Fields:
    """RollbackResource: ResourceID."""
    state.recover_disk(params.need("ResourceID"))
    return {}


def terminate_resource(state: State, params: Params, quirks: Quirks) -> Fields:
    """TerminateResource: ResourceID."""
    state.terminate_disk(params.need("ResourceID"))
    return {}


def _recycled_info(state: State, disk_id: str) -> Fields:
    disk = state.disk(disk_id)
    values = {
        **_COMPANY,
        **_project(disk.project_id),
        **_place(),
        "ResourceID": disk.id,
        "ResourceType": "Disk",
        "Name": disk.name,
        "Remark": disk.remark,
        "Description": disk.remark,
        "Status": "Deleted",
        "State": "Deleted",
        "CreateTime": disk.create_time,
        "DeleteTime": disk.deleted_at,
        "WillTerminateTime": disk.deleted_at + BIN_SECONDS,
        "ExpireTime": disk.create_time + 3600,
        "IsAutoTerminated": True,
    }
    return state.generation.record("recycled", values)


# ---- VMs


def create_vm_instance(state: State, params: Params, quirks: Quirks) -> Fields:
    """CreateVMInstance. The password is checked for presence and kept nowhere; Quantity is how long is paid for."""
    params.need("Password")
    params.number("Quantity", 1, 0)
    data_gb = params.number("DataDiskSpace", 0, 0, DISK_GB_MAX)
    vm_id = state.add_vm(
        params.name(),
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
        remark=params.remark(),
        project_id=params.project(),
    )
    data_disks = state.find_disks(vm_id=vm_id, disk_type="Data")
    return {"VMID": vm_id, "DiskID": data_disks[0] if data_disks else "", "EIPID": ""}


def describe_vm_instance(state: State, params: Params, quirks: Quirks) -> Fields:
    """DescribeVMInstance: VMIDs.N, VPCID, SubnetID, ProjectIDs.N, Keyword, States.N, Offset, Limit."""
    found = state.find_vms(params.array("VMIDs"), vpc_id=params.text("VPCID"), subnet_id=params.text("SubnetID"))
    return _page(params, found, lambda ids: [_vm_info(state, vm_id) for vm_id in ids], quirks, {"States": "State"})


def start_vm_instance(state: State, params: Params, quirks: Quirks) -> Fields:
    """StartVMInstance: VMID."""
    vm_id = params.need("VMID")
    state.start_vm(vm_id, with_busy_disks="busy_disks_ignored" in quirks)
    _show_odd_status(state, vm_id, quirks)
    return {}


def stop_vm_instance(state: State, params: Params, quirks: Quirks) -> Fields:
    """StopVMInstance: VMID."""
    vm_id = params.need("VMID")
    state.stop_vm(vm_id, hangs="hang_stopping" in quirks, with_busy_disks="busy_disks_ignored" in quirks)
    _show_odd_status(state, vm_id, quirks)
    return {"VMID": vm_id}


def restart_vm_instance(state: State, params: Params, quirks: Quirks) -> Fields:
    """RestartVMInstance: VMID."""
    vm_id = params.need("VMID")
    state.restart_vm(vm_id, hangs="hang_restarting" in quirks, with_busy_disks="busy_disks_ignored" in quirks)
    _show_odd_status(state, vm_id, quirks)
    return {}


def poweroff_vm_instance(state: State, params: Params, quirks: Quirks) -> Fields:
    """PoweroffVMInstance: VMID."""
    vm_id = params.need("VMID")
    state.poweroff_vm(vm_id, with_busy_disks="busy_disks_ignored" in quirks)
    _show_odd_status(state, vm_id, quirks)
    return {}


def _vm_state(state: State, vm: Vm) -> str:
    return odd(vm, state.clock()) or state.generation.spell_vm(vm.state)


def _vm_info(state: State, vm_id: str) -> Fields:
    vm, generation = state.vm(vm_id), state.generation
    network = {"VPCID": vm.vpc_id, "VPCName": vm.vpc_id, "SubnetID": vm.subnet_id, "SubnetName": vm.subnet_id}
    address = {
        "IP": vm.ip,
        "Type": generation.spell_type("Private"),
        "IPVersion": "IPv4",
        "InterfaceID": f"nic-{vm.id}",
        "InterfaceName": "eth0",
        "IsElastic": "N",
        "IsVIP": "N",
        "ISDefaultGW": 1,
        "NicType": "LAN",
        "Mode": "Direct",
        "MAC": "52:54:00:" + ":".join(vm.id[-6:][at : at + 2] for at in (0, 2, 4)),
        "SGID": vm.security_group,
        "SGName": vm.security_group,
        **network,
    }
    values = {
        **_COMPANY,
        **_project(vm.project_id),
        **_place(),
        "VMID": vm.id,
        "UUID": vm.id,
        "Name": vm.name,
        "Hostname": vm.name,
        "Remark": vm.remark,
        "State": _vm_state(state, vm),
        "Reason": "",
        "StatusProcessProgress": 100,
        "CPU": vm.cpu,
        "Memory": vm.memory_mb,
        "CPUUtilization": 0,
        "MemUsage": 0,
        "SpaceUsage": 0,
        "ImageID": vm.image_id,
        "BasicImageName": vm.image_id,
        "OSName": "Linux",
        "OSType": "Linux",
        "VMType": vm.vm_type,
        "VMTypeAlias": vm.vm_type,
        "SetID": "set-1",
        "SetArch": "x86_64",
        "HostIP": "10.255.0.1",
        "NetworkType": "VPC",
        "HighAvailability": True,
        "CanLogin": True,
        "QGAEnabled": True,
        "QGARunning": vm.state == VmState.RUNNING,
        "CloudInitEnabled": True,
        "CloudInitRunning": False,
        "ChargeType": vm.charge_type,
        "CreateTime": vm.create_time,
        "UpdateTime": vm.create_time,
        "ExpireTime": vm.create_time + 3600,
        "IPInfos": [generation.record("vm_ip", address)],
        "DiskInfos": [_vm_disk_info(state, disk_id) for disk_id in reversed(state.find_disks(vm_id=vm_id))],
        "VMSPInfos": [],
        "Tags": _tags(state.tags([vm_id]), vm_id),
        **network,
    }
    return generation.record("vm", values)


def _vm_disk_info(state: State, disk_id: str) -> Fields:
    disk, generation = state.disk(disk_id), state.generation
    values = {
        "DiskID": disk.id,
        "Type": generation.spell_type(disk.disk_type),
        "Name": disk.name,
        "Drive": disk.drive,
        "Size": disk.size_gb,
        "IsElastic": "N" if disk.disk_type == "Boot" else "Y",
        "SetID": "set-1",
        "Bus": "virtio",
        "CacheMode": "none",
        "Encrypted": False,
        "IsSharedblock": bool(disk.external),
        "ShareAble": False,
        "SnapshotCount": len(state.find_snapshots(disk_id=disk_id, hidden=True)),
        "StorageSetArch": "SSD",
        "StorageSetProvider": "rbd",
    }
    return generation.record("vm_disk", values)


# ---- what records and lists have in common


def _place() -> Fields:
    return {"Region": REGION, "Zone": ZONE}


def _project(project_id: str) -> Fields:
    return {"ProjectID": project_id, "ProjectName": project_id}


Tags = Mapping[str, Mapping[str, str]]
Infos = Callable[[Sequence[str]], list[Fields]]


def _tags(tags: Tags, resource_id: str) -> list[Fields]:
    return [{"Key": key, "Value": value} for key, value in tags.get(resource_id, {}).items()]


def _page(params: Params, found: Sequence[str], infos: Infos, quirks: Quirks, filters: Mapping[str, str]) -> Fields:
    """A page of what was found. ``filters``: parameter → the field of the record that must have one of its values."""
    generation = params.generation
    offset = params.number("Offset", 0, 0)
    limit = params.number("Limit", generation.limit, 0 if generation.limit_zero else 1, LIMIT_MAX) or generation.limit
    wanted = {field: values for name, field in {**filters, "ProjectIDs": "ProjectID"}.items() if (values := params.filter(name))}
    words = params.filter("Keyword")
    if wanted or words:
        found = [one for one, info in zip(found, infos(found), strict=True) if _matches(info, wanted, words)]
    if shuffle := quirks.get("shuffle_pages"):
        rng: random.Random = shuffle["rng"]
        found = rng.sample(found, len(found))
    if offset and "shift_pages" in quirks:
        found = found[1:]
    return {"TotalCount": len(found), "Infos": infos(found[offset : offset + limit])}


def _matches(info: Fields, wanted: Mapping[str, list[str]], words: list[str]) -> bool:
    equal = all(info[field] in values for field, values in wanted.items())
    return equal and all(word in info["Name"] or word in info["Remark"] for word in words)


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
    "DescribeRecycledResource": describe_recycled_resource,
    "RollbackResource": rollback_resource,
    "TerminateResource": terminate_resource,
    "CreateVMInstance": create_vm_instance,
    "DescribeVMInstance": describe_vm_instance,
    "StartVMInstance": start_vm_instance,
    "StopVMInstance": stop_vm_instance,
    "RestartVMInstance": restart_vm_instance,
    "PoweroffVMInstance": poweroff_vm_instance,
}
