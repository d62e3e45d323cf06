# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The benchmark of the modules runs, with all that it can measure. What a task takes is not asserted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.collection import CHECKOUT

pytestmark = pytest.mark.once


def test_benchmark_measures_every_task(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    arguments = ["--disks", "2", "--repeats", "1", "--tls", "--rate", "100", "--loop", "--json", str(figures)]
    ran = subprocess.run(
        [sys.executable, str(CHECKOUT / "tests" / "benchmark" / "modules"), *arguments], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    medians = {row["task"]: row for row in json.loads(figures.read_text())["medians"]}
    assert list(medians) == ["ping", "echo", "create", "repeat", "rollback", "info", "delete", "loop"]
    assert medians["repeat"]["calls"] == 1 and medians["loop"]["calls"] > medians["create"]["calls"] > 3
    assert all(row["peak_mib"] > 10 and row["limit"] > 0 for row in medians.values())
