#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vm_power
short_description: Start and stop UCloudStack VMs
version_added: 0.1.0
author:
  - UCloudStack collection contributors (@ucloudstack)
description:
  - Ensures that one or more VMs are running or off. A disk can be rolled back only while its VM is off.
  - Before a VM is started or stopped, the module waits until none of its disks is being snapshotted or rolled back, because
    starting or stopping the VM at that moment may break a snapshot.
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  vm_ids:
    description:
      - Ids of the VMs, each once.
    type: list
    elements: str
    required: true
    aliases: [vm_id]
  state:
    description:
      - V(started) - the VM is running.
      - V(stopped) - the VM is off; it is shut down through the guest operating system, which may hang.
      - V(powered_off) - the VM is off; a running guest is powered off immediately, and data that it has not written is lost. The module never
        chooses this by itself. Use it if a guest hangs.
    type: str
    choices: [started, stopped, powered_off]
    required: true
  wait:
    description:
      - Whether to wait until the VMs have reached the state. Busy disks, and transitional states that must end first, are waited for
        in any case.
    type: bool
    default: true
extends_documentation_fragment:
  - ucloudstack.cloud.connection
  - ucloudstack.cloud.acting
  - ucloudstack.cloud.attributes
seealso:
  - module: ucloudstack.cloud.vm_info
  - module: ucloudstack.cloud.snapshot_rollback
"""

EXAMPLES = r"""
- name: Shut down two VMs
  ucloudstack.cloud.vm_power:
    vm_ids:
      - vm-web07
      - vm-web08
    state: stopped
    wait_timeout: 300
  delegate_to: localhost

- name: Start one of them
  ucloudstack.cloud.vm_power:
    vm_id: vm-web07
    state: started
  delegate_to: localhost
"""

RETURN = r"""
results:
  description: Result for each VM, in the requested order. Also returned if the task fails.
  returned: when the options are valid
  type: list
  elements: dict
  contains:
    vm_id:
      description: The VM.
      type: str
      sample: vm-web07
    previous_state:
      description: Its state before the task, as the API spells it; V(null) if it does not exist.
      type: str
      sample: Running
    outcome:
      description:
        - V(started), V(stopped) or V(powered_off) - this task changed the VM to that state.
        - V(unchanged) - already in that state, or reached it without this task.
        - V(pending) - not in that state yet, because of a timeout or O(wait=false).
        - V(failed) - see RV(results[].msg).
      type: str
      sample: stopped
    reason:
      description:
        - Reason for the outcome, for programs. V(null) if outcome and RV(results[].ret_code) say it all.
        - V(timeout) - timed out.
      type: str
      sample: null
    msg:
      description: Human-readable message.
      type: str
      sample: was Running, is Stopped
    ret_code:
      description: The API's return code, if it rejected the request.
      type: int
      sample: null
    request_id:
      description:
        - Id of the last write request for this item, or of the request that failed before any write, by which the administrator of the
          platform can find it. V(null) if there was none, or if the platform returns no ids.
      type: str
      sample: 0d1d8a4c-1f4e-4c0f-9c39-6c6f3d5f9a51
counts:
  description: Number of RV(results) per outcome, including zeros.
  returned: when the options are valid
  type: dict
  sample: {started: 0, stopped: 2, powered_off: 0, unchanged: 0, pending: 0, failed: 0}
api_calls:
  description: Number of API requests, by action.
  returned: always
  type: dict
  sample: {DescribeDisk: 1, DescribeSnapshot: 1, DescribeVMInstance: 3, StopVMInstance: 2}
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ucloudstack.cloud.plugins.module_utils import _apply, _module, _power, _results, _vms
from ansible_collections.ucloudstack.cloud.plugins.module_utils._client import Client
from ansible_collections.ucloudstack.cloud.plugins.module_utils._clock import Deadline
from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import Vm
from ansible_collections.ucloudstack.cloud.plugins.module_utils._steps import Progress, Sent, Step

OUTCOMES = ("started", "stopped", "powered_off", "unchanged", "pending", "failed")
WRITES = {"start": _vms.start, "stop": _vms.stop, "power_off": _vms.power_off}


@dataclass
class Unit:
    """One VM, and what was done to it."""

    vm_id: str
    step: Step
    progress: Progress = Progress()
    vm: Vm | None = None

    def sent(self, sent: Sent) -> None:
        self.progress = replace(self.progress, sent=(*self.progress.sent, sent))
        self.step = replace(self.step, do="wait")


def job(client: Client, module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    vm_ids = _module.ids(params, "vm_ids") or []
    deadline = Deadline(client.clock, params["wait_timeout"])
    units = [Unit(vm_id, Step("list", "pending", "", vm_id=vm_id)) for vm_id in vm_ids]
    warnings: list[str] = []

    def poll(units: Sequence[Unit]) -> None:
        found = _vms.by_ids(client, [unit.vm_id for unit in units], deadline)
        vms = {vm.vm_id: vm for vm in found}
        now = client.clock.now()
        for unit in units:
            unit.vm = vms.get(unit.vm_id)
            look = (now, unit.vm_id, unit.vm.state if unit.vm else None)
            unit.progress = replace(unit.progress, polls=(*unit.progress.polls, look))
            decide(unit, now)
        about_to_write = [unit for unit in units if unit.step.do in WRITES]
        vms = {vm.vm_id: vm for vm in _vms.with_disk_states(client, [unit.vm for unit in about_to_write if unit.vm], deadline)}
        for unit in about_to_write:
            unit.vm = vms[unit.vm_id]
            decide(unit, now)
        warnings.extend(warning for unit in units for warning in unit.step.warnings)

    def decide(unit: Unit, now: float) -> None:
        unit.step = _power.powered(unit.vm, unit.progress, now, vm_id=unit.vm_id, wanted=params["state"], wait=params["wait"])

    def send(unit: Unit) -> Sent:
        return _apply.sent_once(
            client, deadline, unit.step.do, lambda: WRITES[unit.step.do](client, unit.vm_id, deadline), _apply.result_of
        )

    def stop_waiting(units: Sequence[Unit], why: str) -> None:
        for unit in units:
            unit.step = _power.timed_out(unit.step, unit.progress, unit.vm, why)

    poll(units)
    plans = [unit.step for unit in units]
    if not module.check_mode:
        report = partial(_module.progress_file(module).write, params["state"].replace("_", " "))
        _apply.until_done(units, deadline, params["parallelism"], send, poll, stop_waiting, report)
    steps = [replace(unit.step, request_id=unit.progress.request_id) for unit in units]
    return _results.of_steps(OUTCOMES, plans, steps, warnings)


def main() -> None:
    spec = {
        "vm_ids": {"type": "list", "elements": "str", "required": True, "aliases": ["vm_id"]},
        "state": {"type": "str", "choices": ["started", "stopped", "powered_off"], "required": True},
    }
    _module.run(job, {**spec, **_module.ACTING}, partial(_results.of_nothing, OUTCOMES))


if __name__ == "__main__":
    main()
