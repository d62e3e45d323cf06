# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each phase of a maintenance run came to for each host of a batch.

A batch is ``{hosts: {host: record}, …}``: next to ``hosts`` is what the next task takes. A record has one ``state``, in the words of the
manifest, or empty before the host is snapshotted; ``earlier``, the state in the manifest when the play started; ``patched``,
``failed_task`` and ``msg``; and ``phases``, what it took part in, see :func:`timed`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._claims import not_written
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._hosts import failure
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._runs import by_disk, manual

Record = Mapping[str, Any]
Batch = dict[str, Any]

INTERRUPTED = "interrupted by a failed task of another host"
SILENT = "its tasks ended without a result"
NOT_LOADED = "a file or role of its tasks could not be loaded: see the error above"


def in_state(batch: Batch, *states: str) -> list[str]:
    """The hosts of the batch that are in one of these states."""
    return [host for host, each in batch["hosts"].items() if each["state"] in states]


def noted(batch: Batch, hosts: Iterable[str], msg: str) -> Batch:
    """The batch, with a message added to the records of these hosts."""
    records = dict(batch["hosts"])
    for host in hosts if msg else ():
        records[host] = {**records[host], "msg": "; ".join(filter(None, (records[host]["msg"], msg)))}
    return {**batch, "hosts": records}


def timed(batch: Batch, phase: str, hosts: Iterable[str], now: float | None = None) -> Batch:
    """The batch after a phase, with ``{name, start, seconds}`` of it in the ``phases`` of these hosts; ``start`` in Unix seconds.

    A phase starts when the one before ended. ``clock`` of the batch is when the last one ended.
    """
    end = time.time() if now is None else now
    start = batch.get("clock", end)
    phase_of_all = {"name": phase, "start": round(start, 1), "seconds": round(end - start, 1)}
    records = dict(batch["hosts"])
    for host in hosts:
        records[host] = {**records[host], "phases": [*records[host].get("phases", []), phase_of_all]}
    return {**batch, "hosts": records, "clock": end}


def to_snapshot(batch: Batch, facts: Mapping[str, Record]) -> Batch:
    """Next: ``to_snapshot``, the hosts whose prechecks passed.

    ``facts``: ``{host: {reached, task, result}}``, as in :func:`classified`. A host whose patch was started before is not prechecked again.
    """
    prechecked = [
        host
        for host in in_state(batch, "")
        if "precheck" in batch["hosts"][host]["tasks_for"] and batch["hosts"][host]["earlier"] != "patching"
    ]
    batch = timed(batch, "precheck", prechecked)
    hosts = dict(batch["hosts"])
    for host in prechecked:
        fact = facts.get(host) or {}
        if fact.get("reached") != "prechecked":
            result = fact.get("result")
            msg = failure({**result, "failed": True}) if result else "became unreachable, or left the play, before it was snapshotted"
            hosts[host] = {**hosts[host], "state": "failed", "failed_task": (fact.get("task") or {}).get("name") or "", "msg": msg}
    return {**batch, "hosts": hosts, "to_snapshot": {host: each for host, each in hosts.items() if each["state"] == ""}}


def protected(batch: Batch, results: Mapping[str, Record], listed: Record, check_mode: bool) -> Batch:
    """Next: ``patching``, what is new in the manifest before the patch.

    ``results``: ``{host: the value of snapshot_create_result}``; ``listed``: the registered result of ``snapshot_info``.
    """
    batch = timed(batch, "snapshot", batch["to_snapshot"])
    hosts, disks = dict(batch["hosts"]), by_disk(manual(listed.get("snapshots") or []))
    for host in batch["to_snapshot"]:
        result = results[host]
        restored_at = _restored_at([each for disk_id in hosts[host]["disk_ids"] for each in disks.get(disk_id, [])], result["name"])
        msg = "" if result["complete"] else result["msg"]
        if restored_at and not msg:
            msg = f"already restored to this run at {restored_at}: patch it in a new run."
        hosts[host] = {
            **hosts[host],
            "state": "failed" if msg else "patching",
            "snapshotted": result["complete"] and not check_mode,
            "snapshot_ids": [each["snapshot_id"] for each in result["snapshots"] if result["complete"]],
            "msg": msg,
        }
    return {**batch, "hosts": hosts, "patching": {host: {"state": "patching"} for host in in_state({"hosts": hosts}, "patching")}}


def _restored_at(snapshots: Iterable[Record], name: str) -> str:
    """When a host was rolled back to the run, by the markers among its snapshots: the manifest would show it, but may be missing."""
    marker = re.compile(re.escape(name) + r"-r[0-9]+")
    return max((each["created_at"] for each in snapshots if marker.fullmatch(each["name"])), default="")


def marked(batch: Batch, written: Record) -> Batch:
    """A host is not patched unless the manifest says so. ``written``: the registered result of the task that wrote ``patching``."""
    hosts = dict(batch["hosts"])
    for host, why in not_written(written, batch["patching"], "guarded_maintenance_take_over").items():
        hosts[host] = {**hosts[host], "state": "failed", "msg": why}
    return {**batch, "hosts": hosts}


def classified(
    batch: Batch,
    facts: Mapping[str, Record],
    *,
    phase: str,
    play: Record,
) -> Batch:
    """What a phase of the user's tasks, ``patched`` or ``verified``, came to for each host that is being patched.

    ``facts``: ``{host: {reached, rescued, task, result, connection}}``: the last phase that the host completed, whether it was rescued,
    Ansible's ``ansible_failed_task`` and ``ansible_failed_result``, and the registered result of ``wait_for_connection``; ``play``:
    ``{current, failed, failed_before}``, the values of ``ansible_current_hosts`` and ``ansible_failed_hosts``, and the latter before the phase.

    Next: ``restoring``, the hosts to roll back, and ``verified``, what is new in the manifest after the verification.

    Observed with ansible-core 2.16 and 2.21: A host that fails has a result. A failing run_once task sends all hosts into rescue, and
    those already in rescue past it; ansible-core 2.19 and later list the affected hosts in ``ansible_failed_hosts``. An unreachable host
    is neither in ``ansible_current_hosts`` nor in ``ansible_failed_hosts``. If a host has rescued a failure in its own patch, and is later
    affected by the failure of another host, it cannot be distinguished from a host that failed itself; then it is verified.
    A host whose tasks include a file or role that cannot be loaded is rescued without a result, and so are all hosts after a run_once task,
    or one with any_errors_fatal, that failed or whose host became unreachable: only if no such host is known, the failure is its own.
    """
    active = in_state(batch, "patching")
    batch = timed(batch, "patch" if phase == "patched" else "verify", active)
    done = [host for host in active if _reached(facts.get(host) or {}, phase, batch["hosts"][host]["tasks_for"])]
    once = [host for host in active if host not in done and _failed_run_once(facts.get(host) or {})]
    gone = [host for host in active if host not in play["current"] and host not in play["failed"]]
    for_all = bool(gone) or any(_failed_for_all(facts.get(host) or {}) for host in active)
    hosts = dict(batch["hosts"])
    for host in active:
        fact = facts.get(host) or {}
        if host in done:
            hosts[host] = {**hosts[host], **({"patched": True} if phase == "patched" else {"state": "verified"})}
            continue
        affected = (host in play["failed"] and host not in play["failed_before"]) or any(other != host for other in once)
        by_itself = bool(fact.get("result")) and (host in once or affected != bool(fact.get("rescued")))
        if host in gone:
            hosts[host] = {**hosts[host], "state": "restoring", "msg": "became unreachable"}
        elif by_itself:
            task, why = (fact.get("task") or {}).get("name") or "", failure({**fact["result"], "failed": True})
            hosts[host] = {**hosts[host], "state": "restoring", "failed_task": task, "msg": why}
        elif fact.get("rescued") and not fact.get("result") and not for_all:
            hosts[host] = {**hosts[host], "state": "restoring", "msg": NOT_LOADED}
        else:
            hosts[host] = {**hosts[host], "msg": INTERRUPTED if fact.get("rescued") else SILENT}
    # A host whose patch was interrupted is patched again when the run is resumed.
    complete = [host for host in done if hosts[host]["patched"]]
    return {
        **batch,
        "hosts": hosts,
        "verified": {host: {"state": "verified"} for host in complete},
        "restoring": {host: each for host, each in hosts.items() if each["state"] == "restoring"},
    }


def _reached(fact: Record, phase: str, tasks_for: Collection[str]) -> bool:
    """Whether the host completed the phase. Without tasks of the user, its connection is all that is verified."""
    if phase == "patched" or "verify" in tasks_for:
        return bool(fact.get("reached") == phase)
    connection = fact.get("connection") or {}
    return bool(connection) and not failure(connection)


def _failed_run_once(fact: Record) -> bool:
    return bool((fact.get("task") or {}).get("run_once"))


def _failed_for_all(fact: Record) -> bool:
    """Whether a task of the host failed, be it rescued, that ends the tasks of all hosts."""
    return _failed_run_once(fact) or bool((fact.get("task") or {}).get("any_errors_fatal"))


def restored(batch: Batch, rolled_back: Batch) -> Batch:
    """What the rollbacks came to. Next: ``back``, the hosts whose VM was started again.

    ``rolled_back``: ``{hosts: {host: {result}}}``, ``result`` being the value of ``snapshot_rollback_result``.
    """
    batch = timed(batch, "roll back", in_state(batch, "restoring"))
    hosts = dict(batch["hosts"])
    results = {host: rolled_back["hosts"][host]["result"] for host in in_state(batch, "restoring")}
    for host, result in results.items():
        hosts[host] = {**hosts[host], "state": "restored" if result["complete"] else "failed", "rolled_back": result["msg"]}
    return {**batch, "hosts": hosts, "back": [host for host, each in results.items() if each["started"]]}


def verified_again(batch: Batch, failures: Mapping[str, str], asked: Record) -> Batch:
    """What the verification of the restored hosts came to.

    ``failures``: ``{host: why}``, or empty; ``asked``: the registered result of the loop of ``wait_for_connection`` over the unreachable ones.
    """
    batch = timed(batch, "verify again", batch["back"])
    for host, why in failures.items():
        batch = noted(batch, [host], f"after the rollback, the verification failed: {why}" if why else "")
    for each in asked.get("results") or []:
        reachable = not (each.get("failed") or each.get("unreachable"))
        batch = noted(
            batch, [each["item"]], f"after the rollback, the host is {'reachable, but not verified' if reachable else 'unreachable'}"
        )
    return batch
