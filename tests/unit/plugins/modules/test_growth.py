# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The work of a task grows as the number of its disks does: comparisons are counted, not seconds."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.module_utils import _module
from emulator.server import Emulator

pytestmark = [pytest.mark.once, pytest.mark.parametrize("generation", ["2026"], indirect=True)]

Run = Callable[..., Any]
Prepare = Callable[[Emulator, list[str]], dict[str, Any]]

FEW, MANY = 50, 200


class Id(str):
    """An id whose comparisons are calls of a function, which can be counted."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return str.__eq__(self, other) is True


@pytest.fixture(autouse=True)
def ids(monkeypatch: pytest.MonkeyPatch) -> None:
    """All ids that a module is given are of the class :class:`Id`."""
    given = _module.ids
    monkeypatch.setattr(_module, "ids", lambda params, option: [Id(each) for each in given(params, option) or []] or None)


def comparisons(task: Callable[[], Any]) -> int:
    """How often the task compares ids, or instances of dataclasses, in this thread, which decides; the other ones send requests."""
    compared = 0

    def count(frame: FrameType, event: str, _argument: object) -> None:
        nonlocal compared
        compared += event == "call" and frame.f_code.co_name == "__eq__"

    sys.setprofile(count)
    try:
        task()
    finally:
        sys.setprofile(None)
    return compared


def by_name(cloud: Emulator, disks: list[str]) -> dict[str, Any]:
    return {"disk_ids": disks, "name": "x"}


def with_snapshots(cloud: Emulator, disks: list[str]) -> dict[str, Any]:
    for disk_id in disks:
        cloud.state.add_snapshot(disk_id, "x")
    return by_name(cloud, disks)


def ids_of_snapshots(cloud: Emulator, disks: list[str]) -> dict[str, Any]:
    return {"snapshot_ids": [cloud.state.add_snapshot(disk_id, "x") for disk_id in disks]}


def vms(cloud: Emulator, disks: list[str]) -> dict[str, Any]:
    return {"vm_ids": [cloud.state.add_vm(f"vm-{number}") for number, _disk in enumerate(disks)]}


@pytest.mark.parametrize(
    ("module", "prepare", "options"),
    [
        pytest.param("snapshot", by_name, {}, id="created"),
        pytest.param("snapshot", with_snapshots, {}, id="present"),
        pytest.param("snapshot", with_snapshots, {"state": "absent"}, id="deleted by name"),
        pytest.param("snapshot", ids_of_snapshots, {"state": "absent"}, id="deleted by id"),
        pytest.param("snapshot_info", with_snapshots, {}, id="listed"),
        pytest.param("snapshot_rollback", with_snapshots, {"marker_name": "m", "backup_name": "b"}, id="rolled back by name"),
        pytest.param("snapshot_rollback", ids_of_snapshots, {"marker_name": "m"}, id="rolled back by id"),
        pytest.param("vm_power", vms, {"state": "stopped"}, id="stopped"),
    ],
)
def test_four_times_the_disks_take_four_times_the_comparisons(
    cloud: Emulator, run: Run, module: str, prepare: Prepare, options: dict[str, Any]
) -> None:
    counts = []
    for number in (FEW, MANY):
        requested = prepare(cloud, [cloud.state.add_disk(f"disk-{each}", 1) for each in range(number)])
        counts.append(comparisons(partial(run, module, **requested, **options)))
        for snapshot_id in cloud.state.find_snapshots(hidden=True):
            cloud.state.remove_snapshot(snapshot_id)
    assert 0 < counts[1] <= MANY // FEW * counts[0]
