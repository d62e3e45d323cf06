# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real ``ansible-playbook`` in front of a real emulator process."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import stage
import yaml
from conftest import COLLECTIONS

Play = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def running_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[stage.Cloud]:
    with stage.emulator(tmp_path_factory.mktemp("cloud"), "--snapshot-seconds", "1", "--rollback-seconds", "1") as cloud:
        yield cloud


@pytest.fixture
def cloud(running_cloud: stage.Cloud) -> stage.Cloud:
    """The emulator, with no calls recorded and no faults."""
    running_cloud.control("faults", "DELETE")
    running_cloud.control("calls", "DELETE")
    return running_cloud


@pytest.fixture
def play(cloud: stage.Cloud, tmp_path: Path) -> Play:
    """``play(tasks, "-v", variable=…)`` runs the tasks (parsed, or as YAML) on localhost, with the cloud's keys in the environment."""

    def run(
        tasks: Any, *arguments: str, environment: dict[str, str] | None = None, keywords: dict[str, Any] | None = None, **variables: Any
    ) -> subprocess.CompletedProcess[str]:
        parsed = yaml.safe_load(tasks) if isinstance(tasks, str) else tasks
        book = tmp_path / "playbook.yml"
        book.write_text(
            yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": parsed, **(keywords or {})}], allow_unicode=True)
        )
        return stage.playbook(book, COLLECTIONS, {**cloud.environment, **(environment or {})}, variables, *arguments)

    return run
