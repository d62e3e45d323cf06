# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role snapshot_report: one page for all batches, on which nobody can write anything but text."""

from __future__ import annotations

import re
from pathlib import Path

from support import stage

from .conftest import Fleet, Play


def test_page_has_the_hosts_of_all_batches_and_names_the_one_that_is_wrong(
    fleet: Fleet, play: Play, cloud: stage.Cloud, tmp_path: Path
) -> None:
    for name in ("ansible-1", "ansible-2", "ansible-2-r1"):
        fleet.run(name, "web1", "web2")
    fleet.snapshot("by-hand", "<b>{{ 7 * 191 }}</b>", "web2")
    fleet.variables["web3"]["ucloudstack_vm_id"] = "vm-gone"
    tasks = [
        {
            "ansible.builtin.include_role": {"name": "ucloudstack.cloud.snapshot_report"},
            "vars": {"snapshot_report_file": "report.html", "snapshot_prune_keep_last": 1, "snapshot_prune_older_than": "0s"},
        },
        {"ansible.builtin.debug": {"msg": "The page is {{ snapshot_report_result.file }}"}},
    ]
    cloud.control("calls", "DELETE")
    played = play(tasks, "-i", fleet.write(), keywords={"hosts": "web1,web2,web3", "serial": 1})
    path = tmp_path / "report.html"
    assert f"The page is {path}" in played.stdout and path.stat().st_mode & 0o777 == 0o600
    assert played.returncode == 2 and "web3: VM vm-gone does not exist: check ucloudstack_vm_id" in played.stdout
    assert len(re.findall(r"^web[12] .* failed=0", played.stdout, re.MULTILINE)) == 2
    assert all(call["action"].startswith("Describe") for call in cloud.control("calls"))
    page = path.read_text()
    assert re.findall(r'<h3 id="host-\d">(\w+)</h3>', re.sub(r' tabindex="-1"', "", page)) == ["web3", "web1", "web2"]
    assert "<dd>VM vm-gone does not exist" in page and page.count("would be deleted</small>") == 4
    assert page.count("by-hand<small>") == page.count("<small>&lt;b&gt;{{ 7 * 191 }}&lt;/b&gt;</small>") == 2
