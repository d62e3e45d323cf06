# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which VMs become hosts, under which names, with which variables."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.ucloudstack.cloud.plugins.inventory.inventory import DOCUMENTATION
from ansible_collections.ucloudstack.cloud.plugins.module_utils import _module, _vms
from ansible_collections.ucloudstack.cloud.plugins.module_utils._client import Client
from ansible_collections.ucloudstack.cloud.plugins.module_utils._module import InputError
from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import Vm
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._inventory import (
    appended,
    checked_filters,
    host_names,
    marked,
    narrowed,
    selects,
    variables,
)
from emulator.server import Emulator
from emulator.state import VmState

HOST = variables(
    Vm("vm-1", "web1", "Running", remark="Shop, owned by Ann", project_id="p1", vpc_id="vpc-1", subnet_id="s1", tags={"role": "web"})
)


@pytest.fixture
def client(cloud: Emulator) -> Client:
    return _module.connected({key: getattr(cloud, key) for key in ("api_url", "public_key", "private_key", "region")})


def test_the_connection_has_the_options_of_the_modules() -> None:
    documented = yaml.safe_load(DOCUMENTATION)["options"]
    for name, spec in _module.CONNECTION.items():
        variables = [{"name": each} for each in spec.get("fallback", (None, []))[1]]
        option = documented[name]
        assert (option["type"], option.get("default"), option.get("env", [])) == (spec["type"], spec.get("default"), variables), name


# ---- variables


def address(ip: Any, kind: str) -> dict[str, Any]:
    return {"IP": ip, "Type": kind}


@pytest.mark.parametrize(
    ("addresses", "host", "private", "public"),
    [
        ([address("10.0.0.7", "Private")], "10.0.0.7", ["10.0.0.7"], []),
        ([address("203.0.113.7", "Public"), address("10.0.0.7", "Private")], "10.0.0.7", ["10.0.0.7"], ["203.0.113.7"]),
        ([address("203.0.113.7", "public"), address("10.0.0.7", "private")], "10.0.0.7", ["10.0.0.7"], ["203.0.113.7"]),
        ([address("fd00::7", "Private"), address("10.0.0.7", "Private")], "10.0.0.7", ["10.0.0.7", "fd00::7"], []),
        ([address("fd00::7", "Private")], "fd00::7", ["fd00::7"], []),
        ([address("203.0.113.7", "Public")], None, [], ["203.0.113.7"]),
        ([address(ip, "Private") for ip in ("-oProxyCommand=x", "web1", "", None, "fe80::1%eth0", "10.0.0.7 x")], None, [], []),
        ([], None, [], []),
        (None, None, [], []),
    ],
)
def test_addresses(addresses: Any, host: str | None, private: list[str], public: list[str]) -> None:
    found = variables(Vm.from_api({"VMID": "vm-1", "IPInfos": addresses}))
    assert (found.get("ansible_host"), found["ucloudstack_private_ips"], found["ucloudstack_public_ips"]) == (host, private, public)


def test_variables_of_each_generation(cloud: Emulator, client: Client) -> None:
    vm_id = cloud.state.add_vm("web1", boot_gb=1, ip="10.0.0.7", remark="shop", project_id="p1")
    cloud.state.set_tags(vm_id, {"role": "web"})
    (found,) = map(variables, _vms.everything(client, _module.reading_deadline(client), {}))
    (disk,) = found.pop("ucloudstack_disks")
    assert [disk["disk_id"]] == cloud.state.find_disks(vm_id=vm_id)
    generation = cloud.generation
    project = {"1.x": ""}.get(generation.name, "p1")
    assert found == {
        "ansible_host": "10.0.0.7",
        "ucloudstack_vm_id": vm_id,
        "ucloudstack_name": "web1",
        "ucloudstack_remark": "shop",
        "ucloudstack_state": "Running",
        "ucloudstack_hostname": "web1" if generation.name == "2026" else "",
        "ucloudstack_private_ips": ["10.0.0.7"],
        "ucloudstack_public_ips": [],
        "ucloudstack_os_type": "Linux",
        "ucloudstack_os_name": "Linux",
        "ucloudstack_region": "cn",
        "ucloudstack_zone": "zone-01" if generation.name == "1.x" else "",
        "ucloudstack_project_id": project,
        "ucloudstack_project_name": project,
        "ucloudstack_vpc_id": "vpc-1",
        "ucloudstack_vpc_name": "vpc-1",
        "ucloudstack_subnet_id": "subnet-1",
        "ucloudstack_subnet_name": "subnet-1",
        "ucloudstack_tags": {"role": "web"} if generation.name == "2026" else {},
    }


def test_what_may_be_a_template_is_marked_at_any_depth() -> None:
    evil = "{{ x }}"
    kind = type(wrap_var(evil))  # on ansible-core 2.19 and later, a type without meaning: there, text is trusted or it is no template
    found = marked({"a": evil, "b": [{"c": evil, evil: "{% y %}"}], "d": "plain", "e": 1})
    assert found == {"a": evil, "b": [{"c": evil, evil: "{% y %}"}], "d": "plain", "e": 1}
    (inner,) = found["b"]
    assert {type(each) for each in (found["a"], inner["c"], inner[evil], list(inner)[1])} == {kind}
    assert {type(found["d"])} == {str}


# ---- filters


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ({}, True),
        ({"states": ["running"]}, True),
        ({"states": "Stopped"}, False),
        ({"states": ["Stopped", "Running"], "keyword": "WEB"}, True),
        ({"keyword": "owned by ann"}, True),
        ({"keyword": "db"}, False),
        ({"project_ids": ["p1", "p2"]}, True),
        ({"project_ids": ["p2"]}, False),
        ({"vpc_ids": ["vpc-1"], "subnet_ids": ["s2"]}, False),
        ({"tags": {"role": "web"}}, True),
        ({"tags": {"role": ["db", "web"]}}, True),
        ({"tags": {"role": "web", "env": "test"}}, False),
        ({"tags": {"role": "Web"}}, False),
    ],
)
def test_a_host_matches_all_filters(filters: dict[str, Any], wanted: bool) -> None:
    assert selects(checked_filters(filters), HOST) is wanted


@pytest.mark.parametrize(
    ("state", "listed"),
    [
        ("Deleted", False),
        ("Deleting", False),
        ("Terminated", False),
        ("terminating", False),
        ("Failed", True),
        ("RFailed", True),
        ("Odd", True),
    ],
)
def test_deleted_vms_are_listed_only_if_their_state_is_asked_for(state: str, listed: bool) -> None:
    host = {**HOST, "ucloudstack_state": state}
    assert selects({}, host) is listed and not selects({"states": ["Running"]}, host) and selects({"states": [state]}, host)


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"states": ["stoped"]}, "filters.states contains 'stoped', which is not a state of a VM"),
        ({"state": ["Running"]}, "filters: state. Supported parameters include: keyword"),
        ({"tags": "web"}, "filters: argument 'tags'"),
        *(({name: []}, f"filters.{name} is empty") for name in ("states", "project_ids", "vpc_ids", "subnet_ids")),
        ({"vpc_ids": ["vpc-1", ""]}, "filters.vpc_ids is empty"),
        ({"keyword": ""}, "filters.keyword is empty"),
        ({"tags": {}}, "filters.tags is empty"),
        ({"tags": {"role": None}}, "filters.tags is empty"),
        ({"tags": {"role": []}}, "filters.tags is empty"),
    ],
)
def test_a_senseless_filter_is_refused_in_one_line(filters: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        checked_filters(filters)
    assert message in str(error.value) and "\n" not in str(error.value)


NARROWED: list[tuple[dict[str, Any], dict[str, Any], set[str]]] = [
    ({"states": ["running"]}, {"States": ["Running"]}, {"a", "b", "c"}),
    ({"project_ids": ["p1"]}, {"ProjectIDs": ["p1"]}, {"b"}),
    ({"vpc_ids": ["vpc-2"]}, {"VPCID": "vpc-2"}, {"c"}),
    ({"vpc_ids": ["vpc-2", "vpc-3"]}, {}, {"c"}),
    ({"subnet_ids": ["s2"], "keyword": "A"}, {"SubnetID": "s2"}, {"a"}),
    ({"tags": {"role": "web"}}, {}, {"a"}),
]


@pytest.mark.parametrize(("filters", "asked", "names"), NARROWED)
def test_what_the_api_filters_changes_no_result(
    cloud: Emulator, client: Client, filters: dict[str, Any], asked: dict[str, Any], names: set[str]
) -> None:
    cloud.state.set_tags(cloud.state.add_vm("a", boot_gb=1, subnet_id="s2"), {"role": "web"})
    cloud.state.add_vm("b", boot_gb=1, project_id="p1")
    cloud.state.add_vm("c", boot_gb=1, vpc_id="vpc-2", subnet_id="s2")
    cloud.state.add_vm("d", boot_gb=1, state=VmState.STOPPED)
    filters = checked_filters(filters)
    assert narrowed(filters) == asked
    everything, narrow = (
        {each.name for each in _vms.everything(client, _module.reading_deadline(client), some) if selects(filters, variables(each))}
        for some in ({}, asked)
    )
    missing = ("project_ids" in filters and not cloud.generation.projects) or ("tags" in filters and cloud.generation.name != "2026")
    assert everything == narrow == (set() if missing else names)


@pytest.mark.parametrize("generation", ["2026"], indirect=True)
def test_5000_vms_take_51_calls(cloud: Emulator, client: Client) -> None:
    with cloud.state.transaction():
        for number in range(5000):
            cloud.state.add_vm(f"vm{number}", boot_gb=0)
    vms = _vms.everything(client, _module.reading_deadline(client), {})
    assert len({vm.vm_id for vm in vms}) == 5000 and client.calls == {"DescribeVMInstance": 51}


# ---- names


@pytest.mark.parametrize(
    ("wanted", "others", "names"),
    [
        ({"vm-1": ["web1"], "vm-2": ["web2"]}, {}, ["web1", "web2"]),
        ({"vm-1": ["web1"], "vm-2": ["web1"]}, {}, ["web1-vm-1", "web1-vm-2"]),
        ({"vm-1": ["web1"], "vm-2": ["web1"], "vm-3": ["web1-vm-2"]}, {}, ["web1-vm-1", "web1-vm-2-vm-2", "web1-vm-2-vm-3"]),
        ({"vm-1": ["vm-2"], "vm-2": []}, {}, ["vm-2-vm-1", "vm-2-vm-2"]),
        ({"vm-1": ["web1"]}, {"web1": "vm-9"}, ["web1-vm-1"]),
        ({"vm-1": ["web1"]}, {"web1": "vm-1", "web2": "vm-9"}, ["web1"]),
        ({"vm-1": [None, "", "web1.example.com"]}, {}, ["web1.example.com"]),
        ({"vm-1": ["网站-1"]}, {}, ["网站-1"]),
        ({"vm-1": []}, {}, ["vm-1"]),
        *(({"vm-1": [name]}, {}, ["vm-1"]) for name in ("localhost", "LocalHost", "127.0.0.1", "::1", "all", "ungrouped")),
        *(({"vm-1": [name]}, {}, ["vm-1"]) for name in ("web 1", "{{ x }}", "a,b", "a:b", "-x", "!a", "a[1]", "a\n", "a/b", 7)),
    ],
)
def test_every_vm_has_a_name_of_its_own(wanted: dict[str, list[Any]], others: dict[str, str], names: list[str]) -> None:
    assert list(host_names(wanted, others).values()) == names


@pytest.mark.parametrize("vm_id", ["", "{{x}}", "localhost"])
def test_an_id_that_cannot_be_a_name_is_refused(vm_id: str) -> None:
    with pytest.raises(InputError, match="which cannot be the name of a host"):
        host_names({vm_id: ["web1"]}, {})


def test_names_with_an_id_are_reported() -> None:
    assert appended({"vm-2": "web1-vm-2", "vm-1": "web1-vm-1", "vm-3": "db", "vm-4": "vm-4"}) == ["web1-vm-1", "web1-vm-2"]
