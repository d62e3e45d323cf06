# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VMs in QEMU without a guest: there is nothing on their disks."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import psutil
from support import stage


def machines(cloud: stage.Cloud) -> list[psutil.Process]:
    return psutil.Process(cloud.process.pid).children()


def listening(machine: psutil.Process) -> list[tuple[str, int]]:
    return [(each.laddr.ip, each.laddr.port) for each in machine.net_connections() if each.status == psutil.CONN_LISTEN]


def wait_until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.05)


def test_machines_end_with_the_emulator_and_are_on_again_with_it(tmp_path: Path) -> None:
    image = tmp_path / "nothing.img"
    image.write_bytes(bytes(stage.MIB))
    with stage.emulator(tmp_path / "cloud", "--vm-backend", "qemu", "--vm-image", str(image)) as cloud:
        vm_id = cloud.control("vms", "POST", {"name": "web1"})["id"]

        def state() -> str:
            return str(cloud.control("state")["vms"][0]["status"])

        (machine,) = machines(cloud)
        wait_until(lambda: bool(listening(machine)))
        assert listening(machine) == [("127.0.0.1", cloud.control("state")["vms"][0]["ssh_port"])]
        cloud.process.kill()
        assert psutil.wait_procs([machine], timeout=60)[0] == [machine]

        cloud.process.start_again()
        (machine,) = machines(cloud)
        disk_id = cloud.control("state")["disks"][0]["id"]
        cloud.call("CreateSnapshot", DiskID=disk_id, Name="paused")
        wait_until(lambda: cloud.control("state")["snapshots"][0]["status"] == "Normal")
        assert state() == "Running"

        cloud.call("StopVMInstance", VMID=vm_id)
        assert state() == "Stopping" and machine.is_running()
        cloud.call("PoweroffVMInstance", VMID=vm_id)
        wait_until(lambda: state() == "Stopped")
        assert machines(cloud) == []
        cloud.call("StartVMInstance", VMID=vm_id)
        (machine,) = machines(cloud)
        machine.kill()
        wait_until(lambda: state() == "Stopped")
        cloud.call("StartVMInstance", VMID=vm_id)
        (machine,) = machines(cloud)
    assert psutil.wait_procs([machine], timeout=60)[0] == [machine]
