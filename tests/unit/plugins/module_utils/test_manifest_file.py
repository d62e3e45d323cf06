# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Manifests on disk: never half written, never a lost entry, and clear messages if they cannot be read or written."""

from __future__ import annotations

import json
import os
import random
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.module_utils import _manifest, _manifest_file
from ansible_collections.ucloudstack.cloud.plugins.module_utils._clock import Clock
from ansible_collections.ucloudstack.cloud.plugins.module_utils._manifest import ManifestError, empty, text_of
from support.collection import COLLECTIONS

IMPORTS = """
import sys
from ansible_collections.ucloudstack.cloud.plugins.module_utils import _claims, _manifest, _manifest_file
from ansible_collections.ucloudstack.cloud.plugins.module_utils._clock import Clock
folder = sys.argv[1]
"""
MERGE = """
for number in range(int(sys.argv[3])):
    with _manifest_file.locked(folder, Clock()):
        stored = _manifest_file.read(folder, "r1") or _manifest.empty("r1", "")
        new = {sys.argv[2]: {str(number): "x" * int(sys.argv[4])}}
        _manifest_file.replace(folder, "r1", _manifest.text_of(_manifest.merged(stored, new, {}, False, _claims.Machine())[0]))
"""
HOLD = """
with _manifest_file.locked(folder, Clock()):
    print("locked", flush=True)
    input()
"""


def process(code: str, *arguments: object, **options: Any) -> subprocess.Popen[str]:
    """A Python process with the utils and the folder, its first argument."""
    environment = {**os.environ, "PYTHONPATH": str(COLLECTIONS)}
    return subprocess.Popen([sys.executable, "-c", IMPORTS + code, *map(str, arguments)], env=environment, text=True, **options)


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path / "state" / "manifests")


@pytest.fixture
def other_process(folder: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    with process(HOLD, folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout and holder.stdout.readline() == "locked\n"
        yield holder
        holder.kill()


def write(folder: str, run_id: str, text: str | None = None) -> str:
    with _manifest_file.locked(folder, Clock()):
        _manifest_file.replace(folder, run_id, text_of(empty(run_id, "")) if text is None else text)
    return _manifest_file.path_of(folder, run_id)


def test_directory_lock_and_file_are_private(folder: str) -> None:
    path = write(folder, "r1")
    assert [oct(os.stat(each).st_mode & 0o777) for each in (folder, os.path.join(folder, ".lock"), path)] == ["0o700", "0o600", "0o600"]
    assert sorted(os.listdir(folder)) == [".lock", "r1.json"]


def test_read_creates_nothing(folder: str) -> None:
    assert _manifest_file.read(folder, "r1") is None and _manifest_file.unfinished(folder, "r1", {"web07": ""}) == ({}, [])
    assert not os.path.exists(folder)


def test_file_that_is_readable_for_others_becomes_private(folder: str) -> None:
    path = write(folder, "r1")
    os.chmod(path, 0o644)
    write(folder, "r1")
    assert oct(os.stat(path).st_mode & 0o777) == "0o600"


@pytest.mark.once
def test_concurrent_processes_lose_no_entry(folder: str) -> None:
    processes = [process(MERGE, folder, f"host{number}", 50, 10) for number in range(8)]
    assert [each.wait() for each in processes] == [0] * 8
    manifest = _manifest_file.read(folder, "r1")
    assert manifest and {host: len(entry) for host, entry in manifest["hosts"].items()} == {f"host{number}": 50 for number in range(8)}
    assert sorted(os.listdir(folder)) == [".lock", "r1.json"]


@pytest.mark.once
def test_killed_process_leaves_a_whole_file_and_no_lock(folder: str) -> None:
    chance, path = random.Random(1), write(folder, "r1")
    for turn in range(10):
        size = os.path.getsize(path)
        with process(MERGE, folder, f"host{turn}", 10_000, 20_000) as victim:
            while os.path.getsize(path) <= size:
                time.sleep(0.005)
            time.sleep(chance.random() / 10)
            victim.kill()
        manifest = _manifest_file.read(folder, "r1")
        assert manifest and len(manifest["hosts"]) == turn + 1
    write(folder, "r1")


def test_failed_write_leaves_the_file_and_nothing_else(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(folder, "r1")
    before = Path(path).read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ManifestError, match=f"the manifest {path} could not be written: No space left on device"):
        write(folder, "r1", "new")
    assert Path(path).read_bytes() == before and sorted(os.listdir(folder)) == [".lock", "r1.json"]


def test_content_is_on_disk_before_the_name(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    steps, rename = [], os.replace

    def replace(*names: str) -> None:
        steps.append("replace")
        rename(*names)

    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(os, "fsync", lambda descriptor: steps.append(stat.filemode(os.fstat(descriptor).st_mode)))
    write(folder, "r1")
    assert steps == ["-rw-------", "replace", "drwx------"]


def test_lock_is_waited_for_a_minute(folder: str, ticks: Any, other_process: subprocess.Popen[str]) -> None:
    lock = os.path.join(folder, ".lock")
    with (
        pytest.raises(ManifestError, match=f"the lock {lock} is still held by another process after 60 s"),
        _manifest_file.locked(folder, ticks.clock()),
    ):
        pytest.fail("it is locked")
    assert ticks.elapsed == pytest.approx(60) and max(ticks.sleeps) <= 0.25


def test_lock_of_a_process_that_was_killed_is_free(folder: str, other_process: subprocess.Popen[str]) -> None:
    other_process.kill()
    other_process.wait()
    write(folder, "r1")


def test_symbolic_links_are_followed_and_stay(folder: str, tmp_path: Path) -> None:
    real = write(str(tmp_path / "real"), "elsewhere")
    os.rename(real, tmp_path / "real" / "r1-of-another-name")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real" / "r1.json").symlink_to("r1-of-another-name")
    write(str(tmp_path / "link"), "r1")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real" / "r1.json").is_symlink()
    assert json.loads((tmp_path / "real" / "r1-of-another-name").read_text())["run_id"] == "r1"


@pytest.mark.parametrize("content", ["", '{"run_id": "r2", "hosts": {}}'])
def test_file_that_is_not_the_manifest_is_refused(folder: str, content: str) -> None:
    path = write(folder, "r1", content)
    with pytest.raises(ManifestError, match=f"the manifest {path} is invalid: it is not .*Move it away"):
        _manifest_file.read(folder, "r1")


def test_what_cannot_be_opened_is_named(folder: str) -> None:
    os.makedirs(_manifest_file.path_of(folder, "r1"))
    with pytest.raises(ManifestError, match=r"the manifest .*/r1.json could not be read: Is a directory"):
        _manifest_file.read(folder, "r1")
    with pytest.raises(ManifestError, match=r"the manifest .*/r1.json could not be written: Is a directory"):
        write(folder, "r1")
    Path(folder, "file").touch()
    with pytest.raises(ManifestError, match=r"the lock .*/file/.lock could not be written: File exists"):
        write(os.path.join(folder, "file"), "r1")
    with pytest.raises(ManifestError, match=r"/file could not be read: Not a directory"):
        _manifest_file.unfinished(os.path.join(folder, "file"), "r1", {"web07": ""})


def unfinished_run(folder: str, run_id: str, **states: str) -> None:
    write(folder, run_id, text_of({**empty(run_id, ""), "hosts": {host: {"state": state} for host, state in states.items()}}))


def test_unfinished_runs_of_hosts(folder: str) -> None:
    unfinished_run(folder, "r2", a="patching", b="verified", c="restoring")
    unfinished_run(folder, "r1", a="restoring", b="planned")
    unfinished_run(folder, "own", a="patching")
    assert _manifest_file.unfinished(folder, "own", {"b": "", "a": ""}) == ({"a": ["r1", "r2"]}, [])
    assert _manifest_file.unfinished(folder, "own", {}) == ({}, [])


def test_broken_manifests_of_other_runs_are_skipped_with_a_warning(folder: str) -> None:
    unfinished_run(folder, "good", a="patching")
    for name in ("cut", "own"):
        write(folder, name, '{"hosts": {"a": {"state": "patch')
    write(folder, "foreign", '{"run_id": "good", "hosts": {"a": {"state": "patching"}}}')
    write(folder, "settings", '{"colour": "blue"}\n')
    os.mkdir(os.path.join(folder, "directory.json"))
    os.mkfifo(os.path.join(folder, "fifo.json"))
    os.symlink("nowhere", os.path.join(folder, "dangling.json"))
    Path(folder, "good (copy).json").write_text("no name of a run")
    found, warnings = _manifest_file.unfinished(folder, "own", {"a": ""})
    assert found == {"a": ["good"]}
    assert [warning.split(" is invalid: ")[0] for warning in warnings] == [
        f"the manifest {folder}/{name}.json" for name in ("cut", "foreign")
    ]
    assert all(warning.endswith("It was not searched for unfinished hosts.") for warning in warnings)


def test_finished_runs_are_not_parsed(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be thousands of them."""
    os.makedirs(folder)
    for number in range(3):
        unfinished_run(folder, f"r{number}", a="verified", b="failed")
    monkeypatch.setattr(_manifest, "parsed", lambda content, run_id: pytest.fail(f"{run_id} was parsed"))
    assert _manifest_file.unfinished(folder, "own", {"a": "", "b": ""}) == ({}, [])
