# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each phase of a maintenance run came to for each host: which hosts are patched, verified, or rolled back."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils import _maintenance as steps
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._maintenance import INTERRUPTED, NOT_LOADED, SILENT

LEFT = "became unreachable, or left the play, before it was snapshotted"
FAILED = {"failed": True, "msg": "no"}

Record = dict[str, Any]
Batch = dict[str, Any]


def record(state: str = "", **more: Any) -> Record:
    return {
        "state": state,
        "earlier": "",
        "patched": False,
        "failed_task": "",
        "msg": "",
        "disk_ids": ["d1"],
        "tasks_for": ["precheck", "verify"],
        **more,
    }


def batch(**hosts: Any) -> Batch:
    """Records, or only their states."""
    return {"hosts": {host: record(each) if isinstance(each, str) else each for host, each in hosts.items()}}


def gist(found: Batch, host: str = "a") -> tuple[str, str, str]:
    each = found["hosts"][host]
    return each["state"], each["failed_task"], each["msg"]


def test_notes_are_joined() -> None:
    found = steps.noted(steps.noted(steps.noted(batch(a="verified", b=""), ["a"], "one"), ["a"], "two"), ["a", "b"], "")
    assert [each["msg"] for each in found["hosts"].values()] == ["one; two", ""]


def test_phases_follow_each_other_without_a_gap() -> None:
    started = {**batch(a="", b=""), "clock": 1000.04}
    found = steps.timed(steps.timed(started, "snapshot", ["a", "b"], 1007.04), "patch", ["b"], 1107.5)
    assert [each.get("phases") for each in found["hosts"].values()] == [
        [{"name": "snapshot", "start": 1000.0, "seconds": 7.0}],
        [{"name": "snapshot", "start": 1000.0, "seconds": 7.0}, {"name": "patch", "start": 1007.0, "seconds": 100.5}],
    ]
    assert steps.timed(batch(a=""), "patch", ["a"], 5.0)["hosts"]["a"]["phases"] == [{"name": "patch", "start": 5.0, "seconds": 0.0}]


# ---- prechecks and snapshots


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        ({"reached": "prechecked"}, ("", "", "")),
        ({"reached": "prechecked", "result": {"msg": "of an earlier failure"}}, ("", "", "")),
        ({"reached": "", "task": {"name": "t"}, "result": {"msg": "no space"}}, ("failed", "t", "no space")),
        ({"reached": "", "task": {"name": "t"}, "result": {}}, ("failed", "t", LEFT)),
        ({"reached": "", "result": {"msg": "no space"}}, ("failed", "", "no space")),
        ({"reached": "", "task": {}, "result": {}}, ("failed", "", LEFT)),
        ({}, ("failed", "", LEFT)),
    ],
)
def test_prechecks(fact: Record, expected: tuple[str, str, str]) -> None:
    found = steps.to_snapshot(batch(a="", b=""), {"a": fact, "b": {"reached": "prechecked"}})
    assert gist(found) == expected and gist(found, "b") == ("", "", "")
    assert list(found["to_snapshot"]) == ([] if expected[0] else ["a"]) + ["b"]


def test_host_without_prechecks_is_snapshotted() -> None:
    hosts = batch(a=record(tasks_for=["verify"]), b="verified", c="restoring", d="failed", e="")
    found = steps.to_snapshot(hosts, {})
    assert list(found["to_snapshot"]) == ["a"] and gist(found, "e") == ("failed", "", LEFT)


def test_host_whose_patch_was_started_is_not_prechecked_again() -> None:
    assert list(steps.to_snapshot(batch(a=record(earlier="patching"), b=record(earlier="snapshotted")), {})["to_snapshot"]) == ["a"]


def protect(result: Record, *names: str, check_mode: bool = False) -> Batch:
    snapshots = [{"disk_id": "d1", "name": name, "created_at": f"at {name}"} for name in names]
    before = {**batch(a="", b="verified"), "to_snapshot": {"a": record()}}
    created = {"name": "n-p-1", "msg": "", "snapshots": [{"snapshot_id": "s1"}], **result}
    return steps.protected(before, {"a": created}, {"snapshots": snapshots}, check_mode)


@pytest.mark.parametrize(
    ("result", "names", "state", "msg"),
    [
        ({"complete": True}, [], "patching", ""),
        ({"complete": True}, ["n-p-1", "n-p-1-b1", "n-p-10-r1", "xn-p-1-r1", "n-p-1-r"], "patching", ""),
        ({"complete": True, "msg": "a warning"}, [], "patching", ""),
        ({"complete": False, "msg": "d1 failed"}, [], "failed", "d1 failed"),
        ({"complete": False, "msg": "d1 failed"}, ["n-p-1-r1"], "failed", "d1 failed"),
        ({"complete": True}, ["n-p-1-r1"], "failed", "already restored to this run at at n-p-1-r1: patch it in a new run."),
        ({"complete": True}, ["n-p-1-r2", "n-p-1-r1"], "failed", "already restored to this run at at n-p-1-r2: patch it in a new run."),
    ],
)
def test_protected(result: Record, names: list[str], state: str, msg: str) -> None:
    found = protect(result, *names)
    assert gist(found) == (state, "", msg) and gist(found, "b")[0] == "verified"
    assert found["patching"] == ({"a": {"state": "patching"}} if state == "patching" else {})
    assert found["hosts"]["a"]["snapshotted"] is result["complete"]
    assert found["hosts"]["a"]["snapshot_ids"] == (["s1"] if result["complete"] else []), "those of an unprotected host are deleted"


def test_protected_in_check_mode() -> None:
    found = protect({"complete": True}, check_mode=True)
    assert (gist(found)[0], found["hosts"]["a"]["snapshotted"]) == ("patching", False)


def test_markers_of_other_disks_and_of_timers_do_not_count() -> None:
    before = {**batch(a=""), "to_snapshot": {"a": record()}}
    snapshots = [{"disk_id": "d9", "name": "n-p-1-r1", "created_at": "noon"}]
    snapshots += [{"disk_id": "d1", "name": "n-p-1-r1", "created_at": "noon", "automatic": True}]  # type: ignore[dict-item]
    found = steps.protected(before, {"a": {"name": "n-p-1", "complete": True, "msg": "", "snapshots": []}}, {"snapshots": snapshots}, False)
    assert gist(found)[0] == "patching"


@pytest.mark.parametrize(
    ("written", "states"),
    [
        ({"changed": True}, ["patching", "patching", "verified"]),
        ({"skipped": True}, ["patching", "patching", "verified"]),
        (FAILED, ["failed", "failed", "verified"]),
        ({"refused": {"b": {"controller": "ctl1", "since": "noon"}}}, ["patching", "failed", "verified"]),
    ],
)
def test_no_host_is_patched_without_an_entry(written: Record, states: list[str]) -> None:
    before = {**batch(a="patching", b="patching", c="verified"), "patching": {"a": {}, "b": {}}}
    found = steps.marked(before, written)
    assert [each["state"] for each in found["hosts"].values()] == states
    assert all(bool(each["msg"]) is (each["state"] == "failed") for each in found["hosts"].values())
    assert "refused" not in written or "guarded_maintenance_take_over=true" in found["hosts"]["b"]["msg"]


# ---- who failed in a phase, and who was only affected

DONE = {"reached": "patched", "rescued": False, "task": {}, "result": {}}
FELL = {"reached": "", "rescued": True, "task": {"name": "t"}, "result": {"msg": "no"}}
"""A task of the host failed, and it was rescued."""
ONCE = {**FELL, "task": {"name": "t", "run_once": True}}
"""Its task was run_once."""
FATAL = {**FELL, "task": {"name": "t", "any_errors_fatal": True}}
"""Its task was any_errors_fatal."""
AFFECTED = {"reached": "", "rescued": True, "task": {}, "result": {}}
"""Rescued without a failure of its own."""
AWAY = {"reached": "", "rescued": False, "task": {}, "result": {}}
"""Neither completed nor rescued."""
NESTED = {**FELL, "rescued": False}
"""It rescued a failure in its own tasks; then it was sent past its rescue, or its failure was not rescued."""

RESTORED = ("restoring", "t", "no")
UNLOADED = ("restoring", "", NOT_LOADED)


def phase(*facts: Record, failed: str = "", before: str = "", gone: str = "", phase: str = "patched", user_tasks: bool = True) -> Batch:
    """Hosts a, b, … with these facts; those of ``gone`` are unreachable, those of ``failed`` in ``ansible_failed_hosts``."""
    names = "abcdef"[: len(facts)]
    play = {"current": [host for host in names if host not in gone + failed], "failed": list(failed), "failed_before": list(before)}
    tasks_for = ["verify"] if user_tasks else []
    hosts = {host: record("patching", patched=phase == "verified", tasks_for=tasks_for) for host in names}
    return steps.classified({"hosts": hosts}, dict(zip(names, facts, strict=True)), phase=phase, play=play)


@pytest.mark.parametrize(
    ("facts", "more", "gists"),
    [
        ([DONE, DONE], {}, [("patching", "", ""), ("patching", "", "")]),
        # a host fails alone
        ([FELL, DONE], {}, [RESTORED, ("patching", "", "")]),
        ([FELL, FELL], {}, [RESTORED, RESTORED]),
        ([{**FELL, "result": {"msg": ""}}], {}, [("restoring", "t", "no reason was given")]),
        ([{**FELL, "task": {}}], {}, [("restoring", "", "no")]),
        ([{**FELL, "task": None}], {}, [("restoring", "", "no")]),
        # not rescued, because its failure was after the rescue: it is in ansible_failed_hosts
        ([NESTED, DONE], {"failed": "a"}, [RESTORED, ("patching", "", "")]),
        ([NESTED], {"failed": "a", "before": "a"}, [("patching", "", SILENT)]),
        # a run_once fails: its host failed, all others are affected
        ([ONCE, AFFECTED, AFFECTED], {}, [RESTORED, ("patching", "", INTERRUPTED), ("patching", "", INTERRUPTED)]),
        ([ONCE, AFFECTED], {"failed": "b"}, [RESTORED, ("patching", "", INTERRUPTED)]),
        ([ONCE, DONE], {}, [RESTORED, ("patching", "", "")]),
        ([ONCE], {"failed": "a"}, [RESTORED]),
        # two of them fail
        ([ONCE, ONCE], {}, [RESTORED, RESTORED]),
        # a host had failed itself, and was in rescue, when the run_once of another sent it past
        ([ONCE, NESTED], {}, [RESTORED, RESTORED]),
        # it had rescued a failure of its own before, and cannot be distinguished: it is verified
        ([ONCE, FELL], {}, [RESTORED, ("patching", "", INTERRUPTED)]),
        # neither it nor others have a result: its own tasks include what cannot be loaded
        ([AFFECTED, DONE], {}, [UNLOADED, ("patching", "", "")]),
        ([AFFECTED, AFFECTED], {"failed": "ab"}, [UNLOADED, UNLOADED]),
        ([AFFECTED, FELL], {}, [UNLOADED, RESTORED]),
        # or another host ended the tasks of all
        ([AFFECTED, FATAL], {}, [("patching", "", INTERRUPTED), RESTORED]),
        ([AFFECTED, {**DONE, "task": ONCE["task"]}], {}, [("patching", "", INTERRUPTED), ("patching", "", "")]),
        ([AFFECTED, AWAY], {"gone": "b"}, [("patching", "", INTERRUPTED), ("restoring", "", "became unreachable")]),
        # the same as ansible-core 2.19 lists it
        ([FELL, DONE], {"failed": "a"}, [("patching", "", INTERRUPTED), ("patching", "", "")]),
        ([FELL], {"failed": "a", "before": "a"}, [RESTORED]),
        # hosts that end their play for themselves
        ([AWAY, DONE], {}, [("patching", "", SILENT), ("patching", "", "")]),
        ([NESTED], {}, [("patching", "", SILENT)]),
        # unreachable
        ([AWAY, DONE], {"gone": "a"}, [("restoring", "", "became unreachable"), ("patching", "", "")]),
        ([FELL], {"gone": "a"}, [("restoring", "", "became unreachable")]),
        ([{}], {"gone": "a"}, [("restoring", "", "became unreachable")]),
        ([DONE], {"gone": "a"}, [("patching", "", "")]),  # noticed by the verification
        ([ONCE, AWAY], {"gone": "b"}, [RESTORED, ("restoring", "", "became unreachable")]),
    ],
)
def test_patched(facts: list[Record], more: Any, gists: list[tuple[str, str, str]]) -> None:
    found = phase(*facts, **more)
    assert [gist(found, host) for host in found["hosts"]] == gists
    assert list(found["restoring"]) == [host for host, each in found["hosts"].items() if each["state"] == "restoring"]
    for host, fact in zip(found["hosts"], facts, strict=True):
        assert found["hosts"][host]["patched"] is (fact.get("reached") == "patched")


def test_a_healthy_host_is_never_restored() -> None:
    """Whatever happens to the others: without a result of its own, and reachable, a host has not failed, if another explains it."""
    others = (DONE, FELL, ONCE, FATAL, AFFECTED, AWAY, NESTED)
    for own, first, second in itertools.product((DONE, AFFECTED, AWAY), others, others):
        if own is AFFECTED and not {id(ONCE), id(FATAL)} & {id(first), id(second)}:
            continue
        for failed, before in itertools.product(("", "a", "ab", "bc"), ("", "a", "b")):
            assert "a" not in phase(own, first, second, failed=failed, before=before)["restoring"]


def test_host_of_which_nothing_is_known_ended_without_a_result() -> None:
    play = {"current": ["a"], "failed": [], "failed_before": []}
    assert gist(steps.classified(batch(a="patching"), {}, phase="patched", play=play)) == ("patching", "", SILENT)


def test_hosts_that_are_not_being_patched_are_left_as_they_are() -> None:
    for state in ("", "failed", "verified", "restored", "restoring"):
        hosts = batch(a=record(state, msg="m"))
        found = steps.classified(hosts, {"a": FELL}, phase="patched", play={"current": [], "failed": [], "failed_before": []})
        assert found["hosts"] == hosts["hosts"]


VERIFIED = {**DONE, "reached": "verified"}


@pytest.mark.parametrize(
    ("fact", "more", "expected"),
    [
        (VERIFIED, {}, ("verified", "", "")),
        ({**DONE, "reached": ""}, {}, ("patching", "", SILENT)),
        (FELL, {}, RESTORED),
        (AWAY, {"gone": "a"}, ("restoring", "", "became unreachable")),
        # without tasks of the user, the connection is all that is verified
        ({**AWAY, "connection": {"elapsed": 1}}, {"user_tasks": False}, ("verified", "", "")),
        ({**FELL, "connection": {"failed": True, "msg": "timed out"}}, {"user_tasks": False}, RESTORED),
        ({**AWAY, "connection": {}}, {"user_tasks": False}, ("patching", "", SILENT)),
        (AWAY, {"user_tasks": False}, ("patching", "", SILENT)),
        ({**AWAY, "connection": {"unreachable": True}}, {"user_tasks": False, "gone": "a"}, ("restoring", "", "became unreachable")),
        ({**AWAY, "connection": {"elapsed": 1}}, {}, ("patching", "", SILENT)),
    ],
)
def test_verified(fact: Record, more: Any, expected: tuple[str, str, str]) -> None:
    found = phase(fact, phase="verified", **more)
    assert gist(found) == expected
    assert found["verified"] == ({"a": {"state": "verified"}} if expected[0] == "verified" else {})


def test_host_whose_patch_was_interrupted_is_verified_but_not_recorded() -> None:
    """It is patched again when the run is resumed."""
    interrupted = {"hosts": {"a": record("patching", msg=INTERRUPTED)}}
    found = steps.classified(interrupted, {"a": VERIFIED}, phase="verified", play={"current": ["a"], "failed": [], "failed_before": []})
    assert (gist(found), found["verified"]) == (("verified", "", INTERRUPTED), {})


# ---- restored


@pytest.mark.parametrize(
    ("result", "state", "back"),
    [
        ({"complete": True, "started": True, "msg": "rolled back"}, "restored", ["a"]),
        ({"complete": True, "started": False, "msg": "rolled back"}, "restored", []),
        ({"complete": False, "started": False, "msg": "no"}, "failed", []),
    ],
)
def test_restored(result: Record, state: str, back: list[str]) -> None:
    found = steps.restored(batch(a=record("restoring", msg="why"), b="verified"), {"hosts": {"a": {"result": result}}})
    assert (gist(found), found["hosts"]["a"]["rolled_back"], found["back"]) == ((state, "", "why"), result["msg"], back)
    assert found["hosts"]["b"] == record("verified")


@pytest.mark.parametrize(
    ("failures", "asked", "msg"),
    [
        ({}, {"results": []}, ""),
        ({"a": ""}, {"skipped": True}, ""),
        ({"a": "no"}, {}, "after the rollback, the verification failed: no"),
        ({}, {"results": [{"item": "a"}]}, "after the rollback, the host is reachable, but not verified"),
        ({}, {"results": [{"item": "a", "failed": True}]}, "after the rollback, the host is unreachable"),
        ({"a": ""}, {"results": [{"item": "a", "unreachable": True}]}, "after the rollback, the host is unreachable"),
    ],
)
def test_verified_again(failures: Any, asked: Record, msg: str) -> None:
    restored = {**batch(a=record("restored", msg="why"), b="restored"), "back": ["a"]}
    found = steps.verified_again(restored, failures, asked)
    assert [each["msg"] for each in found["hosts"].values()] == ["; ".join(filter(None, ("why", msg))), ""]
