# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs an emulator process, and ansible-playbook against it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .collection import CHECKOUT

if TYPE_CHECKING:
    import psutil

WITH_FILES = {"ANSIBLE_PIPELINING": "false"}
"""Modules as files on the host, as by default. Without them, plays take a quarter less time."""
MIB = 1024 * 1024
BLOCK = 4096

GENERATION = os.environ.get("UCLOUDSTACK_TEST_GENERATION", "1.x")
"""The emulated generation of the platform."""


class EmulatorProcess:
    """A running ``python tests/emulator``. Killed and started again, it is the same cloud, with the same port and keys."""

    def __init__(self, state_dir: Path, *arguments: str, generation: str = GENERATION) -> None:
        """Raises RuntimeError if it does not start."""
        program = [sys.executable, str(CHECKOUT / "tests" / "emulator")]
        self._command = [*program, "--state-dir", str(state_dir), "--generation", generation, *arguments]
        self.connection = self._start()

    def _start(self, *arguments: str) -> dict[str, str]:
        self._process = subprocess.Popen([*self._command, *arguments], stdout=subprocess.PIPE, text=True)
        ready = self._process.stdout.readline() if self._process.stdout else ""
        if not ready:
            self.kill()
            raise RuntimeError("the emulator did not start")
        connection: dict[str, str] = json.loads(ready)
        return connection

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL."""
        with self._process:
            self._process.kill()

    def start_again(self) -> None:
        """Start it after it was killed. Raises RuntimeError if it does not start."""
        self._start("--port", str(urlsplit(self.connection["api_url"]).port))

    def stop(self) -> None:
        """SIGTERM, so that it shuts down cleanly."""
        with self._process:
            self._process.terminate()
            self._process.wait(10)


@dataclass(frozen=True)
class Cloud:
    """A running emulator: how to reach it, its folder, and its process."""

    connection: dict[str, str]
    state_dir: Path
    process: EmulatorProcess

    @property
    def environment(self) -> dict[str, str]:
        """The connection as the modules read it from the environment."""
        options = ("api_url", "public_key", "private_key", "region", "zone")
        return {f"UCLOUDSTACK_{option.upper()}": self.connection[option] for option in options}

    def control(self, path: str, method: str = "GET", body: Any = None) -> Any:
        """Call the control API: ``calls``, ``state``, ``faults``. Returns the parsed response."""
        request = urllib.request.Request(
            f"{self.connection['control_url']}/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        if "ca_path" in self.connection:
            handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=self.connection["ca_path"])))
        with urllib.request.build_opener(*handlers).open(request, timeout=30) as response:
            text = response.read()
        return json.loads(text) if text else None

    def calls(self, action: str) -> int:
        """How often this action was called."""
        return sum(call["action"] == action for call in self.control("calls"))

    def call(self, action: str, **params: Any) -> dict[str, Any]:
        """One call of the API, with the client of the collection."""
        from ansible_collections.ucloudstack.cloud.plugins.module_utils._client import Client
        from ansible_collections.ucloudstack.cloud.plugins.module_utils._transport import Config

        given = self.connection
        config = Config(given["api_url"], given["public_key"], given["private_key"], given["region"], ca_path=given.get("ca_path"))
        return Client(config).call(action, params)

    def delete_snapshots(self) -> None:
        """Delete all snapshots, and wait until they are gone."""
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda each: self.call("DeleteSnapshot", SnapshotID=each["id"]), self.control("state")["snapshots"]))
        while self.control("state")["snapshots"]:
            time.sleep(0.1)

    def empty_disk(self, name: str) -> str:
        """Create a detached disk of 1 GB; returns its id."""
        disk_id: str = self.call("CreateDisk", SetType="StorageHDD", Name=name, DiskSpace=1, ChargeType="Month")["DiskID"]
        while self.call("DescribeDisk", DiskIDs=[disk_id])["Infos"][0]["DiskStatus"] not in ("Unbound", "Detached"):
            time.sleep(0.05)
        return disk_id

    def disk(self, name: str) -> dict[str, str]:
        """Create a detached disk of 1 GB with unique bytes at its start; returns its id and the path of its bytes."""
        disk_id = self.empty_disk(name)
        image = self.state_dir / "disks" / f"{disk_id}.img"
        with image.open("r+b") as data:
            data.write(hashlib.shake_256(name.encode()).digest(4 * MIB))
        return {"disk_id": disk_id, "image": str(image)}

    def vm(self, name: str, data_gb: int = 1, remark: str = "") -> dict[str, Any]:
        """Create a running VM with a boot disk of 1 GB, and a data disk unless ``data_gb`` is 0; returns its id and those of its disks."""
        spec = {"VMType": "Normal", "ImageID": "image-1", "CPU": 1, "Memory": 1024, "ChargeType": "Month", "Password": "not-a-secret"}
        network = {
            "VPCID": "vpc-1",
            "SubnetID": "subnet-1",
            "WANSGID": "sg-1",
            "BootDiskSetType": "StorageHDD",
            "DataDiskSetType": "StorageHDD",
        }
        vm_id = self.call("CreateVMInstance", Name=name, Remark=remark, BootDiskSpace=1, DataDiskSpace=data_gb, **spec, **network)["VMID"]
        while (info := self.call("DescribeVMInstance", VMIDs=[vm_id])["Infos"][0])["State"] != "Running":
            time.sleep(0.05)
        return {"vm_id": vm_id, "disk_ids": [disk["DiskID"] for disk in info["DiskInfos"]]}

    def guest(self, name: str) -> dict[str, Any]:
        """Create a running VM with unique bytes on both disks; returns the variables of the host that is its guest."""
        vm = self.vm(name)
        images = [self.state_dir / "disks" / f"{disk_id}.img" for disk_id in vm["disk_ids"]]
        for number, image in enumerate(images):
            with image.open("r+b") as data:
                data.write(hashlib.shake_256(f"{name} {number}".encode()).digest(MIB))
        return {
            "ansible_connection": "guest",
            "ucloudstack_vm_id": vm["vm_id"],
            "guest_control_url": self.connection["control_url"],
            "guest_images": [str(image) for image in images],
        }


def checksum(image: str | Path) -> str:
    """SHA-256 of all blocks of a disk that are not zeros, and of their positions."""
    digest = hashlib.sha256()
    with Path(image).open("rb", buffering=0) as data:
        size, position = data.seek(0, os.SEEK_END), 0
        while (position := _next_data(data, position, size)) < size:
            data.seek(position)
            block = data.read(BLOCK)
            if block.strip(b"\0"):
                digest.update(b"%d:" % position + block)
            position += len(block)
    return digest.hexdigest()


def _next_data(disk: FileIO, position: int, size: int) -> int:
    """The start of the next block, from ``position`` on, that is not a hole: disks are files with large holes."""
    try:
        return disk.seek(position, os.SEEK_DATA) // BLOCK * BLOCK
    except OSError:  # only a hole
        return size


@contextlib.contextmanager
def emulator(state_dir: Path, *arguments: str, generation: str = GENERATION) -> Iterator[Cloud]:
    """Run ``python tests/emulator`` and stop it afterwards. Raises RuntimeError if it does not start."""
    process = EmulatorProcess(state_dir, *arguments, generation=generation)
    try:
        yield Cloud(process.connection, state_dir, process)
    finally:
        process.stop()


def playbook(
    book: Path, collections: Path, environment: Mapping[str, str], variables: Mapping[str, Any], *arguments: str, capture: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run the real ``ansible-playbook`` on localhost, without the caller's Ansible settings and cloud keys."""
    command, rest = _invocation(book, collections, environment, variables, arguments)
    return subprocess.run(command, **rest, capture_output=capture, check=False)


def program(name: str, *arguments: str, folder: Path, collections: Path, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program of this Python in a folder, as an operator does; its home directory is the parent. ``given``: its standard input."""
    environment = operator_environment(folder.parent, collections)
    command = [str(Path(sys.executable).with_name(name)), *arguments]
    return subprocess.run(command, cwd=folder, env=environment, input=given, capture_output=True, text=True, check=False)


def shell(script: str, folder: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run commands in a folder, up to the first that fails."""
    command = ["bash", "-eu", "-o", "pipefail", "-c", script]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def start_playbook(
    book: Path,
    collections: Path,
    environment: Mapping[str, str],
    variables: Mapping[str, Any],
    *arguments: str,
    output: IO[str] | int = subprocess.DEVNULL,
) -> subprocess.Popen[str]:
    """Like :func:`playbook`, but do not wait for its end; its output goes to ``output``."""
    command, rest = _invocation(book, collections, environment, variables, arguments)
    return subprocess.Popen(command, **rest, stdout=output, stderr=subprocess.STDOUT)


def kill(process: subprocess.Popen[str]) -> None:
    """SIGKILL to a process and its descendants: the workers of ansible-playbook have their own sessions, and modules outlive them."""
    import psutil

    family: list[psutil.Process] = []
    while new := [each for each in descent(process) if each not in family]:
        family += new
        for each in new:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.suspend()  # so that it starts no other process before it is killed
    for each in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    process.wait()


def kill_modules(process: subprocess.Popen[str]) -> None:
    """SIGKILL to the modules that ansible-playbook is running, and to nothing else."""
    import psutil

    for each in descent(process):
        with contextlib.suppress(psutil.NoSuchProcess):
            if any(Path(script).match("AnsiballZ_*.py") for script in each.cmdline()[1:2]):
                each.kill()


def descent(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """A process and its descendants that still exist; empty if it has ended."""
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        first = psutil.Process(process.pid)
        return [first, *first.children(recursive=True)]
    return []


def _invocation(
    book: Path, collections: Path, environment: Mapping[str, str], variables: Mapping[str, Any], arguments: Sequence[str]
) -> tuple[list[str], dict[str, Any]]:
    python = {"ansible_python_interpreter": os.environ.get("UCLOUDSTACK_TEST_MODULE_PYTHON", sys.executable)}
    command = [
        *(str(Path(sys.executable).with_name("ansible-playbook")), str(book), "-c", "local"),
        *([] if "-i" in arguments else ["-i", "localhost,"]),
        *("-e", json.dumps({**python, **variables}), *arguments),
    ]
    settings = {
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
        "ANSIBLE_PIPELINING": "true",
    }
    whole = {**clean_environment(collections), **settings, **environment}
    return command, {"env": whole, "cwd": collections, "text": True, "stdin": subprocess.DEVNULL}


def operator_environment(home: Path, collections: Path) -> dict[str, str]:
    """That of someone with this home directory, and with the programs of this Python."""
    return {
        **clean_environment(collections),
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "HOME": str(home),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",  # ansible-runner looks for ansible-playbook there
    }


def clean_environment(collections: Path) -> dict[str, str]:
    """The caller's, without its Ansible settings and cloud keys; with these collections, and the connection to emulated guests."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "UCLOUDSTACK_"))}
    return {
        **kept,
        "ANSIBLE_COLLECTIONS_PATH": str(collections),
        "ANSIBLE_CONNECTION_PLUGINS": str(CHECKOUT / "tests" / "support" / "connection_plugins"),
        "LC_ALL": "C.UTF-8",
    }
