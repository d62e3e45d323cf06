# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: expired_snapshots
short_description: List the snapshots that a retention policy would delete
version_added: 0.1.0
author:
  - UCloudStack collection contributors (@ucloudstack)
description:
  - Takes snapshot records, as in RV(ucloudstack.cloud.snapshot_info#module:snapshots), and returns those that the policy
    would delete. It deletes nothing itself.
  - Only snapshots in V(Normal) whose name starts with O(name_prefix), and whose remark starts with O(remark_prefix), are counted or
    returned. All others are ignored, and so are snapshots created by a timer of the platform, whatever their names.
  - Runs are counted, not single snapshots, and each disk separately. Backups and markers, whose names end in V(-b1) and V(-r1)
    or a higher number, belong to the run with the name without this suffix, and are deleted with it.
  - With both O(keep_last) and O(older_than), a run is deleted only if both conditions are met.
positional: _input
options:
  _input:
    description: The snapshot records. Each needs C(snapshot_id), C(disk_id), C(name), C(status) and C(create_time).
    type: list
    elements: dict
    required: true
  name_prefix:
    description: Prefix of the names of the snapshots that the policy applies to. It cannot be empty.
    type: str
    required: true
  remark_prefix:
    description: Prefix of their remarks. If not set, remarks are ignored.
    type: str
  keep_last:
    description: Number of most recent runs to keep per disk. Required, unless O(older_than) is set.
    type: int
  older_than:
    description:
      - Delete only runs all of whose snapshots are older than this. Seconds, or a number with a unit, V(s), V(m), V(h), V(d) or
        V(w), such as V(14d). Required, unless O(keep_last) is set.
    type: str
  now:
    description: The time from which ages are counted, in Unix seconds or as ISO 8601 with a time zone. Defaults to the current time.
    type: str
"""

EXAMPLES = r"""
- name: Delete runs older than two weeks, but never the three newest runs of a disk
  ucloudstack.cloud.snapshot:
    state: absent
    snapshot_ids: "{{ expired | map(attribute='snapshot_id') | list }}"
  when: expired | length > 0
  vars:
    expired: >-
      {{ listed.snapshots | ucloudstack.cloud.expired_snapshots(
           name_prefix='nightly-', remark_prefix='by our nightly job', keep_last=3, older_than='14d') }}
"""

RETURN = r"""
_value:
  description: The records that the policy would delete, sorted by disk, creation time and id.
  type: list
  elements: dict
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import whole_number
from ansible_collections.ucloudstack.cloud.plugins.module_utils._states import SnapshotState, snapshot_state

UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
COPY_SUFFIX = re.compile(r"-[br][0-9]+$")

REQUIRED_KEYS = {"snapshot_id", "disk_id", "name", "status", "create_time"}

Record = Mapping[str, Any]


def seconds(span: Any) -> int:
    """``14d`` → 1209600. Raises AnsibleFilterError for an invalid time span."""
    match = re.fullmatch(r"\s*([0-9]{1,9})\s*([smhdw]?)\s*", str(span))
    if match is None:
        raise AnsibleFilterError(f"expired_snapshots: older_than is {span!r}: use seconds, or a number followed by s, m, h, d or w.")
    return int(match[1]) * UNITS[match[2]]


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
    if not name_prefix:
        raise AnsibleFilterError("expired_snapshots: name_prefix is empty, and would match the snapshots of all users: set it.")
    remark_prefix = "" if remark_prefix is None else remark_prefix
    for option, prefix in (("name_prefix", name_prefix), ("remark_prefix", remark_prefix)):
        if not isinstance(prefix, str):
            raise AnsibleFilterError(f"expired_snapshots: {option} is {prefix!r}: it must be a string.")
    if keep_last is None and older_than is None:
        raise AnsibleFilterError("expired_snapshots: neither keep_last nor older_than is set: set at least one of them.")
    keep = 0 if keep_last is None else whole_number(keep_last)
    if keep is None or keep < 0:
        raise AnsibleFilterError(f"expired_snapshots: keep_last is {keep_last!r}: it must be a number, 0 or greater.")
    newest_to_delete = None if older_than is None else timestamp(now) - seconds(older_than)

    if (
        not isinstance(snapshots, Sequence)
        or isinstance(snapshots, str)
        or not all(isinstance(each, Mapping) and set(each) >= REQUIRED_KEYS for each in snapshots)
    ):
        raise AnsibleFilterError("expired_snapshots: the input must be a list of snapshot records, such as the snapshots of snapshot_info.")

    runs: dict[tuple[str, str], list[Record]] = {}
    for snapshot in snapshots:
        if (
            snapshot_state(str(snapshot["status"])) is SnapshotState.USABLE
            and not snapshot.get("automatic")
            and snapshot["create_time"] is not None
            and snapshot["name"].startswith(name_prefix)
            and (snapshot.get("remark") or "").startswith(remark_prefix)
        ):
            name = COPY_SUFFIX.sub("", snapshot["name"])
            name = name if name.startswith(name_prefix) else snapshot["name"]  # "nightly-b1" is a run with the id "b1"
            runs.setdefault((snapshot["disk_id"], name), []).append(snapshot)
    created = {
        (disk_id, name): max(each["create_time"] for each in run if each["name"] == name)
        for (disk_id, name), run in runs.items()
        if any(each["name"] == name for each in run)
    }
    expired = []
    for (disk_id, name), run in runs.items():
        newest = max(each["create_time"] for each in run)
        rank = (created.get((disk_id, name), newest), name)
        newer = sum(disk == disk_id and (at, other) > rank for (disk, other), at in created.items())
        if newer >= keep and (newest_to_delete is None or newest < newest_to_delete):
            expired += run
    return sorted(expired, key=lambda each: (each["disk_id"], each["create_time"], each["snapshot_id"]))


class FilterModule:
    """Filters of this file, by name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"expired_snapshots": expired_snapshots}
