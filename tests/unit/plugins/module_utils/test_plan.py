# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pure decisions, as tables: what was seen and what was tried, and what is done next."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.module_utils import _absent, _plan, _present, _rollback
from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import Disk, Snapshot
from ansible_collections.ucloudstack.cloud.plugins.module_utils._steps import Progress, Seen, Sent, Step

NOW, WALL = 1000.0, 1_795_428_000.0
DISK = "disk-1"
UNFINISHED = ["Createing", "RollBacking", "Pondering", "Creating", "Rollbacking", "Unknown", "Norma", ""]
USELESS = ["Deleting", "Deleted", "Released", "Failure"]
RESULTS = ["accepted", "refused", "wrong_state", "unknown", "failed"]
NOTHING_YET = Progress()


def snap(snapshot_id: str, status: str = "Normal", *, name: str = "x", disk: str = DISK, age: int = 60, remark: str = "") -> Snapshot:
    return Snapshot(snapshot_id, disk, name, status, create_time=int(WALL) - age, remark=remark)


def seen(*snapshots: Snapshot, full: bool = True) -> Seen:
    return Seen({each.snapshot_id: each for each in snapshots}, frozenset({DISK} if full else ()))


def tried(
    do: Any, *results: tuple[Any, float], snapshot_id: str | None = None, known: tuple[str, ...] = (), **looks: str | None
) -> Progress:
    """Writes with their results, each so many seconds ago; ``looks``: the status of a snapshot 5 seconds ago."""
    sent = tuple(
        Sent(do, result, NOW - ago, snapshot_id if result == "accepted" else None, f"said {result}", 2500 if result == "failed" else None)
        for result, ago in results
    )
    return Progress(frozenset(known), sent, tuple((NOW - 5, each, status) for each, status in looks.items()))


def present(what: Seen, progress: Progress = NOTHING_YET, *, wait: bool = True, remark: str = "") -> Step:
    return _present.present(what, progress, NOW, disk_id=DISK, name="x", remark=remark, wait=wait, wall=WALL)


def absent(what: Seen, progress: Progress = NOTHING_YET, *, wait: bool = True) -> Step:
    return _absent.absent(what, progress, NOW, snapshot=snap("s1"), wait=wait)


def rolled_back(what: Seen, progress: Progress = NOTHING_YET, *, wait: bool = True, marker: str | None = None) -> Step:
    return _rollback.rolled_back(what, progress, NOW, target=snap("s1"), marker_name=marker, wait=wait, wall=WALL)


def gist(step: Step) -> tuple[str, str, bool, bool]:
    return (step.do, step.outcome, step.changed, step.failed)


# ---- present


@pytest.mark.parametrize(
    ("there", "step", "snapshot_id"),
    [
        ([], ("create", "created", True, False), None),
        ([snap("s1")], ("done", "present", False, False), "s1"),
        ([snap("old", age=90), snap("new", age=30)], ("done", "present", False, False), "new"),
        ([snap("new", age=30), snap("old", age=90)], ("done", "present", False, False), "new"),
        ([snap("a", age=30), snap("b", age=30)], ("done", "present", False, False), "b"),
        ([snap("s1", age=90), snap("s2", "Createing", age=1)], ("done", "present", False, False), "s1"),
        ([snap("s1", age=90), snap("s2", "Failure", age=1)], ("done", "present", False, False), "s1"),
        ([snap("s1", "Createing")], ("wait", "present", False, False), "s1"),
        ([snap("s1", "Createing", age=90), snap("s2", "Createing", age=1)], ("wait", "present", False, False), "s2"),
        ([snap("s1", name="X")], ("create", "created", True, False), None),
        ([snap("s1", name="x ")], ("create", "created", True, False), None),
        ([snap("s1", disk="disk-2")], ("create", "created", True, False), None),
    ],
)
def test_present_first_decision(there: list[Snapshot], step: tuple[Any, ...], snapshot_id: str | None) -> None:
    decided = present(seen(*there))
    assert (gist(decided), decided.snapshot_id) == (step, snapshot_id)


@pytest.mark.parametrize("status", UNFINISHED)
def test_present_waits_for_every_status_that_may_become_usable(status: str) -> None:
    assert gist(present(seen(snap("s1", status)))) == ("wait", "present", False, False)
    assert gist(present(seen(snap("s1", status)), wait=False)) == ("done", "pending", False, False)


@pytest.mark.parametrize("status", USELESS)
def test_present_creates_beside_what_is_useless(status: str) -> None:
    assert gist(present(seen(snap("s1", status)))) == ("create", "created", True, False)


def test_present_creates_only_after_a_full_look_at_the_disk() -> None:
    """Whatever was tried and seen: no full look, no create."""
    statuses = [None, *USELESS, *UNFINISHED, "Normal"]
    for status, count, ago, wait in itertools.product(statuses, (0, 1, 2), (1.0, 31.0, 99.0), (True, False)):
        for results in itertools.product(RESULTS, repeat=count):
            progress = tried("create", *((result, ago) for result in results), snapshot_id="s9")
            there = [snap("s1", status)] if status is not None else []
            assert present(seen(*there, full=False), progress, wait=wait).do != "create"


def test_present_creates_again_only_after_a_refusal_or_one_lost_answer() -> None:
    creating = {
        results
        for count in (0, 1, 2, 3)
        for results in itertools.product(RESULTS, repeat=count)
        if present(seen(), tried("create", *((result, 31.0) for result in results), snapshot_id="s9")).do == "create"
    }
    assert all("accepted" not in results and results.count("unknown") <= 1 and results[-1:] != ("failed",) for results in creating)
    assert {(), ("refused",), ("unknown",), ("refused", "refused"), ("unknown", "refused"), ("refused", "unknown")} <= creating


@pytest.mark.parametrize(
    ("progress", "there", "step"),
    [
        (tried("create", ("refused", 1)), [], ("create", "created", True, False)),
        (tried("create", ("failed", 1)), [], ("done", "failed", False, True)),
        (tried("create", ("unknown", 29)), [], ("wait", "created", True, False)),
        (tried("create", ("unknown", 30)), [], ("create", "created", True, False)),
        (tried("create", ("unknown", 60), ("unknown", 29)), [], ("wait", "created", True, False)),
        (tried("create", ("unknown", 60), ("unknown", 30)), [], ("done", "failed", False, True)),
        (tried("create", ("unknown", 1)), [snap("s1", "Createing")], ("wait", "adopted", True, False)),
        (tried("create", ("unknown", 1)), [snap("s1")], ("done", "adopted", True, False)),
        (tried("create", ("unknown", 1)), [snap("s1", "Failure")], ("done", "failed", True, True)),
        (tried("create", ("unknown", 1), known=("s1",)), [snap("s1", "Failure")], ("wait", "created", True, False)),
        (tried("create", ("unknown", 1), known=("s1",)), [snap("s1", "Failure"), snap("s2")], ("done", "adopted", True, False)),
        (tried("create", ("accepted", 1), snapshot_id="s1"), [snap("s1", "Createing")], ("wait", "created", True, False)),
        (tried("create", ("accepted", 1), snapshot_id="s1"), [snap("s1", "Pondering")], ("wait", "created", True, False)),
        (tried("create", ("accepted", 1), snapshot_id="s1"), [snap("s1")], ("done", "created", True, False)),
        (tried("create", ("accepted", 1), snapshot_id="s1"), [snap("s1", "Failure")], ("done", "failed", True, True)),
        (tried("create", ("accepted", 1), snapshot_id="s1"), [snap("s1", "Deleting")], ("done", "failed", True, True)),
        (tried("create", ("accepted", 29), snapshot_id="s1"), [], ("wait", "created", True, False)),
        (tried("create", ("accepted", 30), snapshot_id="s1"), [], ("done", "failed", True, True)),
        (tried("create", ("accepted", 99), snapshot_id="s1", s1="Createing"), [], ("wait", "created", True, False)),
        (tried("create", ("accepted", 99), snapshot_id="s1"), [snap("s2")], ("done", "failed", True, True)),
        (tried("create", ("unknown", 60), ("accepted", 1), snapshot_id="s1"), [snap("s1")], ("done", "created", True, False)),
    ],
)
def test_present_after_a_create(progress: Progress, there: list[Snapshot], step: tuple[Any, ...]) -> None:
    assert gist(present(seen(*there), progress)) == step


@pytest.mark.parametrize("status", ["Createing", "Normal", "Pondering"])
def test_present_without_wait_is_done_once_the_new_one_is_listed(status: str) -> None:
    progress = tried("create", ("accepted", 1), snapshot_id="s1")
    assert gist(present(seen(snap("s1", status)), progress, wait=False)) == ("done", "created", True, False)
    assert gist(present(seen(), progress, wait=False)) == ("wait", "created", True, False)


def test_present_carries_name_and_remark_to_the_create() -> None:
    step = present(seen(), remark="why")
    assert (step.disk_id, step.name, step.remark) == (DISK, "x", "why")


@pytest.mark.parametrize(
    ("there", "remark", "count"),
    [
        ([snap("s1", remark="a")], "a", 0),
        ([snap("s1", remark="a")], "", 0),
        ([snap("s1", remark="a")], "b", 1),
        ([snap("s1", "Createing", remark="a")], "b", 1),
        ([snap("s1"), snap("s2")], "", 1),
        ([snap("s1"), snap("s2", "Failure")], "", 0),
        ([snap("s1"), snap("s2")], "b", 2),
    ],
)
def test_present_warnings(there: list[Snapshot], remark: str, count: int) -> None:
    assert len(present(seen(*there), remark=remark).warnings) == count


# ---- absent


@pytest.mark.parametrize(
    ("status", "wait", "step"),
    [
        (None, True, ("done", "absent", False, False)),
        ("Deleted", True, ("done", "absent", False, False)),
        ("Released", True, ("done", "absent", False, False)),
        ("Normal", True, ("delete", "deleted", True, False)),
        ("Normal", False, ("delete", "deleted", True, False)),
        ("Failure", True, ("delete", "deleted", True, False)),
        ("Deleting", True, ("wait", "absent", False, False)),
        ("Deleting", False, ("done", "pending", False, False)),
        *((status, True, ("wait", "deleted", True, False)) for status in UNFINISHED),
        *((status, False, ("done", "failed", False, True)) for status in UNFINISHED),
    ],
)
def test_absent_first_decision(status: str | None, wait: bool, step: tuple[Any, ...]) -> None:
    assert gist(absent(seen(*[snap("s1", status)] if status is not None else []), wait=wait)) == step


@pytest.mark.parametrize(
    ("results", "status", "step"),
    [
        ([("accepted", 1)], "Deleting", ("wait", "deleted", True, False)),
        ([("accepted", 99)], "Normal", ("wait", "deleted", True, False)),
        ([("accepted", 1)], None, ("done", "deleted", True, False)),
        ([("accepted", 1)], "Deleted", ("done", "deleted", True, False)),
        ([("unknown", 1)], None, ("done", "deleted", True, False)),
        ([("unknown", 1)], "Deleting", ("wait", "deleted", True, False)),
        ([("unknown", 29)], "Normal", ("wait", "deleted", True, False)),
        ([("unknown", 30)], "Normal", ("delete", "deleted", True, False)),
        ([("unknown", 60), ("unknown", 29)], "Normal", ("wait", "deleted", True, False)),
        ([("unknown", 60), ("unknown", 30)], "Normal", ("done", "failed", True, True)),
        ([("refused", 1)], "Normal", ("delete", "deleted", True, False)),
        ([("refused", 1)], "Createing", ("wait", "deleted", True, False)),
        ([("refused", 1)], "Failure", ("done", "failed", False, True)),
        ([("refused", 1)], None, ("done", "absent", False, False)),
        ([("failed", 1)], "Normal", ("done", "failed", False, True)),
        ([("missing", 1)], "Normal", ("done", "absent", False, False)),
        ([("unknown", 31), ("missing", 1)], "Normal", ("done", "deleted", True, False)),
    ],
)
def test_absent_after_a_delete(results: list[tuple[Any, float]], status: str | None, step: tuple[Any, ...]) -> None:
    assert gist(absent(seen(*[snap("s1", status)] if status is not None else []), tried("delete", *results))) == step


def test_absent_never_deletes_another_snapshot_of_the_name() -> None:
    assert gist(absent(seen(snap("s2")))) == ("done", "absent", False, False)


@pytest.mark.parametrize(
    ("ago", "over"),
    [
        ([], False),
        ([("wrong_state", 60.0)], False),
        ([("wrong_state", 30.0), ("wrong_state", 0.0)], True),
        ([("wrong_state", 29.0), ("wrong_state", 0.0)], False),
        ([("wrong_state", 60.0), ("refused", 20.0), ("wrong_state", 0.0)], False),
        ([("wrong_state", 60.0), ("wrong_state", 20.0), ("refused", 0.0)], False),
        ([("failed", 0.0)], True),
    ],
)
def test_refusal_for_a_state_is_final_when_none_that_passes_was_seen_for_half_a_minute(ago: list[tuple[Any, float]], over: bool) -> None:
    assert _plan.refused_for_good(tried("create", *ago).sent) is over
    assert (present(seen(), tried("create", *ago)).outcome == "failed") is over


# ---- rollback: the plan


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
        ([snap("s1"), *(snap(status, status) for status in USELESS)], ROLL),
        *(([snap("s1", status)], REFUSED) for status in [*USELESS, "Createing", "Pondering", ""]),
        ([snap("s1", "RollBacking")], JOIN),
        ([snap("s1"), snap("o1", "RollBacking", name="other")], REFUSED),
        ([snap("s1"), snap("o1", "RollBacking", name="other", disk="disk-2")], ROLL),
        ([snap("s1"), mark()], PROVEN),
        *(([snap("s1"), mark(status=status)], PROVEN) for status in [*USELESS, *UNFINISHED]),
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


# ---- rollback: on its way


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
    return Progress(sent=rolled.sent + tried("create", *results, snapshot_id="m1").sent, looks=rolled.looks)


@pytest.mark.parametrize(
    ("progress", "there", "full", "step"),
    [
        (with_marker(), [], True, ("create", "rolled_back", True, False)),
        (with_marker(), [], False, ("look", "rolled_back", True, False)),
        (with_marker(("refused", 1)), [], True, ("create", "rolled_back", True, False)),
        (with_marker(("unknown", 1)), [], True, ("wait", "rolled_back", True, False)),
        (with_marker(("unknown", 1)), [mark()], True, ("done", "rolled_back", True, False)),
        (with_marker(("accepted", 1)), [mark(status="Createing")], False, ("wait", "rolled_back", True, False)),
        (with_marker(("accepted", 1)), [mark()], False, ("done", "rolled_back", True, False)),
        (with_marker(("failed", 1)), [], True, ("done", "rolled_back", True, True)),
        (with_marker(("accepted", 1)), [mark(status="Failure")], True, ("done", "rolled_back", True, True)),
    ],
)
def test_marker_is_made_after_the_rollback_and_the_rollback_is_not_repeated(
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
    assert gist(rolled_back(seen(snap("s1"), full=False), progress, marker="m")) == ("look", *ROLL[1:])
    assert gist(rolled_back(seen(snap("s1"), full=False), progress)) == ROLL


@pytest.mark.parametrize("results", [(), *([(result, 20.0)] for result in RESULTS)])
def test_no_marker_before_the_rollback_is_over(results: tuple[tuple[Any, float], ...]) -> None:
    for status in ("RollBacking", "Pondering", "Failure"):
        assert rolled_back(seen(snap("s1", status)), tried("rollback", *results), marker="m").do != "create"


# ---- the end of waiting


CREATE = Step("create", "created", DISK, changed=True)


@pytest.mark.parametrize(
    ("step", "progress", "result"),
    [
        (CREATE, Progress(), ("done", "failed", False, True)),
        (CREATE, tried("create", ("refused", 1)), ("done", "failed", False, True)),
        (Step("wait", "created", DISK, "s1", changed=True), tried("create", ("accepted", 1)), ("done", "pending", True, True)),
        (Step("wait", "created", DISK, changed=True), tried("create", ("unknown", 1)), ("done", "pending", True, True)),
        (Step("wait", "created", DISK, changed=True), tried("create", ("unknown", 9), ("refused", 1)), ("done", "pending", True, True)),
        (Step("wait", "present", DISK, "s1"), Progress(), ("done", "pending", False, True)),
    ],
)
def test_timed_out(step: Step, progress: Progress, result: tuple[Any, ...]) -> None:
    ended = _plan.timed_out(step, progress, snap("s1", "Createing"), "time is up after 60 s")
    assert gist(ended) == result
    assert "60 s" in ended.msg and ended.snapshot_id == step.snapshot_id


# ---- words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 seconds old"),
        (0, "0 seconds old"),
        (1, "1 second old"),
        (59, "59 seconds old"),
        (61, "1 minute 1 second old"),
        (3600, "1 hour old"),
        (86400 + 60, "1 day 1 minute old"),
        (400 * 86400 + 7261, "400 days 2 hours old"),
    ],
)
def test_age(seconds: int, words: str) -> None:
    assert _plan.age(snap("s1", age=seconds), WALL) == words


def test_age_that_the_api_does_not_tell_is_unknown() -> None:
    assert _plan.age(Snapshot("s1", DISK, "x", "Normal"), WALL) == "of unknown age"


@pytest.mark.parametrize(
    ("outcomes", "worst"),
    [
        (["deleted", "absent"], "deleted"),
        (["absent", "pending", "deleted"], "pending"),
        (["deleted", "failed", "pending"], "failed"),
        (["absent", "absent"], "absent"),
    ],
)
def test_merged_shows_the_worst_and_names_all(outcomes: list[Any], worst: str) -> None:
    steps = [
        Step("done", outcome, DISK, f"s{number}", "why", changed=outcome == "deleted", failed=outcome == "failed")
        for number, outcome in enumerate(outcomes)
    ]
    merged = _plan.merged(steps)
    assert (merged.outcome, merged.changed, merged.failed) == (worst, "deleted" in outcomes, "failed" in outcomes)
    assert all(f"s{number}" in merged.msg for number in range(len(steps)))


def test_remarks_of_copies_fit_the_api_with_the_longest_ids_seen() -> None:
    target = snap("snapshot-" + "0123456789ab" * 3)
    assert max(len(_rollback.marker_remark(target.snapshot_id)), len(_rollback.backup_remark(target, "m" * 30))) <= 100
