# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What protects each host of a batch: which snapshots are to be created, and what came of them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._claims import not_written
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._durations import invalid_durations, seconds
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._hosts import different_mode, failure
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._runs import (
    IN_MAINTENANCE,
    LONGEST_RUN_NAME,
    by_disk,
    is_ours,
    manual,
    not_text,
    other_machine,
    run_remark,
)
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._task_files import missing_files

Record = Mapping[str, Any]
Batch = dict[str, Any]

CLOCK_TOLERANCE = 300
"""Seconds by which the clocks of the controller and of the platform may differ."""
PROTECTED = ("created", "adopted", "present")
"""The outcomes of ``snapshot`` for a disk that has its snapshot."""


def snapshot_plan(
    hosts: Mapping[str, Record], *, manifest: Record, listed: Record, playbook_dir: str, check_mode: bool, now: float | None = None
) -> Batch:
    """Which snapshots each host gets, or why it cannot be snapshotted. Writes nothing.

    ``hosts``: as ``host_disks`` returns them, with ``run_id``, ``prefix``, ``max_age``, ``limit``, ``reserve``, ``before_tasks`` and ``after_tasks``;
    ``manifest``, ``listed``: the registered results of ``run_manifest`` and ``snapshot_info``; ``now``: Unix seconds.
    Returns ``hosts``, ``{host: {msg, name, remark, …}}``, and what the next tasks take: ``run_id``, ``prefix``, ``name``, ``disk_ids``,
    ``remarks``, ``entries``, what is new in the manifest, and ``before`` and ``after``, whether the user has tasks.
    """
    entries = (manifest.get("manifest") or {}).get("hosts") or {}
    hosts = {host: {**each, "run_id": str(each["run_id"])} for host, each in hosts.items()}
    names = {f"{each['prefix']}{each['run_id']}" for each in hosts.values()}
    disks, now = by_disk(manual(listed.get("snapshots") or [])), time.time() if now is None else now
    owners: dict[str, set[str]] = {}
    for other, entry in entries.items():
        for disk_id in entry.get("disk_ids") or []:
            owners.setdefault(disk_id, set()).add(other)
    pairs = {(each["before_tasks"], each["after_tasks"]) for each in hosts.values()}
    missing = {files: missing_files(playbook_dir, files) for files in pairs}
    planned = {}
    for host, each in hosts.items():
        run = _Run(each, entries.get(host) or {}, disks, now)
        planned[host] = {
            **each,
            "name": run.name,
            "remark": run.remark,
            "in_maintenance": run.in_maintenance,
            "msg": each["msg"]
            or ("run id and prefix must be the same for all hosts." if len(names) > 1 else "")
            or missing[each["before_tasks"], each["after_tasks"]]
            or _invalid(each)
            or failure(manifest)
            or different_mode(manifest, check_mode)
            or failure(listed)
            or other_machine(run.entry, each)
            or next(run.faults([disk_id for disk_id in each["disk_ids"] if owners.get(disk_id, set()) - {host}]), ""),
        }
    return _with_requests({host: _with_duties(each) for host, each in planned.items()})


def without_unwritten(plan: Batch, answer: Record, take_over: str) -> Batch:
    """The plan, without the hosts whose entries could not be written. ``answer``: the registered result; ``take_over``: the option."""
    why = not_written(answer, plan["entries"], take_over)
    hosts = {host: {**each, "msg": each["msg"] or why.get(host, "")} for host, each in plan["hosts"].items()}
    return _with_requests({host: _with_duties(each) for host, each in hosts.items()})


def only_ready(plan: Batch, facts: Mapping[str, Record]) -> Batch:
    """The plan, without the hosts whose before tasks did not end well. ``facts``: ``{host: {ready, failure}}``."""
    hosts = {}
    for host, each in plan["hosts"].items():
        fact = facts.get(host) or {}
        why = "" if fact.get("ready") else fact.get("failure") or "became unreachable, or left the play, before it was snapshotted"
        hosts[host] = {**each, "msg": each["msg"] or why}
    return _with_requests(hosts)


def _with_duties(host: Record) -> dict[str, Any]:
    """``recorded``: whether its result belongs in the manifest; ``user_tasks``: whether the user's tasks may run there.

    They may not, for example, if another process works on the host.
    """
    return {**host, "recorded": not host["msg"] and not host["in_maintenance"], "user_tasks": not host["msg"]}


def _with_requests(hosts: Mapping[str, Record]) -> Batch:
    good = {host: each for host, each in hosts.items() if not each["msg"]}
    first: Record = next(iter([*good.values(), *hosts.values()]), {"run_id": "", "prefix": "", "name": ""})
    return {
        "hosts": dict(hosts),
        "run_id": first["run_id"],
        "prefix": first["prefix"],
        "name": first["name"],
        "disk_ids": [disk_id for each in good.values() for disk_id in each["disk_ids"]],
        "remarks": {disk_id: each["remark"] for each in good.values() for disk_id in each["disk_ids"]},
        "entries": {host: {} if each["in_maintenance"] else _planned(each) for host, each in good.items()},  # empty: only claimed
        "before": any(each["before_tasks"] for each in good.values()),
        "after": any(each["after_tasks"] for each in hosts.values()),
    }


def _planned(host: Record) -> dict[str, Any]:
    return {"state": "planned", **{key: host[key] for key in ("vm_id", "power_state", "disk_ids")}}


def _invalid(host: Record) -> str:
    """What of the host's variables cannot be used."""
    wrong = not_text(host["run_id"], host["run_id_type"])
    if wrong:
        return wrong
    durations = invalid_durations({"snapshot_create_max_age": host["max_age"]})
    if durations:
        return durations
    name = f"{host['prefix']}{host['run_id']}"
    if not host["prefix"] or len(name) > LONGEST_RUN_NAME:
        return f"invalid snapshot name {name}: a prefix is required, and at most {LONGEST_RUN_NAME} characters are allowed."
    return ""


class _Run:
    """One host in the run: its entry in the manifest, and the snapshots of its disks."""

    def __init__(self, host: Record, entry: Record, disks: Mapping[str, list[Record]], now: float) -> None:
        self.host, self.entry, self.now = host, entry, now
        self.name = f"{host['prefix']}{host['run_id']}"
        self.remark = run_remark(host["run_id"], host["vm_id"], len(host["disk_ids"]))
        self.in_maintenance = entry.get("state") in IN_MAINTENANCE
        self.of_disks = {disk_id: disks.get(disk_id, []) for disk_id in host["disk_ids"]}
        self.existing = [each for found in self.of_disks.values() for each in found if each["name"] == self.name]
        self.missing = [disk_id for disk_id in self.of_disks if disk_id not in {each["disk_id"] for each in self.existing}]

    def faults(self, elsewhere: Sequence[str]) -> Iterator[str]:
        """Why the host cannot be snapshotted in this run; ``elsewhere``: disks that another host has in the manifest."""
        disk_ids = self.host["disk_ids"]
        oldest = self.now - seconds(self.host["max_age"])
        ahead = max((each["create_time"] or 0 for each in self.existing), default=0) - self.now
        if ahead > CLOCK_TOLERANCE:
            yield (
                f"{self.name} was created {ahead:.0f} s in the future of this controller's clock, so its age is not known: "
                "set the clock, or choose another run id."
            )
        stale = [each["created_at"] or "an unknown time" for each in self.existing if (each["create_time"] or 0) < oldest]
        if stale:
            advice = "Choose another run id."
            if self.in_maintenance:
                advice = "Its maintenance has started: roll it back with the playbook rollback, or abandon the run."
            yield f"{self.name} was created at {', '.join(stale)}, more than {self.host['max_age']} ago, and no longer protects the host. {advice}"
        unrelated = [each["snapshot_id"] for each in self.existing if each["remark"] != self.remark]
        if unrelated:
            yield f"{', '.join(unrelated)}, named {self.name}, was not created for this run and these disks: choose another run id."
        external = [each for each in self.host["external"] if each in disk_ids]
        if external:
            yield f"{', '.join(external)} is external storage, which the platform cannot snapshot: set ucloudstack_disk_ids to the other disks."
        if elsewhere:
            yield f"another host of the run also has {', '.join(elsewhere)}."
        if self.in_maintenance and self.missing:
            yield (
                f"its maintenance has started, but the snapshot {self.name} of {', '.join(self.missing)} is missing: choose another run id."
            )
        full = [line for line in map(self._over_limit, disk_ids) if line]
        if full:
            yield " ".join(full)

    def _over_limit(self, disk_id: str) -> str:
        found, limit = self.of_disks[disk_id], int(self.host["limit"])
        needed = int(self.host["reserve"]) + (disk_id in self.missing)
        if not limit or len(found) + needed <= limit:
            return ""
        return (
            f"{disk_id} has {len(found)} snapshots, the limit is {limit}, and {needed} more {'are' if needed > 1 else 'is'} needed; "
            f"{sum(map(is_ours, found))} of them, created by this collection, can be pruned."
        )


def snapshot_results(plan: Batch, *, answer: Record, failures: Mapping[str, str], check_mode: bool) -> Batch:
    """What came of the snapshots of each host.

    ``answer``: the registered result of the task that created them; ``failures``: why a task of the user failed before or after it,
    ``{host: why}``, or empty.
    Returns ``results``, ``{host: the value of snapshot_create_result}``, ``summaries``, a line for each host, ``good``, all lines if all
    hosts are protected, and what the next tasks take: ``discard``, the ids of the snapshots of unprotected hosts, and ``entries``, what is
    new in the manifest.
    """
    results, discard, entries = {}, [], {}
    items, snapshots = by_disk(answer.get("results") or []), by_disk(answer.get("snapshots") or [])
    for host, each in plan["hosts"].items():
        result = results[host] = _result(each, items, snapshots, failure(answer))
        created = [item["snapshot_id"] for item in result["results"] if item["outcome"] == "created" and item["snapshot_id"]]
        if failures.get(host):
            result.update(complete=False, msg=failures[host])
        if each["msg"]:
            result.update(complete=False, msg=each["msg"])
        if each["recorded"]:
            entries[host] = {"state": "snapshotted" if result["complete"] else "failed", "snapshots": result["snapshots"]}
        if failures.get(host) or "failed" in {item["outcome"] for item in result["results"]}:
            discard += created
    return {**_summarized(results, plan["hosts"], check_mode), "discard": discard, "entries": entries}


def _result(host: Record, items: Mapping[str, list[Record]], records: Mapping[str, list[Record]], why: str) -> dict[str, Any]:
    results = [each for disk_id in host["disk_ids"] for each in items.get(disk_id, [])]
    snapshots = [each for disk_id in host["disk_ids"] for each in records.get(disk_id, [])]
    good = [each for each in results if each["outcome"] in PROTECTED]
    times = [each["create_time"] for each in snapshots if each["create_time"] is not None]
    reasons = dict.fromkeys(each["msg"] for each in results if each["outcome"] not in PROTECTED)
    return {
        "run_id": host["run_id"],
        "name": host["name"],
        "complete": len(good) == len(host["disk_ids"]) > 0,
        "results": results,
        "snapshots": snapshots,
        "seconds": max(times, default=0) - min(times, default=0),
        "msg": "; ".join(reasons) or why,
    }


def not_carried_out(results: Batch, *, plan: Batch, removed: Record, written: Record, check_mode: bool) -> Batch:
    """The results, if what follows from them could not be done.

    ``removed``, ``written``: the registered results of the tasks that deleted ``discard``, and wrote ``entries``.
    """
    for host, each in results["results"].items():
        if failure(removed) and any(item["snapshot_id"] in results["discard"] for item in each["results"]):
            each["msg"] = f"{each['msg']} Its snapshots could not be deleted: {failure(removed)}"
        if failure(written) and host in results["entries"]:
            each.update(complete=False, msg="; ".join(filter(None, (each["msg"], failure(written)))))
    return {**results, **_summarized(results["results"], plan["hosts"], check_mode)}


def _summarized(results: Mapping[str, Record], planned: Mapping[str, Record], check_mode: bool) -> Batch:
    lines = {host: _summary(host, each, planned[host], check_mode) for host, each in results.items()}
    good = all(each["complete"] for each in results.values())
    return {"results": results, "summaries": lines, "good": list(lines.values()) if good else []}


def _summary(host: str, result: Record, plan: Record, check_mode: bool) -> str:
    if result["complete"]:
        return f"{host}: {result['name']} {'would contain' if check_mode else 'contains'} {', '.join(plan['disk_ids'])}."
    return f"{host}: {plan['msg']}" if plan["msg"] and not plan["recorded"] else f"{host} is not protected: {result['msg']}"
