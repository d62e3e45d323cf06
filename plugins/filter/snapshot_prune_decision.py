# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: snapshot_prune_decision
short_description: Decide what the role snapshot_prune does next
version_added: 0.1.0
author:
  - UCloudStack collection contributors (@ucloudstack)
description:
  - Used by the role C(snapshot_prune), and of no use without it. Its input, output and steps may change in any release.
  - Decides, for all hosts at once, which snapshots have expired, and what came of their deletion.
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
      plan: Which snapshots have expired.
      results: What came of their deletion for each host.
"""

EXAMPLES = r"""
- name: Set the results of each host
  ansible.builtin.set_fact:
    results: "{{ plan | ucloudstack.cloud.snapshot_prune_decision('results', answer=deleted) }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: The decision for each host, by name, and what the next tasks take.
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.ucloudstack.cloud.plugins.plugin_utils import _pruning
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._decisions import decide

STEPS: dict[str, Callable[..., Any]] = {
    "plan": _pruning.prune_plan,
    "results": _pruning.prune_results,
}


def snapshot_prune_decision(value: Any, step: str, **given: Any) -> Any:
    """One decision of the role, see STEPS."""
    return decide("snapshot_prune", STEPS, value, step, **given)


class FilterModule:
    """Filters of this file, by name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"snapshot_prune_decision": snapshot_prune_decision}
