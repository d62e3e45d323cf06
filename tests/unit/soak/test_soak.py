# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A short soak, and that it would notice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.module_utils import _apply, _plan, _present, _records, _rollback, _states, _steps
from soak.tally import Tally, soak, soak_world


def test_nothing_is_created_twice_lost_or_wrong() -> None:
    tally = soak(300, seed=1)
    assert tally.operations >= 300 and tally.broken == []
    assert 0.15 < tally.faulty / tally.requests < 0.3 and tally.writes and tally.retries and tally.adoptions
    rows = [line.split()[:2] for line in tally.table().splitlines()]
    assert [row for row in rows if row[0] in ("duplicates", "lost", "wrong")] == [["duplicates", "0"], ["lost", "0"], ["wrong", "0"]]


def test_the_same_seed_gives_the_same_history() -> None:
    one, other = soak_world(7), soak_world(7)
    assert one == other and one.operations


def a_lost_answer_is_taken_for_a_refusal(patch: pytest.MonkeyPatch) -> None:
    result_of = _apply.result_of
    patch.setattr(_apply, "result_of", lambda error: "refused" if result_of(error) == "unknown" else result_of(error))


def lists_are_not_looked_at_before_a_create(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(_steps.Seen, "named", lambda seen, disk_id, name: [])


def names_count_by_their_beginning(patch: pytest.MonkeyPatch) -> None:
    def named(seen: _steps.Seen, disk_id: str, name: str) -> list[_records.Snapshot]:
        return [each for each in seen.snapshots.values() if each.disk_id == disk_id and each.name[:1] == name[:1]]

    patch.setattr(_steps.Seen, "named", named)


def disks_do_not_count(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(_steps.Seen, "named", lambda seen, disk_id, name: [each for each in seen.snapshots.values() if each.name == name])


def nothing_is_waited_for(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(_present, "_created", lambda step, *rest: replace(step, do="done"))


def a_rollback_is_done_when_it_is_accepted(patch: pytest.MonkeyPatch) -> None:
    unfinished = _rollback._unfinished_rollback
    patch.setattr(
        _rollback,
        "_unfinished_rollback",
        lambda step, current, started, *rest: None if started else unfinished(step, current, started, *rest),
    )


def markers_are_not_seen(patch: pytest.MonkeyPatch) -> None:
    plan = _rollback.preflight_rollback

    def blind(seen: _steps.Seen, **options: Any) -> _steps.Step:
        kept = {key: each for key, each in seen.snapshots.items() if " marker " not in each.remark}
        return plan(_steps.Seen(kept, seen.disks), **options)

    patch.setattr(_rollback, "preflight_rollback", blind)
    patch.setattr(_rollback, "_proofs", lambda *_: [])


def a_time_out_forgets(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        _plan,
        "timed_out",
        lambda step, *rest: replace(step, do="done", outcome="failed", failed=True, snapshot_id=None, msg="timed out after 1 s"),
    )


def a_failure_is_a_success(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(_states._SNAPSHOT_WORDS, "createing", _states.SnapshotState.USABLE)
    patch.setitem(_states._SNAPSHOT_WORDS, "creating", _states.SnapshotState.USABLE)


SABOTAGE: list[Callable[[pytest.MonkeyPatch], None]] = [
    a_lost_answer_is_taken_for_a_refusal,
    lists_are_not_looked_at_before_a_create,
    names_count_by_their_beginning,
    disks_do_not_count,
    nothing_is_waited_for,
    a_rollback_is_done_when_it_is_accepted,
    markers_are_not_seen,
    a_time_out_forgets,
    a_failure_is_a_success,
]


@pytest.mark.parametrize("sabotage", SABOTAGE, ids=lambda sabotage: sabotage.__name__)
def test_soak_notices_that(sabotage: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    sabotage(monkeypatch)
    tallies: list[Tally] = []
    while not any(each.broken for each in tallies):
        assert len(tallies) < 10, "not noticed in ten worlds"
        tallies.append(soak_world(len(tallies) + 1))
