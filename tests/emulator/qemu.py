# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs as QEMU processes over the emulator's own files. They end with the emulator, however it ends; nothing but their disks remains."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from emulator.state import Vm

PROGRAM = "qemu-system-x86_64"
ACCELERATORS = ("tcg", "kvm")
_ANSWER_SECONDS = 30


class Qemu:
    """The processes of the VMs; an implementation of ``Machines``.

    ``image`` is what the boot disk of a new VM starts with. ``folder`` gets a folder for each VM, with the output of its serial console
    and of QEMU. Raises OSError when QEMU or the image is missing.
    """

    def __init__(self, folder: Path, image: Path, accelerator: str = "tcg") -> None:
        if not shutil.which(PROGRAM):
            raise FileNotFoundError(f"{PROGRAM} is not installed: apt-get install qemu-system-x86")
        image.open("rb").close()
        self.image = image
        self._folder, self._accelerator = folder, accelerator
        self._running: dict[str, _Process] = {}
        # The kernel kills a process with the thread that started it, so this one stays until the end.
        self._starter = ThreadPoolExecutor(1, "qemu")

    def start(self, vm: Vm, disks: Mapping[str, Path]) -> None:
        """Power on, with the disks (id → file) in this order."""
        self.power_off(vm.id)
        folder = self._folder / vm.id
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        ours, theirs = socket.socketpair()
        ours.settimeout(_ANSWER_SECONDS)
        program = command(vm, disks, self._accelerator, monitor=theirs.fileno())

        def launch() -> subprocess.Popen[bytes]:
            with (folder / "qemu.log").open("ab") as log:
                given = [theirs.fileno()]
                return subprocess.Popen(program, cwd=folder, pass_fds=given, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

        with theirs:
            process = self._starter.submit(launch).result()
        self._running[vm.id] = _Process(process, Monitor(ours))

    def runs(self, vm_id: str) -> bool:
        """Whether the VM is on: a guest that shuts down powers it off."""
        running = self._running.get(vm_id)
        if running and running.process.poll() is not None:
            self.power_off(vm_id)
        return vm_id in self._running

    def shut_down(self, vm_id: str) -> None:
        """Press the power button: what comes of it is up to the guest."""
        self._tell(vm_id, "system_powerdown")

    def power_off(self, vm_id: str) -> None:
        """Force power off."""
        if running := self._running.pop(vm_id, None):
            running.process.kill()
            running.process.wait()
            running.monitor.close()

    @contextmanager
    def paused(self, vm_id: str) -> Iterator[None]:
        """Meanwhile nothing is written to the disks; what the guest was told is written, is."""
        self._tell(vm_id, "stop")
        try:
            yield
        finally:
            self._tell(vm_id, "cont")

    def close(self) -> None:
        """Power off all."""
        for vm_id in list(self._running):
            self.power_off(vm_id)
        self._starter.shutdown()

    def _tell(self, vm_id: str, execute: str) -> None:
        if running := self._running.get(vm_id):
            with suppress(ConnectionError):  # it has just ended
                running.monitor.execute(execute)


@dataclass(frozen=True)
class _Process:
    process: subprocess.Popen[bytes]
    monitor: Monitor


class Monitor:
    """The client's side of QMP, QEMU's control protocol."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._answers = connection.makefile("rb")
        self._agreed = False

    def execute(self, name: str) -> None:
        """Carry out a command without arguments. Raises ConnectionError if QEMU has ended, TimeoutError, RuntimeError if it refuses."""
        if not self._agreed:
            self._agreed = True
            self._execute("qmp_capabilities")
        self._execute(name)

    def close(self) -> None:
        self._answers.close()
        self._connection.close()

    def _execute(self, name: str) -> None:
        self._connection.sendall(json.dumps({"execute": name}).encode())
        while line := self._answers.readline():
            answer = json.loads(line)
            if "error" in answer:
                raise RuntimeError(f"QEMU refuses {name}: {answer['error']}")
            if "return" in answer:  # others are its greeting, and events
                return
        raise ConnectionError("QEMU has ended")


def command(vm: Vm, disks: Mapping[str, Path], accelerator: str, *, monitor: int) -> list[str]:
    """The command line of a VM; ``monitor`` is the descriptor of QMP's connection. Only 127.0.0.1 and the guest see each other."""
    drives: list[str] = []
    for number, (disk_id, file) in enumerate(disks.items(), 1):
        # Without flushes: what was written outlives the process all the same, and only a crash of this machine could lose it.
        cache = {"no-flush": True}
        node = {"driver": "raw", "node-name": disk_id, "cache": cache, "file": {"driver": "file", "filename": str(file), "cache": cache}}
        drives += ["-blockdev", json.dumps(node), "-device", f"virtio-blk-pci,drive={disk_id},serial={disk_id},bootindex={number}"]
    return [
        *("setpriv", "--pdeathsig", "KILL", PROGRAM, "-nodefaults", "-no-user-config", "-display", "none"),
        *("-name", vm.id, "-accel", accelerator, "-smp", str(vm.cpu), "-m", str(vm.memory_mb)),
        *drives,
        *("-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{vm.ssh_port}-:22", "-device", "virtio-net-pci,netdev=net,romfile="),
        *("-device", "virtio-rng-pci"),
        *("-chardev", "file,id=serial,path=serial.log,append=on", "-serial", "chardev:serial"),
        *("-chardev", f"socket,id=monitor,fd={monitor}", "-mon", "chardev=monitor,mode=control"),
    ]
