# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real ``ansible-playbook`` against a real emulator process."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import stage
from support.collection import COLLECTIONS

Play = Callable[..., subprocess.CompletedProcess[str]]
SECONDS = ("--snapshot-seconds", "1", "--rollback-seconds", "1")
"""Duration of a snapshot and of a rollback in the emulated cloud."""


@pytest.fixture(scope="session")
def running_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[stage.Cloud]:
    with stage.emulator(tmp_path_factory.mktemp("cloud"), *SECONDS) as cloud:
        yield cloud


@pytest.fixture
def cloud(running_cloud: stage.Cloud) -> stage.Cloud:
    """The emulator, without recorded calls and faults."""
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


class Fleet:
    """Hosts of a play, each the guest of a VM with a boot and a data disk."""

    def __init__(self, cloud: stage.Cloud, folder: Path, count: int) -> None:
        self.cloud = cloud
        self.variables: dict[str, dict[str, Any]] = {f"web{number}": cloud.guest(f"web{number}") for number in range(1, count + 1)}
        self.images = {host: [Path(image) for image in variables["guest_images"]] for host, variables in self.variables.items()}
        self.vms = {host: variables["ucloudstack_vm_id"] for host, variables in self.variables.items()}
        self.inventory = folder / "inventory.yml"

    def disks(self, *hosts: str) -> list[str]:
        return [image.stem for host in hosts or self.images for image in self.images[host]]

    def checksums(self, *hosts: str) -> dict[str, list[str]]:
        """The checksums of the disks of these hosts, or of all."""
        return {host: [stage.checksum(image) for image in self.images[host]] for host in hosts or self.images}

    def damage(self, host: str, text: bytes = b"damaged") -> None:
        """Write to all disks of a host; with ``BROKEN`` its guest becomes unreachable."""
        for image in self.images[host]:
            with image.open("r+b") as disk:
                disk.write(text)

    def states(self) -> dict[str, str]:
        """The power state of each host's VM."""
        found = {each["id"]: each["status"] for each in self.cloud.control("state")["vms"]}
        return {host: found[vm_id] for host, vm_id in self.vms.items()}

    def attached(self, host: str) -> list[str]:
        """The disks of a host's VM, sorted."""
        return sorted(each["id"] for each in self.cloud.control("state")["disks"] if each["vm_id"] == self.vms[host])

    def write(self) -> str:
        self.inventory.write_text(yaml.safe_dump({"all": {"hosts": self.variables}}))
        return str(self.inventory)

    def snapshots(self, name: str) -> list[str]:
        """The disks of the fleet that have a snapshot of this name, sorted, one entry for each snapshot."""
        found = self.cloud.control("state")["snapshots"]
        return sorted(each["disk_id"] for each in found if each["name"] == name and each["disk_id"] in self.disks())

    def snapshot(self, name: str, remark: str, *hosts: str) -> None:
        """Create snapshots of the hosts' disks without a role, and wait until they are usable."""
        self.create(name, dict.fromkeys(self.disks(*hosts), remark))

    def run(self, name: str, *hosts: str) -> None:
        """Create the snapshots of a run with the prefix ``ansible-``; or, if the name ends in -r1 or -b1, those of a rollback to it."""
        base, _dash, copy = name.rpartition("-")
        if not re.fullmatch("[br][0-9]", copy):
            self.snapshot(name, f"ucloudstack.cloud run={name.removeprefix('ansible-')} vm=x disks=2", *hosts)
            return
        sort = "marker" if copy[0] == "r" else f"backup marker={base}-r{copy[1:]}"
        targets = {each["disk_id"]: each["id"] for each in self.cloud.control("state")["snapshots"] if each["name"] == base}
        self.create(name, {disk_id: f"ucloudstack.cloud {sort} target={targets[disk_id]}" for disk_id in self.disks(*hosts)})

    def create(self, name: str, remarks: dict[str, str]) -> list[str]:
        """Create snapshots of disks, with these remarks, and wait until they are usable; returns their ids."""
        calls = ({"DiskID": disk_id, "Name": name, "Remark": remark} for disk_id, remark in remarks.items())
        made = [self.cloud.call("CreateSnapshot", **call)["SnapshotID"] for call in calls]
        while any(each["SnapshotStatus"] != "Normal" for each in self.cloud.call("DescribeSnapshot", SnapshotIDs=made)["Infos"]):
            time.sleep(0.05)
        return made


@pytest.fixture
def fleet(cloud: stage.Cloud, tmp_path: Path) -> Fleet:
    fleet = Fleet(cloud, tmp_path, 3)
    cloud.control("calls", "DELETE")
    return fleet
