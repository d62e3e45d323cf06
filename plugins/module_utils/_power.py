# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What to do next to start or stop a VM: pure functions, in the manner of :mod:`_plan`."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ansible_collections.ucloudstack.cloud.plugins.module_utils._plan import (
    IN_DOUBT,
    LOST_ANSWER_SECONDS,
    UNLISTED_SECONDS,
    refused_for_good,
)
from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import Vm
from ansible_collections.ucloudstack.cloud.plugins.module_utils._states import VmState, vm_state
from ansible_collections.ucloudstack.cloud.plugins.module_utils._steps import Do, Outcome, Progress, Step


@dataclass(frozen=True)
class Goal:
    """A wanted power state: the write that leads there, and the states that the API allows that write from.

    ``passing``: states that lead to the goal without a write. Source: API guide chapter 2, user guide 3.5.
    """

    state: VmState
    do: Do
    allowed: frozenset[VmState]
    passing: frozenset[VmState]


GOALS = {
    "started": Goal(VmState.RUNNING, "start", frozenset({VmState.STOPPED}), frozenset({VmState.INITIALIZING, VmState.STARTING})),
    "stopped": Goal(VmState.STOPPED, "stop", frozenset({VmState.RUNNING}), frozenset({VmState.STOPPING, VmState.POWERING_OFF})),
    "powered_off": Goal(
        VmState.STOPPED,
        "power_off",
        frozenset({VmState.RUNNING, VmState.STARTING, VmState.STOPPING}),
        frozenset({VmState.POWERING_OFF}),
    ),
}


def powered(vm: Vm | None, progress: Progress, now: float, *, vm_id: str, wanted: Outcome, wait: bool) -> Step:
    """The VM is ``started``, ``stopped`` or ``powered_off``. Outcomes: these, unchanged, pending, failed."""
    goal = GOALS[wanted]
    previous = next((status for _at, _id, status in progress.looks if status), "")
    last = progress.sent[-1] if progress.sent else None
    lost = [each for each in progress.sent if each.result == "unknown"]
    begun = bool(lost) or any(each.result == "accepted" for each in progress.sent)
    before, after = f"{vm_id}: {previous or 'does not exist'}", f"{vm_id}: {goal.state.value}"
    step = Step(goal.do, wanted, "", vm_id=vm_id, previous_state=previous, msg="to be " + wanted.replace("_", " "), changed=True)
    step = replace(step, before=before, after=after)
    if vm is None or vm.meaning is VmState.LOST:
        last_listed = max((at for at, _status in progress.listed(vm_id)), default=float("-inf"))
        if vm is None and now - last_listed < UNLISTED_SECONDS:
            return replace(step, do="wait", msg="not listed at the moment")
        msg = (
            f"the VM is {vm.state}" if vm else f"the VM is not listed any more, it was {previous}" if previous else "the VM does not exist"
        )
        return replace(step, do="done", outcome="failed", msg=msg, failed=True, changed=begun, after=before)
    if vm.meaning is goal.state:
        msg = f"was {previous}, is {vm.state}" if begun else f"is {vm.state}"
        return replace(step, do="done", outcome=wanted if begun else "unchanged", msg=msg, changed=begun)
    settled = goal.allowed - {VmState.STARTING}  # which ends by itself, and may be a VM that is still being created
    not_ready = max((at for at, _id, state in progress.looks if vm_state(state or "") not in settled), default=float("-inf"))
    if last and refused_for_good(progress.sent, since=not_ready):
        return replace(step, do="done", outcome="failed", msg=last.msg, failed=True, changed=begun, ret_code=last.ret_code)
    if vm.meaning in goal.passing:
        step = step if begun else replace(step, outcome="unchanged" if wait else "pending", changed=False, before=after)
        return replace(step, do="wait" if wait else "done", msg=f"{vm.state}, {'waited for' if wait else 'not waited for'}")
    if last and last.result == "accepted":
        return replace(step, do="wait" if wait else "done", msg=f"the API accepted it; {vm.state}")
    if last and last.result == "unknown":
        if now - last.at < LOST_ANSWER_SECONDS:
            return replace(step, do="wait", msg=f"the answer of the API was lost; {vm.state}")
        if len(lost) > 1:
            msg = f"still {vm.state}: twice no answer. {last.msg}"
            return replace(step, do="done", outcome="failed", failed=True, msg=msg, ret_code=last.ret_code)
    if vm.unstable:
        return replace(step, do="wait", msg=f"{', '.join(vm.unstable)} must be stable before, and is waited for")
    if vm.meaning not in goal.allowed:
        return replace(step, do="wait", msg=f"{vm.state}, which must end before")
    if last and last.result == "unknown":
        warning = (
            f"{vm_id}: no answer to the first request, and still {vm.state} after {LOST_ANSWER_SECONDS:g} s, so it was sent once more."
        )
        return replace(step, warnings=(warning,))
    return step


def timed_out(step: Step, progress: Progress, vm: Vm | None, why: str) -> Step:
    """What is said of a VM that is not done when waiting ends."""
    state = vm.state if vm else "not listed"
    last = progress.sent[-1] if progress.sent else None
    msg = f"{why}; last seen {state} ({step.msg.rstrip('.')})"
    refused = last if last and last.result in ("refused", "wrong_state") else None
    if refused:
        msg = f"{msg}; {refused.msg.rstrip('.')}"
    begun = any(each.result in ("accepted", "unknown") for each in progress.sent)
    if last and last.result == "unknown" and state == step.previous_state:
        goes_on = IN_DOUBT
    else:
        goes_on = "the work goes on" if begun else "nothing was done yet"
    msg = f"{msg}; {goes_on}, run the same task again to wait for it"
    if vm and vm.meaning is VmState.STOPPING and step.outcome != "powered_off":
        msg += "; a guest may hang: state=powered_off pulls the plug"
    ret_code = refused.ret_code if refused else None
    return replace(step, do="done", outcome="pending", msg=msg, failed=True, changed=begun, ret_code=ret_code)
