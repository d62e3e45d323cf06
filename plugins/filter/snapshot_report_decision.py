# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: snapshot_report_decision
short_description: Decide what the role snapshot_report does next
version_added: 0.1.0
author:
  - UCloudStack collection contributors (@ucloudstack)
description:
  - Used by the role C(snapshot_report), and of no use without it. Its input, output and steps may change in any release.
  - Decides, for all hosts at once, what is on the report page, and what came of writing it.
positional: _input, step
options:
  _input:
    description: What is known of the hosts, as the first step takes it, or as the step before returned it.
    type: dict
    required: true
  step:
    description: Which decision to take. What else a step takes is documented in its code.
    type: str
    required: true
    choices:
      collected: Add the hosts of a batch to those of the earlier ones.
      page: What is on the page, in rows of text and positions.
      results: What came of writing it for each host.
"""

EXAMPLES = r"""
- name: Set the results of each host
  ansible.builtin.set_fact:
    results: "{{ batch | ucloudstack.cloud.snapshot_report_decision('results', path=path, listed=listed, written=written) }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: The decision for each host, by name, and what the next tasks take.
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.ucloudstack.cloud.plugins.plugin_utils import _report
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._decisions import decide

STEPS: dict[str, Callable[..., Any]] = {
    "collected": _report.collected,
    "page": _report.page,
    "results": _report.results,
}


def snapshot_report_decision(value: Any, step: str, **given: Any) -> Any:
    """One decision of the role, see STEPS."""
    return decide("snapshot_report", STEPS, value, step, **given)


class FilterModule:
    """Filters of this file, by name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"snapshot_report_decision": snapshot_report_decision}
