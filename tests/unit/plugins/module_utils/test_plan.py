# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all decisions share: permanent rejections, timeouts, ages, and the entry of a disk with several snapshots."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.module_utils import _plan
from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import Snapshot
from ansible_collections.ucloudstack.cloud.plugins.module_utils._steps import Progress, Step
from support.decisions import DISK, WALL, gist, present, seen, snap, tried


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
    assert _plan.rejected_permanently(tried("create", *ago).sent) is over
    assert (present(seen(), tried("create", *ago)).outcome == "failed") is over


# ---- timeouts

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
    ended = _plan.timed_out(step, progress, snap("s1", "Createing"), "timed out after 60 s")
    assert gist(ended) == result
    assert "60 s" in ended.msg and ended.snapshot_id == step.snapshot_id


# ---- messages


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
