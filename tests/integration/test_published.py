# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collection as it is published, installed into an empty folder: its documentation can be shown, and its examples run.

The examples are copied whole and run as their README says. Only keys and hosts are those of the emulated cloud.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from support import stage
from support.collection import CHECKOUT
from support.documents import examples

from .conftest import Fleet
from .maintenance import PATCH, VERIFY

pytestmark = pytest.mark.once

NOT_PUBLISHED = {"tests", "noxfile.py", "Makefile", "pyproject.toml", "REUSE.toml"}
Command = Callable[[str], subprocess.CompletedProcess[str]]


def ansible(line: str, folder: Path, collections: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of the README in that folder."""
    name, *arguments = line.split("#", maxsplit=1)[0].split()
    return stage.program(name, *arguments, folder=folder, collections=collections)


@pytest.fixture(scope="module")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the collection was installed from its tarball."""
    folder = tmp_path_factory.mktemp("published") / "collections"
    folder.mkdir()
    built = ansible(f"ansible-galaxy collection build --output-path {folder.parent} {CHECKOUT}", folder, folder)
    assert built.returncode == 0, built.stdout + built.stderr
    (tarball,) = folder.parent.glob("*.tar.gz")
    installed = ansible(f"ansible-galaxy collection install --offline {tarball} -p {folder}", folder, folder)
    assert installed.returncode == 0, installed.stdout + installed.stderr
    return folder


@pytest.fixture(scope="module")
def collection(collections: Path) -> Path:
    return collections / "ansible_collections" / "ucloudstack" / "cloud"


@pytest.fixture
def folder(collection: Path, fleet: Fleet, tmp_path: Path) -> Path:
    """A copy of the examples, edited for web1 and web2 of the fleet: their VMs are emulated, and so is what patches them."""
    folder = tmp_path / "examples"
    shutil.copytree(collection / "examples", folder)
    given = fleet.cloud.connection
    values = {"api_url": given["api_url"], "region": given["region"], "zone": given["zone"]}
    cloud = folder / "group_vars" / "all" / "cloud.yml"
    cloud.write_text(
        re.sub(
            r"^ucloudstack_(api_url|region|zone): .*",
            lambda found: f"ucloudstack_{found[1]}: {values[found[1]]}",
            cloud.read_text(),
            flags=re.M,
        )
    )
    keys = {f"vault_ucloudstack_{key}": given[key] for key in ("public_key", "private_key")}
    (folder / "group_vars" / "all" / "vault.yml").write_text(yaml.safe_dump(keys))
    inventory = yaml.safe_load((folder / "inventory.yml").read_text())
    for name, host in inventory["web"]["hosts"].items():
        host |= {"ansible_host": None, "ansible_become": False, **fleet.variables[name]}
    (folder / "inventory.yml").write_text(yaml.safe_dump(inventory))
    (folder / "patch.yml").write_text(PATCH)
    (folder / "verify.yml").write_text(VERIFY)
    return folder


@pytest.fixture
def run(folder: Path, collections: Path) -> Command:
    """``run("ansible-playbook site.yml")`` in that folder."""
    return lambda line: ansible(line, folder, collections)


def test_installation_as_the_documents_describe_it(tmp_path: Path) -> None:
    install, copy, *_rest = examples(CHECKOUT / "docs" / "docsite" / "rst" / "guide_getting_started.rst")
    assert install.strip() in (CHECKOUT / "README.md").read_text()
    (address,) = re.findall(r"git clone (\S+)", install)
    environment = {
        **stage.operator_environment(tmp_path, tmp_path / "collections"),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{CHECKOUT}.insteadOf",
        "GIT_CONFIG_VALUE_0": address,  # no network
    }
    typed = stage.shell(f"{install}{copy}ansible-playbook --syntax-check site.yml", tmp_path, environment)
    assert typed.returncode == 0, typed.stdout + typed.stderr
    assert (tmp_path / "collections" / "ansible_collections" / "ucloudstack" / "cloud" / "MANIFEST.json").is_file()


def test_tarball_holds_what_a_user_needs(collection: Path) -> None:
    names = {path.name for path in collection.iterdir()}
    assert {"README.md", "LICENSE", "docs", "examples", "playbooks", "plugins", "roles"} <= names and not NOT_PUBLISHED & names
    assert {name for name in names if name[0] == "."} == {".ansible-lint"}


@pytest.mark.parametrize(
    ("kind", "folder"), [("module", "plugins/modules"), ("filter", "plugins/filter"), ("inventory", "plugins/inventory"), ("role", "roles")]
)
def test_everything_has_documentation(collection: Path, collections: Path, kind: str, folder: str) -> None:
    names = [
        f"ucloudstack.cloud.{path.stem}" for path in (collection / folder).iterdir() if path.suffix in (".py", "") and path.stem[0] != "_"
    ]
    shown = ansible(f"ansible-doc --json -t {kind} {' '.join(names)}", collection, collections)
    assert shown.returncode == 0 and sorted(json.loads(shown.stdout)) == sorted(names), shown.stdout + shown.stderr


def test_links_lead_to_files_of_the_collection_or_the_repository(collection: Path) -> None:
    repository = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text())["repository"]
    links = [
        (page, link.replace(f"{repository}/blob/main", str(CHECKOUT)))
        for page in collection.rglob("*.md")
        for link in re.findall(r"(?:\]\(|^\[\w+\]: )([^)#\s]+)", page.read_text(), re.M)
    ]
    assert len({page.parent for page, _link in links}) > 4, "the pages of the collection and of its roles have links"
    assert [f"{page}: {link}" for page, link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_commands_of_the_readme(fleet: Fleet, folder: Path, run: Command) -> None:
    listed, check, site, prune, rollback = re.findall(r"^ansible-playbook .*", (folder / "README.md").read_text(), re.M)
    played = run(listed)
    assert played.returncode == 0, played.stdout + played.stderr
    for name, variables in fleet.variables.items():
        assert f"{name}: ucloudstack_vm_id {variables['ucloudstack_vm_id']}, Running, 10." in played.stdout

    before = fleet.checksums()
    played = run(check)
    assert played.returncode == 0, played.stdout + played.stderr
    assert fleet.checksums() == before and fleet.snapshots("ansible-patch-20261123") == []

    played = run(site)
    assert played.returncode == 0, played.stdout + played.stderr
    assert fleet.snapshots("ansible-patch-20261123") == sorted(fleet.disks("web1", "web2"))
    assert {host for host, checksum in fleet.checksums().items() if checksum != before[host]} == {"web1", "web2"}

    played = run(prune)
    assert played.returncode == 0, played.stdout + played.stderr
    assert fleet.snapshots("ansible-patch-20261123") == sorted(fleet.disks("web1", "web2")), "the newest run of a disk stays"

    played = run(rollback)
    assert played.returncode == 0, played.stdout + played.stderr
    assert {host for host, checksum in fleet.checksums().items() if checksum != before[host]} == {"web2"}


def test_patch_and_verification_can_be_read(collection: Path, run: Command) -> None:
    for name in ("patch", "verify"):
        assert yaml.safe_load((collection / "examples" / f"{name}.yml").read_text())
    assert run("ansible-playbook site.yml --syntax-check").returncode == 0
