# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbooks of the collection, called by their names as an operator does."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import stage
from support.collection import CHECKOUT, COLLECTIONS

from .conftest import Fleet, Play

Named = Callable[..., subprocess.CompletedProcess[str]]
TASKS = CHECKOUT / "playbooks" / "tasks"


@pytest.fixture
def named(fleet: Fleet, tmp_path: Path) -> Named:
    """``named("prune", target="web1")`` runs the playbook ``ucloudstack.cloud.prune``."""

    def run(name: str, *arguments: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        given = {"ucloudstack_manifest_dir": str(tmp_path / "manifests"), **variables}
        book = Path(f"ucloudstack.cloud.{name}")
        return stage.playbook(book, COLLECTIONS, fleet.cloud.environment, given, "-i", fleet.write(), *arguments)

    return run


def test_snapshot_now_touches_no_guest(fleet: Fleet, named: Named) -> None:
    for host in fleet.variables:
        fleet.damage(host, b"BROKEN")
    played = named("snapshot_now", target="web1,web3", snapshot_create_run_id="now")
    assert played.returncode == 0, played.stdout
    assert fleet.snapshots("ansible-now") == sorted(fleet.disks("web1", "web3"))


def test_prune_deletes_of_the_target_alone(fleet: Fleet, named: Named) -> None:
    for name in ("ansible-old", "ansible-new"):
        fleet.run(name)
    played = named("prune", target="web2", snapshot_prune_keep_last=1, snapshot_prune_older_than="0s")
    assert played.returncode == 0, played.stdout
    assert fleet.snapshots("ansible-old") == sorted(fleet.disks("web1", "web3"))
    assert fleet.snapshots("ansible-new") == sorted(fleet.disks())


@pytest.mark.parametrize("name", ["snapshot_now", "prune", "report", "patch_debian"])
def test_forgotten_target_is_an_error(name: str, named: Named, cloud: stage.Cloud) -> None:
    played = named(name, run_id="forgotten")
    assert played.returncode != 0 and "Set target to the hosts to " in played.stdout + played.stderr
    assert cloud.control("calls") == []


def test_patch_debian_can_be_read(named: Named) -> None:
    played = named("patch_debian", "--syntax-check", target="all", run_id="read")
    assert played.returncode == 0, played.stdout + played.stderr


@pytest.mark.parametrize(
    ("failed", "expected"),
    [
        ("", None),
        ("nginx.service loaded failed failed A web server\nsrv-data.mount loaded failed failed /srv/data", "nginx.service, srv-data.mount"),
    ],
)
def test_failed_units_are_named_in_one_line(failed: str, expected: str | None, play: Play, tmp_path: Path) -> None:
    systemctl = tmp_path / "bin" / "systemctl"
    systemctl.parent.mkdir()
    systemctl.write_text(f"#!/bin/sh\ncase $1 in is-system-running) exit 1;; list-units) echo '{failed}';; esac\n")
    systemctl.chmod(0o755)
    tasks = [{"ansible.builtin.include_tasks": str(TASKS / "services_are_up.yml")}]
    played = play(tasks, keywords={"environment": {"PATH": f"{systemctl.parent}:/usr/bin:/bin"}})
    if expected is None:
        assert played.returncode == 0, played.stdout
    else:
        assert played.returncode == 2 and f"localhost: failed units: {expected}." in played.stdout
