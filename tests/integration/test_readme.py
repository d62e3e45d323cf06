# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The README's examples, run as they stand but for the ids of the disks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support import stage
from support.collection import CHECKOUT, COLLECTIONS


@pytest.mark.once
def test_examples_of_the_readme_run_one_after_the_other(cloud: stage.Cloud, tmp_path: Path) -> None:
    disks = {name: cloud.disk(f"readme-{name}") for name in ("disk-boot01", "disk-data01")}
    reference = [stage.checksum(disk["image"]) for disk in disks.values()]
    examples = re.findall(r"```yaml\n(.*?)```", (CHECKOUT / "README.md").read_text(), re.DOTALL)
    examples = [example for example in examples if "hosts: localhost" in example]
    assert len(examples) == 2
    for number, example in enumerate(examples):
        book = tmp_path / f"example-{number}.yml"
        book.write_text(re.sub("|".join(disks), lambda name: disks[name[0]]["disk_id"], example))
        played = stage.playbook(book, COLLECTIONS, cloud.environment, {})
        assert played.returncode == 0, played.stdout
        if number == 0:
            for disk in disks.values():
                Path(disk["image"]).write_bytes(b"damage")
    assert [stage.checksum(disk["image"]) for disk in disks.values()] == reference
    assert cloud.calls("RollbackSnapshot") == 2
