# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a maintenance run ends: which hosts are pruned, what is reported of each, and which fail."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._maintenance_end import pruned, reports, to_prune, to_report, verdicts

Record = dict[str, Any]


def record(state: str, patched: bool = True, **more: Any) -> Record:
    return {"state": state, "earlier": "", "patched": patched, "failed_task": "", "msg": "", "prune": True, **more}


BATCH = {
    "hosts": {
        "a": record("verified"),
        "b": record("restored", False),
        "c": record("failed", False),
        "d": record("patching"),
        "e": record("verified", False, msg="interrupted"),
        "f": record("verified", prune=False),
    }
}


@pytest.mark.parametrize(
    ("present", "check_mode", "hosts"), [("abcdef", False, "ae"), ("bcdf", False, ""), ("abcdef", True, "ad"), ("bcdef", True, "d")]
)
def test_to_prune(present: str, check_mode: bool, hosts: str) -> None:
    found = to_prune(BATCH, list(present), check_mode)
    assert "".join(found) == hosts and all(each is BATCH["hosts"][host] for host, each in found.items())


def test_pruned() -> None:
    found = pruned(BATCH, {"hosts": {"a": {"msg": "", "expired": [1, 2]}, "e": {"msg": "no permission", "expired": []}}})
    assert found["hosts"]["a"]["msg"] == ""
    assert found["hosts"]["e"]["msg"] == "interrupted; old snapshots could not be deleted: no permission"


# ---- reports


def report(each: Record, check_mode: bool = False) -> Record:
    return reports({"hosts": {"a": each}}, run_id="p-1", seconds_passed=7, check_mode=check_mode)["a"]


def test_report() -> None:
    assert report(record("restored", snapshotted=True, failed_task="t", msg="no", rolled_back="rolled back to s1")) == {
        "run_id": "p-1",
        "state": "restored",
        "snapshotted": True,
        "snapshot_ids": [],
        "patched": True,
        "verified": False,
        "restored": True,
        "failed_task": "t",
        "msg": "no; rolled back to s1",
        "seconds": 7,
        "phases": [],
    }


@pytest.mark.parametrize(
    ("state", "patched", "check_mode", "reported"),
    [
        ("verified", True, False, "verified"),
        ("restored", True, False, "restored"),
        ("failed", False, False, "failed"),
        ("patching", True, False, "unknown"),
        ("patching", False, False, "unknown"),
        ("patching", True, True, "planned"),
        ("patching", False, True, "unknown"),
        ("restoring", False, True, "failed"),
        ("verified", True, True, "verified"),
    ],
)
def test_state(state: str, patched: bool, check_mode: bool, reported: str) -> None:
    found = report(record(state, patched), check_mode)
    assert found["state"] == reported and found["patched"] is (patched and not check_mode)
    assert (found["verified"], found["restored"]) == (reported == "verified", reported == "restored")


@pytest.mark.parametrize(
    ("more", "snapshotted"),
    [
        ({}, False),
        ({"snapshotted": False}, False),
        ({"snapshotted": True}, True),
        *(({"earlier": state}, True) for state in ("patching", "verified", "restoring", "restored")),
        *(({"earlier": state}, False) for state in ("planned", "snapshotted", "failed")),
    ],
)
def test_snapshotted(more: Record, snapshotted: bool) -> None:
    assert report(record("failed", **more))["snapshotted"] is snapshotted


# ---- verdicts


def end(host: Record, failure: str = "", check_mode: bool = False) -> tuple[bool, str]:
    """The verdict on one host."""
    batch = {"hosts": {"a": host}, "refused": {}}
    reported = reports(batch, run_id="p-1", seconds_passed=7, check_mode=check_mode)
    found = verdicts(batch, reported=reported, present=["a"], failures={"a": failure} if failure else {})["hosts"]["a"]
    return found["good"], found["summary"]


@pytest.mark.parametrize(
    ("host", "verdict"),
    [
        (record("verified"), (True, "a: verified")),
        (record("verified", False, msg="interrupted"), (False, "a: verified: interrupted")),
        (record("verified", msg="old snapshots could not be deleted"), (False, "a: verified: old snapshots could not be deleted")),
        (record("restored", False, failed_task="t", msg="no", rolled_back="to s1"), (False, "a: restored: t: no; to s1")),
        (record("failed", False, msg="no VM"), (False, "a: failed: no VM")),
        (record("failed", False), (False, "a: failed")),
        (record("patching", msg="ended"), (False, "a: unknown: ended")),
    ],
)
def test_verdict(host: Record, verdict: tuple[bool, str]) -> None:
    assert end(host) == verdict


def test_verdict_in_check_mode() -> None:
    assert end(record("patching"), check_mode=True) == (True, "a: planned")
    assert end(record("restoring", False, msg="no"), check_mode=True) == (False, "a: failed: no")


def test_failed_report_is_named_and_fails_no_host() -> None:
    assert end(record("verified"), "the report failed: no") == (True, "a: verified: the report failed: no")
    assert end(record("failed", msg="no VM"), "the report failed: no") == (False, "a: failed: no VM")


IN_ANOTHER_RUN = "its disks are as before the patch: correct the patch, and patch it in a run with another id"
BY_HAND = "roll it back: ansible-playbook ucloudstack.cloud.rollback -e target=a -e snapshot_rollback_run_id=p-1"
STATES = {"a": "verified", "b": "restored", "c": "failed", "d": "unknown", "e": "verified", "f": "verified"}


def ended(batch: Record, present: str, check_mode: bool = False) -> Record:
    reported = reports(batch, run_id="p-1", seconds_passed=7, check_mode=check_mode)
    return verdicts({"refused": {}, **batch}, reported=reported, present=list(present), failures={})


@pytest.mark.parametrize(
    ("present", "missing", "reporter"),
    [
        ("abcdef", "", ""),
        ("abdef", "c", "b"),  # one that failed anyway
        ("ac", "bdef", "c"),
        ("a", "bcdef", "a"),
        ("", "abcdef", ""),
        ("fedcab", "", ""),
    ],
)
def test_a_remaining_host_fails_in_place_of_those_that_left(present: str, missing: str, reporter: str) -> None:
    found = ended(BATCH, present)
    assert (found["missing"], found["reporter"]) == ([f"{host} ({STATES[host]})" for host in missing], reporter)


@pytest.mark.parametrize(("hosts", "present", "good"), [("af", "af", True), ("af", "a", False), ("af", "", False), ("abf", "abf", False)])
def test_whether_no_host_fails(hosts: str, present: str, good: bool) -> None:
    assert ended({"hosts": {host: BATCH["hosts"][host] for host in hosts}}, present)["all_good"] is good


# ---- the overview


def test_overview_begins_with_what_needs_attention() -> None:
    first, *lines = ended(BATCH, "abdef")["overview"]
    assert first == "Run p-1, 6 hosts in 7 s: 1 failed, 1 unknown, 1 restored, 3 verified"
    assert [line[0] for line in lines] == list("cdbaef")
    assert "it has left the play" in lines[0] and not any("left the play" in line for line in lines[1:])


@pytest.mark.parametrize(
    ("host", "line"),
    [
        (record("verified", snapshot_ids=["s1", "s2"]), "a: verified; snapshots: s1, s2"),
        (record("verified", False, msg="interrupted"), "a: verified: interrupted; run the play again with the same run id"),
        (
            record("restored", False, failed_task="Upgrade", msg="no", rolled_back="rolled back to s1", snapshot_ids=["s1"]),
            f"a: restored: Upgrade: no; rolled back to s1; snapshots: s1; {IN_ANOTHER_RUN}",
        ),
        (
            record("failed", False, msg="ill", rolled_back="its VM stays off: busy"),
            f"a: failed: ill; its VM stays off: busy; {BY_HAND}",
        ),
        (
            record("failed", False, msg="no VM"),
            "a: failed: no VM; it was not patched: correct the cause, and run the play again with the same run id",
        ),
        (record("patching", msg="ended"), "a: unknown: ended; run the play again with the same run id"),
    ],
)
def test_line_of_a_host(host: Record, line: str) -> None:
    assert ended({"hosts": {"a": host}}, "a")["overview"][1] == line


def test_overview_has_hosts_in_any_state() -> None:
    assert ended({"hosts": {"a": record("verified"), "b": record("")}}, "ab")["overview"][1:] == ["b: ", "a: verified"]


@pytest.mark.parametrize("state", ["patching", "restoring"])
def test_check_mode_gives_no_advice(state: str) -> None:
    reported = {"patching": "planned", "restoring": "failed"}[state]
    assert ended({"hosts": {"a": record(state)}}, "a", check_mode=True)["overview"][1] == f"a: {reported}"


# ---- the report page


def test_refused_hosts_are_in_the_overview_and_on_the_page_and_end_nothing() -> None:
    batch = {
        "hosts": {"a": record("verified", disk_ids=["d1"], prefix="n-")},
        "refused": {"b": {"fault": "no VM", "disk_ids": None, "prefix": ["?"]}},
    }
    reported = reports(batch, run_id="p-1", seconds_passed=7, check_mode=False)
    found = verdicts(batch, reported=reported, present=["a"], failures={})
    assert (list(found["hosts"]), found["missing"], found["all_good"]) == (["a"], [], True), "they have failed already"
    assert found["overview"] == [
        "Run p-1, 2 hosts in 7 s: 1 failed, 1 verified",
        "b: failed: no VM; it was not patched: correct the cause, and run the play again with the same run id",
        "a: verified",
    ]
    shown = to_report(batch, reported=reported, verdicts=found)["b"]
    assert (shown["disk_ids"], shown["policy"], shown["run"]["state"], shown["run"]["msg"]) == ([], {"prefix": "n-"}, "failed", "no VM")


def test_the_report_page_gets_reports_with_verdict_and_advice_also_of_hosts_that_left_before() -> None:
    policy = {"prefix": "n-", "keep_last": 3}
    batch = {
        "hosts": {
            "a": record("verified", disk_ids=["d1"], prefix="n-", policy=policy),
            "b": {
                "state": "failed",
                "earlier": "patching",
                "disk_ids": None,
                "patched": False,
                "failed_task": "",
                "msg": "no",
                "rolled_back": "x",
            },
        },
        "refused": {},
    }
    reported = reports(batch, run_id="p-1", seconds_passed=7, check_mode=False)
    found = to_report(batch, reported=reported, verdicts=verdicts(batch, reported=reported, present=["a"], failures={}))
    assert [(each["disk_ids"], each["policy"], each["msg"]) for each in found.values()] == [
        (["d1"], policy, ""),
        ([], {"prefix": "n-"}, ""),
    ]
    assert found["a"]["run"] == {**reported["a"], "good": True, "summary": "a: verified", "advice": ""}
    assert found["b"]["run"]["good"] is False and found["b"]["run"]["advice"].startswith("roll it back: ansible-playbook")
