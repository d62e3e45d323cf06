# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A word for a state that nobody knows is no success, ends nothing, and leads to no second write: it is waited for and named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from emulator.server import Emulator
from emulator.state import VmState

Run = Callable[..., Any]

words = pytest.mark.parametrize("word", ["Pondering", "Unknown"])
MARKED = {"marker_name": "m"}
FOR_EVER = 9_999
POWER = [("started", "StartVMInstance"), ("stopped", "StopVMInstance"), ("powered_off", "PoweroffVMInstance")]


@pytest.fixture
def vm(cloud: Emulator) -> Callable[..., str]:
    """``vm("started")``: a VM that is not so."""
    return lambda wanted: cloud.state.add_vm("web", boot_gb=1, state=VmState.STOPPED if wanted == "started" else VmState.RUNNING)


def odd(action: str, word: str, seconds: float = FOR_EVER) -> dict[str, Any]:
    return {"action": action, "kind": "odd_status", "status": word, "seconds": seconds}


# ---- create


@words
def test_snapshot_in_such_a_state_is_not_usable_and_none_is_created_beside_it(
    cloud: Emulator, run: Run, disk: str, writes: Run, word: str
) -> None:
    cloud.add_faults(odd("CreateSnapshot", word))
    first, second = (run("snapshot", name="x", disk_ids=[disk], wait_timeout=60) for _turn in range(2))
    assert (first.outcomes, first.failed, first.changed) == (["pending"], True, True)
    assert (second.outcomes, second.failed, second.changed) == (["pending"], True, False)
    assert writes() == ["CreateSnapshot"] and all(word in answer.msg for answer in (first, second))


@words
def test_snapshot_whose_answer_was_lost_is_adopted_in_such_a_state_and_none_is_created_beside_it(
    cloud: Emulator, run: Run, disk: str, writes: Run, word: str
) -> None:
    cloud.add_faults(odd("CreateSnapshot", word, 100), {"action": "CreateSnapshot", "kind": "lose_answer"})
    answer = run("snapshot", name="x", disk_ids=[disk])
    assert (answer.outcomes, answer.snapshots[0]["status"], writes()) == (["adopted"], "Normal", ["CreateSnapshot"])


@words
def test_disk_in_such_a_state_is_waited_for(cloud: Emulator, run: Run, disk: str, word: str, named: Run) -> None:
    cloud.state.show_odd_status(disk, word, 100)
    answer = run("snapshot", name="x", disk_ids=[disk])
    *refused, last = cloud.calls("CreateSnapshot")
    assert (answer.outcomes, last["ret_code"], len(named(disk, "x"))) == (["created"], 0, 1)
    assert refused and all(call["ret_code"] for call in refused)


@words
def test_disk_in_such_a_state_until_the_deadline_fails_with_nothing_done(
    cloud: Emulator, run: Run, disk: str, word: str, named: Run
) -> None:
    cloud.state.show_odd_status(disk, word, FOR_EVER)
    answer = run("snapshot", name="x", disk_ids=[disk], wait_timeout=120)
    assert (answer.outcomes, answer.changed, named(disk, "x")) == (["failed"], False, [])
    assert "120 s" in answer.msg and "nothing was done" in answer.msg and word in answer.msg


# ---- delete


@words
def test_snapshot_in_such_a_state_is_not_deleted_and_not_gone(cloud: Emulator, run: Run, disk: str, writes: Run, word: str) -> None:
    cloud.state.show_odd_status(cloud.state.add_snapshot(disk, "x"), word, FOR_EVER)
    answer = run("snapshot", name="x", disk_ids=[disk], state="absent", wait_timeout=60)
    assert (answer.outcomes, answer.failed, answer.changed, writes()) == (["pending"], True, False, [])
    assert word in answer.msg


@words
@pytest.mark.parametrize("lost", [False, True])
def test_deletion_that_shows_such_a_state_is_not_over_and_not_sent_again(
    cloud: Emulator, run: Run, disk: str, meanwhile: Run, writes: Run, word: str, lost: bool
) -> None:
    cloud.state.transition_seconds = 200
    snapshot = cloud.state.add_snapshot(disk, "x")
    meanwhile(lambda: cloud.state.show_odd_status(snapshot, word, FOR_EVER), when=lambda: cloud.calls("DeleteSnapshot"))
    cloud.add_faults(*([{"action": "DeleteSnapshot", "kind": "lose_answer"}] if lost else []))
    first, second = (run("snapshot", name="x", disk_ids=[disk], state="absent", wait_timeout=seconds) for seconds in (90, 900))
    assert (first.outcomes, first.failed, word in first.msg) == (["pending"], True, True)
    assert (second.outcomes, second.failed, writes()) == (["absent"], False, ["DeleteSnapshot"])


# ---- roll back


@words
@pytest.mark.parametrize("lost", [False, True])
def test_rollback_that_shows_such_a_state_is_not_over_and_has_no_marker(
    cloud: Emulator, run: Run, disk: str, writes: Run, word: str, lost: bool
) -> None:
    cloud.state.add_snapshot(disk, "x", age=60)
    cloud.add_faults(odd("RollbackSnapshot", word), *([{"action": "RollbackSnapshot", "kind": "lose_answer"}] if lost else []))
    answer = run("snapshot_rollback", name="x", disk_ids=[disk], **MARKED, wait_timeout=120)
    assert (answer.outcomes, answer.failed, answer.changed, writes()) == (["pending"], True, True, ["RollbackSnapshot"])
    assert word in answer.msg


@words
def test_snapshot_in_such_a_state_is_not_rolled_back_to(cloud: Emulator, run: Run, disk: str, writes: Run, word: str) -> None:
    cloud.state.show_odd_status(cloud.state.add_snapshot(disk, "x"), word, 100)
    answer = run("snapshot_rollback", name="x", disk_ids=[disk])
    assert (answer.outcomes, answer.changed, writes()) == (["failed"], False, []) and word in answer.msg


@words
def test_disk_in_such_a_state_is_rolled_back_once_that_is_over(cloud: Emulator, run: Run, disk: str, word: str) -> None:
    cloud.state.add_snapshot(disk, "x", age=60)
    cloud.state.show_odd_status(disk, word, 100)
    answer = run("snapshot_rollback", name="x", disk_ids=[disk])
    assert (answer.outcomes, sum(call["ret_code"] == 0 for call in cloud.calls("RollbackSnapshot"))) == (["rolled_back"], 1)


@words
def test_vm_in_such_a_state_is_not_off(cloud: Emulator, run: Run, vm: Run, writes: Run, word: str) -> None:
    vm_id = vm("started")
    (disk,) = cloud.state.find_disks(vm_id=vm_id)
    cloud.state.add_snapshot(disk, "x")
    cloud.state.show_odd_status(vm_id, word, FOR_EVER)
    answer = run("snapshot_rollback", name="x", disk_ids=[disk])
    assert (answer.outcomes, writes()) == (["failed"], []) and f"attached to VM {vm_id}, which is {word}" in answer.msg


@words
@pytest.mark.parametrize(("seconds", "outcome"), [(100, "rolled_back"), (FOR_EVER, "detached")])
def test_disk_that_shows_such_a_state_while_it_is_attached_again(
    cloud: Emulator, run: Run, vm: Run, word: str, seconds: float, outcome: str
) -> None:
    vm_id = vm("started")
    (disk,) = cloud.state.find_disks(vm_id=vm_id)
    cloud.state.add_snapshot(disk, "x", age=60)
    cloud.add_faults({"action": "RollbackSnapshot", "kind": "rollback_detaches"}, odd("AttachDisk", word, seconds))
    answer = run("snapshot_rollback", name="x", disk_ids=[disk], wait_timeout=300)
    assert (answer.outcomes, len(cloud.calls("AttachDisk"))) == ([outcome], 1)
    assert answer.failed == (outcome == "detached") and (not answer.failed or word in answer.msg)


# ---- start and stop


@words
@pytest.mark.parametrize(("wanted", "action"), POWER)
@pytest.mark.parametrize("lost", [False, True])
def test_vm_that_shows_such_a_state_has_not_arrived_and_gets_no_second_request(
    cloud: Emulator, run: Run, vm: Run, writes: Run, word: str, wanted: str, action: str, lost: bool
) -> None:
    cloud.add_faults(odd(action, word), *([{"action": action, "kind": "lose_answer"}] if lost else []))
    vm_id = vm(wanted)
    first, second = (run("vm_power", vm_ids=[vm_id], state=wanted, wait_timeout=120) for _turn in range(2))
    assert (first.outcomes, first.failed, first.changed) == (["pending"], True, True)
    assert (second.outcomes, second.failed, second.changed, writes()) == (["pending"], True, False, [action])
    assert all(f"last seen {word}" in answer.msg for answer in (first, second))


@words
@pytest.mark.parametrize(("wanted", "action"), POWER)
def test_vm_whose_disk_shows_such_a_state_is_left_alone_until_that_is_over(
    cloud: Emulator, run: Run, vm: Run, word: str, wanted: str, action: str
) -> None:
    vm_id = vm(wanted)
    (disk,) = cloud.state.find_disks(vm_id=vm_id)
    cloud.state.show_odd_status(disk, word, 100)
    answer = run("vm_power", vm_ids=[vm_id], state=wanted)
    (call,) = cloud.calls(action)
    assert (answer.outcomes, call["ret_code"], call["at"] - cloud.calls()[0]["at"] >= 100) == ([wanted], 0, True)
