# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which snapshots of each host are pruned, and what came of it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._pruning import invalid_policy, prune_plan, prune_results

NOW, DAY = 1_795_428_000, 86400
SET = "set snapshot_prune_keep_last or snapshot_prune_older_than, or both, and a snapshot_prune_prefix that is not empty."


def policy(**more: Any) -> dict[str, Any]:
    return {"prefix": "n-", "keep_last": 1, "older_than": "", "keep_run_ids": [], **more}


def snap(snapshot_id: str, name: str, days: int, disk: str = "d1", **more: Any) -> dict[str, Any]:
    remark = {"remark": f"ucloudstack.cloud run={name[2:]} vm=vm-1 disks=1", **more}
    return {"snapshot_id": snapshot_id, "disk_id": disk, "name": name, "status": "Normal", "create_time": NOW - days * DAY, **remark}


def copy(snapshot_id: str, name: str, days: int, target: str) -> dict[str, Any]:
    """A marker or a backup of a rollback to the target."""
    sort = "marker" if name[-2] == "r" else f"backup marker={name}"
    return snap(snapshot_id, name, days, remark=f"ucloudstack.cloud {sort} target={target}")


def plan(*snapshots: dict[str, Any], hosts: Any = None, **more: Any) -> dict[str, Any]:
    known = {host: {"policy": policy(**more), **each} for host, each in (hosts or {"a": {"disk_ids": ["d1"], "msg": ""}}).items()}
    return prune_plan(known, {"snapshots": list(snapshots)}, NOW)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (policy(), ""),
        (policy(keep_last="3"), ""),
        (policy(keep_last=0, older_than="14d"), ""),
        (policy(keep_last=3, older_than=0), ""),
        (policy(keep_last=0, older_than=60), ""),
        (policy(keep_last=0), SET),
        (policy(keep_last=0, older_than=0), SET),  # as an empty one: it is not set
        (policy(keep_last=0, older_than=None), SET),
        (policy(keep_last=-1), SET),
        (policy(prefix=""), SET),
        (
            policy(older_than="soon"),
            "invalid duration: snapshot_prune_older_than is soon. Use seconds, or a number followed by s, m, h, d or w.",
        ),
    ],
)
def test_invalid_policy(given: dict[str, Any], why: str) -> None:
    assert invalid_policy(given) == why
    listed = {"snapshots": [snap(f"s{number}", f"n-{number}", 90 - number) for number in range(5)]}
    found = prune_plan({"a": {"disk_ids": ["d1"], "msg": "", "policy": given}}, listed, NOW)
    assert found["msg"]["a"] == why and bool(found["snapshot_ids"]) is not bool(why)


RUN = "ucloudstack.cloud run"
INVALID = {"disk_ids": ["d1"], "policy": policy(keep_last=0)}
THREE = [snap("s1", "n-1", 30), snap("s2", "n-2", 20), snap("s3", "n-3", 10)]


@pytest.mark.parametrize(
    ("more", "ids"),
    [
        ({}, ["s1", "s2"]),
        ({"keep_last": 2}, ["s1"]),
        ({"keep_last": 0, "older_than": "1d"}, ["s1", "s2"]),  # the newest run of a disk stays
        ({"keep_last": 2, "older_than": "1d"}, ["s1"]),
        ({"older_than": "25d"}, ["s1"]),
        ({"keep_run_ids": ["1"]}, ["s2"]),
        ({"keep_run_ids": "1"}, ["s2"]),
        ({"keep_run_ids": ["1", ["2"]]}, []),
        ({"keep_run_ids": ["n-1"]}, ["s1", "s2"]),
    ],
)
def test_expired(more: dict[str, Any], ids: list[str]) -> None:
    found = plan(*THREE, **more)
    assert found["snapshot_ids"] == ids == [each["snapshot_id"] for each in found["expired"]["a"]]


def test_only_snapshots_of_the_roles_and_of_the_disks_of_the_host() -> None:
    others = [
        snap("x1", "n-0", 90, remark="by hand"),
        snap("x2", "n-0", 90, "d9"),
        snap("x3", "m-0", 90),
        snap("x4", "n-0", 90, automatic=True),
    ]
    assert plan(*THREE, *others)["snapshot_ids"] == ["s1", "s2"]


def test_kept_run_keeps_its_backups_and_markers() -> None:
    copies = [copy("b", "n-1-b1", 29, "s1"), copy("r", "n-1-r1", 29, "s1")]
    assert plan(*THREE, *copies, keep_run_ids=["1"])["snapshot_ids"] == ["s2"]
    assert sorted(plan(*THREE, *copies)["snapshot_ids"]) == ["b", "r", "s1", "s2"]


def test_a_host_with_a_fault_is_not_pruned() -> None:
    hosts = {"a": {"disk_ids": ["d1"], "msg": "no VM"}, "b": {"disk_ids": ["d2"]}}
    found = plan(*THREE, snap("t1", "n-1", 9, "d2"), snap("t2", "n-2", 8, "d2"), hosts=hosts)
    assert (found["msg"], found["snapshot_ids"], found["expired"]["a"]) == ({"a": "no VM", "b": ""}, ["t1"], [])


def test_runs_whose_prefix_only_begins_alike_are_not_pruned() -> None:
    """The name is the prefix and the run id of the remark, as a whole; copies belong to the run of their target."""
    quarter = [snap(f"q{number}", f"n-quarter-{number}", 90 - number, remark=f"{RUN}={number} vm=vm-1 disks=1") for number in (1, 2, 3)]
    copies = [copy("c1", "n-quarter-1-r1", 80, "q1"), copy("c2", "n-1-r1", 29, "s1"), copy("c3", "n-9-r1", 99, "gone")]
    assert plan(*THREE, *quarter, *copies)["snapshot_ids"] == ["s1", "c2", "s2"]
    assert plan(*THREE, *quarter, *copies, prefix="n-quarter-")["snapshot_ids"] == ["q1", "q2", "c1"]


def test_each_host_has_its_own_policy() -> None:
    more = [snap("t1", "m-1", 30, "d2"), snap("t2", "m-2", 20, "d2"), snap("t3", "n-3", 90, "d2")]
    found = plan(*THREE, *more, hosts={"a": {"disk_ids": ["d1"]}, "b": {"disk_ids": ["d2"], "policy": policy(prefix="m-")}, "c": INVALID})
    assert (found["snapshot_ids"], found["msg"]) == (["s1", "s2", "t1"], {"a": "", "b": "", "c": SET})


def test_nothing_could_be_listed() -> None:
    found = prune_plan({"a": {"disk_ids": ["d1"], "policy": policy()}}, {"failed": True, "msg": "no permission"}, NOW)
    assert found == {"expired": {"a": []}, "snapshot_ids": [], "msg": {"a": "no permission"}}


# ---- results


def item(snapshot_id: str, outcome: str = "deleted") -> dict[str, Any]:
    return {"snapshot_id": snapshot_id, "outcome": outcome, "msg": f"{snapshot_id} {outcome}"}


@pytest.mark.parametrize(
    ("answer", "msg"),
    [
        ({"results": [item("s1"), item("s2", "absent"), item("x9", "failed")]}, ""),
        ({"results": [item("s1"), item("s2", "failed")], "failed": True, "msg": "all"}, "s2 failed"),
        ({"results": [item("s1", "pending"), item("s2", "failed")]}, "s1 pending; s2 failed"),
        ({"failed": True, "msg": "no permission"}, "no permission"),
        ({"unreachable": True, "msg": "gone", "results": [item("s1")]}, "gone"),
        ({"results": [item("s1"), {"msg": "no id"}, item("s2")]}, ""),
        ({"skipped": True}, ""),
    ],
)
def test_results(answer: dict[str, Any], msg: str) -> None:
    results = prune_results(plan(*THREE), answer)
    found = results["hosts"]["a"]
    assert results["good"] == ([] if msg else ["a: 2 snapshots had expired."]) and list(results["summaries"]) == ["a"]
    assert found["msg"] == msg and len(found["expired"]) == 2
    assert {each["snapshot_id"] for each in found["results"]} <= {"s1", "s2"}


def test_failed_deletion_does_not_concern_a_host_without_expired_snapshots_and_a_fault_comes_first() -> None:
    hosts = {"a": {"disk_ids": ["d1"]}, "b": {"disk_ids": ["d2"]}, "c": {"disk_ids": [], "msg": "no VM"}}
    found = prune_results(plan(*THREE, hosts=hosts), {"failed": True, "msg": "no permission"})
    assert {host: each["msg"] for host, each in found["hosts"].items()} == {"a": "no permission", "b": "", "c": "no VM"}
