# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stage for everything that runs the real thing: an emulator process, and ansible-playbook in front of it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import psutil

CHECKOUT = Path(__file__).resolve().parents[1]
MIB = 1024 * 1024
BLOCK = 4096


def link_collection(folder: Path) -> Path:
    """Make ``folder`` a collections path that holds this checkout, by a link; returns it."""
    namespace = folder / "ansible_collections" / "ucloudstack"
    namespace.mkdir(parents=True, exist_ok=True)
    link = namespace / "cloud"
    link.unlink(missing_ok=True)
    link.symlink_to(CHECKOUT)
    return folder


GENERATION = os.environ.get("UCLOUDSTACK_TEST_GENERATION", "1.x")
"""The generation of the platform that emulators emulate here."""


class EmulatorProcess:
    """``python tests/emulator``, running. Killed and started again, it is the same cloud: at the same port, with the same keys."""

    def __init__(self, state_dir: Path, *arguments: str, generation: str = GENERATION) -> None:
        """Raises RuntimeError when it does not start."""
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

    def kill(self) -> None:
        """SIGKILL."""
        with self._process:
            self._process.kill()

    def start_again(self) -> None:
        """After it was killed. Raises RuntimeError when it does not start."""
        self._start("--port", str(urlsplit(self.connection["api_url"]).port))

    def stop(self) -> None:
        """SIGTERM, so that it ends as it wants to."""
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
        """Ask the control API: ``calls``, ``state``, ``faults``. Returns what it says, parsed."""
        request = urllib.request.Request(
            f"{self.connection['control_url']}/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as response:
            text = response.read()
        return json.loads(text) if text else None

    def calls(self, action: str) -> int:
        """How often the API was asked for this."""
        return sum(call["action"] == action for call in self.control("calls"))

    def call(self, action: str, **params: Any) -> dict[str, Any]:
        """One call of the API, by the collection's own client."""
        from ansible_collections.ucloudstack.cloud.plugins.module_utils._client import Client
        from ansible_collections.ucloudstack.cloud.plugins.module_utils._transport import Config

        given = self.connection
        config = Config(given["api_url"], given["public_key"], given["private_key"], given["region"])
        return Client(config).call(action, params)

    def disk(self, name: str) -> dict[str, str]:
        """A new, detached disk of 1 GB that begins with some bytes of its own; its id and the path of its bytes."""
        disk_id = self.call("CreateDisk", SetType="StorageHDD", Name=name, DiskSpace=1, ChargeType="Month")["DiskID"]
        while self.call("DescribeDisk", DiskIDs=[disk_id])["Infos"][0]["DiskStatus"] not in ("Unbound", "Detached"):
            time.sleep(0.05)
        image = self.state_dir / "disks" / f"{disk_id}.img"
        with image.open("r+b") as data:
            data.write(hashlib.shake_256(name.encode()).digest(4 * MIB))
        return {"disk_id": disk_id, "image": str(image)}

    def vm(self, name: str, data_gb: int = 1) -> dict[str, Any]:
        """A new, running VM with a boot disk of 1 GB, and with a data disk unless ``data_gb`` is 0; its id and its disks' ids."""
        spec = {"VMType": "Normal", "ImageID": "image-1", "CPU": 1, "Memory": 1024, "ChargeType": "Month", "Password": "not-a-secret"}
        network = {
            "VPCID": "vpc-1",
            "SubnetID": "subnet-1",
            "WANSGID": "sg-1",
            "BootDiskSetType": "StorageHDD",
            "DataDiskSetType": "StorageHDD",
        }
        vm_id = self.call("CreateVMInstance", Name=name, BootDiskSpace=1, DataDiskSpace=data_gb, **spec, **network)["VMID"]
        while (info := self.call("DescribeVMInstance", VMIDs=[vm_id])["Infos"][0])["State"] != "Running":
            time.sleep(0.05)
        return {"vm_id": vm_id, "disk_ids": [disk["DiskID"] for disk in info["DiskInfos"]]}

    def guest(self, name: str) -> dict[str, Any]:
        """A new, running VM, each of its two disks with bytes of its own; the variables of the host that is its guest."""
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
    """SHA-256 over every byte of a disk that is not part of a block of zeros, and over where it is."""
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
    """Where the first block begins, from ``position`` on, that the file system keeps: disks are files with large holes."""
    try:
        return disk.seek(position, os.SEEK_DATA) // BLOCK * BLOCK
    except OSError:  # nothing but a hole
        return size


@contextlib.contextmanager
def emulator(state_dir: Path, *arguments: str, generation: str = GENERATION) -> Iterator[Cloud]:
    """Run ``python tests/emulator`` and stop it afterwards. Raises RuntimeError when it does not start."""
    process = EmulatorProcess(state_dir, *arguments, generation=generation)
    try:
        yield Cloud(process.connection, state_dir, process)
    finally:
        process.stop()


def playbook(
    book: Path, collections: Path, environment: Mapping[str, str], variables: Mapping[str, Any], *arguments: str, capture: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run the real ``ansible-playbook`` on localhost, with nothing of the caller's own Ansible settings or cloud keys."""
    command, rest = _invocation(book, collections, environment, variables, arguments)
    return subprocess.run(command, **rest, capture_output=capture, check=False)


def start_playbook(
    book: Path,
    collections: Path,
    environment: Mapping[str, str],
    variables: Mapping[str, Any],
    *arguments: str,
    output: IO[str] | int = subprocess.DEVNULL,
) -> subprocess.Popen[str]:
    """As :func:`playbook`, but left running; all that it says goes to ``output``."""
    command, rest = _invocation(book, collections, environment, variables, arguments)
    return subprocess.Popen(command, **rest, stdout=output, stderr=subprocess.STDOUT)


def kill(process: subprocess.Popen[str]) -> None:
    """SIGKILL to a process and all that it started: ansible-playbook's workers have sessions of their own, and modules outlive them."""
    import psutil

    family: list[psutil.Process] = []
    while new := [each for each in descent(process) if each not in family]:
        family += new
        for each in new:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.suspend()  # else one could start another, unseen, before its turn comes
    for each in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    process.wait()


def kill_modules(process: subprocess.Popen[str]) -> None:
    """SIGKILL to the modules alone that ansible-playbook is running at this moment, if any."""
    import psutil

    for each in descent(process):
        with contextlib.suppress(psutil.NoSuchProcess):
            if any(Path(script).match("AnsiballZ_*.py") for script in each.cmdline()[1:2]):
                each.kill()


def descent(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """A process, and all that it started and that are still there; none when it is not."""
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
    keep = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "UCLOUDSTACK_"))}
    settings = {
        "ANSIBLE_COLLECTIONS_PATH": str(collections),
        "ANSIBLE_CONNECTION_PLUGINS": str(CHECKOUT / "tests" / "connection_plugins"),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
        "LC_ALL": "C.UTF-8",
    }
    return command, {"env": {**keep, **settings, **environment}, "cwd": collections, "text": True, "stdin": subprocess.DEVNULL}
