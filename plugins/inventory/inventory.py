# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: inventory
short_description: List UCloudStack VMs as hosts
version_added: 0.1.0
author:
  - UCloudStack collection contributors (@ucloudstack)
description:
  - Lists the VMs visible to the API key as hosts, in every generation of the platform.
  - The file must be named C(ucloudstack.yml), or end with C(.ucloudstack.yml); C(.yaml) is accepted, too.
  - "The variables of a host are C(ucloudstack_vm_id), C(ucloudstack_name), C(ucloudstack_remark), C(ucloudstack_state),
    C(ucloudstack_hostname), C(ucloudstack_private_ips), C(ucloudstack_public_ips), C(ucloudstack_disks) (as in M(ucloudstack.cloud.vm_info)),
    C(ucloudstack_os_type), C(ucloudstack_os_name), C(ucloudstack_region), C(ucloudstack_zone), C(ucloudstack_project_id),
    C(ucloudstack_project_name), C(ucloudstack_vpc_id), C(ucloudstack_vpc_name), C(ucloudstack_subnet_id), C(ucloudstack_subnet_name) and
    C(ucloudstack_tags). They are empty if the platform does not report them: projects since 2.x, tags and the host name since 2026."
  - C(ansible_host) is the first private address, IPv4 before IPv6. It is not set for a VM without one; Ansible then connects to the name of
    the host.
  - Text of the API is never a template.
options:
  plugin:
    description: The name of this plugin.
    type: str
    required: true
    choices: [ucloudstack.cloud.inventory]
  api_url:
    description:
      - URL of the API of your UCloudStack installation, usually V(https://console.<customer>/api). Required.
      - This and all other options that are text may be templates, of lookups and extra variables.
    type: str
    env:
      - name: UCLOUDSTACK_API_URL
  public_key:
    description: Public key of the API key pair. Required.
    type: str
    env:
      - name: UCLOUDSTACK_PUBLIC_KEY
  private_key:
    description:
      - Private key of the API key pair. Required. It signs the requests and is never sent.
      - Keep it in the environment or in a vault.
    type: str
    env:
      - name: UCLOUDSTACK_PRIVATE_KEY
  region:
    description: Region of the VMs, such as V(cn). Required.
    type: str
    env:
      - name: UCLOUDSTACK_REGION
  zone:
    description: Zone of the VMs, such as V(zone-01). It is sent if it is set; newer platforms have no zones.
    type: str
    env:
      - name: UCLOUDSTACK_ZONE
  project_id:
    description: The only project to list, on platforms that have projects. O(filters) can select several.
    type: str
    env:
      - name: UCLOUDSTACK_PROJECT_ID
  validate_certs:
    description:
      - Whether the TLS certificate of the API is verified. With V(false), requests can be intercepted and modified.
      - Variables such as E(REQUESTS_CA_BUNDLE) have no effect.
    type: bool
    default: true
  ca_path:
    description:
      - File or directory with the CA certificates to trust, instead of those of the system. A directory must be prepared with
        C(openssl rehash).
    type: path
  request_timeout:
    description: Timeout of a single HTTP request in seconds, from V(1) to V(3600).
    type: int
    default: 30
  filters:
    description:
      - Only the VMs that match all of these. Of several values of one filter, one must match.
      - "V(states): states as the API spells them, such as V(Running); upper and lower case are the same. Without it, all VMs are listed but
        those that are V(Deleted), V(Deleting), V(Terminated) or V(Terminating), as in the recycle bin."
      - "V(project_ids), V(vpc_ids), V(subnet_ids): lists of ids."
      - "V(keyword): text that is in the name or the remark, in upper or lower case."
      - "V(tags): keys, each with a value or a list of values."
    type: dict
    default: {}
  hostnames:
    description:
      - Jinja2 expressions for the name of a host, in the order of preference, with its variables. The first one that is text and can be the
        name of a host is used, or else the id of the VM.
      - A name has letters, digits, V(_), V(.) and V(-). It is not V(localhost), V(all) or V(ungrouped).
      - If several VMs have the same name, C(-) and the id of its VM are appended to each of them, with a warning. The same applies to the
        name of a host that another inventory source has added with another C(ucloudstack_vm_id).
      - With O(strict), an expression that cannot be evaluated is an error.
    type: list
    elements: str
    default: [ucloudstack_name]
extends_documentation_fragment:
  - constructed
  - inventory_cache
requirements:
  - python >= 3.10
  - requests, in the Python that runs Ansible
notes:
  - With O(cache), a change of the connection, or of O(filters) that the API applies, is never answered from the cache.
  - Proxies are taken from the usual environment variables; C(~/.netrc) is not read; redirects are not followed.
seealso:
  - module: ucloudstack.cloud.vm_info
"""

EXAMPLES = r"""
# cloud.ucloudstack.yml: with the connection in the environment, and for all VMs, this line is enough
plugin: ucloudstack.cloud.inventory

# Keys from a vault
api_url: https://console.example.com/api
region: cn
public_key: "{{ (lookup('ansible.builtin.unvault', 'vault.yml') | from_yaml).public_key }}"
private_key: "{{ (lookup('ansible.builtin.unvault', 'vault.yml') | from_yaml).private_key }}"

# Running VMs of one VPC
filters:
  states: [Running]
  vpc_ids: [vpc-0001]

# In groups such as role_web, os_Linux and production
keyed_groups:
  - key: ucloudstack_tags.role
    prefix: role
  - key: ucloudstack_os_type
    prefix: os
groups:
  production: "'prod' in ucloudstack_project_name"

# Full names, and connections to public addresses
hostnames:
  - ucloudstack_tags.fqdn
  - ucloudstack_name ~ '.example.com'
compose:
  ansible_host: ucloudstack_public_ips | first
"""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError, AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible_collections.ucloudstack.cloud.plugins.module_utils import _module, _vms
from ansible_collections.ucloudstack.cloud.plugins.module_utils._errors import UCloudStackError
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils import _inventory

HINT = "The inventory plugin reads the environment, and no variables of hosts and groups."


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):  # type: ignore[misc]  # ansible-core has no types
    """Options and cache are ansible-core's; decisions are in ``_inventory``."""

    NAME = "ucloudstack.cloud.inventory"

    def verify_file(self, path: str) -> bool:
        return bool(super().verify_file(path)) and f".{Path(path).name}".endswith((".ucloudstack.yml", ".ucloudstack.yaml"))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        self.templar.available_variables = self._vars
        try:
            filters = _inventory.checked_filters(self._option("filters"))
            listed = self._listed(path, cache, _inventory.narrowed(filters))
            hosts = {each["ucloudstack_vm_id"]: _inventory.marked(each) for each in listed if _inventory.selects(filters, each)}
            wanted = {vm_id: [self._name(one, each) for one in self.get_option("hostnames")] for vm_id, each in hosts.items()}
            names = _inventory.host_names(wanted, self._hosts_of_others())
        except UCloudStackError as error:
            raise AnsibleParserError(str(error)) from None
        if filters and not hosts:
            self.display.warning(
                f"No VM matches the filters of {path}. Platforms before 2.x report no projects, those before 2026 no tags."
            )
        if appended := _inventory.appended(names):
            self.display.warning(f"Several VMs have the same name, so their ids were appended: {', '.join(appended)}")
        for vm_id in sorted(names, key=lambda each: names[each]):
            self._add(names[vm_id], hosts[vm_id])

    def _option(self, name: str) -> Any:
        return self.templar.template(self.get_option(name))

    def _listed(self, path: str, cache: bool, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The variables of all VMs, from the cache if it has the response to the same request."""
        options = {option: self._option(option) for option in _module.CONNECTION}
        connection = _inventory.checked("connection", _module.CONNECTION, options)
        request = json.dumps([{**connection, "private_key": ""}, asked], sort_keys=True)
        key = f"{self.get_cache_key(path)}_{hashlib.sha256(request.encode()).hexdigest()[:16]}"
        if cache and self.get_option("cache"):
            with suppress(KeyError):
                return list(self._cache[key])
        client = _module.connected(connection, HINT)
        listed = [_inventory.variables(vm) for vm in _vms.everything(client, _module.reading_deadline(client), asked)]
        if self.get_option("cache"):
            self._cache[key] = listed
        return listed

    def _name(self, expression: str, host: Mapping[str, Any]) -> Any:
        if expression in host:  # most are a variable alone; with 5,000 hosts, Jinja takes half of the time
            return host[expression]
        try:
            return self._compose(expression, host)
        except AnsibleError as error:
            if self.get_option("strict"):
                raise AnsibleParserError(f"hostnames: {expression}, of VM {host['ucloudstack_vm_id']}: {error}") from error
            return None

    def _hosts_of_others(self) -> dict[str, str]:
        known = {name: host.vars.get("ucloudstack_vm_id") for name, host in self.inventory.hosts.items()}
        return {name: vm_id for name, vm_id in known.items() if vm_id}

    def _add(self, name: str, host: dict[str, Any]) -> None:
        self.inventory.add_host(name)
        for variable, value in host.items():
            self.inventory.set_variable(name, variable, value)
        strict = self.get_option("strict")
        self._set_composite_vars(self.get_option("compose"), host, name, strict)
        self._add_host_to_composed_groups(self.get_option("groups"), {}, name, strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), {}, name, strict)
