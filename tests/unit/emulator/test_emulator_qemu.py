# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs that something runs: what the emulator asks of it, and what it makes of a guest that ends. QEMU itself is not needed."""

from __future__ import annotations

import itertools
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from emulator.disks import GIB
from emulator.errors import ApiError
from emulator.qemu import Monitor, command
from emulator.server import Emulator
from emulator.state import TRANSITION_SECONDS, Vm

SYSTEM = b"an operating system"


class Switches:
    """Machines that only note whether they are on, and what was asked of them."""

    def __init__(self, image: Path) -> None:
        self.image = image
        self.on: dict[str, list[str]] = {}
        self.asked: list[str] = []

    def start(self, vm: Vm, disks: Mapping[str, Path]) -> None:
        self.asked.append("start")
        self.on[vm.id] = list(disks)

    def runs(self, vm_id: str) -> bool:
        return vm_id in self.on

    def shut_down(self, vm_id: str) -> None:
        self.asked.append("shut_down")

    def power_off(self, vm_id: str) -> None:
        self.asked.append("power_off")
        self.on.pop(vm_id, None)

    @contextmanager
    def paused(self, vm_id: str) -> Iterator[None]:
        self.asked.append("pause")
        yield
        self.asked.append("resume")

    def close(self) -> None:
        self.on.clear()


@pytest.fixture
def switches(tmp_path: Path) -> Switches:
    image = tmp_path / "system.img"
    image.write_bytes(SYSTEM)
    return Switches(image)


Open = Callable[[], Emulator]


@pytest.fixture
def open_emulator(tmp_path: Path, clock: Any, switches: Switches) -> Open:
    return lambda: Emulator(tmp_path / "cloud", machines=switches, clock=clock)


@pytest.fixture
def emulator(open_emulator: Open) -> Iterator[Emulator]:
    with open_emulator() as running:
        yield running


@pytest.fixture
def vm(call: Any, switches: Switches) -> str:
    """A VM that is on."""
    vm_id: str = call.state.add_vm("web", boot_gb=1, data_gb=1)
    switches.asked.clear()
    return vm_id


def test_a_new_vm_has_the_system_on_its_boot_disk_and_runs(call: Any, switches: Switches) -> None:
    vm = call.state.add_vm("web", boot_gb=1, data_gb=1)
    data, boot = call.state.find_disks(vm_id=vm)
    assert switches.on == {vm: [boot, data]}
    image = call.state.image(boot)
    assert (image.open("rb").read(len(SYSTEM)), image.stat().st_size) == (SYSTEM, GIB)
    assert not call.state.image(data).open("rb").read(len(SYSTEM)).strip(b"\0")


def test_a_system_needs_a_disk_that_is_large_enough(call: Any, switches: Switches) -> None:
    with switches.image.open("r+b") as image:
        image.truncate(GIB + 1)
    with pytest.raises(ApiError, match="is larger than the boot disk"):
        call.state.add_vm("web", boot_gb=1)
    assert not call.state.find_vms()


@pytest.mark.parametrize(("action", "state", "then"), [("Stop", "Stopping", "Stopped"), ("Restart", "Restarting", "Running")])
def test_a_guest_is_asked_and_takes_its_time(
    call: Any, vm: str, switches: Switches, clock: Any, action: str, state: str, then: str
) -> None:
    assert call.code(f"{action}VMInstance", VMID=vm) == 0
    clock.pass_seconds(3600)
    assert (call.vm_state(vm), switches.asked) == (state, ["shut_down"])
    del switches.on[vm]
    assert (call.vm_state(vm), vm in switches.on) == (then, then == "Running")


def test_a_guest_that_hangs_is_powered_off(call: Any, vm: str, switches: Switches, clock: Any) -> None:
    call("StopVMInstance", VMID=vm)
    call("PoweroffVMInstance", VMID=vm)
    assert (call.vm_state(vm), switches.asked) == ("Poweroffing", ["shut_down", "power_off"])
    clock.pass_seconds(TRANSITION_SECONDS)
    assert call.vm_state(vm) == "Stopped"
    assert call.code("StartVMInstance", VMID=vm) == 0
    assert vm in switches.on


def test_a_guest_that_shuts_down_by_itself_is_noticed(call: Any, vm: str, switches: Switches) -> None:
    del switches.on[vm]
    assert (call.vm_state(vm), switches.asked) == ("Stopped", [])


def test_nothing_is_written_while_a_snapshot_is_taken(call: Any, vm: str, switches: Switches) -> None:
    call.state.create_snapshot(call.state.find_disks(vm_id=vm)[0], "before")
    assert switches.asked == ["pause", "resume"]


@pytest.mark.parametrize(
    ("action", "state", "on"),
    [(None, "Running", True), ("Stop", "Stopped", False), ("Restart", "Running", True), ("Poweroff", "Stopped", False)],
)
def test_after_the_emulator_ended_vms_are_as_they_should_be(
    open_emulator: Open, switches: Switches, clock: Any, action: str | None, state: str, on: bool
) -> None:
    """Whatever ends the emulator ends all VMs, too."""
    first = open_emulator()
    vm = first.state.add_vm("web", boot_gb=1)
    port = first.state.vm(vm).ssh_port
    if action:
        getattr(first.state, f"{action.lower()}_vm")(vm)
    first.state.close()
    assert not switches.on
    again = open_emulator()
    clock.pass_seconds(TRANSITION_SECONDS)
    again.state.advance()
    assert (again.state.vm(vm).state, again.state.vm(vm).ssh_port, vm in switches.on) == (state, port, on)
    again.state.close()


def test_command(call: Any, vm: str) -> None:
    given = command(call.state.vm(vm), {"disk-1": Path("/a,b.img"), "disk-2": Path("/c")}, "tcg", monitor=7)
    assert given[:4] == ["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64"]
    options = list(itertools.pairwise(given))
    assert [json.loads(value)["file"]["filename"] for name, value in options if name == "-blockdev"] == ["/a,b.img", "/c"]
    network = f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{call.state.vm(vm).ssh_port}-:22"
    assert {("-accel", "tcg"), ("-smp", "1"), ("-m", "1024"), ("-netdev", network)} <= set(options)
    assert ("-chardev", "socket,id=monitor,fd=7") in options


class Qmp:
    """The other end of a monitor's connection."""

    def __init__(self, *answers: str) -> None:
        ours, self._theirs = socket.socketpair()
        ours.settimeout(5)
        self.monitor = Monitor(ours)
        self.got: list[str] = []
        self._thread = threading.Thread(target=self._answer, args=[answers], daemon=True)
        self._thread.start()

    def _answer(self, answers: tuple[str, ...]) -> None:
        with self._theirs:
            self._theirs.sendall(b'{"QMP": {}}\n')
            for answer in answers:
                self.got.append(json.loads(self._theirs.recv(1000))["execute"])
                self._theirs.sendall(answer.encode())


def test_monitor_agrees_once_and_ignores_events() -> None:
    qmp = Qmp('{"return": {}}\n', '{"event": "STOP"}\n{"return": {}}\n', '{"return": {}}\n')
    qmp.monitor.execute("stop")
    qmp.monitor.execute("cont")
    assert qmp.got == ["qmp_capabilities", "stop", "cont"]


def test_monitor_of_a_machine_that_has_ended() -> None:
    with pytest.raises(ConnectionError):
        Qmp('{"return": {}}\n').monitor.execute("stop")


def test_monitor_that_refuses() -> None:
    with pytest.raises(RuntimeError, match="QEMU refuses stop: .*bad"):
        Qmp('{"return": {}}\n', '{"error": {"desc": "bad"}}\n').monitor.execute("stop")
