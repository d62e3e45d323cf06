# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""VMs and the disks attached to them (API guide chapters 2 and 4), in the API's words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ansible_collections.ucloudstack.cloud.plugins.module_utils._client import Client, read_entries
from ansible_collections.ucloudstack.cloud.plugins.module_utils._clock import Deadline
from ansible_collections.ucloudstack.cloud.plugins.module_utils._errors import NoPermissionError
from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import STABLE_DISK, UNLISTED, Disk, Vm


def attachments(client: Client, disk_ids: Sequence[str], deadline: Deadline) -> tuple[dict[str, Disk], list[str]]:
    """Each disk with its VM and the VM's state, by disk id, and warnings about what the key may not ask for.

    A disk that the API does not list has the status :data:`UNLISTED`; one that may not be asked for is not in the answer.
    Raises as :meth:`Client.listing`.
    """
    try:
        found = _disks(client, disk_ids, deadline)
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
    disks = {disk.disk_id: replace(disk, vm_state=states.get(disk.vm_id, "")) for disk in found}
    return {disk_id: disks.get(disk_id, Disk(disk_id, UNLISTED)) for disk_id in disk_ids}, warnings


def by_ids(client: Client, vm_ids: Sequence[str], deadline: Deadline) -> list[Vm]:
    """The VMs of these ids that exist. Raises as :meth:`Client.listing`."""
    return read_entries("DescribeVMInstance", client.by_ids("DescribeVMInstance", "VMIDs", vm_ids, "VMID", deadline), Vm.from_api)


def everything(client: Client, deadline: Deadline) -> list[Vm]:
    """All VMs that the key may see. Raises as :meth:`Client.listing`."""
    return read_entries("DescribeVMInstance", client.listing("DescribeVMInstance", {}, "VMID", deadline) or [], Vm.from_api)


def with_disk_states(client: Client, vms: Sequence[Vm], deadline: Deadline) -> list[Vm]:
    """The same VMs, knowing which of their disks are at work. Raises as :meth:`Client.listing`."""
    disk_ids = [disk_id for vm in vms for disk_id in vm.disk_ids]
    try:
        found = _disks(client, disk_ids, deadline)
    except NoPermissionError:
        return list(vms)  # the API itself refuses a VM whose disks are at work
    at_work = {disk.disk_id for disk in found if disk.status not in STABLE_DISK}
    return [replace(vm, unstable=tuple(disk_id for disk_id in vm.disk_ids if disk_id in at_work)) for vm in vms]


def start(client: Client, vm_id: str, deadline: Deadline) -> None:
    """StartVMInstance: only from Stopped. Raises as :meth:`Client.write`."""
    client.write("StartVMInstance", {"VMID": vm_id}, deadline)


def stop(client: Client, vm_id: str, deadline: Deadline) -> None:
    """StopVMInstance: asks the guest, which may hang in Stopping; only from Running. Raises as :meth:`Client.write`."""
    client.write("StopVMInstance", {"VMID": vm_id}, deadline)


def power_off(client: Client, vm_id: str, deadline: Deadline) -> None:
    """PoweroffVMInstance: pulls the plug; what the guest has not written is lost. Raises as :meth:`Client.write`."""
    client.write("PoweroffVMInstance", {"VMID": vm_id}, deadline)


def _disks(client: Client, disk_ids: Sequence[str], deadline: Deadline) -> list[Disk]:
    return read_entries("DescribeDisk", client.by_ids("DescribeDisk", "DiskIDs", disk_ids, "DiskID", deadline), Disk.from_api)
