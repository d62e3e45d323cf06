# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: delegate_variables
short_description: Find how to connect to the host that tasks are delegated to
version_added: 0.1.0
author:
  - UCloudStack collection contributors (@ucloudstack)
description:
  - Used by the roles of this collection. Variables of a play reach the host that its tasks are delegated to, even those that are for the hosts
    of the play. This filter returns the host's own variables, and the settings of Ansible where it has none.
positional: _input, hostvars
options:
  _input:
    description: The name of the host.
    type: str
    required: true
  hostvars:
    description: The variable C(hostvars).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show how the controller runs modules
  ansible.builtin.debug:
    msg: "{{ 'localhost' | ucloudstack.cloud.delegate_variables(hostvars) }}"
  run_once: true
  # => {connection: local, python_interpreter: /usr/bin/python3, remote_tmp: ~/.ansible/tmp}
"""

RETURN = r"""
_value:
  description: The variables.
  type: dict
  contains:
    connection:
      description: C(ansible_connection) of the host.
      type: str
    python_interpreter:
      description: C(ansible_python_interpreter) of the host.
      type: str
    remote_tmp:
      description: C(ansible_remote_tmp) of the host.
      type: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._delegate import delegate_variables


class FilterModule:
    """Filters of this file, by name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"delegate_variables": delegate_variables}
