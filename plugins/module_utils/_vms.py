# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""VMs and the disks attached to them (API guide chapters 2 and 4)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from ansible_collections.ucloudstack.cloud.plugins.module_utils import _snapshots
from ansible_collections.ucloudstack.cloud.plugins.module_utils._answers import Answer, read_entries
from ansible_collections.ucloudstack.cloud.plugins.module_utils._client import Client, Params
from ansible_collections.ucloudstack.cloud.plugins.module_utils._clock import Deadline
from ansible_collections.ucloudstack.cloud.plugins.module_utils._errors import NoPermissionError
from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import Disk, Vm
from ansible_collections.ucloudstack.cloud.plugins.module_utils._states import IN_PROGRESS, UNLISTED, DiskState


def attachments(client: Client, disk_ids: Sequence[str], deadline: Deadline) -> tuple[dict[str, Disk], list[str]]:
    """Each disk with its VM and the state of the VM, by disk id, and warnings about what the key has no permission to read.

    A disk that the API does not list has the status :data:`UNLISTED`; without permission to list disks, the result is empty.
    Raises as :meth:`Client.listing`.
    """
    try:
        found = disks(client, disk_ids, deadline)
    except NoPermissionError as error:
        return {}, [f"It could not be checked that the VMs of the disks are off: {error}"]
    vm_ids = sorted({disk.vm_id for disk in found} - {""})
    states, warnings = {}, []
    try:
        states = {vm.vm_id: vm.state for vm in by_ids(client, vm_ids, deadline)}
    except NoPermissionError as error:
        warnings = [f"It could not be checked that the VMs {', '.join(vm_ids)} are off: {error}"]
    else:
        unlisted = [vm_id for vm_id in vm_ids if vm_id not in states]
        if unlisted:
            warnings = [f"It could not be checked that the VMs {', '.join(unlisted)} are off: they are not listed for this key."]
    listed = {disk.disk_id: replace(disk, vm_state=states.get(disk.vm_id, "")) for disk in found}
    return {disk_id: listed.get(disk_id, Disk(disk_id, UNLISTED)) for disk_id in disk_ids}, warnings


def by_ids(client: Client, vm_ids: Sequence[str], deadline: Deadline) -> list[Vm]:
    """The existing VMs of these ids. Raises as :meth:`Client.listing`."""
    return read_entries("DescribeVMInstance", client.by_ids("DescribeVMInstance", "VMIDs", vm_ids, "VMID", deadline), Vm.from_api)


def everything(client: Client, deadline: Deadline, filters: Params) -> list[Vm]:
    """All VMs visible to the key that match these filters of DescribeVMInstance, if the platform has them.

    Raises as :meth:`Client.listing`.
    """
    entries = client.listing("DescribeVMInstance", filters, "VMID", deadline, at_once=client.config.parallelism)
    return read_entries("DescribeVMInstance", entries or [], Vm.from_api)


def with_disk_states(client: Client, vms: Sequence[Vm], deadline: Deadline) -> list[Vm]:
    """The same VMs, with the ids of their busy disks. Raises as :meth:`Client.listing`.

    Starting or stopping a VM may break a snapshot that is being created (user guide 6.12). Since 2026 the state of the disk no longer
    shows that, so the snapshots are listed, too.
    """
    disk_ids = [disk_id for vm in vms for disk_id in vm.disk_ids]
    busy: set[str] = set()
    with suppress(NoPermissionError):  # the API itself rejects requests for a VM with busy disks
        busy |= {disk.disk_id for disk in disks(client, disk_ids, deadline) if disk.meaning is not DiskState.STABLE}
    with suppress(NoPermissionError):
        busy |= {each.disk_id for each in _snapshots.of_disks(client, disk_ids, deadline) if each.meaning in IN_PROGRESS}
    return [replace(vm, unstable=tuple(disk_id for disk_id in vm.disk_ids if disk_id in busy)) for vm in vms]


def start(client: Client, vm_id: str, deadline: Deadline) -> Answer:
    """StartVMInstance: only in the state Stopped. Raises as :meth:`Client.call`."""
    return client.call("StartVMInstance", {"VMID": vm_id}, deadline)


def stop(client: Client, vm_id: str, deadline: Deadline) -> Answer:
    """StopVMInstance: asks the guest to shut down, which may hang; only in the state Running. Raises as :meth:`Client.call`."""
    return client.call("StopVMInstance", {"VMID": vm_id}, deadline)


def power_off(client: Client, vm_id: str, deadline: Deadline) -> Answer:
    """PoweroffVMInstance: forces power off; data that the guest has not written is lost. Raises as :meth:`Client.call`."""
    return client.call("PoweroffVMInstance", {"VMID": vm_id}, deadline)


def attach(client: Client, disk_id: str, vm_id: str, deadline: Deadline) -> Answer:
    """AttachDisk: only a detached disk. Raises as :meth:`Client.call`."""
    return client.call("AttachDisk", {"DiskID": disk_id, "ResourceID": vm_id, "ResourceType": "VM"}, deadline)


def disks(client: Client, disk_ids: Sequence[str], deadline: Deadline) -> list[Disk]:
    """The existing disks of these ids, without the states of their VMs. Raises as :meth:`Client.listing`."""
    return read_entries("DescribeDisk", client.by_ids("DescribeDisk", "DiskIDs", disk_ids, "DiskID", deadline), Disk.from_api)
