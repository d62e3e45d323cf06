# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures for the tests of modules: disks, other users of the same cloud, and the results of a task."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from emulator.server import Emulator
from support.in_process import told

Act = Callable[[], object]


@pytest.fixture
def run(run: Callable[..., Any]) -> Callable[..., Any]:
    """As the one it replaces; the answer also has ``outcomes``, those of its results in their order, and ``told``, its warnings as text."""

    def run_module(module: str, /, **options: Any) -> Any:
        answer = run(module, **options)
        answer.outcomes = [entry["outcome"] for entry in getattr(answer, "results", [])]
        answer.told = told(answer)
        return answer

    return run_module


@pytest.fixture
def disk(cloud: Emulator) -> str:
    return cloud.state.add_disk("data", 1)


@pytest.fixture
def disks(cloud: Emulator) -> list[str]:
    return [cloud.state.add_disk(f"data-{number}", 1) for number in range(5)]


@pytest.fixture
def place(cloud: Emulator) -> Callable[..., str]:
    """``place(disk, "x", status="Pondering")``: a snapshot in any status, also in those that the emulator never reaches."""
    return cloud.state.add_snapshot


@pytest.fixture
def writes(cloud: Emulator) -> Callable[[], list[str]]:
    """``writes()``: the actions of all calls that change something, in order, including rejected ones."""
    return lambda: [call["action"] for call in cloud.calls() if not call["action"].startswith("Describe")]


@pytest.fixture
def taken(cloud: Emulator) -> Callable[[str], bool]:
    """``taken("a b")``: whether the API accepts this name for a snapshot; 2026 allows few characters."""
    return lambda name: cloud.generation.name_rule.pattern.fullmatch(name) is not None


@pytest.fixture
def refusal(cloud: Emulator) -> Callable[[dict[str, Any]], str]:
    """``refusal(entry)``: how a message names the rejection of this result, with the request id of 2026."""

    def words(entry: dict[str, Any]) -> str:
        assert bool(entry["request_id"]) == cloud.generation.request_ids
        return f"(RetCode {entry['ret_code']}" + (f", request {entry['request_id']}: " if entry["request_id"] else ": ")

    return words


@pytest.fixture
def named(cloud: Emulator) -> Callable[..., list[str]]:
    """``named(disk, "x")``: the ids of the disk's snapshots of that name, listed or not."""

    def find(disk_id: str, name: str) -> list[str]:
        found = cloud.state.find_snapshots(disk_id=disk_id, hidden=True)
        return [each for each in found if cloud.state.snapshot(each).name == name]

    return find


@pytest.fixture
def meanwhile(cloud: Emulator, virtual_time: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``meanwhile(act, after=5)`` or ``meanwhile(act, when=condition)``: what another user does before the next call is served."""
    planned: list[tuple[Callable[[], object], Act]] = []
    lock, advance = threading.RLock(), cloud.state.advance

    def advance_and_act() -> None:
        advance()
        with lock:
            for due in [each for each in planned if each[0]()]:
                planned.remove(due)
                due[1]()

    def plan(act: Act, after: float = 0, when: Callable[[], object] = lambda: True) -> None:
        planned.append((lambda: virtual_time.now() >= after and when(), act))

    monkeypatch.setattr(cloud.state, "advance", advance_and_act)
    return plan
