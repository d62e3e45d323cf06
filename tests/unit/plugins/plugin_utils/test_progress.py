# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person at a terminal is shown while a module runs, and who is shown nothing."""

from __future__ import annotations

import json
import os
import threading
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible import constants
from ansible.errors import AnsibleConnectionFailure
from ansible.utils.display import Display
from ansible_collections.ucloudstack.cloud.plugins.module_utils._progress import FILE
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils import _progress
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._progress import ProgressActionModule, line, shown

PROGRESS = {"goal": "usable", "total": 200, "done": 180, "failed": 0, "waiting": {"Createing": 20}}


@pytest.fixture(autouse=True)
def at_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_progress, "AT_TERMINAL", True)
    monkeypatch.setattr(constants, "DEFAULT_STDOUT_CALLBACK", "default")


def action(tmpdir: Path | None, *, transport: str = "local", become: Any = None, **task: Any) -> Any:
    whole = {"action": "ucloudstack.cloud.snapshot", "async_val": 0, "check_mode": False, "run_once": False, **task}
    connection = SimpleNamespace(transport=transport, become=become, _shell=SimpleNamespace(tmpdir=tmpdir))
    return ProgressActionModule(SimpleNamespace(**whole), connection, None, None, None, None)


@pytest.mark.parametrize(
    ("waiting", "expected"),
    [
        ({"Createing": 20}, "snapshot: 180 of 200 usable, 20 Createing, 0 failed, 42 s"),
        ({}, "snapshot: 180 of 200 usable, 0 failed, 42 s"),
        ({"B": 2, "A": 2, "waiting": 3}, "snapshot: 180 of 200 usable, 3 waiting, 2 A, 2 B, 0 failed, 42 s"),
        ({"A": 4, "B": 3, "C": 2, "D": 1, "E": 1}, "snapshot: 180 of 200 usable, 4 A, 3 B, 2 C, 2 in other states, 0 failed, 42 s"),
    ],
)
def test_line(waiting: dict[str, int], expected: str) -> None:
    assert line("snapshot", {**PROGRESS, "waiting": waiting}, 42.4) == expected


def watched(action: Any) -> Path | None:
    with ExitStack() as until_end:
        found: Path | None = action._watched_file(until_end)
        assert found is None or found.exists()
    return found


def test_a_file_is_watched_in_the_folder_of_the_module(tmp_path: Path) -> None:
    assert watched(action(tmp_path)) == tmp_path / FILE and (tmp_path / FILE).exists()


def test_a_folder_is_created_for_the_time_of_the_module_if_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    piped = action(None)
    found = watched(piped)
    assert found and found.parent.parent == tmp_path and [*tmp_path.iterdir()] == [] and piped._connection._shell.tmpdir is None


def test_ansible_creates_the_folder_for_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def make(self: Any) -> None:
        self._connection._shell.tmpdir = str(tmp_path)

    monkeypatch.setattr(ProgressActionModule, "_make_tmp_path", make)
    assert watched(action(None, become="sudo")) == tmp_path / FILE


@pytest.mark.parametrize("become", [None, "sudo"])
def test_a_folder_that_cannot_be_created_is_left_to_ansible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, become: Any) -> None:
    def fail(self: Any) -> None:
        raise AnsibleConnectionFailure("no space left")

    monkeypatch.setattr(ProgressActionModule, "_make_tmp_path", fail)
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path / "none"))
    assert watched(action(None, become=become)) is None


@pytest.mark.parametrize("given", [{"async_val": 60}, {"check_mode": True}, {"transport": "ssh"}])
def test_nothing_is_watched(given: dict[str, Any], tmp_path: Path) -> None:
    assert watched(action(tmp_path, **given)) is None
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("callback", ["awx_display", "ansible.posix.json", "community.general.null", "oneline"])
def test_nothing_is_watched_under_other_callbacks(callback: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "DEFAULT_STDOUT_CALLBACK", callback)
    assert watched(action(tmp_path)) is None


def test_nothing_is_watched_without_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_progress, "AT_TERMINAL", False)
    assert watched(action(tmp_path)) is None


@pytest.mark.parametrize(
    ("hosts", "run_once", "title"), [(["a"], False, "snapshot"), (["a", "b"], True, "snapshot"), (["a", "b"], False, "snapshot [a]")]
)
def test_the_host_is_named_if_there_are_several(hosts: list[str], run_once: bool, title: str) -> None:
    assert action(None, run_once=run_once)._title({"ansible_play_hosts": hosts, "inventory_hostname": "a"}) == title


def test_each_change_is_shown_once_and_on_the_screen_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    looks = threading.Semaphore(0)
    monkeypatch.setattr(_progress, "INTERVAL", 0.001)

    def parent() -> int:  # asked before each look
        looks.release()
        return 1

    def show(self: Display, msg: str, stderr: bool, screen_only: bool) -> None:
        assert stderr and screen_only
        lines.append(msg.rpartition(",")[0])

    def reported(**progress: Any) -> None:
        new.write_text(json.dumps({**PROGRESS, **progress}))
        new.replace(file)
        for _look in range(3):
            looks.acquire()

    monkeypatch.setattr(os, "getppid", parent)
    monkeypatch.setattr(Display, "display", show)
    file, new = tmp_path / FILE, tmp_path / "new"
    file.touch()
    threads = threading.active_count()
    with shown(file, "snapshot"):
        reported()
        reported(done=181, waiting={"Createing": 19})
    assert lines == ["snapshot: 180 of 200 usable, 20 Createing, 0 failed", "snapshot: 181 of 200 usable, 19 Createing, 0 failed"]
    assert threading.active_count() == threads


def test_the_thread_ends_with_ansible_playbook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parents, looks = iter([7, 7, 1]), iter(range(10))
    done = SimpleNamespace(wait=lambda seconds: next(looks) == 9)
    monkeypatch.setattr(os, "getppid", lambda: next(parents))
    _progress._show(tmp_path / FILE, "snapshot", done)  # type: ignore[arg-type]
    assert next(looks) == 2
