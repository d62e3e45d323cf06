# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The loop that looks, decides, writes and waits for all units of a task together, with decisions made up for the test."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.module_utils import _results, _snapshots
from ansible_collections.ucloudstack.cloud.plugins.module_utils._apply import Task, Unit
from ansible_collections.ucloudstack.cloud.plugins.module_utils._client import Client
from ansible_collections.ucloudstack.cloud.plugins.module_utils._clock import Clock
from ansible_collections.ucloudstack.cloud.plugins.module_utils._errors import FatalError
from ansible_collections.ucloudstack.cloud.plugins.module_utils._progress import ProgressFile
from ansible_collections.ucloudstack.cloud.plugins.module_utils._steps import Progress, Seen, Step
from ansible_collections.ucloudstack.cloud.plugins.module_utils._transport import Config
from emulator.errors import Reason
from emulator.server import Emulator
from emulator.state import DiskStatus

NewTask = Callable[[float], Task]


@pytest.fixture
def new_task(cloud: Emulator, virtual_time: Any) -> NewTask:
    """A task with so many seconds until its deadline."""
    config = Config(**{key: getattr(cloud, key) for key in ("api_url", "public_key", "private_key", "region", "zone")})
    clock = Clock(now=virtual_time.now, wall=virtual_time.wall, sleep=virtual_time.sleep, chance=lambda: 0.5)
    return lambda seconds: Task(Client(config, clock), seconds, ProgressFile(None))


def script(*steps: Step) -> Callable[[Seen, Progress, float], Step]:
    """Decides the steps one after the other, the last one for ever."""
    rest = list(steps)
    return lambda seen, progress, now: rest.pop(0) if len(rest) > 1 else rest[0]


def carry_out(task: Task, *units: Unit) -> None:
    task.plan(units, task.read(disk_ids=[unit.disk_id for unit in units]))
    task.carry_out(units, "done")


def create(disk: str, name: str = "x") -> Step:
    return Step("create", "created", disk, name=name)


def wait(disk: str, snapshot_id: str | None = None) -> Step:
    return Step("wait", "created", disk, snapshot_id)


def done(disk: str, snapshot_id: str | None = None) -> Step:
    return Step("done", "created", disk, snapshot_id)


def test_no_units_mean_no_calls(cloud: Emulator, new_task: NewTask) -> None:
    task = new_task(60)
    carry_out(task)
    assert cloud.calls() == [] and not task.timed_out


def test_one_poll_asks_for_100_ids_and_never_for_one_disk_each(cloud: Emulator, disks: list[str], new_task: NewTask) -> None:
    ids = [cloud.state.add_snapshot(disks[number % 5], "x") for number in range(250)]
    seen = new_task(60).read(snapshot_ids=ids)
    assert set(seen.snapshots) == set(ids) and seen.disks == frozenset()
    assert sorted(sum("SnapshotIDs" in key for key in call["params"]) for call in cloud.calls()) == [50, 100, 100]


def test_listing_of_disks_is_complete_for_them_and_for_no_others(cloud: Emulator, disks: list[str], new_task: NewTask) -> None:
    snapshots = {each: cloud.state.add_snapshot(each, "x") for each in disks}
    seen = new_task(60).read(disk_ids=disks[:2])
    assert (set(seen.snapshots), seen.disks) == ({snapshots[each] for each in disks[:2]}, frozenset(disks[:2]))


def test_disks_of_a_large_account_are_read_one_by_one_and_side_by_side(
    cloud: Emulator, disks: list[str], new_task: NewTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(299):
        cloud.state.add_snapshot(disks[4], f"x-{number}")
    snapshot = cloud.state.add_snapshot(disks[0], "x")
    together, read = threading.Barrier(2), _snapshots._of_disk

    def reading(*args: Any) -> Any:
        together.wait(10)  # breaks, and fails the test, where only one is read at a time
        return read(*args)

    monkeypatch.setattr(_snapshots, "_of_disk", reading)
    seen = new_task(60).read(disk_ids=disks[:2])
    first, *others = (call["params"].get("DiskID") for call in cloud.calls())
    assert (list(seen.snapshots), first, set(others)) == ([snapshot], None, set(disks[:2]))


def test_waiting_for_many_is_one_call_a_round_and_rounds_get_rarer(cloud: Emulator, disks: list[str], new_task: NewTask) -> None:
    cloud.state.snapshot_seconds = 600
    ids = [cloud.state.create_snapshot(each, "x") for each in disks]

    def until_normal(disk: str, snapshot_id: str) -> Callable[[Seen, Progress, float], Step]:
        def decide(seen: Seen, progress: Progress, now: float) -> Step:
            return done(disk) if seen.snapshots[snapshot_id].status == "Normal" else wait(disk, snapshot_id)

        return decide

    task = new_task(1800)
    carry_out(task, *(Unit(until_normal(*pair), pair[0], pair[1]) for pair in zip(disks, ids, strict=True)))
    times = [call["at"] for call in cloud.calls()]
    gaps = [round(later - earlier, 3) for earlier, later in itertools.pairwise(times)]
    assert gaps == sorted(gaps) and gaps[0] == 0.25 and max(gaps) == 15
    assert len(times) < 90 and times[-1] - times[0] >= 600


def test_a_write_is_sent_once_for_each_decision(cloud: Emulator, disk: str, new_task: NewTask) -> None:
    unit = Unit(script(create(disk), wait(disk), wait(disk), done(disk)), disk)
    carry_out(new_task(60), unit)
    assert len(cloud.calls("CreateSnapshot")) == 1
    assert [(sent.do, sent.result) for sent in unit.progress.sent] == [("create", "accepted")]


@pytest.mark.parametrize("do", ["list", "wait", "done"])
def test_nothing_but_the_three_writes_is_ever_sent(cloud: Emulator, disk: str, new_task: NewTask, do: Any) -> None:
    cloud.state.add_snapshot(disk, "x")
    carry_out(new_task(5), Unit(script(Step(do, "rolled_back", disk, cloud.state.find_snapshots()[0])), disk))
    assert {call["action"] for call in cloud.calls()} == {"DescribeSnapshot"}


def test_list_step_is_executed_at_once_and_decided_again(cloud: Emulator, disk: str, new_task: NewTask, virtual_time: Any) -> None:
    snapshot = cloud.state.add_snapshot(disk, "x")
    task = new_task(60)
    unit = Unit(lambda seen, progress, now: done(disk) if disk in seen.disks else Step("list", "created", disk), disk)
    task.plan([unit], task.read([snapshot]))
    assert (unit.step.do, virtual_time.now()) == ("done", 0)


@pytest.mark.parametrize(
    ("fault", "result"),
    [
        ({"kind": "lose_answer"}, "unknown"),
        ({"kind": "http_status", "status": 502}, "unknown"),
        ({"kind": "http_status", "status": 429}, "refused"),
        ({"kind": "http_status", "status": 404}, "unknown"),
        ({"kind": "redirect"}, "unknown"),
        ({"kind": "refuse", "ret_code": 560}, "unknown"),
        ({"kind": "refuse", "ret_code": 165}, "refused"),
        ({"kind": "refuse", "ret_code": 2502}, "refused"),
        ({"kind": "refuse", "ret_code": 2500}, "failed"),
        ({"kind": "refuse", "ret_code": 2201}, "failed"),
        ({"kind": "refuse", "ret_code": 424242}, "failed"),
        ({"kind": "refuse", "ret_code": 2206}, "wrong_state"),
        ({"kind": "refuse", "ret_code": 201}, "wrong_state"),
    ],
    ids=lambda each: "-".join(map(str, each.values())) if isinstance(each, dict) else "",
)
def test_outcome_of_a_create(cloud: Emulator, disk: str, new_task: NewTask, fault: dict[str, Any], result: str) -> None:
    cloud.add_faults({"action": "CreateSnapshot", **fault})
    unit = Unit(script(create(disk), done(disk)), disk)
    carry_out(new_task(60), unit)
    (sent,) = unit.progress.sent
    assert (sent.result, sent.snapshot_id, sent.ret_code) == (result, None, fault.get("ret_code"))
    assert sent.msg.startswith("CreateSnapshot: ")


@pytest.mark.parametrize("status", ["Deleting", "Deleted", "Releasing", "Released", "Failed"])
def test_wrong_state_is_final_when_the_disks_state_does_not_pass(cloud: Emulator, disk: str, new_task: NewTask, status: str) -> None:
    cloud.state._db.execute("UPDATE disks SET status = ?", (status,))
    unit = Unit(script(create(disk), done(disk)), disk)
    carry_out(new_task(60), unit)
    wrong_state = cloud.generation.codes[Reason.DISK_WRONG_STATE]
    assert [(sent.result, sent.ret_code) for sent in unit.progress.sent] == [("failed", wrong_state)]


def test_wrong_state_may_pass_when_the_disk_cannot_be_asked(cloud: Emulator, disk: str, new_task: NewTask) -> None:
    cloud.state._set_disk_status(disk, DiskStatus.DELETING)
    cloud.add_faults({"action": "DescribeDisk", "kind": "refuse", "ret_code": 150})
    unit = Unit(script(create(disk), done(disk)), disk)
    carry_out(new_task(60), unit)
    assert [sent.result for sent in unit.progress.sent] == ["refused"]


@pytest.mark.parametrize("code", [200, 204, 205])
def test_delete_of_what_is_gone_is_missing(cloud: Emulator, disk: str, new_task: NewTask, code: int) -> None:
    snapshot = cloud.state.add_snapshot(disk, "x")
    cloud.add_faults({"action": "DeleteSnapshot", "kind": "refuse", "ret_code": code})
    unit = Unit(script(Step("delete", "deleted", disk, snapshot), done(disk)), disk, snapshot)
    carry_out(new_task(60), unit)
    assert [sent.result for sent in unit.progress.sent] == ["missing"]


def test_no_write_is_sent_when_time_is_up(cloud: Emulator, disks: list[str], new_task: NewTask, virtual_time: Any) -> None:
    task = new_task(60)
    units = [Unit(script(create(each), wait(each)), each) for each in disks]
    task.plan(units, task.read(disk_ids=disks))
    virtual_time.sleep(60)
    task.carry_out(units, "done")
    assert task.timed_out and cloud.calls("CreateSnapshot") == []
    assert {unit.step.outcome for unit in units} == {"failed"} and all(unit.step.failed for unit in units)


def test_last_poll_is_at_the_deadline_and_none_is_after_it(cloud: Emulator, disk: str, new_task: NewTask, virtual_time: Any) -> None:
    carry_out(new_task(40), Unit(script(create(disk), wait(disk)), disk))
    assert virtual_time.now() == 40 and cloud.calls()[-1]["at"] == virtual_time.wall()


def test_forbidden_poll_ends_the_wait(cloud: Emulator, disks: list[str], new_task: NewTask, virtual_time: Any) -> None:
    cloud.add_faults({"action": "DescribeSnapshot", "kind": "refuse", "ret_code": 171, "skip": 1})
    task, units = new_task(1800), [Unit(script(create(each), wait(each)), each) for each in disks[:2]]
    carry_out(task, *units)
    assert (task.timed_out, virtual_time.now() < 5, [unit.step.outcome for unit in units]) == (True, True, ["pending"] * 2)
    assert all("171" in unit.step.msg and unit.step.snapshot_id for unit in units)


def test_failed_first_listing_is_raised(cloud: Emulator, disk: str, new_task: NewTask) -> None:
    cloud.add_faults({"action": "*", "kind": "refuse", "ret_code": 171})
    with pytest.raises(FatalError, match="171"):
        carry_out(new_task(60), Unit(script(create(disk)), disk))


def test_latest_record_is_the_one_last_seen(cloud: Emulator, disk: str, new_task: NewTask, virtual_time: Any) -> None:
    snapshot = cloud.state.create_snapshot(disk, "x", seconds=10)
    task = new_task(60)
    task.read([snapshot])
    before = task.latest[snapshot].status
    virtual_time.sleep(10)
    task.read([snapshot])
    assert (before, task.latest[snapshot].status) == (cloud.generation.spell_snapshot("Createing"), "Normal")


def test_results_have_one_entry_per_item_in_the_order_asked_and_counts_zeros() -> None:
    steps = [
        Step("done", "deleted", "d2", "s2", "gone", changed=True, before="two", after="none"),
        Step("done", "failed", "d0", "s0", "because.", failed=True, ret_code=7, before="one", after="one"),
        Step("done", "absent", "", None, "nothing"),
        Step("done", "failed", "d3", "s3", "because.", failed=True),
    ]
    outcomes = ("deleted", "absent", "pending", "failed")
    values = _results.of_steps(outcomes, steps, steps, ["a", "b", "a"])
    assert [entry["disk_id"] for entry in values["results"]] == ["d2", "d0", None, "d3"]
    codes = {"ret_code": 7, "request_id": None}
    assert values["results"][1] == {
        "disk_id": "d0",
        "snapshot_id": "s0",
        "outcome": "failed",
        "reason": None,
        "msg": "because.",
        **codes,
    }
    assert values["counts"] == {"deleted": 1, "absent": 1, "pending": 0, "failed": 2}
    assert (values["changed"], values["failed"], values["msg"]) == (True, True, "2 of 4 failed: d0, d3: because")
    assert values["diff"] == {"before": "two\none\n\n\n", "after": "none\none\n\n\n"} and values["warnings"] == ["a", "b"]
