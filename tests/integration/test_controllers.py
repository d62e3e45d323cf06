# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The examples as AWX, the automation controller and ansible-navigator run them: with ansible-runner, and keys as extra variables."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import yaml
from support import stage
from support.collection import CHECKOUT, COLLECTIONS
from support.documents import examples

from .conftest import Fleet
from .maintenance import PATCH, VERIFY

pytestmark = pytest.mark.once

EXAMPLES = CHECKOUT / "examples"
GUIDE = CHECKOUT / "docs" / "docsite" / "rst" / "guide_awx.rst"
Tool = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    """``tool("ansible-runner", …)`` in an empty folder."""
    return partial(stage.program, folder=tmp_path, collections=COLLECTIONS)


def injected(inputs: dict[str, str]) -> dict[str, str]:
    """The extra variables that the credential type of the guide makes of what was typed into its form."""
    _build, _fields, injectors, _navigator = examples(GUIDE)
    variables = yaml.safe_load(injectors)["extra_vars"]
    return {name: inputs[value.strip("{} ")] for name, value in variables.items()}


@pytest.fixture
def project(fleet: Fleet, tmp_path: Path) -> Path:
    """A private data directory of ansible-runner: the examples, the hosts of the fleet, and the extra variables of the credential."""
    data = tmp_path / "data"
    shutil.copytree(EXAMPLES, data / "project")
    for name in ("group_vars", "inventory.yml", "ansible.cfg"):  # the controller has its own
        path = data / "project" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(EXAMPLES / "group_vars", data / "inventory" / "group_vars")
    (data / "inventory" / "group_vars" / "all" / "vault.yml").unlink()
    hosts = {host: {**fleet.variables[host], "ansible_become": False} for host in ("web1", "web2")}
    (data / "inventory" / "hosts.yml").write_text(yaml.safe_dump({"web": {"hosts": hosts}}))
    (data / "project" / "patch.yml").write_text(PATCH)
    (data / "project" / "verify.yml").write_text(VERIFY)
    (data / "env").mkdir()
    given = {name: fleet.cloud.connection[name] for name in ("api_url", "region", "zone", "public_key", "private_key")}
    variables = {**injected(given), "ucloudstack_manifest_dir": str(tmp_path / "manifests")}
    (data / "env" / "extravars").write_text(yaml.safe_dump(variables))
    return data


def test_runner_on_another_node_keeps_no_key_in_its_artifacts(fleet: Fleet, project: Path, tool: Tool, tmp_path: Path) -> None:
    before = fleet.checksums()
    sent = tool("ansible-runner", "transmit", str(project), "-p", "site.yml", "-i", "night", "-v")
    assert sent.returncode == 0, sent.stderr
    worked = tool("ansible-runner", "worker", "--private-data-dir", str(tmp_path / "node"), given=sent.stdout)
    assert worked.returncode == 0, worked.stderr
    processed = tool("ansible-runner", "process", str(tmp_path / "controller"), "-i", "night", given=worked.stdout)
    assert processed.returncode == 0, processed.stderr
    artifacts = tmp_path / "controller" / "artifacts" / "night"
    assert (artifacts / "rc").read_text() == "0", (artifacts / "stdout").read_text()
    assert "Run patch-20261123, 1 host in" in (artifacts / "stdout").read_text()
    assert [host for host, checksum in fleet.checksums().items() if checksum != before[host]] == ["web1", "web2"]
    key = fleet.cloud.connection["private_key"]
    files = [path for path in artifacts.rglob("*") if path.is_file()]
    assert len(files) > 10 and [path for path in files if key.encode() in path.read_bytes()] == []
    assert key not in processed.stdout + processed.stderr


def test_navigator_shows_the_same(project: Path, tool: Tool) -> None:
    arguments = ("vms.yml", "-m", "stdout", "--ee", "false", "--pas", str(project / "artifact.json"))
    played = tool(
        "ansible-navigator", "run", *arguments, "-i", str(project / "inventory"), "-e", f"@{project / 'env' / 'extravars'}",
        folder=project / "project",
    )  # fmt: skip
    assert played.returncode == 0, played.stdout + played.stderr
    assert "ucloudstack_vm_id vm-" in played.stdout


def test_builder_takes_the_execution_environment_as_it_is(tool: Tool, tmp_path: Path) -> None:
    folder = tmp_path / "environment"
    shutil.copytree(EXAMPLES / "execution-environment", folder)
    created = tool("ansible-builder", "create", folder=folder)
    assert created.returncode == 0, created.stdout + created.stderr
    assert "warning" not in (created.stdout + created.stderr).lower() and "outdated" not in created.stdout + created.stderr
    assert "ucloudstack.cloud" in (folder / "context" / "_build" / "requirements.yml").read_text()


def test_builder_finds_what_the_modules_need(tool: Tool) -> None:
    found = tool("ansible-builder", "introspect", str(COLLECTIONS))
    assert found.returncode == 0 and "requests  # from collection ucloudstack.cloud" in found.stdout, found.stdout
