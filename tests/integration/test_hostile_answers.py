# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What others wrote into names, remarks and messages is shown as text: it runs nothing, moves no cursor and makes no line of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import stage
from support.collection import COLLECTIONS

from .conftest import SECONDS, Fleet, Play

pytestmark = pytest.mark.once

RUNS = "{{ lookup('pipe', 'touch fooled') }}"
LINE = "\nok: [fooled]\n\x1b[2J\u202e\u200b"
REMARK = f"ucloudstack.cloud {LINE}{RUNS}"
NAMES = ["ansible-\nok: [fooled]", "ansible-\x1b[2J{{7*191}}\u202e\u200b", "ansible-1"]


@pytest.fixture(scope="module")
def running_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[stage.Cloud]:
    """One of the oldest generation, the only one that takes any text for a name."""
    with stage.emulator(tmp_path_factory.mktemp("any-names"), *SECONDS, generation="1.x") as cloud:
        yield cloud


@pytest.fixture
def disk(cloud: stage.Cloud) -> str:
    """A disk whose snapshots have such names and remarks; refusals have such messages."""
    return hostile_snapshots(cloud, [cloud.disk("data")["disk_id"]])[0]


def hostile_snapshots(cloud: stage.Cloud, disk_ids: list[str]) -> list[str]:
    for name in NAMES:
        made = [cloud.call("CreateSnapshot", DiskID=disk_id, Name=name, Remark=REMARK)["SnapshotID"] for disk_id in disk_ids]
        while any(each["SnapshotStatus"] != "Normal" for each in cloud.call("DescribeSnapshot", SnapshotIDs=made)["Infos"]):
            pass
    cloud.control(
        "faults", "POST", [{"action": ["RollbackSnapshot", "StopVMInstance"], "kind": "refuse", "ret_code": 150, "message": REMARK}]
    )
    return disk_ids


def not_fooled(played: subprocess.CompletedProcess[str]) -> str:
    """What was printed, of which nothing came from those who wrote the texts but text."""
    said = played.stdout + played.stderr
    assert "\x1b" not in said and "1337" not in said and "Traceback" not in said
    assert [line for line in said.splitlines() if line.strip().startswith("ok: [fooled]")] == []
    assert not (COLLECTIONS / "fooled").exists()
    return said


def test_records_are_text(cloud: stage.Cloud, play: Play, disk: str) -> None:
    vm_id = cloud.vm(LINE + "{{7*191}}", data_gb=0)["vm_id"]
    played = play(
        f"""
        - ucloudstack.cloud.snapshot_info: {{disk_id: {disk}}}
          register: listed
        - ucloudstack.cloud.vm_info: {{vm_id: {vm_id}}}
          register: found
        - ansible.builtin.set_fact:
            texts: "{{{{ listed.snapshots | map(attribute='remark') + listed.snapshots | map(attribute='name') + [found.vms[0].name] }}}}"
        - ansible.builtin.debug: {{var: listed.snapshots}}
        - ansible.builtin.debug: {{var: found.vms}}
        - ansible.builtin.debug: {{msg: "The texts are {{{{ texts | join(', ') }}}}"}}
        - ansible.builtin.debug: {{msg: "{{{{ item.remark }}}}"}}
          loop: "{{{{ listed.snapshots }}}}"
        - ansible.builtin.assert: {{that: "'lookup(' in texts[0]", fail_msg: "{{{{ texts }}}}"}}
        """
    )
    said = not_fooled(played)
    assert played.returncode == 0, said
    assert said.count("lookup('pipe', 'touch fooled')") >= len(NAMES)


def test_what_modules_say_is_text(play: Play, disk: str) -> None:
    played = play(
        f"""
        - ucloudstack.cloud.snapshot_info: {{disk_id: {disk}}}
          register: listed
        - ucloudstack.cloud.snapshot: {{name: ansible-1, disk_id: {disk}, remark: ours}}
        - ucloudstack.cloud.snapshot_rollback: {{name: ansible-1, disk_ids: [{disk}]}}
          register: refused
          ignore_errors: true
        - ansible.builtin.debug: {{msg: "{{{{ refused.msg }}}}, {{{{ refused.results[0].msg }}}}"}}
        - ucloudstack.cloud.snapshot:
            state: absent
            snapshot_ids: "{{{{ listed.snapshots | map(attribute='snapshot_id') }}}}"
        """,
        "--diff",
    )
    said = not_fooled(played)
    assert played.returncode == 0, said
    assert r"ucloudstack.cloud \nok: [fooled]\n\x1b[2J\u202e\u200b{{ lookup(" in " ".join(said.split())  # the warning is wrapped
    assert "no permission (RetCode 150: ucloudstack.cloud  ok: [fooled]  [2J" in said
    assert "named 'ansible-\\nok: [fooled]'" in said and "named 'ansible-\\x1b[2J{{7*191}}\\u202e" in said


def test_what_roles_say_is_text(cloud: stage.Cloud, play: Play, fleet: Fleet, tmp_path: Path) -> None:
    hostile_snapshots(cloud, fleet.disks("web1"))

    def role(name: str, **variables: Any) -> dict[str, Any]:
        return {
            "block": [{"ansible.builtin.include_role": {"name": f"ucloudstack.cloud.{name}"}, "vars": variables}],
            "rescue": [{"ansible.builtin.debug": {"msg": "RESCUED {{ ansible_failed_result.msg | default(ansible_failed_result) }}"}}],
        }

    tasks = [
        role("snapshot_create", snapshot_create_run_id="1"),
        role("snapshot_rollback", snapshot_rollback_run_id="1"),
        role("snapshot_prune", snapshot_prune_older_than="0s", snapshot_prune_keep_last=1),
        role("snapshot_report", snapshot_report_file="report.html"),
    ]
    played = play(tasks, "-i", fleet.write(), keywords={"hosts": "web1"})
    said = not_fooled(played)
    assert "was not created for this run and these disks: choose another run id." in said
    assert r"ucloudstack.cloud \\nok: [fooled]\\n\\x1b[2J\\u202e\\u200b{{ lookup(" in said
    assert "web1: 0 snapshots had expired." in said and len(fleet.snapshots(NAMES[0])) == 2, (
        "a remark that only begins like ours is not ours"
    )
    page = (tmp_path / "report.html").read_text()
    assert page.count(r"ansible-\x1b[2J{{7*191}}\u202e\u200b<small>") == 2 and "\x1b" not in page and "\u202e" not in page
