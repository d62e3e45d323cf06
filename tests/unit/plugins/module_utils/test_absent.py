# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The decisions that lead to a deleted snapshot, as tables: observations and attempts, and the next step."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.module_utils import _absent
from ansible_collections.ucloudstack.cloud.plugins.module_utils._steps import Progress, Seen, Step
from support.decisions import NOTHING_YET, NOW, UNFINISHED, gist, seen, snap, tried


def absent(what: Seen, progress: Progress = NOTHING_YET, *, wait: bool = True) -> Step:
    return _absent.absent(what, progress, NOW, snapshot=snap("s1"), wait=wait)


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
