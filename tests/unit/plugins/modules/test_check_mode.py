# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check mode and diff mode: what they show is what the run that follows does, from many starting situations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from emulator.server import Emulator

Run = Callable[..., Any]


class Case(NamedTuple):
    """A module, a starting situation made of one disk, the options that are asked with it, and what comes of that.

    ``scene`` returns options of its own; ``outcomes`` are those of the results, in their order.
    """

    module: str
    scene: Callable[[Any, str], dict[str, Any] | None]
    options: dict[str, Any]
    outcomes: list[str]
    changed: bool


def nothing(state: Any, disk: str) -> None:
    pass


def normal(state: Any, disk: str) -> None:
    state.add_snapshot(disk, "x", age=3600)


def two(state: Any, disk: str) -> None:
    state.add_snapshot(disk, "x", age=3600)
    state.add_snapshot(disk, "x", age=60)


def createing(state: Any, disk: str) -> None:
    state.create_snapshot(disk, "x", seconds=60)


def rolling(state: Any, disk: str) -> None:
    state.rollback_snapshot(state.add_snapshot(disk, "x", age=3600), disk)


def odd(state: Any, disk: str) -> None:
    state.show_odd_status(state.add_snapshot(disk, "x"), "Pondering", 60)


def deleting(state: Any, disk: str) -> None:
    state.transition_seconds = 60
    state.delete_snapshot(state.add_snapshot(disk, "x"))


def leftover(status: str) -> Callable[[Any, str], None]:
    def scene(state: Any, disk: str) -> None:
        state.add_snapshot(disk, "x", status=status)

    scene.__name__ = status
    return scene


def normal_and_createing(state: Any, disk: str) -> None:
    normal(state, disk)
    createing(state, disk)


def normal_and_deleting(state: Any, disk: str) -> None:
    normal(state, disk)
    deleting(state, disk)


def other_names(state: Any, disk: str) -> None:
    for name in ("x2", "X", "pre-x"):
        state.add_snapshot(disk, name)


def other_being_made(state: Any, disk: str) -> None:
    state.create_snapshot(disk, "other", seconds=60)


def by_id(scene: Callable[[Any, str], None]) -> Callable[[Any, str], dict[str, Any]]:
    """The same situation, asked for by the ids of its snapshots."""

    def ids_too(state: Any, disk: str) -> dict[str, Any]:
        scene(state, disk)
        return {"name": None, "disk_ids": None, "snapshot_ids": [*sorted(state.find_snapshots(disk_id=disk)), "snapshot-missing"]}

    ids_too.__name__ = f"by_id_{scene.__name__}"
    return ids_too


def with_missing_disk(scene: Callable[[Any, str], None]) -> Callable[[Any, str], dict[str, Any]]:
    def two_disks(state: Any, disk: str) -> dict[str, Any]:
        scene(state, disk)
        return {"disk_ids": [disk, "disk-missing"]}

    two_disks.__name__ = f"{scene.__name__}_with_missing_disk"
    return two_disks


def copy(name: str, remark: str, **more: Any) -> Callable[[Any, str], None]:
    """The disk has its target, and another snapshot with this remark, in which ``{}`` stands for the target's id."""

    def scene(state: Any, disk: str) -> None:
        target = state.add_snapshot(disk, "x", age=3600)
        state.add_snapshot(disk, name, remark.format(target), **more)

    scene.__name__ = f"copy_{name}_{remark.rsplit(' ', maxsplit=1)[-1]}_{more.get('status', '')}"
    return scene


def rolling_with_backup(state: Any, disk: str) -> None:
    target = state.add_snapshot(disk, "x", age=3600)
    state.add_snapshot(disk, "b", f"ucloudstack.cloud backup marker=m target={target}", age=60)
    state.rollback_snapshot(target, disk)


def other_rolling(state: Any, disk: str) -> None:
    normal(state, disk)
    state.rollback_snapshot(state.add_snapshot(disk, "other"), disk)


def on_vm(vm_state: str) -> Callable[[Any, str], dict[str, Any]]:
    """The target is on the disk of a VM, and another one on a disk that is attached to nothing."""

    def scene(state: Any, disk: str) -> dict[str, Any]:
        (attached,) = state.find_disks(vm_id=state.add_vm("web", boot_gb=1, state=vm_state))
        for each in (disk, attached):
            normal(state, each)
        return {"disk_ids": [disk, attached]}

    scene.__name__ = f"on_vm_{vm_state}"
    return scene


def id_of_the_only_one(state: Any, disk: str) -> dict[str, Any]:
    return {"name": None, "disk_ids": None, "snapshot_ids": [state.add_snapshot(disk, "x", age=3600)]}


def vms(*states: str) -> Callable[[Any, str], dict[str, Any]]:
    """VMs in these states, those on the way being there after a minute; the state ``missing`` is an id that does not exist."""

    def scene(state: Any, disk: str) -> dict[str, Any]:
        state.transition_seconds = 60
        ids = []
        for vm_state in states:
            vm_id = state.add_vm("web", boot_gb=1, state={"Starting": "Stopped", "Stopping": "Running"}.get(vm_state, vm_state))
            if vm_state in ("Starting", "Stopping"):
                (state.start_vm if vm_state == "Starting" else state.stop_vm)(vm_id)
            ids.append("vm-missing" if vm_state == "missing" else vm_id)
        return {"vm_ids": ids}

    scene.__name__ = f"vms_{'_'.join(states)}"
    return scene


def vm_with_a_disk_at_work(state: Any, disk: str) -> dict[str, Any]:
    vm_id = state.add_vm("web", boot_gb=1)
    state.create_snapshot(state.find_disks(vm_id=vm_id)[0], "x", seconds=60)
    return {"vm_ids": [vm_id]}


ABSENT, NO_WAIT = {"state": "absent"}, {"wait": False}
MARKED = {"marker_name": "m"}
COPIES = {"marker_name": "m", "backup_name": "b"}
MARK, KEPT = "ucloudstack.cloud marker target={}", "ucloudstack.cloud backup marker=m target={}"

CASES = [
    Case("snapshot", nothing, {}, ["created"], True),
    Case("snapshot", nothing, {"all_or_nothing": True, "remark": "why"}, ["created"], True),
    Case("snapshot", nothing, NO_WAIT, ["created"], True),
    Case("snapshot", normal, {}, ["present"], False),
    Case("snapshot", normal, {"remark": "another"}, ["present"], False),
    Case("snapshot", two, {}, ["present"], False),
    Case("snapshot", createing, {}, ["present"], False),
    Case("snapshot", createing, NO_WAIT, ["pending"], False),
    Case("snapshot", normal_and_createing, {}, ["present"], False),
    Case("snapshot", rolling, {}, ["present"], False),
    Case("snapshot", rolling, NO_WAIT, ["pending"], False),
    Case("snapshot", odd, {}, ["present"], False),
    Case("snapshot", odd, NO_WAIT, ["pending"], False),
    Case("snapshot", deleting, {}, ["created"], True),
    *(Case("snapshot", leftover(status), {}, ["created"], True) for status in ("Failure", "Deleted", "Released")),
    Case("snapshot", other_names, {}, ["created"], True),
    Case("snapshot", other_being_made, {}, ["created"], True),
    Case("snapshot", nothing, ABSENT, ["absent"], False),
    Case("snapshot", other_names, ABSENT, ["absent"], False),
    Case("snapshot", normal, ABSENT, ["deleted"], True),
    Case("snapshot", normal, {**ABSENT, **NO_WAIT}, ["deleted"], True),
    Case("snapshot", two, ABSENT, ["deleted"], True),
    Case("snapshot", createing, ABSENT, ["deleted"], True),
    Case("snapshot", createing, {**ABSENT, **NO_WAIT}, ["failed"], False),
    Case("snapshot", normal_and_createing, ABSENT, ["deleted"], True),
    Case("snapshot", normal_and_createing, {**ABSENT, **NO_WAIT}, ["failed"], True),
    Case("snapshot", rolling, ABSENT, ["deleted"], True),
    Case("snapshot", rolling, {**ABSENT, **NO_WAIT}, ["failed"], False),
    Case("snapshot", odd, ABSENT, ["deleted"], True),
    Case("snapshot", deleting, ABSENT, ["absent"], False),
    Case("snapshot", deleting, {**ABSENT, **NO_WAIT}, ["pending"], False),
    Case("snapshot", normal_and_deleting, ABSENT, ["deleted"], True),
    *(Case("snapshot", leftover(status), ABSENT, ["absent"], False) for status in ("Deleted", "Released")),
    Case("snapshot", with_missing_disk(normal), ABSENT, ["deleted", "absent"], True),
    Case("snapshot", by_id(nothing), ABSENT, ["absent"], False),
    Case("snapshot", by_id(normal), ABSENT, ["deleted", "absent"], True),
    Case("snapshot", by_id(two), ABSENT, ["deleted", "deleted", "absent"], True),
    Case("snapshot", by_id(createing), ABSENT, ["deleted", "absent"], True),
    Case("snapshot", by_id(createing), {**ABSENT, **NO_WAIT}, ["failed", "absent"], False),
    Case("snapshot", by_id(deleting), ABSENT, ["absent", "absent"], False),
    Case("snapshot_rollback", normal, {}, ["rolled_back"], True),
    Case("snapshot_rollback", normal, NO_WAIT, ["rolled_back"], True),
    Case("snapshot_rollback", normal, MARKED, ["rolled_back"], True),
    Case("snapshot_rollback", normal, COPIES, ["rolled_back"], True),
    Case("snapshot_rollback", id_of_the_only_one, COPIES, ["rolled_back"], True),
    Case("snapshot_rollback", by_id(normal), {}, ["skipped", "failed"], False),
    Case("snapshot_rollback", with_missing_disk(normal), COPIES, ["skipped", "failed"], False),
    Case("snapshot_rollback", nothing, {}, ["failed"], False),
    Case("snapshot_rollback", two, {}, ["failed"], False),
    *(Case("snapshot_rollback", scene, MARKED, ["failed"], False) for scene in (createing, odd, deleting, leftover("Failure"))),
    Case("snapshot_rollback", normal_and_deleting, {}, ["rolled_back"], True),
    Case("snapshot_rollback", rolling, {}, ["joined"], True),
    Case("snapshot_rollback", rolling, MARKED, ["joined"], True),
    Case("snapshot_rollback", rolling, COPIES, ["joined"], True),
    Case("snapshot_rollback", rolling_with_backup, COPIES, ["joined"], True),
    Case("snapshot_rollback", other_rolling, {}, ["failed"], False),
    Case("snapshot_rollback", copy("m", MARK), MARKED, ["already_done"], False),
    Case("snapshot_rollback", copy("m", MARK), COPIES, ["already_done"], False),
    Case("snapshot_rollback", copy("m", MARK, status="Createing"), MARKED, ["already_done"], False),
    Case("snapshot_rollback", copy("m", MARK, status="Failure"), MARKED, ["already_done"], False),
    Case("snapshot_rollback", copy("m", "made by hand"), MARKED, ["failed"], False),
    Case("snapshot_rollback", copy("m", MARK + "-no"), MARKED, ["failed"], False),
    Case("snapshot_rollback", copy("b", KEPT, age=60), COPIES, ["rolled_back"], True),
    Case("snapshot_rollback", copy("b", KEPT, status="Failure"), COPIES, ["rolled_back"], True),
    Case("snapshot_rollback", on_vm("Stopped"), COPIES, ["rolled_back", "rolled_back"], True),
    Case("snapshot_rollback", on_vm("Running"), COPIES, ["skipped", "failed"], False),
    Case("vm_power", vms("Stopped", "Running", "Starting"), {"state": "started"}, ["started", "unchanged", "unchanged"], True),
    Case("vm_power", vms("Starting"), {"state": "started"}, ["unchanged"], False),
    Case("vm_power", vms("Starting"), {"state": "started", **NO_WAIT}, ["pending"], False),
    Case("vm_power", vms("Stopping"), {"state": "started"}, ["started"], True),
    Case("vm_power", vms("Stopped", "Running", "Stopping"), {"state": "stopped"}, ["unchanged", "stopped", "unchanged"], True),
    Case("vm_power", vms("Running", "Starting"), {"state": "stopped", **NO_WAIT}, ["stopped", "stopped"], True),
    Case("vm_power", vms("Stopping"), {"state": "stopped", **NO_WAIT}, ["pending"], False),
    Case("vm_power", vms("Running", "Starting", "Stopping"), {"state": "powered_off"}, ["powered_off"] * 3, True),
    Case("vm_power", vms("Stopped"), {"state": "powered_off"}, ["unchanged"], False),
    Case("vm_power", vms("Running", "missing", "Failed"), {"state": "stopped"}, ["stopped", "failed", "failed"], True),
    Case("vm_power", vms("missing", "Deleted"), {"state": "started"}, ["failed", "failed"], False),
    *(Case("vm_power", vm_with_a_disk_at_work, {"state": state}, [state], True) for state in ("stopped", "powered_off")),
]
IDS = [f"{case.module}-{case.scene.__name__}-{'-'.join(f'{key}={value}' for key, value in case.options.items())}" for case in CASES]


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_check_mode_shows_what_the_run_does_and_writes_nothing(
    cloud: Emulator, run: Run, disk: str, writes: Run, case: Case, virtual_time: Any
) -> None:
    options = {**({} if case.module == "vm_power" else {"name": "x", "disk_ids": [disk]}), **case.options}
    options.update(case.scene(cloud.state, disk) or {})
    shown = run(case.module, **options, _check=True, _diff=True)
    assert (writes(), virtual_time.now()) == ([], 0)
    done = run(case.module, **options, _diff=True)
    assert (done.outcomes, done.changed) == (case.outcomes, case.changed)
    for value in ("outcomes", "counts", "changed", "failed", "diff"):
        assert getattr(shown, value) == getattr(done, value), value
    for key in ("disk_id", "vm_id", "previous_state"):
        assert [entry.get(key) for entry in shown.results] == [entry.get(key) for entry in done.results]
    assert case.changed == bool(writes()) or "joined" in case.outcomes
    if not case.changed:
        assert shown.diff["before"] == shown.diff["after"]
    else:
        assert shown.diff["before"] != shown.diff["after"]


@pytest.mark.parametrize("module", ["snapshot", "snapshot_rollback"])
def test_diff_is_only_there_when_asked_for(cloud: Emulator, run: Run, disk: str, module: str) -> None:
    cloud.state.add_snapshot(disk, "x")
    assert not hasattr(run(module, name="x", disk_ids=[disk], _check=True), "diff")


def test_snapshot_that_would_be_created_has_no_id_in_check_mode(run: Run, disk: str) -> None:
    answer = run("snapshot", name="x", disk_ids=[disk], _check=True)
    assert (answer.snapshot_id, answer.results[0]["snapshot_id"], answer.snapshots) == (None, None, [])


def test_info_runs_in_check_mode(cloud: Emulator, run: Run, disk: str) -> None:
    snapshot = cloud.state.add_snapshot(disk, "x")
    answer = run("snapshot_info", _check=True, _diff=True)
    assert (answer.changed, [record["snapshot_id"] for record in answer.snapshots]) == (False, [snapshot])


# ---- what a person reads


def test_diff_of_present_names_disk_and_snapshot(cloud: Emulator, run: Run, disks: list[str]) -> None:
    cloud.state.add_snapshot(disks[1], "x")
    diff = run("snapshot", name="x", disk_ids=disks[:2], _diff=True).diff
    assert diff["before"].splitlines() == [f"{disks[0]}: no snapshot named 'x'", f"{disks[1]}: snapshot named 'x'"]
    assert diff["after"].splitlines() == [f"{disks[0]}: snapshot named 'x'", f"{disks[1]}: snapshot named 'x'"]


def test_diff_of_absent_names_each_snapshot(cloud: Emulator, run: Run, disks: list[str]) -> None:
    one, two_ = sorted(cloud.state.add_snapshot(disks[0], "x") for _turn in range(2))
    diff = run("snapshot", name="x", disk_ids=disks[:2], state="absent", _diff=True).diff
    there = [f"{disks[0]}: snapshot {each} named 'x'" for each in (one, two_)]
    missing = f"{disks[1]}: a snapshot named 'x' does not exist"
    assert diff["before"].splitlines() == [*there, missing]
    assert diff["after"].splitlines() == [*(f"{line} is deleted" for line in there), missing]


def test_diff_of_a_rollback_names_the_moment_and_the_copies(cloud: Emulator, run: Run, disk: str) -> None:
    target = cloud.state.add_snapshot(disk, "x", age=3600)
    diff = run("snapshot_rollback", name="x", disk_ids=[disk], **COPIES, _diff=True).diff
    assert diff["before"].splitlines() == [f"{disk}: current data"]
    assert diff["after"].splitlines() == [
        f"{disk}: data of {target} named 'x', 2026-11-23T09:00:00Z",
        f"{disk}: backup snapshot named 'b'",
        f"{disk}: marker snapshot named 'm'",
    ]


def added(answer: Any) -> list[str]:
    """The lines that only ``after`` has."""
    return [line for line in answer.diff["after"].splitlines() if line not in answer.diff["before"].splitlines()]


@pytest.mark.parametrize("scene", [rolling, rolling_with_backup, copy("b", KEPT, age=60)])
def test_diff_of_a_rollback_shows_no_backup_that_is_not_created(
    cloud: Emulator, run: Run, disk: str, scene: Callable[[Any, str], None]
) -> None:
    scene(cloud.state, disk)
    answer = run("snapshot_rollback", name="x", disk_ids=[disk], **COPIES, _diff=True)
    assert [line for line in added(answer) if "backup" in line] == []
    assert [line for line in added(answer) if "marker" in line] == [f"{disk}: marker snapshot named 'm'"]
