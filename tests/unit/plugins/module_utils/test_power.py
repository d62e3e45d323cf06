# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pure decisions about the power of a VM, as tables: what was seen and what was tried, and what is done next."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.module_utils import _power
from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import Vm
from ansible_collections.ucloudstack.cloud.plugins.module_utils._steps import Progress, Sent, Step
from support.decisions import gist

NOW = 1000.0
WANTED = ("started", "stopped", "powered_off")
WRITES: dict[str, Any] = {"started": "start", "stopped": "stop", "powered_off": "power_off"}
GOAL = {"started": "Running", "stopped": "Stopped", "powered_off": "Stopped"}
RESULTS = ("accepted", "refused", "wrong_state", "unknown", "failed")
STATES_1X = (
    *("Initializing", "Starting", "Restarting", "Running", "Stopping", "Stopped", "Deleted", "Resizing", "Terminating", "Terminated"),
    *("Migrating", "WaitReinstall", "Reinstalling", "Poweroffing", "ChangeSGing"),
)
STATES = (*STATES_1X, "Failed", "Deleting", "RFailed", "MigrateDisking", "Saving", "Saved", "Reverted", "Pondering", "RUNNING", "")


def decide(
    wanted: Any, state: str | None, *results: tuple[Any, float], was: str = "", wait: bool = True, unstable: tuple[str, ...] = ()
) -> Step:
    """The decision on a VM in this state (None: not listed), after writes with their results, each so many seconds ago.

    ``was``: its state in a look 5 seconds ago.
    """
    sent = tuple(
        Sent(WRITES[wanted], result, NOW - ago, None, f"said {result}", 2041 if result != "accepted" else None) for result, ago in results
    )
    looks = tuple((at, "vm-1", each) for at, each in ((NOW - 5, was or None), (NOW, state)))
    vm = None if state is None else Vm("vm-1", "web", state, unstable=unstable)
    return _power.powered(vm, Progress(sent=sent, polls=looks), NOW, vm_id="vm-1", wanted=wanted, wait=wait)


# ---- the first decision

ACT: dict[str, tuple[str, ...]] = {
    "started": ("Stopped",),
    "stopped": ("Running",),
    "powered_off": ("Running", "Starting", "Restarting", "Stopping"),
}
PASSING: dict[str, tuple[str, ...]] = {
    "started": ("Initializing", "Starting", "Restarting"),
    "stopped": ("Stopping", "Poweroffing"),
    "powered_off": ("Poweroffing",),
}
LOST = ("Deleted", "Terminating", "Terminated", "Failed", "Deleting", "RFailed")


def first_decision(wanted: str, state: str, wait: bool) -> tuple[str, str, bool, bool]:
    """What the guide's states of a VM call for."""
    state = state.capitalize() if state == "RUNNING" else state
    if state == GOAL[wanted]:
        return ("done", "unchanged", False, False)
    if state in LOST:
        return ("done", "failed", False, True)
    if state in PASSING[wanted]:
        return ("wait", "unchanged", False, False) if wait else ("done", "pending", False, False)
    return (WRITES[wanted] if state in ACT[wanted] else "wait", wanted, True, False)


@pytest.mark.parametrize("wait", [True, False])
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("wanted", WANTED)
def test_first_decision_from_every_state(wanted: str, state: str, wait: bool) -> None:
    assert gist(decide(wanted, state, wait=wait)) == first_decision(wanted, state, wait)


@pytest.mark.parametrize("wanted", WANTED)
def test_vm_that_does_not_exist_fails_at_once(wanted: str) -> None:
    step = decide(wanted, None)
    assert (gist(step), step.msg) == (("done", "failed", False, True), "the VM does not exist")
    assert step.before == step.after


@pytest.mark.parametrize("wanted", WANTED)
def test_vm_that_vanishes_is_waited_for_half_a_minute(wanted: Any) -> None:
    assert decide(wanted, None, was="Running").do == "wait"
    steps = [
        _power.powered(
            None, Progress(polls=((NOW - ago, "vm-1", "Running"), (NOW, "vm-1", None))), NOW, vm_id="vm-1", wanted=wanted, wait=True
        )
        for ago in (29.0, 30.0)
    ]
    assert [gist(step) for step in steps] == [("wait", wanted, True, False), ("done", "failed", False, True)]
    assert "no longer listed; it was Running" in steps[1].msg


@pytest.mark.parametrize("wanted", WANTED)
@pytest.mark.parametrize("state", STATES)
def test_diff_shows_a_change_where_there_is_one(wanted: str, state: str) -> None:
    step = decide(wanted, state)
    assert (step.before.casefold() != step.after.casefold()) == step.changed
    if step.changed and state:
        assert (step.before, step.after) == (f"vm-1: {state}", f"vm-1: {GOAL[wanted]}")


@pytest.mark.parametrize("wanted", WANTED)
def test_busy_disks_are_waited_for_before_the_write_and_only_then(wanted: str) -> None:
    for state in ACT[wanted]:
        step = decide(wanted, state, unstable=("disk-1", "disk-2"))
        assert gist(step) == ("wait", wanted, True, False) and "disk-1, disk-2" in step.msg
    for state in (GOAL[wanted], *PASSING[wanted], *LOST):
        assert gist(decide(wanted, state, unstable=("disk-1",))) == gist(decide(wanted, state))


# ---- after a write


@pytest.mark.parametrize(
    ("wanted", "state", "results", "expected"),
    [
        ("stopped", "Stopped", [("accepted", 1)], ("done", "stopped", True, False)),
        ("stopped", "Stopped", [("unknown", 1)], ("done", "stopped", True, False)),
        ("stopped", "Stopped", [("refused", 1)], ("done", "unchanged", False, False)),
        ("stopped", "Stopped", [("failed", 1)], ("done", "unchanged", False, False)),
        ("stopped", "Stopping", [("accepted", 1)], ("wait", "stopped", True, False)),
        ("stopped", "Stopping", [("unknown", 1)], ("wait", "stopped", True, False)),
        ("stopped", "Stopping", [("refused", 1)], ("wait", "unchanged", False, False)),
        ("stopped", "Stopping", [("failed", 1)], ("done", "failed", False, True)),
        ("stopped", "Running", [("accepted", 999)], ("wait", "stopped", True, False)),
        ("stopped", "Running", [("refused", 1)], ("stop", "stopped", True, False)),
        ("stopped", "Running", [("failed", 1)], ("done", "failed", False, True)),
        ("stopped", "Running", [("unknown", 29)], ("wait", "stopped", True, False)),
        ("stopped", "Running", [("unknown", 30)], ("stop", "stopped", True, False)),
        ("stopped", "Running", [("unknown", 60), ("refused", 1)], ("stop", "stopped", True, False)),
        ("stopped", "Running", [("unknown", 60), ("failed", 1)], ("done", "failed", True, True)),
        ("stopped", "Running", [("unknown", 60), ("accepted", 1)], ("wait", "stopped", True, False)),
        ("stopped", "Running", [("unknown", 60), ("unknown", 29)], ("wait", "stopped", True, False)),
        ("stopped", "Running", [("unknown", 60), ("unknown", 30)], ("done", "failed", True, True)),
        ("stopped", "Failed", [("accepted", 1)], ("done", "failed", True, True)),
        ("stopped", "Starting", [("refused", 1)], ("wait", "stopped", True, False)),
        ("started", "Stopped", [("accepted", 1)], ("wait", "started", True, False)),
        ("started", "Stopped", [("unknown", 30)], ("start", "started", True, False)),
        ("started", "Stopping", [("unknown", 30)], ("wait", "started", True, False)),
        ("powered_off", "Stopping", [("accepted", 1)], ("wait", "powered_off", True, False)),
        ("powered_off", "Stopping", [("unknown", 30)], ("power_off", "powered_off", True, False)),
        ("stopped", "Running", [("wrong_state", 1)], ("stop", "stopped", True, False)),
        ("stopped", "Running", [("wrong_state", 30), ("wrong_state", 1)], ("stop", "stopped", True, False)),
        ("stopped", "Running", [("wrong_state", 31), ("wrong_state", 1)], ("done", "failed", False, True)),
        ("stopped", "Running", [("wrong_state", 31), ("refused", 9), ("wrong_state", 1)], ("stop", "stopped", True, False)),
        ("stopped", "Running", [("unknown", 99), ("wrong_state", 31), ("wrong_state", 1)], ("done", "failed", True, True)),
        ("stopped", "Stopping", [("wrong_state", 31), ("wrong_state", 1)], ("wait", "unchanged", False, False)),
        ("stopped", "Starting", [("wrong_state", 31), ("wrong_state", 1)], ("wait", "stopped", True, False)),
    ],
)
def test_after_a_write(wanted: str, state: str, results: list[tuple[Any, float]], expected: tuple[Any, ...]) -> None:
    assert gist(decide(wanted, state, *results, was="Running")) == expected


def test_write_is_sent_again_only_after_a_refusal_or_one_lost_answer() -> None:
    for wanted, count, ago, wait in itertools.product(WANTED, (1, 2, 3), (1.0, 31.0), (True, False)):
        for results in itertools.product(RESULTS, repeat=count):
            step = decide(wanted, ACT[wanted][0], *((result, ago) for result in results), wait=wait)
            again = results[-1] in ("refused", "wrong_state") or (results[-1] == "unknown" and ago > 30 and results.count("unknown") == 1)
            assert (step.do == WRITES[wanted]) == again, results


def test_refusals_for_a_state_count_from_the_last_time_that_such_a_state_was_seen() -> None:
    sent = tuple(Sent("stop", "wrong_state", NOW - ago, None, "said", 1005) for ago in (60, 1))
    for seen, do in (("Running", "done"), ("Starting", "stop"), ("Pondering", "stop")):
        progress = Progress(sent=sent, polls=((NOW - 30, "vm-1", seen), (NOW, "vm-1", "Running")))
        assert _power.powered(Vm("vm-1", "web", "Running"), progress, NOW, vm_id="vm-1", wanted="stopped", wait=True).do == do


def test_busy_disks_delay_the_second_try_as_well() -> None:
    for result in ("refused", "unknown"):
        step = decide("stopped", "Running", (result, 31), unstable=("disk-1",))
        assert (step.do, step.warnings) == ("wait", ())


def test_second_try_after_a_lost_answer_is_warned_of_and_no_other() -> None:
    (warning,) = decide("stopped", "Running", ("unknown", 30)).warnings
    assert warning.startswith("vm-1: ") and "Running" in warning and "sent once more" in warning
    assert decide("stopped", "Running").warnings == decide("stopped", "Running", ("refused", 1)).warnings == ()


@pytest.mark.parametrize("state", ["Running", "Stopping", "Stopped"])
def test_without_wait_an_accepted_write_is_the_end(state: str) -> None:
    assert gist(decide("stopped", state, ("accepted", 1), was="Running", wait=False)) == ("done", "stopped", True, False)


def test_without_wait_a_write_that_was_not_accepted_is_not_the_end() -> None:
    assert decide("stopped", "Running", ("unknown", 1), wait=False).do == "wait"
    assert decide("stopped", "Running", ("refused", 1), wait=False).do == "stop"


def test_refusal_and_lost_answers_hand_on_their_return_code() -> None:
    assert [decide("stopped", "Running", *results).ret_code for results in ([("failed", 1)], [("unknown", 60), ("unknown", 30)])] == [
        2041
    ] * 2


def test_previous_state_is_that_of_the_first_look() -> None:
    step = decide("stopped", "Stopped", ("accepted", 3), was="Running")
    assert (step.previous_state, step.msg) == ("Running", "was Running, is Stopped")


# ---- time-out


def timed_out(wanted: str, state: str | None, *results: tuple[Any, float]) -> Step:
    step = decide(wanted, state, *results, was="Running")
    progress = Progress(sent=tuple(Sent("stop", result, NOW - ago, None, f"said {result}", 2041) for result, ago in results))
    return _power.timed_out(step, progress, None if state is None else Vm("vm-1", "web", state), "timed out after 60 s")


@pytest.mark.parametrize(
    ("results", "changed", "ret_code"),
    [([], False, None), ([("refused", 1)], False, 2041), ([("accepted", 1)], True, None), ([("unknown", 1)], True, None)],
)
def test_time_out_is_pending_and_says_what_was_last_seen(results: list[tuple[Any, float]], changed: bool, ret_code: int | None) -> None:
    step = timed_out("stopped", "Running", *results)
    assert (gist(step), step.ret_code) == (("done", "pending", changed, True), ret_code)
    assert step.msg.startswith("timed out after 60 s; last seen Running (")
    assert ("said refused" in step.msg) == (ret_code is not None)


@pytest.mark.parametrize(
    ("wanted", "state", "advised"),
    [("stopped", "Stopping", True), ("started", "Stopping", True), ("powered_off", "Stopping", False), ("stopped", "Running", False)],
)
def test_time_out_in_stopping_says_how_to_get_out_of_it(wanted: str, state: str, advised: bool) -> None:
    assert ("use state=powered_off" in timed_out(wanted, state).msg) == advised


def test_time_out_of_a_vm_that_is_not_listed() -> None:
    assert "last seen not listed" in timed_out("stopped", None).msg
