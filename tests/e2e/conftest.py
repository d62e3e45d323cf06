# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real operating system in each VM of an emulated cloud, and ``ansible-playbook`` that reaches it by SSH."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import stage
from support.collection import COLLECTIONS

from . import guest

HERE = Path(__file__).parent
CHECK = HERE / "check.py"
ACCELERATOR = os.environ.get("UCLOUDSTACK_TEST_ACCELERATOR", "tcg")
"""kvm is ten times as fast, where it works."""
BOOT_SECONDS = 600
"""How long a guest may take to boot, on a busy machine."""


@dataclass(frozen=True)
class Host:
    """A VM and its guest."""

    cloud: stage.Cloud
    vm_id: str
    disks: tuple[str, str]
    """The ids of its boot and data disk."""
    variables: dict[str, Any]
    """Those of the inventory."""

    def run(self, script: str) -> str:
        """Run a shell script in the guest, apart from Ansible and its connections; returns what it prints. Raises CalledProcessError."""
        given = self.variables
        options = ("-o", "ConnectTimeout=60", "-i", given["ansible_ssh_private_key_file"], "-p", str(given["ansible_port"]))
        command = ["ssh", *given["ansible_ssh_common_args"].split(), *options, "root@127.0.0.1", script]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def wait(self) -> None:
        """Until its service writes."""
        give_up = time.monotonic() + BOOT_SECONDS
        while True:
            try:
                self.run("test -s /srv/ledger.sqlite")
            except subprocess.CalledProcessError:
                assert time.monotonic() < give_up, f"{self.vm_id} did not boot: see {self.cloud.state_dir}/vms/{self.vm_id}/serial.log"
                time.sleep(1)
            else:
                return

    def ledger(self) -> dict[str, Any]:
        """What the database contains now, and that it is undamaged: ``{count, versions, at}``."""
        answer: dict[str, Any] = json.loads(self.run(f"python3 - <<'END'\n{(HERE / 'check.py').read_text()}\nEND"))
        return answer

    def boot_id(self) -> str:
        """Another one after each boot."""
        return self.run("cat /proc/sys/kernel/random/boot_id")

    def state(self) -> str:
        """The power state of the VM."""
        return next(str(vm["status"]) for vm in self.cloud.control("state")["vms"] if vm["id"] == self.vm_id)

    def snapshots(self, name: str) -> list[Path]:
        """The bytes of the snapshots of this name, of the boot disk and the data disk."""
        found = self.cloud.control("state")["snapshots"]
        return [Path(each["image"]) for disk in self.disks for each in found if (each["disk_id"], each["name"]) == (disk, name)]

    def snapshot(self, name: str) -> list[Path]:
        """Snapshot both disks, and return the bytes."""
        for disk in self.disks:
            self.cloud.call("CreateSnapshot", DiskID=disk, Name=name)
        return self.snapshots(name)


class Site:
    """A folder with playbooks, and the guests that they are about; the inventory plugin finds these in the cloud."""

    def __init__(self, cloud: stage.Cloud, system: guest.Guest, folder: Path) -> None:
        self.cloud, self.folder = cloud, folder
        self._system = system
        self.hosts: dict[str, Host] = {}
        self.write(**{path.stem: path.read_text() for path in (HERE / "site").glob("*.yml")})
        (folder / "check.py").write_text(CHECK.read_text())

    def add(self, *names: str) -> None:
        """Create hosts, and wait until they have booted."""
        for name in names:
            vm = self.cloud.control("vms", "POST", {"name": name})
            boot, data = next(each["disk_ids"] for each in self.cloud.control("state")["vms"] if each["id"] == vm["id"])
            variables = {
                "ansible_host": "127.0.0.1",
                "ansible_port": vm["ssh_port"],
                "ansible_user": "root",
                "ansible_ssh_private_key_file": str(self._system.key),
                "ansible_ssh_common_args": f"-o HostKeyAlias=guest -o UserKnownHostsFile={self._system.known_hosts}",
            }
            self.hosts[name] = Host(self.cloud, vm["id"], (boot, data), variables)
        for name in names:
            self.hosts[name].wait()

    def write(self, **books: str) -> None:
        for name, text in books.items():
            (self.folder / f"{name}.yml").write_text(text)

    def start(self, book: str, *arguments: str, **variables: Any) -> subprocess.Popen[str]:
        """Start ``ansible-playbook`` as an operator does; its output goes to ``log``."""
        self._write_inventory()
        given = {"ucloudstack_manifest_dir": str(self.folder / "manifests"), **variables}
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        command = [program, book, "-i", "site.ucloudstack.yml", "-e", json.dumps(given), *arguments]
        settings = {"ANSIBLE_HOME": str(self.folder / "home"), "ANSIBLE_PIPELINING": "true", "ANSIBLE_TIMEOUT": "60"}  # guests are slow
        environment = {**stage.clean_environment(COLLECTIONS), **self.cloud.environment, **settings}
        with self.log.open("a") as log:
            return subprocess.Popen(
                command, cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, text=True
            )

    def _write_inventory(self) -> None:
        """Each VM is in the group web. What only this machine knows of its guest comes from a dictionary in the file."""
        given: dict[str, dict[str, Any]] = {}
        for name, host in self.hosts.items():
            for variable, value in host.variables.items():
                given.setdefault(variable, {})[name] = value
        compose = {variable: f"{values!r}[ucloudstack_name]" for variable, values in given.items()}
        inventory = {"plugin": "ucloudstack.cloud.inventory", "groups": {"web": "true"}, "compose": compose}
        (self.folder / "site.ucloudstack.yml").write_text(yaml.safe_dump(inventory))

    def play(self, book: str, *arguments: str, **variables: Any) -> int:
        """Run it to its end; returns its exit status."""
        return self.start(book, *arguments, **variables).wait()

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def states(self, run_id: str) -> dict[str, str]:
        """The state of each host in the manifest of a run."""
        manifest = json.loads((self.folder / "manifests" / f"{run_id}.json").read_text())
        return {name: host["state"] for name, host in manifest["hosts"].items()}


@pytest.fixture(scope="session")
def system() -> guest.Guest:
    try:
        return guest.built()
    except guest.MissingPrograms as error:
        pytest.exit(str(error), 2)


@pytest.fixture
def site(system: guest.Guest, tmp_path: Path) -> Iterator[Site]:
    options = ("--vm-backend", "qemu", "--vm-image", str(system.image), "--vm-accelerator", ACCELERATOR)
    with stage.emulator(tmp_path / "cloud", "--snapshot-seconds", "1", "--rollback-seconds", "1", *options) as cloud:
        folder = tmp_path / "site"
        folder.mkdir()
        yield Site(cloud, system, folder)
