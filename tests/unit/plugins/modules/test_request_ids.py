# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The id under which the platform keeps a request: that of the last write of each item, in its entry and in the message of a refusal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from emulator.server import Emulator
from emulator.state import VmState

Run = Callable[..., Any]
LastWrite = Callable[[str], Any]

ACTION = {"started": "StartVMInstance", "stopped": "StopVMInstance", "powered_off": "PoweroffVMInstance"}


@pytest.fixture
def last_write(cloud: Emulator) -> LastWrite:
    """``last_write(id)``: the last call that was to change something and named this disk, snapshot or VM."""

    def find(resource_id: str) -> dict[str, Any]:
        writes = [call for call in cloud.calls() if not call["action"].startswith("Describe")]
        return [call for call in writes if resource_id in call["params"].values()][-1]

    return find


@pytest.fixture
def vm(cloud: Emulator) -> str:
    return cloud.state.add_vm("web", boot_gb=1, state=VmState.STOPPED)


def check(cloud: Emulator, answer: Any, calls: list[Any], action: str) -> None:
    """Each entry has the id of its call, which is this action; on platforms that give no ids, none."""
    assert [call["action"] for call in calls] == [action] * len(calls)
    ids = [call["request_id"] for call in calls]
    assert [entry["request_id"] for entry in answer.results] == ids
    assert all(ids) and len(set(ids)) == len(ids) if cloud.generation.request_ids else not any(ids)


def test_created(cloud: Emulator, run: Run, disks: list[str], last_write: LastWrite) -> None:
    answer = run("snapshot", name="x", disk_ids=disks)
    check(cloud, answer, [last_write(each) for each in disks], "CreateSnapshot")


def test_deleted(cloud: Emulator, run: Run, disks: list[str], last_write: LastWrite) -> None:
    snapshots = [cloud.state.add_snapshot(each, "x") for each in disks]
    answer = run("snapshot", name="x", disk_ids=disks, state="absent")
    check(cloud, answer, [last_write(each) for each in snapshots], "DeleteSnapshot")


@pytest.mark.parametrize(
    ("options", "fault", "action"),
    [
        ({}, [], "RollbackSnapshot"),
        ({"marker_name": "m"}, [], "CreateSnapshot"),
        ({"marker_name": "m"}, [{"action": "RollbackSnapshot", "kind": "rollback_detaches"}], "AttachDisk"),
    ],
    ids=["plain", "marked", "attached again"],
)
def test_rolled_back(
    cloud: Emulator, run: Run, vm: str, last_write: LastWrite, options: dict[str, Any], fault: list[dict[str, Any]], action: str
) -> None:
    (disk,) = cloud.state.find_disks(vm_id=vm)
    cloud.state.add_snapshot(disk, "x", age=60)
    cloud.add_faults(*fault)
    answer = run("snapshot_rollback", name="x", disk_ids=[disk], **options)
    assert answer.outcomes == ["rolled_back"]
    check(cloud, answer, [last_write(disk)], action)


@pytest.mark.parametrize("state", ["started", "stopped", "powered_off"])
def test_switched(cloud: Emulator, run: Run, last_write: LastWrite, state: str) -> None:
    before = VmState.STOPPED if state == "started" else VmState.RUNNING
    vms = [cloud.state.add_vm("web", boot_gb=1, state=before) for _turn in range(3)]
    answer = run("vm_power", vm_ids=vms, state=state)
    check(cloud, answer, [last_write(each) for each in vms], ACTION[state])


@pytest.mark.parametrize("code", [150, 2502])
def test_refused_again_and_again_names_the_last_request(
    cloud: Emulator, run: Run, disks: list[str], last_write: LastWrite, refusal: Run, code: int
) -> None:
    cloud.add_faults({"action": "CreateSnapshot", "kind": "refuse", "ret_code": code})
    answer = run("snapshot", name="x", disk_ids=disks, wait_timeout=60)
    assert answer.outcomes == ["failed"] * len(disks)
    check(cloud, answer, [last_write(each) for each in disks], "CreateSnapshot")
    assert all(refusal(entry) in entry["msg"] and refusal(entry) in answer.msg for entry in answer.results)


@pytest.mark.parametrize(("action", "code"), [("StartVMInstance", 150), ("StartVMInstance", 1005), ("StartVMInstance", 2041)])
def test_refused_to_start_names_the_last_request(
    cloud: Emulator, run: Run, vm: str, last_write: LastWrite, refusal: Run, action: str, code: int
) -> None:
    cloud.add_faults({"action": action, "kind": "refuse", "ret_code": code})
    answer = run("vm_power", vm_ids=[vm], state="started", wait_timeout=60)
    check(cloud, answer, [last_write(vm)], action)
    assert answer.failed and refusal(answer.results[0]) in answer.msg


def test_refused_first_list_is_named_by_all(cloud: Emulator, run: Run, disks: list[str], refusal: Run) -> None:
    cloud.add_faults({"action": "DescribeSnapshot", "kind": "refuse", "ret_code": 171})
    answer = run("snapshot", name="x", disk_ids=disks)
    (call,) = cloud.calls()
    assert {entry["request_id"] for entry in answer.results} == {call["request_id"]}
    assert refusal(answer.results[0]) in answer.msg


def test_answer_without_a_head_has_none(cloud: Emulator, run: Run, disk: str) -> None:
    cloud.add_faults({"action": "CreateSnapshot", "kind": "lose_answer"})
    answer = run("snapshot", name="x", disk_ids=[disk])
    assert (answer.outcomes, answer.results[0]["request_id"]) == (["adopted"], None)


def test_nothing_to_do_has_none(cloud: Emulator, run: Run, disk: str, vm: str) -> None:
    cloud.state.add_snapshot(disk, "x")
    for answer in (
        run("snapshot", name="x", disk_ids=[disk]),
        run("snapshot", name="x", disk_ids=[disk], state="absent", _check=True),
        run("snapshot_rollback", name="x", disk_ids=[disk], _check=True),
        run("vm_power", vm_ids=[vm], state="stopped"),
    ):
        assert [entry["request_id"] for entry in answer.results] == [None]
