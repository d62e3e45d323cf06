# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the hosts of a batch are restored: what to ask, what to do next, and what came of it, for all of them at once.

A batch is ``{hosts: {host: {plan, result}}, …}``: next to ``hosts`` is what the next task takes. The hosts may have left the play.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._claims import refusals
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._hosts import different_mode, failure
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._inputs import as_list
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._rollback_plan import rollback_plan
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._runs import by_disk, not_text

Record = Mapping[str, Any]
Batch = dict[str, Any]

OFF = ("stopped", "powered_off", "unchanged")
RUNNING = ("started", "unchanged")
ROLLED_BACK = ("rolled_back", "joined", "already_done")
"""Outcomes of ``vm_power`` and ``snapshot_rollback`` for what is as it was requested."""


def restore_runs(hosts: Mapping[str, Record], manifest: Record) -> Batch:
    """What is known of the run of each host, from the manifest or else from the host itself.

    ``hosts``: ``{host: {vm_id, disk_ids}}``; ``manifest``: the registered result of ``run_manifest``.
    Returns ``runs``, ``{host: its entry}``, and the ``vm_ids`` and ``disk_ids`` to ask for.
    """
    entries = (manifest.get("manifest") or {}).get("hosts") or {}
    runs = {host: entries.get(host) or {key: each.get(key) for key in ("vm_id", "disk_ids")} for host, each in hosts.items()}
    vm_ids = (run.get("vm_id") for run in runs.values())
    disk_ids = (disk_id for run in runs.values() for disk_id in run.get("disk_ids") or [])
    return {
        "runs": runs,
        "msg": failure(manifest),
        **({"check_mode": manifest["check_mode"]} if "check_mode" in manifest else {}),
        "vm_ids": list(dict.fromkeys(filter(None, vm_ids))),
        "disk_ids": list(dict.fromkeys(disk_ids)),
    }


def restore_plan(hosts: Mapping[str, Record], known: Record, *, vms: Record, listed: Record, options: Record, check_mode: bool) -> Batch:
    """How each host is rolled back, or why it cannot be.

    ``known``: as :func:`restore_runs` returns it; ``vms``, ``listed``: the registered results of ``vm_info`` and ``snapshot_info``;
    ``options``: ``{run_id, run_id_type, prefix, disk_ids, backup, again, limit}``; a host has its own values of them as ``rollback`` in ``hosts``.
    Next: ``entries``, what is new in the manifest, ``execute``, whether there is anything to do, and ``stop``, the VMs to stop.
    """
    run_id = str(options["run_id"])
    cannot = (
        known["msg"]
        or different_mode(known, check_mode)
        or _different_runs(hosts, options)
        or not_text(run_id, options["run_id_type"])
        or failure(vms)
        or failure(listed)
    )
    records = {vm["vm_id"]: vm for vm in vms.get("vms") or []}
    disks = by_disk(listed.get("snapshots") or [])
    batch: Batch = {"hosts": {}}
    for host, run in known["runs"].items():
        plan = rollback_plan(
            [each for disk_id in run.get("disk_ids") or [] for each in disks.get(disk_id, [])],
            host=host,
            run_id=run_id,
            prefix=options["prefix"],
            run=run,
            own=hosts[host],
            vm=records.get(run.get("vm_id") or ""),
            **_options(hosts[host].get("rollback") or options),
        )
        plan = {**plan, "msg": cannot or plan["msg"]}
        batch["hosts"][host] = {"plan": plan, "skipped": False, "result": _planned(plan, run_id, check_mode)}
    todo = [] if check_mode else _todo(batch)
    batch["execute"] = bool(todo)
    batch["entries"] = _entries(todo, "restoring")
    batch["stop"] = _vm_ids(todo)
    return batch


def _different_runs(hosts: Mapping[str, Record], options: Record) -> str:
    own = [each.get("rollback") or {} for each in hosts.values()]
    same = all(str(each.get(key, options[key])) == str(options[key]) for each in own for key in ("run_id", "prefix"))
    return "" if same else "run id and prefix must be the same for all hosts"


def _options(options: Record) -> dict[str, Any]:
    """The options, typed: templates may have turned them into text."""
    flags = {name: boolean(options[name]) for name in ("backup", "again")}
    return {**flags, "disk_ids": as_list(options["disk_ids"]), "limit": int(options["limit"])}


def _planned(plan: Record, run_id: str, check_mode: bool) -> dict[str, Any]:
    msg = plan["msg"] or f"would be rolled back to {', '.join(plan['snapshot_ids'])}"
    if plan["already"]:
        msg = f"already restored to this run at {plan['already']}, and nothing was done: set snapshot_rollback_again=true to restore it again."
    return {
        "run_id": run_id,
        "complete": bool(plan["already"]) or (check_mode and not plan["msg"]),
        "already": bool(plan["already"]),
        "started": False,
        "marker": plan["marker"],
        "backup": plan["backup"],
        "results": [],
        "msg": msg,
    }


def after_marking(batch: Batch, written: Record, take_over: str = "snapshot_rollback_take_over") -> Batch:
    """Next: ``stop``, without the hosts that another process works on. A manifest that cannot be written is no reason not to restore a host.

    ``written``: the registered result of the task that wrote ``entries``; ``take_over``: the option of the role.
    """
    for host, why in refusals(written, take_over).items():
        each = batch["hosts"][host]
        each["plan"]["msg"] = each["result"]["msg"] = why
    return {**batch, "stop": _vm_ids(_todo(batch))}


def after_stop(batch: Batch, answers: Sequence[Record], force_off: bool) -> Batch:
    """Next: ``power_off``, the VMs that did not stop, and of which no data is lost if they are powered off by force."""
    off = _with_outcome(answers, OFF)
    hanging = [each for each in _todo(batch) if each["plan"]["whole_vm"] and each["plan"]["vm_id"] not in off]
    return {**batch, "power_off": _vm_ids(hanging) if force_off else []}


def after_power_off(batch: Batch, answers: Sequence[Record]) -> Batch:
    """Next: ``rollbacks``, of the hosts whose VM is off. ``answers``: of the tasks that stopped VMs, and powered them off."""
    off = {"", *_with_outcome(answers, OFF)}
    messages = {each["vm_id"]: each["msg"] for answer in answers for each in answer.get("results") or []}
    for each in _todo(batch):
        vm_id = each["plan"]["vm_id"]
        if vm_id not in off:
            why = messages.get(vm_id) or failure(answers[0])
            each["result"]["msg"] = f"VM {vm_id} is not off, and nothing was rolled back: {why}"
    return {**batch, "rollbacks": _rollbacks(each for each in _todo(batch) if each["plan"]["vm_id"] in off)}


def after_rollback(batch: Batch, answer: Record) -> Batch:
    """Next: ``rollbacks``, of the hosts that were skipped only because another failed, and ``start``, the VMs to start.

    ``answer``: the registered result of the loop over ``rollbacks``.
    """
    answers = [each for each in answer.get("results") or [] if isinstance(each, Mapping)]
    tried = {disk_id for each in batch["rollbacks"] for disk_id in each["disk_ids"]}
    done = [each for each in _todo(batch) if set(each["plan"]["disk_ids"]) & tried]
    items = by_disk([item for each in answers for item in each.get("results") or []])
    names = {(item["disk_id"], item["name"]) for each in answers for item in each.get("snapshots") or []}
    for each in done:
        results = [item for disk_id in each["plan"]["disk_ids"] for item in items.get(disk_id, [])]
        good = [item for item in results if item["outcome"] in ROLLED_BACK]
        skipped = [item for item in results if item["outcome"] == "skipped"]
        complete = len(good) == len(each["plan"]["disk_ids"]) and not _unmarked(good, names, each["plan"]["marker"])
        reasons = dict.fromkeys(item["msg"] for item in results if item["outcome"] not in ROLLED_BACK)
        why = "; ".join(reasons or dict.fromkeys(filter(None, map(failure, answers))))
        msg = f"rolled back to {', '.join(each['plan']['snapshot_ids'])}" if complete else f"its VM stays off: {why}"
        each["skipped"] = bool(skipped) and len(skipped) + len(good) == len(results)
        each["result"].update(complete=complete, results=results, msg=msg)
    back = [each for each in _todo(batch) if each["result"]["complete"] and each["plan"]["was_on"]]
    return {**batch, "rollbacks": _rollbacks(each for each in done if each["skipped"]), "start": _vm_ids(back)}


def _unmarked(good: Iterable[Record], names: Collection[tuple[str, str]], marker: str) -> list[str]:
    """The disks that were rolled back now, and have no marker. ``names``: disk and name of each snapshot that exists."""
    return [each["disk_id"] for each in good if each["outcome"] != "already_done" and (each["disk_id"], marker) not in names]


def after_start(batch: Batch, answer: Record) -> Batch:
    """Next: ``entries``, what is new in the manifest of the hosts that are restored."""
    running = _with_outcome([answer], RUNNING)
    messages = {each["vm_id"]: each["msg"] for each in answer.get("results") or []}
    for each in _todo(batch):
        vm_id = each["plan"]["vm_id"]
        if vm_id not in batch["start"] or not each["result"]["complete"]:
            continue
        if vm_id in running:
            each["result"]["started"] = True
        else:
            why = messages.get(vm_id) or failure(answer)
            each["result"].update(complete=False, msg=f"its disks are rolled back, but VM {vm_id} does not start: {why}")
    return {**batch, "entries": _entries((each for each in batch["hosts"].values() if each["result"]["complete"]), "restored")}


def _todo(batch: Batch) -> list[dict[str, Any]]:
    """The hosts that can be rolled back, and were not before."""
    return [each for each in batch["hosts"].values() if not each["plan"]["msg"] and not each["plan"]["already"]]


def _with_outcome(answers: Iterable[Record], outcomes: Sequence[str]) -> set[str]:
    return {each["vm_id"] for answer in answers for each in answer.get("results") or [] if each["outcome"] in outcomes}


def _vm_ids(hosts: Iterable[Record]) -> list[str]:
    return list(dict.fromkeys(each["plan"]["vm_id"] for each in hosts if each["plan"]["vm_id"]))


def _entries(hosts: Iterable[Record], state: str) -> dict[str, Record]:
    return {each["plan"]["host"]: {**each["plan"]["entry"], "state": state} for each in hosts}


def _rollbacks(hosts: Iterable[Record]) -> list[dict[str, Any]]:
    """The arguments of ``snapshot_rollback``, one set for each marker: hosts that were rolled back before have another one."""
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    for each in hosts:
        plan = each["plan"]
        names = (plan["marker"], plan["backup"])
        group = groups.setdefault(names, {"marker": names[0], "backup": names[1], "snapshot_ids": [], "disk_ids": [], "attach_to": {}})
        group["snapshot_ids"] += plan["snapshot_ids"]
        group["disk_ids"] += plan["disk_ids"]
        group["attach_to"].update(plan["attach_to"])
    return list(groups.values())
