# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is done to restore a batch of hosts, step by step, and what is reported of each."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils import _restoring as steps

Record = dict[str, Any]
Batch = dict[str, Any]

OPTIONS = {"run_id": "p-1", "run_id_type": "str", "prefix": "n-", "disk_ids": [], "backup": False, "again": False, "limit": 10}
FAILED = {"failed": True, "msg": "no permission"}


def vm(number: int, state: str = "Running", *disk_ids: str) -> Record:
    return {"vm_id": f"vm-{number}", "state": state, "disk_ids": list(disk_ids or (f"d{number}",))}


def snap(number: int, **more: Any) -> Record:
    """The snapshot of the disk with this number."""
    remark = f"ucloudstack.cloud run=p-1 vm=vm-{number} disks=1"
    return {"snapshot_id": f"s{number}", "disk_id": f"d{number}", "name": "n-p-1", "status": "Normal", "remark": remark, **more}


def marker(number: int) -> Record:
    """It shows that the disk with this number was rolled back before."""
    marked = {"name": "n-p-1-r1", "remark": f"ucloudstack.cloud marker target=s{number}", "created_at": "noon"}
    return snap(number, snapshot_id=f"r{number}", **marked)


def hosts(*numbers: int) -> Record:
    """Hosts a1, a2, … with the VM and the disk of their number."""
    return {f"a{number}": {"vm_id": f"vm-{number}", "disk_ids": [f"d{number}"]} for number in numbers}


def plan(*numbers: int, snapshots: Any = None, check_mode: bool = False, vms: Any = None, listed: Any = None, **more: Any) -> Batch:
    known = steps.restore_runs(hosts(*numbers), more.pop("manifest", {}))
    return steps.restore_plan(
        more.pop("hosts", hosts(*numbers)),
        known,
        vms=vms or {"vms": [vm(number) for number in numbers]},
        listed=listed or {"snapshots": snapshots or [snap(number) for number in numbers]},
        options={**OPTIONS, **more},
        check_mode=check_mode,
    )


@pytest.mark.parametrize(
    ("own", "why"),
    [
        (OPTIONS, ""),
        ({**OPTIONS, "run_id": "p-2"}, "run id and prefix must be the same for all hosts"),
        ({**OPTIONS, "prefix": "m-"}, "run id and prefix must be the same for all hosts"),
        ({"disk_ids": [], "backup": False, "again": False, "limit": 10}, ""),
    ],
)
def test_no_host_is_rolled_back_if_another_has_another_run(own: Record, why: str) -> None:
    known = {**hosts(1), "a2": {**hosts(2)["a2"], "rollback": own}}
    found = plan(1, 2, hosts=known)
    assert found["execute"] is not bool(why) and ([each["plan"]["msg"] for each in found["hosts"].values()] == [why, why])


def test_run_id_that_may_have_been_written_otherwise_is_refused() -> None:
    assert "quote it" in messages(plan(1, run_id_type="float"))["a1"] and not plan(1, run_id_type="float")["execute"]


def test_check_mode_that_only_the_modules_see_is_refused() -> None:
    found = plan(1, manifest={"check_mode": False}, check_mode=True)
    assert messages(found)["a1"].startswith("check_mode is set on the play") and not found["execute"]


def messages(batch: Batch) -> Record:
    return {host: each["result"]["msg"] for host, each in batch["hosts"].items()}


def power(outcome: str, *numbers: int) -> Record:
    """The result of a task of vm_power."""
    return {"results": [{"vm_id": f"vm-{number}", "outcome": outcome, "msg": f"vm-{number} {outcome}"} for number in numbers]}


# ---- what is known of the run


def test_runs_by_the_manifest_or_else_by_the_host() -> None:
    entry = {"vm_id": "vm-8", "disk_ids": ["d8", "e8"], "state": "verified"}
    found = steps.restore_runs(hosts(1, 2), {"manifest": {"hosts": {"a2": entry, "a3": {}}}})
    assert found == {
        "runs": {"a1": {"vm_id": "vm-1", "disk_ids": ["d1"]}, "a2": entry},
        "msg": "",
        "vm_ids": ["vm-1", "vm-8"],
        "disk_ids": ["d1", "d8", "e8"],
    }


@pytest.mark.parametrize("manifest", [{}, {"manifest": None}, {"manifest": {}}, {"manifest": {"hosts": {"a1": None}}}])
def test_runs_without_a_manifest(manifest: Record) -> None:
    assert steps.restore_runs(hosts(1), manifest)["runs"] == {"a1": {"vm_id": "vm-1", "disk_ids": ["d1"]}}


def test_nothing_is_asked_twice_or_without_an_id() -> None:
    found = steps.restore_runs({"a": {"vm_id": "vm-1", "disk_ids": ["d1"]}, "b": {"vm_id": "", "disk_ids": ["d1"]}, "c": {}}, FAILED)
    assert (found["vm_ids"], found["disk_ids"], found["msg"]) == (["vm-1"], ["d1"], "no permission")


# ---- the plan


def test_plan() -> None:
    found = plan(1, 2)
    assert (found["execute"], found["stop"]) == (True, ["vm-1", "vm-2"])
    assert found["entries"] == {
        f"a{number}": {
            "vm_id": f"vm-{number}",
            "disk_ids": [f"d{number}"],
            "power_state": "Running",
            "marker": "n-p-1-r1",
            "state": "restoring",
        }
        for number in (1, 2)
    }
    assert found["hosts"]["a1"]["result"] == {
        "run_id": "p-1",
        "complete": False,
        "already": False,
        "started": False,
        "marker": "n-p-1-r1",
        "backup": "",
        "results": [],
        "msg": "would be rolled back to s1",
    }


def test_host_that_cannot_be_rolled_back_does_not_block_the_others() -> None:
    found = plan(1, 2, snapshots=[snap(2)])
    assert (found["execute"], found["stop"], list(found["entries"])) == (True, ["vm-2"], ["a2"])
    assert messages(found)["a1"] == "d1 has no snapshot n-p-1" and not found["hosts"]["a1"]["result"]["complete"]


def test_host_that_was_restored_before() -> None:
    found = plan(1, snapshots=[snap(1), marker(1)])
    result = found["hosts"]["a1"]["result"]
    assert (found["execute"], found["stop"], found["entries"]) == (False, [], {})
    assert (result["complete"], result["already"], result["started"]) == (True, True, False)
    assert result["msg"] == (
        "already restored to this run at noon, and nothing was done: set snapshot_rollback_again=true to restore it again."
    )


@pytest.mark.parametrize("result", ["vms", "listed", "manifest"])
def test_nothing_is_done_if_it_could_not_be_asked(result: str) -> None:
    failed: dict[str, Any] = {result: FAILED}
    found = plan(1, **failed)
    assert (found["execute"], messages(found), found["entries"]) == (False, {"a1": "no permission"}, {})


def test_check_mode_does_nothing_and_is_complete_if_it_could_be_done() -> None:
    found = plan(1, 2, snapshots=[snap(2)], check_mode=True)
    assert (found["execute"], found["stop"], found["entries"]) == (False, [], {})
    assert [each["result"]["complete"] for each in found["hosts"].values()] == [False, True]
    assert messages(found) == {"a1": "d1 has no snapshot n-p-1", "a2": "would be rolled back to s2"}


@pytest.mark.parametrize(
    ("options", "backup", "number"),
    [
        ({"backup": True}, "n-p-1-b2", 2),
        ({"backup": "true", "again": "yes"}, "n-p-1-b2", 2),
        ({"backup": "false"}, "", 2),
        ({"backup": "no", "again": "false"}, "", 1),
        ({"backup": True, "limit": "2", "disk_ids": "d1"}, "n-p-1-b2", 2),
    ],
)
def test_options_may_be_text(options: Record, backup: str, number: int) -> None:
    found = plan(1, snapshots=[snap(1), marker(1)], **{"again": True, **options})["hosts"]["a1"]["plan"]
    assert (found["backup"], found["marker"]) == (backup, f"n-p-1-r{number}")
    assert found["msg"] == (
        "d1 has 2 snapshots, the limit is 2, and 2 more would be created; 1 of them, created by this collection, can be pruned"
        if options.get("limit")
        else ""
    )


def test_host_may_have_options_of_its_own() -> None:
    own = {**OPTIONS, "backup": True}
    found = plan(1, 2, hosts={"a1": {**hosts(1)["a1"], "rollback": own}, "a2": {**hosts(2)["a2"], "rollback": {}}})
    assert [each["plan"]["backup"] for each in found["hosts"].values()] == ["n-p-1-b1", ""]


def test_number_as_run_id_is_text() -> None:
    remark = "ucloudstack.cloud run=7 vm=vm-1 disks=1"
    assert plan(1, snapshots=[snap(1, name="n-7", remark=remark)], run_id=7)["hosts"]["a1"]["result"]["run_id"] == "7"


# ---- VMs off


@pytest.mark.parametrize("written", [{}, {"skipped": True}, {"changed": True}, {"failed": True, "msg": "disk full"}])
def test_manifest_that_cannot_be_written_is_no_reason_not_to_restore(written: Record) -> None:
    assert steps.after_marking(plan(1, 2), written)["stop"] == ["vm-1", "vm-2"]


def test_host_of_another_process_is_left_alone() -> None:
    found = steps.after_marking(plan(1, 2), {"refused": {"a1": {"controller": "ctl1", "since": "noon"}}})
    assert found["stop"] == ["vm-2"]
    assert messages(found)["a1"].startswith("another process, on ctl1, has been working on this host in this run since noon")
    assert "snapshot_rollback_take_over=true" in messages(found)["a1"]
    assert "o=true" in messages(steps.after_marking(plan(1), {"refused": {"a1": {"controller": "ctl1", "since": "noon"}}}, "o"))["a1"]
    found = steps.after_power_off(found, [power("stopped", 2)])
    assert [each["snapshot_ids"] for each in found["rollbacks"]] == [["s2"]]


@pytest.mark.parametrize(
    ("outcome", "force_off", "power_off"),
    [
        ("stopped", True, []),
        ("unchanged", True, []),
        ("powered_off", True, []),
        ("timeout", True, ["vm-1"]),
        ("failed", True, ["vm-1"]),
        ("timeout", False, []),
    ],
)
def test_vms_to_power_off(outcome: str, force_off: bool, power_off: list[str]) -> None:
    assert steps.after_stop(plan(1), [power(outcome, 1)], force_off)["power_off"] == power_off


def test_vm_without_an_answer_is_powered_off() -> None:
    assert steps.after_stop(plan(1), [FAILED], True)["power_off"] == ["vm-1"]


def test_vm_with_other_disks_is_not_powered_off_by_force() -> None:
    batch = plan(1, vms={"vms": [vm(1, "Running", "d1", "other")]})
    assert steps.after_stop(batch, [power("timeout", 1)], True)["power_off"] == []


def test_rollbacks_of_hosts_whose_vm_is_off() -> None:
    found = steps.after_power_off(
        plan(1, 2, 3), [{"results": [*power("stopped", 1)["results"], *power("timeout", 2, 3)["results"]]}, power("powered_off", 3)]
    )
    assert found["rollbacks"] == [
        {
            "marker": "n-p-1-r1",
            "backup": "",
            "snapshot_ids": ["s1", "s3"],
            "disk_ids": ["d1", "d3"],
            "attach_to": {"d1": "vm-1", "d3": "vm-3"},
        }
    ]
    assert messages(found) == {
        "a1": "would be rolled back to s1",
        "a2": "VM vm-2 is not off, and nothing was rolled back: vm-2 timeout",
        "a3": "would be rolled back to s3",
    }


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ([FAILED, {"skipped": True}], "no permission"),
        ([power("timeout", 1), power("failed", 1)], "vm-1 failed"),
        ([power("timeout", 1), {"skipped": True}], "vm-1 timeout"),
    ],
)
def test_vm_that_is_not_off(answers: list[Record], why: str) -> None:
    found = steps.after_power_off(plan(1), answers)
    assert (messages(found)["a1"], found["rollbacks"]) == (f"VM vm-1 is not off, and nothing was rolled back: {why}", [])


def test_hosts_that_were_rolled_back_before_have_another_marker() -> None:
    batch = plan(1, 2, snapshots=[snap(1), snap(2), marker(2)], again=True)
    found = steps.after_power_off(batch, [power("unchanged", 1, 2)])
    assert [(each["marker"], each["disk_ids"]) for each in found["rollbacks"]] == [("n-p-1-r1", ["d1"]), ("n-p-1-r2", ["d2"])]


def test_disks_without_a_vm_need_no_power_off() -> None:
    own = {"a": {"vm_id": "", "disk_ids": ["d1"]}}
    known = steps.restore_runs(own, {})
    listed = {"snapshots": [snap(1, remark="ucloudstack.cloud run=p-1 vm= disks=1")]}
    batch = steps.restore_plan(own, known, vms={"skipped": True}, listed=listed, options=OPTIONS, check_mode=False)
    assert (batch["execute"], batch["stop"], steps.after_stop(batch, [{}], True)["power_off"]) == (True, [], [])
    assert [each["attach_to"] for each in steps.after_power_off(batch, [{}, {}])["rollbacks"]] == [{}]


# ---- rolled back


def off(*numbers: int, **more: Any) -> Batch:
    """The batch when all VMs are off."""
    return steps.after_power_off(plan(*numbers, **more), [power("stopped", *numbers)])


def item(number: int, outcome: str = "rolled_back") -> Record:
    return {"disk_id": f"d{number}", "outcome": outcome, "msg": f"d{number} {outcome}"}


def answer(*items: Record, marked: tuple[int, ...] = (), **more: Any) -> Record:
    """The result of the loop, with one item; ``marked``: the disks whose markers were created."""
    snapshots = [{"disk_id": f"d{number}", "name": "n-p-1-r1"} for number in marked]
    return {"results": [{"item": {}, "results": list(items), "snapshots": snapshots, **more}]}


def gist(batch: Batch, host: str = "a1") -> tuple[Any, ...]:
    return batch["hosts"][host]["result"]["complete"], batch["hosts"][host]["result"]["msg"], batch["start"], batch["rollbacks"]


@pytest.mark.parametrize(
    ("result", "complete", "msg"),
    [
        (answer(item(1), marked=(1,)), True, "rolled back to s1"),
        (answer(item(1, "joined"), marked=(1,)), True, "rolled back to s1"),
        (answer(item(1, "already_done")), True, "rolled back to s1"),
        (answer(item(1), failed=True, msg="no marker"), False, "its VM stays off: no marker"),
        (answer(item(1), marked=(2,), failed=True, msg="no marker"), False, "its VM stays off: no marker"),
        (answer(item(1, "failed"), failed=True, msg="all"), False, "its VM stays off: d1 failed"),
        (answer(item(1, "pending")), False, "its VM stays off: d1 pending"),
        (answer(failed=True, msg="no permission"), False, "its VM stays off: no permission"),
        ({"results": [{"item": {}, **FAILED}, "no record"]}, False, "its VM stays off: no permission"),
        ({"skipped": True}, False, "its VM stays off: "),
    ],
)
def test_rolled_back(result: Record, complete: bool, msg: str) -> None:
    assert gist(steps.after_rollback(off(1), result)) == (complete, msg, ["vm-1"] if complete else [], [])


def test_marker_of_another_name_does_not_count() -> None:
    result = answer(item(1))
    result["results"][0]["snapshots"] = [{"disk_id": "d1", "name": "n-p-1-b1"}]
    assert gist(steps.after_rollback(off(1), result))[0] is False


def test_one_disk_of_two_is_not_enough() -> None:
    two = {"a": {"vm_id": "vm-1", "disk_ids": ["d1", "d2"]}}
    remark = "ucloudstack.cloud run=p-1 vm=vm-1 disks=2"
    listed = {"snapshots": [snap(1, remark=remark), snap(2, remark=remark)]}
    batch = steps.restore_plan(
        two, steps.restore_runs(two, {}), vms={"vms": [vm(1, "Running", "d1", "d2")]}, listed=listed, options=OPTIONS, check_mode=False
    )
    batch = steps.after_power_off(batch, [power("stopped", 1)])
    found = steps.after_rollback(batch, answer(item(1), item(2, "failed"), marked=(1,)))
    assert gist(found, "a") == (False, "its VM stays off: d2 failed", [], [])
    found = steps.after_rollback(batch, answer(item(1, "skipped"), item(2, "failed")))  # skipped because of a disk of its own
    assert gist(found, "a") == (False, "its VM stays off: d1 skipped; d2 failed", [], [])
    found = steps.after_rollback(batch, answer(item(1, "skipped"), item(2, "already_done")))
    assert [each["disk_ids"] for each in found["rollbacks"]] == [["d1", "d2"]]


def test_vm_that_was_off_is_not_started() -> None:
    found = steps.after_rollback(off(1, vms={"vms": [vm(1, "Stopped")]}), answer(item(1), marked=(1,)))
    assert gist(found) == (True, "rolled back to s1", [], [])


def test_hosts_that_were_skipped_are_tried_again_and_only_they() -> None:
    batch = steps.after_rollback(off(1, 2, 3), answer(item(1), item(2, "failed"), item(3, "skipped"), marked=(1,)))
    assert ([each["disk_ids"] for each in batch["rollbacks"]], batch["start"]) == ([["d3"]], ["vm-1"])
    batch = steps.after_rollback(batch, answer(item(3), marked=(3,)))
    assert (batch["rollbacks"], batch["start"]) == ([], ["vm-1", "vm-3"])
    assert messages(batch) == {"a1": "rolled back to s1", "a2": "its VM stays off: d2 failed", "a3": "rolled back to s3"}


def test_host_whose_vm_is_not_off_keeps_its_message() -> None:
    batch = steps.after_power_off(plan(1, 2), [{"results": [*power("timeout", 1)["results"], *power("stopped", 2)["results"]]}])
    found = steps.after_rollback(batch, answer(item(2), marked=(2,)))
    assert messages(found)["a1"] == "VM vm-1 is not off, and nothing was rolled back: vm-1 timeout" and found["start"] == ["vm-2"]


# ---- VMs on


@pytest.mark.parametrize(
    ("result", "gist_"),
    [
        (power("started", 1), (True, True, "rolled back to s1")),
        (power("unchanged", 1), (True, True, "rolled back to s1")),
        (power("failed", 1), (False, False, "its disks are rolled back, but VM vm-1 does not start: vm-1 failed")),
        (FAILED, (False, False, "its disks are rolled back, but VM vm-1 does not start: no permission")),
    ],
)
def test_started(result: Record, gist_: tuple[Any, ...]) -> None:
    batch = steps.after_rollback(off(1), answer(item(1), marked=(1,)))
    found = steps.after_start(batch, result)
    done = found["hosts"]["a1"]["result"]
    assert (done["complete"], done["started"], done["msg"]) == gist_
    assert {host: entry["state"] for host, entry in found["entries"].items()} == ({"a1": "restored"} if done["complete"] else {})


def test_vm_that_was_off_is_restored_without_a_start() -> None:
    batch = steps.after_rollback(off(1, vms={"vms": [vm(1, "Stopped")]}), answer(item(1), marked=(1,)))
    found = steps.after_start(batch, {"skipped": True})
    assert (found["hosts"]["a1"]["result"]["started"], list(found["entries"])) == (False, ["a1"])


def test_failed_host_is_not_recorded_as_restored() -> None:
    batch = steps.after_rollback(off(1, 2), answer(item(1), item(2, "failed"), marked=(1,)))
    found = steps.after_start(batch, power("started", 1))
    assert list(found["entries"]) == ["a1"] and messages(found)["a2"] == "its VM stays off: d2 failed"
