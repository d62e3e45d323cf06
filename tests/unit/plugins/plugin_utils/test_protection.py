# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which snapshots each host gets, and whether it is protected by them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._protection import (
    not_carried_out,
    only_ready,
    snapshot_plan,
    snapshot_results,
    without_unwritten,
)

NOW, DAY = 1_795_428_000, 86400
REMARK = "ucloudstack.cloud run=p-1 vm=vm-1 disks=2"
LEFT = "became unreachable, or left the play, before it was snapshotted"

Record = dict[str, Any]
Batch = dict[str, Any]


def host(number: int = 1, *disk_ids: str, **more: Any) -> Record:
    """A host with the VM of this number and two disks, unless others are named."""
    known = {
        "vm_id": f"vm-{number}",
        "power_state": "Running",
        "disk_ids": list(disk_ids or (f"d{number}", f"e{number}")),
        "external": [],
        "run_id": "p-1",
        "run_id_type": "str",
        "prefix": "n-",
        "max_age": "24h",
        "limit": 10,
        "reserve": 1,
        "before_tasks": "",
        "after_tasks": "",
        "msg": "",
    }
    return {**known, **more}


def snap(snapshot_id: str, disk_id: str = "d1", name: str = "n-p-1", hours: float | None = 1, **more: Any) -> Record:
    time = None if hours is None else NOW - int(hours * 3600)
    return {
        "snapshot_id": snapshot_id,
        "disk_id": disk_id,
        "name": name,
        "remark": REMARK,
        "create_time": time,
        "created_at": time and f"{hours} hours ago",
        **more,
    }


def plan(*snapshots: Record, hosts: Any = None, entries: Any = None, folder: str = "/", **more: Any) -> Batch:
    known = {"manifest": {"manifest": {"hosts": entries or {}}}, "listed": {"snapshots": list(snapshots)}, **more}
    return snapshot_plan(hosts or {"a": host()}, **{"playbook_dir": folder, "check_mode": False, "now": NOW, **known})


def why(*snapshots: Record, state: str = "", **more: Any) -> str:
    """The fault of one host, whose entry in the manifest has this state."""
    found: str = plan(*snapshots, hosts={"a": host(**more)}, entries={"a": {"state": state}} if state else None)["hosts"]["a"]["msg"]
    return found


# ---- the plan


def test_plan() -> None:
    found = plan(hosts={"a": host(1), "b": host(2, "d2"), "c": host(3, msg="no VM")})
    assert {
        host: (each["name"], each["remark"], each["msg"], each["recorded"], each["user_tasks"]) for host, each in found.pop("hosts").items()
    } == {
        "a": ("n-p-1", REMARK, "", True, True),
        "b": ("n-p-1", "ucloudstack.cloud run=p-1 vm=vm-2 disks=1", "", True, True),
        "c": ("n-p-1", "ucloudstack.cloud run=p-1 vm=vm-3 disks=2", "no VM", False, False),
    }
    assert found == {
        "run_id": "p-1",
        "prefix": "n-",
        "name": "n-p-1",
        "disk_ids": ["d1", "e1", "d2"],
        "remarks": {"d1": REMARK, "e1": REMARK, "d2": "ucloudstack.cloud run=p-1 vm=vm-2 disks=1"},
        "entries": {
            "a": {"state": "planned", "vm_id": "vm-1", "power_state": "Running", "disk_ids": ["d1", "e1"]},
            "b": {"state": "planned", "vm_id": "vm-2", "power_state": "Running", "disk_ids": ["d2"]},
        },
        "before": False,
        "after": False,
    }


def test_plan_for_nobody() -> None:
    found = snapshot_plan({}, manifest={}, listed={}, playbook_dir="/", check_mode=False, now=NOW)
    assert (found["hosts"], found["disk_ids"], found["entries"], found["name"]) == ({}, [], {}, "")


def test_run_id_that_may_have_been_written_otherwise_is_refused() -> None:
    assert why(run_id=1.1, run_id_type="float") == "the run id 1.1 is a float, which may have been written otherwise: quote it."


def test_number_as_run_id_is_text() -> None:
    found = plan(hosts={"a": host(run_id=20261123)})
    assert (found["run_id"], found["name"], found["hosts"]["a"]["msg"]) == ("20261123", "n-20261123", "")


@pytest.mark.parametrize(
    ("state", "new"),
    [(None, "planned"), ("planned", "planned"), ("failed", "planned"), ("patching", None), ("restoring", None), ("verified", None)],
)
def test_entry_of_a_host_whose_maintenance_has_started_is_only_claimed(state: str | None, new: str | None) -> None:
    found = plan(snap("s1"), snap("s2", "e1"), entries={"a": {"state": state, "disk_ids": ["d1", "e1"]}})
    assert (found["entries"]["a"].get("state"), found["disk_ids"]) == (new, ["d1", "e1"])
    assert bool(found["entries"]["a"]) is bool(new)


def test_tasks_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "t.yml").touch()
    hosts = {"a": host(1), "b": host(2, before_tasks="t.yml"), "c": host(3, after_tasks="t.yml")}
    found = plan(hosts=hosts, folder=str(tmp_path))
    assert (found["before"], found["after"], {each["msg"] for each in found["hosts"].values()}) == (True, True, {""})
    found = plan(hosts={**hosts, "b": {**hosts["b"], "msg": "no VM"}, "c": {**hosts["c"], "msg": "no VM"}}, folder=str(tmp_path))
    assert (found["before"], found["after"]) == (False, True)  # what a before task did is undone, whatever happened


# ---- hosts that get no snapshots

MISSING = "//t.yml does not exist: give a path relative to the directory of the playbook, or an absolute one."
NAME = "a prefix is required, and at most 27 characters are allowed."
STALE = "n-p-1 was created at 25 hours ago, more than 24h ago, and no longer protects the host."
STARTED = "Its maintenance has started: roll it back with the playbook rollback, or abandon the run."
GONE = "its maintenance has started, but the snapshot n-p-1 of e1 is missing: choose another run id."
EXTERNAL = "e1 is external storage, which the platform cannot snapshot: set ucloudstack_disk_ids to the other disks."


@pytest.mark.parametrize(
    ("more", "msg"),
    [
        ({"before_tasks": "t.yml"}, MISSING.replace("//", "/")),
        ({"after_tasks": "t.yml"}, MISSING.replace("//", "/")),
        ({"max_age": "soon"}, "invalid duration: snapshot_create_max_age is soon. Use seconds, or a number followed by s, m, h, d or w."),
        ({"prefix": ""}, f"invalid snapshot name p-1: {NAME}"),
        ({"run_id": "x" * 26}, f"invalid snapshot name n-{'x' * 26}: {NAME}"),
        ({"run_id": "x" * 25}, ""),
        ({"external": ["e1", "x9"]}, EXTERNAL),
        ({"external": ["x9"]}, ""),
        ({"msg": "no VM", "prefix": ""}, "no VM"),
    ],
)
def test_fault_of_the_variables(more: dict[str, Any], msg: str) -> None:
    assert why(**more) == msg


@pytest.mark.parametrize(
    ("snapshots", "state", "msg"),
    [
        ([], "", ""),
        ([snap("s1"), snap("s2", "e1")], "", ""),
        ([snap("s1", hours=24)], "", ""),
        ([snap("s1", hours=25)], "", f"{STALE} Choose another run id."),
        ([snap("s1", hours=25)], "failed", f"{STALE} Choose another run id."),
        ([snap("s1", hours=25), snap("s2", "e1")], "patching", f"{STALE} {STARTED}"),
        ([snap("s1", hours=25, automatic=True)], "", ""),
        ([snap("s1", hours=25, name="n-p-10")], "", ""),
        ([snap("s1", "d9", hours=25)], "", ""),
        ([snap("s1", hours=None)], "", f"{STALE} Choose another run id.".replace("25 hours ago", "an unknown time")),
        ([snap("s1", remark="by hand")], "", "s1, named n-p-1, was not created for this run and these disks: choose another run id."),
        (
            [snap("s1", remark=REMARK.replace("disks=2", "disks=3")), snap("s2", "e1", remark=None)],
            "",
            "s1, s2, named n-p-1, was not created for this run and these disks: choose another run id.",
        ),
        ([snap("s1", remark="by hand", name="other")], "", ""),
        ([snap("s1"), snap("s2", "e1")], "patching", ""),
        ([snap("s1")], "snapshotted", ""),
        ([snap("s1")], "patching", GONE),
        ([snap("s1")], "restoring", GONE),
        ([snap("s1")], "verified", GONE),
        ([snap("s1")], "restored", GONE),
    ],
)
def test_fault_of_the_snapshots(snapshots: list[Record], state: str, msg: str) -> None:
    assert why(*snapshots, state=state) == msg


def full(count: int, own: bool = True, ours: int = 0) -> list[Record]:
    """So many snapshots of one disk, with or without that of the run; some of the others created by the collection."""
    others = [snap(f"x{number}", name=f"x{number}", remark="ucloudstack.cloud x" if number < ours else "") for number in range(count - own)]
    return [snap("s1"), *others] if own else others


@pytest.mark.parametrize(
    ("snapshots", "more", "msg"),
    [
        (full(8, own=False), {}, ""),
        (full(9), {}, ""),
        (
            full(9, own=False),
            {},
            "d1 has 9 snapshots, the limit is 10, and 2 more are needed; 0 of them, created by this collection, can be pruned.",
        ),
        (
            full(10, ours=3),
            {},
            "d1 has 10 snapshots, the limit is 10, and 1 more is needed; 4 of them, created by this collection, can be pruned.",
        ),
        (full(10), {"reserve": 0}, ""),
        (full(10, own=False), {"limit": "13", "reserve": "2"}, ""),
        (full(90, own=False), {"limit": 0}, ""),
        (full(90, own=False), {"limit": "0"}, ""),
        ([*full(8, own=False), *(snap(f"t{number}", name="t", automatic=True) for number in range(9))], {}, ""),
    ],
)
def test_limit(snapshots: list[Record], more: dict[str, Any], msg: str) -> None:
    assert why(*snapshots, **more) == msg


def test_limit_names_every_full_disk() -> None:
    snapshots = [snap(f"x{disk}{number}", disk, name="x") for disk in ("d1", "e1") for number in range(9)]
    assert why(*snapshots).count("the limit is 10") == 2


def test_hosts_of_different_runs() -> None:
    for more in ({"run_id": "p-2"}, {"prefix": "m-"}):
        found = plan(hosts={"a": host(1), "b": host(2, **more)})
        assert {each["msg"] for each in found["hosts"].values()} == {"run id and prefix must be the same for all hosts."}
        assert (found["disk_ids"], found["entries"]) == ([], {})


def test_disk_that_another_host_has_in_the_manifest() -> None:
    entries = {"b": {"disk_ids": ["e1", "x"]}, "a": {"disk_ids": ["d1", "e1"]}, "c": {}}
    assert plan(entries=entries)["hosts"]["a"]["msg"] == "another host of the run also has e1."


@pytest.mark.parametrize(("module", "shown"), [(True, False), (False, True)])
def test_check_mode_that_only_the_modules_see_is_refused(module: bool, shown: bool) -> None:
    found = plan(manifest={"check_mode": module}, check_mode=shown)["hosts"]["a"]["msg"]
    assert found.startswith("check_mode is set on the play") and plan(manifest={"check_mode": shown}, check_mode=shown)["disk_ids"]


def test_entry_of_another_machine_with_the_same_name() -> None:
    found = plan(entries={"a": {"state": "snapshotted", "vm_id": "vm-9", "disk_ids": ["d9"]}})["hosts"]["a"]["msg"]
    assert found.startswith("the manifest of this run has vm-9 with d9 for this host, which is now vm-1 with d1, e1: choose another run id")


@pytest.mark.parametrize(("seconds", "trusted"), [(0, True), (300, True), (301, False), (172800, False)])
def test_snapshot_from_the_future_is_not_trusted_for_its_age(seconds: int, trusted: bool) -> None:
    msg = why(*(snap(f"s{disk}", disk, hours=-seconds / 3600) for disk in ("d1", "e1")))
    future = f"n-p-1 was created {seconds} s in the future of this controller's clock, so its age is not known: set the clock, or choose"
    assert msg.startswith("" if trusted else future) and bool(msg) is not trusted


@pytest.mark.parametrize("result", ["manifest", "listed"])
def test_nothing_is_planned_if_it_could_not_be_asked(result: str) -> None:
    failed: dict[str, Any] = {result: {"failed": True, "msg": "no permission"}}
    found = plan(hosts={"a": host(1), "b": host(2, msg="no VM")}, **failed)
    assert [each["msg"] for each in found["hosts"].values()] == ["no permission", "no VM"] and found["entries"] == {}


# ---- hosts whose entries could not be written, or that are not ready

TWO = {"a": host(1), "b": host(2, "d2"), "c": host(3, msg="no VM")}


def test_written() -> None:
    planned = plan(hosts=TWO)
    assert without_unwritten(planned, {"changed": True, "refused": {}}, "o") == planned


def test_not_written() -> None:
    found = without_unwritten(plan(hosts=TWO), {"failed": True, "msg": "disk full"}, "o")
    assert [(each["msg"], each["recorded"]) for each in found["hosts"].values()] == [
        ("disk full", False),
        ("disk full", False),
        ("no VM", False),
    ]
    assert (found["disk_ids"], found["remarks"], found["entries"]) == ([], {}, {})


def test_host_of_another_process() -> None:
    found = without_unwritten(plan(hosts=TWO), {"refused": {"b": {"controller": "ctl1", "since": "noon"}}}, "some_option")
    assert [each["recorded"] for each in found["hosts"].values()] == [True, False, False] and found["disk_ids"] == ["d1", "e1"]
    assert [each["user_tasks"] for each in found["hosts"].values()] == [True, False, False]
    assert found["hosts"]["b"]["msg"].startswith("another process, on ctl1, has been") and "some_option=true" in found["hosts"]["b"]["msg"]


def test_result_of_a_host_in_maintenance_is_not_written() -> None:
    found = plan(snap("s1"), snap("s2", "e1"), entries={"a": {"state": "patching"}})
    assert (found["hosts"]["a"]["recorded"], found["hosts"]["a"]["msg"], found["disk_ids"]) == (False, "", ["d1", "e1"])
    answer = {"results": [item("d1"), item("e1")]}
    assert snapshot_results(found, answer=answer, failures={}, check_mode=False)["entries"] == {}


@pytest.mark.parametrize(
    ("fact", "msg"),
    [
        ({"ready": True}, ""),
        ({"ready": True, "failure": ""}, ""),
        ({"ready": False, "failure": "freeze: no"}, "freeze: no"),
        ({"ready": False, "failure": ""}, LEFT),
        ({}, LEFT),
        (None, LEFT),
    ],
)
def test_ready(fact: Any, msg: str) -> None:
    found = only_ready(plan(hosts=TWO), {"b": {"ready": True}, "c": {"ready": True}, **({} if fact is None else {"a": fact})})
    assert [each["msg"] for each in found["hosts"].values()] == [msg, "", "no VM"]
    assert found["disk_ids"] == (["d2"] if msg else ["d1", "e1", "d2"])


# ---- results


def item(disk_id: str, outcome: str = "created", snapshot_id: str | None = "") -> Record:
    msg = f"{disk_id} {outcome}"
    return {"disk_id": disk_id, "outcome": outcome, "msg": msg, "snapshot_id": f"s-{disk_id}" if snapshot_id == "" else snapshot_id}


def results(*items: Record, hosts: Any = None, failures: Any = None, entries: Any = None, check_mode: bool = False, **answer: Any) -> Batch:
    known = plan(hosts=hosts, entries=entries)
    return snapshot_results(known, answer={"results": list(items), **answer}, failures=failures or {}, check_mode=check_mode)


@pytest.mark.parametrize(
    ("outcomes", "complete", "msg", "discard"),
    [
        (("created", "created"), True, "", []),
        (("adopted", "present"), True, "", []),
        (("created", "failed"), False, "e1 failed", ["s-d1"]),
        (("present", "failed"), False, "e1 failed", []),
        (("failed", "failed"), False, "d1 failed; e1 failed", []),
        (("created", "pending"), False, "e1 pending", []),
        (("created", "unknown"), False, "e1 unknown", []),
        (("created",), False, "", []),
        ((), False, "", []),
    ],
)
def test_results(outcomes: tuple[str, ...], complete: bool, msg: str, discard: list[str]) -> None:
    found = results(*(item(*each) for each in zip(("d1", "e1"), outcomes, strict=False)), item("x9", "failed"))
    result = found["results"]["a"]
    assert (result["complete"], result["msg"], found["discard"]) == (complete, msg, discard)
    assert (result["run_id"], result["name"], [each["outcome"] for each in result["results"]]) == ("p-1", "n-p-1", list(outcomes))
    assert found["entries"] == {"a": {"state": "snapshotted" if complete else "failed", "snapshots": []}}


def test_snapshots_of_a_host_and_how_far_they_are_apart() -> None:
    records = [snap("s1", hours=1), snap("s2", "e1", hours=3), snap("s3", "x9", hours=9), snap("s4", "e1", hours=None)]
    found = results(item("d1"), item("e1"), snapshots=records)["results"]["a"]
    assert ([each["snapshot_id"] for each in found["snapshots"]], found["seconds"]) == (["s1", "s2", "s4"], 7200)
    assert results(item("d1"), item("e1"))["results"]["a"]["seconds"] == 0


def test_failed_task_of_the_user_discards_the_snapshots() -> None:
    found = results(item("d1"), item("e1", "present"), failures={"a": "thaw: no", "b": ""})
    assert (found["results"]["a"]["complete"], found["results"]["a"]["msg"], found["discard"]) == (False, "thaw: no", ["s-d1"])
    assert found["entries"]["a"]["state"] == "failed"


def test_created_snapshot_without_an_id_cannot_be_discarded() -> None:
    assert results(item("d1", "created", None), item("e1"), failures={"a": "no"})["discard"] == ["s-e1"]


def test_task_that_failed_as_a_whole() -> None:
    found = results(failed=True, msg="no permission")
    assert (found["results"]["a"]["msg"], found["results"]["a"]["complete"]) == ("no permission", False)


def test_refused_host_keeps_its_message_and_has_no_entry() -> None:
    found = results(item("d1"), item("e1"), hosts={"a": host(1), "b": host(2, msg="no VM")}, failures={"b": "thaw: no"})
    assert (found["results"]["b"]["msg"], found["results"]["b"]["complete"], list(found["entries"])) == ("no VM", False, ["a"])


def test_host_without_disks_is_not_protected() -> None:
    assert results(hosts={"a": {**host(), "disk_ids": []}})["results"]["a"]["complete"] is False


# ---- what follows from the results


def after(*items: Record, removed: Any = None, recorded: Any = None, hosts: Any = None, check_mode: bool = False) -> tuple[Any, ...]:
    """The gist for one host."""
    found = results(*items, hosts=hosts, check_mode=check_mode)
    if removed or recorded:
        found = not_carried_out(found, plan=plan(hosts=hosts), removed=removed or {}, written=recorded or {}, check_mode=check_mode)
    assert found["good"] == ([found["summaries"]["a"]] if found["results"]["a"]["complete"] else [])
    return found["results"]["a"]["complete"], found["results"]["a"]["msg"], found["summaries"]["a"]


GOOD, BAD = (item("d1"), item("e1")), (item("d1"), item("e1", "failed"))
FAILED = {"failed": True, "msg": "no"}
KEPT = "e1 failed Its snapshots could not be deleted: no"


@pytest.mark.parametrize(
    ("items", "more", "gist"),
    [
        (GOOD, {}, (True, "", "a: n-p-1 contains d1, e1.")),
        (GOOD, {"check_mode": True}, (True, "", "a: n-p-1 would contain d1, e1.")),
        (GOOD, {"removed": FAILED}, (True, "", "a: n-p-1 contains d1, e1.")),
        (GOOD, {"recorded": FAILED}, (False, "no", "a is not protected: no")),
        (BAD, {}, (False, "e1 failed", "a is not protected: e1 failed")),
        (BAD, {"removed": FAILED}, (False, KEPT, f"a is not protected: {KEPT}")),
        (BAD, {"recorded": FAILED}, (False, "e1 failed; no", "a is not protected: e1 failed; no")),
        (GOOD, {"hosts": {"a": host(msg="no VM")}, "recorded": FAILED}, (False, "no VM", "a: no VM")),
    ],
)
def test_carried_out(items: tuple[Record, ...], more: dict[str, Any], gist: tuple[Any, ...]) -> None:
    assert after(*items, **more) == gist


def test_host_whose_before_task_failed_is_not_protected() -> None:
    ready = only_ready(plan(), {"a": {"failure": "freeze: no"}})
    found = snapshot_results(ready, answer={"skipped": True}, failures={"a": "freeze: no"}, check_mode=False)
    assert (found["summaries"], found["good"]) == ({"a": "a is not protected: freeze: no"}, [])
    assert found["entries"] == {"a": {"state": "failed", "snapshots": []}}


def test_all_are_good_or_none_is() -> None:
    two = {"a": host(1, "d1"), "b": host(2, "d2")}
    assert results(item("d1"), item("d2"), hosts=two)["good"] == ["a: n-p-1 contains d1.", "b: n-p-1 contains d2."]
    assert results(item("d1"), item("d2", "failed"), hosts=two)["good"] == []
