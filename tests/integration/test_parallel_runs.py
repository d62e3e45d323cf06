# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Several processes of ``ansible-playbook`` in one run: on different hosts they share it, and on the same host only one works."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import stage
from support.collection import COLLECTIONS

from .conftest import Fleet
from .maintenance import PATCH, Maintenance

pytestmark = pytest.mark.once

Playbook = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., subprocess.Popen[str]]
HELD = """
- name: Wait until the test goes on
  ansible.builtin.wait_for:
    path: "{{ playbook_dir }}/go"
  when: inventory_hostname in held | default([])
"""
TRACE = """
- name: Write to the guest
  ansible.builtin.command: touch {{ playbook_dir }}/%s-{{ inventory_hostname }}
"""


@pytest.fixture
def maintenance(fleet: Fleet, tmp_path: Path) -> Maintenance:
    maintenance = Maintenance(fleet, tmp_path)
    maintenance.write(patch=PATCH + HELD, before=TRACE % "before", after=TRACE % "after")
    return maintenance


@pytest.fixture
def start(fleet: Fleet, maintenance: Maintenance) -> Iterator[Start]:
    """``start("run-1", "--limit", "web1", variable=…)`` starts a process of the run. Those that a failed test leaves are killed."""
    book, hosts = maintenance.book({}), fleet.write()
    processes = []

    def run(run_id: str, *arguments: str, **variables: Any) -> subprocess.Popen[str]:
        given = maintenance.given(run_id, **variables)
        environment, pipe = fleet.cloud.environment, subprocess.PIPE
        processes.append(stage.start_playbook(book, COLLECTIONS, environment, given, "-i", hosts, *arguments, output=pipe))
        return processes[-1]

    yield run
    for process in processes:
        with process:
            stage.kill(process)


@pytest.fixture
def playbook(fleet: Fleet) -> Playbook:
    """``playbook("rollback", target="web1", …)`` runs a playbook of the collection."""

    def run(name: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        book = Path(f"ucloudstack.cloud.{name}")
        return stage.playbook(book, COLLECTIONS, fleet.cloud.environment, variables, "-i", fleet.write())

    return run


def entries(folder: Path, run_id: str) -> dict[str, dict[str, Any]]:
    """The hosts of a manifest; empty before it is written."""
    path = folder / f"{run_id}.json"
    hosts: dict[str, dict[str, Any]] = json.loads(path.read_text())["hosts"] if path.exists() else {}
    return hosts


def patching(process: subprocess.Popen[str], folder: Path, run_id: str, *hosts: str) -> dict[str, dict[str, Any]]:
    """The entries of these hosts as soon as all of them are being patched."""
    give_up = time.monotonic() + 180
    while not all((found := entries(folder, run_id)).get(host, {}).get("state") == "patching" for host in hosts):
        assert process.poll() is None and time.monotonic() < give_up
        time.sleep(0.1)
    return {host: found[host] for host in hosts}


def verify_success(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        told, _errors = process.communicate(timeout=300)
        assert process.returncode == 0, told


def refusal(entry: dict[str, Any], option: str) -> str:
    """What a process that is refused says about the one that has claimed the host."""
    claim = entry["process"]
    return (
        f"another process, on {claim['controller']}, has been working on this host in this run since {claim['since']}: "
        f"wait until it ends, or set {option}=true if it no longer exists."
    )


def test_processes_on_different_hosts_write_one_manifest(
    fleet: Fleet, maintenance: Maintenance, start: Start, cloud: stage.Cloud, tmp_path: Path
) -> None:
    processes = [start("shared", "--limit", host) for host in fleet.vms]
    verify_success(*processes)
    assert maintenance.states("shared") == dict.fromkeys(fleet.vms, "verified")
    assert [path.name for path in (tmp_path / "manifests").glob("*.json")] == ["shared.json"]
    assert maintenance.patched == list(fleet.vms)
    assert fleet.snapshots("ansible-shared") == sorted(fleet.disks())
    assert cloud.calls("CreateSnapshot") == len(fleet.disks())


def test_slices_without_a_shared_folder_are_restored_and_pruned_from_anywhere(
    fleet: Fleet, maintenance: Maintenance, start: Start, playbook: Playbook, cloud: stage.Cloud, tmp_path: Path
) -> None:
    before = fleet.checksums()
    fleet.run("ansible-old")
    folders = {host: tmp_path / f"manifests-{host}" for host in fleet.vms}
    processes = [start("slices", "--limit", host, ucloudstack_manifest_dir=str(folder)) for host, folder in folders.items()]
    verify_success(*processes)
    for host, folder in folders.items():
        assert {each: entry["state"] for each, entry in entries(folder, "slices").items()} == {host: "verified"}
    assert maintenance.patched == list(fleet.vms) and fleet.snapshots("ansible-slices") == sorted(fleet.disks())

    empty = str(tmp_path / "empty")
    back = playbook("rollback", target="web1", snapshot_rollback_run_id="slices", ucloudstack_manifest_dir=empty)
    assert back.returncode == 0, back.stdout
    assert fleet.checksums("web1") == {"web1": before["web1"]} and maintenance.patched == ["web2", "web3"]

    pruned = playbook("prune", target="all", snapshot_prune_older_than="0s", snapshot_prune_keep_last=1)
    assert pruned.returncode == 0, pruned.stdout
    assert fleet.snapshots("ansible-old") == [] and fleet.snapshots("ansible-slices") == sorted(fleet.disks())

    cloud.control("calls", "DELETE")
    patched = fleet.checksums()
    again = maintenance("slices", "--limit", "web2", ucloudstack_manifest_dir=str(folders["web2"]))
    assert again.returncode == 0, again.stdout
    assert fleet.checksums() == patched and all(call["action"].startswith("Describe") for call in cloud.control("calls"))


def test_second_process_is_refused_on_a_host_that_another_patches(
    fleet: Fleet, maintenance: Maintenance, start: Start, playbook: Playbook, cloud: stage.Cloud, tmp_path: Path
) -> None:
    folder = tmp_path / "manifests"
    first = start("same", "--limit", "web1", held=["web1"])
    held = patching(first, folder, "same", "web1")

    tasks: dict[str, Any] = {f"snapshot_create_{when}_tasks": f"{when}.yml" for when in ("before", "after")}
    second = maintenance("same", "--limit", "web1,web2", **tasks)
    assert second.returncode == 2 and f"web1: failed: {refusal(held['web1'], 'guarded_maintenance_take_over')}" in second.stdout
    assert {host: each["state"] for host, each in maintenance.report.items()} == {"web1": "failed", "web2": "verified"}
    assert sorted(path.name for path in tmp_path.glob("*-web?")) == ["after-web2", "before-web2"]

    back = playbook("rollback", target="web1", snapshot_rollback_run_id="same", ucloudstack_manifest_dir=str(folder))
    assert back.returncode == 2 and f"web1 is not restored: {refusal(held['web1'], 'snapshot_rollback_take_over')}" in back.stdout
    assert cloud.calls("StopVMInstance") == cloud.calls("PoweroffVMInstance") == cloud.calls("RollbackSnapshot") == 0
    assert entries(folder, "same")["web1"] == held["web1"]

    (tmp_path / "go").touch()
    verify_success(first)
    assert maintenance.states("same") == {"web1": "verified", "web2": "verified"} and maintenance.patched == ["web1", "web2"]
    assert cloud.calls("CreateSnapshot") == len(fleet.disks("web1", "web2"))


def test_killed_process_needs_a_take_over_only_if_its_end_is_not_known(
    fleet: Fleet, maintenance: Maintenance, start: Start, tmp_path: Path
) -> None:
    before = fleet.checksums("web3")
    path = tmp_path / "manifests" / "killed.json"
    first = start("killed", held=list(fleet.vms))
    hosts = patching(first, path.parent, "killed", *fleet.vms)
    stage.kill(first)
    for host in ("web2", "web3"):
        hosts[host]["process"].update(id="elsewhere-1", controller="elsewhere")
    hosts["web3"]["state"] = "restoring"
    path.write_text(json.dumps({**json.loads(path.read_text()), "hosts": hosts}))

    second = maintenance("killed")
    why = refusal(hosts["web2"], "guarded_maintenance_take_over")
    assert f"web2: failed: {why}" in second.stdout and f"web3: failed: its rollback was interrupted before; {why}" in second.stdout
    assert maintenance.states("killed") == {"web1": "verified", "web2": "patching", "web3": "restoring"}

    taken = maintenance("killed", guarded_maintenance_take_over=True)
    assert maintenance.states("killed") == {"web1": "verified", "web2": "verified", "web3": "restored"}, taken.stdout
    assert not any("process" in entry for entry in entries(path.parent, "killed").values())
    assert maintenance.patched == ["web1", "web2"] and fleet.checksums("web3") == before
    assert fleet.snapshots("ansible-killed") == sorted(fleet.disks())
