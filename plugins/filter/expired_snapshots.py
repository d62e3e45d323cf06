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
    description:
      - Prefix of the names of the snapshots that the policy applies to. It cannot be empty.
      - Snapshots of the roles are compared as a whole. The name must be this prefix and the run id in the remark, so that V(ansible-)
        does not match the runs of V(ansible-quarter-). Their backups and markers are matched by the snapshot that they name.
      - Of other snapshots, only the beginning of the name is compared. Choose a prefix that no other prefix begins with.
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

from collections.abc import Callable
from typing import Any

from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._expiry import expired_snapshots


class FilterModule:
    """Filters of this file, by name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"expired_snapshots": expired_snapshots}
