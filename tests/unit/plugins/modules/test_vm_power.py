# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``vm_power``: from every state of a VM, with disks at work, guests that hang, answers that get lost and calls that are refused."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.module_utils import _apply
from emulator.errors import Reason
from emulator.server import Emulator
from emulator.state import Work

Run = Callable[..., Any]

WANTED = ("started", "stopped", "powered_off")
ACTION = {"started": "StartVMInstance", "stopped": "StopVMInstance", "powered_off": "PoweroffVMInstance"}
GOAL = {"started": "Running", "stopped": "Stopped", "powered_off": "Stopped"}
FROM = {"started": "Stopped", "stopped": "Running", "powered_off": "Running"}
UNKNOWN_FATE = [
    {"kind": "drop"},
    {"kind": "http_status", "status": 503},
    {"kind": "html"},
    {"kind": "refuse", "ret_code": 130},
]
DONE_BUT_LOST = [
    {"kind": "lose_answer"},
    {"kind": "http_status", "status": 502, "done": True},
    {"kind": "truncated", "cut": "json"},
    {"kind": "empty"},
]


def kind(fault: Any) -> str:
    return str(fault["kind"]) if isinstance(fault, dict) else str(fault)


@pytest.fixture
def vm(cloud: Emulator) -> Callable[..., str]:
    """``vm("Starting", becomes="Running", after=60)``: a VM with a disk, in any state, and what becomes of it by itself."""

    def make(state: str = "Running", *, becomes: str = "", after: float = 60) -> str:
        with cloud.state.transaction():
            vm_id = cloud.state.add_vm("web", boot_gb=1)
            cloud.state._db.execute("UPDATE vms SET state = ? WHERE id = ?", (state, vm_id))
            if becomes:
                cloud.state._schedule(after, Work.MOVE_VM, vm_id, becomes)
            return vm_id

    return make


@pytest.fixture
def power(run: Run) -> Run:
    """``power("stopped", vm_id, …)``."""
    return lambda state, *vm_ids, **options: run("vm_power", vm_ids=list(vm_ids), state=state, **options)


def disks_of(cloud: Emulator, vm_id: str) -> list[str]:
    return cloud.state.find_disks(vm_id=vm_id)


# ---- from every state


@pytest.mark.parametrize(
    ("wanted", "state", "becomes", "outcome", "sent"),
    [
        ("started", "Stopped", "", "started", ["StartVMInstance"]),
        ("started", "Running", "", "unchanged", []),
        ("started", "Starting", "Running", "unchanged", []),
        ("started", "Initializing", "Running", "unchanged", []),
        ("started", "Restarting", "Running", "unchanged", []),
        ("started", "Stopping", "Stopped", "started", ["StartVMInstance"]),
        ("started", "Poweroffing", "Stopped", "started", ["StartVMInstance"]),
        ("started", "Pondering", "Stopped", "started", ["StartVMInstance"]),
        ("started", "Migrating", "Running", "unchanged", []),
        ("stopped", "Running", "", "stopped", ["StopVMInstance"]),
        ("stopped", "Stopped", "", "unchanged", []),
        ("stopped", "Stopping", "Stopped", "unchanged", []),
        ("stopped", "Poweroffing", "Stopped", "unchanged", []),
        ("stopped", "Starting", "Running", "stopped", ["StopVMInstance"]),
        ("stopped", "Initializing", "Running", "stopped", ["StopVMInstance"]),
        ("stopped", "Pondering", "Running", "stopped", ["StopVMInstance"]),
        ("powered_off", "Running", "", "powered_off", ["PoweroffVMInstance"]),
        ("powered_off", "Stopped", "", "unchanged", []),
        ("powered_off", "Starting", "", "powered_off", ["PoweroffVMInstance"]),
        ("powered_off", "Restarting", "", "powered_off", ["PoweroffVMInstance"]),
        ("powered_off", "Stopping", "", "powered_off", ["PoweroffVMInstance"]),
        ("powered_off", "Poweroffing", "Stopped", "unchanged", []),
        ("powered_off", "Initializing", "Running", "powered_off", ["PoweroffVMInstance"]),
        ("powered_off", "Pondering", "Running", "powered_off", ["PoweroffVMInstance"]),
    ],
)
def test_from_every_state_and_once_more(
    cloud: Emulator, vm: Run, power: Run, writes: Run, wanted: str, state: str, becomes: str, outcome: str, sent: list[str]
) -> None:
    vm_id = vm(state, becomes=becomes)
    first = power(wanted, vm_id)
    assert (first.outcomes, first.changed, first.failed, first.told) == ([outcome], outcome != "unchanged", False, [])
    if wanted != "powered_off" or cloud.generation.spell_vm(state) == state:  # 2026 shows Initializing as Starting, and refuses it there
        assert writes() == sent
    assert [call["action"] for call in cloud.calls() if call["action"] in sent and call["ret_code"] == 0] == sent
    assert cloud.state.vm(vm_id).state == GOAL[wanted]
    previous = cloud.generation.spell_vm(state)
    assert (first.results[0]["vm_id"], first.results[0]["previous_state"], first.results[0]["ret_code"]) == (vm_id, previous, None)
    before, again = writes(), power(wanted, vm_id)
    assert (again.outcomes, again.changed, again.results[0]["previous_state"]) == (["unchanged"], False, GOAL[wanted])
    assert writes() == before


@pytest.mark.parametrize("wanted", WANTED)
@pytest.mark.parametrize("state", ["Failed", "Deleted", "Terminating", "Terminated"])
def test_vm_that_is_lost_fails_at_once(vm: Run, power: Run, writes: Run, virtual_time: Any, wanted: str, state: str) -> None:
    vm_id = vm(state)
    answer = power(wanted, vm_id)
    assert (answer.outcomes, answer.changed, writes(), virtual_time.now()) == (["failed"], False, [], 0)
    assert answer.msg == f"1 of 1 failed: {vm_id}: the VM is {state}" and answer.results[0]["previous_state"] == state


@pytest.mark.parametrize("wanted", WANTED)
def test_one_missing_of_three_fails_and_the_others_are_done(cloud: Emulator, vm: Run, power: Run, wanted: str) -> None:
    one, two = vm(FROM[wanted]), vm(FROM[wanted])
    answer = power(wanted, one, "vm-missing", two)
    assert (answer.outcomes, answer.failed, answer.changed) == ([wanted, "failed", wanted], True, True)
    assert answer.msg == "1 of 3 failed: vm-missing: the VM does not exist"
    assert [(entry["vm_id"], entry["previous_state"]) for entry in answer.results] == [
        (one, FROM[wanted]),
        ("vm-missing", None),
        (two, FROM[wanted]),
    ]
    assert [cloud.state.vm(each).state for each in (one, two)] == [GOAL[wanted]] * 2


def test_vm_that_vanishes_while_it_stops_fails(cloud: Emulator, vm: Run, power: Run, meanwhile: Run) -> None:
    vm_id = vm()
    cloud.add_faults({"action": "StopVMInstance", "kind": "hang_stopping"})
    meanwhile(lambda: cloud.state._db.execute("DELETE FROM vms"), after=20)
    answer = power("stopped", vm_id)
    assert (answer.outcomes, answer.changed) == (["failed"], True)
    assert "no longer listed; it was Running" in answer.msg


# ---- many at once


def test_many_share_one_poll(cloud: Emulator, vm: Run, power: Run) -> None:
    cloud.state.transition_seconds = 60
    vms = [vm() for _turn in range(20)]
    answer = power("stopped", *vms)
    assert (answer.counts["stopped"], [entry["vm_id"] for entry in answer.results]) == (20, vms)
    assert (answer.api_calls["StopVMInstance"], len(cloud.calls())) == (20, sum(answer.api_calls.values()))
    assert answer.api_calls["DescribeVMInstance"] <= 50 and answer.api_calls["DescribeDisk"] == 1


def test_more_than_a_page_of_them(cloud: Emulator, vm: Run, power: Run) -> None:
    vms = [vm("Stopped") for _turn in range(130)]
    answer = power("stopped", *vms)
    assert answer.counts["unchanged"] == 130 and answer.api_calls == {"DescribeVMInstance": 2}


def test_as_many_writes_at_once_as_asked(vm: Run, power: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int | None] = []

    class Pool(ThreadPoolExecutor):
        def __init__(self, max_workers: int | None = None) -> None:
            sizes.append(max_workers)
            super().__init__(max_workers)

    monkeypatch.setattr(_apply, "ThreadPoolExecutor", Pool)
    assert power("stopped", *[vm() for _turn in range(8)], parallelism=3).counts["stopped"] == 8
    assert set(sizes) == {3}


def test_order_of_the_results_is_that_of_the_question(vm: Run, power: Run) -> None:
    vms = sorted([vm("Stopped"), vm("Running"), vm("Stopping", becomes="Stopped")], reverse=True)
    assert [entry["vm_id"] for entry in power("stopped", *vms).results] == vms


# ---- disks at work


@pytest.mark.parametrize("wanted", WANTED)
def test_snapshot_of_a_disk_is_waited_for_before_it_acts(cloud: Emulator, vm: Run, power: Run, wanted: str) -> None:
    vm_id, other = vm(FROM[wanted]), vm(FROM[wanted])
    cloud.state.create_snapshot(disks_of(cloud, vm_id)[0], "x", seconds=90)
    answer = power(wanted, vm_id, other)
    assert (answer.outcomes, answer.failed) == ([wanted] * 2, False)
    calls = {call["params"]["VMID"]: call for call in cloud.calls(ACTION[wanted])}
    began = cloud.calls()[0]["at"]
    assert [(each["ret_code"], each["at"] - began >= 90) for each in (calls[vm_id], calls[other])] == [(0, True), (0, False)]
    assert len(cloud.calls(ACTION[wanted])) == 2


@pytest.mark.parametrize("wanted", WANTED)
def test_snapshot_of_a_disk_is_waited_for_whether_or_not_the_state_of_the_disk_shows_it(
    cloud: Emulator, vm: Run, power: Run, writes: Run, wanted: str
) -> None:
    """The API would take the write, and the snapshot might be broken."""
    vm_id = vm(FROM[wanted])
    (disk_id,) = disks_of(cloud, vm_id)
    cloud.state.create_snapshot(disk_id, "x", seconds=90)
    cloud.add_faults({"action": ACTION[wanted], "kind": "busy_disks_ignored"})
    answer = power(wanted, vm_id)
    (call,) = cloud.calls(ACTION[wanted])
    assert (answer.outcomes, call["at"] - cloud.calls()[0]["at"] >= 90) == ([wanted], True)


def test_disk_busy_until_the_deadline_leaves_it_pending_and_untouched(cloud: Emulator, vm: Run, power: Run, writes: Run) -> None:
    vm_id = vm()
    (disk_id,) = disks_of(cloud, vm_id)
    cloud.state.create_snapshot(disk_id, "x", seconds=None)
    answer = power("stopped", vm_id, wait_timeout=60)
    assert (answer.outcomes, answer.failed, answer.changed, writes()) == (["pending"], True, False, [])
    assert f"waiting for {disk_id} to become stable" in answer.msg and "60 s" in answer.msg
    assert "nothing was done yet, run the same task again" in answer.msg


def test_busy_disk_does_not_matter_if_nothing_is_to_be_done(cloud: Emulator, vm: Run, power: Run, virtual_time: Any) -> None:
    vm_id = vm("Stopped")
    cloud.state.create_snapshot(disks_of(cloud, vm_id)[0], "x", seconds=None)
    assert (power("stopped", vm_id).outcomes, virtual_time.now()) == (["unchanged"], 0)


def test_where_disks_may_not_be_asked_for_the_api_itself_says_when(cloud: Emulator, vm: Run, power: Run) -> None:
    vm_id = vm()
    cloud.state.create_snapshot(disks_of(cloud, vm_id)[0], "x", seconds=30)
    cloud.add_faults({"action": ["DescribeDisk", "DescribeSnapshot"], "kind": "refuse", "ret_code": 150})
    answer = power("stopped", vm_id)
    assert (answer.outcomes, answer.failed) == (["stopped"], False)
    assert {call["ret_code"] for call in cloud.calls("StopVMInstance")[:-1]} == {cloud.generation.codes[Reason.VM_DISK_NOT_STABLE]}


# ---- a guest that hangs


@pytest.fixture
def hung(cloud: Emulator, vm: Run) -> str:
    cloud.add_faults({"action": "StopVMInstance", "kind": "hang_stopping"})
    return str(vm())


def test_guest_that_hangs_is_pending_with_the_way_out_and_never_powered_off_unasked(
    cloud: Emulator, hung: str, power: Run, writes: Run
) -> None:
    first, second = (power("stopped", hung, wait_timeout=120) for _turn in range(2))
    assert (first.outcomes, first.failed, first.changed) == (["pending"], True, True)
    assert all(each in first.msg for each in (hung, "120 s", "last seen Stopping", "state=powered_off"))
    assert (second.outcomes, second.failed, second.changed, writes()) == (["pending"], True, False, ["StopVMInstance"])
    last = power("powered_off", hung)
    assert (last.outcomes, last.results[0]["previous_state"], cloud.state.vm(hung).state) == (["powered_off"], "Stopping", "Stopped")


def test_guest_that_hangs_does_not_hold_up_the_others(cloud: Emulator, vm: Run, power: Run) -> None:
    good, bad = vm(), vm()
    cloud.add_faults({"action": "StopVMInstance", "kind": "hang_stopping", "params": {"VMID": bad}})
    answer = power("stopped", good, bad, wait_timeout=60)
    assert (answer.outcomes, answer.counts["pending"], answer.changed) == (["stopped", "pending"], 1, True)
    assert answer.msg.startswith(f"1 of 2 failed: {bad}: ")


def test_guest_that_hangs_in_restarting_is_powered_off_and_nothing_else_is_tried(cloud: Emulator, vm: Run, power: Run, writes: Run) -> None:
    vm_id = vm()
    cloud.state.restart_vm(vm_id, hangs=True)
    stopped = power("stopped", vm_id, wait_timeout=60)
    assert (stopped.outcomes, stopped.changed, writes()) == (["pending"], False, []) and "last seen Restarting" in stopped.msg
    answer = power("powered_off", vm_id)
    assert (answer.outcomes, answer.results[0]["previous_state"], writes()) == (["powered_off"], "Restarting", ["PoweroffVMInstance"])
    assert cloud.state.vm(vm_id).state == "Stopped"


# ---- time-out, and without waiting


def test_time_out_hands_the_work_back_and_a_repeat_carries_on(cloud: Emulator, vm: Run, power: Run, writes: Run) -> None:
    cloud.state.transition_seconds = 90
    vm_id = vm("Stopped")
    first, second = (power("started", vm_id, wait_timeout=60) for _turn in range(2))
    assert (first.outcomes, first.failed, first.changed) == (["pending"], True, True)
    assert all(each in first.msg for each in (vm_id, "last seen Starting", "the operation continues, run the same task again"))
    assert (second.outcomes, second.failed, second.changed, writes()) == (["unchanged"], False, False, ["StartVMInstance"])


def test_time_up_after_a_lost_answer_says_that_nobody_knows(cloud: Emulator, vm: Run, power: Run) -> None:
    cloud.add_faults({"action": "StartVMInstance", "kind": "drop"})
    answer = power("started", vm("Stopped"), wait_timeout=10)
    assert (answer.outcomes, answer.failed) == (["pending"], True)
    assert "unknown" in answer.msg and "the operation continues" not in answer.msg


def test_state_that_never_ends_is_pending_and_nothing_is_sent(vm: Run, power: Run, writes: Run) -> None:
    answer = power("stopped", vm("Pondering"), wait_timeout=60)
    assert (answer.outcomes, answer.changed, answer.failed, writes()) == (["pending"], False, True, [])
    assert "last seen Pondering" in answer.msg


def test_without_wait_it_returns_as_soon_as_the_api_accepted(cloud: Emulator, vm: Run, power: Run, virtual_time: Any) -> None:
    cloud.state.transition_seconds = 600
    first, second = (power("stopped", *vms, wait=False) for vms in [[vm()]] * 2)
    assert (first.outcomes, first.changed, first.failed) == (["stopped"], True, False)
    assert (second.outcomes, second.changed, second.failed) == (["pending"], False, False)
    assert "not waiting" in second.results[0]["msg"] and virtual_time.now() < 30


def test_key_revoked_while_it_waits_ends_the_wait_and_says_what_is_unfinished(cloud: Emulator, vm: Run, power: Run) -> None:
    cloud.state.transition_seconds = 600
    cloud.add_faults({"action": "*", "kind": "refuse", "ret_code": 171, "skip": 4})
    answer = power("stopped", vm(), vm())
    assert (answer.outcomes, answer.failed, answer.changed) == (["pending"] * 2, True, True)
    assert "RetCode 171" in answer.msg and "\n" not in answer.msg


def test_polls_that_fail_for_a_while_say_nothing_of_the_work(cloud: Emulator, vm: Run, power: Run, writes: Run) -> None:
    cloud.state.transition_seconds = 60
    cloud.add_faults({"action": "DescribeVMInstance", "kind": "http_status", "status": 503, "skip": 2, "count": 12})
    assert (power("stopped", vm()).outcomes, writes()) == (["stopped"], ["StopVMInstance"])
    assert cloud.faults.report()[0]["struck"] == 12


@pytest.mark.parametrize("action", ["DescribeVMInstance", "DescribeDisk"])
def test_failed_first_listing_writes_nothing_and_has_an_entry_for_each(
    cloud: Emulator, vm: Run, power: Run, writes: Run, action: str
) -> None:
    cloud.add_faults({"action": action, "kind": "refuse", "ret_code": 171})
    vms = [vm(), vm()]
    answer = power("stopped", *vms)
    assert (answer.failed, answer.outcomes, writes(), answer.counts["failed"]) == (True, ["failed"] * 2, [], 2)
    assert answer.msg.endswith(". Nothing was done.")
    assert [(entry["vm_id"], entry["previous_state"], entry["ret_code"]) for entry in answer.results] == [(each, None, 171) for each in vms]


# ---- lost answers


@pytest.mark.parametrize("fault", DONE_BUT_LOST, ids=kind)
@pytest.mark.parametrize("wanted", WANTED)
def test_done_but_the_answer_lost_is_seen_and_not_sent_again(
    cloud: Emulator, vm: Run, power: Run, wanted: str, fault: dict[str, Any]
) -> None:
    cloud.add_faults({"action": ACTION[wanted], **fault, "count": 1})
    answer = power(wanted, vm(FROM[wanted]))
    assert (answer.outcomes, answer.changed, answer.failed, answer.told) == ([wanted], True, False, [])
    assert len(cloud.calls(ACTION[wanted])) == 1


@pytest.mark.parametrize("fault", UNKNOWN_FATE, ids=kind)
@pytest.mark.parametrize("wanted", WANTED)
def test_not_done_and_no_answer_is_sent_once_more_after_30_seconds_and_said(
    cloud: Emulator, vm: Run, power: Run, wanted: str, fault: dict[str, Any]
) -> None:
    cloud.add_faults({"action": ACTION[wanted], **fault, "count": 1})
    vm_id = vm(FROM[wanted])
    answer = power(wanted, vm_id)
    first, second = (call["at"] for call in cloud.calls(ACTION[wanted]))
    assert (answer.outcomes, answer.failed, second - first >= 30) == ([wanted], False, True)
    assert len(answer.told) == 1 and vm_id in answer.told[0] and "sent once more" in answer.told[0]


def test_twice_no_answer_fails_and_a_repeat_may_try_again(cloud: Emulator, vm: Run, power: Run) -> None:
    cloud.add_faults({"action": "StopVMInstance", "kind": "refuse", "ret_code": 560, "count": 2})
    vm_id = vm()
    first, second = (power("stopped", vm_id) for _turn in range(2))
    assert (first.outcomes, first.changed, first.results[0]["ret_code"]) == (["failed"], True, 560)
    assert "still Running: two requests got no response" in first.msg and len(first.told) == 1
    assert second.outcomes == ["stopped"] and len(cloud.calls("StopVMInstance")) == 3


def test_lost_answer_is_searched_for_without_wait_too(cloud: Emulator, vm: Run, power: Run) -> None:
    cloud.add_faults({"action": "StopVMInstance", "kind": "drop", "count": 1})
    assert power("stopped", vm(), wait=False).outcomes == ["stopped"]
    assert len(cloud.calls("StopVMInstance")) == 2


# ---- refusals


@pytest.mark.parametrize("wanted", WANTED)
@pytest.mark.parametrize("code", [165, 199, 2041, 2011, 2015, 201, 202, 1005, 1006, 5000])
def test_refusal_that_passes_is_waited_out(cloud: Emulator, vm: Run, power: Run, wanted: str, code: int) -> None:
    cloud.add_faults({"action": ACTION[wanted], "kind": "refuse", "ret_code": code, "count": 3})
    answer = power(wanted, vm(FROM[wanted]))
    assert (answer.outcomes, answer.told, len(cloud.calls(ACTION[wanted]))) == ([wanted], [], 4)


@pytest.mark.parametrize("wanted", WANTED)
@pytest.mark.parametrize(("code", "of_the_account"), [(1005, "the account is frozen"), (1006, "the account is not activated")])
def test_refused_for_a_state_that_is_not_seen_fails_after_30_seconds_and_says_both_meanings(
    cloud: Emulator, vm: Run, power: Run, refusal: Run, virtual_time: Any, wanted: str, code: int, of_the_account: str
) -> None:
    vm_id = vm(FROM[wanted])
    cloud.add_faults({"action": ACTION[wanted], "kind": "refuse", "ret_code": code})
    answer = power(wanted, vm_id)
    assert (answer.outcomes, answer.changed, answer.results[0]["ret_code"]) == (["failed"], False, code)
    assert answer.msg.startswith(f"1 of 1 failed: {vm_id}: {ACTION[wanted]}: ") and "\n" not in answer.msg
    assert all(each in answer.msg for each in ("the VM is in a state that forbids this (2.x)", of_the_account, refusal(answer.results[0])))
    first, *_rest, last = (call["at"] for call in cloud.calls(ACTION[wanted]))
    assert 30 <= last - first < 60 and virtual_time.now() < 60


@pytest.mark.parametrize("code", [201, 1005, 1006, 2011, 2015])
def test_refused_for_a_state_that_is_seen_passing_is_waited_for(cloud: Emulator, vm: Run, power: Run, meanwhile: Run, code: int) -> None:
    vm_id = vm()

    def move(state: str) -> None:
        cloud.state._db.execute("UPDATE vms SET state = ?", (state,))

    cloud.add_faults({"action": "StopVMInstance", "kind": "refuse", "ret_code": code})
    meanwhile(lambda: move("Migrating"), after=20)
    meanwhile(lambda: move("Running"), after=100)
    meanwhile(cloud.faults.clear, after=110)
    answer = power("stopped", vm_id)
    assert (answer.outcomes, answer.failed, cloud.calls("StopVMInstance")[-1]["ret_code"]) == (["stopped"], False, 0)


@pytest.mark.parametrize("code", [201, 1005, 1006, 2011, 2015])
def test_power_off_refused_while_it_starts_is_waited_for(cloud: Emulator, vm: Run, power: Run, meanwhile: Run, code: int) -> None:
    vm_id = vm("Starting", becomes="Running", after=90)
    cloud.add_faults({"action": "PoweroffVMInstance", "kind": "refuse", "ret_code": code})
    meanwhile(cloud.faults.clear, after=100)
    assert power("powered_off", vm_id).outcomes == ["powered_off"]


def test_refusal_until_the_deadline_is_pending_unchanged_and_reported(cloud: Emulator, vm: Run, power: Run) -> None:
    cloud.add_faults({"action": "StopVMInstance", "kind": "refuse", "ret_code": 2041})
    answer = power("stopped", vm(), wait_timeout=60)
    assert (answer.outcomes, answer.changed, answer.results[0]["ret_code"]) == (["pending"], False, 2041)
    assert "RetCode 2041" in answer.msg and "\n" not in answer.msg


@pytest.mark.parametrize("wanted", WANTED)
@pytest.mark.parametrize("code", [113, 140, 150, 160, 171, 1004, 424242])
def test_permanent_refusal_fails_at_once_and_the_others_continue(cloud: Emulator, vm: Run, power: Run, wanted: str, code: int) -> None:
    bad, good = vm(FROM[wanted]), vm(FROM[wanted])
    cloud.add_faults({"action": ACTION[wanted], "kind": "refuse", "ret_code": code, "params": {"VMID": bad}})
    answer = power(wanted, bad, good)
    assert (answer.outcomes, answer.changed, answer.results[0]["ret_code"]) == (["failed", wanted], True, code)
    assert answer.msg.startswith(f"1 of 2 failed: {bad}: {ACTION[wanted]}: ") and len(cloud.calls(ACTION[wanted])) == 2


def test_refused_because_somebody_else_was_quicker_is_unchanged(cloud: Emulator, vm: Run, power: Run, meanwhile: Run) -> None:
    vm_id = vm()
    cloud.add_faults({"action": "StopVMInstance", "kind": "refuse", "ret_code": 2015})
    meanwhile(lambda: cloud.state.stop_vm(vm_id), when=lambda: cloud.calls("StopVMInstance"))
    answer = power("stopped", vm_id)
    assert (answer.outcomes, answer.changed, answer.results[0]["msg"]) == (["unchanged"], False, "is Stopped")


# ---- options


def test_single_vm_may_be_given_under_the_singular_name(vm: Run, run: Run) -> None:
    assert run("vm_power", vm_id=vm(), state="stopped").outcomes == ["stopped"]


def test_diff_names_each_vm_with_what_becomes_of_it(vm: Run, power: Run) -> None:
    vms = [vm("Running"), vm("Stopped"), vm("Stopping", becomes="Stopped"), "vm-missing"]
    diff = power("stopped", *vms, _diff=True).diff
    assert diff["before"].splitlines() == [f"{vms[0]}: Running", f"{vms[1]}: Stopped", f"{vms[2]}: Stopped", "vm-missing: does not exist"]
    assert diff["after"].splitlines() == [*(f"{each}: Stopped" for each in vms[:3]), "vm-missing: does not exist"]
