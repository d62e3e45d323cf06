# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role snapshot_prune, in an account that is shared with other users."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from support import stage

from .conftest import Fleet, Play

Prune = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def prune(fleet: Fleet, play: Play) -> Prune:
    """``prune(snapshot_prune_keep_last=…)`` runs the role on web1 and web2; web3 belongs to another user."""

    def run(*arguments: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        tasks = [{"ansible.builtin.include_role": {"name": "ucloudstack.cloud.snapshot_prune"}}]
        given = {"snapshot_prune_older_than": "0s", **variables}
        return play(tasks, "-i", fleet.write(), *arguments, keywords={"hosts": "web1,web2"}, **given)

    return run


def test_only_own_expired_runs_of_the_hosts_go(fleet: Fleet, prune: Prune, cloud: stage.Cloud) -> None:
    for name in ("ansible-1", "ansible-1-r1", "ansible-2", "ansible-3"):
        fleet.run(name)
    fleet.snapshot("ansible-by-hand", "made by somebody", "web1")
    fleet.snapshot("other-1", "ucloudstack.cloud run=1 vm=x disks=2", "web1")
    before = {each["id"] for each in cloud.control("state")["snapshots"]}

    checked = prune("--check", snapshot_prune_keep_last=2)
    assert checked.returncode == 0, checked.stdout
    assert "web1: 4 snapshots had expired." in checked.stdout
    assert {each["id"] for each in cloud.control("state")["snapshots"]} == before

    played = prune(snapshot_prune_keep_last=2)
    assert played.returncode == 0, played.stdout
    for name in ("ansible-1", "ansible-1-r1"):
        assert fleet.snapshots(name) == sorted(fleet.disks("web3"))
    for name in ("ansible-2", "ansible-3"):
        assert fleet.snapshots(name) == sorted(fleet.disks())
    for name in ("ansible-by-hand", "other-1"):
        assert fleet.snapshots(name) == sorted(fleet.disks("web1"))
    deletes = [call["params"]["SnapshotID"] for call in cloud.control("calls") if call["action"] == "DeleteSnapshot"]
    assert len(deletes) == 8

    again = prune(snapshot_prune_keep_last=2)
    assert again.returncode == 0 and cloud.calls("DeleteSnapshot") == 8


@pytest.mark.once
def test_newest_run_and_named_runs_stay_always(fleet: Fleet, prune: Prune) -> None:
    for name in ("ansible-a.b", "ansible-a.b-b1", "ansible-axb", "ansible-new"):
        fleet.run(name, "web1")
    played = prune(snapshot_prune_keep_last=0, snapshot_prune_keep_run_ids=["a.b"])
    assert played.returncode == 0, played.stdout
    assert fleet.snapshots("ansible-axb") == []
    for name in ("ansible-a.b", "ansible-a.b-b1", "ansible-new"):
        assert fleet.snapshots(name) == sorted(fleet.disks("web1"))


def test_no_policy_is_an_error(fleet: Fleet, prune: Prune, cloud: stage.Cloud) -> None:
    played = prune(snapshot_prune_keep_last=0, snapshot_prune_older_than="")
    assert played.returncode == 2 and "web1: set snapshot_prune_keep_last or snapshot_prune_older_than" in played.stdout
    assert cloud.calls("DeleteSnapshot") == 0


def test_invalid_age_is_named(fleet: Fleet, prune: Prune, cloud: stage.Cloud) -> None:
    played = prune(snapshot_prune_older_than="1month")
    assert (
        played.returncode == 2
        and "web1: invalid duration: snapshot_prune_older_than is 1month. Use seconds, or a number followed" in played.stdout
    )
    assert cloud.calls("DeleteSnapshot") == 0


@pytest.mark.once
def test_snapshot_that_cannot_be_deleted_fails_its_host_alone(fleet: Fleet, prune: Prune, cloud: stage.Cloud) -> None:
    for name in ("ansible-1", "ansible-2"):
        fleet.run(name, "web1", "web2")
    stuck = fleet.disks("web2")[0]
    held = next(each["id"] for each in cloud.control("state")["snapshots"] if each["name"] == "ansible-1" and each["disk_id"] == stuck)
    cloud.control("faults", "POST", [{"action": "DeleteSnapshot", "kind": "refuse", "ret_code": 164, "params": {"SnapshotID": held}}])
    played = prune(snapshot_prune_keep_last=1)
    assert played.returncode == 2 and "web2: DeleteSnapshot: the administrator forbids the deletion" in played.stdout
    assert "web1: 2 snapshots had expired." in played.stdout
    assert fleet.snapshots("ansible-1") == [stuck]
