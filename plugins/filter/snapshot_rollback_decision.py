# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: snapshot_rollback_decision
short_description: Decide what the role snapshot_rollback does next
version_added: 0.1.0
author:
  - UCloudStack collection contributors (@ucloudstack)
description:
  - Used by the role C(snapshot_rollback), and of no use without it. Its input, output and steps may change in any release.
  - Decides, for all hosts at once, how they are rolled back, what to do next, and what came of it.
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
      runs: What is known of the run of each host.
      plan: How each host is rolled back, or why it cannot be.
      marked: Which VMs to stop.
      stopped: Which VMs to power off by force.
      powered_off: Which disks to roll back.
      rolled_back: Which disks to try again, and which VMs to start.
      started: What came of each host.
"""

EXAMPLES = r"""
- name: Plan the rollbacks
  ansible.builtin.set_fact:
    runs: "{{ batch | ucloudstack.cloud.snapshot_rollback_decision('runs', manifest=manifest) }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: The decision for each host, by name, and what the next tasks take.
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.ucloudstack.cloud.plugins.plugin_utils import _restoring
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._decisions import decide

STEPS: dict[str, Callable[..., Any]] = {
    "runs": _restoring.restore_runs,
    "plan": _restoring.restore_plan,
    "marked": _restoring.after_marking,
    "stopped": _restoring.after_stop,
    "powered_off": _restoring.after_power_off,
    "rolled_back": _restoring.after_rollback,
    "started": _restoring.after_start,
}


def snapshot_rollback_decision(value: Any, step: str, **given: Any) -> Any:
    """One decision of the role, see STEPS."""
    return decide("snapshot_rollback", STEPS, value, step, **given)


class FilterModule:
    """Filters of this file, by name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"snapshot_rollback_decision": snapshot_rollback_decision}
