# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs of the role guarded_maintenance, for the tests of it."""

from __future__ import annotations

import contextlib
import json
import subprocess
from pathlib import Path
from typing import Any

import yaml
from support import stage
from support.collection import COLLECTIONS

from .conftest import Fleet

# Raw, because a module takes half a second.
PATCH = """
- name: Write the patch to the disks
  ansible.builtin.raw: printf patched | dd of={{ item }} conv=notrunc status=none
  loop: "{{ guest_images }}"
- name: Fail by itself
  ansible.builtin.raw: test -f {{ item }}
  loop: "{{ guest_images }}"
  register: looked
  failed_when: true
  when: inventory_hostname in fails | default([])
- name: Make the host unreachable
  ansible.builtin.raw: printf BROKEN | dd of={{ guest_images[0] }} conv=notrunc status=none
  when: inventory_hostname in lost | default([])
- name: Run a command on each host
  ansible.builtin.command: /bin/true
"""
VERIFY = """
- name: Verify that the host is healthy
  ansible.builtin.command:
    cmd: cmp --quiet --bytes=7 {{ guest_images[0] }} -
    stdin: patched
  when: inventory_hostname in ill | default([])
  register: compared
  failed_when: compared.rc == 0
"""
REPORT = """
- name: Save the reports
  ansible.builtin.raw: printf %s {{ reports | to_json | quote }} > {{ (playbook_dir ~ '/report-' ~ guarded_maintenance_batch[0] ~ '.json') | quote }}
  vars:
    reports: "{{ dict(guarded_maintenance_batch | zip(guarded_maintenance_batch | map('extract', hostvars, 'guarded_maintenance_report'))) }}"
  delegate_to: localhost
  run_once: true
"""


class Maintenance:
    """Maintenance runs of a fleet, with task files in the directory of the playbook, and their results."""

    def __init__(self, fleet: Fleet, folder: Path) -> None:
        self.fleet, self.folder = fleet, folder
        self.settings: dict[str, str] = {}  # of Ansible, by their environment variables
        self.write(patch=PATCH, verify=VERIFY, report=REPORT)

    def write(self, **files: str) -> None:
        for name, text in files.items():
            (self.folder / f"{name}.yml").write_text(text)

    def book(self, keywords: dict[str, Any]) -> Path:
        """A playbook that includes the role."""
        tasks = [{"ansible.builtin.include_role": {"name": "ucloudstack.cloud.guarded_maintenance"}}]
        path = self.folder / "maintenance.yml"
        path.write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": tasks, **keywords}]))
        return path

    def given(self, run_id: str, **variables: Any) -> dict[str, Any]:
        return {
            "ucloudstack_manifest_dir": str(self.folder / "manifests"),
            "guarded_maintenance_run_id": run_id,
            "guarded_maintenance_patch_tasks": "patch.yml",
            "guarded_maintenance_verify_tasks": "verify.yml",
            "guarded_maintenance_report_tasks": "report.yml",
            "snapshot_rollback_connect_timeout": 20,
            "snapshot_rollback_stop_timeout": 10,
            **variables,
        }

    def __call__(
        self, run_id: str, *arguments: str, keywords: dict[str, Any] | None = None, **variables: Any
    ) -> subprocess.CompletedProcess[str]:
        for report in self.folder.glob("report-*.json"):
            report.unlink()
        return self.play(self.book(keywords or {}), *arguments, **self.given(run_id, **variables))

    def play(self, book: Path, *arguments: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        hosts = ("-i", self.fleet.write())
        environment = {**self.fleet.cloud.environment, "ANSIBLE_SHOW_CUSTOM_STATS": "true", **self.settings}
        return stage.playbook(book, COLLECTIONS, environment, variables, *hosts, *arguments)

    def killed_after(self, seconds: float, run_id: str, **variables: Any) -> None:
        """Start the run, and kill it at that moment, unless it has ended before."""
        hosts = ("-i", self.fleet.write())
        process = stage.start_playbook(self.book({}), COLLECTIONS, self.fleet.cloud.environment, self.given(run_id, **variables), *hosts)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        if process.poll() is None:
            stage.kill(process)

    @property
    def report(self) -> dict[str, dict[str, Any]]:
        return {host: each for path in self.folder.glob("report-*.json") for host, each in json.loads(path.read_text()).items()}

    def states(self, run_id: str) -> dict[str, str]:
        """The states of the hosts in the manifest."""
        hosts = json.loads((self.folder / "manifests" / f"{run_id}.json").read_text())["hosts"]
        return {host: entry["state"] for host, entry in hosts.items()}

    @property
    def patched(self) -> list[str]:
        """The hosts all of whose disks begin with the patch."""
        return [host for host, images in self.fleet.images.items() if all(image.open("rb").read(7) == b"patched" for image in images)]
