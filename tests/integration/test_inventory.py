# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory plugin in real ``ansible-inventory`` and ``ansible-playbook``, on a cloud of its own: in the shared one, names repeat."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import stage
from support.collection import COLLECTIONS

from .conftest import SECONDS, Fleet
from .maintenance import Maintenance

Shown = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def running_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[stage.Cloud]:
    with stage.emulator(tmp_path_factory.mktemp("cloud"), *SECONDS) as cloud:
        yield cloud


@pytest.fixture
def source(cloud: stage.Cloud, tmp_path: Path) -> Callable[..., Path]:
    """``source(filters=…)``: an inventory file with these options; the private key is a template of the extra variable ``key``."""

    def write(**options: Any) -> Path:
        connection = {**{option: cloud.connection[option] for option in ("api_url", "public_key", "region")}, "private_key": "{{ key }}"}
        path = tmp_path / "test.ucloudstack.yml"
        path.write_text(yaml.safe_dump({"plugin": "ucloudstack.cloud.inventory", **connection, **options}))
        return path

    return write


@pytest.fixture
def shown(cloud: stage.Cloud, tmp_path: Path) -> Shown:
    """``shown(path, "--list")``: the output of ansible-inventory."""

    def run(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        (folder := tmp_path / "folder").mkdir(exist_ok=True)
        key = ("-e", json.dumps({"key": cloud.connection["private_key"]}))
        return stage.program("ansible-inventory", "-i", str(path), *key, *arguments, folder=folder, collections=COLLECTIONS)

    return run


def test_hosts_groups_and_cache(cloud: stage.Cloud, source: Callable[..., Path], shown: Shown, tmp_path: Path) -> None:
    twins = {cloud.vm("twin")["vm_id"] for _number in range(2)}
    other = cloud.vm("evil", remark="product {{ 6 * 7 }}")["vm_id"]
    cache = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(tmp_path / "cache")}
    path = source(
        **cache,
        hostnames=["ucloudstack_tags.fqdn", "ucloudstack_name ~ '.test'"],
        keyed_groups=[{"key": "ucloudstack_os_type", "prefix": "os"}],
        groups={"odd": "'product' in ucloudstack_remark"},
        compose={"upper": "ucloudstack_remark | upper", "ansible_host": "ucloudstack_private_ips | first", "ansible_connection": "'local'"},
    )
    twin_hosts = {f"twin.test-{vm_id}" for vm_id in twins}
    cloud.control("calls", "DELETE")

    listed = shown(path, "--list")
    assert listed.returncode == 0, listed.stderr
    found = json.loads(listed.stdout, object_hook=lambda each: each.get("__ansible_unsafe", each))  # ansible-core 2.19 and later
    assert {host: each["ucloudstack_vm_id"] for host, each in found["_meta"]["hostvars"].items()} == {
        **{f"twin.test-{vm_id}": vm_id for vm_id in twins},
        "evil.test": other,
    }
    assert set(found["os_Linux"]["hosts"]) == {*twin_hosts, "evil.test"} and found["odd"]["hosts"] == ["evil.test"]
    assert all(host in " ".join(listed.stderr.split()) for host in ("have the same name", *twin_hosts))

    graph = shown(path, "--graph", "odd")
    assert graph.stdout == "@odd:\n  |--evil.test\n" and cloud.calls("DescribeVMInstance") == 1, graph.stderr

    book = tmp_path / "book.yml"
    show = {"ansible.builtin.debug": {"msg": "{{ ucloudstack_remark }}, {{ upper }}"}}
    book.write_text(yaml.safe_dump([{"hosts": "odd", "gather_facts": False, "tasks": [show]}]))
    key = {"key": cloud.connection["private_key"]}
    played = stage.playbook(book, COLLECTIONS, {}, key, "-i", str(path), "--flush-cache")
    assert "product {{ 6 * 7 }}, PRODUCT {{ 6 * 7 }}" in played.stdout, played.stdout + played.stderr
    assert cloud.calls("DescribeVMInstance") == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"region": None}, "missing: region (or UCLOUDSTACK_REGION in the environment)."),
        ({"public_key": "wrong"}, "Check public_key and private_key."),
        ({"filters": {"state": "Running"}}, "filters: state. Supported parameters include: keyword,"),
    ],
)
def test_a_failure_is_reported(source: Callable[..., Path], shown: Shown, options: dict[str, Any], message: str) -> None:
    failed = shown(source(**options), "--graph")
    assert message in " ".join(failed.stderr.split()) and "Traceback" not in failed.stderr


@pytest.mark.once
def test_maintenance_of_the_hosts_that_it_lists(
    cloud: stage.Cloud, fleet: Fleet, source: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest = {
        "ansible_connection": "'guest'",
        "guest_control_url": f"'{cloud.connection['control_url']}'",
        "guest_images": f"ucloudstack_disks | map(attribute='disk_id') | map('regex_replace', '$', '.img')"
        f" | map('regex_replace', '^', '{cloud.state_dir}/disks/') | list",
    }
    path = source(filters={"keyword": "web"}, compose=guest, private_key=cloud.connection["private_key"])
    monkeypatch.setattr(fleet, "write", lambda: str(path))
    maintenance = Maintenance(fleet, tmp_path)
    played = maintenance("patch-1", fails=["web2"])
    assert maintenance.states("patch-1") == {"web1": "verified", "web2": "restored", "web3": "verified"}, played.stdout + played.stderr
    assert maintenance.patched == ["web1", "web3"]
