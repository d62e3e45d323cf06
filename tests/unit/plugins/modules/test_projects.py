# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``project_id``: lists are narrowed to it and creations carry it, and no other call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from emulator.server import Emulator
from emulator.state import DEFAULT_PROJECT, VmState

Run = Callable[..., Any]

OURS, THEIRS = "project-ours", "project-theirs"


@pytest.fixture
def vm(cloud: Emulator) -> str:
    """A stopped VM of our project."""
    return cloud.state.add_vm("web", boot_gb=1, state=VmState.STOPPED, project_id=OURS)


@pytest.fixture
def disk(cloud: Emulator, vm: str) -> str:
    """Its disk."""
    return cloud.state.find_disks(vm_id=vm)[0]


@pytest.fixture
def everything(run: Run, vm: str, disk: str) -> Run:
    """Every sort of call that modules make, in one project or in none."""

    def play(**project: Any) -> None:
        for module, options in (
            ("snapshot", {"name": "x", "disk_ids": [disk]}),
            ("snapshot_rollback", {"name": "x", "disk_ids": [disk], "marker_name": "m", "backup_name": "b"}),
            ("snapshot_info", {}),
            ("snapshot_info", {"disk_ids": [disk]}),
            ("vm_info", {}),
            ("vm_power", {"vm_ids": [vm], "state": "started"}),
            ("vm_power", {"vm_ids": [vm], "state": "stopped"}),
            ("snapshot", {"name": "m", "disk_ids": [disk], "state": "absent"}),
        ):
            assert not run(module, **options, **project).failed

    return play


def of_projects(cloud: Emulator) -> dict[str, dict[str, str]]:
    """The parameters of each action that are about projects; they must be the same in all its calls."""
    said: dict[str, dict[str, str]] = {}
    for call in cloud.calls():
        named = {name: value for name, value in call["params"].items() if "project" in name.lower()}
        assert said.setdefault(call["action"], named) == named
    return said


def test_lists_and_creations_carry_it_and_nothing_else(cloud: Emulator, disk: str, everything: Run) -> None:
    cloud.add_faults({"action": "RollbackSnapshot", "kind": "rollback_detaches"})
    everything(project_id=OURS)
    assert of_projects(cloud) == {
        **{action: {"ProjectIDs.0": OURS} for action in ("DescribeSnapshot", "DescribeDisk", "DescribeVMInstance")},
        "CreateSnapshot": {"ProjectID": OURS},
        **{action: {} for action in ("RollbackSnapshot", "AttachDisk", "DeleteSnapshot", "StartVMInstance", "StopVMInstance")},
    }
    created = [cloud.state.snapshot(each).project_id for each in cloud.state.find_snapshots(disk_id=disk)]
    assert created == [OURS if cloud.generation.projects else DEFAULT_PROJECT] * 2


@pytest.mark.parametrize("nothing", [{}, {"project_id": None}, {"project_id": ""}], ids=str)
def test_without_it_no_call_names_a_project(cloud: Emulator, everything: Run, nothing: dict[str, Any]) -> None:
    everything(**nothing)
    assert {str(each) for each in of_projects(cloud).values()} == {"{}"}


def test_snapshot_of_another_project_is_not_seen(cloud: Emulator, run: Run, disk: str, place: Run) -> None:
    theirs, ours = (place(disk, "x", project_id=project) for project in (THEIRS, OURS))
    seen = {record["snapshot_id"] for record in run("snapshot_info", project_id=OURS).snapshots}
    assert seen == ({ours} if "ProjectIDs" in cloud.generation.filters else {ours, theirs})
    assert {record["snapshot_id"] for record in run("snapshot_info").snapshots} == {ours, theirs}
    by_id = run("snapshot_info", project_id=OURS, snapshot_ids=[theirs, ours])
    assert {record["snapshot_id"] for record in by_id.snapshots} == seen


def test_snapshot_of_another_project_does_not_count_and_is_not_deleted(
    cloud: Emulator, run: Run, disk: str, place: Run, named: Run
) -> None:
    narrowed = "ProjectIDs" in cloud.generation.filters
    theirs = place(disk, "x", project_id=THEIRS)
    answer = run("snapshot", name="x", disk_ids=[disk], project_id=OURS)
    assert (answer.outcomes, answer.snapshot_id != theirs) == (["created" if narrowed else "present"], narrowed)
    assert run("snapshot", name="x", disk_ids=[disk], state="absent", project_id=OURS).outcomes == ["deleted"]
    assert named(disk, "x") == ([theirs] if narrowed else [])


def test_vm_and_disk_of_another_project_do_not_exist(cloud: Emulator, run: Run, writes: Run, vm: str, disk: str) -> None:
    narrowed = "ProjectIDs" in cloud.generation.filters
    cloud.state.add_snapshot(disk, "x", project_id=OURS)
    assert [record["vm_id"] for record in run("vm_info", project_id=THEIRS).vms] == ([] if narrowed else [vm])
    started = run("vm_power", vm_ids=[vm], state="stopped", project_id=THEIRS)
    assert started.outcomes == ["failed" if narrowed else "unchanged"] and ("does not exist" in started.msg if narrowed else True)
    rolled = run("snapshot_rollback", name="x", disk_ids=[disk], project_id=THEIRS, _check=True)
    assert (rolled.outcomes, writes()) == (["failed" if narrowed else "rolled_back"], [])
