# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The roles in plays as others write them: what the play, the inventory and earlier runs bring with them changes no promise.

Read the names of the tests, and of the cases, as a list of what works, and of what is refused.
"""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from support import stage

from .conftest import Fleet, Play
from .maintenance import PATCH, Maintenance

ROLE = "ucloudstack.cloud.guarded_maintenance"
CREATE, PRUNE = ({"ansible.builtin.include_role": {"name": f"ucloudstack.cloud.snapshot_{role}"}} for role in ("create", "prune"))


@pytest.fixture
def maintenance(fleet: Fleet, tmp_path: Path) -> Maintenance:
    return Maintenance(fleet, tmp_path)


BUSY_PATCH = """
- name: Add a host to the inventory
  ansible.builtin.add_host:
    name: added
    groups: added_{{ inventory_hostname }}
- name: Group the hosts
  ansible.builtin.group_by:
    key: grouped
- name: Start a command, and wait for it
  ansible.builtin.command: /bin/true
  async: 30
  poll: 1
  notify: Restart the service
"""
CASES: dict[str, dict[str, Any]] = {
    "serial": {"keywords": {"serial": [1, "50%"]}},
    "import_role with a tag, another delegate": {
        "keywords": {"tasks": [{"ansible.builtin.import_role": {"name": ROLE}, "tags": "maintain"}]},
        "arguments": ["--tags", "maintain"],
        "variables": {"guarded_maintenance_delegate_to": "controller"},
    },
    "roles in another order, with facts, and variables of the play that are for its hosts": {
        "keywords": {
            "tasks": [],
            "roles": [ROLE],
            "gather_facts": True,
            "order": "reverse_inventory",
            "vars": {"ansible_connection": "guest", "ansible_remote_tmp": "/proc/none", "ansible_become": False},
        }
    },
    "settings of ansible.cfg": {
        "settings": {
            "ANSIBLE_JINJA2_NATIVE": "true",
            "ANSIBLE_INJECT_FACT_VARS": "false",
            "ANSIBLE_CACHE_PLUGIN": "ansible.builtin.jsonfile",
            "ANSIBLE_CACHE_PLUGIN_CONNECTION": "facts",
            "ANSIBLE_GATHERING": "smart",
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.oneline",
            "ANSIBLE_PIPELINING": "false",
            "ANSIBLE_FORKS": "1",
        },
        "keywords": {"gather_facts": True},
    },
    "vault, handlers, async tasks, new hosts and groups": {
        "keywords": {"handlers": [{"name": "Restart the service", "ansible.builtin.command": "/bin/true"}]},
        "patch": BUSY_PATCH,
        "vault": True,
    },
}


@pytest.mark.parametrize("case", [pytest.param(case, marks=[] if "settings" in CASES[case] else pytest.mark.once) for case in CASES])
def test_works_with(fleet: Fleet, maintenance: Maintenance, tmp_path: Path, case: str) -> None:
    given = CASES[case]
    maintenance.write(patch=PATCH + given.get("patch", ""))
    fleet.variables["controller"] = {"ansible_connection": "local"}
    before = fleet.checksums("web2")
    arguments = ["--limit", "web1,web2", *given.get("arguments", [])]
    if "vault" in given:
        password = tmp_path / "password"
        password.write_text("not-a-secret")
        vault = [str(Path(sys.executable).with_name("ansible-vault")), "encrypt", "--vault-password-file", str(password)]
        subprocess.run([*vault, str(tmp_path / "patch.yml")], check=True, capture_output=True)
        arguments += ["--vault-password-file", str(password)]
    maintenance.settings.update(given.get("settings", {}))
    played = maintenance("case", *arguments, keywords=given.get("keywords"), fails=["web2"], **given.get("variables", {}))
    assert played.returncode != 0 and maintenance.patched == ["web1"], played.stdout
    assert (maintenance.states("case"), fleet.checksums("web2")) == ({"web1": "verified", "web2": "restored"}, before), played.stdout
    assert list(tmp_path.glob("*{{*")) == []  # a folder with the name of a template


@pytest.mark.once
def test_hosts_of_the_retry_file_are_patched_in_a_new_run(maintenance: Maintenance, tmp_path: Path) -> None:
    maintenance.settings.update(ANSIBLE_RETRY_FILES_ENABLED="true", ANSIBLE_RETRY_FILES_SAVE_PATH=str(tmp_path))
    assert maintenance("first", "--limit", "web1,web2", fails=["web2"]).returncode != 0
    played = maintenance("second", "--limit", f"@{tmp_path / 'maintenance.retry'}")
    assert played.returncode == 0 and maintenance.states("second") == {"web2": "verified"}, played.stdout


@pytest.mark.parametrize("way", ["import_role", "include_role"])
def test_role_that_runs_once(maintenance: Maintenance, cloud: stage.Cloud, way: str) -> None:
    """Imported, it is refused. Included, the other hosts skip it, which is said."""
    tasks = [{f"ansible.builtin.{way}": {"name": ROLE}, "run_once": True}]
    played = maintenance("once", keywords={"tasks": tasks})
    if way == "import_role":
        assert played.returncode != 0 and played.stdout.count("run_once is set on the role, or on an import of it") >= 3, played.stdout
        assert (writes(cloud), maintenance.patched) == ([], [])
    else:
        assert played.returncode == 0 and maintenance.patched == ["web1"], played.stdout
        assert "They skip the role, and take no part: web2, web3" in played.stdout


@pytest.mark.parametrize(
    "task", ["Decide which hosts to patch", "Run the patch tasks", "Set the report of the host", "Verify that the host was maintained"]
)
def test_start_within_the_role_is_refused(maintenance: Maintenance, cloud: stage.Cloud, task: str) -> None:
    tasks = [{"ansible.builtin.import_role": {"name": ROLE}}]
    played = maintenance("late", "--start-at-task", task, keywords={"tasks": tasks})
    words = "this role has to run from its first task"
    assert played.returncode != 0 and words in played.stdout + played.stderr, played.stdout
    assert (cloud.control("calls"), maintenance.patched) == ([], [])


@pytest.mark.parametrize(
    ("tasks", "words"),
    [
        ("- ansible.builtin.include_tasks: gone.yml", "names the task file gone.yml, which does not exist"),
        ("- ansible.builtin.import_role: {name: gone}", "names the role gone, which is not installed"),
        ("- ansible.builtin.debgu: {msg: hello}", "patch.yml cannot be parsed: couldn't resolve module/action"),
    ],
)
@pytest.mark.once
def test_patch_that_cannot_be_loaded_is_refused(maintenance: Maintenance, cloud: stage.Cloud, tasks: str, words: str) -> None:
    maintenance.write(patch=f"{PATCH}{tasks}\n")
    played = maintenance("broken", "--limit", "web1")
    assert played.returncode != 0 and words in " ".join(played.stdout.split()), played.stdout
    assert (writes(cloud), maintenance.patched) == ([], [])


@pytest.mark.parametrize("action", ["include_tasks: '{{ missing }}.yml'", "include_role: {name: '{{ missing }}'}"])
def test_host_whose_tasks_cannot_be_loaded_has_failed_itself(fleet: Fleet, maintenance: Maintenance, action: str) -> None:
    """Ansible gives no reason to it: it must not be taken for a healthy host that another one interrupted."""
    before = fleet.checksums("web2")
    maintenance.write(patch=f"{PATCH}- ansible.builtin.{action}\n  when: inventory_hostname == 'web2'\n")
    played = maintenance("missing", "--limit", "web1,web2", missing="gone")
    assert maintenance.states("missing") == {"web1": "verified", "web2": "restored"}, played.stdout
    assert fleet.checksums("web2") == before and "web2: restored: a file or role of its tasks could not be loaded" in played.stdout


def writes(cloud: stage.Cloud) -> list[str]:
    return [call["action"] for call in cloud.control("calls") if not call["action"].startswith("Describe")]


KEYWORDS: list[dict[str, Any]] = [
    {"ignore_errors": True},
    {"ignore_unreachable": True, "no_log": True, "throttle": 1, "environment": {"LANG": "C"}},
    {"any_errors_fatal": True},
]


@pytest.mark.parametrize("keywords", KEYWORDS, ids="-".join)
def test_keywords_of_the_play_hide_no_failure(fleet: Fleet, maintenance: Maintenance, keywords: dict[str, Any]) -> None:
    before = fleet.checksums()
    played = maintenance("keywords", keywords=keywords, fails=["web2"], lost=["web3"])
    assert played.returncode != 0 and maintenance.patched == ["web1"], played.stdout
    assert maintenance.states("keywords") == {"web1": "verified", "web2": "restored", "web3": "restored"}
    assert fleet.checksums("web2", "web3") == {host: before[host] for host in ("web2", "web3")}


def test_host_that_is_not_protected_is_not_patched_though_errors_are_ignored(fleet: Fleet, play: Play, cloud: stage.Cloud) -> None:
    cloud.control(
        "faults", "POST", [{"action": "CreateSnapshot", "kind": "refuse", "ret_code": 161, "params": {"DiskID": fleet.disks("web2")[1]}}]
    )
    patch = {"ansible.builtin.debug": {"msg": "PATCHED {{ inventory_hostname }}"}}
    given = {"snapshot_create_run_id": "ignored", "ucloudstack_manifest_dir": str(fleet.inventory.parent / "manifests")}
    played = play([CREATE, patch], "-i", fleet.write(), keywords={"hosts": "all", "ignore_errors": True}, **given)
    assert played.returncode != 0 and "PATCHED web1" in played.stdout and "PATCHED web2" not in played.stdout, played.stdout


@pytest.mark.parametrize(("keyword", "arguments"), [(True, []), (False, ["--check"])])
def test_check_mode_of_the_play_that_ansible_does_not_show_is_refused(
    maintenance: Maintenance, cloud: stage.Cloud, keyword: bool, arguments: list[str]
) -> None:
    played = maintenance("mode", *arguments, keywords={"check_mode": keyword})
    assert played.returncode != 0 and played.stdout.count("check_mode is set on the play or the role") >= 3, played.stdout
    assert (writes(cloud), maintenance.patched) == ([], [])


def test_become_as_a_variable_does_not_reach_the_api_tasks(fleet: Fleet, play: Play, tmp_path: Path) -> None:
    sudo = {"ansible_become": True, "ansible_become_exe": "/nonexistent/sudo"}
    given = {"snapshot_create_run_id": "sudo", "ucloudstack_manifest_dir": str(tmp_path / "manifests")}
    played = play([CREATE], "-i", fleet.write(), keywords={"hosts": "all", "vars": sudo}, **given)
    assert played.returncode == 0 and fleet.snapshots("ansible-sudo") == sorted(fleet.disks()), played.stdout


@pytest.mark.once
def test_rebuilt_host_is_not_taken_for_the_one_in_the_manifest(fleet: Fleet, maintenance: Maintenance, cloud: stage.Cloud) -> None:
    assert maintenance("rebuilt", "--limit", "web1").returncode == 0
    fleet.variables["web1"]["ucloudstack_vm_id"] = cloud.vm("rebuilt")["vm_id"]
    cloud.control("calls", "DELETE")
    played = maintenance("rebuilt", "--limit", "web1")
    assert played.returncode != 0 and f"the manifest of this run has {fleet.vms['web1']}" in played.stdout and writes(cloud) == []


@pytest.mark.once
def test_unfinished_run_of_another_machine_of_that_name_does_not_count(fleet: Fleet, maintenance: Maintenance) -> None:
    assert maintenance("first", "--limit", "web1").returncode == 0
    manifest = maintenance.folder / "manifests" / "first.json"
    known = json.loads(manifest.read_text())
    known["hosts"]["web1"].update(state="patching", vm_id="vm-of-another-inventory")
    manifest.write_text(json.dumps(known))
    played = maintenance("second", "--limit", "web1")
    assert played.returncode == 0 and maintenance.states("second") == {"web1": "verified"}, played.stdout


@pytest.mark.once
def test_old_success_is_none(maintenance: Maintenance, cloud: stage.Cloud) -> None:
    assert maintenance("monthly", "--limit", "web1").returncode == 0
    manifest = maintenance.folder / "manifests" / "monthly.json"
    known = json.loads(manifest.read_text())
    for snapshot in known["hosts"]["web1"]["snapshots"]:
        snapshot["create_time"] -= 30 * 86400
    manifest.write_text(json.dumps(known))
    cloud.control("calls", "DELETE")
    played = maintenance("monthly", "--limit", "web1")
    assert played.returncode != 0 and "already verified in this run, whose snapshots are older than 24h" in played.stdout
    assert (writes(cloud), maintenance.states("monthly")) == ([], {"web1": "verified"})


@pytest.mark.once
def test_prefix_that_another_one_begins_with_prunes_its_own_runs_alone(fleet: Fleet, play: Play) -> None:
    for run_id in ("1", "2", "3"):
        fleet.run(f"ansible-{run_id}", "web1")
        fleet.snapshot(f"ansible-quarter-{run_id}", f"ucloudstack.cloud run={run_id} vm=x disks=2", "web1")
    given = {"snapshot_prune_keep_last": 1, "snapshot_prune_older_than": ""}
    played = play([PRUNE], "-i", fleet.write(), "--limit", "web1", keywords={"hosts": "all"}, **given)
    assert played.returncode == 0, played.stdout
    assert [len(fleet.snapshots(f"ansible-{run_id}")) for run_id in ("1", "2", "3")] == [0, 0, 2]
    assert [len(fleet.snapshots(f"ansible-quarter-{run_id}")) for run_id in ("1", "2", "3")] == [2, 2, 2]


@pytest.mark.once
@pytest.mark.parametrize("kept", ["1,2", '["1", "2"]', ["1", "2"]])
def test_lists_may_be_text(fleet: Fleet, play: Play, kept: Any) -> None:
    for run_id in ("1", "2", "3", "4"):
        fleet.run(f"ansible-{run_id}", "web1")
    fleet.variables["web1"]["ucloudstack_disk_ids"] = ",".join(fleet.disks("web1"))
    given = {"snapshot_prune_keep_last": 1, "snapshot_prune_older_than": "", "snapshot_prune_keep_run_ids": kept}
    played = play([PRUNE], "-i", fleet.write(), "--limit", "web1", keywords={"hosts": "all"}, **given)
    assert played.returncode == 0, played.stdout
    assert [len(fleet.snapshots(f"ansible-{run_id}")) for run_id in ("1", "2", "3", "4")] == [2, 2, 0, 2]


NEIGHBOURS = ("create", "finish", "protect")
"""Files of the user that are called as files of the role."""


@pytest.mark.parametrize("place", [".", pytest.param("elsewhere", marks=pytest.mark.once)])
def test_task_files_find_their_own_neighbours(maintenance: Maintenance, tmp_path: Path, place: str) -> None:
    folder = tmp_path / place
    folder.mkdir(exist_ok=True)
    include = f'- name: Include\n  ansible.builtin.include_tasks: "{{{{ item }}}}.yml"\n  loop: {json.dumps(NEIGHBOURS)}\n'
    (folder / "mine.yml").write_text(include + PATCH)
    for name in NEIGHBOURS:
        (folder / f"{name}.yml").write_text(f"- ansible.builtin.debug:\n    msg: THE USER'S {name}\n")
    path = "mine.yml" if place == "." else str(folder / "mine.yml")
    played = maintenance("neighbours", "--limit", "web1", guarded_maintenance_patch_tasks=path)
    assert played.returncode == 0 and maintenance.patched == ["web1"], played.stdout
    assert all(f"THE USER'S {name}" in played.stdout for name in NEIGHBOURS)


@pytest.mark.parametrize("end", ["end_play", "end_batch"])
def test_play_that_the_patch_ends_is_found_by_the_next_run(maintenance: Maintenance, end: str) -> None:
    maintenance.write(patch=f"{PATCH}- name: End here\n  ansible.builtin.meta: {end}\n")
    maintenance("ended", "--limit", "web1,web2")
    assert maintenance.states("ended") == {"web1": "patching", "web2": "patching"}
    maintenance.write(patch=PATCH)
    played = maintenance("next", "--limit", "web1,web2")
    assert played.returncode != 0 and played.stdout.count("run ended is unfinished: resume it with") >= 2, played.stdout


@pytest.mark.parametrize("way", ["roles", "include_role", "import_role"])
@pytest.mark.parametrize("outside", ["web3", "web1"])
def test_hosts_that_skip_the_role_take_no_part(fleet: Fleet, play: Play, tmp_path: Path, way: str, outside: str) -> None:
    """If it is the first host, one line says what to write instead, before anything is written."""
    given = {"snapshot_create_run_id": "some", "ucloudstack_manifest_dir": str(tmp_path / "manifests")}
    some = f"inventory_hostname != '{outside}'"
    name = "ucloudstack.cloud.snapshot_create"
    keywords = {"hosts": "all", "roles": [{"role": name, "when": some}]} if way == "roles" else {"hosts": "all"}
    tasks = [] if way == "roles" else [{f"ansible.builtin.{way}": {"name": name}, "when": some}]
    tasks.append({"ansible.builtin.debug": {"msg": "NEXT {{ inventory_hostname }}"}})
    played = play(tasks, "-i", fleet.write(), keywords=keywords, **given)
    if outside == "web1":
        assert played.returncode != 0 and fleet.snapshots("ansible-some") == [], played.stdout
        assert "web1, the first host of the batch, skips the role" in " ".join(played.stdout.split()) and "NEXT web2" not in played.stdout
    else:
        assert played.returncode == 0 and fleet.snapshots("ansible-some") == sorted(fleet.disks("web1", "web2")), played.stdout
        assert "NEXT web3" in played.stdout


@pytest.mark.once
def test_run_id_of_a_template_is_evaluated_once(maintenance: Maintenance, tmp_path: Path) -> None:
    """Here it is the number of times that it was evaluated."""
    counted = tmp_path / "counted"
    run_id = "n{{ lookup('ansible.builtin.pipe', 'echo >> " + str(counted) + "; wc -l < " + str(counted) + "') | trim }}"
    variables = {"guarded_maintenance_run_id": run_id, "guarded_maintenance_patch_tasks": "patch.yml"}
    book = maintenance.book(
        {"tasks": [{"ansible.builtin.import_role": {"name": "ucloudstack.cloud.guarded_maintenance"}, "vars": variables}]}
    )
    before = maintenance.fleet.checksums("web1")
    played = maintenance.play(book, "--limit", "web1", fails=["web1"], ucloudstack_manifest_dir=str(tmp_path / "manifests"))
    assert played.returncode != 0 and maintenance.fleet.checksums("web1") == before, played.stdout
    assert len(list((tmp_path / "manifests").glob("*.json"))) == 1


@pytest.mark.parametrize(
    ("run_id", "name"),
    [
        pytest.param(1.1, "", marks=pytest.mark.once),
        (False, ""),
        pytest.param(20261123, "ansible-20261123", marks=pytest.mark.once),
        (date(2026, 11, 23), "ansible-2026-11-23"),
    ],
)
def test_run_ids_that_are_not_quoted(fleet: Fleet, play: Play, tmp_path: Path, run_id: Any, name: str) -> None:
    """A number with a point, or a truth value, may have been written otherwise."""
    keywords = {"hosts": "all", "vars": {"snapshot_create_run_id": run_id}}
    played = play([CREATE], "-i", fleet.write(), "--limit", "web1", keywords=keywords, ucloudstack_manifest_dir=str(tmp_path / "manifests"))
    assert (played.returncode == 0) is bool(name) and ("quote it" in played.stdout) is not bool(name), played.stdout
    assert not name or fleet.snapshots(name) == sorted(fleet.disks("web1"))


@pytest.mark.once
def test_patch_that_snapshots_its_hosts_itself(fleet: Fleet, maintenance: Maintenance) -> None:
    before = fleet.checksums("web2")
    own = {"name": "Snapshot", **CREATE, "vars": {"snapshot_create_run_id": "theirs"}}
    maintenance.write(patch=f"- {json.dumps(own)}\n{PATCH}")
    played = maintenance("ours", "--limit", "web1,web2", fails=["web2"])
    assert maintenance.states("ours") == {"web1": "verified", "web2": "restored"}, played.stdout
    assert fleet.checksums("web2") == before and fleet.snapshots("ansible-theirs") == sorted(fleet.disks("web1", "web2"))
