# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``run_manifest``: what is read, written, refused and returned; in check mode, too."""

from __future__ import annotations

import copy
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.ucloudstack.cloud.plugins.module_utils import _claims
from support.collection import COLLECTIONS
from support.in_process import module_answer, told

MODULE = "ansible_collections.ucloudstack.cloud.plugins.modules.run_manifest"
RunManifest = Callable[..., Any]
WEB07 = {"vm_id": "vm-1", "disk_ids": ["disk-1"], "state": "planned"}
OURS = {"id": "ours", "controller": "here", "since": "2026-11-23T10:00:00Z"}
THEIRS = {"id": "theirs", "controller": "there", "since": "2026-11-23T09:00:00Z"}
OF_ANSIBLE = {"changed", "invocation", "gid", "group", "mode", "owner", "secontext", "size", "state", "uid"}
NULLS = {"pid": None, "started": None}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "manifests"


@pytest.fixture
def manifest(folder: Path) -> RunManifest:
    """``manifest(hosts=…)``: run the module for the run r1."""

    def run(_check: bool = False, _diff: bool = False, **options: Any) -> Any:
        given = {"run_id": "r1", "manifest_dir": str(folder), "prefix": "ansible-", **options}
        return module_answer("run_manifest", given, check=_check, diff=_diff)

    return run


def content(folder: Path) -> Any:
    return json.loads((folder / "r1.json").read_text())


def of(**hosts: Any) -> dict[str, Any]:
    return {"run_id": "r1", "name": "ansible-r1", "hosts": hosts}


def test_write_merge_and_read(folder: Path, manifest: RunManifest) -> None:
    first = manifest(hosts={"web07": WEB07})
    assert (first.changed, first.manifest, first.path) == (True, of(web07=WEB07), str(folder / "r1.json"))
    assert (first.unfinished, first.refused, told(first), hasattr(first, "diff")) == ({}, {}, [], False)
    merged = of(web07={**WEB07, "state": "patching"}, web08={})
    assert manifest(hosts={"web07": {"state": "patching"}, "web08": {}}).manifest == merged == content(folder)
    read = manifest()
    assert (read.changed, read.manifest) == (False, merged)


def test_file_is_laid_out_for_people(folder: Path, manifest: RunManifest) -> None:
    manifest(hosts={"web07": WEB07})
    text = (folder / "r1.json").read_text()
    assert text == json.dumps(content(folder), indent=4, sort_keys=True) + "\n"


@pytest.mark.parametrize("check", [False, True])
def test_run_without_a_manifest_is_empty_and_nothing_is_created(folder: Path, manifest: RunManifest, check: bool) -> None:
    read = manifest(_check=check, _diff=True, unfinished_hosts={"web07": ""})
    assert (read.changed, read.manifest, read.unfinished, read.diff) == (False, of(), {}, {"before": "", "after": ""})
    assert not folder.parent.exists()


def test_check_mode_predicts_and_writes_nothing(folder: Path, manifest: RunManifest) -> None:
    predicted = manifest(_check=True, _diff=True, hosts={"web07": WEB07})
    assert not folder.parent.exists()
    written = manifest(_diff=True, hosts={"web07": WEB07})
    assert (predicted.changed, predicted.manifest, predicted.diff) == (written.changed, written.manifest, written.diff)
    assert written.diff == {"before": "", "after": (folder / "r1.json").read_text()}
    before = (folder / "r1.json").read_text()
    (folder / ".lock").unlink()
    predicted = manifest(_check=True, _diff=True, hosts={"web07": {"state": "patching"}})
    assert predicted.changed and predicted.diff == {"before": before, "after": before.replace("planned", "patching")}
    assert os.listdir(folder) == ["r1.json"] and (folder / "r1.json").read_text() == before


@pytest.mark.parametrize("layout", [None, "one line"])
def test_same_values_change_nothing(folder: Path, manifest: RunManifest, layout: str | None) -> None:
    manifest(hosts={"web07": WEB07})
    if layout:
        (folder / "r1.json").write_text(json.dumps(content(folder)))
    before = (folder / "r1.json").stat()
    again = manifest(_diff=True, hosts={"web07": {"state": "planned"}})
    assert not again.changed and again.diff["before"] == again.diff["after"]
    assert (folder / "r1.json").stat() == before


def test_number_and_boolean_differ(folder: Path, manifest: RunManifest) -> None:
    manifest(hosts={"web07": {"count": 1}})
    assert manifest(hosts={"web07": {"count": True}}).changed and content(folder)["hosts"]["web07"]["count"] is True


def test_existing_manifest_keeps_its_name_and_what_else_is_in_it(folder: Path, manifest: RunManifest) -> None:
    manifest(hosts={"web07": WEB07})
    stored = {**content(folder), "later": "version"}
    (folder / "r1.json").write_text(json.dumps(stored))
    assert manifest(prefix="other-", hosts={"web08": {}}).manifest == {**stored, "hosts": {"web07": WEB07, "web08": {}}} == content(folder)


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("hosts", [{}, {"web07": WEB07}])
@pytest.mark.parametrize("text", ["", "{", "[]", '{"run_id": "r2", "hosts": {}}', '{"run_id": "r1", "hosts": {"web07": []}}'])
def test_file_that_is_not_the_manifest_is_refused_and_kept(
    folder: Path, manifest: RunManifest, text: str, hosts: dict[str, Any], check: bool
) -> None:
    folder.mkdir(parents=True)
    (folder / "r1.json").write_text(text)
    answer = manifest(_check=check, hosts=hosts)
    assert answer.failed and f"the manifest {folder}/r1.json is invalid: " in answer.msg and "Move it away" in answer.msg
    assert "\n" not in answer.msg and (folder / "r1.json").read_text() == text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"run_id": "r1\n"}, "invalid run id 'r1\\n'"),
        ({"run_id": "r1-b1"}, "invalid run id 'r1-b1'"),
        ({"run_id": "../r1"}, "invalid run id '../r1'"),
        ({"run_id": ""}, "invalid run id ''"),
        ({"run_id": None}, "run"),  # refused by ansible-core itself, in the words of its release
        ({"manifest_dir": None}, "manifest_dir"),
        ({"hosts": {"web08": {}, "web07": None}}, "'web07'"),
        ({"hosts": ["web07"]}, "hosts"),
        ({"hosts": None}, "hosts"),
        ({"claim": None}, "claim"),
        ({"claim": {"id": "ours"}}, "claim"),
        ({"claim": {**OURS, "since": None}}, "claim"),
        ({"claim": {**OURS, "pid": 0}}, "pid is 0"),
        ({"claim": {**OURS, "host": "web07"}}, "claim.host"),
    ],
)
def test_invalid_option_is_refused_in_one_line(folder: Path, manifest: RunManifest, options: dict[str, Any], words: str) -> None:
    answer = manifest(**{"hosts": {"web07": WEB07}, **options})
    assert answer.failed and words in answer.msg and "\n" not in answer.msg and not folder.parent.exists()


def test_claim_is_stored_until_the_state_is_final(folder: Path, manifest: RunManifest) -> None:
    assert manifest(hosts={"web07": WEB07}, claim={**OURS, **NULLS}).manifest == of(web07={**WEB07, "process": OURS})
    assert manifest(hosts={"web07": {"state": "verified"}}, claim=OURS).manifest == of(web07={**WEB07, "state": "verified"})


@pytest.mark.parametrize("check", [False, True])
def test_claimed_host_is_refused_and_the_others_are_merged(folder: Path, manifest: RunManifest, check: bool) -> None:
    theirs = {**WEB07, "process": {**THEIRS, "pid": 5}}
    manifest(hosts={"web07": WEB07}, claim={**THEIRS, "pid": 5})
    answer = manifest(_check=check, hosts={"web07": {"state": "patching"}, "web08": WEB07}, claim=OURS)
    assert (answer.failed, answer.changed, answer.refused) == (False, True, {"web07": THEIRS})
    assert answer.manifest == of(web07=theirs, web08={**WEB07, "process": OURS})
    assert content(folder) == (of(web07=theirs) if check else answer.manifest)


def test_refused_alone_changes_nothing_and_is_taken_over_on_request(manifest: RunManifest) -> None:
    manifest(hosts={"web07": WEB07}, claim=THEIRS)
    refused = manifest(_diff=True, hosts={"web07": {"state": "patching"}}, claim=OURS, prefix="other-")
    assert (refused.changed, refused.refused) == (False, {"web07": THEIRS}) and refused.diff["before"] == refused.diff["after"]
    taken = manifest(hosts={"web07": {"state": "patching"}}, claim=OURS, take_over=True)
    assert (taken.changed, taken.refused, taken.manifest["hosts"]["web07"]["process"]) == (True, {}, OURS)


def test_claim_of_a_process_of_this_machine_ends_with_it(manifest: RunManifest) -> None:
    here = _claims.Machine().name
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        theirs = {**THEIRS, "controller": here, "pid": process.pid}
        manifest(hosts={"web07": WEB07}, claim=theirs)
        assert "web07" in manifest(hosts={"web07": WEB07}, claim={**OURS, "controller": here}).refused
    assert manifest(hosts={"web07": WEB07}, claim={**OURS, "controller": here}).refused == {}


def test_unfinished_runs_of_hosts_and_a_broken_manifest(folder: Path, manifest: RunManifest) -> None:
    for run_id in ("r3", "r1", "r2"):
        manifest(run_id=run_id, hosts={"web07": {"state": "patching"}, "web08": {"state": "verified"}})
    (folder / "broken.json").write_text("{")
    answer = manifest(unfinished_hosts={"web07": "", "web08": "", "web09": ""})
    assert (answer.failed, answer.unfinished) == (False, {"web07": ["r2", "r3"]})
    (warning,) = told(answer)
    assert f"{folder}/broken.json is invalid" in warning


def test_home_of_the_user_is_expanded(tmp_path: Path, manifest: RunManifest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert manifest(manifest_dir="~/state", hosts={"web07": {}}).path == str(tmp_path / "state" / "r1.json")


def test_options_and_return_values_are_those_that_are_documented(manifest: RunManifest, monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module(MODULE)
    create, specs = module.AnsibleModule, []

    def created(argument_spec: dict[str, Any], **options: Any) -> Any:
        specs.append(copy.deepcopy(argument_spec))
        return create(argument_spec=argument_spec, **options)

    monkeypatch.setattr(module, "AnsibleModule", created)
    answer = manifest(hosts={"web07": WEB07})
    assert without_words(yaml.safe_load(module.DOCUMENTATION)["options"]) == without_words(specs[0])
    documented = yaml.safe_load(module.RETURN)
    assert documented.keys() == json.loads(answer.printed).keys() - OF_ANSIBLE
    assert documented["manifest"]["contains"].keys() == answer.manifest.keys()


def without_words(options: dict[str, Any]) -> dict[str, Any]:
    """What documentation and argument spec have in common."""
    found = {}
    for name, option in options.items():
        nested = option.get("suboptions") or option.get("options") or {}
        kept = {key: option[key] for key in ("type", "required", "default", "elements") if key in option}
        found[name] = {**kept, "options": without_words(nested)}
    return found


def test_start_is_cheap() -> None:
    code = f"import sys, {MODULE}; print('requests' in sys.modules, 'concurrent' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(COLLECTIONS)}
    assert (
        subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True, text=True).stdout == "False False\n"
    )
