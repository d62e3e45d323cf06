# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: guarded_maintenance_decision
short_description: Decide what the role guarded_maintenance does next
version_added: 0.1.0
author:
  - UCloudStack collection contributors (@ucloudstack)
description:
  - Used by the role C(guarded_maintenance), and of no use without it. Its input, output and steps may change in any release.
  - Decides, for all hosts at once, where each host is in the run, what a phase came to for it, and how it is reported.
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
      claim: What marks this process in the manifest.
      input: What is wrong with the variables of a host.
      start: Where each host is in the run when the play starts.
      unreachable: Add the hosts that were being patched and do not answer.
      to_snapshot: Which hosts passed their prechecks.
      protected: Which hosts are patched.
      marked: No host is patched without an entry in the manifest.
      phase: What the patch, or the verification, came to.
      note: Add a message to the records of hosts.
      restored: What the rollbacks came to.
      verified_again: What the verification after the rollbacks came to.
      to_prune: Which hosts no longer need their old snapshots.
      pruned: Which hosts could not be pruned.
      reports: The report of each host.
      verdicts: How the play ends for each host.
      to_report: What the report page takes.
"""

EXAMPLES = r"""
- name: Classify each host
  ansible.builtin.set_fact:
    batch: "{{ batch | ucloudstack.cloud.guarded_maintenance_decision('phase', phase='patched', facts=facts, play=play) }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: The decision for each host, by name, and what the next tasks take.
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.ucloudstack.cloud.plugins.plugin_utils import _claims, _maintenance, _maintenance_end, _maintenance_start
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._decisions import decide

STEPS: dict[str, Callable[..., Any]] = {
    "claim": _claims.claim,
    "input": _maintenance_start.checked_input,
    "start": _maintenance_start.started,
    "unreachable": _maintenance_start.with_unreachable,
    "to_snapshot": _maintenance.to_snapshot,
    "protected": _maintenance.protected,
    "marked": _maintenance.marked,
    "phase": _maintenance.classified,
    "note": _maintenance.noted,
    "restored": _maintenance.restored,
    "verified_again": _maintenance.verified_again,
    "to_prune": _maintenance_end.to_prune,
    "pruned": _maintenance_end.pruned,
    "reports": _maintenance_end.reports,
    "verdicts": _maintenance_end.verdicts,
    "to_report": _maintenance_end.to_report,
}


def guarded_maintenance_decision(value: Any, step: str, **given: Any) -> Any:
    """One decision of the role, see STEPS."""
    return decide("guarded_maintenance", STEPS, value, step, **given)


class FilterModule:
    """Filters of this file, by name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"guarded_maintenance_decision": guarded_maintenance_decision}
