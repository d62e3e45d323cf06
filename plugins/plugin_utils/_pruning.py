# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which snapshots of the hosts of a batch have expired, and what came of their deletion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.ucloudstack.cloud.plugins.module_utils._manifest import SUFFIX
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._durations import invalid_durations
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._expiry import expired_snapshots
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._hosts import failure
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._inputs import as_list
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._runs import OURS, by_disk

Record = Mapping[str, Any]
Batch = dict[str, Any]

DELETED = ("deleted", "absent")


def invalid_policy(policy: Record) -> str:
    """Why nothing can be pruned by this policy, ``{prefix, keep_last, older_than, keep_run_ids}``; empty if it is valid."""
    age = policy["older_than"] if str(policy["older_than"] or "") else None
    if not policy["prefix"] or (int(policy["keep_last"]) <= 0 and age is None):
        return "set snapshot_prune_keep_last or snapshot_prune_older_than, or both, and a snapshot_prune_prefix that is not empty."
    return "" if age is None else invalid_durations({"snapshot_prune_older_than": age})


def prune_plan(hosts: Mapping[str, Record], listed: Record, now: float | None = None) -> Batch:
    """``expired``, ``{host: the records that the policy deletes}``, ``snapshot_ids`` of all of them, and ``msg``, ``{host: why not}``.

    ``hosts``: ``{host: {disk_ids, policy, msg}}``; ``listed``: the registered result of ``snapshot_info``. The newest run of a disk is never deleted.
    """
    disks = by_disk(listed.get("snapshots") or [])
    expired, msg = {}, {}
    for host, each in hosts.items():
        policy = each["policy"]
        kept = {f"{policy['prefix']}{run_id}" for run_id in as_list(policy["keep_run_ids"])}
        msg[host] = each.get("msg") or invalid_policy(policy) or failure(listed)
        records = [] if msg[host] else [record for disk_id in each["disk_ids"] for record in disks.get(disk_id, [])]
        expired[host] = [record for record in _expired(records, policy, now) if not {record["name"], SUFFIX.sub("", record["name"])} & kept]
    return {"expired": expired, "snapshot_ids": [each["snapshot_id"] for found in expired.values() for each in found], "msg": msg}


def _expired(records: Sequence[Record], policy: Record, now: float | None) -> list[Record]:
    if not records:
        return []
    return expired_snapshots(
        records,
        name_prefix=policy["prefix"],
        remark_prefix=OURS,
        older_than=policy["older_than"] or None,
        keep_last=max(1, int(policy["keep_last"])),
        now=now,
    )


def prune_results(plan: Batch, answer: Record) -> Batch:
    """``hosts``, ``{host: the value of snapshot_prune_result}``, ``summaries``, a line for each host, and ``good``, all lines if all went well.

    ``answer``: the registered result of the task that deleted.
    """
    by_id = {each.get("snapshot_id"): each for each in answer.get("results") or []}
    results = {}
    for host, expired in plan["expired"].items():
        ids = [each["snapshot_id"] for each in expired]
        items = [by_id[snapshot_id] for snapshot_id in ids if snapshot_id in by_id]
        reasons = dict.fromkeys(each["msg"] for each in items if each["outcome"] not in DELETED)
        missing = failure(answer) if len(items) < len(ids) else ""
        results[host] = {"expired": expired, "results": items, "msg": plan["msg"][host] or "; ".join(reasons) or missing}
    lines = {host: f"{host}: {len(each['expired'])} snapshots had expired." for host, each in results.items()}
    return {"hosts": results, "summaries": lines, "good": [] if any(each["msg"] for each in results.values()) else list(lines.values())}
