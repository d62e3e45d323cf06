# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role snapshot_rollback and its playbook, on hosts that are guests of the emulated cloud."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import stage
from support.collection import COLLECTIONS

from .conftest import Fleet, Play

Rollback = Callable[..., subprocess.CompletedProcess[str]]
Created = Callable[[str], dict[str, list[str]]]


@pytest.fixture
def created(fleet: Fleet, play: Play, tmp_path: Path) -> Created:
    """``created("run-1")`` snapshots the fleet; returns the checksums of its disks."""

    def run(run_id: str) -> dict[str, list[str]]:
        tasks = [{"ansible.builtin.include_role": {"name": "ucloudstack.cloud.snapshot_create"}}]
        given = {"ucloudstack_manifest_dir": str(tmp_path / "manifests"), "snapshot_create_run_id": run_id}
        played = play(tasks, "-i", fleet.write(), keywords={"hosts": "all"}, **given)
        assert played.returncode == 0, played.stdout
        fleet.cloud.control("calls", "DELETE")
        return fleet.checksums()

    return run


@pytest.fixture
def rollback(fleet: Fleet, tmp_path: Path) -> Rollback:
    """``rollback("web1", "run-1")`` runs the collection's playbook as an operator does."""

    def run(target: str, run_id: str, *arguments: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        given = {
            "target": target,
            "ucloudstack_manifest_dir": str(tmp_path / "manifests"),
            "snapshot_rollback_run_id": run_id,
            "snapshot_rollback_connect_timeout": 20,
            **variables,
        }
        book = Path("ucloudstack.cloud.rollback")
        return stage.playbook(book, COLLECTIONS, fleet.cloud.environment, given, "-i", fleet.write(), *arguments)

    return run


def states(folder: Path, run_id: str) -> dict[str, str]:
    hosts = json.loads((folder / "manifests" / f"{run_id}.json").read_text())["hosts"]
    return {host: entry["state"] for host, entry in hosts.items()}


def test_hosts_come_back_byte_for_byte_and_run_again(
    fleet: Fleet, created: Created, rollback: Rollback, cloud: stage.Cloud, tmp_path: Path
) -> None:
    before = created("run-1")
    for host in fleet.vms:
        fleet.damage(host, b"BROKEN")
    damaged = fleet.checksums("web3")
    played = rollback("web1,web2", "run-1", "-v")
    assert played.returncode == 0, played.stdout
    assert fleet.checksums("web1", "web2") == {host: before[host] for host in ("web1", "web2")}
    assert fleet.checksums("web3") == damaged
    assert set(fleet.states().values()) == {"Running"}
    assert fleet.snapshots("ansible-run-1-r1") == sorted(fleet.disks("web1", "web2"))
    assert states(tmp_path, "run-1") == {"web1": "restored", "web2": "restored", "web3": "snapshotted"}
    assert cloud.calls("RollbackSnapshot") == 4 and cloud.calls("StopVMInstance") == 2 and cloud.calls("PoweroffVMInstance") == 0


@pytest.mark.once
def test_second_rollback_warns_and_does_nothing_unless_again(
    fleet: Fleet, created: Created, rollback: Rollback, cloud: stage.Cloud
) -> None:
    before = created("run-2")
    assert rollback("web1", "run-2").returncode == 0
    fleet.damage("web1")
    cloud.control("calls", "DELETE")
    played = rollback("web1", "run-2")
    assert played.returncode == 0, played.stdout
    assert "WARNING" in played.stdout and "web1: already restored to this run at 20" in played.stdout
    assert cloud.calls("RollbackSnapshot") == cloud.calls("StopVMInstance") == 0
    again = rollback("web1", "run-2", snapshot_rollback_again=True, snapshot_rollback_backup=True)
    assert again.returncode == 0, again.stdout
    assert fleet.checksums("web1") == {"web1": before["web1"]}
    assert fleet.snapshots("ansible-run-2-r2") == fleet.snapshots("ansible-run-2-b2") == sorted(fleet.disks("web1"))


def test_python_that_came_with_the_patch_is_gone(fleet: Fleet, created: Created, tmp_path: Path) -> None:
    created("run-py")
    fleet.variables["web1"]["ansible_interpreter_python_fallback"] = [sys.executable]
    later = {"discovered_interpreter_python": "/usr/bin/python4", "since": "the patch", "cacheable": True}
    recall = {"hosts": "web1", "gather_facts": False, "tasks": [{"ansible.builtin.set_fact": later}]}
    read = {"ansible.builtin.assert": {"that": "ansible_facts.discovered_interpreter_python == ansible_playbook_python"}}
    use = {"hosts": "web1", "gather_facts": False, "tasks": [read, {"ansible.builtin.command": "/bin/true"}]}
    book = tmp_path / "play.yml"
    book.write_text(yaml.safe_dump([recall, {"ansible.builtin.import_playbook": "ucloudstack.cloud.rollback"}, use]))
    given = {
        "ansible_python_interpreter": "{{ 'auto_silent' if ansible_connection == 'guest' else ansible_playbook_python }}",
        "target": "web1",
        "ucloudstack_manifest_dir": str(tmp_path / "manifests"),
        "snapshot_rollback_run_id": "run-py",
        "snapshot_rollback_connect_timeout": 20,
    }
    played = stage.playbook(book, COLLECTIONS, fleet.cloud.environment, given, "-i", fleet.write())
    assert played.returncode == 0, played.stdout


@pytest.mark.once
def test_run_is_found_in_the_cloud_when_its_manifest_is_gone(fleet: Fleet, created: Created, rollback: Rollback, tmp_path: Path) -> None:
    before = created("run-3")
    shutil.rmtree(tmp_path / "manifests")
    fleet.damage("web1")
    played = rollback("web1", "run-3")
    assert played.returncode == 0, played.stdout
    assert fleet.checksums("web1") == {"web1": before["web1"]}


@pytest.mark.once
def test_incomplete_run_is_refused_and_the_neighbour_comes_back(
    fleet: Fleet, created: Created, rollback: Rollback, cloud: stage.Cloud, tmp_path: Path
) -> None:
    before = created("run-4")
    shutil.rmtree(tmp_path / "manifests")
    missing = fleet.disks("web2")[1]
    gone = next(
        each["id"] for each in cloud.control("state")["snapshots"] if each["disk_id"] == missing and each["name"] == "ansible-run-4"
    )
    cloud.call("DeleteSnapshot", SnapshotID=gone)
    for host in ("web1", "web2"):
        fleet.damage(host)
    damaged = fleet.checksums("web2")
    played = rollback("web1,web2", "run-4")
    assert played.returncode == 2
    assert f"web2 is not restored: {missing} has no snapshot ansible-run-4" in played.stdout
    assert fleet.checksums("web1", "web2") == {"web1": before["web1"], **damaged}
    assert set(fleet.states().values()) == {"Running"}


@pytest.mark.once
def test_disk_that_moved_to_another_vm_is_not_touched(fleet: Fleet, created: Created, rollback: Rollback, cloud: stage.Cloud) -> None:
    created("run-5")
    moved = fleet.disks("web1")[1]
    cloud.call("DetachDisk", DiskID=moved, ResourceID=fleet.vms["web1"])
    while cloud.call("DescribeDisk", DiskIDs=[moved])["Infos"][0]["DiskStatus"] not in ("Unbound", "Detached"):
        pass
    cloud.call("AttachDisk", DiskID=moved, ResourceID=fleet.vms["web2"], ResourceType="VM")
    cloud.control("calls", "DELETE")
    played = rollback("web1", "run-5")
    assert played.returncode == 2 and f"{moved} is no longer attached to {fleet.vms['web1']}" in played.stdout
    assert cloud.calls("StopVMInstance") == cloud.calls("RollbackSnapshot") == 0


@pytest.mark.once
def test_vm_that_hangs_is_unchanged_unless_power_off_may_be_forced(
    fleet: Fleet, created: Created, rollback: Rollback, cloud: stage.Cloud
) -> None:
    before = created("run-6")
    fleet.damage("web1")
    damaged = fleet.checksums("web1")
    cloud.control("faults", "POST", [{"action": "StopVMInstance", "kind": "hang_stopping", "count": 1}])
    played = rollback("web1", "run-6", snapshot_rollback_stop_timeout=3)
    assert played.returncode == 2 and "is not off, and nothing was rolled back" in played.stdout
    assert fleet.checksums("web1") == damaged and cloud.calls("PoweroffVMInstance") == 0
    forced = rollback("web1", "run-6", snapshot_rollback_stop_timeout=3, snapshot_rollback_force_off=True)
    assert forced.returncode == 0, forced.stdout
    assert fleet.checksums("web1") == {"web1": before["web1"]} and fleet.states()["web1"] == "Running"


@pytest.mark.once
def test_vm_with_a_disk_that_is_not_rolled_back_stays_off(fleet: Fleet, created: Created, rollback: Rollback, cloud: stage.Cloud) -> None:
    before = created("run-7")
    for host in ("web1", "web2"):
        fleet.damage(host)
    refused = next(
        each["id"]
        for each in cloud.control("state")["snapshots"]
        if each["disk_id"] == fleet.disks("web1")[1] and each["name"] == "ansible-run-7"
    )
    cloud.control("faults", "POST", [{"action": "RollbackSnapshot", "kind": "refuse", "ret_code": 150, "params": {"SnapshotID": refused}}])
    played = rollback("web1,web2", "run-7")
    assert played.returncode == 2 and "web1 is not restored: its VM stays off" in played.stdout
    assert fleet.states()["web1"] == "Stopped" and fleet.states()["web2"] == "Running"
    assert fleet.checksums("web2") == {"web2": before["web2"]}
    cloud.control("faults", "DELETE")
    again = rollback("web1,web2", "run-7")
    assert again.returncode == 0, again.stdout
    assert fleet.checksums("web1", "web2") == {host: before[host] for host in ("web1", "web2")}
    assert fleet.states()["web1"] == "Running"
    assert fleet.snapshots("ansible-run-7-r1") == sorted(fleet.disks("web1", "web2"))


@pytest.mark.once
def test_disk_that_cannot_be_rolled_back_does_not_delay_another_host(
    fleet: Fleet, created: Created, rollback: Rollback, cloud: stage.Cloud
) -> None:
    before = created("run-8")
    cloud.call("CreateSnapshot", DiskID=fleet.disks("web1")[0], Name="ansible-run-8-r1", Remark="by hand")
    for host in ("web1", "web2"):
        fleet.damage(host)
    played = rollback("web1,web2", "run-8")
    assert played.returncode == 2 and "web1 is not restored" in played.stdout
    assert fleet.checksums("web2") == {"web2": before["web2"]}
    assert "ansible-run-8-r1" in played.stdout and fleet.states()["web1"] == "Running"


@pytest.mark.once
def test_disks_of_a_vm_that_is_not_in_the_inventory_do_not_block_another_host(fleet: Fleet, created: Created, rollback: Rollback) -> None:
    fleet.variables["web1"] = {"ucloudstack_disk_ids": fleet.disks("web1")}
    before = created("run-13")
    for host in ("web1", "web2"):
        fleet.damage(host)
    damaged = fleet.checksums("web1")
    played = rollback("web1,web2", "run-13")
    assert played.returncode == 2 and "web1 is not restored" in played.stdout and "Running" in played.stdout
    assert fleet.checksums("web1", "web2") == {**damaged, "web2": before["web2"]}


@pytest.mark.once
def test_full_disk_is_named_before_the_vm_is_stopped(fleet: Fleet, created: Created, rollback: Rollback, cloud: stage.Cloud) -> None:
    created("run-9")
    played = rollback("web1", "run-9", snapshot_rollback_limit=1)
    assert (
        f"{fleet.disks('web1')[0]} has 1 snapshots, the limit is 1, and 1 more would be created; 0 of them, created by this collection"
        in played.stdout
    )
    assert cloud.calls("StopVMInstance") == 0


@pytest.mark.once
def test_only_the_disks_asked_for(fleet: Fleet, created: Created, rollback: Rollback) -> None:
    before = created("run-10")
    fleet.damage("web1")
    damaged = fleet.checksums("web1")
    data = fleet.disks("web1")[1]
    played = rollback("web1", "run-10", snapshot_rollback_disk_ids=[data])
    assert played.returncode == 0, played.stdout
    assert fleet.checksums("web1")["web1"] == [damaged["web1"][0], before["web1"][1]]


@pytest.mark.once
def test_vm_that_was_off_stays_off(fleet: Fleet, created: Created, rollback: Rollback, cloud: stage.Cloud) -> None:
    cloud.call("PoweroffVMInstance", VMID=fleet.vms["web1"])
    created("run-11")
    played = rollback("web1", "run-11")
    assert played.returncode == 0, played.stdout
    assert fleet.states()["web1"] == "Stopped"


def test_check_mode_writes_nothing(fleet: Fleet, created: Created, rollback: Rollback, cloud: stage.Cloud, tmp_path: Path) -> None:
    created("run-12")
    played = rollback("web1", "run-12", "--check")
    assert played.returncode == 0, played.stdout
    assert "web1: would be rolled back to snapshot-" in played.stdout
    assert not [call for call in cloud.control("calls") if not call["action"].startswith("Describe")]
    assert states(tmp_path, "run-12")["web1"] == "snapshotted"


def test_target_has_no_default(fleet: Fleet, rollback: Rollback, cloud: stage.Cloud) -> None:
    played = stage.playbook(
        Path("ucloudstack.cloud.rollback"), COLLECTIONS, cloud.environment, {"snapshot_rollback_run_id": "x"}, "-i", fleet.write()
    )
    assert played.returncode != 0 and "target" in played.stdout + played.stderr
    assert cloud.control("calls") == []


@pytest.mark.once
def test_disk_left_detached_is_attached_again_before_its_vm_starts(
    fleet: Fleet, created: Created, rollback: Rollback, cloud: stage.Cloud
) -> None:
    before = created("run-1")
    fleet.damage("web1")
    cloud.control("faults", "POST", [{"action": "RollbackSnapshot", "kind": "rollback_detaches"}])
    played = rollback("web1", "run-1")
    assert played.returncode == 0, played.stdout
    assert (fleet.checksums("web1")["web1"], fleet.states()["web1"]) == (before["web1"], "Running")
    assert fleet.attached("web1") == sorted(fleet.disks("web1"))
    order = [call["action"] for call in cloud.control("calls") if not call["action"].startswith("Describe")]
    assert order == ["StopVMInstance", *["RollbackSnapshot"] * 2, *["CreateSnapshot"] * 2, *["AttachDisk"] * 2, "StartVMInstance"]


@pytest.mark.once
def test_rollback_interrupted_before_a_disk_was_attached_again(
    fleet: Fleet, created: Created, rollback: Rollback, cloud: stage.Cloud, tmp_path: Path
) -> None:
    before = created("run-1")
    fleet.damage("web1")
    boot = fleet.disks("web1")[0]
    faults = [{"action": "RollbackSnapshot", "kind": "rollback_detaches"}, {"action": "AttachDisk", "kind": "refuse", "ret_code": 150}]
    cloud.control("faults", "POST", faults)
    first = rollback("web1", "run-1")
    assert first.returncode == 2 and "its VM stays off" in first.stdout
    assert f"not attached to VM {fleet.vms['web1']}: AttachDisk: no permission" in first.stdout and boot in first.stdout
    assert (fleet.states()["web1"], fleet.attached("web1"), states(tmp_path, "run-1")["web1"]) == ("Stopped", [], "restoring")

    cloud.control("faults", "DELETE")
    second = rollback("web1", "run-1")
    assert second.returncode == 0, second.stdout
    assert (fleet.checksums("web1")["web1"], fleet.states()["web1"]) == (before["web1"], "Running")
    assert fleet.attached("web1") == sorted(fleet.disks("web1")) and cloud.calls("RollbackSnapshot") == 2
    assert states(tmp_path, "run-1")["web1"] == "restored"
