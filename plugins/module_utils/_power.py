# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The next step to start or stop a VM: pure functions, like all of :mod:`_plan`."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ansible_collections.ucloudstack.cloud.plugins.module_utils._plan import (
    IN_DOUBT,
    LOST_ANSWER_SECONDS,
    UNLISTED_SECONDS,
    rejected_permanently,
)
from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import Vm
from ansible_collections.ucloudstack.cloud.plugins.module_utils._states import VmState, vm_state
from ansible_collections.ucloudstack.cloud.plugins.module_utils._steps import Do, Outcome, Progress, Step


@dataclass(frozen=True)
class Goal:
    """A desired power state, the write that leads to it, and the states in which the API allows that write.

    ``passing``: transitional states that lead to the goal without a write. Source: API guide chapter 2, user guide 3.5.
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
    """The next step until the VM is ``started``, ``stopped`` or ``powered_off``. Outcomes: these, unchanged, pending, failed."""
    goal = GOALS[wanted]
    previous = next((status for _at, _id, status in progress.polls if status), "")
    last = progress.sent[-1] if progress.sent else None
    lost = [each for each in progress.sent if each.result == "unknown"]
    written = bool(lost) or any(each.result == "accepted" for each in progress.sent)
    before, after = f"{vm_id}: {previous or 'does not exist'}", f"{vm_id}: {goal.state.value}"
    step = Step(goal.do, wanted, "", vm_id=vm_id, previous_state=previous, msg="to be " + wanted.replace("_", " "), changed=True)
    step = replace(step, before=before, after=after)
    if vm is None or vm.meaning is VmState.LOST:
        last_listed = max((at for at, _status in progress.listed(vm_id)), default=float("-inf"))
        if vm is None and now - last_listed < UNLISTED_SECONDS:
            return replace(step, do="wait", msg="not listed at the moment")
        msg = f"the VM is {vm.state}" if vm else f"the VM is no longer listed; it was {previous}" if previous else "the VM does not exist"
        return replace(step, do="done", outcome="failed", msg=msg, failed=True, changed=written, after=before)
    if vm.meaning is goal.state:
        msg = f"was {previous}, is {vm.state}" if written else f"is {vm.state}"
        return replace(step, do="done", outcome=wanted if written else "unchanged", msg=msg, changed=written)
    settled = goal.allowed - {VmState.STARTING}  # Starting ends by itself, and the VM may still be being created
    not_ready = max((at for at, _id, state in progress.polls if vm_state(state or "") not in settled), default=float("-inf"))
    if last and rejected_permanently(progress.sent, since=not_ready):
        return replace(step, do="done", outcome="failed", msg=last.msg, failed=True, changed=written, ret_code=last.ret_code)
    if vm.meaning in goal.passing:
        step = step if written else replace(step, outcome="unchanged" if wait else "pending", changed=False, before=after)
        return replace(step, do="wait" if wait else "done", msg=f"{vm.state}; {'waiting' if wait else 'not waiting'}")
    if last and last.result == "accepted":
        return replace(step, do="wait" if wait else "done", msg=f"the API accepted the request; {vm.state}")
    if last and last.result == "unknown":
        if now - last.at < LOST_ANSWER_SECONDS:
            return replace(step, do="wait", msg=f"the response was lost; {vm.state}")
        if len(lost) > 1:
            msg = f"still {vm.state}: two requests got no response. {last.msg}"
            return replace(step, do="done", outcome="failed", failed=True, msg=msg, ret_code=last.ret_code)
    if vm.unstable:
        return replace(step, do="wait", msg=f"waiting for {', '.join(vm.unstable)} to become stable")
    if vm.meaning not in goal.allowed:
        return replace(step, do="wait", msg=f"waiting for the state {vm.state} to end")
    if last and last.result == "unknown":
        warning = (
            f"{vm_id}: no response to the first request, and still {vm.state} after {LOST_ANSWER_SECONDS:g} s, so it was sent once more."
        )
        return replace(step, warnings=(warning,))
    return step


def timed_out(step: Step, progress: Progress, vm: Vm | None, why: str) -> Step:
    """The final step of a VM that is not done when waiting ends; ``why``: the reason."""
    state = vm.state if vm else "not listed"
    last = progress.sent[-1] if progress.sent else None
    msg = f"{why}; last seen {state} ({step.msg.rstrip('.')})"
    refused = last if last and last.result in ("refused", "wrong_state") else None
    if refused:
        msg = f"{msg}; {refused.msg.rstrip('.')}"
    written = any(each.result in ("accepted", "unknown") for each in progress.sent)
    if last and last.result == "unknown" and state == step.previous_state:
        status = IN_DOUBT
    else:
        status = "the operation continues" if written else "nothing was done yet"
    msg = f"{msg}; {status}, run the same task again to wait for it"
    if vm and vm.meaning is VmState.STOPPING and step.outcome != "powered_off":
        msg += "; the guest may be hung: use state=powered_off to force it off"
    ret_code = refused.ret_code if refused else None
    return replace(step, do="done", outcome="pending", msg=msg, failed=True, changed=written, ret_code=ret_code)
