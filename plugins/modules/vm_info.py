#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vm_info
short_description: List UCloudStack VMs with their state, addresses and disks
version_added: 0.1.0
author:
  - UCloudStack collection contributors (@ucloudstack)
description:
  - Lists all VMs visible to the API key, sorted by id. All pages are read. Useful to look up the disks of a VM.
  - With several options, only the VMs that match all of them are listed.
attributes:
  check_mode:
    support: full
    details:
      - This module does not modify anything.
  diff_mode:
    support: N/A
    details:
      - This module does not modify anything.
  idempotent:
    support: full
    details:
      - This module does not modify anything.
options:
  vm_ids:
    description:
      - Only the VMs with these ids, each once. Ids that do not exist are not in the list.
    type: list
    elements: str
    aliases: [vm_id]
  name:
    description:
      - Only the VMs with exactly this name.
    type: str
extends_documentation_fragment:
  - ucloudstack.cloud.connection
  - ucloudstack.cloud.attributes
seealso:
  - module: ucloudstack.cloud.vm_power
  - module: ucloudstack.cloud.snapshot
"""

EXAMPLES = r"""
- name: Look up the disks of a VM
  ucloudstack.cloud.vm_info:
    vm_id: vm-web07
  delegate_to: localhost
  register: web07

- name: Snapshot all disks of the VM
  ucloudstack.cloud.snapshot:
    name: before-patch-2026-11
    disk_ids: "{{ web07.disk_ids }}"
  delegate_to: localhost
"""

RETURN = r"""
vms:
  description: The VMs, sorted by id.
  returned: success
  type: list
  elements: dict
  contains:
    vm_id:
      description: Id of the VM.
      type: str
      sample: vm-web07
    name:
      description: Name of the VM, exactly as stored, including non-printable characters.
      type: str
      sample: web07
    state:
      description: State as the API spells it, such as V(Running) or V(Stopped).
      type: str
      sample: Running
    ips:
      description: Addresses of the VM.
      type: list
      elements: str
      sample: [10.0.0.7]
    disk_ids:
      description: Ids of the attached disks.
      type: list
      elements: str
      sample: [disk-boot01, disk-data01]
    disks:
      description: The attached disks.
      type: list
      elements: dict
      contains:
        disk_id:
          description: Id of the disk.
          type: str
          sample: disk-boot01
        type:
          description: V(Boot) or V(Data).
          type: str
          sample: Boot
        name:
          description: Name of the disk.
          type: str
          sample: web07-boot
        size:
          description: Size in GB.
          type: int
          sample: 40
        drive:
          description: Device name in the VM.
          type: str
          sample: vda
        external:
          description:
            - Whether the disk is a LUN of external storage, which the platform cannot snapshot. Always V(false) if the platform does
              not report it.
          type: bool
          sample: false
disk_ids:
  description: Ids of the disks of all VMs listed, in one flat list.
  returned: success
  type: list
  elements: str
  sample: [disk-boot01, disk-data01]
api_calls:
  description: Number of API requests, by action.
  returned: always
  type: dict
  sample: {DescribeVMInstance: 1}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ucloudstack.cloud.plugins.module_utils import _module, _vms
from ansible_collections.ucloudstack.cloud.plugins.module_utils._client import Client


def job(client: Client, module: AnsibleModule) -> dict[str, Any]:
    vm_ids, name = _module.ids(module.params, "vm_ids"), _module.text(module.params, "name", 255)
    deadline = _module.reading_deadline(client)
    found = _vms.by_ids(client, vm_ids, deadline) if vm_ids else _vms.everything(client, deadline, {})
    vms = sorted((vm for vm in found if name is None or vm.name == name), key=lambda vm: vm.vm_id)
    return {"changed": False, "vms": [vm.as_result() for vm in vms], "disk_ids": [disk_id for vm in vms for disk_id in vm.disk_ids]}


def main() -> None:
    spec = {
        "vm_ids": {"type": "list", "elements": "str", "aliases": ["vm_id"]},
        "name": {"type": "str"},
    }
    _module.run(job, spec)


if __name__ == "__main__":
    main()
