# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The decisions that lead to a usable snapshot, as tables: observations and attempts, and the next step."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import Snapshot
from ansible_collections.ucloudstack.cloud.plugins.module_utils._steps import Progress
from support.decisions import DISK, RESULTS, UNFINISHED, UNUSABLE, gist, present, seen, snap, tried


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


@pytest.mark.parametrize("status", UNUSABLE)
def test_present_creates_beside_what_is_useless(status: str) -> None:
    assert gist(present(seen(snap("s1", status)))) == ("create", "created", True, False)


def test_present_creates_only_after_a_full_listing_of_the_disk() -> None:
    """Whatever was tried and seen: no full look, no create."""
    statuses = [None, *UNUSABLE, *UNFINISHED, "Normal"]
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
