# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: snapshot_create_decision
short_description: Decide what the role snapshot_create does next
version_added: 0.1.0
author:
  - UCloudStack collection contributors (@ucloudstack)
description:
  - Used by the role C(snapshot_create), and of no use without it. Its input, output and steps may change in any release.
  - Decides, for all hosts at once, which disks are snapshotted, and what came of it.
positional: _input, step
options:
  _input:
    description: What is known of the hosts of the batch, as the first step takes it, or as the step before returned it.
    type: dict
    required: true
  step:
    description: Which decision to take. What else a step takes is documented in its code.
    type: str
    required: true
    choices:
      plan: Which snapshots each host gets, or why it gets none.
      without_unwritten: The plan without the hosts whose entries could not be written.
      ready: The plan without the hosts whose before tasks failed.
      results: What came of the snapshots of each host.
      not_carried_out: The results, if what follows from them could not be done.
"""

EXAMPLES = r"""
- name: Plan the snapshots
  ansible.builtin.set_fact:
    plan: "{{ batch | ucloudstack.cloud.snapshot_create_decision('plan', manifest=manifest, listed=listed,
      playbook_dir=playbook_dir, check_mode=ansible_check_mode) }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: The decision for each host, by name, and what the next tasks take.
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.ucloudstack.cloud.plugins.plugin_utils import _protection
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._decisions import decide

STEPS: dict[str, Callable[..., Any]] = {
    "plan": _protection.snapshot_plan,
    "without_unwritten": _protection.without_unwritten,
    "ready": _protection.only_ready,
    "results": _protection.snapshot_results,
    "not_carried_out": _protection.not_carried_out,
}


def snapshot_create_decision(value: Any, step: str, **given: Any) -> Any:
    """One decision of the role, see STEPS."""
    return decide("snapshot_create", STEPS, value, step, **given)


class FilterModule:
    """Filters of this file, by name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"snapshot_create_decision": snapshot_create_decision}
