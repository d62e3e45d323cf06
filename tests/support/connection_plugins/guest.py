# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guest of an emulated VM: commands run on this machine while the VM is Running and its boot disk is not ``BROKEN``."""

from __future__ import annotations

DOCUMENTATION = """
name: guest
short_description: Guest of an emulated VM
description:
  - Runs commands on this machine. The guest answers only while the emulated VM is Running and its boot disk is not C(BROKEN).
author:
  - UCloudStack collection contributors (@ucloudstack)
version_added: 0.1.0
options:
  vm_id:
    description: The VM.
    vars: [{name: ucloudstack_vm_id}]
    required: true
  control_url:
    description: The control URL of the emulator.
    vars: [{name: guest_control_url}]
    required: true
  images:
    description: The files that hold the bytes of its disks, the boot disk first.
    type: list
    vars: [{name: guest_images}]
    required: true
"""

import json
import shutil
import subprocess
import urllib.request
from pathlib import Path

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import ConnectionBase

BROKEN = b"BROKEN"


class Connection(ConnectionBase):  # type: ignore[misc]  # ansible-core has no types
    """Like ``local``, but for a host that can be off or broken."""

    transport = "guest"
    has_pipelining = True

    def _connect(self) -> Connection:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.get_option('control_url')}/state", timeout=30) as response:
            vms = json.load(response)["vms"]
        state = next((vm["status"] for vm in vms if vm["id"] == self.get_option("vm_id")), "not there")
        if state != "Running":
            raise AnsibleConnectionFailure(f"the VM is {state}")
        with Path(self.get_option("images")[0]).open("rb") as disk:
            if disk.read(len(BROKEN)) == BROKEN:
                raise AnsibleConnectionFailure("the guest does not boot")
        return self

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        self._connect()
        done = subprocess.run(["/bin/sh", "-c", cmd], input=in_data or b"", capture_output=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def put_file(self, in_path: str, out_path: str) -> None:
        self._connect()
        shutil.copyfile(in_path, out_path)

    def fetch_file(self, in_path: str, out_path: str) -> None:
        self.put_file(in_path, out_path)

    def reset(self) -> None:
        self._connected = False

    def close(self) -> None:
        self._connected = False
