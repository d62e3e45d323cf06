# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``rollback_plan``: which snapshots a host is rolled back to, and when it is refused; as tables, and for arbitrary snapshots."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils import _rollback_plan as plugin
from hypothesis import given
from hypothesis import strategies as st

NAME = "n-patch-1"
REMARK = "ucloudstack.cloud run=patch-1 vm=vm-1 disks=2"
VM = {"vm_id": "vm-1", "state": "Running", "disk_ids": ["d1", "d2"]}
OFF = {**VM, "state": "Stopped"}
BARE = {"vm_id": "vm-1", "disk_ids": ["d1", "d2"]}
"""What is known of the run without a manifest."""
RUN = {**BARE, "power_state": "Running", "state": "verified", "snapshots": [{"snapshot_id": "s1"}, {"snapshot_id": "s2"}]}
RESTORING = {**RUN, "state": "restoring"}
NO_VM = {"run": {"vm_id": "", "disk_ids": ["d1", "d2"]}, "vm": {}}

Record = dict[str, Any]
Plan = dict[str, Any]


def record(snapshot_id: str, disk_id: str, **more: Any) -> Record:
    """A snapshot of the run."""
    return {"snapshot_id": snapshot_id, "disk_id": disk_id, "name": NAME, "status": "Normal", "remark": REMARK, **more}


def marker(disk: int, number: int, **more: Any) -> Record:
    """The marker of a rollback of the disk to its snapshot of the run."""
    made = {"remark": f"ucloudstack.cloud marker target=s{disk}", "created_at": f"2026-11-23T10:{number:02}:0{disk}Z"}
    return record(f"r{number}-{disk}", f"d{disk}", **{"name": f"{NAME}-r{number}", **made, **more})


def backup(disk: int, number: int, **more: Any) -> Record:
    """What keeps the state of the disk from before the rollback of this number."""
    remark = f"ucloudstack.cloud backup marker={NAME}-r{number} target=s{disk}"
    return record(f"b{number}-{disk}", f"d{disk}", name=f"{NAME}-b{number}", **{"remark": remark, **more})


S1, S2 = TWO = [record("s1", "d1"), record("s2", "d2")]


def others(count: int, **more: Any) -> list[Record]:
    """That many more snapshots of the first disk."""
    return [record(f"x{number}", "d1", **{"name": f"x{number}", "remark": "", **more}) for number in range(count)]


def plan(snapshots: Any = ..., **options: Any) -> Plan:
    known = {"host": "web1", "run_id": "patch-1", "prefix": "n-", "run": RUN, "vm": VM}
    found: Plan = plugin.rollback_plan(TWO if snapshots is ... else snapshots, **{**known, **options})
    return found


def test_plan() -> None:
    assert plan(own=BARE) == {
        "host": "web1",
        "entry": {"vm_id": "vm-1", "disk_ids": ["d1", "d2"], "power_state": "Running", "marker": f"{NAME}-r1"},
        "vm_id": "vm-1",
        "power_state": "Running",
        "was_on": True,
        "attach_to": {"d1": "vm-1", "d2": "vm-1"},
        "whole_vm": True,
        "disk_ids": ["d1", "d2"],
        "snapshot_ids": ["s1", "s2"],
        "marker": f"{NAME}-r1",
        "backup": "",
        "already": "",
        "msg": "",
    }
    assert plan(backup=True)["backup"] == f"{NAME}-b1"


@pytest.mark.parametrize(
    ("state", "was_on"),
    [
        ("Running", True),
        ("Starting", True),
        ("restarting", True),
        ("Initializing", True),
        ("Stopped", False),
        ("Saved", False),
        ("", False),
    ],
)
def test_vm_that_was_on_is_started_afterwards(state: str, was_on: bool) -> None:
    assert plan(run={**RUN, "power_state": state}, vm={**VM, "state": "Stopped"})["was_on"] is was_on


def test_disks_without_a_vm_are_attached_to_nothing() -> None:
    assert plan(**NO_VM)["attach_to"] == {}


def test_disk_that_its_own_rollback_left_detached_is_rolled_back_and_attached_again() -> None:
    left = {**VM, "state": "Stopped", "disk_ids": ["d1"]}
    found = plan(run=RESTORING, vm=left, own={"vm_id": "vm-1", "disk_ids": ["d1"]})
    assert (found["msg"], found["disk_ids"], found["attach_to"]["d2"]) == ("", ["d1", "d2"], "vm-1")
    assert plan(run=RESTORING, vm={**left, "state": "Running"})["msg"] == "d2 is no longer attached to vm-1"


# ---- found

FOREIGN = [
    record("x1", "d1", name="n-patch-10"),
    record("x2", "d1", name="n-patch-1-b1"),
    record("x3", "d2", name="an-patch-1"),
    record("x4", "d2", name="n-patch-1", remark="by hand"),
    record("x5", "d9"),
    record("x6", "d1", status="Failure"),
    record("x7", "d1", automatic=True),
]


@pytest.mark.parametrize(
    ("snapshots", "options"),
    [
        (TWO, {}),
        (TWO, {"run": BARE}),
        (TWO, {"run": {**RUN, "snapshots": []}}),
        (TWO, {"run": {**RUN, "snapshots": None}}),
        (TWO, {"own": {"vm_id": "vm-1", "disk_ids": []}}),
        (TWO, {"own": {"vm_id": "", "disk_ids": ["d2", "d1", "d3"]}}),
        (TWO, {"own": None}),
        ([*FOREIGN, *TWO], {}),
        ([*TWO, *FOREIGN], {"run": BARE}),
        ([record("x1", "d1"), *TWO], {}),
        ([{**S1, "status": "RollBacking"}, S2], {}),
        ([{**S1, "status": "RollBacking"}, S2], {"run": BARE}),
        ([{**each, "remark": "ucloudstack.cloud run=patch-1 vm= disks=2"} for each in TWO], NO_VM),
        (TWO, {"disk_ids": ["d1", "d2", "d1"]}),
    ],
)
def test_found(snapshots: list[Record], options: dict[str, Any]) -> None:
    for seed in range(5):
        found = plan(random.Random(seed).sample(snapshots, len(snapshots)), **options)
        assert (found["msg"], found["snapshot_ids"], found["already"]) == ("", ["s1", "s2"], "")


def test_only_the_disks_asked_for() -> None:
    found = plan(disk_ids=["d2"])
    assert (found["msg"], found["disk_ids"], found["snapshot_ids"], found["whole_vm"]) == ("", ["d2"], ["s2"], False)
    assert found["entry"]["disk_ids"] == ["d1", "d2"]
    assert plan([S2], disk_ids=["d2"])["msg"] == ""
    assert plan([S2], disk_ids=["d2"], run=BARE)["msg"] == f"d1 has no snapshot {NAME}"  # nothing else tells that the run is complete


@pytest.mark.parametrize("run_id", ["a.c", "a-c", "A.c", "._-", "..."])
def test_names_are_no_patterns(run_id: str) -> None:
    remark = f"ucloudstack.cloud run={run_id} vm=vm-1 disks=2"
    mine = [{**each, "name": f"n+{run_id}", "remark": remark} for each in TWO]
    wrong = [{**marker(disk, 1), "name": "nn" + "abc"[: len(run_id)] + "-r1"} for disk in (1, 2)]
    right = [{**each, "name": f"n+{run_id}-r1"} for each in wrong]
    assert plan([*mine, *wrong], run_id=run_id, prefix="n+") == plan(mine, run_id=run_id, prefix="n+")
    assert plan(mine, run_id=run_id, prefix="n+")["snapshot_ids"] == ["s1", "s2"]
    assert plan([*mine, *right], run_id=run_id, prefix="n+")["already"] == "2026-11-23T10:01:02Z"


def test_run_whose_name_begins_like_another() -> None:
    of_ten = [record(f"t{disk}", f"d{disk}", name="n-patch-10", remark=REMARK.replace("patch-1", "patch-10")) for disk in (1, 2)]
    run = {**RUN, "snapshots": []}
    assert plan([*TWO, *of_ten], run=run)["snapshot_ids"] == ["s1", "s2"]
    assert plan([*TWO, *of_ten], run=run, run_id="patch-10")["snapshot_ids"] == ["t1", "t2"]
    assert plan(of_ten, run=run)["msg"] == f"d1 has no snapshot {NAME}; it has snapshots of patch-10"
    assert plan(TWO, run=run, run_id="patch-10")["msg"] == "d1 has no snapshot n-patch-10; it has snapshots of patch-1"


def test_runs_that_a_host_could_be_restored_to_are_named() -> None:
    def other(run_id: str, **change: str) -> Record:
        return {**S1, "name": f"n-{run_id}", "remark": REMARK.replace("patch-1", run_id), **change}

    there = [
        other("b"),
        other("a"),
        other("c", name="n-c-r1"),
        other("d", disk_id="d2"),
        other("e", remark="by hand"),
        other("f", name="f"),
    ]
    assert plan(there, run=BARE)["msg"] == f"d1 has no snapshot {NAME}; it has snapshots of a, b"
    assert (
        plan([other("g", remark=REMARK.replace("vm-1", "vm-11").replace("patch-1", "g"))], run=BARE)["msg"] == f"d1 has no snapshot {NAME}"
    )


# ---- refused


def but(**change: Any) -> list[Record]:
    """The run, its second snapshot changed."""
    return [S1, {**S2, **change}]


ODD_REMARKS = [
    *(REMARK.replace(*pair) for pair in [("patch-1", "patch-2"), ("vm-1", "vm-2"), ("=2", "=3")]),
    f"{REMARK} ",
    "by hand",
    "",
    None,
]


@pytest.mark.parametrize("run", [RUN, BARE])
@pytest.mark.parametrize(
    ("snapshots", "msg"),
    [
        ([], f"d1 has no snapshot {NAME}"),
        ([S1], f"d2 has no snapshot {NAME}"),
        (but(name="N-patch-1"), f"d2 has no snapshot {NAME}"),
        (but(name="n-patch-10"), f"d2 has no snapshot {NAME}"),
        (but(name="n-patch-1-b1"), f"d2 has no snapshot {NAME}"),
        (but(disk_id="d3"), f"d2 has no snapshot {NAME}"),
        (but(disk_id="d1"), f"d1 has 2 snapshots {NAME}, s1 and s2: delete the wrong one"),
        *(
            (but(remark=odd), f"d2 has a snapshot {NAME} with the remark {odd!r}, but the remark of the run is {REMARK!r}")
            for odd in ODD_REMARKS
        ),
        *(
            (but(status=status), f"d2 has a snapshot {NAME} whose status is {status}")
            for status in ("Createing", "Failure", "Deleting", "Deleted", "Released", "Pondering", "Norma", "")
        ),
    ],
)
def test_snapshots_that_are_not_those_of_the_run(snapshots: list[Record], msg: str, run: dict[str, Any]) -> None:
    assert plan(snapshots, run=run)["msg"] == msg


def test_snapshot_without_a_remark() -> None:
    bare = {key: value for key, value in S2.items() if key != "remark"}
    assert "with the remark None" in plan([S1, bare])["msg"]


def test_ids_of_the_manifest() -> None:
    assert plan([S1, record("s3", "d2")])["msg"] == f"d2 has a snapshot {NAME}, s3, that is not the one in the manifest"
    half = {**RUN, "snapshots": [{"snapshot_id": "s1"}]}
    assert plan(run=half)["msg"] == f"d2 has a snapshot {NAME}, s2, that is not the one in the manifest"
    assert plan(run=half, disk_ids=["d1"])["msg"] == ""


def test_two_candidates() -> None:
    msg = f"d2 has 2 snapshots {NAME}, s2 and s3: delete the wrong one"
    three = [*TWO, record("s3", "d2")]
    assert (
        plan(three, run=BARE)["msg"] == plan(three, run={**RUN, "snapshots": [{"snapshot_id": f"s{i}"} for i in (1, 2, 3)]})["msg"] == msg
    )


ELSEWHERE = "run patch-1 was created for vm-1, but the host is now vm-2"


@pytest.mark.parametrize(
    ("options", "msg"),
    [
        ({"vm": {}}, "VM vm-1 does not exist"),
        ({"vm": None}, "VM vm-1 does not exist"),
        ({"vm": {**VM, "disk_ids": ["d1"]}}, "d2 is no longer attached to vm-1"),
        ({"vm": {"vm_id": "vm-1", "state": "Running"}}, "d1 is no longer attached to vm-1"),
        ({"own": {"vm_id": "vm-2", "disk_ids": ["d1", "d2"]}}, ELSEWHERE),
        ({"own": {"vm_id": "vm-2", "disk_ids": []}}, ELSEWHERE),
        ({**NO_VM, "own": BARE}, "run patch-1 was created for disks without a VM, but the host is now vm-1"),
        ({"own": {"vm_id": "vm-1", "disk_ids": ["d1"]}}, "d2 is no longer a disk of the host"),
        ({"own": {"vm_id": "", "disk_ids": ["d3"]}}, "d1 is no longer a disk of the host"),
        ({"disk_ids": ["d1", "d9"]}, "d9 is not a disk of run patch-1"),
        ({"run": {"vm_id": "vm-1", "disk_ids": []}}, "no disks are known for run patch-1"),
        ({"run": {}, "vm": {}}, "no disks are known for run patch-1"),
        ({"run": {}, "disk_ids": ["d1"]}, "no disks are known for run patch-1"),
    ],
)
@pytest.mark.parametrize("marked", [[], [marker(1, 1), marker(2, 1)]])
def test_host_whose_disks_or_vm_changed(options: dict[str, Any], msg: str, marked: list[Record]) -> None:
    found = plan([*TWO, record("s9", "d9"), *marked], **options)
    assert found["msg"] == msg
    assert found["already"] == "" and "s9" not in found["snapshot_ids"]


def test_disks_that_are_not_asked_for_may_be_elsewhere() -> None:
    assert plan(disk_ids=["d1"], vm={**VM, "disk_ids": ["d1"]}, own={"vm_id": "vm-1", "disk_ids": ["d1"]})["msg"] == ""


# ---- full disks


@pytest.mark.parametrize(
    ("there", "options", "more"),
    [
        ([], {"limit": 2}, 0),
        ([], {"limit": 1}, 1),
        ([], {"limit": 3, "backup": True}, 0),
        ([], {"limit": 2, "backup": True}, 2),
        ([], {"limit": 0, "backup": True}, 0),
        (others(7), {"limit": 9}, 0),
        (others(8), {"limit": 9}, 1),
        (others(8), {"limit": 9, "disk_ids": ["d1"]}, 1),
        (others(8), {"limit": 9, "disk_ids": ["d2"]}, 0),
        (others(20), {"limit": 0}, 0),
        (others(20, automatic=True), {"limit": 9}, 0),
        (others(8, automatic=False), {"limit": 9}, 1),
        ([marker(1, 1)], {"limit": 2, "vm": OFF}, 0),
        ([marker(1, 1), *others(5)], {"limit": 2, "vm": OFF}, 0),
        ([marker(1, 1)], {"limit": 2, "vm": OFF, "backup": True}, 1),
        ([backup(1, 1)], {"limit": 3, "backup": True}, 0),
        ([backup(1, 1)], {"limit": 2, "backup": True}, 1),
        ([marker(1, 1), backup(1, 1)], {"limit": 3, "vm": OFF, "backup": True}, 0),
        ([marker(1, 1), marker(2, 1)], {"limit": 1, "backup": True}, 0),
        ([marker(1, 1), marker(2, 1), *others(5)], {"limit": 1, "run": RESTORING, "vm": OFF, "backup": True}, 0),
        ([marker(1, 1), marker(2, 1)], {"limit": 3, "again": True}, 0),
        ([marker(1, 1), marker(2, 1)], {"limit": 2, "again": True}, 1),
        ([marker(1, 1), marker(2, 1), backup(1, 1)], {"limit": 4, "again": True, "backup": True}, 2),
    ],
)
def test_full_disks(there: list[Record], options: dict[str, Any], more: int) -> None:
    msg = plan([*TWO, *there], **options)["msg"]
    count = sum(each["disk_id"] == "d1" for each in [*TWO, *there])
    said = f"d1 has {count} snapshots, the limit is {options['limit']}, and {more} more would be created"
    assert msg.startswith(said) if more else msg == ""


def test_snapshots_that_could_go_are_those_of_this_tool_but_never_the_one_to_go_back_to() -> None:
    ours, theirs = others(3, remark="ucloudstack.cloud run=patch-0 vm=vm-1 disks=2"), others(4, remark="ucloudstack.cloudy")
    assert plan([*TWO, *theirs], limit=5)["msg"].endswith("; 0 of them, created by this collection, can be pruned")
    assert plan([*TWO, *ours, *theirs, *others(1, remark=None)], limit=5)["msg"].endswith(
        "; 3 of them, created by this collection, can be pruned"
    )


# ---- markers

NONE: list[Record] = []
PART, OTHER_PART = [marker(1, 1)], [marker(2, 1)]
BOTH = [marker(1, 1), marker(2, 1)]
BOTH_AND_PART = [*BOTH, marker(1, 2)]
TWICE = [*BOTH, marker(1, 2), marker(2, 2)]
NINE = [marker(1, 9), marker(2, 9)]
RESTORED = {**RUN, "state": "restored"}
FIRST, SECOND = ({**RESTORING, "marker": f"{NAME}-r{number}"} for number in (1, 2))
MIXED = " had been rolled back to n-patch-1 before, and may have changed since: set snapshot_rollback_again=true to roll back all disks"


@pytest.mark.parametrize(
    ("marked", "options", "number", "outcome"),
    [
        (NONE, {}, 1, ""),
        (NONE, {"again": True}, 1, ""),
        (NONE, {"run": RESTORING, "vm": OFF}, 1, ""),
        (NONE, {"run": FIRST, "vm": OFF}, 1, ""),
        # Done before: nothing is done, but again.
        (BOTH, {}, 1, "at 2026-11-23T10:01:02Z"),
        (BOTH, {"run": BARE}, 1, "at 2026-11-23T10:01:02Z"),
        (BOTH, {"run": RESTORED}, 1, "at 2026-11-23T10:01:02Z"),
        (BOTH, {"run": RESTORED, "vm": OFF}, 1, "at 2026-11-23T10:01:02Z"),
        (BOTH, {"backup": True}, 1, "at 2026-11-23T10:01:02Z"),
        (TWICE, {}, 2, "at 2026-11-23T10:02:02Z"),
        (NINE, {}, 9, "at 2026-11-23T10:09:02Z"),
        ([{**each, "created_at": None} for each in BOTH], {}, 1, "at an unknown time"),
        (BOTH, {"again": True}, 2, ""),
        (BOTH, {"again": True, "run": BARE}, 2, ""),
        (BOTH, {"again": True, "vm": OFF}, 2, ""),
        (TWICE, {"again": True}, 3, ""),
        ([marker(1, 8), marker(2, 8)], {"again": True}, 9, ""),
        (NINE, {"again": True}, 10, f"already rolled back to {NAME} 9 times, and no marker names are left: use a new run"),
        (
            NINE,
            {"again": True, "limit": 1},
            10,
            f"already rolled back to {NAME} 9 times, and no marker names are left: use a new run",
        ),
        # Each disk by itself.
        (PART, {"disk_ids": ["d1"]}, 1, "at 2026-11-23T10:01:01Z"),
        (PART, {"disk_ids": ["d2"]}, 1, ""),
        (PART, {"disk_ids": ["d1"], "again": True}, 2, ""),
        # Interrupted: it is resumed, unless the VM has run since with only half of its disks rolled back.
        (PART, {"vm": OFF}, 1, ""),
        (PART, {"vm": OFF, "run": BARE}, 1, ""),
        (PART, {"vm": OFF, "run": RESTORING}, 1, ""),
        (PART, {"vm": OFF, "run": FIRST, "again": True}, 1, ""),
        (OTHER_PART, {"vm": OFF, "run": FIRST}, 1, ""),
        (BOTH_AND_PART, {"vm": OFF}, 2, ""),
        (BOTH_AND_PART, {"vm": OFF, "run": SECOND, "again": True}, 2, ""),
        ([marker(1, 9)], {"vm": OFF}, 9, ""),
        *((PART, {"vm": {**VM, "state": state}}, 1, f"only d1{MIXED}") for state in ("Running", "Starting", "Restarting")),
        (PART, {"run": FIRST}, 1, f"only d1{MIXED}"),
        (OTHER_PART, {"run": RESTORED, "vm": OFF}, 1, f"only d2{MIXED}"),
        (BOTH_AND_PART, {}, 2, f"only d1{MIXED}"),
        (PART, {"again": True}, 2, ""),
        (PART, {"again": True, "run": RESTORED, "vm": OFF}, 2, ""),
        (PART, {"again": True, "run": FIRST}, 2, ""),
        # All disks are rolled back, but the VM was not started.
        (BOTH, {"run": RESTORING, "vm": OFF}, 1, ""),
        (BOTH, {"run": FIRST, "vm": OFF}, 1, ""),
        (BOTH, {"run": FIRST, "vm": OFF, "again": True}, 1, ""),
        (BOTH, {"run": FIRST, "vm": {**VM, "state": "Stopping"}}, 1, ""),
        (BOTH, {"run": FIRST}, 1, "at 2026-11-23T10:01:02Z"),
        (BOTH, {"run": FIRST, "again": True}, 2, ""),
        # A repeated rollback, interrupted before the first disk.
        (BOTH, {"run": SECOND, "vm": OFF}, 2, ""),
        (BOTH, {"run": SECOND, "vm": OFF, "again": True}, 2, ""),
        (BOTH, {"run": SECOND}, 1, "at 2026-11-23T10:01:02Z"),
        (TWICE, {"run": SECOND, "vm": OFF}, 2, ""),
    ],
)
def test_markers(marked: list[Record], options: dict[str, Any], number: int, outcome: str) -> None:
    for snapshots in ([*TWO, *marked], [*reversed(marked), *TWO]):
        found = plan(snapshots, **options)
        assert (f"at {found['already']}" if found["already"] else found["msg"]) == outcome
        assert found["marker"] == found["entry"]["marker"] == f"{NAME}-r{number}"
        assert found["backup"] in ("", f"{NAME}-b{number}")


def test_disks_without_a_vm_that_were_rolled_back_in_part() -> None:
    two = [{**each, "remark": "ucloudstack.cloud run=patch-1 vm= disks=2"} for each in TWO]
    run = NO_VM["run"]
    assert plan([*two, *PART], **NO_VM)["msg"] == plan([*two, *PART], run={**run, "state": "restoring"}, vm={})["msg"] == ""
    assert plan([*two, *PART], run={**run, "state": "restored"}, vm={})["msg"] == f"only d1{MIXED}"


@pytest.mark.parametrize(
    "change",
    [
        {"name": f"{NAME}-r0"},
        {"name": f"{NAME}-r10"},
        {"name": f"{NAME}-r1x"},
        {"name": f"{NAME}-r1\n"},
        {"name": f"{NAME}-b2"},
        {"name": "n-patch-10-r1"},
        {"name": ""},
        {"disk_id": "d9"},
    ],
    ids=str,
)
def test_what_is_no_marker(change: dict[str, Any]) -> None:
    assert plan([*TWO, *({**each, **change} for each in BOTH)]) == plan()


NOT_OURS = [{"remark": "by hand"}, {"remark": ""}, {"remark": None}, {"remark": "ucloudstack.cloud marker target=s0"}]


@pytest.mark.parametrize("change", NOT_OURS, ids=str)
def test_foreign_snapshot_with_the_name_of_a_backup_or_marker_is_found_before_the_vm_is_stopped(change: dict[str, Any]) -> None:
    """The module would refuse it, and by then the VM is off."""
    taken = [*TWO, marker(1, 1, **change)]
    for options in ({}, {"again": True}, {"vm": OFF}, {"run": BARE}):
        assert (
            plan(taken, **options)["msg"]
            == f"d1 has a snapshot {NAME}-r1, r1-1, that is not a backup or marker of this rollback: delete it"
        )
    assert plan(taken, disk_ids=["d2"])["msg"] == ""
    assert plan([*taken, marker(2, 1)], vm=OFF)["msg"].startswith(f"d1 has a snapshot {NAME}-r1, r1-1,")
    kept = [*TWO, backup(2, 1, **change)]
    assert plan(kept)["msg"] == ""
    assert (
        plan(kept, backup=True)["msg"] == f"d2 has a snapshot {NAME}-b1, b1-2, that is not a backup or marker of this rollback: delete it"
    )
    assert plan([*kept, *BOTH], backup=True)["already"]
    assert plan([*TWO, *BOTH, marker(1, 3, **change)], again=True)["msg"] == ""


def test_marker_of_another_snapshot_marks_nothing() -> None:
    """The run was created again since."""
    recreated = [record("s3", "d1"), record("s4", "d2")]
    assert plan([*recreated, *BOTH], run=BARE)["already"] == ""


# ---- the VM


@pytest.mark.parametrize(
    ("attached", "asked", "whole"),
    [
        (["d1", "d2"], [], True),
        (["d2", "d1"], ["d1", "d2"], True),
        (["d1", "d2"], ["d1"], False),
        (["d1", "d2", "d3"], [], False),
    ],
)
def test_whole_vm(attached: list[str], asked: list[str], whole: bool) -> None:
    assert plan(vm={**VM, "disk_ids": attached}, disk_ids=asked)["whole_vm"] is whole


def test_no_vm_is_no_whole_vm() -> None:
    found = plan(**NO_VM)
    assert (found["whole_vm"], found["vm_id"], found["power_state"]) == (False, "", "")


@pytest.mark.parametrize(
    ("known", "now", "power_state"),
    [("Running", "Stopped", "Running"), ("Stopped", "Running", "Stopped"), ("", "Running", "Running"), (None, "Stopped", "Stopped")],
)
def test_power_state_is_that_of_the_run(known: str | None, now: str, power_state: str) -> None:
    found = plan(run={**RUN, "power_state": known}, vm={**VM, "state": now})
    assert found["power_state"] == found["entry"]["power_state"] == power_state


# ---- bad input


@pytest.mark.parametrize(
    "records",
    [
        None,
        7,
        "",
        NAME,
        {"snapshots": TWO},
        [None],
        [NAME],
        [[]],
        iter(TWO),
        *([{k: v for k, v in S1.items() if k != key}, S2] for key in sorted(plugin.REQUIRED_KEYS)),
    ],
)
def test_what_is_no_list_of_records_is_one_line(records: Any) -> None:
    with pytest.raises(
        AnsibleFilterError, match=r"^rollback_plan: the input must be a list of snapshot records, such as the snapshots of snapshot_info\.$"
    ):
        plan(records)


ODD_SNAPSHOTS: list[Any] = ["s1", ["s1"], [{"id": "s1"}], {"s1": {}}, 7]


@pytest.mark.parametrize("run", [None, "patch-1", [RUN], *({**RUN, "snapshots": odd} for odd in ODD_SNAPSHOTS)])
def test_run_that_is_not_a_manifest_entry_fails_in_one_line(run: Any) -> None:
    with pytest.raises(AnsibleFilterError, match=r"^rollback_plan: run is not an entry of a manifest: [^\n]*$"):
        plan(run=run)


# ---- whatever there is

DISKS = st.sampled_from(["d1", "d2", "d3"])
TARGETS = [f"ucloudstack.cloud marker target=s{number}" for number in range(4)]
ANYTHING = st.lists(
    st.fixed_dictionaries(
        {
            "disk_id": DISKS,
            "name": st.sampled_from([NAME, NAME, NAME, f"{NAME}-r1", f"{NAME}-r2", f"{NAME}-b1", "n-patch-10", ""]),
            "remark": st.sampled_from([REMARK, REMARK, REMARK, *TARGETS, "by hand", None]),
            "status": st.sampled_from(["Normal", "Normal", "RollBacking", "Createing", "Failure"]),
        }
    ),
    max_size=8,
).map(lambda records: [{"snapshot_id": f"s{number}", **each} for number, each in enumerate(records)])
RUNS = st.fixed_dictionaries(
    {
        "vm_id": st.just("vm-1"),
        "disk_ids": st.lists(DISKS, min_size=2, max_size=2, unique=True),
        "state": st.sampled_from(["", "verified", "restoring", "restored"]),
        "snapshots": st.one_of(
            st.just([]), st.sets(st.sampled_from([f"s{i}" for i in range(8)])).map(lambda s: [{"snapshot_id": i} for i in s])
        ),
    }
)


@given(
    ANYTHING,
    RUNS,
    st.lists(DISKS, max_size=3),
    st.sampled_from(["Running", "Stopped"]),
    st.booleans(),
    st.booleans(),
    st.integers(0, 4),
)
def test_only_snapshots_of_the_run_and_one_for_each_disk(
    snapshots: list[Record], run: dict[str, Any], asked: list[str], state: str, again: bool, keep: bool, limit: int
) -> None:
    vm = {**VM, "state": state, "disk_ids": ["d1", "d2", "d3"]}
    found = plan(snapshots, run=run, vm=vm, disk_ids=asked, again=again, backup=keep, limit=limit)
    chosen = [each for each in snapshots if each["snapshot_id"] in found["snapshot_ids"]]
    assert len(chosen) == len(found["snapshot_ids"])
    for each in chosen:
        assert each["disk_id"] in run["disk_ids"] and each["disk_id"] in (asked or run["disk_ids"])
        assert (each["name"], each["remark"]) == (NAME, REMARK) and each["status"] in ("Normal", "RollBacking")
        assert not run["snapshots"] or {"snapshot_id": each["snapshot_id"]} in run["snapshots"]
    assert "\n" not in found["msg"] and re.fullmatch(f"{NAME}-r[1-9]", found["marker"])
    if not found["msg"]:
        assert sorted(each["disk_id"] for each in chosen) == sorted(found["disk_ids"]) == sorted({*(asked or run["disk_ids"])})
    assert not (found["already"] and (found["msg"] or again))
