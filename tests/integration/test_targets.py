# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every folder in ``targets`` is a role that ``ansible-test integration`` knows as well; here it gets disks and VMs of the emulator."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import stage

from .conftest import Play

TARGETS = Path(__file__).parent / "targets"


@pytest.mark.parametrize("target", sorted(path.name for path in TARGETS.iterdir()))
def test_target(target: str, cloud: stage.Cloud, play: Play) -> None:
    disks = [cloud.disk(f"{target}-{number}") for number in range(2)]
    include = [{"ansible.builtin.include_role": {"name": str(TARGETS / target)}}]
    given = {"test_disk_ids": [disk["disk_id"] for disk in disks], "test_images": [disk["image"] for disk in disks], "test_run": target}
    if target.startswith("vm_"):
        given["test_vm_ids"] = [cloud.vm(target)["vm_id"] for _number in range(2)]
    played = play(include, **given)
    assert played.returncode == 0, played.stdout + played.stderr
