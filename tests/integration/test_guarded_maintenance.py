# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role guarded_maintenance, on hosts that are guests of the emulated cloud."""

from __future__ import annotations

import json
import random
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support import stage
from support.collection import COLLECTIONS

from .conftest import Fleet
from .maintenance import PATCH, Maintenance


@pytest.fixture
def fleet(cloud: stage.Cloud, tmp_path: Path) -> Fleet:
    fleet = Fleet(cloud, tmp_path, 5)
    cloud.control("calls", "DELETE")
    return fleet


@pytest.fixture
def maintenance(fleet: Fleet, tmp_path: Path) -> Maintenance:
    return Maintenance(fleet, tmp_path)


def failed(played: subprocess.CompletedProcess[str]) -> list[str]:
    """The hosts that the recap counts as failed."""
    return sorted(re.findall(r"^(\w+) +: .* failed=[1-9]", played.stdout, re.MULTILINE))


def writes(cloud: stage.Cloud) -> list[str]:
    return [call["action"] for call in cloud.control("calls") if not call["action"].startswith("Describe")]


def rolled_back(cloud: stage.Cloud) -> set[str]:
    """The disks that were rolled back."""
    disks = {each["id"]: each["disk_id"] for each in cloud.control("state")["snapshots"]}
    return {disks[call["params"]["SnapshotID"]] for call in cloud.control("calls") if call["action"] == "RollbackSnapshot"}


def test_failed_ill_lost_and_refused_hosts_leave_the_healthy_one_patched_and_pruned(
    fleet: Fleet, maintenance: Maintenance, cloud: stage.Cloud
) -> None:
    before = fleet.checksums()
    fleet.variables["web6"] = {**fleet.variables["web5"], "ucloudstack_vm_id": "vm-none"}
    for name, remark in (("ansible-old", "ucloudstack.cloud run=old vm=x disks=2"), ("ansible-theirs", "somebody else's")):
        fleet.snapshot(name, remark, "web1", "web2")
    cloud.control("calls", "DELETE")
    faults = [
        {"action": "CreateSnapshot", "kind": "refuse", "ret_code": 161, "params": {"DiskID": fleet.disks("web5")[1]}},
        {"action": "StopVMInstance", "kind": "hang_stopping", "params": {"VMID": fleet.vms["web2"]}},
    ]
    cloud.control("faults", "POST", faults)
    played = maintenance(
        "maintenance",
        keywords={"max_fail_percentage": 50},
        guarded_maintenance_prune=True,
        snapshot_prune_older_than="0s",
        snapshot_prune_keep_last=1,
        snapshot_rollback_stop_timeout=5,
        guarded_maintenance_report_file="report.html",
        fails=["web2"],
        lost=["web3"],
        ill=["web4"],
    )
    assert played.returncode != 0 and maintenance.patched == ["web1"], played.stdout
    assert fleet.checksums("web2", "web3", "web4", "web5") == {host: before[host] for host in before if host != "web1"}
    assert set(fleet.states().values()) == {"Running"}
    assert cloud.calls("PoweroffVMInstance") == 1, "only for the guest that hung"
    states = {"web1": "verified", "web2": "restored", "web3": "restored", "web4": "restored", "web5": "failed"}
    assert maintenance.states("maintenance") == states
    report = maintenance.report
    assert {host: each["state"] for host, each in report.items()} == states
    assert (report["web2"]["failed_task"], report["web4"]["failed_task"]) == ("Fail by itself", "Verify that the host is healthy")
    assert "became unreachable" in report["web3"]["msg"] and "the host is reachable, but not verified" in report["web3"]["msg"]
    assert report["web5"]["patched"] is False and "a quota is exceeded" in report["web5"]["msg"]
    assert fleet.snapshots("ansible-maintenance") == sorted(fleet.disks("web1", "web2", "web3", "web4")), "web5 keeps nothing"
    assert fleet.snapshots("ansible-old") == sorted(fleet.disks("web2")), "only a host that is verified is pruned"
    assert fleet.snapshots("ansible-theirs") == sorted(fleet.disks("web1", "web2"))
    assert failed(played) == ["web2", "web4", "web5", "web6"]
    assert "web2: restored: Fail by itself: " in played.stdout and "Run maintenance, 6 hosts in" in played.stdout
    told = played.stdout + played.stderr
    assert "DEPRECATION" not in told and "does not support" not in told
    page = (maintenance.folder / "report.html").read_text()
    assert re.findall(r"<h3>(\w+)</h3>", page) == ["web5", "web6", "web2", "web3", "web4"], "what failed comes first"
    assert "<dt>Failed task</dt><dd>Fail by itself</dd>" in page and "<dd>Its disks are as before the patch: correct the patch, and" in page
    phases = [re.sub(" [0-9][^,]*", "", row).split(", ") for row in re.findall(r"</div>\n(.+ s)<small>", page)]
    restored = ["snapshot", "patch", "roll back", "verify again"]
    after_verification = ["snapshot", "patch", "verify", "roll back", "verify again"]
    assert phases == [["snapshot"], restored, restored, after_verification, ["snapshot", "patch", "verify", "prune"]]
    statistics = played.stdout.split("CUSTOM STATS")[1]
    assert "guarded_maintenance_report" in statistics and all(host in statistics for host in fleet.vms)

    cloud.control("calls", "DELETE")
    nowhere = {"guarded_maintenance_report_file": "nowhere/report.html"}
    again = maintenance("maintenance", keywords={"hosts": "web1,web2,web4"}, fails=["web1"], **nowhere)
    assert "the report was not written: Destination directory" in again.stdout
    assert failed(again) == ["web2", "web4"] and "patch it in a new run" in again.stdout
    assert not writes(cloud), "verified hosts are skipped, and restored ones stay as they are"


def test_healthy_hosts_are_not_rolled_back_when_a_run_once_fails(fleet: Fleet, maintenance: Maintenance, cloud: stage.Cloud) -> None:
    before = fleet.checksums("web1", "web4")
    handled = """
- name: Handle a failure
  block:
    - name: Fail, and be rescued
      ansible.builtin.command: /bin/false
      when: inventory_hostname == 'web3'
  rescue:
    - name: Go on
      ansible.builtin.debug:
- name: Fail once for all
  ansible.builtin.command: /bin/false
  run_once: true
"""
    maintenance.write(patch=PATCH + handled)
    played = maintenance("once", ill=["web4"])
    assert rolled_back(cloud) == set(fleet.disks("web1", "web4")), played.stdout
    assert fleet.checksums("web1", "web4") == before and maintenance.patched == ["web2", "web3", "web5"]
    report = maintenance.report
    restored = ("web1", "web4")
    assert {host: each["state"] for host, each in report.items()} == {
        host: "restored" if host in restored else "verified" for host in fleet.vms
    }
    assert report["web2"]["patched"] is False and "interrupted by a failed task of another host" in report["web2"]["msg"]
    assert failed(played) == list(fleet.vms), "the patch of the others is not complete either"
    assert maintenance.states("once")["web2"] == "patching", "and is done when the run is resumed"


def test_any_errors_fatal_and_a_lost_neighbour_roll_back_no_healthy_host(
    fleet: Fleet, maintenance: Maintenance, cloud: stage.Cloud
) -> None:
    for name in ("ansible-older", "ansible-old"):
        fleet.run(name, "web1", "web3")
    cloud.control("calls", "DELETE")
    pruned = {"guarded_maintenance_prune": True, "snapshot_prune_older_than": "0s", "snapshot_prune_keep_last": 2}
    played = maintenance("fatal", keywords={"any_errors_fatal": True, "hosts": "web1,web2,web3"}, fails=["web1"], lost=["web2"], **pruned)
    assert fleet.snapshots("ansible-older") == sorted(fleet.disks("web1")), "the first host has failed, and the last is pruned"
    assert rolled_back(cloud) == set(fleet.disks("web1", "web2")), played.stdout
    assert maintenance.patched == ["web3"]
    assert {host: each["state"] for host, each in maintenance.report.items()} == {
        "web1": "restored",
        "web2": "restored",
        "web3": "verified",
    }


@pytest.mark.once
def test_unreachable_batch_is_restored_by_the_playbook_and_blocks_another_run(
    fleet: Fleet, maintenance: Maintenance, cloud: stage.Cloud
) -> None:
    before = fleet.checksums()
    keywords = {"hosts": "web1,web2"}
    played = maintenance("lost", keywords=keywords, lost=["web1", "web2"])
    assert played.returncode != 0 and maintenance.report == {}
    assert maintenance.states("lost") == {"web1": "patching", "web2": "patching"}, played.stdout

    other = maintenance("other", keywords=keywords)
    assert "web1: run lost is unfinished: resume it with guarded_maintenance_run_id=lost, or abandon it with" in other.stdout
    assert fleet.snapshots("ansible-other") == []

    given = {"target": "web1", "snapshot_rollback_run_id": "lost", "ucloudstack_manifest_dir": str(maintenance.folder / "manifests")}
    back = stage.playbook(Path("ucloudstack.cloud.rollback"), COLLECTIONS, cloud.environment, given, "-i", fleet.write())
    assert back.returncode == 0, back.stdout
    assert fleet.checksums("web1") == {"web1": before["web1"]}
    assert maintenance.states("lost") == {"web1": "restored", "web2": "patching"}

    # web2 is resumed: it is unreachable from the start, and another host rolls it back
    again = maintenance("lost", keywords={"hosts": "web3,web2", "gather_facts": True, "gather_subset": ["!all"]})
    assert fleet.checksums("web2") == {"web2": before["web2"]}, again.stdout
    assert maintenance.states("lost") == {"web1": "restored", "web2": "restored", "web3": "verified"}

    abandoned = maintenance("next", keywords={"hosts": "web1"})
    assert abandoned.returncode == 0, abandoned.stdout


@pytest.mark.once
@pytest.mark.parametrize(("keywords", "trouble"), [({"max_fail_percentage": 10}, "fails"), ({}, "lost")])
def test_host_that_failed_or_was_lost_stops_the_batches_after_it(
    keywords: dict[str, Any], trouble: str, fleet: Fleet, maintenance: Maintenance
) -> None:
    played = maintenance("serial", keywords={"serial": 2, "hosts": "web1,web2,web3", **keywords}, **{trouble: ["web1"]})
    assert played.returncode != 0
    assert maintenance.states("serial") == {"web1": "restored", "web2": "verified"}, played.stdout
    assert maintenance.patched == ["web2"]


@pytest.mark.once
def test_refused_host_rolls_back_an_unreachable_one(fleet: Fleet, maintenance: Maintenance, cloud: stage.Cloud) -> None:
    before = fleet.checksums("web2")
    maintenance.write(check="- name: Not tonight\n  ansible.builtin.fail:\n  when: inventory_hostname == 'web1'\n")
    fleet.snapshot("ansible-refused", "by hand", "web3")
    played = maintenance("refused", keywords={"hosts": "web1,web2,web3"}, guarded_maintenance_precheck_tasks="check.yml", lost=["web2"])
    assert fleet.checksums("web2") == before, played.stdout
    assert {host: each["state"] for host, each in maintenance.report.items()} == {"web1": "failed", "web2": "restored", "web3": "failed"}
    assert "was not created for this run and these disks" in maintenance.report["web3"]["msg"], "no rollback would take it"
    assert maintenance.patched == []


def test_controller_that_cannot_be_reached_costs_no_host_anything(fleet: Fleet, maintenance: Maintenance, cloud: stage.Cloud) -> None:
    nowhere = {"ansible_connection": "guest", "ucloudstack_vm_id": "vm-none", "guest_control_url": cloud.connection["control_url"]}
    fleet.variables["bastion"] = {**nowhere, "guest_images": ["/dev/null"]}
    played = maintenance("bastion", keywords={"hosts": "web1,web2"}, guarded_maintenance_delegate_to="bastion")
    assert failed(played) == ["web1", "web2"] and "web1: " in played.stdout and "the VM is not there" in played.stdout
    assert "unreachable=1" not in played.stdout and cloud.control("calls") == []


@pytest.mark.once
def test_unfinished_run_is_abandoned_on_demand(fleet: Fleet, maintenance: Maintenance) -> None:
    fleet.damage("web1")
    (maintenance.folder / "manifests").mkdir()
    entry = {"state": "patching", "vm_id": fleet.vms["web1"], "disk_ids": fleet.disks("web1"), "power_state": "Running"}
    hosts = {"web1": entry, "db1": {**entry, "state": "patching"}}
    text = json.dumps({"run_id": "old", "name": "ansible-old", "hosts": hosts}, indent=4)
    (maintenance.folder / "manifests" / "old.json").write_text(text)
    keywords = {"hosts": "web1"}
    assert "guarded_maintenance_abandon=old" in maintenance("new", keywords=keywords).stdout
    played = maintenance("new", keywords=keywords, guarded_maintenance_abandon="old")
    assert played.returncode == 0, played.stdout
    assert maintenance.states("old") == {"web1": "failed", "db1": "patching"}


@pytest.mark.once
def test_host_whose_patch_was_started_keeps_its_snapshot(fleet: Fleet, maintenance: Maintenance, cloud: stage.Cloud) -> None:
    before = fleet.checksums("web1")
    maintenance.write(patch=PATCH + "- name: End here\n  ansible.builtin.meta: end_host\n  when: inventory_hostname == 'web1'\n")
    ended = maintenance("begun", keywords={"hosts": "web1,web2"})
    assert maintenance.states("begun") == {"web1": "patching", "web2": "verified"} and not rolled_back(cloud), ended.stdout
    assert maintenance.report["web1"]["state"] == "unknown" and failed(ended) == ["web2"], "a remaining host fails in its place"

    maintenance.write(patch=PATCH)
    keywords = {"hosts": "web1"}
    fleet.damage("web1", b"changed")
    stale = maintenance("begun", keywords=keywords, snapshot_create_max_age="1s")
    assert failed(stale) == ["web1"] and "older than 1s" in stale.stdout and "playbook rollback" in stale.stdout
    assert not rolled_back(cloud) and maintenance.patched == ["web2"], "it is unknown what it was used for since"
    played = maintenance("begun", keywords=keywords, fails=["web1"])
    assert fleet.checksums("web1") == before, "not the half of a patch, but what was before it"
    assert failed(played) == ["web1"] and fleet.snapshots("ansible-begun") == sorted(fleet.disks("web1", "web2"))


def test_failing_handler_and_failing_precheck(fleet: Fleet, maintenance: Maintenance, cloud: stage.Cloud) -> None:
    maintenance.write(
        check="- name: Not tonight\n  ansible.builtin.fail:\n    msg: a long job runs\n  when: inventory_hostname == 'web2'\n",
        patch=PATCH + "- name: Restart\n  ansible.builtin.command: /bin/true\n  notify: broken service\n",
    )
    handlers = [{"name": "broken service", "ansible.builtin.command": "/bin/false", "when": "inventory_hostname == 'web1'"}]
    played = maintenance(
        "handler", keywords={"hosts": "web1,web2,web3", "handlers": handlers}, guarded_maintenance_precheck_tasks="check.yml"
    )
    assert failed(played) == ["web1", "web2"] and maintenance.patched == ["web3"], played.stdout
    assert rolled_back(cloud) == set(fleet.disks("web1"))
    assert fleet.snapshots("ansible-handler") == sorted(fleet.disks("web1", "web3"))
    assert maintenance.report["web2"]["msg"] == "a long job runs" and maintenance.report["web1"]["failed_task"] == "broken service"


def test_check_mode_writes_nothing_anywhere_and_tells(fleet: Fleet, maintenance: Maintenance, cloud: stage.Cloud) -> None:
    fleet.run("ansible-old", "web1")
    fleet.run("ansible-older", "web1")
    cloud.control("calls", "DELETE")
    before = fleet.checksums()
    played = maintenance(
        "check",
        "--check",
        guarded_maintenance_prune=True,
        snapshot_prune_older_than="0s",
        snapshot_prune_keep_last=1,
        keywords={"hosts": "web1,web2"},
    )
    assert played.returncode == 0, played.stdout
    assert not writes(cloud) and fleet.checksums() == before and not (maintenance.folder / "manifests").exists()
    assert "web1: ansible-check would contain" in played.stdout and "web1: 2 snapshots had expired." in played.stdout
    assert "web1: planned" in played.stdout and "web2: planned" in played.stdout


@pytest.mark.once
def test_wrong_input_is_refused_before_anything_is_written(fleet: Fleet, maintenance: Maintenance, cloud: stage.Cloud) -> None:
    fleet.variables["web2"] = {"ucloudstack_disk_ids": fleet.disks("web2")}
    assert "web2: set ucloudstack_vm_id" in maintenance("wrong", keywords={"hosts": "web2"}).stdout
    assert (
        "nowhere.yml does not exist"
        in maintenance("wrong", keywords={"hosts": "web1"}, guarded_maintenance_patch_tasks="nowhere.yml").stdout
    )
    assert "invalid run id '../etc': use at most 19 letters" in maintenance("../etc", keywords={"hosts": "web1"}).stdout
    assert "strategy: linear" in maintenance("wrong", keywords={"hosts": "web1,web3", "strategy": "free"}).stdout
    only = {"hosts": "web1"}
    assert "must name a task file" in maintenance("wrong", keywords=only, guarded_maintenance_patch_tasks="").stdout
    full = "has 0 snapshots, the limit is 1, and 2 more are needed; 0 of them, created by this collection, can be pruned."
    assert full in maintenance("wrong", keywords=only, snapshot_create_limit=1).stdout
    full = "has 0 snapshots, the limit is 2, and 3 more are needed; 0 of them, created by this collection, can be pruned."
    assert full in maintenance("wrong", keywords=only, snapshot_create_limit=2, snapshot_rollback_backup=True).stdout
    assert not writes(cloud) and not (maintenance.folder / "manifests").exists()


@pytest.mark.once
@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("snapshot_rollback_stop_timeout", "soon", "argument 'snapshot_rollback_stop_timeout' is of type"),
        (
            "snapshot_create_max_age",
            "soon",
            "web1: invalid duration: snapshot_create_max_age is soon. Use seconds, or a number followed by s, m, h, d or w.",
        ),
        ("snapshot_prune_older_than", "1month", "web1: invalid duration: snapshot_prune_older_than is 1month. Use seconds"),
        ("snapshot_prune_keep_last", "many", "argument 'snapshot_prune_keep_last' is of type"),
        ("guarded_maintenance_prefix", "", "a snapshot_prune_prefix that is not empty"),
    ],
)
def test_wrong_variable_of_an_inner_role_is_refused_before_anything_is_written(
    variable: str, value: str, words: str, maintenance: Maintenance, cloud: stage.Cloud
) -> None:
    played = maintenance("wrong", keywords={"hosts": "web1"}, guarded_maintenance_prune=True, **{variable: value})
    assert failed(played) == ["web1"] and words in played.stdout
    assert cloud.control("calls") == [] and not (maintenance.folder / "manifests").exists()


@pytest.mark.once
def test_killed_at_ten_random_moments_it_ends_as_if_undisturbed(fleet: Fleet, maintenance: Maintenance, cloud: stage.Cloud) -> None:
    before = fleet.checksums()
    moments = random.Random(20261123)
    for _moment in range(10):
        maintenance.killed_after(moments.uniform(2, 25), "killed", fails=["web2"], lost=["web3"], ill=["web4"])
    played = maintenance("killed", fails=["web2"], lost=["web3"], ill=["web4"])
    assert played.returncode != 0
    assert maintenance.states("killed") == {
        **dict.fromkeys(["web2", "web3", "web4"], "restored"),
        "web1": "verified",
        "web5": "verified",
    }, played.stdout
    assert maintenance.patched == ["web1", "web5"]
    assert fleet.checksums("web2", "web3", "web4") == {host: before[host] for host in ("web2", "web3", "web4")}
    assert set(fleet.states().values()) == {"Running"}
    assert fleet.snapshots("ansible-killed") == sorted(fleet.disks())
    assert fleet.snapshots("ansible-killed-r1") == sorted(fleet.disks("web2", "web3", "web4"))
    assert rolled_back(cloud) == set(fleet.disks("web2", "web3", "web4"))
