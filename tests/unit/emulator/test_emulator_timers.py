# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots that a timer makes, and those that it removes."""

from __future__ import annotations

from typing import Any

import pytest
from emulator.generations import GENERATIONS
from emulator.state import TRANSITION_SECONDS, SnapshotStatus, State

HOUR = 3600


@pytest.mark.parametrize("generation", GENERATIONS)
def test_a_timer_makes_automatic_snapshots(call: Any, clock: Any, disk: str, generation: str) -> None:
    other = call.state.add_disk("other", 1)
    call.state.image(disk).write_bytes(b"at the hour")
    call.state.add_timer([disk, other], every=HOUR, keep=3)
    clock.pass_seconds(HOUR - 1)
    assert call("DescribeSnapshot")["TotalCount"] == 0
    clock.pass_seconds(1)
    info = call.one("DescribeSnapshot", DiskID=disk)
    assert (info["Name"], info["SnapshotStatus"], info["CreateTime"]) == ("auto-20231114231320", call.says("Createing"), int(clock.now))
    assert (info.get("Type"), call.disk_status(disk)) == (None if generation == "1.x" else "Automatic", call.busy("Unbound"))
    assert call("DescribeSnapshot", DiskID=other)["TotalCount"] == 1
    clock.pass_seconds(call.state.snapshot_seconds)
    assert call.snapshot_status(info["SnapshotID"]) == "Normal"
    assert call.state.snapshot_image(info["SnapshotID"]).read_bytes() == b"at the hour"


def test_a_timer_keeps_only_so_many(call: Any, clock: Any, disk: str) -> None:
    mine = call.state.add_snapshot(disk, "mine")
    call.state.add_timer([disk], every=HOUR, keep=2, name="nightly")
    made: list[str] = []
    for _hour in range(4):
        clock.pass_seconds(HOUR)
        made = [*call.ids("DescribeSnapshot")[:1], *made]
        assert len(call.state.find_snapshots(disk_id=disk)) <= 4  # mine, two kept, one that is going
        clock.pass_seconds(TRANSITION_SECONDS)
        assert call.ids("DescribeSnapshot") == [*made[:2], mine]
        clock.pass_seconds(call.state.snapshot_seconds)


def test_a_late_timer_has_run_at_its_hours(call: Any, clock: Any, disk: str) -> None:
    call.state.add_timer([disk], every=HOUR, keep=3)
    start = clock.now
    clock.pass_seconds(5.5 * HOUR)
    assert [info["CreateTime"] - start for info in call("DescribeSnapshot")["Infos"]] == [5 * HOUR, 4 * HOUR, 3 * HOUR]
    assert {info["SnapshotStatus"] for info in call("DescribeSnapshot")["Infos"]} == {"Normal"}


def test_a_timer_skips_what_it_cannot_snapshot(call: Any, clock: Any, disk: str) -> None:
    state = call.state
    external, gone = state.add_disk("lun", 1, external=True), state.add_disk("gone", 1)
    state.add_timer([disk, external, gone], every=HOUR)
    state.delete_disk(gone)
    clock.pass_seconds(HOUR - 1)
    busy = call("CreateSnapshot", DiskID=disk, Name="mine")["SnapshotID"]
    clock.pass_seconds(1)
    assert call.ids("DescribeSnapshot", DiskID=disk) == [busy]
    assert [len(state.find_snapshots(disk_id=each)) for each in (external, gone)] == [0, 0]
    clock.pass_seconds(HOUR)
    assert len(call.ids("DescribeSnapshot", DiskID=disk)) == 2


def test_a_snapshot_that_is_rolled_back_is_not_removed(call: Any, clock: Any, disk: str) -> None:
    call.state.rollback_seconds = HOUR
    old = call.state.add_snapshot(disk, "auto-old", timer_id=(timer := call.state.add_timer([disk], every=2 * HOUR, keep=1)))
    assert call.code("RollbackSnapshot", DiskID=disk, SnapshotID=old) == 0
    clock.pass_seconds(HOUR)
    assert (call.snapshot_status(old), [each.id for each in call.state.timers()]) == ("Normal", [timer])
    clock.pass_seconds(HOUR)
    assert call.state.snapshot(old).status == "Normal"
    call.state.advance()
    assert call.state.snapshot(old).status == "Deleting"


def test_a_timer_survives_a_kill(tmp_path: Any, clock: Any) -> None:
    state = State(tmp_path / "other", clock=clock)
    disk = state.add_disk("data", 1)
    timer = state.add_timer([disk], every=HOUR)
    state.close()
    clock.pass_seconds(2 * HOUR)
    state = State(tmp_path / "other", clock=clock)
    state.advance()
    found = [state.snapshot(snapshot) for snapshot in state.find_snapshots()]
    assert [(each.status, each.timer_id) for each in found] == [(SnapshotStatus.CREATEING, timer), (SnapshotStatus.NORMAL, timer)]
    state.remove_timers()
    clock.pass_seconds(10 * HOUR)
    state.advance()
    assert len(state.find_snapshots()) == 2
    state.close()
