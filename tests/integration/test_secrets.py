# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The private key, its parts and every signature are in nothing that is printed, returned, logged or left in files.

Ansible is as talkative as it can be, and the cloud repeats what it is sent. What ansible-core itself shows of a key that it is
given is shown here as well, as the guide says it.
"""

from __future__ import annotations

import inspect
import json
import re
import shutil
import subprocess
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
import yaml
from support import leaks, stage
from support.collection import CHECKOUT, COLLECTIONS

from .conftest import Fleet

CLOUD = "ucloudstack.cloud."
DEBUG = {"ANSIBLE_DEBUG": "1", "ANSIBLE_KEEP_REMOTE_FILES": "1"}
CLIENT = ("_client:Client._exchange", "_transport:Transport.post", "_client:signature", "_answers:_sanitized")
EACH_LAYER = {place: leaks.PLACES[place] for place in (*{place.partition(":")[0]: place for place in leaks.PLACES}.values(), *CLIENT)}
"""One place in each layer, and more in the one that has the key; the unit tests break all."""
EXECUTED = "done with _execute_module"


class Gate(ThreadingHTTPServer):
    """A server in front of the cloud that takes down what it is sent, and says it again: by the path, in success and in refusals."""

    daemon_threads = True

    def __init__(self, cloud: stage.Cloud) -> None:
        super().__init__(("127.0.0.1", 0), Passage)
        self.cloud = cloud
        self.signatures: set[str] = set()
        self.heads: list[str] = []
        self.refused: set[str] = set()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def answer(self, path: str, body: bytes) -> tuple[int, str]:
        form = dict(parse_qsl(body.decode()))
        action, said = form["Action"], f"Signature={form['Signature']} PublicKey={form['PublicKey']}"
        self.signatures.add(form["Signature"])
        if path == "/page":
            self.refused.add(action)
            return 403, f"<html>You sent {said}</html>"
        if path == "/refuse" and not action.startswith("Describe"):
            self.refused.add(action)
            return 200, json.dumps({"RetCode": 171, "Action": f"{action}Response", "Message": f"wrong: {said}"})
        request = urllib.request.Request(self.cloud.connection["api_url"], data=body)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as response:
            answer = json.load(response)
        for info in answer.get("Infos") or []:
            info["Echo"] = {form["Signature"]: said}
        return 200, json.dumps({**answer, "Message": said})


class Passage(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Gate

    def do_POST(self) -> None:
        self.server.heads.append(f"{self.requestline}\n{self.headers}")
        status, text = self.server.answer(self.path, self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(status)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the test's output is for what went wrong."""


@pytest.fixture
def gate(cloud: stage.Cloud) -> Iterator[Gate]:
    with Gate(cloud) as gate:
        threading.Thread(target=gate.serve_forever, daemon=True).start()
        yield gate
        gate.shutdown()


class Watch:
    """Plays of which every word and every file is kept below one folder."""

    def __init__(self, gate: Gate, folder: Path) -> None:
        self.gate, self.folder = gate, folder
        self.private_key = gate.cloud.connection["private_key"]

    def play(
        self, plays: str | list[dict[str, Any]], *arguments: str, environment: dict[str, str] | None = None, collections: Path = COLLECTIONS
    ) -> subprocess.CompletedProcess[str]:
        """Run plays at -vvvv through the gate, with the keys in the environment, and what ``environment`` adds to it."""
        book = self.folder / "playbook.yml"
        book.write_text(plays if isinstance(plays, str) else yaml.safe_dump(plays))
        here = {name: str(self.folder / name.lower()) for name in ("HOME", "TMPDIR", "ANSIBLE_LOCAL_TEMP", "ANSIBLE_REMOTE_TMP")}
        for place in here.values():
            Path(place).mkdir(exist_ok=True)
        talkative = {
            **here,
            **stage.WITH_FILES,
            "ANSIBLE_DISPLAY_TRACEBACK": "always",
            "ANSIBLE_INJECT_INVOCATION": "1",
            "ANSIBLE_LOG_PATH": str(self.folder / "ansible.log"),
            "ANSIBLE_CACHE_PLUGIN": "jsonfile",
            "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(self.folder / "facts"),
            "ANSIBLE_RETRY_FILES_ENABLED": "1",
            "ANSIBLE_RETRY_FILES_SAVE_PATH": str(self.folder / "retry"),
            "ANSIBLE_SHOW_CUSTOM_STATS": "1",
        }
        keys = {**self.gate.cloud.environment, "UCLOUDSTACK_API_URL": f"{self.gate.url}/echo"}
        given = {"ucloudstack_manifest_dir": str(self.folder / "manifests")}
        played = stage.playbook(
            book, collections, {**keys, **talkative, **(DEBUG if environment is None else environment)}, given, "-vvvv", *arguments
        )
        count = len(list(self.folder.glob("*.stdout")))
        (self.folder / f"{count}.stdout").write_text(played.stdout)
        (self.folder / f"{count}.stderr").write_text(played.stderr)
        return played

    def texts(self) -> dict[str, str]:
        """All that was printed, logged and left in files."""
        files = [path for path in self.folder.rglob("*") if path.is_file() and "ansible_collections" not in path.parts]
        return {str(path.relative_to(self.folder)): path.read_text(errors="replace") for path in files}

    def assert_nothing_leaked(self, but_by_ansible_core: bool = False) -> None:
        """With ``but_by_ansible_core``, the two places count for nothing where ansible-core, told to debug, keeps the options of a task."""
        assert self.gate.signatures, "nothing was sent"
        texts = self.texts()
        if but_by_ansible_core:
            texts = {name: re.sub(rf".*{EXECUTED}.*", "", text) for name, text in texts.items() if "AnsiballZ_" not in name}
        assert leaks.leaks([self.private_key, *self.gate.signatures], texts) == []
        heads = {"first line and headers of a request": "".join(self.gate.heads)}
        assert leaks.leaks([self.private_key, self.gate.cloud.connection["public_key"], *self.gate.signatures], heads) == []


@pytest.fixture
def watch(gate: Gate) -> Iterator[Watch]:
    """Below a short path, and not pytest's: ansible-core opens sockets in TMPDIR, of which the path has 107 characters at most."""
    with tempfile.TemporaryDirectory(prefix="leaks-", ignore_cleanup_errors=True) as folder:
        yield Watch(gate, Path(folder))


@pytest.fixture
def fleet(cloud: stage.Cloud, tmp_path: Path) -> Fleet:
    return Fleet(cloud, tmp_path, 1)


def every_module(cloud: stage.Cloud, name: str) -> dict[str, dict[str, Any]]:
    """Options with which each module has something to do, in an order in which it can be done."""
    disk_ids, vm_ids = [cloud.disk(name)["disk_id"]], [cloud.vm(name, 0)["vm_id"]]
    return {
        "snapshot": {"name": name, "disk_ids": disk_ids},
        "snapshot_info": {"disk_ids": disk_ids},
        "snapshot_rollback": {"name": name, "disk_ids": disk_ids, "marker_name": f"{name}-m"},
        "vm_power": {"vm_ids": vm_ids, "state": "stopped"},
        "vm_info": {"vm_ids": vm_ids},
    }


def tasks_that_succeed_and_fail(gate: Gate) -> list[dict[str, Any]]:
    """Every module does its work; then writes are refused, and reads answered by a page, and both repeat what was sent."""
    done = every_module(gate.cloud, "done")
    again = {
        **done,
        "snapshot": {**done["snapshot"], "name": "refused"},
        "snapshot_rollback": {**done["snapshot_rollback"], "marker_name": "refused"},
        "vm_power": {**done["vm_power"], "state": "started"},
    }
    paths = {module: "page" if module.endswith("info") else "refuse" for module in done}
    failing = [
        {
            f"{CLOUD}{module}": {**options, "api_url": f"{gate.url}/{paths[module]}"},
            "register": "answer",
            "failed_when": "not answer.failed",
        }
        for module, options in again.items()
    ]
    shown = {"ansible.builtin.debug": {"var": "answer"}}
    return [{f"{CLOUD}{module}": options} for module, options in done.items()] + [each for task in failing for each in (task, shown)]


def local(tasks: list[dict[str, Any]], **keywords: Any) -> list[dict[str, Any]]:
    return [{"hosts": "localhost", "gather_facts": False, **keywords, "tasks": tasks}]


def test_modules_with_the_keys_in_the_environment(watch: Watch, gate: Gate) -> None:
    played = watch.play(local(tasks_that_succeed_and_fail(gate)))
    assert_all_was_done(played, gate)
    assert list(watch.folder.rglob("AnsiballZ_*.py")), "what was left was searched"
    watch.assert_nothing_leaked()


@pytest.mark.once
def test_modules_with_the_private_key_as_an_option(watch: Watch, gate: Gate) -> None:
    given = {"module_defaults": {f"group/{CLOUD}all": {"private_key": "{{ lookup('ansible.builtin.env', 'GIVEN') }}"}}}
    given_key = {"UCLOUDSTACK_PRIVATE_KEY": "", "GIVEN": watch.private_key}
    played = watch.play(local(tasks_that_succeed_and_fail(gate), **given), environment={**DEBUG, **given_key})
    assert_all_was_done(played, gate)
    assert '"private_key": "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"' in played.stdout
    watch.assert_nothing_leaked(but_by_ansible_core=True)


def assert_all_was_done(played: subprocess.CompletedProcess[str], gate: Gate) -> None:
    assert played.returncode == 0, played.stdout
    assert gate.refused == {"CreateSnapshot", "DescribeSnapshot", "RollbackSnapshot", "StartVMInstance", "DescribeVMInstance"}
    for said in ('"Signature=***', "wrong: Signature=***", "You sent Signature=***"):
        assert said in played.stdout, "what the cloud repeated was shown"


@pytest.mark.once
def test_roles_with_the_keys_in_the_environment(watch: Watch, gate: Gate, fleet: Fleet) -> None:
    for run_id in ("old", "kept"):
        fleet.run(f"ansible-{run_id}")
    (watch.folder / "patch.yml").write_text("- name: Patch\n  ansible.builtin.command: /bin/true\n")
    variables = {"guarded_maintenance_patch_tasks": "patch.yml", "snapshot_prune_keep_last": 1, "snapshot_prune_older_than": "0s"}

    def include(role: str, **variables: Any) -> dict[str, Any]:
        return {"ansible.builtin.include_role": {"name": f"{CLOUD}{role}"}, "vars": variables}

    def refused(role: str, **variables: Any) -> dict[str, Any]:
        return {"block": [include(role, **variables)], "rescue": [{"ansible.builtin.debug": {"msg": f"refused: {role}"}}]}

    everything = {"guarded_maintenance_prune": True, "snapshot_prune_keep_run_ids": ["kept"]}
    good = [
        include("guarded_maintenance", guarded_maintenance_run_id="first", **everything),
        include("snapshot_rollback", snapshot_rollback_run_id="first"),
    ]
    bad = [
        refused("guarded_maintenance", guarded_maintenance_run_id="second"),
        refused("snapshot_prune"),
        refused("snapshot_rollback", snapshot_rollback_run_id="first", snapshot_rollback_again=True),
    ]
    facts = {"gather_facts": True, "gather_subset": ["!env"]}
    refusing = {"gather_facts": False, "module_defaults": {f"group/{CLOUD}all": {"api_url": f"{gate.url}/refuse"}}}
    plays = [{"hosts": "all", "vars": variables, **facts, "tasks": good}, {"hosts": "all", "vars": variables, **refusing, "tasks": bad}]
    played = watch.play(plays, "-i", fleet.write())
    assert (played.returncode, gate.cloud.calls("DeleteSnapshot"), gate.cloud.calls("RollbackSnapshot")) == (0, 2, 2), played.stdout
    for role in ("guarded_maintenance", "snapshot_prune", "snapshot_rollback"):
        assert f"refused: {role}" in played.stdout, played.stdout
    assert gate.refused == {"CreateSnapshot", "DeleteSnapshot", "StopVMInstance"}, "the first of them within snapshot_create"
    assert "CUSTOM STATS" in played.stdout
    assert list(watch.folder.glob("manifests/*.json")) and list(watch.folder.glob("facts/*")), "what was left was searched"
    watch.assert_nothing_leaked()


@pytest.mark.once
def test_exceptions_forced_at_each_layer(watch: Watch, gate: Gate) -> None:
    copy = watch.folder / "ansible_collections" / "ucloudstack" / "cloud"
    for part in ("meta", "plugins"):
        shutil.copytree(CHECKOUT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(CHECKOUT / "galaxy.yml", copy / "galaxy.yml")
    with (copy / "plugins" / "module_utils" / "_module.py").open("a") as source:
        source.write(f"\nimport importlib\nimport os\n\n{inspect.getsource(leaks.break_at)}\nbreak_in_run = run\n")
        source.write("\ndef run(*args, **options):\n    break_at(os.environ['BREAK_AT'])\n    break_in_run(*args, **options)\n")
    tasks = every_module(gate.cloud, "good")
    whole = {"_errors:UCloudStackError.__init__": {"api_url": f"{gate.url}/page"}}
    broken = [
        {
            f"{CLOUD}{module}": {**tasks[module], **({"name": f"new-{number}"} if module == "snapshot" else {}), **whole.get(place, {})},
            "environment": {"BREAK_AT": place},
            "ignore_errors": True,
        }
        for number, (place, module) in enumerate(EACH_LAYER.items())
    ]
    played = watch.play(local([{f"{CLOUD}snapshot": tasks["snapshot"]}]))
    assert played.returncode == 0, played.stdout
    played = watch.play(local(broken), collections=watch.folder)
    assert [place for place in EACH_LAYER if f"forced at {place}" not in played.stdout + played.stderr] == []
    assert played.stdout.count("Traceback (most recent call last)") >= len(EACH_LAYER)
    watch.assert_nothing_leaked()


def test_facts_of_the_controller_without_its_environment(watch: Watch) -> None:
    tasks: list[dict[str, Any]] = [{f"{CLOUD}vm_info": {}}]
    played = watch.play(local(tasks, gather_facts=True, gather_subset=["all", "!env"]))
    assert played.returncode == 0, played.stdout
    assert "ansible_date_time" in cached_facts(watch)
    watch.assert_nothing_leaked()


def test_what_ansible_core_shows_is_what_the_guide_warns_of(watch: Watch) -> None:
    key = watch.private_key
    plays = f"""
- hosts: localhost
  gather_facts: true
  gather_subset: ["!all"]
  environment: {{UCLOUDSTACK_PRIVATE_KEY: "{{{{ given }}}}"}}
  tasks:
    - ucloudstack.cloud.vm_info: {{private_key: "{{{{ given }}}}"}}
    - ucloudstack.cloud.vm_info: {{private_key: {key}, name: "{{{{ nonsense }}}}"}}
"""
    played = watch.play(plays, "-e", json.dumps({"given": key}))
    assert "'nonsense' is undefined" in played.stdout
    shown = [line for line in played.stdout.splitlines() if key in line]
    for where in ("EXEC /bin/sh -c 'UCLOUDSTACK_PRIVATE_KEY=", "extra_vars: ", EXECUTED, '"ansible_env": {', "vm_info: {private_key: "):
        assert [line for line in shown if where in line], where
    assert "EXEC /bin/sh -c 'UCLOUDSTACK_PRIVATE_KEY=" + key in (watch.folder / "ansible.log").read_text()
    assert key in cached_facts(watch)
    assert key in "".join(path.read_text(errors="replace") for path in watch.folder.rglob("AnsiballZ_vm_info.py"))


def cached_facts(watch: Watch) -> str:
    (path,) = (watch.folder / "facts").iterdir()
    return path.read_text()
