# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: host_disks
short_description: Find the VM and the disks of several hosts
version_added: 0.1.0
author:
  - UCloudStack collection contributors (@ucloudstack)
description:
  - Used by the roles of this collection. Takes what each host names, and finds its disks in the result of
    M(ucloudstack.cloud.vm_info). It asks nothing itself.
positional: _input, vms
options:
  _input:
    description: For each host, by name, C(vm_id) and C(disk_ids). Either may be empty. Other keys are kept.
    type: dict
    required: true
  vms:
    description: The registered result of M(ucloudstack.cloud.vm_info).
    type: dict
    required: true
  allow_detached:
    description: Whether to leave out disks that are not attached to the VM, instead of refusing them.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Find the disks of all hosts
  ansible.builtin.set_fact:
    batch: "{{ {'web07': {'vm_id': 'vm-web07', 'disk_ids': []}} | ucloudstack.cloud.host_disks(vms) }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: For each host, what was given and what was found.
  type: dict
  contains:
    power_state:
      description: The state of the VM; empty if it is not known.
      type: str
    disk_ids:
      description: The disks of the host.
      type: list
      elements: str
    external:
      description: Disks of the VM that the platform cannot snapshot.
      type: list
      elements: str
    msg:
      description: Why the host cannot be used, in one line; else empty.
      type: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._decisions import plain
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._hosts import host_disks


def host_disks_of(given: Any, vms: Any, allow_detached: bool = False) -> dict[str, dict[str, Any]]:
    """The filter, as documented above."""
    return host_disks(plain(given), vms, allow_detached)


class FilterModule:
    """Filters of this file, by name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"host_disks": host_disks_of}
