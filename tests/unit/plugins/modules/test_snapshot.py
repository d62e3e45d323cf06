# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``snapshot``: what is made, kept, waited for and deleted while the API does what it is asked."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.module_utils import _snapshots
from emulator.errors import Reason
from emulator.server import Emulator
from emulator.state import SnapshotStatus

Run = Callable[..., Any]
Find = Callable[..., list[str]]


# ---- how many calls it takes


def test_first_run_on_20_disks_makes_20_and_looks_at_most_10_times(cloud: Emulator, run: Run) -> None:
    disks = [cloud.state.add_disk(f"d{number}", 1) for number in range(20)]
    answer = run("snapshot", name="x", disk_ids=disks)
    assert answer.outcomes == ["created"] * 20
    assert Counter(call["action"] for call in cloud.calls()) == answer.api_calls
    assert answer.api_calls["CreateSnapshot"] == 20
    assert answer.api_calls["DescribeSnapshot"] <= 10
    assert sorted(call["params"]["DiskID"] for call in cloud.calls("CreateSnapshot")) == sorted(disks)


def test_second_run_on_20_disks_looks_at_most_twice_and_writes_nothing(cloud: Emulator, run: Run, writes: Run) -> None:
    disks = [cloud.state.add_disk(f"d{number}", 1) for number in range(20)]
    for disk_id in disks:
        cloud.state.add_snapshot(disk_id, "x")
    for number in range(10):
        cloud.state.add_snapshot(disks[number], "other")
    answer = run("snapshot", name="x", disk_ids=disks)
    assert (answer.changed, answer.counts["present"], writes()) == (False, 20, [])
    assert answer.api_calls["DescribeSnapshot"] <= 2


def test_300_disks_and_several_pages(cloud: Emulator, run: Run, writes: Run) -> None:
    disks = [cloud.state.add_disk(f"d{number}", 1) for number in range(300)]
    for disk_id in disks[:250]:
        cloud.state.add_snapshot(disk_id, "x")
    answer = run("snapshot", name="x", disk_ids=disks)
    assert answer.outcomes == ["present"] * 250 + ["created"] * 50
    assert [entry["disk_id"] for entry in answer.results] == disks
    assert writes() == ["CreateSnapshot"] * 50
    assert answer.api_calls["DescribeSnapshot"] <= 20


@pytest.mark.parametrize("parallelism", [1, 4])
def test_parallelism_is_reached_and_never_passed(cloud: Emulator, run: Run, monkeypatch: pytest.MonkeyPatch, parallelism: int) -> None:
    at_once: list[int] = []
    active, lock, together = Counter[str](), threading.Lock(), threading.Barrier(parallelism)
    create = _snapshots.create

    def counting(*args: Any) -> Any:
        with lock:
            active["now"] += 1
            at_once.append(active["now"])
        together.wait(10)  # breaks, and fails the test, where fewer are at work than may be
        try:
            return create(*args)
        finally:
            with lock:
                active["now"] -= 1

    monkeypatch.setattr(_snapshots, "create", counting)
    disks = [cloud.state.add_disk(f"d{number}", 1) for number in range(8)]
    answer = run("snapshot", name="x", disk_ids=disks, parallelism=parallelism)
    assert (answer.counts["created"], max(at_once)) == (8, parallelism)


# ---- present


def test_snapshot_holds_the_bytes_of_the_moment_and_its_record_is_the_one_after_the_wait(cloud: Emulator, run: Run, disk: str) -> None:
    cloud.state.snapshot_seconds = 600
    cloud.state.image(disk).write_bytes(b"as it was")
    answer = run("snapshot", name="x", disk_ids=[disk], remark="before")
    (record,) = answer.snapshots
    assert (record["status"], record["name"], record["remark"]) == ("Normal", "x", "before")
    assert record["snapshot_id"] == answer.results[0]["snapshot_id"] == answer.snapshot_id
    assert cloud.state.snapshot_image(answer.snapshot_id).read_bytes() == b"as it was"


@pytest.mark.parametrize(
    "name",
    [
        "升级前 2026",
        "before 🚀 patch",
        "  leading and trailing  ",
        "a+b&c=d%20e",
        'it\'s "quoted"',
        "{{ not_a_template }}",
        "back\\slash\\n",
        "two\nlines",
        "[1, 2]",
        "yes",
        "0123456789" * 3,
        "快" * 30,
    ],
)
def test_names_and_remarks_survive_whatever_they_hold(
    cloud: Emulator, run: Run, disk: str, name: str, taken: Callable[[str], bool]
) -> None:
    remark = f"{name}/{name}"
    first = run("snapshot", name=name, disk_ids=[disk], remark=remark)
    (params,) = (call["params"] for call in cloud.calls("CreateSnapshot"))
    assert (params["Name"], params["Remark"]) == (name, remark)
    if taken(name):
        assert (first.outcomes, first.snapshots[0]["name"], first.snapshots[0]["remark"]) == (["created"], name, remark)
    else:
        assert (first.outcomes, first.results[0]["ret_code"]) == (["failed"], cloud.generation.codes[Reason.BAD_PARAMETER])
        cloud.state.add_snapshot(disk, name, remark)
    second = run("snapshot", name=name, disk_ids=[disk], remark=remark)
    assert (second.outcomes, second.told) == (["present"], [])
    assert (second.snapshots[0]["name"], second.snapshots[0]["remark"]) == (name, remark)
    assert run("snapshot", name=name, disk_ids=[disk], state="absent").outcomes == ["deleted"]


def test_remark_of_100_chinese_characters_is_fine(run: Run, disk: str) -> None:
    assert run("snapshot", name="x", disk_ids=[disk], remark="备" * 100).snapshots[0]["remark"] == "备" * 100


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(5, "5 seconds old"), (60, "1 minute old"), (3 * 3600 + 120, "3 hours 2 minutes old"), (9 * 86400 + 7200 + 60, "9 days 2 hours old")],
)
def test_present_tells_how_old_it_is(cloud: Emulator, run: Run, disk: str, seconds: int, words: str) -> None:
    cloud.state.add_snapshot(disk, "x", age=seconds)
    assert words in run("snapshot", name="x", disk_ids=[disk]).results[0]["msg"]


def test_other_remark_is_a_warning_and_no_remark_is_not(cloud: Emulator, run: Run, disk: str) -> None:
    snapshot = cloud.state.add_snapshot(disk, "x", "old remark")
    (warning,) = run("snapshot", name="x", disk_ids=[disk], remark="new remark").told
    assert snapshot in warning and "old remark" in warning
    assert run("snapshot", name="x", disk_ids=[disk]).told == []


def test_newest_of_several_counts_and_a_warning_names_all(cloud: Emulator, run: Run, disk: str) -> None:
    old, new = cloud.state.add_snapshot(disk, "x", age=900), cloud.state.add_snapshot(disk, "x", age=10)
    answer = run("snapshot", name="x", disk_ids=[disk])
    assert (answer.changed, answer.snapshot_id) == (False, new)
    assert len(answer.told) == 1 and old in answer.told[0] and new in answer.told[0]


@pytest.mark.parametrize("status", ["Deleting", "Deleted", "Released", "Failure"])
def test_useless_snapshot_of_that_name_does_not_count(cloud: Emulator, run: Run, disk: str, status: str, place: Run) -> None:
    useless = place(disk, "x", status=status)
    answer = run("snapshot", name="x", disk_ids=[disk])
    assert answer.outcomes == ["created"] and answer.snapshot_id != useless


# ---- snapshots that a timer of the platform created


@pytest.fixture
def told_apart(cloud: Emulator) -> bool:
    """Whether this generation says which snapshots a timer created."""
    return "Type" in cloud.generation.fields["snapshot"]


def test_automatic_snapshot_of_that_name_does_not_count(
    cloud: Emulator, run: Run, disk: str, place: Run, named: Find, told_apart: bool
) -> None:
    automatic = place(disk, "x", timer_id="timer-1")
    first, second = (run("snapshot", name="x", disk_ids=[disk]) for _turn in range(2))
    assert (first.outcomes, first.told, first.failed) == (["created" if told_apart else "present"], [], False)
    assert (first.snapshot_id != automatic) == told_apart and len(named(disk, "x")) == 1 + told_apart
    assert (second.outcomes, second.snapshot_id, second.told) == (["present"], first.snapshot_id, [])
    assert [record["automatic"] for record in second.snapshots] == [False]


def test_automatic_snapshot_that_is_being_created_is_not_joined(cloud: Emulator, run: Run, disk: str, told_apart: bool) -> None:
    automatic = cloud.state.create_snapshot(disk, "x", seconds=60, timer_id="timer-1")
    answer = run("snapshot", name="x", disk_ids=[disk])
    assert (answer.outcomes, answer.snapshot_id != automatic) == (["created" if told_apart else "present"], told_apart)


def test_automatic_snapshot_is_not_adopted_after_a_lost_answer(
    cloud: Emulator, run: Run, disk: str, place: Run, meanwhile: Run, told_apart: bool
) -> None:
    automatic: list[str] = []
    cloud.add_faults({"action": "CreateSnapshot", "kind": "drop", "count": 1})
    meanwhile(lambda: automatic.append(place(disk, "x", timer_id="timer-1", age=-5)), when=lambda: cloud.calls("CreateSnapshot"))
    answer = run("snapshot", name="x", disk_ids=[disk])
    assert (answer.outcomes, [answer.snapshot_id] != automatic) == (["created" if told_apart else "adopted"], told_apart)
    assert len(cloud.calls("CreateSnapshot")) == 1 + told_apart


def test_ours_is_adopted_after_a_lost_answer_and_not_the_newer_automatic_one(
    cloud: Emulator, run: Run, disk: str, place: Run, meanwhile: Run
) -> None:
    automatic: list[str] = []
    cloud.add_faults({"action": "CreateSnapshot", "kind": "lose_answer"})
    meanwhile(lambda: automatic.append(place(disk, "x", timer_id="timer-1", age=-5)), when=lambda: cloud.calls("CreateSnapshot"))
    answer = run("snapshot", name="x", disk_ids=[disk], remark="ours")
    assert (answer.outcomes, answer.snapshots[0]["remark"], len(cloud.calls("CreateSnapshot"))) == (["adopted"], "ours", 1)
    assert answer.snapshot_id not in automatic


@pytest.mark.parametrize("by", ["name", "id"])
def test_absent_deletes_an_automatic_snapshot_too(cloud: Emulator, run: Run, disk: str, place: Run, named: Find, by: str) -> None:
    automatic = place(disk, "x", timer_id="timer-1")
    options = {"name": "x", "disk_ids": [disk]} if by == "name" else {"snapshot_ids": [automatic]}
    assert (run("snapshot", **options, state="absent").outcomes, named(disk, "x")) == (["deleted"], [])


def test_snapshot_of_that_name_of_another_disk_or_of_a_longer_name_does_not_count(cloud: Emulator, run: Run, disks: list[str]) -> None:
    cloud.state.add_snapshot(disks[1], "x")
    cloud.state.add_snapshot(disks[0], "x2")
    assert run("snapshot", name="x", disk_ids=disks[:1]).outcomes == ["created"]


def test_snapshot_being_created_by_another_user_is_joined(cloud: Emulator, run: Run, disk: str, writes: Run) -> None:
    theirs = cloud.state.create_snapshot(disk, "x", seconds=100)
    answer = run("snapshot", name="x", disk_ids=[disk])
    assert (answer.outcomes, answer.changed, answer.snapshot_id, writes()) == (["present"], False, theirs, [])
    assert answer.snapshots[0]["status"] == "Normal"


def test_snapshot_being_rolled_back_to_is_waited_for(cloud: Emulator, run: Run, disk: str, writes: Run) -> None:
    theirs = cloud.state.add_snapshot(disk, "x")
    cloud.state.rollback_snapshot(theirs, disk)
    answer = run("snapshot", name="x", disk_ids=[disk])
    assert (answer.outcomes, answer.snapshots[0]["status"], writes()) == (["present"], "Normal", [])


def test_joined_snapshot_that_ends_in_failure_is_created_again(cloud: Emulator, run: Run, disk: str) -> None:
    theirs = cloud.state.create_snapshot(disk, "x", seconds=5, ends_as=SnapshotStatus.FAILURE)
    answer = run("snapshot", name="x", disk_ids=[disk])
    assert answer.outcomes == ["created"] and answer.snapshot_id != theirs


def test_disk_busy_with_another_snapshot_is_waited_for(cloud: Emulator, run: Run, disk: str) -> None:
    cloud.state.create_snapshot(disk, "other", seconds=300)
    answer = run("snapshot", name="x", disk_ids=[disk])
    assert (answer.outcomes, answer.failed) == (["created"], False)


def test_disk_busy_until_the_deadline_fails_and_the_same_task_again_carries_on(cloud: Emulator, run: Run, disk: str, named: Find) -> None:
    cloud.state.create_snapshot(disk, "other", seconds=100)
    first = run("snapshot", name="x", disk_ids=[disk], wait_timeout=60)
    assert (first.failed, first.outcomes, first.results[0]["ret_code"]) == (
        True,
        ["failed"],
        cloud.generation.codes[Reason.SNAPSHOT_IN_PROGRESS],
    )
    assert disk in first.msg and "60 s" in first.msg and not named(disk, "x")
    assert run("snapshot", name="x", disk_ids=[disk], wait_timeout=60).outcomes == ["created"]
    assert len(named(disk, "x")) == 1


def test_time_out_names_disks_ids_and_states_and_the_same_task_again_carries_on(cloud: Emulator, run: Run, disks: list[str]) -> None:
    cloud.add_faults({"action": "CreateSnapshot", "kind": "stuck_snapshot", "seconds": 90, "params": {"DiskID": disks[0]}})
    first = run("snapshot", name="x", disk_ids=disks[:2], wait_timeout=60)
    assert (first.failed, first.changed, first.outcomes) == (True, True, ["pending", "created"])
    assert all(each in first.msg for each in (disks[0], cloud.generation.spell_snapshot("Createing"), "60 s")) and disks[1] not in first.msg
    snapshot = first.results[0]["snapshot_id"]
    assert snapshot == cloud.state.find_snapshots(disk_id=disks[0])[0]
    second = run("snapshot", name="x", disk_ids=disks[:2], wait_timeout=60)
    assert (second.failed, second.changed, second.outcomes) == (False, False, ["present", "present"])
    assert second.results[0]["snapshot_id"] == snapshot and len(cloud.calls("CreateSnapshot")) == 2


def test_success_at_the_last_poll_counts(cloud: Emulator, run: Run, disk: str, virtual_time: Any) -> None:
    cloud.state.snapshot_seconds = 59.99
    answer = run("snapshot", name="x", disk_ids=[disk], wait_timeout=60)
    assert (answer.outcomes, answer.failed, virtual_time.now()) == (["created"], False, 60)


def test_odd_status_is_waited_for(cloud: Emulator, run: Run, disk: str) -> None:
    cloud.add_faults({"action": "CreateSnapshot", "kind": "odd_status", "seconds": 120})
    assert run("snapshot", name="x", disk_ids=[disk]).snapshots[0]["status"] == "Normal"


# ---- present: one disk cannot have it


def test_four_of_five_are_created_and_the_result_says_which_failed_and_why(cloud: Emulator, run: Run, disks: list[str]) -> None:
    asked = [*disks[:2], "disk-missing", *disks[2:4]]
    answer = run("snapshot", name="x", disk_ids=asked)
    assert (answer.failed, answer.changed) == (True, True)
    assert answer.outcomes == ["created", "created", "failed", "created", "created"]
    missing = cloud.generation.codes[Reason.DISK_MISSING]
    assert (answer.results[2]["ret_code"], answer.results[2]["disk_id"], answer.results[2]["snapshot_id"]) == (
        missing,
        "disk-missing",
        None,
    )
    assert answer.msg.startswith("1 of 5 failed: disk-missing: ") and "does not exist" in answer.msg and "\n" not in answer.msg
    assert (answer.counts["created"], answer.counts["failed"], len(answer.snapshots)) == (4, 1, 4)


def test_all_or_nothing_deletes_what_it_created_and_nothing_else(cloud: Emulator, run: Run, disks: list[str], named: Find) -> None:
    cloud.state.add_snapshot(disks[0], "x")
    cloud.add_faults({"action": "CreateSnapshot", "kind": "lose_answer", "params": {"DiskID": disks[1]}})
    answer = run("snapshot", name="x", disk_ids=[*disks[:4], "disk-missing"], all_or_nothing=True)
    assert answer.outcomes == ["present", "adopted", "undone", "undone", "failed"]
    assert [len(named(disk, "x")) for disk in disks] == [1, 1, 0, 0, 0]
    assert answer.failed and "disk-missing" in answer.msg


def test_all_or_nothing_leaves_everything_when_all_is_well(run: Run, disks: list[str], writes: Run) -> None:
    answer = run("snapshot", name="x", disk_ids=disks, all_or_nothing=True)
    assert (answer.outcomes, writes()) == (["created"] * 5, ["CreateSnapshot"] * 5)


def test_all_or_nothing_undoes_when_a_snapshot_ends_in_failure(cloud: Emulator, run: Run, disks: list[str], named: Find) -> None:
    cloud.add_faults({"action": "CreateSnapshot", "kind": "fail_snapshot", "params": {"DiskID": disks[0]}})
    answer = run("snapshot", name="x", disk_ids=disks[:2], all_or_nothing=True)
    assert (answer.outcomes, named(disks[1], "x")) == (["failed", "undone"], [])


def test_time_out_undoes_nothing(cloud: Emulator, run: Run, disks: list[str], writes: Run) -> None:
    cloud.add_faults({"action": "CreateSnapshot", "kind": "stuck_snapshot", "params": {"DiskID": disks[0]}})
    answer = run("snapshot", name="x", disk_ids=[*disks[:2], "disk-missing"], all_or_nothing=True, wait_timeout=60)
    assert answer.outcomes == ["pending", "created", "failed"]
    assert "DeleteSnapshot" not in writes()


def test_undo_has_a_deadline_of_its_own(cloud: Emulator, run: Run, disks: list[str], named: Find) -> None:
    cloud.state.snapshot_seconds, cloud.state.transition_seconds = 55, 30
    answer = run("snapshot", name="x", disk_ids=[disks[0], "disk-missing"], all_or_nothing=True, wait_timeout=60)
    assert (answer.outcomes, named(disks[0], "x")) == (["undone", "failed"], [])


@pytest.mark.parametrize("code", [150, 164])
def test_what_cannot_be_undone_stays_and_is_named(cloud: Emulator, run: Run, disks: list[str], code: int) -> None:
    cloud.add_faults({"action": "DeleteSnapshot", "kind": "refuse", "ret_code": code})
    answer = run("snapshot", name="x", disk_ids=[disks[0], "disk-missing"], all_or_nothing=True)
    assert (answer.outcomes, answer.changed, answer.failed) == (["created", "failed"], True, True)
    assert disks[0] in answer.msg and "disk-missing" in answer.msg and "could not be deleted" in answer.msg


# ---- wait: false


def test_without_wait_it_returns_when_all_are_listed_and_an_immediate_repeat_makes_none(
    cloud: Emulator, run: Run, disks: list[str], virtual_time: Any
) -> None:
    cloud.state.snapshot_seconds = 600
    cloud.add_faults({"action": "CreateSnapshot", "kind": "listing_lag", "seconds": 10, "params": {"DiskID": disks[0]}})
    first = run("snapshot", name="x", disk_ids=disks, wait=False)
    assert (first.outcomes, first.failed, virtual_time.now() < 30) == (["created"] * 5, False, True)
    assert {record["status"] for record in first.snapshots} == {cloud.generation.spell_snapshot("Createing")} and len(first.snapshots) == 5
    second = run("snapshot", name="x", disk_ids=disks, wait=False)
    assert (second.outcomes, second.changed, second.failed) == (["pending"] * 5, False, False)
    assert len(cloud.calls("CreateSnapshot")) == 5


# ---- absent


def test_absent_deletes_and_a_repeat_changes_nothing(cloud: Emulator, run: Run, disk: str, writes: Run) -> None:
    snapshot = cloud.state.add_snapshot(disk, "x")
    first, second = (run("snapshot", name="x", disk_ids=[disk], state="absent") for _turn in range(2))
    assert (first.outcomes, first.changed, first.snapshot_id) == (["deleted"], True, snapshot)
    assert (second.outcomes, second.changed, second.snapshot_id) == (["absent"], False, None)
    assert (writes(), cloud.state.find_snapshots(hidden=True)) == (["DeleteSnapshot"], [])


def test_absent_by_id_deletes_these_alone(cloud: Emulator, run: Run, disk: str) -> None:
    keep, *others = (cloud.state.add_snapshot(disk, "x") for _turn in range(3))
    answer = run("snapshot", snapshot_ids=[*others, "snapshot-missing"], state="absent")
    assert answer.outcomes == ["deleted", "deleted", "absent"]
    assert [entry["snapshot_id"] for entry in answer.results] == [*others, "snapshot-missing"]
    assert [entry["disk_id"] for entry in answer.results] == [disk, disk, None]
    assert cloud.state.find_snapshots(hidden=True) == [keep]


def test_absent_leaves_other_names_and_other_disks(cloud: Emulator, run: Run, disks: list[str]) -> None:
    kept = {cloud.state.add_snapshot(disks[0], name) for name in ("x2", "pre-x", "X", "x ")} | {cloud.state.add_snapshot(disks[1], "x")}
    cloud.state.add_snapshot(disks[0], "x")
    assert run("snapshot", name="x", disk_ids=disks[:1], state="absent").outcomes == ["deleted"]
    assert set(cloud.state.find_snapshots(hidden=True)) == kept


def test_absent_deletes_all_of_that_name_and_reports_one_entry(cloud: Emulator, run: Run, disk: str, named: Find) -> None:
    several = [cloud.state.add_snapshot(disk, "x") for _turn in range(3)]
    answer = run("snapshot", name="x", disk_ids=[disk], state="absent")
    assert (answer.outcomes, named(disk, "x"), answer.counts["deleted"]) == (["deleted"], [], 1)
    assert all(each in answer.results[0]["msg"] for each in several)
    assert {record["snapshot_id"] for record in answer.snapshots} == set(several)


def test_absent_on_a_disk_that_does_not_exist_is_unchanged(run: Run, writes: Run) -> None:
    answer = run("snapshot", name="x", disk_ids=["disk-missing"], state="absent")
    assert (answer.outcomes, answer.changed, answer.failed, writes()) == (["absent"], False, False, [])


@pytest.mark.parametrize("by", ["name", "id"])
def test_absent_waits_for_a_snapshot_being_created_and_then_deletes_it(
    cloud: Emulator, run: Run, disk: str, named: Find, writes: Run, by: str
) -> None:
    snapshot = cloud.state.create_snapshot(disk, "x", seconds=120)
    options = {"name": "x", "disk_ids": [disk]} if by == "name" else {"snapshot_ids": [snapshot]}
    answer = run("snapshot", **options, state="absent")
    assert (answer.outcomes, named(disk, "x"), writes()) == (["deleted"], [], ["DeleteSnapshot"])


def test_absent_waits_for_a_rollback_to_end(cloud: Emulator, run: Run, disk: str, named: Find) -> None:
    cloud.state.rollback_snapshot(cloud.state.add_snapshot(disk, "x"), disk)
    assert (run("snapshot", name="x", disk_ids=[disk], state="absent").outcomes, named(disk, "x")) == (["deleted"], [])


def test_absent_waits_for_a_deletion_that_is_under_way(cloud: Emulator, run: Run, disk: str, named: Find, writes: Run) -> None:
    cloud.state.transition_seconds = 60
    cloud.state.delete_snapshot(cloud.state.add_snapshot(disk, "x"))
    answer = run("snapshot", name="x", disk_ids=[disk], state="absent")
    assert (answer.outcomes, answer.changed, named(disk, "x"), writes()) == (["absent"], False, [], [])


def test_absent_without_wait_fails_on_a_snapshot_being_created_and_queues_nothing(
    cloud: Emulator, run: Run, disk: str, named: Find, writes: Run, virtual_time: Any
) -> None:
    cloud.state.create_snapshot(disk, "x", seconds=5)
    answer = run("snapshot", name="x", disk_ids=[disk], state="absent", wait=False)
    assert (answer.outcomes, answer.failed, writes()) == (["failed"], True, [])
    assert cloud.generation.spell_snapshot("Createing") in answer.msg and "wait=true" in answer.msg
    virtual_time.sleep(60)
    cloud.state.advance()
    assert len(named(disk, "x")) == 1


def test_absent_without_wait_is_pending_while_a_deletion_is_under_way(cloud: Emulator, run: Run, disk: str, writes: Run) -> None:
    cloud.state.transition_seconds = 60
    cloud.state.delete_snapshot(cloud.state.add_snapshot(disk, "x"))
    answer = run("snapshot", name="x", disk_ids=[disk], state="absent", wait=False)
    assert (answer.outcomes, answer.changed, answer.failed, writes()) == (["pending"], False, False, [])


def test_absent_without_wait_returns_when_the_deletion_is_accepted(cloud: Emulator, run: Run, disk: str, virtual_time: Any) -> None:
    cloud.state.transition_seconds = 300
    cloud.state.add_snapshot(disk, "x")
    answer = run("snapshot", name="x", disk_ids=[disk], state="absent", wait=False)
    assert (answer.outcomes, answer.changed, virtual_time.now() < 30) == (["deleted"], True, True)


def test_absent_that_times_out_is_pending_and_a_repeat_carries_on(cloud: Emulator, run: Run, disk: str, writes: Run) -> None:
    cloud.state.transition_seconds = 90
    snapshot = cloud.state.add_snapshot(disk, "x")
    first, second = (run("snapshot", name="x", disk_ids=[disk], state="absent", wait_timeout=60) for _turn in range(2))
    assert (first.failed, first.outcomes, first.snapshot_id) == (True, ["pending"], snapshot)
    assert disk in first.msg and "Deleting" in first.msg
    assert (second.failed, second.outcomes, writes()) == (False, ["absent"], ["DeleteSnapshot"])


# ---- remarks of single disks


def test_a_disk_may_have_a_remark_of_its_own(cloud: Emulator, run: Run, disks: list[str]) -> None:
    run("snapshot", name="x", disk_ids=disks[:2], remark="for all", remarks={disks[1]: "盘 2"})
    remarks = {call["params"]["DiskID"]: call["params"]["Remark"] for call in cloud.calls("CreateSnapshot")}
    assert remarks == {disks[0]: "for all", disks[1]: "盘 2"}


@pytest.mark.parametrize(
    ("remarks", "said"), [({"disk-other": "y"}, "names disk-other, not among"), ({"disk-1": "盘" * 101}, "101 characters")]
)
def test_remarks_that_fit_no_disk_or_are_too_long(cloud: Emulator, run: Run, remarks: dict[str, str], said: str) -> None:
    answer = run("snapshot", name="x", disk_ids=["disk-1"], remarks=remarks)
    assert answer.failed and said in answer.msg and cloud.calls() == []
