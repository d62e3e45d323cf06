# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of each host of a batch before its maintenance starts: its variables, and where it is in the run."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.ucloudstack.cloud.plugins.module_utils._claims import UNFINISHED
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._claims import not_written
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._durations import invalid_durations, seconds
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._hosts import different_mode, failure, run_once_fault
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._inputs import as_list, validated
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._pruning import invalid_policy
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._runs import not_text, other_machine
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._task_files import missing_files

Record = Mapping[str, Any]
Batch = dict[str, Any]


def checked_input(given: Mapping[str, Record], playbook_dir: str) -> Batch:
    """What is wrong with the variables of each host, before anything is asked.

    ``given``: ``{host: {host, vm_id, disk_ids, run_id, prefix, manifest_dir, report_file, prune, files, variables}}``, empty for a host that takes no part.
    ``files``: the task files of the role, ``{patch, precheck, verify, report}``; ``variables``: ``{role: {variable: value}}`` of the inner
    roles, which would otherwise find an invalid one only when a host has to be rolled back.
    Returns ``hosts``, ``{host: what the next decisions take, and msg}``, and for the whole batch: the ``vm_ids`` to ask for, ``vm_of``,
    ``{host: vm_id}``, ``run``, ``{run_id, prefix, manifest_dir, report_file}``, ``tasks_for``, the phases for which any host has tasks, and ``prune``,
    whether any host is to be pruned.
    """
    given = {host: each for host, each in given.items() if each}
    hosts_of = Counter(each["vm_id"] for each in given.values() if each["vm_id"])
    of_all = ("prefix", "manifest_dir", "report_file")
    runs = [{"run_id": str(each["run_id"]), **{key: each[key] for key in of_all}} for each in given.values()]
    same = all(run == runs[0] for run in runs)
    run_once = run_once_fault(given)
    missing = {files: missing_files(playbook_dir, files) for files in {tuple(each["files"].values()) for each in given.values()}}
    hosts = {}
    for host, each in given.items():
        values, invalid = _variables(each)
        shared = hosts_of[each["vm_id"]] > 1
        hosts[host] = {
            **_settings(each, values),
            "msg": run_once
            or invalid
            or _invalid(each, values)
            or missing[tuple(each["files"].values())]
            or (f"another host of the play also has the VM {each['vm_id']}." if shared else "")
            or (
                ""
                if same
                else "run id, prefix, manifest directory and report file must be the same for all hosts: give them as text, not as a template."
            ),
        }
    return {
        "hosts": hosts,
        "vm_ids": [each["vm_id"] for each in hosts.values() if not each["msg"] and each["vm_id"]],
        "run": runs[0] if runs else {},
        "vm_of": {host: each["vm_id"] for host, each in hosts.items()},
        "tasks_for": sorted({phase for each in hosts.values() for phase in each["tasks_for"]}),
        "prune": any(each["prune"] for each in hosts.values()),
    }


def _variables(given: Record) -> tuple[dict[str, Any], str]:
    """All variables of the inner roles, typed, and what is wrong with them."""
    values: dict[str, Any] = {}
    invalid = []
    for role, variables in given["variables"].items():
        typed, why = validated(role, variables)
        values.update(typed)
        invalid.append(why)
    return values, " ".join(filter(None, invalid))


def _settings(given: Record, values: Record) -> dict[str, Any]:
    return {
        "vm_id": given["vm_id"] or "",
        "disk_ids": as_list(given["disk_ids"]),
        "run_id": str(given["run_id"]),
        "run_id_type": given["run_id_type"],
        "prefix": given["prefix"],
        "max_age": values["snapshot_create_max_age"],
        "limit": values["snapshot_create_limit"],
        "reserve": 2 if values["snapshot_rollback_backup"] else 1,
        "before_tasks": values["snapshot_create_before_tasks"],
        "after_tasks": values["snapshot_create_after_tasks"],
        "rollback": {option: values[f"snapshot_rollback_{option}"] for option in ("disk_ids", "backup", "again", "limit")},
        "prune": boolean(given["prune"]),
        "policy": _policy(given, values),
        "tasks_for": [phase for phase, file in given["files"].items() if file],
    }


def _policy(given: Record, values: Record) -> dict[str, Any]:
    return {"prefix": given["prefix"], **{key: values[f"snapshot_prune_{key}"] for key in ("keep_last", "older_than", "keep_run_ids")}}


def _invalid(given: Record, values: Record) -> str:
    durations = invalid_durations({"snapshot_create_max_age": values["snapshot_create_max_age"]})
    policy = invalid_policy(_policy(given, values)) if boolean(given["prune"]) else ""
    if durations or policy:
        return durations or policy
    wrong = not_text(given["run_id"], given["run_id_type"])
    if wrong:
        return wrong
    if not given["files"]["patch"]:
        return "guarded_maintenance_patch_tasks must name a task file."
    if not given["vm_id"] and as_list(given["disk_ids"]):
        return "set ucloudstack_vm_id: a host can only be rolled back if its VM can be stopped."
    return ""


def started(
    hosts: Mapping[str, Record],
    *,
    manifest: Record,
    abandon: str,
    check_mode: bool,
    outside: Iterable[str] = (),
    now: float | None = None,
) -> Batch:
    """Where each host is in the run when the play starts.

    ``hosts``: as ``host_disks`` returns them; ``manifest``: the registered result of ``run_manifest``, which searched for unfinished runs;
    ``outside``: hosts of the play that left it before, and have no record yet; ``now``: Unix seconds.
    ``good``: no host has a fault. Next: ``ask``, those hosts of ``outside`` that this run was patching, and ``abandoned``, what is new in
    the manifest of that run.
    """
    abandon, now = str(abandon), time.time() if now is None else now
    entries = (manifest.get("manifest") or {}).get("hosts") or {}
    unfinished = manifest.get("unfinished") or {}
    records = {}
    for host, each in hosts.items():
        others = [run for run in unfinished.get(host, []) if run != abandon]
        entry = entries.get(host) or {}
        fault = (
            each["msg"]
            or failure(manifest)
            or different_mode(manifest, check_mode)
            or other_machine(entry, each)
            or (_unfinished(others) if others else "")
        )
        entry = {} if fault else entry  # the variables of a host with a fault may be invalid
        records[host] = {**_record(each, entry, f"{each['prefix']}{each['run_id']}", now), "fault": fault}
    ask = [host for host in outside if (entries.get(host) or {}).get("state") in UNFINISHED]
    abandoned = {host: {"state": "failed"} for host in hosts if abandon and abandon in unfinished.get(host, [])}
    good = not any(each["fault"] for each in records.values())
    return {"hosts": records, "good": good, "entries": entries, "ask": ask, "abandoned": abandoned}


def _unfinished(runs: Sequence[str]) -> str:
    return (
        f"run {', '.join(runs)} is unfinished: resume it with guarded_maintenance_run_id={runs[0]}, or abandon it with "
        f"guarded_maintenance_abandon={runs[0]}."
    )


def _record(host: Record, entry: Record, name: str, now: float) -> dict[str, Any]:
    earlier, max_age = entry.get("state") or "", host["max_age"]
    state, msg = "", ""
    if earlier in UNFINISHED and any(_is_old(each, name, now, max_age) for each in entry.get("snapshots") or []):
        state, msg = "failed", f"its snapshots are older than {max_age}: roll it back with the playbook rollback, or abandon the run"
    elif earlier == "restoring":
        state, msg = "restoring", "its rollback was interrupted before"
    elif earlier == "restored":
        state, msg = "restored", "already restored in this run: patch it in a new run"
    elif earlier == "verified" and any(_is_old(each, name, now, max_age) for each in entry.get("snapshots") or []):
        state, msg = "failed", f"already verified in this run, whose snapshots are older than {max_age}: patch it in a new run"
    elif earlier == "verified":
        state = "verified"
    return {**host, "earlier": earlier, "state": state, "patched": earlier == "verified", "failed_task": "", "msg": msg}


def _is_old(snapshot: Record, name: str, now: float, max_age: Any) -> bool:
    return snapshot["name"] == name and (snapshot.get("create_time") or now) < now - seconds(max_age)


def with_unreachable(batch: Batch, asked: Record, abandoned: Record) -> Batch:
    """The batch without the hosts that have a fault, and with those that left the play and do not answer, though this run was patching them.

    ``asked``: the registered result of the loop of ``wait_for_connection`` over ``ask``; ``abandoned``: that of the task that wrote
    ``abandoned``. The first phase starts now. ``refused``: the hosts that have a fault.
    """
    refused = {host: each for host, each in batch["hosts"].items() if each["fault"]}
    hosts = {host: each for host, each in batch["hosts"].items() if not each["fault"]}
    for host, why in not_written(abandoned, batch["abandoned"], "guarded_maintenance_take_over").items():
        if host in hosts:
            hosts[host] = {**hosts[host], "state": "failed", "msg": why}
    for each in asked.get("results") or []:
        if each.get("failed") or each.get("unreachable"):
            entry = batch["entries"][each["item"]]
            hosts[each["item"]] = {
                **{key: entry.get(key) for key in ("vm_id", "disk_ids", "power_state")},
                "earlier": entry["state"],
                "state": "restoring",
                "patched": False,
                "failed_task": "",
                "fault": "",
                "msg": "unreachable, and its patch was started before",
            }
    return {**batch, "hosts": hosts, "refused": refused, "clock": time.time()}
