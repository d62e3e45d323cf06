# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each host of a batch names, and which VM and disks that is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._inputs import as_list

Record = Mapping[str, Any]


def host_facts(hosts: Iterable[str] | str, hostvars: Mapping[str, Any], facts: str | Mapping[str, str]) -> dict[str, Any]:
    """``{host: value}`` of one variable, or ``{host: {name: value}}`` of several, given as ``{name: variable}``.

    A host, or a name, without a value is left out.
    """
    found: dict[str, Any] = {}
    for host in as_list(hosts if isinstance(hosts, str) else list(hosts)):
        known = hostvars.get(host, {})
        if not isinstance(facts, str):
            found[host] = {name: known[variable] for name, variable in facts.items() if variable in known}
        elif facts in known:
            found[host] = known[facts]
    return found


def failure(result: Record) -> str:
    """Why a registered task did not succeed, in one line; empty if it did, or was skipped."""
    if not (result.get("failed") or result.get("unreachable")):
        return ""
    items = [each for each in result.get("results") or [] if isinstance(each, Mapping) and each is not result and failure(each)]
    of_items = dict.fromkeys(failure(each) for each in items if "item" in each)
    return "; ".join(of_items) or _reason(result)


def different_mode(result: Record, check_mode: bool) -> str:
    """Why nothing can be done if the play sets ``check_mode``: the modules follow it, and the role would not know; empty if it does not.

    ``result``: the registered result of ``run_manifest``; ``check_mode``: the value of ``ansible_check_mode``.
    """
    same = result.get("check_mode", check_mode) == check_mode
    return "" if same else "check_mode is set on the play or the role, and ansible_check_mode does not show it: remove it, and use --check."


def run_once_fault(given: Mapping[str, Record]) -> str:
    """Why nothing is known of the hosts if one of them named the variables of all; empty if each named its own, with itself as ``host``."""
    alone = any(each.get("host", host) != host for host, each in given.items() if each)
    return "run_once is set on the role, or on an import of it: remove it, because each host has to take part." if alone else ""


def _reason(result: Record) -> str:
    """The message, or what a module that could not even start printed last: its message is only "MODULE FAILURE"."""
    msg = str(result.get("msg") or "")
    printed = [
        line.strip() for key in ("module_stderr", "module_stdout") for line in str(result.get(key) or "").splitlines() if line.strip()
    ]
    if printed and (not msg or msg.startswith("MODULE FAILURE")):
        return f"the module could not be run: {printed[-1]}"
    return msg or "no reason was given"


def host_disks(given: Mapping[str, Record], vms: Record, allow_detached: bool = False) -> dict[str, dict[str, Any]]:
    """VM and disks of each host, or why it has none that can be used.

    ``given``: ``{host: {host, vm_id, disk_ids, …}}``, as the host names itself and them; ``vms``: the registered result of the module ``vm_info``.
    A host of which nothing is given takes no part. Returns what was given, with ``vm_id``, ``power_state``, ``disk_ids``, ``external`` (disks
    that cannot be snapshotted) and ``msg``.
    ``allow_detached``: a disk that is not attached to the VM is left out instead of refused: a rollback may have left it so.
    """
    known = {vm["vm_id"]: vm for vm in vms.get("vms") or []}
    given = {host: _typed(each) for host, each in given.items() if each}
    hosts = {host: _host(each, known.get(each["vm_id"], {})) for host, each in given.items()}
    run_once = run_once_fault(given)
    claims = Counter(disk_id for each in hosts.values() for disk_id in each["disk_ids"])
    for host, each in hosts.items():
        each["msg"] = (
            given[host].get("msg")
            or run_once
            or _fault(given[host], known, failure(vms), allow_detached)
            or _shared(each["disk_ids"], claims)
        )
    return hosts


def _typed(given: Record) -> dict[str, Any]:
    return {**given, **(given.get("settings") or {}), "vm_id": given["vm_id"] or "", "disk_ids": as_list(given["disk_ids"])}


def _host(given: Record, vm: Record) -> dict[str, Any]:
    disk_ids = list(given["disk_ids"] or vm.get("disk_ids") or [])
    if given["vm_id"]:
        disk_ids = [each for each in disk_ids if each in vm.get("disk_ids", [])]
    external = [disk["disk_id"] for disk in vm.get("disks") or [] if disk.get("external")]
    return {**given, "power_state": vm.get("state") or "", "disk_ids": disk_ids, "external": external}


def _fault(given: Record, known: Mapping[str, Record], query: str, allow_detached: bool) -> str:
    vm_id, disk_ids = given["vm_id"], given["disk_ids"]
    if not vm_id and not disk_ids:
        return "set ucloudstack_vm_id for all disks of a VM, or ucloudstack_disk_ids for exactly those disks."
    if not vm_id:
        return ""
    if query:
        return query
    if vm_id not in known:
        return f"VM {vm_id} does not exist: check ucloudstack_vm_id and the region."
    detached = [each for each in disk_ids if each not in known[vm_id]["disk_ids"]]
    if detached and not allow_detached:
        return f"ucloudstack_disk_ids contains disks that are not attached to {vm_id}: {', '.join(detached)}."
    return ""


def _shared(disk_ids: Sequence[str], claims: Mapping[str, int]) -> str:
    shared = [each for each in disk_ids if claims[each] > 1]
    return f"another host of the play also has {', '.join(shared)}." if shared else ""
