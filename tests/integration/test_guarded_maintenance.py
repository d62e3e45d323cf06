# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role guarded_maintenance, on hosts that are guests of the emulated cloud."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import stage
import yaml

from .conftest import Fleet, Play

Maintain = Callable[..., subprocess.CompletedProcess[str]]

PATCH = """
- name: Write the patch to the disks
  ansible.builtin.shell: printf patched | dd of={{ item }} conv=notrunc status=none
  loop: "{{ guest_images }}"
- name: Fail by itself
  ansible.builtin.command: /bin/false
  when: inventory_hostname in fails | default([])
- name: Break so that nobody answers
  ansible.builtin.shell: printf BROKEN | dd of={{ guest_images[0] }} conv=notrunc status=none
  when: inventory_hostname in lost | default([])
- name: Ask a host that is lost
  ansible.builtin.command: /bin/true
"""
VERIFY = """
- name: Nothing is ill
  ansible.builtin.command: grep -c ^patched {{ guest_images[0] }}
  when: inventory_hostname in ill | default([])
  register: grepped
  failed_when: grepped.rc == 0
"""
REPORT = """
- name: Keep the reports
  ansible.builtin.copy:
    content: "{{ dict(guarded_maintenance_batch | zip(guarded_maintenance_batch | map('extract', hostvars, 'guarded_maintenance_report'))) | to_json }}"
    dest: "{{ playbook_dir }}/report-{{ guarded_maintenance_batch[0] }}.json"
  delegate_to: localhost
  run_once: true
"""


class Night:
    """A night of maintenance on a fleet: task files beside the playbook, and what is read afterwards."""

    def __init__(self, fleet: Fleet, play: Play, folder: Path) -> None:
        self.fleet, self.folder, self._play = fleet, folder, play
        self.write(patch=PATCH, verify=VERIFY, report=REPORT)

    def write(self, **files: str) -> None:
        for name, text in files.items():
            (self.folder / f"{name}.yml").write_text(text)

    def __call__(self, run_id: str, *arguments: str, keywords: dict[str, Any] | None = None, **variables: Any) -> subprocess.CompletedProcess[str]:
        for report in self.folder.glob("report-*.json"):
            report.unlink()
        tasks = [{"ansible.builtin.include_role": {"name": "ucloudstack.cloud.guarded_maintenance"}}]
        given = {
            "ucloudstack_manifest_dir": str(self.folder / "manifests"),
            "guarded_maintenance_run_id": run_id,
            "guarded_maintenance_patch_tasks": "patch.yml",
            "guarded_maintenance_verify_tasks": "verify.yml",
            "guarded_maintenance_report_tasks": "report.yml",
            "snapshot_rollback_connect_timeout": 20,
            "snapshot_rollback_stop_timeout": 10,
            **variables,
        }
        return self._play(tasks, "-i", self.fleet.write(), *arguments, keywords={"hosts": "all", **(keywords or {})}, **given)

    @property
    def report(self) -> dict[str, dict[str, Any]]:
        return {host: each for path in self.folder.glob("report-*.json") for host, each in json.loads(path.read_text()).items()}

    def states(self, run_id: str) -> dict[str, str]:
        """What the manifest says."""
        hosts = json.loads((self.folder / "manifests" / f"{run_id}.json").read_text())["hosts"]
        return {host: entry["state"] for host, entry in hosts.items()}

    @property
    def patched(self) -> list[str]:
        """The hosts all of whose disks begin with the patch."""
        return [host for host, images in self.fleet.images.items() if all(image.open("rb").read(7) == b"patched" for image in images)]


@pytest.fixture
def night(fleet: Fleet, play: Play, tmp_path: Path) -> Night:
    return Night(fleet, play, tmp_path)


def test_failed_and_ill_and_lost_hosts_are_restored_and_the_healthy_one_stays_patched(fleet: Fleet, night: Night) -> None:
    before = fleet.checksums()
    played = night("one", fails=["web2"], lost=["web3"], ill=[])
    assert played.returncode != 0, played.stdout
    assert night.patched == ["web1"], played.stdout
    assert fleet.checksums("web2", "web3") == {host: before[host] for host in ("web2", "web3")}
    assert set(fleet.states().values()) == {"Running"}
    assert night.states("one") == {"web1": "verified", "web2": "restored", "web3": "restored"}
    report = night.report
    assert {host: each["state"] for host, each in report.items()} == {"web1": "verified", "web2": "restored", "web3": "restored"}
    assert report["web2"]["failed_task"] == "Fail by itself"
    assert "could not be reached" in report["web3"]["msg"] and "it answers" in report["web3"]["msg"]
