# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures for all tests: the emulator, virtual time, and modules that run in this process."""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import support.collection  # noqa: F401, pylint: disable=unused-import
from emulator.generations import GENERATIONS, Generation
from emulator.server import Emulator
from soak.simulation import START
from support.in_process import Answer, module_answer


class VirtualTime:
    """Time that passes only when somebody sleeps. Threads that sleep at the same moment sleep at the same time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._elapsed = 0.0

    def now(self) -> float:
        return self._elapsed

    def wall(self) -> float:
        return START + self._elapsed

    def sleep(self, seconds: float) -> None:
        end = self._elapsed + seconds
        with self._lock:
            self._elapsed = max(self._elapsed, end)


@pytest.fixture
def virtual_time(monkeypatch: pytest.MonkeyPatch) -> VirtualTime:
    """Virtual time for modules that run in this process."""
    time = VirtualTime()
    client = importlib.import_module("ansible_collections.ucloudstack.cloud.plugins.module_utils._client")
    clock = client.Clock(now=time.now, wall=time.wall, sleep=time.sleep, chance=lambda: 0.5)
    monkeypatch.setattr(client, "Clock", lambda: clock)
    return time


@pytest.fixture(params=os.environ.get("UCLOUDSTACK_TEST_GENERATIONS", " ".join(GENERATIONS)).split())
def generation(request: pytest.FixtureRequest) -> Generation:
    """The emulated generation of the platform: each of them in turn."""
    return GENERATIONS[request.param]


@pytest.fixture
def cloud(tmp_path: Path, virtual_time: VirtualTime, generation: Generation) -> Iterator[Emulator]:
    """An emulator on the same virtual time as the modules."""
    with Emulator(tmp_path / "cloud", clock=virtual_time.wall, generation=generation.name) as emulator:
        yield emulator


RunModule = Callable[..., Answer]


@pytest.fixture
def run(cloud: Emulator) -> RunModule:
    """``run("snapshot", name=…, disk_ids=…)`` against the emulator; ``_check=True`` and ``_diff=True`` as in ansible-playbook."""
    connection = {key: getattr(cloud, key) for key in ("api_url", "public_key", "private_key", "region", "zone")}

    def run_module(module: str, /, _check: bool = False, _diff: bool = False, **options: Any) -> Answer:
        return module_answer(module, {**connection, **options}, check=_check, diff=_diff)

    return run_module


@pytest.fixture
def run_alone(virtual_time: VirtualTime) -> RunModule:
    """``run_alone("snapshot_info", api_url=…)``: with only these options, without those that :func:`run` adds."""
    return lambda module, /, **options: module_answer(module, options)
