# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a maintenance run ends for each host of a batch: which snapshots it no longer needs, its report, and whether the host fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._maintenance import noted, timed
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._runs import IN_MAINTENANCE

Record = Mapping[str, Any]
Batch = dict[str, Any]

BY_URGENCY = ("failed", "unknown", "restored", "planned", "verified")
"""The states of a report, in the order in which a person wants to read them."""


def to_prune(batch: Batch, present: Collection[str], check_mode: bool) -> dict[str, Record]:
    """The hosts that no longer need their old snapshots; those that failed keep all of them. ``present``: the hosts still in the play."""
    good = [host for host, each in batch["hosts"].items() if (each["patched"] if check_mode else each["state"] == "verified")]
    return {host: batch["hosts"][host] for host in good if host in present and batch["hosts"][host]["prune"]}


def pruned(batch: Batch, results: Record) -> Batch:
    """What could not be pruned. ``results``: ``{hosts: {host: the value of snapshot_prune_result}, …}``."""
    batch = timed(batch, "prune", results["hosts"])
    for host, each in results["hosts"].items():
        batch = noted(batch, [host], f"old snapshots could not be deleted: {each['msg']}" if each["msg"] else "")
    return batch


def reports(batch: Batch, *, run_id: str, seconds_passed: int, check_mode: bool) -> dict[str, dict[str, Any]]:
    """``{host: the value of guarded_maintenance_report}``."""
    return {host: _report(each, run_id, seconds_passed, check_mode) for host, each in batch["hosts"].items()}


def _report(record: Record, run_id: str, seconds_passed: int, check_mode: bool) -> dict[str, Any]:
    state = record["state"]
    if state == "patching":  # neither verified nor failed
        state = "planned" if check_mode and record["patched"] else "unknown"
    elif state == "restoring":  # check mode rolls nothing back
        state = "failed"
    return {
        "run_id": run_id,
        "state": state,
        "snapshotted": bool(record.get("snapshotted")) or record["earlier"] in IN_MAINTENANCE,
        "snapshot_ids": record.get("snapshot_ids", []),
        "patched": record["patched"] and not check_mode,
        "verified": state == "verified",
        "restored": state == "restored",
        "failed_task": record["failed_task"],
        "msg": "; ".join(filter(None, (record["msg"], record.get("rolled_back")))),
        "seconds": seconds_passed,
        "phases": record.get("phases", []),
    }


def verdicts(batch: Batch, *, reported: Mapping[str, Record], present: Collection[str], failures: Mapping[str, str]) -> Batch:
    """How the play ends for each host: ``{hosts: {host: {good, summary, advice}}, all_good, missing, reporter, overview}``.

    ``reported``: as :func:`reports` returns them; ``failures``: why a report task failed, ``{host: why}``, or empty; ``present``: the
    hosts that are still in the play. ``missing``: the others, with their states; Ansible does not count them as failed, so that ``reporter``
    fails in their place: if possible, a host that failed anyway. ``advice``: what to do next about the host, or empty. ``all_good``: no
    host fails. ``overview``: lines for the person who reads the output in the morning, the hosts that need attention first.
    ``refused``: reports and verdicts of the hosts that the preflight refused.
    """
    hosts = {host: _verdict(host, batch["hosts"][host], report, failures.get(host) or "") for host, report in reported.items()}
    missing = [host for host in hosts if host not in present]
    refused = _refused(batch, reported)
    candidates = sorted((host for host in hosts if host in present), key=lambda host: bool(hosts[host]["good"]))
    return {
        "hosts": hosts,
        "all_good": not missing and all(each["good"] for each in hosts.values()),
        "missing": [f"{host} ({reported[host]['state']})" for host in missing],
        "reporter": candidates[0] if candidates and missing else "",
        "overview": _overview({**reported, **refused}, {**hosts, **refused}, missing),
        "refused": refused,
    }


def _verdict(host: str, record: Record, report: Record, report_failure: str = "") -> dict[str, Any]:
    good = report["state"] in ("verified", "planned") and record["patched"] and not record["msg"]
    why = ": ".join(filter(None, (report["failed_task"], report["msg"] or report_failure)))
    return {"good": good, "summary": f"{host}: {report['state']}{': ' + why if why else ''}", "advice": _advice(host, record, report)}


def _refused(batch: Batch, reported: Mapping[str, Record]) -> dict[str, dict[str, Any]]:
    """Report and verdict of each host that the preflight refused: it failed at once, and has no report of its own."""
    run = next(iter(reported.values()))
    found = {}
    for host, each in batch["refused"].items():
        record = {"state": "failed", "earlier": "", "patched": False, "failed_task": "", "msg": each["fault"]}
        report = _report(record, run["run_id"], run["seconds"], check_mode=False)
        found[host] = {**report, **_verdict(host, record, report)}
    return found


def to_report(batch: Batch, *, reported: Mapping[str, Record], verdicts: Batch) -> dict[str, dict[str, Any]]:
    """What the role snapshot_report takes: ``{host: {disk_ids, policy, msg, run}}``, ``run`` being the host's report and verdict.

    ``reported`` and ``verdicts``: as :func:`reports` and :func:`verdicts` return them. Of a host that left the play before
    the run, or was refused, only the prefix is known, which is the same for all.
    """
    prefix = next((each["prefix"] for each in batch["hosts"].values() if "prefix" in each), "")
    records = {**{host: {"disk_ids": each["disk_ids"]} for host, each in batch["refused"].items()}, **batch["hosts"]}
    runs = {**{host: {**report, **verdicts["hosts"][host]} for host, report in reported.items()}, **verdicts["refused"]}
    return {
        host: {
            "disk_ids": records[host]["disk_ids"] or [],
            "policy": records[host].get("policy") or {"prefix": prefix},
            "msg": "",
            "run": run,
        }
        for host, run in runs.items()
    }


def _overview(reported: Mapping[str, Record], hosts: Mapping[str, Record], missing: Collection[str]) -> list[str]:
    """A line for the batch, and one for each host."""
    counts = Counter(each["state"] for each in reported.values())
    states = sorted(counts, key=urgency)
    any_report = next(iter(reported.values()))
    many = f"{len(reported)} host{'s' if len(reported) > 1 else ''}"
    head = f"Run {any_report['run_id']}, {many} in {any_report['seconds']} s"
    lines = [f"{head}: {', '.join(f'{counts[state]} {state}' for state in states)}"]
    for host, report in sorted(reported.items(), key=lambda item: urgency(item[1]["state"])):
        snapshots = f"snapshots: {', '.join(report['snapshot_ids'])}" if report["snapshot_ids"] else ""
        left = "it has left the play" if host in missing else ""
        lines.append("; ".join(filter(None, (hosts[host]["summary"], left, snapshots, hosts[host]["advice"]))))
    return lines


def urgency(state: str) -> int:
    """The place of a state of a report in the order in which a person wants to read them."""
    return BY_URGENCY.index(state) if state in BY_URGENCY else 0


def _advice(host: str, record: Record, report: Record) -> str:
    """What to do next about the host; empty if it is nothing, or if check mode has only looked."""
    if report["state"] == "restored":
        return "its disks are as before the patch: correct the patch, and patch it in a run with another id"
    if report["state"] == "failed" and record.get("rolled_back"):
        return f"roll it back: ansible-playbook ucloudstack.cloud.rollback -e target={host} -e snapshot_rollback_run_id={report['run_id']}"
    if report["state"] == "failed" and record["state"] == "failed":
        return "it was not patched: correct the cause, and run the play again with the same run id"
    if report["state"] == "unknown" or (report["state"] == "verified" and not record["patched"]):
        return "run the play again with the same run id"
    return ""
