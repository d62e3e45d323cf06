# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of each host before its maintenance starts: whether its variables are valid, and where it is in the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._maintenance_start import checked_input, started, with_unreachable

NOW = 1_795_428_000
PRUNE = "set snapshot_prune_keep_last or snapshot_prune_older_than, or both, and a snapshot_prune_prefix that is not empty."
SAME = "run id, prefix, manifest directory and report file must be the same for all hosts"
DURATION = "is soon. Use seconds, or a number followed by s, m, h, d or w."
VARIABLES: dict[str, dict[str, Any]] = {
    "snapshot_create": {
        "snapshot_create_max_age": "24h",
        "snapshot_create_limit": "10",
        "snapshot_create_before_tasks": "",
        "snapshot_create_after_tasks": "",
    },
    "snapshot_rollback": {
        "snapshot_rollback_disk_ids": [],
        "snapshot_rollback_backup": False,
        "snapshot_rollback_again": "false",
        "snapshot_rollback_limit": 10,
    },
    "snapshot_prune": {"snapshot_prune_keep_last": 3, "snapshot_prune_older_than": "14d", "snapshot_prune_keep_run_ids": []},
}

Record = dict[str, Any]


# ---- the variables


@pytest.fixture
def folder(tmp_path: Path) -> str:
    (tmp_path / "patch.yml").touch()
    return str(tmp_path)


def given(
    number: int = 1, *, disk_ids: Any = (), patch: str = "patch.yml", tasks: Any = None, prune: bool = False, **variables: Any
) -> Record:
    """What a host names; ``variables``: those of the inner roles that differ, and ``vm_id``, ``run_id`` and ``prefix``."""
    own: Record = {
        key: variables.pop(key) for key in ("vm_id", "run_id", "run_id_type", "prefix", "manifest_dir", "report_file") if key in variables
    }
    roles = {role: {name: variables.pop(name, value) for name, value in options.items()} for role, options in VARIABLES.items()}
    assert not variables
    known = {"vm_id": f"vm-{number}", "run_id": "p-1", "run_id_type": "str", "prefix": "n-", "manifest_dir": "/m", "report_file": "", **own}
    return {
        **known,
        "disk_ids": disk_ids,
        "prune": prune,
        "files": {"patch": patch, "precheck": "", "report": "", **(tasks or {})},
        "variables": roles,
    }


def test_input(folder: str) -> None:
    found = checked_input({"a": given(prune=True)}, folder)
    assert found == {
        "hosts": {
            "a": {
                "vm_id": "vm-1",
                "disk_ids": [],
                "run_id": "p-1",
                "run_id_type": "str",
                "prefix": "n-",
                "max_age": "24h",
                "limit": 10,
                "reserve": 1,
                "before_tasks": "",
                "after_tasks": "",
                "rollback": {"disk_ids": [], "backup": False, "again": False, "limit": 10},
                "prune": True,
                "policy": {"prefix": "n-", "keep_last": 3, "older_than": "14d", "keep_run_ids": []},
                "tasks_for": ["patch"],
                "msg": "",
            }
        },
        "vm_ids": ["vm-1"],
        "run": {"run_id": "p-1", "prefix": "n-", "manifest_dir": "/m", "report_file": ""},
        "vm_of": {"a": "vm-1"},
        "tasks_for": ["patch"],
        "prune": True,
    }


def test_what_any_host_has(folder: str) -> None:
    report = {"report": "patch.yml"}
    found = checked_input({"a": given(1), "b": given(2, prune=True), "c": given(3, tasks=report), "d": given(4, patch="")}, folder)
    assert (found["tasks_for"], found["prune"]) == (["patch", "report"], True)
    assert [each["tasks_for"] for each in found["hosts"].values()] == [["patch"], ["patch"], ["patch", "report"], []]


@pytest.mark.parametrize(
    ("more", "key", "value"),
    [
        ({"run_id": 20261123}, "run_id", "20261123"),
        ({"disk_ids": "d1"}, "disk_ids", ["d1"]),
        ({"vm_id": None}, "vm_id", ""),
        ({"snapshot_rollback_backup": "yes"}, "reserve", 2),
        ({"prune": "no"}, "prune", False),
        ({"snapshot_create_limit": "7"}, "limit", 7),
    ],
)
def test_input_is_typed(folder: str, more: Record, key: str, value: Any) -> None:
    assert checked_input({"a": given(**more)}, folder)["hosts"]["a"][key] == value


@pytest.mark.parametrize(
    ("more", "msg"),
    [
        ({"snapshot_create_max_age": "soon"}, f"invalid duration: snapshot_create_max_age {DURATION}"),
        ({"snapshot_prune_older_than": "soon", "prune": True}, f"invalid duration: snapshot_prune_older_than {DURATION}"),
        ({"snapshot_prune_older_than": "soon"}, ""),
        ({"snapshot_prune_older_than": "", "snapshot_prune_keep_last": 0, "prune": True}, PRUNE),
        ({"prefix": "", "prune": True}, PRUNE),
        ({"patch": ""}, "guarded_maintenance_patch_tasks must name a task file."),
        ({"vm_id": "", "disk_ids": ["d1"]}, "set ucloudstack_vm_id: a host can only be rolled back if its VM can be stopped."),
        ({"run_id": "False", "run_id_type": "bool"}, "the run id False is a bool, which may have been written otherwise: quote it."),
        ({"vm_id": ""}, ""),  # left to host_disks
        ({"disk_ids": ["d1"]}, ""),
    ],
)
def test_fault_of_the_variables(folder: str, more: Record, msg: str) -> None:
    found = checked_input({"a": given(**more)}, folder)
    assert found["hosts"]["a"]["msg"] == msg
    assert found["vm_ids"] == ([] if msg or not found["hosts"]["a"]["vm_id"] else ["vm-1"])


def test_missing_task_files_are_named(folder: str) -> None:
    msg = checked_input({"a": given(tasks={"precheck": "gone.yml"})}, folder)["hosts"]["a"]["msg"]
    assert msg == f"{folder}/gone.yml does not exist: give a path relative to the directory of the playbook, or an absolute one."


@pytest.mark.parametrize("name", ["snapshot_create_limit", "snapshot_rollback_backup", "snapshot_prune_keep_last"])
def test_variable_of_an_inner_role_that_has_another_type(folder: str, name: str) -> None:
    for prune in (False, True):
        variables: Record = {name: "many"}
        msg = checked_input({"a": given(prune=prune, **variables)}, folder)["hosts"]["a"]["msg"]
        assert name in msg and "\n" not in msg


@pytest.mark.parametrize(("key", "value"), [("run_id", "p-2"), ("prefix", "m-"), ("manifest_dir", "/n"), ("report_file", "/r.html")])
def test_run_that_differs_between_hosts_is_refused_on_all(folder: str, key: str, value: str) -> None:
    other: Record = {key: value}
    found = checked_input({"a": given(1), "b": given(2, **other)}, folder)
    assert {each["msg"].partition(":")[0] for each in found["hosts"].values()} == {SAME} and found["vm_ids"] == []
    assert checked_input({"a": given(1, run_id=7), "b": given(2, run_id="7")}, folder)["run"]["run_id"] == "7"


def test_host_that_skips_the_role_takes_no_part(folder: str) -> None:
    found = checked_input({"a": given(1), "b": {}}, folder)
    assert (list(found["hosts"]), found["vm_ids"]) == (["a"], ["vm-1"]) and checked_input({}, folder)["run"] == {}


def test_several_invalid_variables_are_all_named(folder: str) -> None:
    msg = checked_input({"a": given(snapshot_create_limit="many", snapshot_prune_keep_last="few")}, folder)["hosts"]["a"]["msg"]
    assert "snapshot_create_limit" in msg and "snapshot_prune_keep_last" in msg


def test_vm_of_two_hosts_is_refused_on_both(folder: str) -> None:
    found = checked_input({"a": given(1), "b": given(1), "c": given(2), "d": given(vm_id=""), "e": given(vm_id="")}, folder)
    why = "another host of the play also has the VM vm-1."
    assert [each["msg"] for each in found["hosts"].values()] == [why, why, "", "", ""] and found["vm_ids"] == ["vm-2"]


# ---- where each host is in the run


def host(**more: Any) -> Record:
    return {"vm_id": "vm-1", "disk_ids": ["d1"], "run_id": "p-1", "prefix": "n-", "max_age": "24h", "msg": "", **more}


def start(entry: Any = None, *, unfinished: Any = (), abandon: str = "", **more: Any) -> Record:
    """The record of one host."""
    manifest = {"manifest": {"hosts": {"a": entry} if entry else {}}, "unfinished": {"a": list(unfinished)}}
    found: Record = started({"a": host(**more)}, manifest=manifest, abandon=abandon, check_mode=False, now=NOW)["hosts"]["a"]
    return found


def entry(state: str, hours: float | None = 1, name: str = "n-p-1") -> Record:
    return {"state": state, "snapshots": [{"name": name, "create_time": None if hours is None else NOW - int(hours * 3600)}]}


OLD = "its snapshots are older than 24h: roll it back with the playbook rollback, or abandon the run"
FINISHED = "already verified in this run, whose snapshots are older than 24h: patch it in a new run"
INTERRUPTED = "its rollback was interrupted before"


@pytest.mark.parametrize(
    ("known", "earlier", "state", "patched", "msg"),
    [
        (None, "", "", False, ""),
        (entry("planned"), "planned", "", False, ""),
        (entry("snapshotted"), "snapshotted", "", False, ""),
        (entry("failed"), "failed", "", False, ""),
        (entry("patching"), "patching", "", False, ""),
        (entry("verified"), "verified", "verified", True, ""),
        (entry("restoring"), "restoring", "restoring", False, INTERRUPTED),
        (entry("restored"), "restored", "restored", False, "already restored in this run: patch it in a new run"),
        ({"state": "patching"}, "patching", "", False, ""),
        (entry("patching", 24), "patching", "", False, ""),
        (entry("patching", 25), "patching", "failed", False, OLD),
        (entry("restoring", 25), "restoring", "failed", False, OLD),
        (entry("patching", None), "patching", "", False, ""),
        (entry("patching", 25, "n-p-1-b1"), "patching", "", False, ""),
        (entry("snapshotted", 25), "snapshotted", "", False, ""),
        (entry("verified", 24), "verified", "verified", True, ""),
        (entry("verified", 25), "verified", "failed", True, FINISHED),
    ],
)
def test_start(known: Any, earlier: str, state: str, patched: bool, msg: str) -> None:
    assert start(known) == {
        **host(msg=msg),
        "earlier": earlier,
        "state": state,
        "patched": patched,
        "failed_task": "",
        "fault": "",
    }


UNFINISHED = "run {} is unfinished: resume it with guarded_maintenance_run_id=p-0, or abandon it with guarded_maintenance_abandon=p-0."


@pytest.mark.parametrize(
    ("unfinished", "abandon", "fault", "abandoned"),
    [
        ([], "", "", False),
        ([], "p-0", "", False),
        (["p-0"], "", UNFINISHED.format("p-0"), False),
        (["p-0", "p-00"], "", UNFINISHED.format("p-0, p-00"), False),
        (["p-0"], "p-0", "", True),
        (["p-0", "p-00"], "p-00", UNFINISHED.format("p-0"), True),
        (["p-0"], "p-9", UNFINISHED.format("p-0"), False),
    ],
)
def test_unfinished_runs(unfinished: list[str], abandon: str, fault: str, abandoned: bool) -> None:
    manifest = {"manifest": {"hosts": {}}, "unfinished": {"a": unfinished}}
    found = started({"a": host(), "b": host()}, manifest=manifest, abandon=abandon, check_mode=False, now=NOW)
    assert [each["fault"] for each in found["hosts"].values()] == [fault, ""]
    assert found["abandoned"] == ({"a": {"state": "failed"}} if abandoned else {})


def test_check_mode_that_only_the_modules_see_is_refused() -> None:
    found = started({"a": host()}, manifest={"check_mode": True}, abandon="", check_mode=False, now=NOW)
    assert found["hosts"]["a"]["fault"].startswith("check_mode is set on the play") and not found["good"]


def test_fault_comes_first() -> None:
    manifest = {"failed": True, "msg": "invalid run id", "unfinished": {"a": ["p-0"]}}
    found = started({"a": host(msg="no VM"), "b": host()}, manifest=manifest, abandon="", check_mode=False, now=NOW)
    assert [each["fault"] for each in found["hosts"].values()] == ["no VM", "invalid run id"] and not found["good"]
    assert started({"a": host()}, manifest={}, abandon="", check_mode=False, now=NOW)["good"]


@pytest.mark.parametrize(
    ("known", "own"),
    [
        ({"vm_id": "vm-1", "disk_ids": ["d1"]}, True),
        ({"vm_id": "vm-2", "disk_ids": ["d1"]}, False),
        ({"vm_id": "vm-1", "disk_ids": []}, False),
    ],
)
@pytest.mark.parametrize("state", ["verified", "patching"])
def test_entry_of_another_machine_with_the_same_name(known: Record, own: bool, state: str) -> None:
    fault = start({**entry(state), **known})["fault"]
    assert fault.startswith("" if own else "the manifest of this run has vm-") and bool(fault) is not own


def test_invalid_age_of_a_host_that_was_being_patched_is_its_fault_alone() -> None:
    assert start(entry("patching", 25), max_age="soon", msg="invalid duration")["fault"] == "invalid duration"


@pytest.mark.parametrize("manifest", [{}, {"manifest": None}, {"manifest": {}}])
def test_run_without_a_manifest(manifest: Record) -> None:
    found = started({"a": host()}, manifest=manifest, abandon="", check_mode=False, outside=["b"])
    assert (found["hosts"]["a"]["earlier"], found["hosts"]["a"]["fault"], found["ask"]) == ("", "", [])


def test_ages_count_from_now() -> None:
    found = started({"a": host()}, manifest={"manifest": {"hosts": {"a": entry("patching", 90000)}}}, abandon="", check_mode=False)
    assert found["hosts"]["a"]["msg"] == OLD


def test_number_as_abandoned_run_is_text() -> None:
    assert start(unfinished=["7"], abandon=7)["fault"] == ""  # type: ignore[arg-type]


def test_hosts_outside_that_this_run_was_patching_are_asked() -> None:
    entries = {"b": entry("patching"), "c": entry("restoring"), "d": entry("verified"), "e": entry("snapshotted"), "f": entry("patching")}
    found = started(
        {"a": host()}, manifest={"manifest": {"hosts": entries}}, abandon="", check_mode=False, outside=["b", "c", "d", "e", "g"], now=NOW
    )
    assert (found["ask"], found["entries"]) == (["b", "c"], entries)


# ---- hosts that do not answer

BATCH = {
    "hosts": {"a": {"fault": "", "state": "", "msg": ""}, "b": {"fault": "no VM", "state": "", "msg": ""}},
    "entries": {"c": {"vm_id": "vm-3", "disk_ids": ["d3"], "power_state": "Running", "state": "patching", "marker": "m"}},
    "ask": ["c"],
    "abandoned": {"a": {"state": "failed"}, "b": {"state": "failed"}},
}


def test_hosts_with_a_fault_leave_the_batch() -> None:
    found = with_unreachable(BATCH, {"results": []}, {"skipped": True})
    assert (found["hosts"], found["refused"]) == tuple({host: BATCH["hosts"][host]} for host in "ab")  # type: ignore[index]


@pytest.mark.parametrize("result", [{"unreachable": True}, {"failed": True}])
def test_host_that_does_not_answer_is_restored(result: Record) -> None:
    found = with_unreachable(BATCH, {"results": [{"item": "c", **result}]}, {})
    assert found["hosts"]["c"] == {
        "vm_id": "vm-3",
        "disk_ids": ["d3"],
        "power_state": "Running",
        "earlier": "patching",
        "state": "restoring",
        "patched": False,
        "failed_task": "",
        "fault": "",
        "msg": "unreachable, and its patch was started before",
    }


def test_host_that_answers_is_left_alone() -> None:
    assert list(with_unreachable(BATCH, {"results": [{"item": "c"}]}, {})["hosts"]) == ["a"]


def test_host_is_not_patched_if_its_other_run_could_not_be_abandoned() -> None:
    found = with_unreachable(BATCH, {"skipped": True}, {"failed": True, "msg": "disk full"})["hosts"]
    assert found == {"a": {"fault": "", "state": "failed", "msg": "disk full"}}


def test_host_is_not_patched_if_another_process_works_on_it_in_the_other_run() -> None:
    refused = {"refused": {"a": {"controller": "ctl1", "since": "noon"}}}
    found = with_unreachable(BATCH, {"skipped": True}, refused)["hosts"]["a"]
    assert found["state"] == "failed" and "on ctl1" in found["msg"] and "guarded_maintenance_take_over=true" in found["msg"]
