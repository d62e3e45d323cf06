# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``snapshot``: lost answers, refusals, a gateway that talks nonsense, and other people at work in the same cloud."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from emulator.errors import Reason
from emulator.server import Emulator

Run = Callable[..., Any]
Find = Callable[..., list[str]]

LOST = [
    {"kind": "lose_answer"},
    {"kind": "http_status", "status": 502, "done": True},
    {"kind": "empty"},
    {"kind": "truncated"},
    {"kind": "truncated", "cut": "json"},
    {"kind": "wrong_shape", "shape": "list"},
    {"kind": "wrong_shape", "shape": "no_ret_code"},
    {"kind": "html", "done": True},
    {"kind": "redirect", "done": True},
    {"kind": "http_status", "status": 403, "done": True},
]
NOT_DONE = [
    {"kind": "drop"},
    {"kind": "http_status", "status": 504},
    {"kind": "html"},
    {"kind": "redirect"},
    {"kind": "http_status", "status": 404},
    *({"kind": "refuse", "ret_code": code} for code in (2, 110, 560)),
]


def words(fault: dict[str, Any]) -> str:
    return "-".join(str(value) for value in fault.values())


def create(**fault: Any) -> dict[str, Any]:
    return {"action": "CreateSnapshot", **fault}


# ---- the answer to a create is lost


@pytest.mark.parametrize("fault", LOST, ids=words)
def test_create_done_but_its_answer_lost_is_adopted(cloud: Emulator, run: Run, disk: str, named: Find, fault: dict[str, Any]) -> None:
    cloud.add_faults(create(**fault, count=1))
    answer = run("snapshot", name="x", disk_ids=[disk])
    assert (answer.outcomes, answer.changed, answer.failed) == (["adopted"], True, False)
    assert [answer.snapshot_id] == named(disk, "x")
    assert (answer.snapshots[0]["status"], len(cloud.calls("CreateSnapshot"))) == ("Normal", 1)


@pytest.mark.parametrize("fault", NOT_DONE, ids=words)
def test_lost_create_is_searched_for_30_seconds_and_sent_once_more_with_a_warning(
    cloud: Emulator, run: Run, disk: str, named: Find, fault: dict[str, Any]
) -> None:
    cloud.add_faults(create(**fault, count=1))
    answer = run("snapshot", name="x", disk_ids=[disk])
    first, second = (call["at"] for call in cloud.calls("CreateSnapshot"))
    assert 30 <= second - first < 60
    assert (answer.outcomes, len(named(disk, "x"))) == (["created"], 1)
    assert len(answer.told) == 1 and disk in answer.told[0] and "once more" in answer.told[0]


def test_create_twice_without_answer_fails_and_says_unknown(cloud: Emulator, run: Run, disk: str) -> None:
    cloud.add_faults(create(kind="drop"))
    answer = run("snapshot", name="x", disk_ids=[disk])
    assert (answer.outcomes, answer.failed, len(cloud.calls("CreateSnapshot"))) == (["failed"], True, 2)
    assert "unknown" in answer.msg and "run the task again to look for it" in answer.msg and disk in answer.msg


def test_second_create_done_but_its_answer_lost_too_is_adopted(cloud: Emulator, run: Run, disk: str, named: Find) -> None:
    cloud.add_faults(create(kind="drop", count=1), create(kind="lose_answer"))
    answer = run("snapshot", name="x", disk_ids=[disk])
    assert (answer.outcomes, [answer.snapshot_id]) == (["adopted"], named(disk, "x"))


@pytest.mark.parametrize("answer_lost", [False, True])
def test_list_that_lags_less_than_30_seconds_gives_one_snapshot(
    cloud: Emulator, run: Run, disk: str, named: Find, answer_lost: bool
) -> None:
    cloud.add_faults(create(kind="listing_lag", seconds=25), *([create(kind="lose_answer")] if answer_lost else []))
    answer = run("snapshot", name="x", disk_ids=[disk])
    assert (answer.outcomes, answer.failed) == (["adopted" if answer_lost else "created"], False)
    assert [answer.snapshot_id] == named(disk, "x")


def test_lost_answer_and_a_list_that_lags_longer_can_give_two_and_warns(cloud: Emulator, run: Run, disk: str, named: Find) -> None:
    cloud.add_faults(create(kind="listing_lag", seconds=60, count=1), create(kind="lose_answer", count=1))
    answer = run("snapshot", name="x", disk_ids=[disk])
    assert (answer.outcomes, len(named(disk, "x"))) == (["created"], 2)
    assert any("once more" in warning for warning in answer.told)


def test_created_but_never_listed_fails_and_warns_of_a_second_one(cloud: Emulator, run: Run, disk: str, named: Find) -> None:
    cloud.add_faults(create(kind="listing_lag", seconds=900))
    answer = run("snapshot", name="x", disk_ids=[disk])
    assert answer.failed and answer.changed
    assert named(disk, "x")[0] in answer.msg and "second" in answer.msg and "any more" not in answer.msg


def test_older_snapshot_of_that_name_is_not_taken_for_the_lost_one(cloud: Emulator, run: Run, disk: str, place: Run) -> None:
    leftover = place(disk, "x", status="Failure", age=3600)
    cloud.add_faults(create(kind="lose_answer", count=1))
    answer = run("snapshot", name="x", disk_ids=[disk])
    assert answer.outcomes == ["adopted"] and answer.snapshot_id != leftover


@pytest.mark.parametrize(("theirs", "status"), [("other", "Normal"), ("mine", "Failure")])
def test_of_two_created_at_the_same_moment_ours_is_adopted_and_both_are_named(
    cloud: Emulator, run: Run, disk: str, named: Find, meanwhile: Run, place: Run, theirs: str, status: str
) -> None:
    meanwhile(lambda: place(disk, "x", theirs, status, age=-5), when=lambda: cloud.calls("CreateSnapshot"))
    cloud.add_faults(create(kind="lose_answer", count=1))
    answer = run("snapshot", name="x", disk_ids=[disk], remark="mine")
    shown = {each: cloud.state.snapshot(each) for each in named(disk, "x")}
    other, ours = sorted(shown, key=lambda each: (shown[each].remark, shown[each].status) == ("mine", "Normal"))
    assert (answer.outcomes, answer.snapshot_id) == (["adopted"], ours)
    assert any(ours in line and other in line for line in answer.told)


def test_answer_lost_on_all_of_20_disks_gives_one_snapshot_each(cloud: Emulator, run: Run, named: Find) -> None:
    disks = [cloud.state.add_disk(f"d{number}", 1) for number in range(20)]
    cloud.add_faults(create(kind="lose_answer"))
    answer = run("snapshot", name="x", disk_ids=disks)
    assert (answer.counts["adopted"], [len(named(each, "x")) for each in disks]) == (20, [1] * 20)


def test_api_that_answers_only_every_other_time_gives_one_snapshot_each(cloud: Emulator, run: Run, disks: list[str], named: Find) -> None:
    cloud.add_faults(
        create(kind="lose_answer", probability=0.4, seed=7),
        create(kind="refuse", ret_code=165, probability=0.5, seed=8),
        {"action": "DescribeSnapshot", "kind": "http_status", "status": 503, "probability": 0.4, "seed": 9},
    )
    answer = run("snapshot", name="x", disk_ids=disks)
    assert (answer.failed, [len(named(each, "x")) for each in disks]) == (False, [1] * 5)


# ---- refusals


@pytest.mark.parametrize("code", [165, 199, 2502, 5000, 7001, 7002, 201, 202, 2206])
def test_refusal_that_passes_is_waited_out(cloud: Emulator, run: Run, disk: str, named: Find, code: int) -> None:
    cloud.add_faults(create(kind="refuse", ret_code=code, count=4))
    answer = run("snapshot", name="x", disk_ids=[disk])
    assert (answer.outcomes, answer.told, len(named(disk, "x"))) == (["created"], [], 1)
    assert len(cloud.calls("CreateSnapshot")) == 5


@pytest.mark.parametrize("code", [3, 113, 150, 161, 171, 200, 2201, 2500, 5002, 7000, 424242])
def test_refusal_that_stays_fails_at_once_with_advice(cloud: Emulator, run: Run, disk: str, refusal: Run, code: int) -> None:
    cloud.add_faults(create(kind="refuse", ret_code=code))
    answer = run("snapshot", name="x", disk_ids=[disk])
    assert (answer.outcomes, answer.changed, len(cloud.calls("CreateSnapshot"))) == (["failed"], False, 1)
    assert answer.results[0]["ret_code"] == code
    said, advice = answer.msg.split(refusal(answer.results[0]))
    assert said.startswith(f"1 of 1 failed: {disk}: CreateSnapshot: ") and len(advice.split("). ")[1]) > 10 and "\n" not in answer.msg


def test_full_disk_fails_and_says_what_to_do(cloud: Emulator, run: Run, disk: str) -> None:
    for number in range(10):
        cloud.state.add_snapshot(disk, f"old-{number}")
    answer = run("snapshot", name="x", disk_ids=[disk])
    assert (answer.outcomes, answer.results[0]["ret_code"]) == (["failed"], cloud.generation.codes[Reason.SNAPSHOT_LIMIT])
    assert "Delete snapshots of this disk" in answer.msg


def test_disk_in_a_state_that_passes_is_waited_for(cloud: Emulator, run: Run, disk: str) -> None:
    cloud.state.transition_seconds = 60
    cloud.state.attach_disk(disk, cloud.state.add_vm("web", boot_gb=1))
    answer = run("snapshot", name="x", disk_ids=[disk])
    wrong_state = cloud.generation.codes[Reason.DISK_WRONG_STATE]
    assert (answer.outcomes, cloud.calls("CreateSnapshot")[0]["ret_code"]) == (["created"], wrong_state)


def test_disk_in_a_state_that_does_not_pass_fails_at_once(cloud: Emulator, run: Run, disk: str, virtual_time: Any) -> None:
    cloud.state.transition_seconds = 9999
    cloud.state.delete_disk(disk)
    answer = run("snapshot", name="x", disk_ids=[disk])
    wrong_state = cloud.generation.codes[Reason.DISK_WRONG_STATE]
    assert (answer.outcomes, answer.results[0]["ret_code"], len(cloud.calls("CreateSnapshot"))) == (["failed"], wrong_state, 1)
    assert virtual_time.now() < 60


def test_throttled_api_gets_all_20_done(cloud: Emulator, run: Run) -> None:
    disks = [cloud.state.add_disk(f"d{number}", 1) for number in range(20)]
    cloud.add_faults({"action": "*", "kind": "throttle", "rate": 2, "burst": 3})
    answer = run("snapshot", name="x", disk_ids=disks)
    assert (answer.counts["created"], answer.failed) == (20, False)


# ---- while it waits


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "http_status", "status": 503},
        {"kind": "html"},
        {"kind": "empty"},
        {"kind": "drop"},
        {"kind": "truncated", "cut": "json"},
        {"kind": "wrong_shape", "shape": "infos_string"},
        {"kind": "refuse", "ret_code": 560},
        {"kind": "refuse", "ret_code": 165},
    ],
    ids=words,
)
def test_polls_that_fail_for_a_while_say_nothing_of_the_work(
    cloud: Emulator, run: Run, disk: str, named: Find, fault: dict[str, Any]
) -> None:
    cloud.state.snapshot_seconds = 60
    cloud.add_faults({"action": "DescribeSnapshot", **fault, "skip": 2, "count": 12})
    answer = run("snapshot", name="x", disk_ids=[disk])
    assert (answer.outcomes, answer.failed) == (["created"], False)
    assert cloud.faults.report()[0]["struck"] == 12 and len(named(disk, "x")) == 1


def test_polls_that_fail_until_the_deadline_leave_it_pending(cloud: Emulator, run: Run, disk: str, named: Find) -> None:
    cloud.state.snapshot_seconds = 60
    cloud.add_faults({"action": "DescribeSnapshot", "kind": "http_status", "status": 503, "skip": 1})
    answer = run("snapshot", name="x", disk_ids=[disk], wait_timeout=300)
    assert (answer.outcomes, answer.failed, answer.changed, [answer.snapshot_id]) == (["pending"], True, True, named(disk, "x"))


def test_key_revoked_while_it_waits_ends_the_wait_and_says_what_is_unfinished(
    cloud: Emulator, run: Run, disks: list[str], writes: Run
) -> None:
    cloud.state.snapshot_seconds = 60
    cloud.add_faults({"action": "*", "kind": "refuse", "ret_code": 171, "skip": 5})
    answer = run("snapshot", name="x", disk_ids=disks[:2])
    assert (answer.outcomes, answer.failed, answer.changed) == (["pending"] * 2, True, True)
    assert "RetCode 171" in answer.msg and all(entry["snapshot_id"] for entry in answer.results)
    assert writes() == ["CreateSnapshot"] * 2


def test_snapshot_that_ends_in_failure_fails(cloud: Emulator, run: Run, disk: str, named: Find) -> None:
    cloud.add_faults(create(kind="fail_snapshot"))
    answer = run("snapshot", name="x", disk_ids=[disk])
    assert (answer.outcomes, answer.failed, answer.changed, [answer.snapshot_id]) == (["failed"], True, True, named(disk, "x"))
    assert answer.snapshot_id in answer.msg and "Failure" in answer.msg


def test_snapshot_stuck_in_createing_is_pending_after_the_time_out(cloud: Emulator, run: Run, disk: str) -> None:
    cloud.add_faults(create(kind="stuck_snapshot"))
    first, second = (run("snapshot", name="x", disk_ids=[disk], wait_timeout=60) for _turn in range(2))
    assert (first.outcomes, first.changed, first.failed) == (["pending"], True, True)
    assert (second.outcomes, second.changed, second.failed) == (["pending"], False, True)
    assert first.snapshot_id == second.snapshot_id and len(cloud.calls("CreateSnapshot")) == 1


def test_time_up_after_a_lost_answer_says_that_nobody_knows(cloud: Emulator, run: Run, disk: str) -> None:
    cloud.add_faults(create(kind="drop"))
    answer = run("snapshot", name="x", disk_ids=[disk], wait_timeout=10)
    assert (answer.outcomes, answer.failed) == (["pending"], True)
    assert "unknown" in answer.msg and "the operation continues" not in answer.msg


def test_snapshot_not_listed_when_time_is_up_is_named(cloud: Emulator, run: Run, disk: str, named: Find) -> None:
    cloud.add_faults(create(kind="listing_lag", seconds=900))
    answer = run("snapshot", name="x", disk_ids=[disk], wait_timeout=10)
    assert answer.outcomes == ["pending"] and named(disk, "x")[0] in answer.msg and "the operation continues" in answer.msg


def test_snapshot_that_somebody_deletes_while_it_is_waited_for_fails(
    cloud: Emulator, run: Run, disk: str, named: Find, meanwhile: Run
) -> None:
    cloud.add_faults(create(kind="odd_status", seconds=600))
    meanwhile(lambda: cloud.state.remove_snapshot(named(disk, "x")[0]), after=20)
    answer = run("snapshot", name="x", disk_ids=[disk])
    assert (answer.outcomes, answer.failed, named(disk, "x")) == (["failed"], True, [])
    assert answer.snapshot_id in answer.msg and "no longer listed" in answer.msg


def test_joined_snapshot_that_vanishes_is_created_again(
    cloud: Emulator, run: Run, disk: str, named: Find, meanwhile: Run, writes: Run, place: Run
) -> None:
    theirs = place(disk, "x", status="Createing")
    meanwhile(lambda: cloud.state.remove_snapshot(theirs), after=20)
    answer = run("snapshot", name="x", disk_ids=[disk])
    assert (answer.outcomes, writes(), [answer.snapshot_id]) == (["created"], ["CreateSnapshot"], named(disk, "x"))


def test_failed_listing_of_the_disk_is_repeated_and_nothing_else_is_sent(
    cloud: Emulator, run: Run, disk: str, meanwhile: Run, writes: Run, place: Run
) -> None:
    theirs = place(disk, "x", status="Createing")
    meanwhile(lambda: cloud.state.remove_snapshot(theirs), after=20)
    by_disk = {"action": "DescribeSnapshot", "params": {"DiskID": disk}}
    cloud.add_faults({**by_disk, "kind": "http_status", "status": 503, "skip": 1, "count": 11})
    answer = run("snapshot", name="x", disk_ids=[disk])
    assert (answer.outcomes, writes()) == (["created"], ["CreateSnapshot"])


def test_snapshot_that_another_task_makes_at_the_same_moment_is_warned_of(
    cloud: Emulator, run: Run, disk: str, named: Find, meanwhile: Run
) -> None:
    meanwhile(lambda: cloud.state.add_snapshot(disk, "x"), when=lambda: cloud.calls("CreateSnapshot"))
    answer = run("snapshot", name="x", disk_ids=[disk])
    assert answer.outcomes == ["created"]
    assert len(answer.told) == 1 and all(each in answer.told[0] for each in named(disk, "x"))


def test_failed_search_for_duplicates_is_a_warning(cloud: Emulator, run: Run, disk: str) -> None:
    cloud.add_faults({"action": "DescribeSnapshot", "params": {"DiskID": disk}, "kind": "refuse", "ret_code": 150, "skip": 1})
    answer = run("snapshot", name="x", disk_ids=[disk])
    assert (answer.outcomes, answer.failed) == (["created"], False)
    assert len(answer.told) == 1 and "could not be checked" in answer.told[0]


# ---- the first look


def test_numbers_as_strings_null_lists_and_the_alias_of_the_name_are_accepted(cloud: Emulator, run: Run, disks: list[str]) -> None:
    cloud.add_faults(*({"action": "DescribeSnapshot", "kind": kind} for kind in ("strings", "null_infos", "snapshot_name")))
    cloud.add_faults({"action": "CreateSnapshot", "kind": "strings"}, {"action": "DeleteSnapshot", "kind": "strings"})
    made, found = (run("snapshot", name="x", disk_ids=disks) for _turn in range(2))
    assert (made.outcomes, found.outcomes) == (["created"] * 5, ["present"] * 5)
    assert {(record["name"], type(record["create_time"])) for record in found.snapshots} == {("x", int)}
    assert run("snapshot", name="x", disk_ids=disks, state="absent").outcomes == ["deleted"] * 5


@pytest.mark.parametrize(
    ("fault", "code"),
    [({"kind": "refuse", "ret_code": 171}, 171), ({"kind": "http_status", "status": 503}, None), ({"kind": "redirect"}, None)],
    ids=lambda each: words(each) if isinstance(each, dict) else "",
)
def test_failed_first_listing_writes_nothing_and_has_an_entry_for_each_disk(
    cloud: Emulator, run: Run, disks: list[str], writes: Run, fault: dict[str, Any], code: int | None
) -> None:
    cloud.add_faults({"action": "DescribeSnapshot", **fault})
    answer = run("snapshot", name="x", disk_ids=disks)
    assert (answer.failed, answer.outcomes, writes()) == (True, ["failed"] * 5, [])
    assert [entry["disk_id"] for entry in answer.results] == disks
    assert {entry["ret_code"] for entry in answer.results} == {code}
    assert "\n" not in answer.msg and answer.counts["failed"] == 5
    assert answer.msg.endswith(". Nothing was done.") and {entry["msg"] for entry in answer.results} == {answer.msg}


def test_list_that_is_never_the_same_twice_is_read_disk_by_disk(cloud: Emulator, run: Run, disks: list[str], writes: Run) -> None:
    for number in range(30):
        cloud.state.add_snapshot(disks[number % 5], f"old-{number}" if number % 6 else "x")
    for number in range(120):
        cloud.state.add_snapshot(cloud.state.add_disk("other", 1), f"other-{number}")
    cloud.add_faults({"action": "DescribeSnapshot", "kind": "shuffle_pages", "seed": 3})
    answer = run("snapshot", name="x", disk_ids=disks)
    assert (answer.outcomes, writes()) == (["present"] * 5, [])


# ---- deletions


@pytest.mark.parametrize("fault", LOST[:5], ids=words)
def test_delete_done_but_its_answer_lost_is_deleted(cloud: Emulator, run: Run, disk: str, fault: dict[str, Any]) -> None:
    cloud.state.add_snapshot(disk, "x")
    cloud.add_faults({"action": "DeleteSnapshot", **fault, "count": 1})
    answer = run("snapshot", name="x", disk_ids=[disk], state="absent")
    assert (answer.outcomes, answer.changed, len(cloud.calls("DeleteSnapshot"))) == (["deleted"], True, 1)


def test_delete_not_done_is_sent_once_more_after_30_seconds(cloud: Emulator, run: Run, disk: str, named: Find) -> None:
    cloud.state.add_snapshot(disk, "x")
    cloud.add_faults({"action": "DeleteSnapshot", "kind": "drop", "count": 1})
    answer = run("snapshot", name="x", disk_ids=[disk], state="absent")
    first, second = (call["at"] for call in cloud.calls("DeleteSnapshot"))
    assert (answer.outcomes, named(disk, "x"), second - first >= 30) == (["deleted"], [], True)


def test_delete_twice_without_answer_fails(cloud: Emulator, run: Run, disk: str, named: Find) -> None:
    snapshot = cloud.state.add_snapshot(disk, "x")
    cloud.add_faults({"action": "DeleteSnapshot", "kind": "drop"})
    answer = run("snapshot", name="x", disk_ids=[disk], state="absent")
    assert (answer.outcomes, named(disk, "x"), len(cloud.calls("DeleteSnapshot"))) == (["failed"], [snapshot], 2)


@pytest.mark.parametrize("code", [165, 199, 2502, 5000, 7001, 7002, 201, 202])
def test_refused_delete_that_passes_is_waited_out(cloud: Emulator, run: Run, disk: str, code: int) -> None:
    cloud.state.add_snapshot(disk, "x")
    cloud.add_faults({"action": "DeleteSnapshot", "kind": "refuse", "ret_code": code, "count": 3})
    answer = run("snapshot", name="x", disk_ids=[disk], state="absent")
    assert (answer.outcomes, len(cloud.calls("DeleteSnapshot"))) == (["deleted"], 4)


@pytest.mark.parametrize("code", [150, 164, 209, 140])
def test_permanently_refused_delete_fails_and_the_others_continue(cloud: Emulator, run: Run, disks: list[str], code: int) -> None:
    snapshots = [cloud.state.add_snapshot(each, "x") for each in disks]
    cloud.add_faults({"action": "DeleteSnapshot", "kind": "refuse", "ret_code": code, "params": {"SnapshotID": snapshots[2]}})
    answer = run("snapshot", name="x", disk_ids=disks, state="absent")
    assert answer.outcomes == ["deleted", "deleted", "failed", "deleted", "deleted"]
    assert (answer.results[2]["ret_code"], answer.changed, answer.failed) == (code, True, True)
    assert answer.msg.startswith(f"1 of 5 failed: {disks[2]}: ")


@pytest.mark.parametrize("code", [200, 204, 205])
def test_snapshot_that_somebody_else_deletes_first_is_absent(cloud: Emulator, run: Run, disk: str, code: int) -> None:
    cloud.state.add_snapshot(disk, "x")
    cloud.add_faults({"action": "DeleteSnapshot", "kind": "refuse", "ret_code": code})
    answer = run("snapshot", name="x", disk_ids=[disk], state="absent")
    assert (answer.outcomes, answer.changed, answer.failed) == (["absent"], False, False)


def test_failure_leftover_that_the_api_refuses_to_delete_fails_at_once(cloud: Emulator, run: Run, disk: str, place: Run) -> None:
    leftover = place(disk, "x", status="Failure")
    answer = run("snapshot", name="x", disk_ids=[disk], state="absent")
    assert (answer.outcomes, len(cloud.calls("DeleteSnapshot")), answer.results[0]["ret_code"]) == (["failed"], 1, 7001)
    assert leftover in answer.msg and "Failure" in answer.msg


def test_server_that_fails_on_a_missing_id_changes_nothing(cloud: Emulator, run: Run, disks: list[str], named: Find) -> None:
    snapshots = [cloud.state.add_snapshot(each, "x") for each in disks]
    cloud.add_faults({"action": "DescribeSnapshot", "kind": "missing_id_fails"})
    answer = run("snapshot", snapshot_ids=[*snapshots, "snapshot-missing"], state="absent")
    assert answer.outcomes == ["deleted"] * 5 + ["absent"]
    assert run("snapshot", name="x", disk_ids=disks).outcomes == ["created"] * 5
