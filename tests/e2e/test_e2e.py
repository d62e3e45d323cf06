# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Patches of real guests, and what is on their disks afterwards."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from support import stage

from . import disks
from .conftest import CHECK, Host, Site

WRITTEN_BY_THE_PATCH = ("usr/bin/ledger", "var/lib/apt", "var/lib/dpkg")


@pytest.fixture
def web1(site: Site) -> Host:
    site.add("web1")
    return site.hosts["web1"]


def differences(host: Host, run_id: str, folder: Path) -> set[str]:
    """The files of the boot disk that are not as in the snapshot of the run."""
    return disks.changes(host.snapshots(f"ansible-{run_id}")[0], host.snapshot("after")[0], folder)


def database(snapshot: Path, folder: Path) -> dict[str, Any]:
    """What the database of a data disk contains, and that it is undamaged."""
    path = disks.files(snapshot, folder / "data") / "ledger.sqlite"
    checked = subprocess.run([sys.executable, CHECK, path], check=True, capture_output=True, text=True)
    answer: dict[str, Any] = json.loads(checked.stdout)
    return answer


def test_patch_that_succeeds_and_patch_that_breaks_the_boot(site: Site, tmp_path: Path) -> None:
    site.add("good", "bad")
    good, bad = site.hosts.values()
    bad.variables.update(unbootable=True, reboot_timeout=60)
    boots = [host.boot_id() for host in (good, bad)]
    entries = [host.ledger()["count"] for host in (good, bad)]
    assert site.play("maintenance.yml", guarded_maintenance_run_id="patch-1", snapshot_rollback_stop_timeout=20) == 2
    assert site.states("patch-1") == {"good": "verified", "bad": "restored"}

    assert good.boot_id() != boots[0]
    assert good.ledger()["count"] > entries[0] and good.ledger()["versions"] == ["1.0", "2.0"]
    changed = differences(good, "patch-1", tmp_path)
    assert "usr/bin/ledger" in changed
    assert {path for path in changed if not path.startswith(WRITTEN_BY_THE_PATCH)} == set()

    calls = [call["action"] for call in site.cloud.control("calls") if call["params"].get("VMID") == bad.vm_id]
    assert [action for action in calls if action.endswith("VMInstance")] == ["StopVMInstance", "PoweroffVMInstance", "StartVMInstance"]
    assert bad.boot_id() != boots[1]
    assert bad.ledger()["count"] > entries[1] and bad.ledger()["versions"] == ["1.0"]
    assert differences(bad, "patch-1", tmp_path) == set()


def test_service_that_does_not_start_is_found_by_the_verification(site: Site, web1: Host, tmp_path: Path) -> None:
    assert site.play("maintenance.yml", guarded_maintenance_run_id="patch-2", version="3.0") == 2
    assert site.states("patch-2") == {"web1": "restored"}
    assert "web1: restored: Verify that the service runs" in site.log.read_text()
    assert web1.ledger()["versions"] == ["1.0"]
    assert differences(web1, "patch-2", tmp_path) == set()


def test_rollback_by_hand_two_days_later(site: Site, web1: Host, tmp_path: Path) -> None:
    assert site.play("maintenance.yml", guarded_maintenance_run_id="patch-3") == 0
    assert web1.ledger()["versions"] == ["1.0", "2.0"]
    snapshot = database(web1.snapshots("ansible-patch-3")[1], tmp_path)
    with sqlite3.connect(site.cloud.state_dir / "state.sqlite") as state:
        state.execute("UPDATE snapshots SET create_time = create_time - ?", [2 * 86400])
    assert site.play("ucloudstack.cloud.rollback", snapshot_rollback_run_id="patch-3", target="web1") == 0
    web1.wait()
    assert web1.ledger()["versions"] == ["1.0"] and web1.ledger()["count"] >= snapshot["count"]
    assert differences(web1, "patch-3", tmp_path) == set()


@pytest.mark.parametrize("freeze", ["/srv", ""], ids=["frozen", "crash-consistent"])
def test_database_in_a_snapshot_is_undamaged(site: Site, web1: Host, tmp_path: Path, freeze: str) -> None:
    before = web1.ledger()["count"]
    assert site.play("ucloudstack.cloud.snapshot_now", target="web1", freeze=freeze, snapshot_create_run_id="now") == 0
    count = web1.ledger()["count"]
    assert before <= database(web1.snapshots("ansible-now")[1], tmp_path)["count"] <= count
    time.sleep(2)
    assert web1.ledger()["count"] > count


def test_controller_is_killed_in_the_middle_of_the_patch_and_the_run_resumed(site: Site, web1: Host, tmp_path: Path) -> None:
    process = site.start("maintenance.yml", guarded_maintenance_run_id="patch-4")
    while "TASK [ucloudstack.cloud.guarded_maintenance : Upgrade the service]" not in site.log.read_text():
        assert process.poll() is None
        time.sleep(0.1)
    stage.kill(process)
    assert site.states("patch-4") == {"web1": "patching"}
    assert site.play("maintenance.yml", guarded_maintenance_run_id="patch-4") == 0
    assert site.states("patch-4") == {"web1": "verified"}
    assert web1.ledger()["versions"] == ["1.0", "2.0"] and len(web1.snapshots("ansible-patch-4")) == 2
    changed = differences(web1, "patch-4", tmp_path)
    assert {path for path in changed if not path.startswith(WRITTEN_BY_THE_PATCH)} == set()
