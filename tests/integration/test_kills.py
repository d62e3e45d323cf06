# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A play that is killed, and run again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import stage
import yaml
from conftest import COLLECTIONS

from .conftest import Play

ROLLBACK = "ucloudstack.cloud.snapshot_rollback"


def kill_after(cloud: stage.Cloud, book: Path, action: str) -> None:
    """Run the playbook and kill it, modules and all, as soon as the cloud has had this call."""
    process = stage.start_playbook(book, COLLECTIONS, cloud.environment, {})
    give_up = time.monotonic() + 60
    while not cloud.calls(action):
        assert process.poll() is None, f"the play ended before it called {action}"
        assert time.monotonic() < give_up, f"the play never called {action}"
        time.sleep(0.02)
    stage.kill(process)


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[stage.Cloud]:
    """A cloud of its own, whose rollbacks take longer than it takes to start a playbook again."""
    with stage.emulator(tmp_path / "cloud", "--snapshot-seconds", "1", "--rollback-seconds", "15") as slow_cloud:
        yield slow_cloud


@pytest.mark.parametrize("action", ["CreateSnapshot", "RollbackSnapshot"])
def test_rollback_killed_and_run_again_ends_restored(action: str, cloud: stage.Cloud, play: Play, tmp_path: Path) -> None:
    disk = cloud.disk(f"killed-at-{action}")
    reference = stage.checksum(disk["image"])
    prepared = play([{"ucloudstack.cloud.snapshot": {"name": "good", "disk_ids": [disk["disk_id"]]}}])
    assert prepared.returncode == 0, prepared.stdout
    with Path(disk["image"]).open("r+b") as data:
        data.write(b"damage")
    cloud.control("calls", "DELETE")
    options = {"name": "good", "disk_ids": [disk["disk_id"]], "backup_name": "backup", "marker_name": "marker"}
    tasks = [{ROLLBACK: options}]
    book = tmp_path / "killed.yml"
    book.write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))

    kill_after(cloud, book, action)
    again = play(tasks)

    assert again.returncode == 0, again.stdout
    assert stage.checksum(disk["image"]) == reference
    names = [snapshot["name"] for snapshot in cloud.control("state")["snapshots"] if snapshot["disk_id"] == disk["disk_id"]]
    assert sorted(names) == ["backup", "good", "marker"]
    # Once, unless it took longer to start again than the rollback took: nothing tells then that it was done.
    assert {call["ret_code"] for call in cloud.control("calls") if call["action"] == "RollbackSnapshot"} == {0}


def test_snapshot_killed_and_run_again_is_there_once(cloud: stage.Cloud, play: Play, tmp_path: Path) -> None:
    disks = [cloud.disk(f"killed-{number}")["disk_id"] for number in range(3)]
    tasks = [{"ucloudstack.cloud.snapshot": {"name": "once", "disk_ids": disks, "parallelism": 1}}]
    book = tmp_path / "killed.yml"
    book.write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))

    kill_after(cloud, book, "CreateSnapshot")
    again = play(tasks)

    assert again.returncode == 0, again.stdout
    assert sorted(snapshot["disk_id"] for snapshot in cloud.control("state")["snapshots"] if snapshot["name"] == "once") == sorted(disks)
