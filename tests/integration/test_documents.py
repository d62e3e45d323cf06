# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every example in the documents runs as it stands, and does what the text around it promises.

Only ids and addresses are replaced, by those of the emulated cloud. A test takes the examples of its document in their order; one that cannot run
here has a name that begins with ``_``, and a comment that says why.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest
import yaml
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._progress import line
from support import stage
from support.collection import CHECKOUT, COLLECTIONS
from support.documents import PATTERNS, examples

from .conftest import SECONDS, Fleet
from .maintenance import PATCH, VERIFY

pytestmark = pytest.mark.once

FOLDERS = ("docs", "examples", "playbooks", "plugins", "roles", "tests/emulator")

RUN = "ansible-patch-20261123"
STAND_IN = """#!/bin/sh
echo $(basename $0) "$@" >> LOG
"""
SERVICE = """
from ansible.module_utils.basic import AnsibleModule
module = AnsibleModule({"name": {}, "state": {}})
with open("LOG", "a") as log:
    print(module.params["name"], module.params["state"], file=log)
module.exit_json(changed=True)
"""

Test = Callable[["Reader", list[str]], None]
DOCUMENTS: dict[str, Test] = {}


def of(document: str) -> Callable[[Test], Test]:
    """The function tests the examples of this document."""

    def register(test: Test) -> Test:
        DOCUMENTS[document] = test
        return test

    return register


def shown(output: str) -> list[Any]:
    """What the ``debug`` tasks of a run have shown, in order."""
    found = re.findall(r"^ok: [^\n]* => (\{\n    \"msg\": .*?\n\})$", output, re.DOTALL | re.MULTILINE)
    return [json.loads(text)["msg"] for text in found]


class Reader:
    """Someone who types the examples: the hosts web07, web08 and db01 are theirs, and so is a folder with a patch and a verification."""

    def __init__(self, cloud: stage.Cloud, home: Path) -> None:
        self.cloud, self.home, self.folder = cloud, home, home / "maintenance"
        self.fleet = Fleet(cloud, home, 3)
        hosts = dict(zip(("web07", "web08", "db01"), self.fleet.variables.values(), strict=True))
        boot, data, other = (cloud.disk(name) for name in ("boot", "data", "other"))
        self.detached = [boot, data]
        self.ids = {
            "disk-boot01": boot["disk_id"],
            "disk-data01": data["disk_id"],
            "disk-1": other["disk_id"],
            **{f"vm-{host}": variables["ucloudstack_vm_id"] for host, variables in hosts.items()},
        }
        given = cloud.connection
        self.ids |= {"https://console.example.com/api": given["api_url"], "vpc-0001": "vpc-1"}
        self.ids["UCLOUDSTACK_PUBLIC_KEY=… UCLOUDSTACK_PRIVATE_KEY=…"] = (
            f"UCLOUDSTACK_PUBLIC_KEY={given['public_key']} UCLOUDSTACK_PRIVATE_KEY={given['private_key']}"
        )
        self.log = home / "log"
        self.write("maintenance/patch.yml", PATCH)
        self.write("maintenance/verify.yml", VERIFY)
        groups = {"web": {"hosts": {host: hosts[host] for host in ("web07", "web08")}}, "db": {"hosts": {"db01": hosts["db01"]}}}
        python = {"ansible_python_interpreter": sys.executable, "ansible_become": False}
        self.write("maintenance/inventory.yml", yaml.safe_dump({**groups, "all": {"vars": python}}))
        as_operator = stage.operator_environment(home, COLLECTIONS)
        self.environment = {
            **as_operator,
            **cloud.environment,
            "ANSIBLE_INVENTORY": "inventory.yml",
            "ANSIBLE_LIBRARY": str(home / "library"),
            "ANSIBLE_PIPELINING": "true",
            "PATH": f"{home / 'bin'}:{as_operator['PATH']}",
        }

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file in the home directory."""
        file = self.home / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def typed(self, text: str) -> str:
        """An example with the reader's own ids."""
        return re.sub(rf"({'|'.join(map(re.escape, self.ids))})(?!\w)", lambda found: self.ids[found[0]], text)

    def shell(self, text: str) -> str:
        """Run commands in the folder, and return what they print; each must succeed."""
        ran = stage.shell(self.typed(text), self.folder, self.environment)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def plays(self, text: str, arguments: str = "") -> str:
        """Run a playbook."""
        (self.folder / "book.yml").write_text(self.typed(text))
        return self.shell(f"ansible-playbook book.yml {arguments}")

    def tasks(self, text: str, show: str = "''", hosts: str = "localhost", **variables: Any) -> list[Any]:
        """Run tasks and return what they have shown, and at last the value of ``show``."""
        tasks = [*yaml.safe_load(text), {"ansible.builtin.debug": {"msg": f"{{{{ {show} }}}}"}, "run_once": True}]
        return shown(self.plays(yaml.safe_dump([{"hosts": hosts, "gather_facts": False, "vars": variables, "tasks": tasks}])))

    def snapshot(self, name: str, *disk_ids: str, remark: str = "by hand") -> list[str]:
        """Create snapshots of disks, named as in the examples, and wait until they are usable; returns their ids."""
        return self.fleet.create(name, {self.ids[disk_id]: remark for disk_id in disk_ids})

    def snapshots(self, name: str) -> list[str]:
        """The disks of the fleet, and the detached ones, that have a snapshot of this name."""
        known = {*self.fleet.disks(), *self.ids.values()}
        found = (each for each in self.cloud.control("state")["snapshots"] if each["name"] == name)
        return sorted(each["disk_id"] for each in found if each["disk_id"] in known)

    @property
    def web(self) -> list[str]:
        return sorted(self.fleet.disks("web1", "web2"))

    @property
    def checksums(self) -> list[str]:
        return [stage.checksum(disk["image"]) for disk in self.detached]

    def damage(self) -> None:
        for disk in self.detached:
            Path(disk["image"]).write_bytes(b"damage")


@pytest.fixture(scope="module")
def running_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[stage.Cloud]:
    with stage.emulator(tmp_path_factory.mktemp("cloud"), *SECONDS) as cloud:
        yield cloud


@pytest.fixture
def reader(cloud: stage.Cloud, tmp_path: Path) -> Reader:
    return Reader(cloud, tmp_path)


def test_every_document_with_examples_is_tested() -> None:
    paths = [*CHECKOUT.glob("*.md"), *(path for folder in FOLDERS for path in (CHECKOUT / folder).rglob("*") if path.suffix in PATTERNS)]
    built = CHECKOUT / "docs" / "build"
    found = {str(path.relative_to(CHECKOUT)) for path in paths if built not in path.parents and examples(path)}
    assert found == set(DOCUMENTS)


def test_ansible_understands_every_play(tmp_path: Path) -> None:
    books: list[Path] = []
    for document in DOCUMENTS:
        for text in examples(CHECKOUT / document):
            if text.startswith("- hosts"):
                books.append(tmp_path / f"{len(books)}.yml")
                books[-1].write_text(text)
    everything = tmp_path / "everything.yml"
    everything.write_text(yaml.safe_dump([{"ansible.builtin.import_playbook": str(book)} for book in books]))
    checked = stage.playbook(everything, COLLECTIONS, {}, {}, "--syntax-check")
    assert len(books) > 10 and checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("document", DOCUMENTS)
def test_examples(document: str, reader: Reader) -> None:
    DOCUMENTS[document](reader, [*examples(CHECKOUT / document)])


def targets_exist(text: str) -> None:
    """Each line calls make, with a target that exists."""
    known = re.findall(r"^([\w-]+):.*## ", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)
    used = re.findall(r"^make ([\w-]+)", text, re.MULTILINE)
    assert len(used) == len(text.splitlines()) and set(used) <= set(known)


def maintenance_play() -> str:
    """The play of several documents, without the report of the one that runs it."""
    return re.sub(" *guarded_maintenance_report_file.*\n", "", examples(CHECKOUT / "docs/docsite/rst/guide_reports.rst")[0])


def brought_back(reader: Reader, run: Callable[[], str]) -> None:
    """The run brings web07 back to the snapshots of RUN, and leaves the others alone."""
    for host in ("web1", "web2"):
        reader.fleet.snapshot(RUN, f"ucloudstack.cloud run=patch-20261123 vm={reader.fleet.vms[host]} disks=2", host)
    before = reader.fleet.checksums()
    for host in before:
        reader.fleet.damage(host)
    run()
    assert [host for host, checksum in reader.fleet.checksums().items() if checksum == before[host]] == ["web1"]
    assert set(reader.fleet.states().values()) == {"Running"}


def promised(text: str) -> list[Any]:
    """The values in comments such as ``# => {web07: 1}``."""
    return [yaml.safe_load(value) for value in re.findall(r"# => (.*)", text)]


@of("README.md")
def readme(reader: Reader, texts: list[str]) -> None:
    demo, _install, export, maintain, create, rollback = texts  # test_published.py installs
    targets_exist(demo)
    assert set(re.findall(r"UCLOUDSTACK_\w+", export)) == set(reader.cloud.environment)
    assert re.sub(" +#.*", "", maintain) == maintenance_play()
    before = reader.checksums
    reader.plays(create)
    assert reader.snapshots("before-patch-2026-11") == sorted(reader.typed("disk-boot01 disk-data01").split())
    reader.damage()
    reader.plays(rollback)
    assert reader.checksums == before and reader.cloud.calls("RollbackSnapshot") == 2


@of("docs/contributing.md")
def contributing(_reader: Reader, texts: list[str]) -> None:
    make, layers, _emulator = texts  # test_layers.py reads the layers; the emulator's own README starts it
    targets_exist(make)
    assert "_client" in layers


@of("examples/README.md")
def complete_example(_reader: Reader, texts: list[str]) -> None:
    (_commands,) = texts  # test_published.py types each


@of("roles/guarded_maintenance/README.md")
def guarded_maintenance(reader: Reader, texts: list[str]) -> None:
    maintain, rollback = texts
    assert maintain == maintenance_play()
    brought_back(reader, lambda: reader.shell(rollback))


@of("roles/snapshot_create/README.md")
def snapshot_create(reader: Reader, texts: list[str]) -> None:
    play, include = texts
    assert f"{RUN} contains 2 disks" in shown(reader.plays(play))
    assert reader.snapshots(RUN) == reader.web
    reader.plays(
        f"- hosts: web\n  gather_facts: false\n  vars: {{snapshot_create_run_id: tagged}}\n  tasks:\n{indent(include, '  ')}",
        "--tags patch",
    )
    assert reader.snapshots("ansible-tagged") == reader.web


@of("roles/snapshot_rollback/README.md")
def snapshot_rollback(reader: Reader, texts: list[str]) -> None:
    command, play = texts
    brought_back(reader, lambda: reader.plays(play))
    assert "already restored" in reader.shell(command)


@of("roles/snapshot_prune/README.md")
def snapshot_prune(reader: Reader, texts: list[str]) -> None:
    (play,) = texts
    runs = [f"ansible-{number}" for number in range(4)]
    for run in runs:
        reader.fleet.run(run)
    assert "web07: 0 snapshots had expired." in reader.plays(play), "none is two weeks old"
    reader.plays(play, "-e snapshot_prune_older_than=0s")
    assert [len(reader.snapshots(run)) for run in runs] == [2, 6, 6, 6]


@of("roles/snapshot_report/README.md")
def snapshot_report(reader: Reader, texts: list[str]) -> None:
    (play,) = texts
    reader.fleet.run(RUN)
    reader.plays(play)
    page = (reader.folder / "snapshots.html").read_text()
    assert page.count(f">{RUN}<") == len(reader.web) and "db01" not in page


@of("tests/emulator/README.md")
def emulator(reader: Reader, texts: list[str]) -> None:
    start, _python, control = texts  # the unit tests of the emulator are written like that
    install, command, _answer = start.replace("$ ", "").splitlines()
    with started(reader, f"{install}\n{command}") as connection:
        controlled(reader, connection, control.replace("$ ", ""))


@of("docs/docsite/rst/guide_rehearsals.rst")
def guide_rehearsals(reader: Reader, texts: list[str]) -> None:
    demo, start, control, _packages, _guest, _vm, inventory, patch = texts  # real guests: see tests/e2e
    targets_exist(demo)
    with started(reader, start) as connection:
        controlled(reader, connection, control)
    assert yaml.safe_load(inventory)["web"]["hosts"]["web1"]["ansible_port"] and len(yaml.safe_load(patch)) == 2


@contextmanager
def started(reader: Reader, commands: str) -> Iterator[dict[str, str]]:
    """The last command is an emulator; what it prints when it is ready."""
    commands = re.sub(
        r"(?<=--state-dir )\S+", str(reader.home / "cloud"), commands.replace("tests/emulator", str(CHECKOUT / "tests" / "emulator"))
    )
    before, _newline, last = commands.strip().rpartition("\n")
    process = subprocess.Popen(["bash", "-euc", f"{before}\nexec {last}"], stdout=subprocess.PIPE, text=True, env=reader.environment)
    assert process.stdout
    try:
        yield json.loads(next((text for text in process.stdout if text.startswith("{")), "{}"))
    finally:
        process.terminate()
        process.wait()


def controlled(reader: Reader, connection: dict[str, str], commands: str) -> None:
    """Each command succeeds, and the fault that one of them adds is active."""
    url = connection["control_url"]
    with urllib.request.urlopen(urllib.request.Request(f"{url}/vms", b'{"name": "web0"}')) as answer:
        vm_id = json.load(answer)["id"]
    with urllib.request.urlopen(f"{url}/state") as answer:
        disk_id = json.load(answer)["disks"][0]["id"]
    commands = commands.replace("http://127.0.0.1:40347/control", url).replace('"vm-1"', f'"{vm_id}"').replace('"disk-1"', f'"{disk_id}"')
    printed = reader.shell(
        f"CONTROL={url}\n" + commands.replace("curl", "curl --silent --show-error --fail-with-body") + "\ncurl --silent $CONTROL/faults"
    )
    assert '"lose_answer"' in printed


@of("docs/docsite/rst/guide_getting_started.rst")
def guide_getting_started(_reader: Reader, texts: list[str]) -> None:
    _install, _copy, maintain = texts  # test_published.py installs, copies, and types each of these commands:
    assert set(maintain.splitlines()) <= {
        text.split("#")[0].strip() for text in examples(CHECKOUT / "examples" / "README.md")[0].splitlines()
    }


@of("docs/docsite/rst/guide_awx.rst")
def guide_awx(_reader: Reader, texts: list[str]) -> None:
    _build, fields, injectors, _navigator = texts  # they need a container engine; test_controllers.py runs as much of them as goes without
    known = {field["id"] for field in yaml.safe_load(fields)["fields"]}
    assert {value.strip("{} ") for value in yaml.safe_load(injectors)["extra_vars"].values()} == known


@of("docs/docsite/rst/guide_credentials.rst")
def guide_credentials(reader: Reader, texts: list[str]) -> None:
    file, facts, vault, secret = texts
    key = reader.environment.pop("UCLOUDSTACK_PRIVATE_KEY")
    list_all = "  tasks:\n    - ucloudstack.cloud.snapshot_info:\n"
    reader.write("secret", key)
    reader.plays(secret.replace("/run/secrets/ucloudstack_private_key", str(reader.home / "secret")) + list_all)
    reader.plays(f"{vault}  vars: {{vault_ucloudstack_private_key: {key}}}\n{list_all}")
    reader.write("bin/editor", f"#!/bin/sh\necho \"UCLOUDSTACK_PRIVATE_KEY='{key}'\" > $1\n", 0o755)
    reader.write("list.yml", f"- hosts: localhost\n  gather_facts: false\n{list_all}")
    reader.shell(f"{file}\nansible-playbook ../list.yml")
    assert (reader.home / ".ucloudstack.env").stat().st_mode & 0o777 == 0o600
    gathered = reader.plays(facts + "  tasks:\n    - ansible.builtin.debug: {msg: '{{ ansible_facts }}'}\n")
    assert '"nodename"' in gathered and '"env"' not in gathered


@of("docs/docsite/rst/guide_failures.rst")
def guide_failures(reader: Reader, texts: list[str]) -> None:
    (command,) = texts
    brought_back(reader, lambda: reader.shell(command))


@of("docs/docsite/rst/guide_fleets.rst")
def guide_fleets(reader: Reader, texts: list[str]) -> None:
    (play,) = texts
    role = "  gather_facts: false\n  vars: {snapshot_create_run_id: wide}\n  roles: [ucloudstack.cloud.snapshot_create]\n"
    reader.plays(play + role)
    assert reader.snapshots("ansible-wide") == reader.web
    reader.write("maintenance/wider.yml", play.replace("32", "65") + role)
    assert "parallelism" in reader.shell("! ansible-playbook wider.yml"), "the tasks of the role get it"


@of("docs/docsite/rst/guide_freeze.rst")
def guide_freeze(reader: Reader, texts: list[str]) -> None:
    command, play, stop, start = texts
    db = sorted(reader.fleet.disks("web3"))
    for name in ("fsfreeze", "mountpoint"):  # test_freeze.py freezes a real file system
        reader.write(f"bin/{name}", STAND_IN.replace("LOG", str(reader.log)), 0o755)
    for name in ("freeze", "thaw"):
        shutil.copy(CHECKOUT / "playbooks" / "tasks" / f"{name}.yml", reader.folder)
    frozen = ["mountpoint -q /srv/data", "fsfreeze --freeze /srv/data", "fsfreeze --unfreeze /srv/data"]
    reader.shell(command)
    assert reader.log.read_text().splitlines() == frozen
    reader.plays(play)
    assert reader.log.read_text().splitlines() == 2 * frozen and reader.snapshots("ansible-before-20261123") == db
    for name in ("service", "systemd", "sysvinit"):  # whichever of them manages the services of this machine
        reader.write(f"library/{name}.py", SERVICE.replace("LOG", str(reader.log)))
    reader.write("maintenance/freeze.yml", stop)
    reader.write("maintenance/thaw.yml", start)
    reader.plays(play.replace("before-20261123", "stopped"))
    assert reader.log.read_text().splitlines()[-2:] == ["postgresql stopped", "postgresql started"]
    assert reader.snapshots("ansible-stopped") == db


@of("docs/docsite/rst/guide_inventory.rst")
def guide_inventory(reader: Reader, texts: list[str]) -> None:
    start, commands, settings, filters, names, cache, injectors = texts
    web07 = reader.ids["vm-web07"]
    reader.write("maintenance/cloud.ucloudstack.yml", reader.typed(start))
    reader.write(
        "maintenance/site.yml",
        "- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.debug: {msg: '{{ ucloudstack_vm_id }}'}\n",
    )
    printed = reader.shell(commands)
    assert "@ungrouped:" in printed and web07 in shown(printed)

    reader.write("maintenance/ansible.cfg", settings)
    reader.write("maintenance/wrong.ucloudstack.yml", start.replace("region: cn", "regions: cn"))
    reader.shell("! ansible-inventory -i wrong.ucloudstack.yml --graph")
    (reader.folder / "ansible.cfg").unlink()

    assert listed(reader, filters) == {}, "no VM is called shop"
    assert {host.split(".example.com")[0] for host in listed(reader, names)} >= {"web1", "web2", "web3"}
    reader.cloud.control("calls", "DELETE")
    assert listed(reader, cache) == listed(reader, cache) and reader.cloud.calls("DescribeVMInstance") == 1
    assert set(yaml.safe_load(injectors)["env"]) == set(reader.cloud.environment)


def listed(reader: Reader, source: str) -> dict[str, Any]:
    """The hosts of an inventory file, with their variables."""
    reader.write("maintenance/listed.ucloudstack.yml", reader.typed(source))
    printed = reader.shell("ansible-inventory -i listed.ucloudstack.yml --list")
    found = json.loads(printed, object_hook=lambda each: each.get("__ansible_unsafe", each))  # ansible-core 2.19 and later
    hosts: dict[str, Any] = found["_meta"]["hostvars"]
    return hosts


@of("plugins/inventory/inventory.py")
def inventory(reader: Reader, texts: list[str]) -> None:
    (source,) = texts
    keys = {key: reader.environment.pop(f"UCLOUDSTACK_{key.upper()}") for key in ("public_key", "private_key")}
    reader.write("maintenance/vault.yml", yaml.safe_dump(keys))
    found = listed(reader, source)
    assert reader.ids["vm-web07"] in {host["ucloudstack_vm_id"] for host in found.values()}
    assert all(".example.com" in host for host in found)


@of("docs/docsite/rst/guide_migrating.rst")
def guide_migrating(reader: Reader, texts: list[str]) -> None:
    _with_uri, with_module = texts  # the first one is what to replace; its filter is the reader's own
    reader.tasks(with_module)
    reader.tasks(with_module)
    assert reader.snapshots("before-patch") == [reader.ids["disk-1"]]


@of("docs/docsite/rst/guide_performance.rst")
def guide_performance(_reader: Reader, texts: list[str]) -> None:
    (make,) = texts  # test_benchmark.py uses the same arguments
    targets_exist(make)


@of("docs/docsite/rst/guide_playbooks.rst")
def guide_playbooks(reader: Reader, texts: list[str]) -> None:
    snapshot, rollback, prune, report, _patch_debian = texts[0].splitlines()  # the last one would upgrade this machine
    reader.shell(snapshot)
    assert reader.snapshots("ansible-before-20261123") == reader.web
    brought_back(reader, lambda: reader.shell(rollback))
    reader.shell(prune)
    assert reader.cloud.calls("DeleteSnapshot") == 0
    reader.shell(report)
    assert "before-20261123" in (reader.home / "snapshots.html").read_text()


@of("docs/docsite/rst/guide_reports.rst")
def guide_reports(reader: Reader, texts: list[str]) -> None:
    maintain, command = texts
    before = reader.fleet.checksums()
    reader.plays(maintain)
    assert reader.snapshots(RUN) == reader.web
    assert [host for host, checksum in reader.fleet.checksums().items() if checksum != before[host]] == ["web1", "web2"]
    reader.shell(command)
    pages = (reader.folder / "patch-20261123.html", reader.home / "snapshots.html")
    assert all("web08" in page.read_text() and page.stat().st_mode & 0o777 == 0o600 for page in pages)


@of("docs/docsite/rst/guide_retention.rst")
def guide_retention(reader: Reader, texts: list[str]) -> None:
    command, tasks = texts
    reader.fleet.run(RUN)
    names = [f"nightly-{number}" for number in range(4)]
    for name in names:
        reader.snapshot(name, "disk-1")
    reader.shell(command)
    reader.tasks(tasks)
    assert [len(reader.snapshots(name)) for name in names] == [1, 1, 1, 1], "none is a month old"
    reader.tasks(tasks.replace("30d", "0s"))
    assert [len(reader.snapshots(name)) for name in names] == [0, 1, 1, 1] and len(reader.snapshots(RUN)) == 6


@of("docs/docsite/rst/guide_snapshots.rst")
def guide_snapshots(reader: Reader, texts: list[str]) -> None:
    progress, rollback = texts
    waiting = {"total": 200, "goal": "usable", "failed": 0}
    shows = [
        line("snapshot", {**waiting, "done": done, "waiting": {"Createing": 200 - done}}, seconds) for done, seconds in ((0, 3), (180, 42))
    ]
    assert progress.splitlines()[1:3] == shows
    rolled_back(reader, rollback)
    assert reader.snapshots("broken-2026-11") == reader.snapshots("rolled-back-2026-11") == reader.snapshots("before-patch-2026-11")


def rolled_back(reader: Reader, tasks: str) -> None:
    """The tasks roll both detached disks back to the snapshots before-patch-2026-11, once."""
    reader.snapshot("before-patch-2026-11", "disk-boot01", "disk-data01")
    before = reader.checksums
    reader.damage()
    reader.cloud.control("calls", "DELETE")
    reader.tasks(tasks)
    assert reader.checksums == before and reader.cloud.calls("RollbackSnapshot") == 2


@of("plugins/modules/snapshot.py")
def snapshot(reader: Reader, texts: list[str]) -> None:
    (tasks,) = texts
    results = reader.tasks(tasks, show="before_patch.results", database_disks=["disk-1"])[-1]
    assert [(each["disk_id"], each["outcome"]) for each in results] == [
        (reader.ids[disk], "created") for disk in ("disk-boot01", "disk-data01")
    ]
    assert reader.snapshots("before-migration") == [reader.ids["disk-1"]] and reader.snapshots("before-patch-2026-11") == []


@of("plugins/modules/snapshot_info.py")
def snapshot_info(reader: Reader, texts: list[str]) -> None:
    (tasks,) = texts
    wanted = [*reader.snapshot("before-patch-1", "disk-boot01", "disk-data01"), *reader.snapshot("before-patch-2", "disk-data01")]
    others = [*reader.snapshot("nightly", "disk-boot01"), *reader.snapshot("before-patch-2", "disk-1")]
    newest, (everything, patch) = reader.tasks(
        tasks, show="[all, patch] | map(attribute='snapshots') | map('map', attribute='snapshot_id')"
    )
    assert sorted(patch) == sorted(wanted) and newest["snapshot_id"] == patch[-1] and {*wanted, *others} <= {*everything}


@of("plugins/modules/snapshot_rollback.py")
def snapshot_rollback_module(reader: Reader, texts: list[str]) -> None:
    (tasks,) = texts
    (reader.ids["snapshot-7dk2mq"],) = reader.snapshot("other", "disk-1")
    once, keeping, each_time = yaml.safe_load(tasks)
    rolled_back(reader, yaml.safe_dump([once]))
    reader.tasks(yaml.safe_dump([keeping]))
    assert reader.cloud.calls("RollbackSnapshot") == 2, "the marker shows that both were rolled back"
    reader.tasks(yaml.safe_dump([each_time, each_time]))
    assert reader.cloud.calls("RollbackSnapshot") == 4


@of("plugins/modules/vm_info.py")
def vm_info(reader: Reader, texts: list[str]) -> None:
    (tasks,) = texts
    reader.tasks(tasks)
    assert reader.snapshots("before-patch-2026-11") == sorted(reader.fleet.disks("web1"))


@of("plugins/modules/vm_power.py")
def vm_power(reader: Reader, texts: list[str]) -> None:
    (tasks,) = texts
    reader.tasks(tasks)
    assert reader.fleet.states() == {"web1": "Running", "web2": "Stopped", "web3": "Running"}


@of("plugins/modules/run_manifest.py")
def run_manifest(reader: Reader, texts: list[str]) -> None:
    (tasks,) = texts
    read, show, mark, claim = yaml.safe_load(tasks)
    restored = {**mark["ucloudstack.cloud.run_manifest"], "hosts": {"web07": {"state": "restored"}}}
    reader.tasks(yaml.safe_dump([{"ucloudstack.cloud.run_manifest": restored}]))
    hosts, claimed = reader.tasks(tasks, show="claimed")
    assert hosts == ["web07"] and claimed["unfinished"] == {} and claimed["changed"], (read, show, claim)


@of("plugins/filter/delegate_variables.py")
def delegate_variables(reader: Reader, texts: list[str]) -> None:
    (tasks,) = texts
    (found, _end), (like,) = reader.tasks(tasks), promised(tasks)
    assert {**like, "python_interpreter": sys.executable} == found


@of("plugins/filter/expired_snapshots.py")
def expired_snapshots(reader: Reader, texts: list[str]) -> None:
    (tasks,) = texts
    ids = [reader.snapshot(f"nightly-{number}", "disk-1", remark="by our nightly job")[0] for number in range(4)]
    records = [
        {
            "snapshot_id": snapshot_id,
            "disk_id": "disk-1",
            "name": f"nightly-{number}",
            "remark": "by our nightly job",
            "create_time": 1_700_000_000 + number,
            "status": "Normal",
        }
        for number, snapshot_id in enumerate(ids)
    ]
    reader.tasks(tasks, listed={"snapshots": records})
    assert [len(reader.snapshots(f"nightly-{number}")) for number in range(4)] == [0, 1, 1, 1]


@of("plugins/filter/host_disks.py")
def host_disks(reader: Reader, texts: list[str]) -> None:
    (tasks,) = texts
    vm_id = reader.ids["vm-web07"]
    vms = {"vms": [{"vm_id": vm_id, "state": "Running", "disk_ids": ["disk-1"], "disks": [{"disk_id": "disk-1", "disk_type": "Data"}]}]}
    (batch,) = reader.tasks(tasks, show="batch", vms=vms)
    assert batch["web07"]["disk_ids"] == [reader.ids["disk-1"]]


@of("plugins/filter/host_facts.py")
def host_facts(reader: Reader, texts: list[str]) -> None:
    (tasks,) = texts
    vms, two, _end = reader.tasks(
        "- add_host: {name: web07, ansible_host: 192.0.2.7}\n- add_host: {name: web08, ansible_host: 192.0.2.8}\n" + tasks, hosts="web"
    )
    assert [vms, two] == promised(reader.typed(tasks))


@of("plugins/filter/guarded_maintenance_decision.py")
def guarded_maintenance_decision(reader: Reader, texts: list[str]) -> None:
    (tasks,) = texts
    host = {
        "state": "patching",
        "earlier": "",
        "patched": False,
        "failed_task": "",
        "msg": "",
        "disk_ids": ["disk-1"],
        "tasks_for": ["verify"],
    }
    facts = {
        "web07": {"reached": "patched"},
        "web08": {"reached": "", "rescued": True, "task": {"name": "Install"}, "result": {"msg": "no space"}},
    }
    play = {"current": ["web07", "web08"], "failed": [], "failed_before": []}
    (found,) = reader.tasks(tasks, show="batch", batch={"hosts": {"web07": host, "web08": host}, "clock": 0}, facts=facts, play=play)
    assert [(each["state"], each["failed_task"]) for each in found["hosts"].values()] == [("patching", ""), ("restoring", "Install")]


@of("plugins/filter/snapshot_create_decision.py")
def snapshot_create_decision(reader: Reader, texts: list[str]) -> None:
    (tasks,) = texts
    known = {"vm_id": "vm-web07", "power_state": "Running", "disk_ids": ["disk-1"], "external": [], "msg": ""}
    options = {"run_id": "night", "prefix": "ansible-", "max_age": "24h", "limit": 10, "reserve": 0, "before_tasks": "", "after_tasks": ""}
    given: dict[str, Any] = {"manifest": {"manifest": None}, "listed": {"snapshots": []}}
    (plan,) = reader.tasks(tasks, show="plan", batch={"web07": {**known, **options, "run_id_type": "str"}}, **given)
    assert plan["name"] == "ansible-night" and plan["disk_ids"] == [reader.ids["disk-1"]]


@of("plugins/filter/snapshot_prune_decision.py")
def snapshot_prune_decision(reader: Reader, texts: list[str]) -> None:
    (tasks,) = texts
    plan = {"expired": {"web07": [{"snapshot_id": "snapshot-1"}]}, "msg": {"web07": ""}}
    deleted = {"results": [{"snapshot_id": "snapshot-1", "outcome": "deleted", "msg": ""}]}
    (results,) = reader.tasks(tasks, show="results", plan=plan, deleted=deleted)
    assert results["hosts"]["web07"]["results"] == deleted["results"] and results["good"] == ["web07: 1 snapshots had expired."]


@of("plugins/filter/snapshot_report_decision.py")
def snapshot_report_decision(reader: Reader, texts: list[str]) -> None:
    (tasks,) = texts
    given: dict[str, Any] = {"path": "/page.html", "listed": {"snapshots": []}, "written": {"changed": True}}
    (results,) = reader.tasks(tasks, show="results", batch={"web07": {"msg": ""}}, **given)
    assert results["hosts"] == {"web07": {"file": "/page.html", "msg": ""}} and results["line"] == "Report: /page.html"


@of("plugins/filter/snapshot_rollback_decision.py")
def snapshot_rollback_decision(reader: Reader, texts: list[str]) -> None:
    (tasks,) = texts
    entry = {"vm_id": "vm-web07", "disk_ids": ["disk-1"], "state": "verified"}
    batch = {"web07": {"vm_id": "", "disk_ids": []}}
    (runs,) = reader.tasks(tasks, show="runs", batch=batch, manifest={"manifest": {"hosts": {"web07": entry}}})
    assert runs["vm_ids"] == [reader.ids["vm-web07"]] and runs["disk_ids"] == [reader.ids["disk-1"]]
