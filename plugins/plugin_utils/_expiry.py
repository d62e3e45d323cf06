# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which snapshots a retention policy would delete."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.ucloudstack.cloud.plugins.module_utils._manifest import SUFFIX
from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import whole_number
from ansible_collections.ucloudstack.cloud.plugins.module_utils._states import SnapshotState, snapshot_state
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._durations import seconds
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._runs import is_ours, run_of, target_of

REQUIRED_KEYS = {"snapshot_id", "disk_id", "name", "status", "create_time"}

Record = Mapping[str, Any]


def age(span: Any) -> int:
    """``14d`` → 1209600. Raises AnsibleFilterError for an invalid duration."""
    try:
        return seconds(span)
    except ValueError:
        raise AnsibleFilterError(
            f"expired_snapshots: older_than is {span!r}: use seconds, or a number followed by s, m, h, d or w."
        ) from None


def timestamp(value: Any) -> float:
    """Unix seconds, from Unix seconds or from ISO 8601 with a time zone. Raises AnsibleFilterError."""
    if value is None:
        return time.time()
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    if re.fullmatch(r"[0-9]{1,11}(\.[0-9]*)?", text):  # more digits would be milliseconds, so that everything would be old
        return float(text)
    try:
        parsed = datetime.fromisoformat(re.sub("Z$", "+00:00", text))
    except ValueError:
        parsed = None
    if parsed is None or parsed.tzinfo is None:
        raise AnsibleFilterError(f"expired_snapshots: now is {value!r}: use Unix seconds, or ISO 8601 with a time zone.")
    return parsed.timestamp()


def expired_snapshots(
    snapshots: Any,
    name_prefix: Any = "",
    remark_prefix: Any = None,
    keep_last: Any = None,
    older_than: Any = None,
    now: Any = None,
) -> list[Record]:
    """The records of ``snapshots`` that the policy would delete. Raises AnsibleFilterError for an invalid policy."""
    remark_prefix = "" if remark_prefix is None else remark_prefix
    _verify_prefixes(name_prefix, remark_prefix)
    if keep_last is None and older_than is None:
        raise AnsibleFilterError("expired_snapshots: neither keep_last nor older_than is set: set at least one of them.")
    keep = 0 if keep_last is None else whole_number(keep_last)
    if keep is None or keep < 0:
        raise AnsibleFilterError(f"expired_snapshots: keep_last is {keep_last!r}: it must be a number, 0 or greater.")
    newest_to_delete = None if older_than is None else timestamp(now) - age(older_than)
    if (
        not isinstance(snapshots, Sequence)
        or isinstance(snapshots, str)
        or not all(isinstance(each, Mapping) and set(each) >= REQUIRED_KEYS for each in snapshots)
    ):
        raise AnsibleFilterError("expired_snapshots: the input must be a list of snapshot records, such as the snapshots of snapshot_info.")
    expired = []
    for runs in _runs_by_disk(snapshots, name_prefix, remark_prefix).values():
        for run in _after_the_newest(runs, keep):
            if newest_to_delete is None or _newest(run) < newest_to_delete:
                expired += run
    return sorted(expired, key=lambda each: (each["disk_id"], each["create_time"], each["snapshot_id"]))


def _verify_prefixes(name_prefix: Any, remark_prefix: Any) -> None:
    if not name_prefix:
        raise AnsibleFilterError("expired_snapshots: name_prefix is empty, and would match the snapshots of all users: set it.")
    for option, prefix in (("name_prefix", name_prefix), ("remark_prefix", remark_prefix)):
        if not isinstance(prefix, str):
            raise AnsibleFilterError(f"expired_snapshots: {option} is {prefix!r}: it must be a string.")


def _runs_by_disk(snapshots: Sequence[Record], name_prefix: str, remark_prefix: str) -> dict[str, dict[str, list[Record]]]:
    """``{disk_id: {name of the run: its snapshot, backups and markers}}``, of the snapshots that may be deleted."""
    matching = [
        each
        for each in snapshots
        if not each.get("automatic")
        and each["create_time"] is not None
        and each["name"].startswith(name_prefix)
        and (each.get("remark") or "").startswith(remark_prefix)
    ]
    named = {each["snapshot_id"]: each["name"] for each in matching if _is_named_by(each, name_prefix)}
    disks: dict[str, dict[str, list[Record]]] = {}
    for each in matching:
        name = _run_name(each, name_prefix, named)
        if name and snapshot_state(str(each["status"])) is SnapshotState.USABLE:
            disks.setdefault(each["disk_id"], {}).setdefault(name, []).append(each)
    return disks


def _is_named_by(snapshot: Record, prefix: str) -> bool:
    """Whether the snapshot is that of a run with this prefix: of ours, the remark has the run id, and the rest of the name is the prefix."""
    return bool(run_of(snapshot, prefix)[0]) if is_ours(snapshot) else True


def _run_name(snapshot: Record, prefix: str, named: Mapping[str, str]) -> str:
    """The name of the run that the snapshot belongs to; empty if it is of none. ``named``: ``{snapshot_id: name}``."""
    base = SUFFIX.sub("", snapshot["name"])
    if target_of(snapshot):  # a backup or marker of ours: its run is that of its target
        return base if named.get(target_of(snapshot)) == base else ""
    if snapshot["snapshot_id"] not in named:
        return ""
    return base if base.startswith(prefix) and not is_ours(snapshot) else snapshot["name"]  # "nightly-b1" is a run with the id "b1"


def _after_the_newest(runs: Mapping[str, list[Record]], keep: int) -> list[list[Record]]:
    """The runs of a disk without the ``keep`` newest ones, counting only runs whose own snapshot still exists."""
    created = {
        name: max(each["create_time"] for each in run if each["name"] == name)
        for name, run in runs.items()
        if any(each["name"] == name for each in run)
    }
    ranks = sorted(((at, name) for name, at in created.items()), reverse=True)
    if keep > len(ranks):
        return []
    # A run is kept if fewer than ``keep`` runs are newer.
    oldest_kept = ranks[keep - 1] if keep else None
    return [run for name, run in runs.items() if oldest_kept is None or (created.get(name, _newest(run)), name) < oldest_kept]


def _newest(run: Sequence[Record]) -> float:
    return float(max(each["create_time"] for each in run))
