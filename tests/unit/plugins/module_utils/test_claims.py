# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Claims: which process keeps another from a host, and how the end of a process is noticed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.module_utils._claims import Machine, is_running, other_process, with_claim

OURS = {"id": "ours", "controller": "here", "since": "2026-11-23T10:00:00Z", "pid": 1, "started": "1"}
THEIRS = {"id": "theirs", "controller": "here", "since": "2026-11-23T09:00:00Z", "pid": 77, "started": "5"}
SHOWN = {"id": "theirs", "controller": "here", "since": "2026-11-23T09:00:00Z"}


def machine(name: str = "here", running: bool = True) -> Machine:
    return Machine(name, lambda pid, started: running)


@pytest.mark.parametrize("state", ["planned", "snapshotted", "patching", "restoring"])
def test_a_process_keeps_others_from_a_host_that_it_works_on(state: str) -> None:
    assert other_process({"state": state, "process": THEIRS}, OURS, machine()) == SHOWN


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"state": "patching"},
        {"state": "patching", "process": None},
        {"state": "patching", "process": "theirs"},
        {"state": "patching", "process": {**THEIRS, "id": "ours"}},
        {"process": THEIRS},
        *({"state": state, "process": THEIRS} for state in ("verified", "restored", "failed", None, ["patching"])),
    ],
    ids=str,
)
def test_a_host_that_no_other_process_works_on_is_free(entry: dict[str, Any]) -> None:
    assert other_process(entry, OURS, machine()) is None


def test_a_process_that_has_ended_keeps_nobody_away() -> None:
    assert other_process({"state": "patching", "process": THEIRS}, OURS, machine(running=False)) is None


@pytest.mark.parametrize(
    ("stored", "ours", "here"),
    [
        ({"controller": "there"}, "here", "here"),
        ({"controller": "there"}, "there", "here"),
        ({}, "there", "here"),
        ({}, "here", "there"),
        ({"pid": None}, "here", "here"),
        ({"pid": 0}, "here", "here"),
        ({"pid": -1}, "here", "here"),
        ({"pid": "77"}, "here", "here"),
    ],
    ids=str,
)
def test_the_end_of_a_process_is_only_known_on_its_own_machine(stored: dict[str, Any], ours: str, here: str) -> None:
    entry = {"state": "patching", "process": {**THEIRS, **stored}}
    assert other_process(entry, {**OURS, "controller": ours}, machine(here, running=False)) is not None


def test_the_machine_is_asked_for_the_stored_process() -> None:
    asked: list[tuple[int, str | None]] = []

    def has_ended(*process: Any) -> bool:
        asked.append(process)
        return False

    here = Machine("here", has_ended)
    assert other_process({"state": "patching", "process": THEIRS}, OURS, here) is None
    assert asked == [(77, "5")]


@pytest.mark.parametrize(
    ("state", "claim", "process"),
    [
        ("patching", OURS, OURS),
        (None, OURS, OURS),
        ("patching", {}, THEIRS),
        *((state, claim, None) for state in ("verified", "restored", "failed") for claim in (OURS, {})),
    ],
)
def test_an_entry_keeps_one_claim_until_its_state_is_final(state: str, claim: dict[str, Any], process: dict[str, Any] | None) -> None:
    entry = {"vm_id": "vm-1", "process": THEIRS}
    assert with_claim(entry, state, claim) == {"vm_id": "vm-1", **({"process": process} if process else {})}
    assert entry == {"vm_id": "vm-1", "process": THEIRS}


def start_time(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="this system has no /proc")


def test_a_process_runs_until_it_ends() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert is_running(process.pid, None) and is_running(process.pid, "")
    assert not is_running(process.pid, None)


@needs_proc
def test_a_process_that_is_killed_and_not_waited_for_has_ended() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not is_running(process.pid, None)


@needs_proc
def test_a_later_process_with_the_same_id_is_another() -> None:
    assert is_running(os.getpid(), start_time(os.getpid()))
    assert not is_running(os.getpid(), "1")


def test_without_proc_an_existing_id_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(path: Path) -> bytes:
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_bytes", missing)
    assert is_running(os.getpid(), "1")


@pytest.mark.parametrize("error", [PermissionError, OverflowError])
def test_a_process_whose_end_is_not_certain_runs(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    def kill(pid: int, signal: int) -> None:
        raise error

    monkeypatch.setattr(os, "kill", kill)
    assert is_running(2**70, None)


def test_the_machine_is_this_one() -> None:
    assert Machine().name == os.uname().nodename and Machine().is_running(os.getpid(), None)
