# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``snapshot_rollback``: the bytes come back, once, and nothing is begun that could have been known to fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from emulator.errors import Reason
from emulator.server import Emulator
from emulator.state import DiskStatus, SnapshotStatus, VmState

Run = Callable[..., Any]
Find = Callable[..., list[str]]

GOOD, BROKEN = b"before the patch", b"after the patch!"
MARKED = {"marker_name": "m"}
COPIES = {"marker_name": "m", "backup_name": "b"}


@dataclass(frozen=True)
class Server:
    """A stopped VM with two disks, each with an hour-old snapshot ``x`` of what it held before it was broken."""

    vm_id: str
    disks: list[str]
    targets: list[str]
    images: list[Path]

    def held(self) -> list[bytes]:
        return [image.read_bytes()[: len(GOOD)] for image in self.images]

    def write(self, content: bytes) -> None:
        for image in self.images:
            image.write_bytes(content)


@pytest.fixture
def server(cloud: Emulator) -> Server:
    vm_id = cloud.state.add_vm("web", boot_gb=1, data_gb=1, state=VmState.STOPPED)
    disks = sorted(cloud.state.find_disks(vm_id=vm_id))
    images = [cloud.state.image(each) for each in disks]
    for image in images:
        image.write_bytes(GOOD)
    server = Server(vm_id, disks, [cloud.state.add_snapshot(each, "x", age=3600) for each in disks], images)
    server.write(BROKEN)
    return server


@pytest.fixture
def roll_back(run: Run, server: Server) -> Run:
    """Puts both disks of the server back to ``x``."""
    return lambda **options: run("snapshot_rollback", **{"name": "x", "disk_ids": server.disks, **options})


def settle(cloud: Emulator, virtual_time: Any, seconds: float = 60) -> None:
    virtual_time.sleep(seconds)
    cloud.state.advance()


def rollback(**fault: Any) -> dict[str, Any]:
    return {"action": "RollbackSnapshot", **fault}


# ---- the bytes come back


def test_bytes_are_back_by_name(server: Server, roll_back: Run) -> None:
    answer = roll_back()
    assert (answer.outcomes, answer.changed, server.held()) == (["rolled_back"] * 2, True, [GOOD] * 2)
    assert [entry["snapshot_id"] for entry in answer.results] == server.targets
    assert [record["status"] for record in answer.snapshots] == ["Normal"] * 2


def test_bytes_are_back_by_id_and_the_other_disk_is_left_alone(server: Server, run: Run) -> None:
    answer = run("snapshot_rollback", snapshot_ids=server.targets[:1])
    assert (answer.outcomes, server.held()) == (["rolled_back"], [GOOD, BROKEN])
    assert (answer.snapshot_id, answer.results[0]["disk_id"]) == (server.targets[0], server.disks[0])


def test_without_marker_each_run_rolls_back(server: Server, roll_back: Run) -> None:
    roll_back()
    server.write(BROKEN)
    assert (roll_back().outcomes, server.held()) == (["rolled_back"] * 2, [GOOD] * 2)


def test_with_marker_the_second_run_leaves_what_was_written_in_between(cloud: Emulator, server: Server, roll_back: Run) -> None:
    first = roll_back(**MARKED)
    server.write(b"work of the day!")
    second = roll_back(**MARKED)
    assert (first.outcomes, second.outcomes, second.changed) == (["rolled_back"] * 2, ["already_done"] * 2, False)
    assert server.held() == [b"work of the day!"] * 2 and len(cloud.calls("RollbackSnapshot")) == 2


def test_marker_holds_the_targets_id_and_the_restored_bytes(cloud: Emulator, server: Server, roll_back: Run, named: Find) -> None:
    roll_back(**MARKED)
    for disk_id, target in zip(server.disks, server.targets, strict=True):
        (marker,) = named(disk_id, "m")
        assert target in cloud.state.snapshot(marker).remark
        assert cloud.state.snapshot_image(marker).read_bytes() == GOOD


def test_backup_holds_the_bytes_of_before_and_all_backups_come_before_any_rollback(
    cloud: Emulator, server: Server, roll_back: Run, named: Find, writes: Run
) -> None:
    cloud.add_faults(
        {"action": "CreateSnapshot", "kind": "stuck_snapshot", "seconds": 90, "params": {"DiskID": server.disks[1]}, "count": 1}
    )
    answer = roll_back(**COPIES)
    assert (answer.outcomes, server.held()) == (["rolled_back"] * 2, [GOOD] * 2)
    assert writes() == ["CreateSnapshot"] * 2 + ["RollbackSnapshot"] * 2 + ["CreateSnapshot"] * 2
    backups = [named(each, "b")[0] for each in server.disks]
    assert [cloud.state.snapshot_image(each).read_bytes() for each in backups] == [BROKEN] * 2
    assert {record["name"] for record in answer.snapshots} == {"x", "b", "m"} and len(answer.snapshots) == 6
    assert cloud.calls("RollbackSnapshot")[0]["at"] - cloud.calls("CreateSnapshot")[0]["at"] >= 90


def test_detached_disk_is_rolled_back_whatever_its_former_vm_does(cloud: Emulator, run: Run, disk: str) -> None:
    cloud.state.add_vm("web", boot_gb=1)
    cloud.state.add_snapshot(disk, "x")
    assert run("snapshot_rollback", name="x", disk_ids=[disk]).outcomes == ["rolled_back"]


def test_rollback_too_quick_to_be_seen_is_done_after_15_seconds(cloud: Emulator, server: Server, roll_back: Run, virtual_time: Any) -> None:
    cloud.state.rollback_seconds = 0
    answer = roll_back()
    assert (answer.outcomes, len(cloud.calls("RollbackSnapshot")), server.held()) == (["rolled_back"] * 2, 2, [GOOD] * 2)
    assert 15 <= virtual_time.now() < 60


def test_without_wait_it_returns_while_it_rolls(cloud: Emulator, server: Server, roll_back: Run, virtual_time: Any) -> None:
    cloud.state.rollback_seconds = 600
    answer = roll_back(wait=False)
    assert (answer.outcomes, answer.failed, virtual_time.now() < 30) == (["rolled_back"] * 2, False, True)


def test_time_out_is_pending_names_all_and_a_repeat_joins(cloud: Emulator, server: Server, roll_back: Run) -> None:
    cloud.state.rollback_seconds = 90
    first, second = roll_back(wait_timeout=60), roll_back(wait_timeout=60)
    assert (first.outcomes, first.failed, first.changed) == (["pending"] * 2, True, True)
    assert all(each in first.msg for each in (*server.disks, cloud.generation.spell_snapshot("RollBacking"), "60 s"))
    assert (second.outcomes, second.failed, len(cloud.calls("RollbackSnapshot"))) == (["joined"] * 2, False, 2)


def test_20_disks_take_few_looks(cloud: Emulator, run: Run) -> None:
    disks = [cloud.state.add_disk(f"d{number}", 1) for number in range(20)]
    for each in disks:
        cloud.state.add_snapshot(each, "x")
    answer = run("snapshot_rollback", name="x", disk_ids=disks)
    assert (answer.counts["rolled_back"], answer.api_calls["RollbackSnapshot"], answer.api_calls["DescribeDisk"]) == (20, 20, 1)
    assert answer.api_calls["DescribeSnapshot"] <= 10


# ---- everything is checked before the first write


def refuse_running(cloud: Emulator, server: Server) -> dict[str, Any]:
    cloud.state.start_vm(server.vm_id)
    return {}


def refuse_two(cloud: Emulator, server: Server) -> dict[str, Any]:
    cloud.state.add_snapshot(server.disks[1], "x")
    return {}


def refuse_missing(cloud: Emulator, server: Server) -> dict[str, Any]:
    cloud.state.remove_snapshot(server.targets[1])
    return {}


def refuse_failure(cloud: Emulator, server: Server) -> dict[str, Any]:
    refuse_missing(cloud, server)
    cloud.state.add_snapshot(server.disks[1], "x", status=SnapshotStatus.FAILURE)
    return {}


def refuse_createing(cloud: Emulator, server: Server) -> dict[str, Any]:
    refuse_missing(cloud, server)
    cloud.state.create_snapshot(server.disks[1], "x", seconds=600)
    return {}


def refuse_missing_disk(cloud: Emulator, server: Server) -> dict[str, Any]:
    return {"disk_ids": [server.disks[0], "disk-missing"]}


def refuse_missing_id(cloud: Emulator, server: Server) -> dict[str, Any]:
    return {"name": None, "disk_ids": None, "snapshot_ids": [server.targets[0], "snapshot-missing"]}


def refuse_other_rolling(cloud: Emulator, server: Server) -> dict[str, Any]:
    cloud.state.rollback_snapshot(cloud.state.add_snapshot(server.disks[1], "other"), server.disks[1])
    return {}


def refuse_foreign_marker(cloud: Emulator, server: Server) -> dict[str, Any]:
    cloud.state.add_snapshot(server.disks[1], "m", "mine, made by hand")
    return {}


def refuse_marker_of_another_target(cloud: Emulator, server: Server) -> dict[str, Any]:
    cloud.state.add_snapshot(server.disks[1], "m", "ucloudstack.cloud marker target=snapshot-of-last-year")
    return {}


def refuse_deleted_disk(cloud: Emulator, server: Server) -> dict[str, Any]:
    cloud.state._set_disk_status(server.disks[1], DiskStatus.DELETING)
    return {}


@pytest.mark.parametrize("options", [{}, COPIES], ids=["plain", "copies"])
@pytest.mark.parametrize(
    ("scene", "words"),
    [
        (refuse_running, ["Starting", "stop the VM"]),
        (refuse_two, ["ambiguous", "snapshot_ids"]),
        (refuse_missing, ["'x'", "does not exist"]),
        (refuse_failure, ["Failure", "not usable"]),
        (refuse_createing, ["Createing", "not usable"]),
        (refuse_missing_disk, ["disk-missing", "does not exist"]),
        (refuse_missing_id, ["snapshot-missing", "does not exist"]),
        (refuse_other_rolling, ["rolled back to another snapshot"]),
        (refuse_deleted_disk, ["Deleting"]),
    ],
)
def test_what_is_wrong_with_one_disk_begins_nothing_on_any(
    cloud: Emulator, server: Server, roll_back: Run, writes: Run, options: dict[str, str], scene: Run, words: list[str]
) -> None:
    answer = roll_back(**{**options, **scene(cloud, server)})
    assert (answer.failed, answer.changed, writes()) == (True, False, [])
    assert "failed" in answer.outcomes and "rolled_back" not in answer.outcomes
    assert all(cloud.generation.spell_snapshot(word) in answer.msg for word in words) and "\n" not in answer.msg
    assert server.held() == [BROKEN] * 2


@pytest.mark.parametrize("scene", [refuse_foreign_marker, refuse_marker_of_another_target])
def test_marker_of_anything_else_is_an_error(cloud: Emulator, server: Server, roll_back: Run, writes: Run, scene: Run) -> None:
    scene(cloud, server)
    answer = roll_back(**MARKED)
    assert (answer.failed, answer.outcomes, writes()) == (True, ["skipped", "failed"], [])
    assert "choose another marker_name" in answer.msg


@pytest.mark.parametrize("state", ["Running", "Starting", "Stopping", "Poweroffing", "Migrating", "Reinstalling"])
def test_vm_that_is_not_stopped_is_refused_with_advice(cloud: Emulator, server: Server, roll_back: Run, writes: Run, state: str) -> None:
    cloud.state._db.execute("UPDATE vms SET state = ?", (state,))
    answer = roll_back()
    assert (answer.outcomes, writes()) == (["failed"] * 2, [])
    assert all(each in answer.msg for each in (server.vm_id, state, "stop the VM, or detach the disk"))


def test_error_for_two_usable_ones_names_both(cloud: Emulator, server: Server, roll_back: Run) -> None:
    other = cloud.state.add_snapshot(server.disks[0], "x")
    answer = roll_back()
    assert server.targets[0] in answer.msg and other in answer.msg


def test_useless_ones_of_that_name_do_not_make_it_ambiguous(cloud: Emulator, server: Server, roll_back: Run, place: Run) -> None:
    for status in ("Failure", "Deleting", "Deleted", "Released"):
        place(server.disks[0], "x", status=status)
    assert roll_back().outcomes == ["rolled_back"] * 2


def test_two_snapshots_of_one_disk_are_refused_before_any_write(cloud: Emulator, server: Server, run: Run, writes: Run) -> None:
    other = cloud.state.add_snapshot(server.disks[0], "y")
    answer = run("snapshot_rollback", snapshot_ids=[server.targets[0], other])
    assert (answer.failed, writes()) == (True, [])
    assert all(each in answer.msg for each in (server.targets[0], other, server.disks[0]))


@pytest.mark.parametrize("option", ["marker_name", "backup_name"])
def test_copies_need_names_other_than_the_targets(cloud: Emulator, server: Server, run: Run, writes: Run, option: str) -> None:
    answer = run("snapshot_rollback", **{"snapshot_ids": server.targets, "marker_name": "m", option: "x"})
    assert (answer.failed, writes()) == (True, [])
    assert option in answer.msg


@pytest.mark.parametrize("action", ["DescribeDisk", "DescribeVMInstance"])
def test_what_the_key_may_not_ask_is_a_warning_and_the_api_refuses_each_disk(
    cloud: Emulator, server: Server, run: Run, disk: str, action: str
) -> None:
    cloud.state.add_snapshot(disk, "x")
    refuse_running(cloud, server)
    cloud.add_faults({"action": action, "kind": "refuse", "ret_code": 150})
    answer = run("snapshot_rollback", name="x", disk_ids=[*server.disks, disk])
    assert (answer.outcomes, answer.failed) == (["failed", "failed", "rolled_back"], True)
    not_off = cloud.generation.codes[Reason.VM_NOT_OFF]
    assert [entry["ret_code"] for entry in answer.results] == [not_off, not_off, None]
    assert len(answer.told) == 1 and "could not be checked" in answer.told[0]


def test_one_refused_disk_leaves_the_others_rolled_back(cloud: Emulator, server: Server, roll_back: Run) -> None:
    cloud.add_faults(rollback(kind="refuse", ret_code=140, params={"DiskID": server.disks[0]}))
    answer = roll_back(**MARKED)
    assert (answer.outcomes, server.held()) == (["failed", "rolled_back"], [BROKEN, GOOD])
    assert answer.failed and answer.changed and answer.msg.startswith(f"1 of 2 failed: {server.disks[0]}: ")


# ---- markers and backups of earlier attempts


def test_rollback_that_ends_during_the_backups_of_others_was_joined(
    cloud: Emulator, server: Server, roll_back: Run, run: Run, virtual_time: Any
) -> None:
    run("snapshot_rollback", snapshot_ids=server.targets[:1], wait=False)
    answer = roll_back(**COPIES)
    assert (answer.outcomes, len(cloud.calls("RollbackSnapshot")), server.held()) == (["joined", "rolled_back"], 2, [GOOD] * 2)


def test_marker_accepted_and_then_nothing_but_refusals_may_be_repeated(
    cloud: Emulator, server: Server, roll_back: Run, meanwhile: Run
) -> None:
    revoked = {"action": "DescribeSnapshot", "kind": "refuse", "ret_code": 171}
    meanwhile(lambda: cloud.add_faults(revoked), when=lambda: len(cloud.calls("CreateSnapshot")) >= 2)
    answer = roll_back(**MARKED)
    assert answer.failed and "was not created" not in answer.msg and "RetCode 171" in answer.msg
    cloud.faults.clear()
    assert (roll_back(**MARKED).outcomes, len(cloud.calls("RollbackSnapshot"))) == (["already_done"] * 2, 2)


def test_backup_that_another_task_makes_at_the_same_moment_is_warned_of(
    cloud: Emulator, server: Server, run: Run, meanwhile: Run, named: Find
) -> None:
    disk_id, remark = server.disks[0], f"ucloudstack.cloud backup marker=m target={server.targets[0]}"
    meanwhile(lambda: cloud.state.add_snapshot(disk_id, "b", remark), when=lambda: cloud.calls("CreateSnapshot"))
    answer = run("snapshot_rollback", name="x", disk_ids=[disk_id], **COPIES)
    assert (answer.outcomes, answer.failed) == (["rolled_back"], False)
    assert len(answer.told) == 1 and "oldest" in answer.told[0] and all(each in answer.told[0] for each in named(disk_id, "b"))


def test_backup_not_listed_when_time_is_up_is_named(cloud: Emulator, server: Server, roll_back: Run, named: Find) -> None:
    cloud.add_faults({"action": "CreateSnapshot", "kind": "listing_lag", "seconds": 900})
    answer = roll_back(**COPIES, wait_timeout=10)
    assert (answer.outcomes, answer.changed) == (["failed"] * 2, True)
    assert all(named(each, "b")[0] in answer.msg for each in server.disks)


@pytest.mark.parametrize("status", ["Normal", "Createing", "Failure", "Deleting", "RollBacking", "Pondering"])
def test_marker_in_any_status_proves_the_rollback(server: Server, run: Run, writes: Run, status: str, place: Run) -> None:
    marker = place(server.disks[0], "m", f"ucloudstack.cloud marker target={server.targets[0]}", status, age=60)
    answer = run("snapshot_rollback", name="x", disk_ids=server.disks[:1], marker_name="m")
    assert (answer.outcomes, answer.changed, answer.failed, writes()) == (["already_done"], False, False, [])
    assert marker in answer.results[0]["msg"] and answer.snapshot_id == server.targets[0]


def test_marked_disks_are_skipped_and_the_others_rolled_back(cloud: Emulator, server: Server, run: Run, roll_back: Run) -> None:
    run("snapshot_rollback", name="x", disk_ids=server.disks[:1], marker_name="m")
    server.write(BROKEN)
    assert (roll_back(**MARKED).outcomes, server.held()) == (["already_done", "rolled_back"], [BROKEN, GOOD])


def test_marked_disks_do_not_need_the_vm_off(cloud: Emulator, server: Server, roll_back: Run, virtual_time: Any) -> None:
    roll_back(**MARKED)
    settle(cloud, virtual_time)
    cloud.state.start_vm(server.vm_id)
    settle(cloud, virtual_time)
    assert roll_back(**MARKED).outcomes == ["already_done"] * 2


def test_backup_of_an_unfinished_attempt_is_kept_used_and_its_age_reported(
    cloud: Emulator, server: Server, roll_back: Run, named: Find
) -> None:
    old = cloud.state.add_snapshot(server.disks[0], "b", f"ucloudstack.cloud backup marker=m target={server.targets[0]}", age=1800)
    answer = roll_back(**COPIES)
    assert (answer.outcomes, named(server.disks[0], "b"), len(named(server.disks[1], "b"))) == (["rolled_back"] * 2, [old], 1)
    assert any(old in warning and "30 minutes old" in warning for warning in answer.told)


def test_attempt_killed_after_its_backups_ends_restored_on_repeat(cloud: Emulator, server: Server, roll_back: Run, named: Find) -> None:
    cloud.add_faults(rollback(kind="refuse", ret_code=150))
    assert roll_back(**COPIES).outcomes == ["failed"] * 2
    cloud.faults.clear()
    assert (roll_back(**COPIES).outcomes, server.held()) == (["rolled_back"] * 2, [GOOD] * 2)
    assert [len(named(each, name)) for each in server.disks for name in ("b", "m")] == [1] * 4


@pytest.mark.parametrize("options", [{}, MARKED, COPIES], ids=["plain", "marked", "copies"])
def test_attempt_killed_while_it_rolled_is_joined_and_marked(
    cloud: Emulator, server: Server, roll_back: Run, named: Find, options: dict[str, str]
) -> None:
    for disk_id, target in zip(server.disks, server.targets, strict=True):
        if "backup_name" in options:
            cloud.state.add_snapshot(disk_id, "b", f"ucloudstack.cloud backup marker=m target={target}", age=60)
        cloud.state.rollback_snapshot(target, disk_id)
    answer = roll_back(**options)
    assert (answer.outcomes, answer.failed, server.held()) == (["joined"] * 2, False, [GOOD] * 2)
    assert len(cloud.calls("RollbackSnapshot")) == 0
    assert [len(named(each, "m")) for each in server.disks] == [int("marker_name" in options)] * 2


def test_attempt_killed_before_its_marker_rolls_back_once_more(cloud: Emulator, server: Server, roll_back: Run, named: Find) -> None:
    roll_back()
    assert (roll_back(**MARKED).outcomes, server.held()) == (["rolled_back"] * 2, [GOOD] * 2)
    assert [len(named(each, "m")) for each in server.disks] == [1, 1]


@pytest.mark.parametrize("seen_first", ["DescribeVMInstance", "CreateSnapshot", "RollbackSnapshot"])
def test_disk_that_another_task_rolls_back_and_marks_meanwhile_is_left_alone(
    cloud: Emulator, server: Server, roll_back: Run, meanwhile: Run, seen_first: str
) -> None:
    """As when ansible-playbook is killed and run again, but the module that it had started lives on."""
    disk, target = server.disks[0], server.targets[0]
    remark = f"ucloudstack.cloud marker target={target}"
    if seen_first == "RollbackSnapshot":
        cloud.add_faults(rollback(kind="refuse", ret_code=2502, count=1, params={"DiskID": disk}))
    meanwhile(lambda: cloud.state.add_snapshot(disk, "m", remark), when=lambda: cloud.calls(seen_first))
    answer = roll_back(**COPIES)
    assert (answer.outcomes, answer.failed, server.held()) == (["already_done", "rolled_back"], False, [BROKEN, GOOD])
    assert "another task" in answer.results[0]["msg"] and len(cloud.calls("RollbackSnapshot")) == (
        2 if seen_first == "RollbackSnapshot" else 1
    )


def test_joined_without_its_backup_warns(cloud: Emulator, server: Server, run: Run) -> None:
    cloud.state.rollback_snapshot(server.targets[0], server.disks[0])
    answer = run("snapshot_rollback", name="x", disk_ids=server.disks[:1], **COPIES)
    assert answer.outcomes == ["joined"]
    assert len(answer.told) == 1 and "no backup" in answer.told[0] and server.disks[0] in answer.told[0]


def test_failed_backup_begins_no_rollback(cloud: Emulator, server: Server, roll_back: Run, writes: Run, named: Find) -> None:
    cloud.add_faults({"action": "CreateSnapshot", "kind": "refuse", "ret_code": 2500, "params": {"DiskID": server.disks[0]}})
    answer = roll_back(**COPIES)
    assert (answer.outcomes, answer.failed, writes()) == (["failed", "skipped"], True, ["CreateSnapshot"] * 2)
    assert server.held() == [BROKEN] * 2 and server.disks[0] in answer.msg and "RetCode 2500" in answer.msg
    assert [entry["reason"] for entry in answer.results] == ["backup_failed", "other_item_failed"]
    assert answer.changed and named(server.disks[1], "b")[0] in {record["snapshot_id"] for record in answer.snapshots}


@pytest.mark.parametrize("fault", [{"kind": "fail_snapshot"}, {"kind": "stuck_snapshot"}], ids=["failure", "stuck"])
def test_backup_that_does_not_become_usable_begins_no_rollback(
    cloud: Emulator, server: Server, roll_back: Run, fault: dict[str, Any]
) -> None:
    cloud.add_faults({"action": "CreateSnapshot", **fault, "params": {"DiskID": server.disks[0]}})
    answer = roll_back(**COPIES, wait_timeout=60)
    assert (answer.outcomes, cloud.calls("RollbackSnapshot"), server.held()) == (["failed", "skipped"], [], [BROKEN] * 2)


@pytest.mark.parametrize("code", [2500, 7000, 161])
def test_refused_marker_fails_the_task_and_says_not_to_repeat(cloud: Emulator, server: Server, roll_back: Run, code: int) -> None:
    cloud.add_faults({"action": "CreateSnapshot", "kind": "refuse", "ret_code": code, "params": {"DiskID": server.disks[0]}})
    answer = roll_back(**MARKED)
    assert (answer.outcomes, answer.failed, answer.changed, server.held()) == (["rolled_back"] * 2, True, True, [GOOD] * 2)
    assert (answer.results[0]["ret_code"], answer.results[1]["ret_code"]) == (code, None)
    assert answer.msg.startswith(f"1 of 2 failed: {server.disks[0]}: ") and "not run the task again after starting the VM" in answer.msg


def test_marker_not_created_in_time_says_not_to_repeat(cloud: Emulator, server: Server, roll_back: Run) -> None:
    cloud.add_faults({"action": "CreateSnapshot", "kind": "refuse", "ret_code": 2502})
    answer = roll_back(**MARKED, wait_timeout=60)
    assert (answer.outcomes, answer.failed, server.held()) == (["rolled_back"] * 2, True, [GOOD] * 2)
    assert "not run the task again" in answer.msg and "same task again" not in answer.msg


def test_key_revoked_between_rollback_and_marker_says_not_to_repeat(
    cloud: Emulator, server: Server, roll_back: Run, meanwhile: Run
) -> None:
    cloud.add_faults({"action": "CreateSnapshot", "kind": "refuse", "ret_code": 2502})
    revoked = {"action": "DescribeSnapshot", "kind": "refuse", "ret_code": 171}
    meanwhile(lambda: cloud.add_faults(revoked), when=lambda: len(cloud.calls("CreateSnapshot")) >= 2)
    answer = roll_back(**MARKED)
    assert (answer.outcomes, answer.failed, server.held()) == (["rolled_back"] * 2, True, [GOOD] * 2)
    assert "RetCode 171" in answer.msg and "not run the task again" in answer.msg and "same task again" not in answer.msg


def test_marker_accepted_but_unfinished_at_the_deadline_may_be_repeated(cloud: Emulator, server: Server, roll_back: Run) -> None:
    cloud.add_faults({"action": "CreateSnapshot", "kind": "stuck_snapshot", "seconds": 600})
    first, second = roll_back(**MARKED, wait_timeout=60), roll_back(**MARKED, wait_timeout=60)
    assert first.failed and "not run the task again" not in first.msg
    assert (second.outcomes, len(cloud.calls("RollbackSnapshot"))) == (["already_done"] * 2, 2)


def test_marker_whose_answer_is_lost_is_adopted(cloud: Emulator, server: Server, roll_back: Run, named: Find) -> None:
    cloud.add_faults({"action": "CreateSnapshot", "kind": "lose_answer"})
    answer = roll_back(**MARKED)
    assert (answer.outcomes, answer.failed, [len(named(each, "m")) for each in server.disks]) == (["rolled_back"] * 2, False, [1, 1])


@pytest.mark.parametrize("wait_timeout", [40, 600])
@pytest.mark.parametrize("lag", [False, True])
def test_marker_of_unknown_outcome_is_not_reported_as_missing(
    cloud: Emulator, server: Server, roll_back: Run, wait_timeout: int, lag: bool
) -> None:
    hidden = [{"action": "CreateSnapshot", "kind": "listing_lag", "seconds": 900}] if lag else []
    cloud.add_faults(*hidden, {"action": "CreateSnapshot", "kind": "lose_answer" if lag else "drop"})
    answer = roll_back(**MARKED, wait_timeout=wait_timeout)
    assert (answer.outcomes, answer.failed, server.held()) == (["rolled_back"] * 2, True, [GOOD] * 2)
    assert "unknown whether the marker 'm' was created" in answer.msg and "was not created" not in answer.msg


def test_marker_refused_for_a_while_is_created_in_the_end_and_the_disk_rolled_back_once(
    cloud: Emulator, server: Server, roll_back: Run, named: Find
) -> None:
    cloud.add_faults({"action": "CreateSnapshot", "kind": "refuse", "ret_code": 2502, "count": 9})
    assert roll_back(**MARKED).outcomes == ["rolled_back"] * 2
    assert (len(cloud.calls("RollbackSnapshot")), [len(named(each, "m")) for each in server.disks]) == (2, [1, 1])


def test_failed_listing_of_the_disk_is_repeated_and_nothing_is_written(cloud: Emulator, server: Server, run: Run, writes: Run) -> None:
    by_disk = {"action": "DescribeSnapshot", "params": {"DiskID": server.disks[0]}}
    cloud.add_faults({**by_disk, "kind": "http_status", "status": 503, "skip": 1, "count": 11})
    answer = run("snapshot_rollback", name="x", disk_ids=server.disks[:1], marker_name="m")
    assert (answer.outcomes, writes()) == (["rolled_back"], ["RollbackSnapshot", "CreateSnapshot"])


# ---- lost answers, refusals, odd behaviour


@pytest.mark.parametrize(
    "fault",
    [{"kind": "lose_answer"}, {"kind": "http_status", "status": 502, "done": True}, {"kind": "empty"}, {"kind": "html", "done": True}],
    ids=lambda fault: fault["kind"],
)
def test_rollback_done_but_its_answer_lost_is_sent_once(cloud: Emulator, server: Server, roll_back: Run, fault: dict[str, Any]) -> None:
    cloud.add_faults(rollback(**fault))
    answer = roll_back()
    assert (answer.outcomes, answer.failed, server.held()) == (["rolled_back"] * 2, False, [GOOD] * 2)
    assert len(cloud.calls("RollbackSnapshot")) == 2


@pytest.mark.parametrize(
    "fault",
    [{"kind": "drop"}, {"kind": "http_status", "status": 502}, {"kind": "refuse", "ret_code": 560}],
    ids=lambda fault: fault["kind"],
)
def test_rollback_not_done_is_sent_once_more_after_15_seconds_with_a_warning(
    cloud: Emulator, server: Server, run: Run, fault: dict[str, Any]
) -> None:
    cloud.add_faults(rollback(**fault, count=1))
    answer = run("snapshot_rollback", snapshot_ids=server.targets[:1])
    first, second = (call["at"] for call in cloud.calls("RollbackSnapshot"))
    assert (answer.outcomes, server.held()[0], 15 <= second - first < 45) == (["rolled_back"], GOOD, True)
    assert len(answer.told) == 1 and server.disks[0] in answer.told[0] and "once more" in answer.told[0]


def test_rollback_twice_without_answer_fails_and_says_unknown(cloud: Emulator, server: Server, run: Run) -> None:
    cloud.add_faults(rollback(kind="drop"))
    answer = run("snapshot_rollback", snapshot_ids=server.targets[:1], marker_name="m")
    assert (answer.outcomes, answer.failed, len(cloud.calls("RollbackSnapshot"))) == (["failed"], True, 2)
    assert "unknown" in answer.msg and "keep its VM off, and run the task again" in answer.msg and not cloud.calls("CreateSnapshot")


def test_second_request_refused_says_that_the_first_may_have_been_done(cloud: Emulator, server: Server, roll_back: Run) -> None:
    cloud.add_faults(rollback(kind="drop", count=2), rollback(kind="refuse", ret_code=161))
    answer = roll_back()
    assert (answer.outcomes, answer.failed, answer.changed) == (["failed"] * 2, True, True)
    assert "RetCode 161" in answer.msg and "may be rolled back nevertheless: keep its VM off" in answer.msg


def test_rollback_is_not_sent_again_when_the_vm_was_started_meanwhile(cloud: Emulator, server: Server, run: Run, meanwhile: Run) -> None:
    cloud.add_faults(rollback(kind="drop", count=1))
    meanwhile(lambda: cloud.state.start_vm(server.vm_id), when=lambda: cloud.calls("RollbackSnapshot"))
    answer = run("snapshot_rollback", snapshot_ids=server.targets[:1])
    assert (answer.outcomes, len(cloud.calls("RollbackSnapshot")), server.held()[0]) == (["failed"], 1, BROKEN)
    assert server.vm_id in answer.msg and "not sent again" in answer.msg
    assert not any("sent once more" in each for each in answer.told)


def test_check_before_the_resend_that_fails_is_repeated(cloud: Emulator, server: Server, run: Run) -> None:
    cloud.add_faults(
        rollback(kind="drop", count=1), {"action": "DescribeDisk", "kind": "http_status", "status": 503, "skip": 1, "count": 6}
    )
    answer = run("snapshot_rollback", snapshot_ids=server.targets[:1])
    assert (answer.outcomes, len(cloud.calls("RollbackSnapshot")), server.held()[0]) == (["rolled_back"], 2, GOOD)


@pytest.mark.parametrize("code", [165, 199, 2502, 5000, 7001, 7002, 2206])
def test_refusal_that_passes_is_waited_out(cloud: Emulator, server: Server, roll_back: Run, code: int) -> None:
    cloud.add_faults(rollback(kind="refuse", ret_code=code, count=4))
    answer = roll_back()
    assert (answer.outcomes, answer.told, len(cloud.calls("RollbackSnapshot"))) == (["rolled_back"] * 2, [], 6)


def test_disk_busy_with_a_snapshot_is_waited_for(cloud: Emulator, server: Server, roll_back: Run) -> None:
    cloud.state.create_snapshot(server.disks[0], "other", seconds=120)
    assert (roll_back().outcomes, server.held()) == (["rolled_back"] * 2, [GOOD] * 2)


def test_vm_started_after_the_check_is_refused_by_the_api(cloud: Emulator, server: Server, roll_back: Run, meanwhile: Run) -> None:
    meanwhile(lambda: cloud.state.start_vm(server.vm_id), when=lambda: cloud.calls("DescribeVMInstance"))
    answer = roll_back()
    not_off = cloud.generation.codes[Reason.VM_NOT_OFF]
    assert (answer.outcomes, [entry["ret_code"] for entry in answer.results]) == (["failed"] * 2, [not_off] * 2)
    assert "Shut the VM down" in answer.msg


def test_odd_status_during_a_rollback_is_waited_for(cloud: Emulator, server: Server, roll_back: Run) -> None:
    cloud.add_faults(rollback(kind="odd_status", seconds=60))
    assert (roll_back().outcomes, server.held()) == (["rolled_back"] * 2, [GOOD] * 2)


def test_odd_status_before_the_rollback_is_not_taken_for_a_rollback(
    cloud: Emulator, server: Server, run: Run, meanwhile: Run, named: Find
) -> None:
    meanwhile(lambda: cloud.state.show_odd_status(server.targets[0], "Cloning", 60), when=lambda: cloud.calls("DescribeVMInstance"))
    answer = run("snapshot_rollback", snapshot_ids=server.targets[:1], marker_name="m")
    assert (answer.outcomes, server.held()[0], len(named(server.disks[0], "m"))) == (["rolled_back"], GOOD, 1)


def test_odd_status_after_a_lost_answer_is_no_proof_of_a_rollback(cloud: Emulator, server: Server, run: Run, meanwhile: Run) -> None:
    cloud.add_faults(rollback(kind="drop", count=1))
    meanwhile(lambda: cloud.state.show_odd_status(server.targets[0], "Cloning", 60), when=lambda: cloud.calls("RollbackSnapshot"))
    answer = run("snapshot_rollback", snapshot_ids=server.targets[:1])
    assert (answer.outcomes, server.held()[0], len(cloud.calls("RollbackSnapshot"))) == (["rolled_back"], GOOD, 2)


def test_rollback_that_somebody_else_begins_first_is_joined(cloud: Emulator, server: Server, run: Run, meanwhile: Run) -> None:
    meanwhile(lambda: cloud.state.rollback_snapshot(server.targets[0], server.disks[0]), when=lambda: cloud.calls("DescribeVMInstance"))
    answer = run("snapshot_rollback", snapshot_ids=server.targets[:1])
    assert (answer.outcomes, server.held()[0], cloud.calls("RollbackSnapshot")[0]["ret_code"]) == (["joined"], GOOD, 7001)


def test_snapshot_that_ends_as_failure_during_its_rollback_fails(cloud: Emulator, server: Server, run: Run, meanwhile: Run) -> None:
    cloud.state.rollback_seconds = 600
    meanwhile(lambda: cloud.state._set_snapshot_status(server.targets[0], SnapshotStatus.FAILURE), after=20)
    answer = run("snapshot_rollback", snapshot_ids=server.targets[:1], marker_name="m")
    assert (answer.outcomes, answer.failed, answer.changed) == (["failed"], True, True)
    assert (
        "Failure" in answer.msg
        and "unknown whether the disk was rolled back; keep its VM off" in answer.msg
        and not cloud.calls("CreateSnapshot")
    )


def test_polls_that_fail_for_a_while_say_nothing_of_the_work(cloud: Emulator, server: Server, roll_back: Run) -> None:
    cloud.state.rollback_seconds = 60
    cloud.add_faults({"action": "DescribeSnapshot", "kind": "http_status", "status": 503, "skip": 2, "count": 12})
    assert (roll_back(**MARKED).outcomes, len(cloud.calls("RollbackSnapshot"))) == (["rolled_back"] * 2, 2)


def test_key_revoked_while_it_rolls_is_pending(cloud: Emulator, server: Server, roll_back: Run) -> None:
    cloud.state.rollback_seconds = 60
    cloud.add_faults({"action": "DescribeSnapshot", "kind": "refuse", "ret_code": 171, "skip": 3})
    answer = roll_back()
    assert (answer.outcomes, answer.failed, answer.changed) == (["pending"] * 2, True, True)
    assert "RetCode 171" in answer.msg


def test_failed_first_listing_writes_nothing_and_has_an_entry_for_each(
    cloud: Emulator, server: Server, roll_back: Run, writes: Run
) -> None:
    cloud.add_faults({"action": "DescribeSnapshot", "kind": "refuse", "ret_code": 171})
    answer = roll_back()
    assert (answer.failed, answer.outcomes, [entry["disk_id"] for entry in answer.results]) == (True, ["failed"] * 2, server.disks)
    assert ([entry["ret_code"] for entry in answer.results], writes()) == ([171] * 2, [])
    assert answer.msg.endswith(". Nothing was done.")


# ---- platforms whose rollback leaves the disk detached


@pytest.fixture
def detaching(cloud: Emulator, server: Server) -> Server:
    """The server on such a platform."""
    cloud.add_faults(rollback(kind="rollback_detaches"))
    return server


def homes(cloud: Emulator, server: Server) -> list[str]:
    """The VM that each disk is attached to."""
    return [cloud.state.disk(each).vm_id for each in server.disks]


def attach(**fault: Any) -> dict[str, Any]:
    return {"action": "AttachDisk", **fault}


@pytest.fixture
def left_detached(cloud: Emulator, detaching: Server, roll_back: Run) -> Any:
    """What came of a task that could not attach its disks again."""
    cloud.add_faults(attach(kind="refuse", ret_code=150))
    answer = roll_back(**MARKED)
    assert (answer.outcomes, homes(cloud, detaching)) == (["detached"] * 2, ["", ""])
    cloud.faults.clear()
    cloud.state.forget_calls()
    return answer


def test_disks_left_detached_are_attached_again_after_their_markers_and_the_vm_starts(
    cloud: Emulator, detaching: Server, roll_back: Run, writes: Run, virtual_time: Any
) -> None:
    answer = roll_back(**MARKED)
    assert (answer.outcomes, answer.failed, answer.changed, answer.told) == (["rolled_back"] * 2, False, True, [])
    assert writes() == ["RollbackSnapshot"] * 2 + ["CreateSnapshot"] * 2 + ["AttachDisk"] * 2
    assert (homes(cloud, detaching), detaching.held()) == ([detaching.vm_id] * 2, [GOOD] * 2)
    assert all(f"attached to VM {detaching.vm_id} again" in entry["msg"] for entry in answer.results)
    cloud.state.start_vm(detaching.vm_id)
    settle(cloud, virtual_time)
    assert cloud.state.vm(detaching.vm_id).state == VmState.RUNNING


@pytest.mark.parametrize("options", [{}, COPIES], ids=["plain", "copies"])
def test_disks_left_detached_are_attached_again_without_marker_and_with_backup(
    cloud: Emulator, detaching: Server, roll_back: Run, options: dict[str, str]
) -> None:
    assert (roll_back(**options).outcomes, homes(cloud, detaching)) == (["rolled_back"] * 2, [detaching.vm_id] * 2)


def test_disk_left_detached_by_a_rollback_that_was_joined_is_attached_again(cloud: Emulator, server: Server, roll_back: Run) -> None:
    for disk_id, target in zip(server.disks, server.targets, strict=True):
        cloud.state.rollback_snapshot(target, disk_id, detaches=True)
    answer = roll_back(**MARKED)
    assert (answer.outcomes, answer.changed, homes(cloud, server)) == (["joined"] * 2, True, [server.vm_id] * 2)


def test_disk_that_was_detached_before_stays_detached(cloud: Emulator, run: Run, disk: str) -> None:
    cloud.state.add_snapshot(disk, "x")
    cloud.add_faults(rollback(kind="rollback_detaches"))
    assert run("snapshot_rollback", name="x", disk_ids=[disk], **MARKED).outcomes == ["rolled_back"]
    assert (cloud.state.disk(disk).vm_id, cloud.calls("AttachDisk")) == ("", [])


def test_disk_that_stays_attached_is_listed_once_after_its_rollback_and_not_written_to(
    cloud: Emulator, server: Server, roll_back: Run
) -> None:
    answer = roll_back(**MARKED)
    assert (answer.api_calls["DescribeDisk"], cloud.calls("AttachDisk")) == (2, [])


def test_without_wait_nothing_is_attached_or_listed_for_it(cloud: Emulator, detaching: Server, roll_back: Run) -> None:
    answer = roll_back(wait=False)
    assert (answer.outcomes, answer.api_calls["DescribeDisk"], cloud.calls("AttachDisk")) == (["rolled_back"] * 2, 1, [])


def test_disks_whose_marker_is_refused_are_attached_again_all_the_same(cloud: Emulator, detaching: Server, roll_back: Run) -> None:
    cloud.add_faults({"action": "CreateSnapshot", "kind": "refuse", "ret_code": 7000})
    answer = roll_back(**MARKED)
    assert (answer.outcomes, answer.failed, homes(cloud, detaching)) == (["rolled_back"] * 2, True, [detaching.vm_id] * 2)
    assert "not run the task again after starting the VM" in answer.msg and f"attached to VM {detaching.vm_id} again" in answer.msg


@pytest.mark.parametrize(
    "fault",
    [{"kind": "lose_answer"}, {"kind": "http_status", "status": 502, "done": True}, {"kind": "empty"}],
    ids=lambda fault: fault["kind"],
)
def test_attached_but_the_answer_lost_is_adopted_and_not_sent_twice(
    cloud: Emulator, detaching: Server, roll_back: Run, fault: dict[str, Any]
) -> None:
    cloud.add_faults(attach(**fault))
    answer = roll_back(**MARKED)
    assert (answer.outcomes, answer.failed, homes(cloud, detaching)) == (["rolled_back"] * 2, False, [detaching.vm_id] * 2)
    assert sorted(call["params"]["DiskID"] for call in cloud.calls("AttachDisk")) == detaching.disks


def test_not_attached_and_no_answer_is_sent_once_more_after_30_seconds(cloud: Emulator, detaching: Server, run: Run) -> None:
    cloud.add_faults(attach(kind="drop", count=1))
    answer = run("snapshot_rollback", snapshot_ids=detaching.targets[:1], **MARKED)
    first, second = (call["at"] for call in cloud.calls("AttachDisk"))
    assert (answer.outcomes, homes(cloud, detaching)[0], 30 <= second - first < 60) == (["rolled_back"], detaching.vm_id, True)


def test_attached_twice_without_answer_is_left_detached(cloud: Emulator, detaching: Server, roll_back: Run) -> None:
    cloud.add_faults(attach(kind="drop"))
    answer = roll_back(**MARKED)
    assert (answer.outcomes, len(cloud.calls("AttachDisk"))) == (["detached"] * 2, 4)
    assert "two requests got no response" in answer.msg


@pytest.mark.parametrize("code", [165, 2502, 5000, 2206])
def test_attach_refused_for_a_while_is_waited_out(cloud: Emulator, detaching: Server, roll_back: Run, code: int) -> None:
    cloud.add_faults(attach(kind="refuse", ret_code=code, count=4))
    answer = roll_back(**MARKED)
    assert (answer.outcomes, homes(cloud, detaching), len(cloud.calls("AttachDisk"))) == (["rolled_back"] * 2, [detaching.vm_id] * 2, 6)


@pytest.mark.parametrize("code", [150, 2204])
def test_attach_refused_for_good_is_detached_and_the_marker_is_there(
    cloud: Emulator, detaching: Server, roll_back: Run, named: Find, refusal: Run, code: int
) -> None:
    bad, good = detaching.disks
    cloud.add_faults(attach(kind="refuse", ret_code=code, params={"DiskID": bad}))
    answer = roll_back(**MARKED)
    assert (answer.outcomes, answer.failed, answer.changed) == (["detached", "rolled_back"], True, True)
    assert (answer.counts["detached"], homes(cloud, detaching), detaching.held()) == (1, ["", detaching.vm_id], [GOOD] * 2)
    assert [len(named(each, "m")) for each in detaching.disks] == [1, 1]
    assert answer.msg.startswith(f"1 of 2 failed: {bad}: rolled back, marker ") and "\n" not in answer.msg and good not in answer.msg
    assert f"not attached to VM {detaching.vm_id}: AttachDisk: " in answer.msg
    assert answer.msg.endswith(". Attach it before the VM is started")
    assert answer.results[0]["ret_code"] == code and refusal(answer.results[0]) in answer.msg
    assert len([call for call in cloud.calls("AttachDisk") if call["params"]["DiskID"] == bad]) == 1


def test_attach_refused_for_a_state_that_does_not_pass_is_detached_after_30_seconds(
    cloud: Emulator, detaching: Server, run: Run, virtual_time: Any
) -> None:
    cloud.add_faults(attach(kind="refuse", ret_code=2206))
    assert run("snapshot_rollback", snapshot_ids=detaching.targets[:1]).outcomes == ["detached"]
    first, *_rest, last = (call["at"] for call in cloud.calls("AttachDisk"))
    assert 30 <= last - first < 60 and virtual_time.now() < 90


def test_repeat_with_attach_to_attaches_what_was_left_detached(
    cloud: Emulator, detaching: Server, left_detached: Any, roll_back: Run, writes: Run
) -> None:
    answer = roll_back(**MARKED, attach_to=dict.fromkeys(detaching.disks, detaching.vm_id))
    assert (answer.outcomes, answer.failed, answer.changed) == (["already_done"] * 2, False, True)
    assert (writes(), homes(cloud, detaching)) == (["AttachDisk"] * 2, [detaching.vm_id] * 2)
    assert all(f"attached to VM {detaching.vm_id} again" in entry["msg"] for entry in answer.results)


def test_check_mode_foretells_that_a_repeat_attaches(
    cloud: Emulator, detaching: Server, left_detached: Any, roll_back: Run, writes: Run
) -> None:
    options = {**MARKED, "attach_to": dict.fromkeys(detaching.disks, detaching.vm_id)}
    check = roll_back(**options, _check=True, _diff=True)
    assert (check.outcomes, check.changed, writes()) == (["already_done"] * 2, True, [])
    real = roll_back(**options, _diff=True)
    again = roll_back(**options, _check=True, _diff=True)
    assert (real.changed, real.diff) == (True, check.diff) and detaching.vm_id in real.diff["after"]
    assert (again.changed, again.diff["before"]) == (False, again.diff["after"])


def test_repeat_with_attach_to_warns_where_disks_may_not_be_listed(
    cloud: Emulator, detaching: Server, left_detached: Any, roll_back: Run
) -> None:
    cloud.add_faults({"action": "DescribeDisk", "kind": "refuse", "ret_code": 150})
    answer = roll_back(**MARKED, attach_to=dict.fromkeys(detaching.disks, detaching.vm_id))
    assert (answer.outcomes, answer.changed) == (["already_done"] * 2, False)
    assert any(f"{', '.join(detaching.disks)} did not end detached" in warning for warning in answer.told)


def test_repeat_with_attach_to_that_fails_is_detached_and_unchanged(
    cloud: Emulator, detaching: Server, left_detached: Any, run: Run
) -> None:
    cloud.add_faults(attach(kind="refuse", ret_code=2204))
    disk_id = detaching.disks[0]
    answer = run("snapshot_rollback", name="x", disk_ids=[disk_id], **MARKED, attach_to={disk_id: detaching.vm_id})
    assert (answer.outcomes, answer.failed, answer.changed) == (["detached"], True, False)


def test_repeat_without_attach_to_leaves_what_is_detached(
    cloud: Emulator, detaching: Server, left_detached: Any, roll_back: Run, writes: Run
) -> None:
    answer = roll_back(**MARKED)
    assert (answer.outcomes, answer.failed, answer.changed, writes()) == (["already_done"] * 2, False, False, [])
    assert homes(cloud, detaching) == ["", ""]


def test_rollback_with_attach_to_after_an_attempt_without_marker_attaches_too(cloud: Emulator, detaching: Server, roll_back: Run) -> None:
    cloud.add_faults(attach(kind="refuse", ret_code=150, count=2))
    assert (roll_back().outcomes, homes(cloud, detaching)) == (["detached"] * 2, ["", ""])
    answer = roll_back(**MARKED, attach_to=dict.fromkeys(detaching.disks, detaching.vm_id))
    assert (answer.outcomes, homes(cloud, detaching)) == (["rolled_back"] * 2, [detaching.vm_id] * 2)


@pytest.mark.parametrize("options", [{}, {"attach_to": True}], ids=["without attach_to", "with attach_to"])
def test_idempotent_repeat_on_attached_disks_lists_them_once(
    cloud: Emulator, detaching: Server, roll_back: Run, writes: Run, options: dict[str, Any]
) -> None:
    roll_back(**MARKED)
    cloud.state.forget_calls()
    options = {"attach_to": dict.fromkeys(detaching.disks, detaching.vm_id)} if options else {}
    answer = roll_back(**MARKED, **options)
    assert (answer.outcomes, answer.changed, writes()) == (["already_done"] * 2, False, [])
    assert len(cloud.calls("DescribeDisk")) == 1


def test_disk_attached_to_another_vm_than_attach_to_says_fails_before_any_write(
    cloud: Emulator, server: Server, roll_back: Run, writes: Run
) -> None:
    other = cloud.state.add_vm("other", boot_gb=1, state=VmState.STOPPED)
    answer = roll_back(**COPIES, attach_to={server.disks[0]: other})
    assert (answer.outcomes, answer.failed, answer.changed, writes()) == (["failed", "skipped"], True, False, [])
    assert f"{server.disks[0]}: the disk is attached to VM {server.vm_id}, but attach_to is {other}" in answer.msg


def test_marked_disk_that_somebody_attached_elsewhere_is_left_there(
    cloud: Emulator, detaching: Server, left_detached: Any, run: Run, writes: Run, virtual_time: Any
) -> None:
    disk_id = next(each for each in detaching.disks if cloud.state.disk(each).disk_type == "Data")
    other = cloud.state.add_vm("other", boot_gb=1)
    cloud.state.attach_disk(disk_id, other)
    settle(cloud, virtual_time)
    answer = run("snapshot_rollback", name="x", disk_ids=[disk_id], **MARKED, attach_to={disk_id: detaching.vm_id})
    assert (answer.failed, answer.changed, writes(), cloud.state.disk(disk_id).vm_id) == (True, False, [], other)
    assert all(each in answer.msg for each in (disk_id, detaching.vm_id, other)) and "\n" not in answer.msg


def test_attach_to_names_a_disk_that_is_not_rolled_back(cloud: Emulator, server: Server, roll_back: Run, writes: Run) -> None:
    answer = roll_back(attach_to={"disk-other": server.vm_id, server.disks[0]: server.vm_id})
    assert (answer.failed, answer.msg, writes()) == (True, "attach_to names disk-other, not among the disks to roll back.", [])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"wait": False, "attach_to": {"disk-1": "vm-1"}}, "wait=false cannot be used with attach_to"),
        ({"attach_to": {"disk-1": None}, "disk_ids": ["disk-1", "disk-2"]}, "attach_to must name a disk and its VM"),
        ({"attach_to": {"disk-1": ""}}, "attach_to must name a disk and its VM"),
        ({"attach_to": {"disk-1": "vm 1"}}, "attach_to must name a disk and its VM"),
        ({"attach_to": {"": "vm-1"}}, "attach_to must name a disk and its VM"),
    ],
)
def test_attach_to_that_makes_no_sense_is_refused_before_any_call(cloud: Emulator, run: Run, options: dict[str, Any], said: str) -> None:
    answer = run("snapshot_rollback", **{"name": "x", "disk_ids": ["disk-1"], **options})
    assert answer.failed and said in answer.msg and "\n" not in answer.msg and cloud.calls() == []


def test_key_that_may_not_ask_for_disks_is_a_warning_and_nothing_is_attached(cloud: Emulator, detaching: Server, roll_back: Run) -> None:
    cloud.add_faults({"action": "DescribeDisk", "kind": "refuse", "ret_code": 150})
    answer = roll_back(**MARKED)
    assert (answer.outcomes, answer.failed, detaching.held()) == (["rolled_back"] * 2, False, [GOOD] * 2)
    assert len(answer.told) == 1 and "could not be checked" in answer.told[0] and cloud.calls("AttachDisk") == []


def test_time_up_while_it_attaches_is_detached_and_says_what_to_do(cloud: Emulator, detaching: Server, roll_back: Run, named: Find) -> None:
    cloud.add_faults(attach(kind="refuse", ret_code=2502))
    answer = roll_back(**MARKED, wait_timeout=60)
    assert (answer.outcomes, answer.failed, answer.changed) == (["detached"] * 2, True, True)
    assert [len(named(each, "m")) for each in detaching.disks] == [1, 1]
    assert all(
        each in answer.msg for each in (*detaching.disks, detaching.vm_id, "60 s", "RetCode 2502", "Attach it before the VM is started")
    )
    assert "\n" not in answer.msg


def test_lists_of_disks_that_fail_for_a_while_say_nothing_of_the_disk(cloud: Emulator, detaching: Server, roll_back: Run) -> None:
    cloud.add_faults({"action": "DescribeDisk", "kind": "http_status", "status": 503, "skip": 1, "count": 12})
    assert (roll_back(**MARKED).outcomes, homes(cloud, detaching)) == (["rolled_back"] * 2, [detaching.vm_id] * 2)
    assert len(cloud.calls("AttachDisk")) == 2
