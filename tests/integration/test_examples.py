# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The folder of examples, copied whole and run as its README says. Only keys and hosts are those of the emulated cloud."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from support.collection import CHECKOUT, COLLECTIONS

from .conftest import Fleet

pytestmark = pytest.mark.once

EXAMPLES = CHECKOUT / "examples"
Command = Callable[[str], subprocess.CompletedProcess[str]]


@pytest.fixture
def folder(fleet: Fleet, tmp_path: Path) -> Path:
    """A copy of the examples, edited for web1 and web2 of the fleet: their VMs are real ones, and their patch is a line of a file."""
    folder = tmp_path / "examples"
    shutil.copytree(EXAMPLES, folder)
    given = fleet.cloud.connection
    values = {"api_url": given["api_url"], "region": given["region"], "zone": given["zone"]}
    cloud = folder / "group_vars" / "all" / "cloud.yml"
    cloud.write_text(
        re.sub(
            r"^ucloudstack_(api_url|region|zone): .*",
            lambda found: f"ucloudstack_{found[1]}: {values[found[1]]}",
            cloud.read_text(),
            flags=re.M,
        )
    )
    keys = {f"vault_ucloudstack_{key}": given[key] for key in ("public_key", "private_key")}
    (folder / "group_vars" / "all" / "vault.yml").write_text(yaml.safe_dump(keys))
    inventory = yaml.safe_load((folder / "inventory.yml").read_text())
    for name, host in inventory["web"]["hosts"].items():
        host |= {"ansible_host": None, "ansible_become": False, **fleet.variables[name]}
    (folder / "inventory.yml").write_text(yaml.safe_dump(inventory))
    (folder / "patch.yml").write_text(
        yaml.safe_dump([{"ansible.builtin.shell": "printf patched | dd of={{ guest_images[1] }} conv=notrunc"}])
    )
    (folder / "verify.yml").write_text(yaml.safe_dump([{"ansible.builtin.command": "true"}]))
    return folder


@pytest.fixture
def run(folder: Path, tmp_path: Path) -> Command:
    """``run("ansible-playbook site.yml")`` in that folder, with nothing of Ansible or the cloud in the environment."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "UCLOUDSTACK_"))}
    environment |= {
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
        "ANSIBLE_CONNECTION_PLUGINS": str(CHECKOUT / "tests" / "support" / "connection_plugins"),
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "HOME": str(tmp_path),
        "LC_ALL": "C.UTF-8",
    }

    def command(line: str) -> subprocess.CompletedProcess[str]:
        program, *arguments = line.split("#", maxsplit=1)[0].split()
        return subprocess.run(
            [str(Path(sys.executable).with_name(program)), *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    return command


def test_commands_of_the_readme(fleet: Fleet, run: Command) -> None:
    listed, check, site, prune, rollback = re.findall(r"^ansible-playbook .*", (EXAMPLES / "README.md").read_text(), re.M)
    played = run(listed)
    assert played.returncode == 0, played.stdout + played.stderr
    for name, variables in fleet.variables.items():
        assert f"{name}: ucloudstack_vm_id {variables['ucloudstack_vm_id']}, Running, 10." in played.stdout

    before = fleet.checksums()
    played = run(check)
    assert played.returncode == 0, played.stdout + played.stderr
    assert fleet.checksums() == before and fleet.snapshots("ansible-patch-20261123") == []

    played = run(site)
    assert played.returncode == 0, played.stdout + played.stderr
    assert fleet.snapshots("ansible-patch-20261123") == sorted(fleet.disks("web1", "web2"))
    assert {host for host, checksum in fleet.checksums().items() if checksum != before[host]} == {"web1", "web2"}

    played = run(prune)
    assert played.returncode == 0, played.stdout + played.stderr
    assert fleet.snapshots("ansible-patch-20261123") == sorted(fleet.disks("web1", "web2")), "the newest run of a disk stays"

    played = run(rollback)
    assert played.returncode == 0, played.stdout + played.stderr
    assert {host for host, checksum in fleet.checksums().items() if checksum != before[host]} == {"web2"}


def test_patch_and_verification_can_be_read(run: Command) -> None:
    for name in ("patch", "verify"):
        assert yaml.safe_load((EXAMPLES / f"{name}.yml").read_text())
    assert run("ansible-playbook site.yml --syntax-check").returncode == 0
