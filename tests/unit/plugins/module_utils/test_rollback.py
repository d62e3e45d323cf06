# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The preflight and the decisions of a rollback, as tables: observations and attempts, and the next step."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.module_utils import _rollback
from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import Disk, Snapshot
from ansible_collections.ucloudstack.cloud.plugins.module_utils._steps import Progress, Seen, Step
from support.decisions import DISK, NOTHING_YET, NOW, RESULTS, UNFINISHED, UNUSABLE, WALL, gist, seen, snap, tried


def rolled_back(what: Seen, progress: Progress = NOTHING_YET, *, wait: bool = True, marker: str | None = None) -> Step:
    return _rollback.rolled_back(what, progress, NOW, target=snap("s1"), marker_name=marker, wait=wait, wall=WALL)


# ---- the preflight


def rollback_plan(
    *there: Snapshot,
    candidates: list[Snapshot] | None = None,
    disk: Disk | None = None,
    home: str = "",
    marker: str | None = None,
    backup: str | None = None,
) -> Step:
    what = seen(*there)
    return _rollback.preflight_rollback(
        what,
        disk_id=DISK,
        wanted="a snapshot named 'x'",
        candidates=what.named(DISK, "x") if candidates is None else candidates,
        disk=disk,
        home=home,
        marker_name=marker,
        backup_name=backup,
        wall=WALL,
    )


def mark(target: str = "s1", status: str = "Normal", age: int = 30) -> Snapshot:
    return snap("m1", status, name="m", age=age, remark=f"ucloudstack.cloud marker target={target}")


def kept(target: str = "s1", status: str = "Normal") -> Snapshot:
    return snap("b1", status, name="b", age=30, remark=f"ucloudstack.cloud backup marker=m target={target}")


ROLL, JOIN = ("rollback", "rolled_back", True, False), ("wait", "joined", True, False)
PROVEN, REFUSED = ("done", "already_done", False, False), ("done", "failed", False, True)


@pytest.mark.parametrize(
    ("there", "step"),
    [
        ([snap("s1")], ROLL),
        ([], REFUSED),
        ([snap("s1"), snap("s2")], REFUSED),
        ([snap("s1"), snap("s2", "RollBacking")], REFUSED),
        ([snap("s1"), *(snap(status, status) for status in UNUSABLE)], ROLL),
        *(([snap("s1", status)], REFUSED) for status in [*UNUSABLE, "Createing", "Pondering", ""]),
        ([snap("s1", "RollBacking")], JOIN),
        ([snap("s1"), snap("o1", "RollBacking", name="other")], REFUSED),
        ([snap("s1"), snap("o1", "RollBacking", name="other", disk="disk-2")], ROLL),
        ([snap("s1"), mark()], PROVEN),
        *(([snap("s1"), mark(status=status)], PROVEN) for status in [*UNUSABLE, *UNFINISHED]),
        ([snap("s1"), mark(age=60)], PROVEN),
        ([snap("s1"), mark(age=61)], REFUSED),
        ([snap("s1"), mark("s2")], REFUSED),
        ([snap("s1"), snap("m1", name="m")], REFUSED),
        ([snap("s1"), snap("m1", name="M")], ROLL),
        ([snap("s1", "RollBacking"), mark()], PROVEN),
        ([snap("s1"), kept()], ROLL),
        ([snap("s1"), kept(), mark()], PROVEN),
        ([snap("s1"), kept("s2")], REFUSED),
        ([snap("s1"), kept("s2", "Failure")], ROLL),
        ([snap("s1", "RollBacking"), kept()], JOIN),
    ],
)
def test_rollback_plan(there: list[Snapshot], step: tuple[Any, ...]) -> None:
    decided = rollback_plan(*there, marker="m", backup="b")
    assert gist(decided) == step
    assert decided.snapshot_id == (None if step == REFUSED and decided.snapshot_id is None else "s1")


@pytest.mark.parametrize(
    ("disk", "step"),
    [
        (None, ROLL),
        (Disk(DISK, "Unbound"), ROLL),
        (Disk(DISK, "Bound", "vm-1", "Stopped"), ROLL),
        (Disk(DISK, "Bound", "vm-1", ""), ROLL),
        (Disk(DISK, "Snapshoting", "vm-1", "Stopped"), ROLL),
        (Disk(DISK, "Detached"), ROLL),
        (Disk(DISK, "Attached", "vm-1", "Stopped"), ROLL),
        (Disk(DISK, "Pondering", "vm-1", "stopped"), ROLL),
        (Disk(DISK, "Attached", "vm-1", "Pondering"), REFUSED),
        (Disk(DISK, "Attached", "vm-1", "Saved"), REFUSED),
        *((Disk(DISK, "Bound", "vm-1", state), REFUSED) for state in ("Running", "Starting", "Stopping", "Terminated", "Failed")),
        *((Disk(DISK, status), REFUSED) for status in ("Deleting", "Deleted", "Releasing", "Released", "Failed")),
    ],
)
def test_rollback_plan_by_disk_and_vm(disk: Disk | None, step: tuple[Any, ...]) -> None:
    assert gist(rollback_plan(snap("s1"), disk=disk)) == step


@pytest.mark.parametrize(
    ("disk", "step"),
    [
        (Disk(DISK, "Unbound"), ROLL),
        (Disk(DISK, "Bound", "vm-1", "Stopped"), ROLL),
        (Disk(DISK, "Bound", "vm-2", "Stopped"), REFUSED),
        (None, ROLL),
    ],
)
def test_rollback_plan_refuses_a_disk_of_another_vm(disk: Disk | None, step: tuple[Any, ...]) -> None:
    assert gist(rollback_plan(snap("s1"), disk=disk, home="vm-1")) == step


def test_rollback_plan_without_marker_name_ignores_markers() -> None:
    assert gist(rollback_plan(snap("s1"), mark(), mark("s2"))) == ROLL


@pytest.mark.parametrize(("marker", "backup"), [("x", None), ("m", "x")])
def test_rollback_plan_refuses_copies_of_the_targets_name(marker: str, backup: str | None) -> None:
    assert gist(rollback_plan(snap("s1"), marker=marker, backup=backup)) == REFUSED


# ---- the rollback


@pytest.mark.parametrize(
    ("progress", "status", "step"),
    [
        (Progress(), "Normal", ROLL),
        (Progress(), "RollBacking", JOIN),
        (tried("rollback", s1="RollBacking"), "Normal", ("done", "joined", True, False)),
        (tried("rollback", s1="Pondering"), "Normal", ROLL),
        (tried("rollback", ("refused", 1)), "Normal", ROLL),
        (tried("rollback", ("refused", 1)), "RollBacking", JOIN),
        (tried("rollback", ("refused", 9), s1="Pondering"), "Normal", ROLL),
        (tried("rollback", ("failed", 1)), "Normal", ("done", "failed", False, True)),
        (tried("rollback", ("accepted", 1)), "RollBacking", ("wait", "rolled_back", True, False)),
        (tried("rollback", ("accepted", 9), s1="RollBacking"), "Normal", ("done", "rolled_back", True, False)),
        (tried("rollback", ("accepted", 14)), "Normal", ("wait", "rolled_back", True, False)),
        (tried("rollback", ("accepted", 15)), "Normal", ("done", "rolled_back", True, False)),
        (tried("rollback", ("accepted", 15), s1="Pondering"), "Normal", ("done", "rolled_back", True, False)),
        (tried("rollback", ("accepted", 1)), "Pondering", ("wait", "rolled_back", True, False)),
        (tried("rollback", ("accepted", 1)), "Failure", ("done", "failed", True, True)),
        (tried("rollback", ("accepted", 1)), "Deleting", ("done", "failed", True, True)),
        (tried("rollback", ("accepted", 9), s1="RollBacking"), None, ("wait", "rolled_back", True, False)),
        (tried("rollback", ("unknown", 1)), "RollBacking", ("wait", "rolled_back", True, False)),
        (tried("rollback", ("unknown", 9), s1="RollBacking"), "Normal", ("done", "rolled_back", True, False)),
        (tried("rollback", ("unknown", 14)), "Normal", ("wait", "rolled_back", True, False)),
        (tried("rollback", ("unknown", 15)), "Normal", ROLL),
        (tried("rollback", ("unknown", 15), s1="Pondering"), "Normal", ROLL),
        (tried("rollback", ("unknown", 40), ("unknown", 14)), "Normal", ("wait", "rolled_back", True, False)),
        (tried("rollback", ("unknown", 40), ("unknown", 15)), "Normal", ("done", "failed", True, True)),
        (tried("rollback", ("unknown", 40), ("accepted", 15)), "Normal", ("done", "rolled_back", True, False)),
        (tried("rollback", ("unknown", 40), ("failed", 1)), "Normal", ("done", "failed", True, True)),
    ],
)
def test_rolled_back(progress: Progress, status: str | None, step: tuple[Any, ...]) -> None:
    assert gist(rolled_back(seen(*[snap("s1", status)] if status is not None else []), progress)) == step


@pytest.mark.parametrize(
    ("progress", "status", "step"),
    [
        (tried("rollback", ("accepted", 1)), "RollBacking", ("done", "rolled_back", True, False)),
        (tried("rollback", ("accepted", 1)), "Normal", ("done", "rolled_back", True, False)),
        (tried("rollback", ("unknown", 1)), "Normal", ("wait", "rolled_back", True, False)),
        (Progress(), "RollBacking", ("done", "joined", True, False)),
        (Progress(), "Normal", ROLL),
    ],
)
def test_rolled_back_without_wait(progress: Progress, status: str, step: tuple[Any, ...]) -> None:
    assert gist(rolled_back(seen(snap("s1", status)), progress, wait=False)) == step


def with_marker(*results: tuple[Any, float]) -> Progress:
    rolled = tried("rollback", ("accepted", 99), s1="RollBacking")
    return Progress(sent=rolled.sent + tried("create", *results, snapshot_id="m1").sent, polls=rolled.polls)


@pytest.mark.parametrize(
    ("progress", "there", "full", "step"),
    [
        (with_marker(), [], True, ("create", "rolled_back", True, False)),
        (with_marker(), [], False, ("list", "rolled_back", True, False)),
        (with_marker(("refused", 1)), [], True, ("create", "rolled_back", True, False)),
        (with_marker(("unknown", 1)), [], True, ("wait", "rolled_back", True, False)),
        (with_marker(("unknown", 1)), [mark()], True, ("done", "rolled_back", True, False)),
        (with_marker(("accepted", 1)), [mark(status="Createing")], False, ("wait", "rolled_back", True, False)),
        (with_marker(("accepted", 1)), [mark()], False, ("done", "rolled_back", True, False)),
        (with_marker(("failed", 1)), [], True, ("done", "rolled_back", True, True)),
        (with_marker(("accepted", 1)), [mark(status="Failure")], True, ("done", "rolled_back", True, True)),
    ],
)
def test_marker_is_created_after_the_rollback_and_the_rollback_is_not_repeated(
    progress: Progress, there: list[Snapshot], full: bool, step: tuple[Any, ...]
) -> None:
    decided = rolled_back(seen(snap("s1"), *there, full=full), progress, marker="m")
    assert gist(decided) == step
    if decided.do == "create":
        assert (decided.disk_id, decided.name) == (DISK, "m") and "s1" in decided.remark


@pytest.mark.parametrize(
    ("progress", "changed"),
    [(Progress(), False), (tried("rollback", ("refused", 1)), False), (tried("rollback", ("unknown", 20)), True)],
)
def test_disk_that_another_task_has_marked_meanwhile_is_not_rolled_back(progress: Progress, changed: bool) -> None:
    assert gist(rolled_back(seen(snap("s1"), mark()), progress, marker="m")) == ("done", "already_done", changed, False)
    assert gist(rolled_back(seen(snap("s1"), mark("s2")), progress, marker="m")) == ROLL
    assert gist(rolled_back(seen(snap("s1"), full=False), progress, marker="m")) == ("list", *ROLL[1:])
    assert gist(rolled_back(seen(snap("s1"), full=False), progress)) == ROLL


@pytest.mark.parametrize("results", [(), *([(result, 20.0)] for result in RESULTS)])
def test_no_marker_before_the_rollback_is_over(results: tuple[tuple[Any, float], ...]) -> None:
    for status in ("RollBacking", "Pondering", "Failure"):
        assert rolled_back(seen(snap("s1", status)), tried("rollback", *results), marker="m").do != "create"


def test_remarks_of_copies_fit_the_api_with_the_longest_ids_seen() -> None:
    target = snap("snapshot-" + "0123456789ab" * 3)
    assert max(len(_rollback.marker_remark(target.snapshot_id)), len(_rollback.backup_remark(target, "m" * 30))) <= 100
