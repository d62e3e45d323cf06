# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From VMs to the hosts of an inventory: which ones, under which names, with which variables."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from ansible.constants import LOCALHOST
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.ucloudstack.cloud.plugins.module_utils._module import InputError
from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import Vm, quoted
from ansible_collections.ucloudstack.cloud.plugins.module_utils._states import is_deleted, vm_state_name

LIST = {"type": "list", "elements": "str"}
FILTERS: dict[str, Any] = {
    "states": LIST,
    "project_ids": LIST,
    "vpc_ids": LIST,
    "subnet_ids": LIST,
    "keyword": {"type": "str"},
    "tags": {"type": "dict"},
}
RESERVED = {*LOCALHOST, "all", "ungrouped"}
"""Names that Ansible gives a meaning of its own. A VM named localhost would be given the tasks, and so the keys, of the controller."""

Variables = Mapping[str, Any]


def variables(vm: Vm) -> dict[str, Any]:
    """The variables of a host, as plain data that a cache can store. Ids of disks are no variable of their own: the roles query them."""
    addresses = {"ansible_host": vm.private_ips[0]} if vm.private_ips else {}
    return {
        **addresses,
        "ucloudstack_vm_id": vm.vm_id,
        "ucloudstack_name": vm.name,
        "ucloudstack_remark": vm.remark,
        "ucloudstack_state": vm.state,
        "ucloudstack_hostname": vm.hostname,
        "ucloudstack_private_ips": list(vm.private_ips),
        "ucloudstack_public_ips": list(vm.public_ips),
        "ucloudstack_disks": [dict(disk) for disk in vm.disks],
        "ucloudstack_os_type": vm.os_type,
        "ucloudstack_os_name": vm.os_name,
        "ucloudstack_region": vm.region,
        "ucloudstack_zone": vm.zone,
        "ucloudstack_project_id": vm.project_id,
        "ucloudstack_project_name": vm.project_name,
        "ucloudstack_vpc_id": vm.vpc_id,
        "ucloudstack_vpc_name": vm.vpc_name,
        "ucloudstack_subnet_id": vm.subnet_id,
        "ucloudstack_subnet_name": vm.subnet_name,
        "ucloudstack_tags": dict(vm.tags),
    }


def marked(value: Any) -> Any:
    """A value of the API, marked so that ansible-core before 2.19 does not template it; newer ones template nothing that is not trusted.

    Text that cannot be a template is left as it is: ``ansible-inventory --list`` prints a marked one as an object.
    """
    if isinstance(value, dict):
        return {marked(key): marked(each) for key, each in value.items()}
    if isinstance(value, list):
        return [marked(each) for each in value]
    return wrap_var(value) if isinstance(value, str) and "{" in value else value


def checked(what: str, spec: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Options in the types of an argument spec. Raises InputError, in one line, for those that are unknown or of another type."""
    result = ArgumentSpecValidator(spec).validate(given)
    if result.error_messages:
        raise InputError(f"{what}: {' '.join(' '.join(result.error_messages).split())}")
    return dict(result.validated_parameters)


# ---- filters


def checked_filters(given: Mapping[str, Any]) -> dict[str, Any]:
    """The filters in their types, with states as the API spells them. Raises InputError for one that is unknown, empty, or no such state."""
    filters = {name: value for name, value in checked("filters", FILTERS, given).items() if value is not None}
    for name, value in filters.items():
        if not value or "" in list(value) or (name == "tags" and not all(each or each == "" for each in value.values())):
            raise InputError(f"filters.{name} is empty, or has an empty entry: give it a value, or omit it.")
    if "states" in filters:
        filters["states"] = [_state(word) for word in filters["states"]]
    return filters


def _state(word: str) -> str:
    name = vm_state_name(word)
    if name is None:
        raise InputError(f"filters.states contains {quoted(word)}, which is not a state of a VM, such as Running or Stopped.")
    return name


def narrowed(filters: Mapping[str, Any]) -> dict[str, Any]:
    """What the API can filter, as parameters of DescribeVMInstance: VPC and subnet in all generations, states and projects since 2.x.

    A platform that ignores one lists more, and :func:`selects` decides. No guide says how a keyword is compared, and there is no
    parameter for tags.
    """
    asked = {"States": filters.get("states"), "ProjectIDs": filters.get("project_ids")}
    for name, parameter in (("vpc_ids", "VPCID"), ("subnet_ids", "SubnetID")):
        if len(filters.get(name, [])) == 1:  # the API takes only one
            asked[parameter] = filters[name][0]
    return {parameter: value for parameter, value in asked.items() if value}


def selects(filters: Mapping[str, Any], host: Variables) -> bool:
    """Whether a VM with these variables matches all filters. Deleted VMs match only if their state is asked for."""
    state = host["ucloudstack_state"]
    if "states" in filters:
        alive = state.casefold() in {each.casefold() for each in filters["states"]}
    else:
        alive = not is_deleted(state)
    ids = all(host[f"ucloudstack_{name}"] in filters[f"{name}s"] for name in ("project_id", "vpc_id", "subnet_id") if f"{name}s" in filters)
    keyword = filters.get("keyword", "").casefold()
    named = keyword in host["ucloudstack_name"].casefold() or keyword in host["ucloudstack_remark"].casefold()
    tags = host["ucloudstack_tags"]
    return alive and ids and named and all(tags.get(key) in _values(wanted) for key, wanted in filters.get("tags", {}).items())


def _values(wanted: Any) -> list[str]:
    return [str(each) for each in wanted] if isinstance(wanted, list) else [str(wanted)]


# ---- names


def host_names(wanted: Mapping[str, Iterable[Any]], others: Mapping[str, str]) -> dict[str, str]:
    """``{vm_id: name}``: the first wanted name that can be the name of a host, or else the id.

    If several VMs have a name, the id is appended for each of them, so that none is lost. ``others``: ``{name: vm_id}`` of the hosts that
    other inventory sources have added. Raises InputError for an id that cannot be a name.
    """
    for vm_id in wanted:
        if not _is_host_name(vm_id):
            raise InputError(f"A VM has the id {quoted(vm_id)}, which cannot be the name of a host.")
    names = {vm_id: next(filter(_is_host_name, [*some, vm_id])) for vm_id, some in wanted.items()}
    while clashing := _clashing(names, others):
        names = {vm_id: f"{name}-{vm_id}" if name in clashing else name for vm_id, name in names.items()}
    return names


def _is_host_name(name: Any) -> bool:
    return isinstance(name, str) and re.fullmatch(r"\w[\w.-]*", name) is not None and name.casefold() not in RESERVED


def _clashing(names: Mapping[str, str], others: Mapping[str, str]) -> set[str]:
    counts = Counter(names.values())
    return {name for vm_id, name in names.items() if counts[name] > 1 or others.get(name, vm_id) != vm_id}


def appended(names: Mapping[str, str]) -> list[str]:
    """Those names that end in the id of their VM, sorted."""
    return sorted(name for vm_id, name in names.items() if name.endswith(f"-{vm_id}"))
