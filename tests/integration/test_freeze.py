# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A file system that is frozen while its snapshot is created: a real one, on a loop device, with the emulated cloud."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import stage
from support.collection import CHECKOUT, COLLECTIONS

from .conftest import Fleet, Play

pytestmark = pytest.mark.once

TASKS = CHECKOUT / "playbooks" / "tasks"
FREEZE = {"ansible.builtin.include_tasks": str(TASKS / "freeze.yml")}
THAW = {"ansible.builtin.include_tasks": str(TASKS / "thaw.yml")}
ROOT = [] if os.geteuid() == 0 else ["sudo", "-n"]

Now = Callable[..., subprocess.CompletedProcess[str]]


def root(*command: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*ROOT, *map(str, command)], check=check, capture_output=True, text=True)


class Mount:
    """A mounted file system, and those who write to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.writers: list[subprocess.Popen[bytes]] = []

    def start(self, script: str) -> subprocess.Popen[bytes]:
        """Start a writer; while the file system is frozen, nothing ends it, not even SIGKILL."""
        self.writers.append(subprocess.Popen(["/bin/sh", "-c", script, "writer", str(self.path)]))
        return self.writers[-1]

    def takes_a_write(self, timeout: float) -> bool:
        try:
            return self.start('echo written > "$1/probe"').wait(timeout) == 0
        except subprocess.TimeoutExpired:
            return False

    def thaw(self) -> bool:
        """Whether it was frozen; it is not any more."""
        return root("fsfreeze", "--unfreeze", self.path, check=False).returncode == 0


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    image, path = tmp_path / "image", tmp_path / "srv data"
    path.mkdir()
    with image.open("wb") as file:
        file.truncate(16 * stage.MIB)
    subprocess.run(["/sbin/mkfs.ext4", "-q", "-E", f"root_owner={os.getuid()}:{os.getgid()}", str(image)], check=True)
    mounted = root("mount", "-o", "loop", image, path, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"a file system can be mounted by root only, or not at all in a container: {mounted.stderr.strip()}")
    mount = Mount(path)
    try:
        yield mount
    finally:
        mount.thaw()
        for writer in mount.writers:
            writer.kill()
            writer.wait()
        root("umount", path)  # the loop device goes with it


@pytest.fixture
def now(fleet: Fleet, mount: Mount, tmp_path: Path) -> Now:
    """``now(freeze_seconds=…)`` runs the playbook snapshot_now on web1, with the file system frozen."""
    # This machine is the guest, and Ansible's temporary files are on what is frozen.
    fleet.variables["web1"] |= {"ansible_connection": "local", "ansible_remote_tmp": str(mount.path / "ansible")}

    def run(*arguments: str, environment: dict[str, str] | None = None, **variables: Any) -> subprocess.CompletedProcess[str]:
        given = {"target": "web1", "freeze": str(mount.path), "ucloudstack_manifest_dir": str(tmp_path / "manifests"), **variables}
        environment = {**fleet.cloud.environment, **stage.WITH_FILES, **(environment or {})}
        book = Path("ucloudstack.cloud.snapshot_now")
        return stage.playbook(book, COLLECTIONS, environment, given, "-i", fleet.write(), *arguments)

    return run


def test_writes_are_blocked_while_the_snapshot_is_created(now: Now, mount: Mount, fleet: Fleet, cloud: stage.Cloud, tmp_path: Path) -> None:
    log = tmp_path / "log"  # elsewhere, so that only the write to the file system takes its time
    mount.start(f'while :; do date +%s.%N; echo x > "$1/writes"; date +%s.%N; sleep 0.02; done > "{log}"')
    played = now(snapshot_create_run_id="frozen")
    assert played.returncode == 0, played.stdout
    assert fleet.snapshots("ansible-frozen") == sorted(fleet.disks("web1"))
    assert mount.takes_a_write(timeout=5)

    times = [float(line) for line in log.read_text().splitlines()]
    begin, end = max(zip(times[::2], times[1::2], strict=False), key=lambda write: write[1] - write[0])
    calls = [call for call in cloud.control("calls") if call["action"] == "CreateSnapshot"]
    usable = [call for call in cloud.control("calls") if call["action"] == "DescribeSnapshot" and call["at"] > calls[-1]["at"]][-1]
    assert [begin < call["at"] < end for call in [*calls, usable]] == [True, True, True]


def test_thawed_also_when_the_snapshot_fails(now: Now, mount: Mount, fleet: Fleet, cloud: stage.Cloud) -> None:
    cloud.control("faults", "POST", [{"action": "CreateSnapshot", "kind": "refuse", "ret_code": 161}])
    played = now()
    assert played.returncode == 2 and "web1 is not protected: CreateSnapshot: a quota is exceeded" in played.stdout
    assert "was thawed before" not in played.stdout
    assert mount.takes_a_write(timeout=5)


def test_thawed_before_the_snapshot_is_usable_fails_the_host(now: Now, mount: Mount, cloud: stage.Cloud) -> None:
    played = now(freeze_seconds=0.1)
    assert played.returncode == 2 and cloud.calls("CreateSnapshot") == 2
    assert f"web1: {mount.path} was thawed before the snapshot was complete; its timer does that after 0.1 s." in played.stdout
    assert mount.takes_a_write(timeout=5)


def test_thawed_by_the_guest_alone_when_the_play_is_killed(mount: Mount, cloud: stage.Cloud, tmp_path: Path) -> None:
    flag = tmp_path / "frozen"
    tasks = [FREEZE, {"ansible.builtin.raw": f"touch {flag}; sleep 60"}, THAW]
    book = tmp_path / "killed.yml"
    book.write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
    process = stage.start_playbook(
        book, COLLECTIONS, {**cloud.environment, **stage.WITH_FILES}, {"freeze": str(mount.path), "freeze_seconds": 6}
    )
    try:
        give_up = time.monotonic() + 60
        while not flag.exists():
            assert process.poll() is None and time.monotonic() < give_up, "the play did not get that far"
            time.sleep(0.02)
    finally:
        stage.kill(process)
    assert not mount.takes_a_write(timeout=1)
    assert mount.takes_a_write(timeout=20)
    assert not mount.thaw()


def test_thawed_at_once_when_the_guest_shuts_down(mount: Mount, play: Play) -> None:
    told_to_end = {"ansible.builtin.raw": "kill -s TERM -- -{{ freeze_timer.stdout.split() | last }}"}
    played = play([FREEZE, told_to_end], freeze=str(mount.path))
    assert played.returncode == 0, played.stdout
    assert mount.takes_a_write(timeout=5)


def test_frozen_by_another_process_is_refused_and_left_frozen(now: Now, mount: Mount, cloud: stage.Cloud, fleet: Fleet) -> None:
    del fleet.variables["web1"]["ansible_remote_tmp"]
    root("fsfreeze", "--freeze", mount.path)
    played = now()
    assert played.returncode == 2 and cloud.calls("CreateSnapshot") == 0
    assert f"web1: {mount.path} was not frozen: fsfreeze: {mount.path}: freeze failed: Device or resource busy" in played.stdout
    assert mount.thaw()


def test_folder_that_is_not_a_mount_point_is_refused(now: Now, mount: Mount, cloud: stage.Cloud) -> None:
    folder = mount.path / "folder"
    folder.mkdir()
    played = now(freeze=str(folder))
    assert played.returncode == 2 and cloud.calls("CreateSnapshot") == 0
    assert (
        f"web1 is not protected: Verify that the file system is frozen: web1: {folder} was not frozen: it is not a mount point"
        in played.stdout
    )
    assert not mount.thaw()


def test_guest_without_fsfreeze_is_refused(mount: Mount, play: Play, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("cat", "mountpoint", "setsid", "sh"):
        (programs / name).symlink_to(shutil.which(name) or name)
    played = play([FREEZE], environment={"PATH": str(programs)}, freeze=str(mount.path), ansible_become=False)
    assert played.returncode == 2
    assert f"localhost: {mount.path} was not frozen: " in played.stdout and "fsfreeze: not found" in played.stdout


def test_check_mode_freezes_nothing(now: Now, mount: Mount, cloud: stage.Cloud) -> None:
    played = now("--check")
    assert played.returncode == 0, played.stdout
    assert not mount.thaw() and cloud.calls("CreateSnapshot") == 0
