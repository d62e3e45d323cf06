# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Disks and the VMs they are attached to (API guide chapters 2 and 4), as far as a rollback must know of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.ucloudstack.cloud.plugins.module_utils._client import Client
from ansible_collections.ucloudstack.cloud.plugins.module_utils._clock import Deadline
from ansible_collections.ucloudstack.cloud.plugins.module_utils._errors import NoPermissionError
from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import Disk


def attachments(client: Client, disk_ids: Sequence[str], deadline: Deadline) -> tuple[dict[str, Disk], list[str]]:
    """Each disk with its VM and the VM's state, by disk id, and warnings about what the key may not ask for.

    A disk that the API does not list counts as ``Deleted``; one that may not be asked for is not in the answer.
    Raises as :meth:`Client.listing`.
    """
    try:
        found = client.by_ids("DescribeDisk", "DiskIDs", disk_ids, "DiskID", deadline)
    except NoPermissionError as error:
        return {}, [f"It could not be checked that the VMs of the disks are off: {error}"]
    attached = {_text(info, "DiskID"): _text(info, "AttachResourceID") for info in found}
    states, warnings = _states(client, sorted(set(attached.values()) - {""}), deadline)
    disks = {
        disk_id: Disk(disk_id, _text(info, "DiskStatus"), attached[disk_id], states.get(attached[disk_id], ""))
        for info in found
        for disk_id in [_text(info, "DiskID")]
    }
    return {disk_id: disks.get(disk_id, Disk(disk_id, "Deleted")) for disk_id in disk_ids}, warnings


def _states(client: Client, vm_ids: Sequence[str], deadline: Deadline) -> tuple[dict[str, str], list[str]]:
    try:
        found = client.by_ids("DescribeVMInstance", "VMIDs", vm_ids, "VMID", deadline)
    except NoPermissionError as error:
        return {}, [f"It could not be checked that the VMs {', '.join(vm_ids)} are off: {error}"]
    return {_text(info, "VMID"): _text(info, "State") for info in found}, []


def _text(info: dict[str, Any], key: str) -> str:
    return str(info.get(key) or "")
