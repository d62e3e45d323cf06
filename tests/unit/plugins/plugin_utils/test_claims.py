# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What marks a process in the manifest, and what users read if a host belongs to another."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.module_utils._claims import is_running
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._claims import claim, not_written, refusals

OTHER = {"id": "x", "controller": "ctl1", "since": "2026-11-23T09:00:00Z"}
WHY = (
    "another process, on ctl1, has been working on this host in this run since 2026-11-23T09:00:00Z: "
    "wait until it ends, or set o=true if it no longer exists."
)


def test_claim_is_that_of_this_process() -> None:
    found = claim()
    assert found["pid"] == os.getpid() and found["controller"] == os.uname().nodename
    assert is_running(found["pid"], found["started"]) and not is_running(found["pid"], f"{found['started']}1")
    assert claim({"any": "input"})["id"] == found["id"]


def test_claim_in_a_worker_is_that_of_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Filters run in the workers of ansible-playbook."""
    monkeypatch.setattr("multiprocessing.parent_process", lambda: SimpleNamespace(pid=os.getppid()))
    found = claim()
    assert found["pid"] == os.getppid() and is_running(found["pid"], found["started"])


def test_claim_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(path: Any) -> bytes:
        raise FileNotFoundError(path)

    monkeypatch.setattr("pathlib.Path.read_bytes", missing)
    assert claim()["started"] == ""


@pytest.mark.parametrize("written", [{}, {"skipped": True}, {"refused": {}}, {"refused": None}, {"changed": True}])
def test_nothing_is_refused(written: dict[str, Any]) -> None:
    assert refusals(written, "o") == not_written(written, {"a": {}}, "o") == {}


def test_refused_hosts_are_named_with_the_option() -> None:
    written = {"refused": {"a": OTHER}}
    assert refusals(written, "o") == not_written(written, {"a": {}, "b": {}}, "o") == {"a": WHY}


@pytest.mark.parametrize(
    "written", [{"failed": True, "msg": "disk full"}, {"unreachable": True, "msg": "disk full", "refused": {"a": OTHER}}]
)
def test_nothing_is_written_if_the_task_failed(written: dict[str, Any]) -> None:
    assert not_written(written, {"a": {}, "b": {}}, "o") == {"a": "disk full", "b": "disk full"}
