# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a maintenance run ends for each host of a batch: which snapshots it no longer needs, its report, and whether the host fails."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._maintenance import noted
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._runs import IN_MAINTENANCE

Record = Mapping[str, Any]
Batch = dict[str, Any]


def to_prune(batch: Batch, present: Collection[str], check_mode: bool) -> dict[str, Record]:
    """The hosts that no longer need their old snapshots; those that failed keep all of them. ``present``: the hosts still in the play."""
    good = [host for host, each in batch["hosts"].items() if (each["patched"] if check_mode else each["state"] == "verified")]
    return {host: batch["hosts"][host] for host in good if host in present and batch["hosts"][host]["prune"]}


def pruned(batch: Batch, results: Record) -> Batch:
    """What could not be pruned. ``results``: ``{hosts: {host: the value of snapshot_prune_result}, …}``."""
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
        "patched": record["patched"] and not check_mode,
        "verified": state == "verified",
        "restored": state == "restored",
        "failed_task": record["failed_task"],
        "msg": "; ".join(filter(None, (record["msg"], record.get("rolled_back")))),
        "seconds": seconds_passed,
    }


def verdicts(batch: Batch, *, reported: Mapping[str, Record], present: Collection[str], failures: Mapping[str, str]) -> Batch:
    """How the play ends for each host: ``{hosts: {host: {good, summary}}, good, missing, reporter}``.

    ``reported``: as :func:`reports` returns them; ``failures``: why a report task failed, ``{host: why}``, or empty; ``present``: the
    hosts that are still in the play. ``missing``: the others, which Ansible does not count as failed, so that ``reporter`` fails in their
    place: if possible, a host that failed anyway. ``good``: the summaries, if no host fails.
    """
    hosts = {}
    for host, report in reported.items():
        record = batch["hosts"][host]
        good = report["state"] in ("verified", "planned") and record["patched"] and not record["msg"]
        why = ": ".join(filter(None, (report["failed_task"], report["msg"] or failures.get(host))))
        hosts[host] = {"good": good, "summary": f"{host}: {report['state']}{': ' + why if why else ''}"}
    missing = [host for host in hosts if host not in present]
    candidates = sorted((host for host in hosts if host in present), key=lambda host: bool(hosts[host]["good"]))
    good = [each["summary"] for each in hosts.values()] if not missing and all(each["good"] for each in hosts.values()) else []
    return {"hosts": hosts, "good": good, "missing": missing, "reporter": candidates[0] if candidates and missing else ""}
