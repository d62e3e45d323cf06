# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is on the report page: the hosts of a run, and the snapshots of their disks, as plain rows of text and positions.

A host is ``{disk_ids, policy, msg, run}``: ``policy`` is ``{prefix, keep_last, older_than, keep_run_ids}``, or only the prefix is known;
``msg`` says why nothing is known of the host; ``run`` is its value of ``guarded_maintenance_report`` with ``good`` and ``advice``, or empty.
Positions and widths are percent of an axis.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from ansible_collections.ucloudstack.cloud.plugins.module_utils._manifest import SUFFIX
from ansible_collections.ucloudstack.cloud.plugins.module_utils._states import SnapshotState, snapshot_state
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._hosts import failure
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._inputs import as_list, validated
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._maintenance_end import urgency
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._pruning import invalid_policy, prune_plan
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._runs import by_disk, is_ours, run_of, target_of

Record = Mapping[str, Any]
Batch = dict[str, Any]

SYMBOLS = {"failed": "✕", "unknown": "?", "restored": "↺", "planned": "…", "verified": "✓"}
DELETED, KEPT, FOREIGN, UNKNOWN = "deleted", "kept", "foreign", "unknown"
"""What the policy would do with a snapshot, which is also the shape of its mark: see :func:`_retention`."""
PHASES = ("precheck", "snapshot", "patch", "verify", "roll back", "verify again", "prune")
MINUTE, HOUR, DAY = 60, 3600, 86400


def collected(hosts: Mapping[str, Record], *, earlier: Batch, file: str, playbook_dir: str) -> Batch:
    """``path`` of the page, its ``hosts``, those of earlier batches included, and their ``disk_ids``; and ``pages``, ``{path: hosts}``.

    ``hosts``: as above, or as ``host_disks`` returns them; ``earlier``: what this function returned last, or empty; ``file``: relative to
    the directory of the playbook, unless it is absolute or starts with ``~``.
    """
    path = file if file.startswith("~") else os.path.join(playbook_dir, file)
    own = {host: {"disk_ids": each["disk_ids"], "run": each.get("run") or {}, **_policy(each)} for host, each in hosts.items()}
    pages = earlier.get("pages") or {}
    known = {**pages.get(path, {}), **own}
    disk_ids = dict.fromkeys(disk_id for each in known.values() for disk_id in each["disk_ids"])
    return {"path": path, "hosts": known, "disk_ids": list(disk_ids), "pages": {**pages, path: known}}


def _policy(host: Record) -> dict[str, Any]:
    """``policy``, typed, and ``msg`` of a host. Of an invalid policy, only the prefix is known."""
    given = host["policy"]
    typed, wrong = validated("snapshot_prune", {f"snapshot_prune_{key}": value for key, value in given.items()})
    policy = {key: typed[f"snapshot_prune_{key}"] for key in given}
    wrong = wrong or (invalid_policy(policy) if _is_known(policy) else "")
    return {"policy": {"prefix": given["prefix"]} if wrong else policy, "msg": host["msg"] or wrong}


def _is_known(policy: Record) -> bool:
    return "keep_last" in policy


def results(hosts: Mapping[str, Record], *, path: str, listed: Record, written: Record) -> Batch:
    """``hosts``, ``{host: {file, msg}}``, the value of ``snapshot_report_result``; ``good``, whether all of them are on a complete page; ``line``.

    ``listed`` and ``written``: the registered results of ``snapshot_info``, and of the task that wrote the page.
    """
    wrong = failure(written)
    msgs = {host: f"the report was not written: {wrong}" if wrong else each["msg"] or failure(listed) for host, each in hosts.items()}
    return {
        "hosts": {host: {"file": "" if wrong else path, "msg": msg} for host, msg in msgs.items()},
        "good": not any(msgs.values()),
        "line": f"the report was not written: {wrong}" if wrong else f"Report: {path}",
    }


def page(hosts: Mapping[str, Record], *, listed: Record, now: float | None = None) -> Batch:
    """All that the template of the page shows; every value is text for a person, a position, or a list of such.

    ``hosts``: of all batches, as :func:`collected` returns them; ``listed``: the registered result of ``snapshot_info`` for their disks;
    ``now``: Unix seconds.
    """
    now = time.time() if now is None else now
    disks = by_disk(listed.get("snapshots") or [])
    planned = prune_plan({host: each for host, each in hosts.items() if _is_known(each["policy"])}, listed, now)
    expired = set(planned["snapshot_ids"])
    order = sorted(hosts, key=lambda host: _order(hosts[host]))
    times = [each["create_time"] for found in disks.values() for each in found if each["create_time"] is not None]
    axis = (min(times, default=now), now)
    sections = []
    for number, host in enumerate(order, 1):
        each = hosts[host]
        unknown = each["msg"] or planned["msg"].get(host, "its retention policy is not known")
        own = [_disk(disk_id, disks.get(disk_id, []), expired, each["policy"]["prefix"], unknown, axis) for disk_id in each["disk_ids"]]
        sections.append({"host": shown(host), "id": f"host-{number}", "msg": shown(unknown), "disks": own})
    ids = {host: f"host-{number}" for number, host in enumerate(order, 1)}
    runs = dict.fromkeys(each["run"]["run_id"] for each in hosts.values() if each["run"])
    return {
        "title": shown(f"Maintenance run {', '.join(runs)}" if runs else "Snapshot report"),
        "created": _moment(now),
        "verdicts": _verdicts(hosts),
        "summary": _summary(hosts, disks, len(expired)),
        "policies": _policies(hosts),
        "msg": shown(failure(listed)),
        "attention": [_attention(host, hosts[host], ids[host]) for host in order if _needs_attention(hosts[host])],
        "run": _run([(host, ids[host], hosts[host]["run"]) for host in order if hosts[host]["run"]]),
        "axis": _ticks(*axis) if times else [],
        "hosts": sections,
    }


def shown(text: Any) -> str:
    """Text in one line; what cannot be printed, or would change the direction of the text around it, is written as an escape."""
    joined = " ".join(str(text).split())
    if joined.isprintable():
        return joined
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in joined)


def count(number: int, noun: str) -> str:
    """``1 disk``, ``2 disks``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def age(seconds: float) -> str:
    """How old something is, in words."""
    if seconds < MINUTE:
        return "less than a minute"
    if seconds < HOUR:
        return count(int(seconds // MINUTE), "minute")
    if seconds < 2 * DAY:
        return count(int(seconds // HOUR), "hour")
    return count(int(seconds // DAY), "day")


def duration(seconds: float) -> str:
    """How long something took: ``41 s``, ``3 min 5 s``, ``1 h 2 min``."""
    whole = round(seconds)
    if 0 < seconds < 10:
        return f"{seconds:.1f} s"
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} min {whole % MINUTE} s"
    return f"{whole // HOUR} h {whole % HOUR // MINUTE} min"


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def _ticks(start: float, end: float) -> list[str]:
    """The beginning, the middle and the end of the time axis of the snapshots."""
    moments = [_moment(at) for at in (start, (start + end) / 2, end)]
    return [each[:10] for each in moments] if end - start > 3 * DAY else moments


def _needs_attention(host: Record) -> bool:
    return bool(host["msg"] or (host["run"] and not host["run"]["good"]))


def _order(host: Record) -> tuple[bool, int]:
    """The hosts that need attention come first, and of them the most urgent ones; all others as in the play."""
    attention = _needs_attention(host)
    return (not attention, urgency(host["run"]["state"]) if attention and host["run"] else 0)


def _verdicts(hosts: Mapping[str, Record]) -> list[dict[str, str]]:
    """How many hosts of a run have each verdict, the most urgent one first."""
    states = Counter(_verdict(each["run"])["verdict"] for each in hosts.values() if each["run"])
    return [{"text": f"{states[state]:,} {state}", "symbol": SYMBOLS[state], "tone": state} for state in sorted(states, key=urgency)]


def _summary(hosts: Mapping[str, Record], disks: Mapping[str, Sequence[Record]], expired: int) -> list[str]:
    of_hosts = len({disk_id for each in hosts.values() for disk_id in each["disk_ids"]})
    snapshots = sum(map(len, disks.values()))
    lines = [
        f"{count(len(hosts), 'host')}, {count(of_hosts, 'disk')}, {count(snapshots, 'snapshot')}.",
        f"Retention would delete {count(expired, 'snapshot')}." if any(_is_known(each["policy"]) for each in hosts.values()) else "",
        "" if any(map(_needs_attention, hosts.values())) else "No host needs attention.",
    ]
    return [line for line in lines if line]


def _policies(hosts: Mapping[str, Record]) -> list[dict[str, str]]:
    """The retention policies in words; each with its hosts, if there are several."""
    found: dict[str, list[str]] = {}
    for host, each in hosts.items():
        if _is_known(each["policy"]):
            found.setdefault(_in_words(each["policy"]), []).append(host)
    return [{"text": shown(text), "hosts": shown(", ".join(names)) if len(found) > 1 else ""} for text, names in found.items()]


def _in_words(policy: Record) -> str:
    newest = max(1, int(policy["keep_last"]))
    old = f"older than {policy['older_than']} and " if policy["older_than"] else ""
    among = f"not among the {newest} newest runs" if newest > 1 else "not the newest run"
    kept = as_list(policy["keep_run_ids"])
    stay = f" Always kept: {', '.join(map(str, kept))}." if kept else ""
    return f"A run with the prefix {policy['prefix']} is deleted if it is {old}{among} of its disk.{stay}"


def _attention(host: str, record: Record, anchor: str) -> dict[str, Any]:
    run = record["run"]
    lines = [
        ("Failed task", run.get("failed_task")),
        ("What happened", run.get("msg")),
        ("Snapshots", record["msg"]),
        ("What to do", _sentence(run.get("advice") or "")),
    ]
    return {
        "host": shown(host),
        "id": anchor,
        **_verdict(run or {"state": "unknown", "good": False}),
        "lines": [{"label": label, "text": shown(text)} for label, text in lines if text],
    }


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _verdict(run: Record) -> dict[str, str]:
    state = run["state"] if run["state"] in SYMBOLS else "unknown"
    return {"verdict": state, "symbol": SYMBOLS[state], "tone": "attention" if not run["good"] and state == "verified" else state}


def _run(hosts: Sequence[tuple[str, str, Record]]) -> Batch:
    """The time line of the run: ``ticks``, ``legend``, the names of its phases, and a row for each host; empty without a run."""
    phases = [phase for _host, _anchor, run in hosts for phase in run["phases"]]
    start = min((each["start"] for each in phases), default=0)
    end = max((each["start"] + each["seconds"] for each in phases), default=0)
    rows = []
    for host, anchor, run in hosts:
        parts = [
            {
                "name": each["name"],
                "kind": each["name"].replace(" ", "-"),
                "text": f"{each['name']} {duration(each['seconds'])}",
                "left": _percent(each["start"], start, end),
                "width": _percent(start + each["seconds"], start, end),
            }
            for each in run["phases"]
        ]
        total = sum(each["seconds"] for each in run["phases"])
        rows.append({"host": shown(host), "id": anchor, **_verdict(run), "phases": parts, "total": duration(total) if parts else ""})
    clock = [datetime.fromtimestamp(start + (end - start) * part, timezone.utc).strftime("%H:%M:%S") for part in (0, 0.5, 1)]
    seen = {each["name"] for each in phases}
    return {
        "ticks": clock if phases else [],
        "seconds": duration(end - start),
        "legend": [{"name": name, "kind": name.replace(" ", "-")} for name in PHASES if name in seen],
        "rows": rows,
    }


def _percent(at: float, start: float, end: float) -> float:
    return round(100 * (at - start) / (end - start), 1) if end > start else 0.0


def _disk(
    disk_id: str, snapshots: Sequence[Record], expired: Iterable[str], prefix: str, unknown: str, axis: tuple[float, float]
) -> dict[str, Any]:
    """A disk, with its snapshots, the newest first. ``unknown``: why it is not known what would expire, or empty."""
    newest_first = sorted(snapshots, key=lambda each: (each["create_time"] or 0, each["snapshot_id"]), reverse=True)
    rows = []
    for each in newest_first:
        kind, retention = _retention(each, expired, prefix, unknown)
        at = each["create_time"]
        rows.append(
            {
                "name": shown(each["name"]),
                "id": shown(each["snapshot_id"]),
                "age": "unknown" if at is None else age(axis[1] - at),
                "created": "" if at is None else _moment(at),
                "left": None if at is None else min(100.0, _percent(at, *axis)),
                "state": _state(each),
                "whose": shown(whose(each, prefix)),
                "remark": "" if is_ours(each) else shown(each.get("remark") or ""),
                "kind": kind,
                "retention": retention,
            }
        )
    ages = [age(axis[1] - each["create_time"]) for each in newest_first if each["create_time"] is not None]
    words = count(len(rows), "snapshot") + (f", {' to '.join(dict.fromkeys((ages[0], ages[-1])))} old" if ages else "")
    deleted = sum(row["kind"] == DELETED for row in rows)
    if deleted:
        words += f"; retention would delete {deleted:,}"
    disk_type = snapshots[0].get("disk_type") if snapshots else ""
    return {"disk_id": shown(disk_id), "type": shown(disk_type or ""), "words": words, "snapshots": rows}


def _state(snapshot: Record) -> str:
    state = snapshot_state(str(snapshot["status"]))
    return shown(f"unknown: {snapshot['status']}") if state is SnapshotState.UNKNOWN else state.value


def whose(snapshot: Record, prefix: str) -> str:
    """Who created a snapshot, in words. ``prefix``: of the names of the runs of its host."""
    run_id, _vm_id = run_of(snapshot, prefix)
    if snapshot.get("automatic"):
        return "a timer of the platform"
    if run_id:
        return f"run {run_id}"
    if target_of(snapshot):
        copy = SUFFIX.search(snapshot["name"])
        return f"{'backup before' if copy and copy[0].startswith('-b') else 'marker of'} a rollback to {SUFFIX.sub('', snapshot['name'])}"
    return "a run with another prefix" if is_ours(snapshot) else "by hand, or another tool"


def _retention(snapshot: Record, expired: Iterable[str], prefix: str, unknown: str) -> tuple[str, str]:
    """What the policy would do with a snapshot: the shape of its mark, and in words."""
    if snapshot["snapshot_id"] in expired:
        return DELETED, "would be deleted"
    if snapshot.get("automatic"):
        return FOREIGN, "the platform deletes it"
    if not run_of(snapshot, prefix)[0] and not target_of(snapshot):
        return FOREIGN, "never deleted"
    return (UNKNOWN, "not known") if unknown else (KEPT, "kept")
