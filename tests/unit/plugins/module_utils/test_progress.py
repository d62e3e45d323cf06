# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What modules report while they run, and when they write it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.module_utils._progress import FILE, ProgressFile, counts
from ansible_collections.ucloudstack.cloud.plugins.module_utils._steps import Progress, Step
from emulator.server import Emulator

WAITING = Step("wait", "created", "disk-1")
DONE = Step("done", "created", "disk-1")
FAILED = Step("done", "failed", "disk-1", failed=True)


def polled(*states: str | None) -> Progress:
    return Progress(polls=tuple((float(at), "snapshot-1", state) for at, state in enumerate(states)))


@pytest.fixture
def writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """All that is written to the file, which somebody watches."""
    written: list[Any] = []

    def replace(new: str, old: str) -> None:
        written.append(json.loads(Path(new).read_text()))
        real(new, old)

    real = os.replace
    monkeypatch.setattr(os, "replace", replace)
    (tmp_path / FILE).touch()
    return written


def test_counts() -> None:
    items = [(DONE, polled("Normal")), (FAILED, Progress()), (WAITING, polled("Normal", "Createing")), (WAITING, polled("Createing"))]
    items += [(WAITING, polled("Normal", None)), (WAITING, Progress())]
    assert counts("usable", items) == {"goal": "usable", "total": 6, "done": 1, "failed": 1, "waiting": {"Createing": 2, "waiting": 2}}


def test_only_a_change_is_written(tmp_path: Path, writes: list[Any]) -> None:
    file = ProgressFile(str(tmp_path))
    for progress in (polled("Createing"), polled("Createing", "Createing"), polled("Createing", "Normal")):
        file.write("usable", [(WAITING, progress)])
    assert [each["waiting"] for each in writes] == [{"Createing": 1}, {"Normal": 1}]
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


@pytest.mark.parametrize("folder", ["", None, "."])
def test_nothing_is_written_if_nobody_watches(folder: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ProgressFile(folder).write("usable", [(DONE, Progress())])
    assert [*tmp_path.iterdir()] == []


def test_a_task_does_not_fail_if_its_folder_vanishes(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / FILE).touch()
    file = ProgressFile(str(folder))
    (folder / FILE).unlink()
    folder.rmdir()
    file.write("usable", [(DONE, Progress())])


def test_modules_report_every_stage(cloud: Emulator, run: Any, tmp_path: Path, writes: list[Any]) -> None:
    with cloud.state.transaction():
        vm_id = cloud.state.add_vm("web", boot_gb=1)
    (disk,) = cloud.state.find_disks(vm_id=vm_id)
    watched = {"_ansible_tmpdir": str(tmp_path)}
    run("snapshot", name="before", disk_ids=[disk], **watched)
    run("vm_power", vm_ids=[vm_id], state="powered_off", **watched)
    run("snapshot_rollback", name="before", disk_ids=[disk], backup_name="backup", marker_name="marker", **watched)
    run("snapshot", name="before", disk_ids=[disk], state="absent", **watched)
    stages = list(dict.fromkeys(each["goal"] for each in writes))
    assert stages == ["usable", "powered off", "backed up", "rolled back", "deleted"]
    assert {each["total"] for each in writes} == {1} and {state for each in writes for state in each["waiting"]} > {"waiting", "Running"}
