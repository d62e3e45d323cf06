# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is on the report page: in which order, in which words, and where on its axes."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils import _report
from support.report import DAY, NOW, POLICY

OURS = "ucloudstack.cloud run=1 vm=vm-1 disks=1"
MARKER = "ucloudstack.cloud marker target=s1"
UNKNOWN = {"prefix": POLICY["prefix"]}
"""A policy of which only the prefix is known."""
BACKUP = "ucloudstack.cloud backup marker=x target=s1"

Record = dict[str, Any]


def snapshot(snapshot_id: str = "s1", name: str = "ansible-1", remark: str = OURS, **more: Any) -> Record:
    known = {"snapshot_id": snapshot_id, "disk_id": "d1", "disk_type": "Boot", "name": name, "remark": remark, "status": "Normal"}
    return {**known, "create_time": int(NOW) - DAY, "automatic": False, **more}


def host(state: str = "", good: bool = True, **more: Any) -> Record:
    run = {"run_id": "p-1", "state": state, "failed_task": "", "msg": "", "advice": "", "good": good, "phases": []}
    return {"disk_ids": ["d1"], "policy": POLICY, "msg": "", "run": run if state else {}, **more}


def page(hosts: dict[str, Record], *snapshots: Record, failed: str = "") -> Record:
    return _report.page(hosts, listed={"snapshots": list(snapshots), "failed": bool(failed), "msg": failed}, now=NOW)


def row(*snapshots: Record) -> Record:
    """The row of the oldest snapshot."""
    found: Record = page({"a": host()}, *snapshots)["hosts"][0]["disks"][0]["snapshots"][-1]
    return found


# ---- pages and results


def test_hosts_are_added_to_those_of_earlier_batches_of_the_same_file() -> None:
    one = {"a": host("verified"), "b": host("verified")}
    first = _report.collected(one, earlier={}, file="r.html", playbook_dir="/plays")
    second = _report.collected({"c": {**host(), "disk_ids": ["d3"]}}, earlier=first, file="/plays/r.html", playbook_dir="/plays")
    again = _report.collected({"a": host("restored", False)}, earlier=second, file="r.html", playbook_dir="/plays")
    assert (second["path"], list(second["hosts"]), second["disk_ids"]) == ("/plays/r.html", ["a", "b", "c"], ["d1", "d3"])
    assert [each["run"].get("state") for each in again["hosts"].values()] == ["restored", "verified", None]
    other = _report.collected({"z": host()}, earlier=again, file="~/z.html", playbook_dir="/plays")
    assert (other["path"], list(other["hosts"])) == ("~/z.html", ["z"])
    assert list(_report.collected({"d": host()}, earlier=other, file="r.html", playbook_dir="/plays")["hosts"]) == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("policy", "typed", "msg"),
    [
        ({**POLICY, "keep_last": "2", "keep_run_ids": "x,y"}, {**POLICY, "keep_last": 2, "keep_run_ids": ["x", "y"]}, ""),
        ({**POLICY, "keep_last": "few"}, UNKNOWN, "snapshot_prune_keep_last"),
        ({**POLICY, "older_than": "1month"}, UNKNOWN, "invalid duration: snapshot_prune_older_than is 1month"),
        ({**POLICY, "keep_last": 0, "older_than": ""}, UNKNOWN, "set snapshot_prune_keep_last or"),
        (UNKNOWN, UNKNOWN, ""),
    ],
)
def test_invalid_policy_is_named_and_not_applied(policy: Record, typed: Record, msg: str) -> None:
    found = _report.collected({"a": {**host(), "policy": policy}}, earlier={}, file="r", playbook_dir="/")["hosts"]["a"]
    assert found["policy"] == typed and msg in found["msg"] and bool(msg) == bool(found["msg"])
    assert page({"a": found}, snapshot())["hosts"][0]["disks"][0]["snapshots"][0]["retention"] == (
        "not known" if typed == UNKNOWN else "kept"
    )


@pytest.mark.parametrize(
    ("listed", "written", "good", "file", "msg"),
    [
        ({}, {}, False, "/r", {"a": "", "b": "gone"}),
        ({"failed": True, "msg": "no keys"}, {}, False, "/r", {"a": "no keys", "b": "gone"}),
        ({}, {"failed": True, "msg": "full"}, False, "", dict.fromkeys("ab", "the report was not written: full")),
    ],
)
def test_results(listed: Record, written: Record, good: bool, file: str, msg: dict[str, str]) -> None:
    found = _report.results({"a": host(), "b": host(msg="gone")}, path="/r", listed=listed, written=written)
    assert found["hosts"] == {name: {"file": file, "msg": why} for name, why in msg.items()} and found["good"] is good
    assert found["line"] == ("Report: /r" if file else "the report was not written: full")
    assert _report.results({"a": host()}, path="/r", listed={}, written={})["good"] is True


# ---- the hosts of a run


def test_hosts_that_need_attention_come_first_and_the_others_as_in_the_play() -> None:
    hosts = {
        "a": host("verified"),
        "b": host("restored", False),
        "c": host("verified", False),
        "d": host("failed", False),
        "e": host("planned"),
        "f": host("unknown", False),
        "g": host(msg="no VM"),
    }
    found = page(hosts)
    assert [each["host"] for each in found["attention"]] == ["d", "g", "f", "b", "c"]
    assert [each["host"] for each in found["run"]["rows"]] == ["d", "f", "b", "c", "a", "e"]
    assert [each["host"] for each in found["hosts"]] == ["d", "g", "f", "b", "c", "a", "e"]
    assert [each["text"] for each in found["verdicts"]] == ["1 failed", "1 unknown", "1 restored", "1 planned", "2 verified"]
    assert found["attention"][-1]["tone"] == "attention" and found["title"] == "Maintenance run p-1"
    assert {each["id"] for each in found["run"]["rows"]} < {each["id"] for each in found["hosts"]}


def test_what_is_said_of_a_failed_host() -> None:
    failed = host("failed", False)
    failed["run"].update(failed_task="Upgrade", msg="no\nspace", advice="roll it back")
    (found,) = page({"a": failed})["attention"]
    assert [(each["label"], each["text"]) for each in found["lines"]] == [
        ("Failed task", "Upgrade"),
        ("What happened", "no space"),
        ("What to do", "Roll it back"),
    ]


def test_nothing_to_do_is_said_too() -> None:
    found = page({"a": host("verified")}, snapshot())
    assert found["summary"] == ["1 host, 1 disk, 1 snapshot.", "Retention would delete 0 snapshots.", "No host needs attention."]
    assert found["attention"] == [] and page({"a": host()})["title"] == "Snapshot report"


def test_phases_are_on_one_time_line() -> None:
    early, late = host("verified"), host("verified")
    early["run"]["phases"] = [
        {"name": "snapshot", "start": NOW, "seconds": 10.0},
        {"name": "verify again", "start": NOW + 10, "seconds": 65.0},
    ]
    late["run"]["phases"] = [{"name": "patch", "start": NOW + 100, "seconds": 100.0}]
    found = page({"a": early, "b": late, "c": host("verified")})["run"]
    first, second, third = found["rows"]
    assert [(each["kind"], each["left"], each["width"], each["text"]) for each in first["phases"] + second["phases"]] == [
        ("snapshot", 0.0, 5.0, "snapshot 10 s"),
        ("verify-again", 5.0, 32.5, "verify again 1 min 5 s"),
        ("patch", 50.0, 50.0, "patch 1 min 40 s"),
    ]
    assert (first["total"], third["phases"], third["total"]) == ("1 min 15 s", [], "")
    assert found["ticks"] == ["03:05:00", "03:06:40", "03:08:20"] and found["seconds"] == "3 min 20 s"
    assert [each["name"] for each in found["legend"]] == ["snapshot", "patch", "verify again"]


# ---- snapshots


@pytest.mark.parametrize(
    ("record", "whose", "kind", "retention"),
    [
        (snapshot(), "run 1", "kept", "kept"),
        (snapshot("s2", "ansible-1-r1", MARKER), "marker of a rollback to ansible-1", "kept", "kept"),
        (snapshot("s2", "ansible-1-b1", BACKUP), "backup before a rollback to ansible-1", "kept", "kept"),
        (snapshot(automatic=True), "a timer of the platform", "foreign", "the platform deletes it"),
        (snapshot(name="other-1"), "a run with another prefix", "foreign", "never deleted"),
        (snapshot(remark="Wang's"), "by hand, or another tool", "foreign", "never deleted"),
        (snapshot(remark=""), "by hand, or another tool", "foreign", "never deleted"),
    ],
)
def test_whose_it_is_and_what_becomes_of_it(record: Record, whose: str, kind: str, retention: str) -> None:
    found = row(record)
    assert (found["whose"], found["kind"], found["retention"]) == (whose, kind, retention)
    assert found["remark"] == ("Wang's" if record["remark"] == "Wang's" else "")


def test_retention_is_that_of_the_role_snapshot_prune() -> None:
    old = [
        snapshot(f"s{number}", f"ansible-{number}", OURS.replace("=1", f"={number}", 1), create_time=int(NOW) - number * 10 * DAY)
        for number in range(1, 6)
    ]
    found = page({"a": host()}, *old)
    disk = found["hosts"][0]["disks"][0]
    assert [each["kind"] for each in disk["snapshots"]] == ["kept"] * 3 + ["deleted"] * 2
    assert disk["words"] == "5 snapshots, 10 days to 50 days old; retention would delete 2"
    assert found["summary"][1] == "Retention would delete 2 snapshots."
    assert found["policies"] == [
        {
            "text": "A run with the prefix ansible- is deleted if it is older than 14d and not among the 3 newest runs of its disk.",
            "hosts": "",
        }
    ]


def test_each_policy_names_its_hosts_if_they_differ() -> None:
    other = {**host(), "policy": {**POLICY, "older_than": "", "keep_last": 0, "keep_run_ids": ["x", "y"]}}
    found = page({"a": host(), "b": other, "c": host(), "d": host(policy=UNKNOWN)})["policies"]
    assert [each["hosts"] for each in found] == ["a, c", "b"]
    assert found[1]["text"] == "A run with the prefix ansible- is deleted if it is not the newest run of its disk. Always kept: x, y."


@pytest.mark.parametrize(("ago", "left"), [(100, 0.0), (75, 25.0), (0, 100.0), (-5, 100.0)])
def test_place_on_the_axis(ago: int, left: float) -> None:
    oldest, other = snapshot("s0", create_time=int(NOW) - 100), snapshot("s1", create_time=int(NOW) - ago)
    found = page({"a": host()}, oldest, other)
    assert {each["id"]: each["left"] for each in found["hosts"][0]["disks"][0]["snapshots"]}["s1"] == left
    assert found["axis"][-1] == "2026-11-26 03:05 UTC"
    assert page({"a": host()}, snapshot(create_time=int(NOW) - 4 * DAY))["axis"] == ["2026-11-22", "2026-11-24", "2026-11-26"]


def test_what_is_not_known_is_said() -> None:
    found = row(snapshot(create_time=None, status="Pondering"))
    assert (found["age"], found["created"], found["left"], found["state"]) == ("unknown", "", None, "unknown: Pondering")
    listed = page({"a": host()}, failed="no keys")
    assert (listed["msg"], listed["axis"], listed["hosts"][0]["msg"]) == ("no keys", [], "no keys")
    left = page({"a": host("restored", False, policy=UNKNOWN)}, snapshot())["hosts"][0]
    assert left["msg"] == "its retention policy is not known" and left["disks"][0]["snapshots"][0]["retention"] == "not known"


# ---- words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "less than a minute"),
        (59, "less than a minute"),
        (60, "1 minute"),
        (3599, "59 minutes"),
        (3600, "1 hour"),
        (2 * DAY - 1, "47 hours"),
        (2 * DAY, "2 days"),
        (1000 * DAY, "1,000 days"),
    ],
)
def test_ages(seconds: int, words: str) -> None:
    assert _report.age(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (0.4, "0.4 s"), (9.9, "9.9 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (3599, "59 min 59 s"), (3720, "1 h 2 min")],
)
def test_durations(seconds: float, words: str) -> None:
    assert _report.duration(seconds) == words


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\n b", "a b"), ("a\x1b[2Jb", r"a\x1b[2Jb"), ("\u202eb", r"\u202eb"), ("\ud800", r"\ud800"), ("网 <b>", "网 <b>"), (7, "7")],
)
def test_text_is_one_line_that_can_be_printed(text: Any, shown: str) -> None:
    assert _report.shown(text) == shown
