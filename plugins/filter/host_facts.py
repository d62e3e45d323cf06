# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: host_facts
short_description: Collect variables of several hosts into one dictionary
version_added: 0.1.0
author:
  - UCloudStack collection contributors (@ucloudstack)
description:
  - Used by the roles of this collection to decide for a whole batch at once. Takes names of hosts, and reads variables of each of them.
  - A host, or a variable, that is not defined is left out.
positional: _input, hostvars, facts
options:
  _input:
    description: The names of the hosts.
    type: list
    elements: str
    required: true
  hostvars:
    description: The variable C(hostvars).
    type: dict
    required: true
  facts:
    description: The name of one variable, or a dictionary with the names of several.
    type: raw
    required: true
"""

EXAMPLES = r"""
- name: Show the VM of each host
  ansible.builtin.debug:
    msg: "{{ ansible_play_batch | ucloudstack.cloud.host_facts(hostvars, 'ucloudstack_vm_id') }}"
  run_once: true
  # => {web07: vm-web07, web08: vm-web08}

- name: Show two variables of each host
  ansible.builtin.debug:
    msg: "{{ ansible_play_batch | ucloudstack.cloud.host_facts(hostvars, {'vm': 'ucloudstack_vm_id', 'address': 'ansible_host'}) }}"
  run_once: true
  # => {web07: {vm: vm-web07, address: 192.0.2.7}, web08: {vm: vm-web08, address: 192.0.2.8}}
"""

RETURN = r"""
_value:
  description: The value of the variable for each host, or a dictionary with the values of several.
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._hosts import host_facts


class FilterModule:
    """Filters of this file, by name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"host_facts": host_facts}
