#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: snapshot_info
short_description: List snapshots of UCloudStack disks
version_added: 0.1.0
author:
  - UCloudStack collection contributors (@ucloudstack)
description:
  - Lists all snapshots visible to the API key, sorted by creation time and then by id. All pages are read.
  - With several options, only the snapshots that match all of them are listed.
attributes:
  check_mode:
    support: full
    details:
      - This module does not modify anything.
  diff_mode:
    support: N/A
    details:
      - This module does not modify anything.
  idempotent:
    support: full
    details:
      - This module does not modify anything.
options:
  snapshot_ids:
    description:
      - Only the snapshots with these ids, each once. Ids that do not exist are not in the list.
    type: list
    elements: str
    aliases: [snapshot_id]
  disk_ids:
    description:
      - Only the snapshots of these disks, each once.
    type: list
    elements: str
    aliases: [disk_id]
  name:
    description:
      - Only the snapshots with exactly this name.
    type: str
  name_prefix:
    description:
      - Only the snapshots whose name starts with this prefix.
    type: str
  status:
    description:
      - Only the snapshots with this status, such as V(Normal) or V(Createing). A status of one generation of the platform also matches the
        equivalent status of the others. Case is ignored.
    type: str
extends_documentation_fragment:
  - ucloudstack.cloud.connection
  - ucloudstack.cloud.attributes
seealso:
  - module: ucloudstack.cloud.snapshot
  - module: ucloudstack.cloud.snapshot_rollback
"""

EXAMPLES = r"""
- name: List all snapshots
  ucloudstack.cloud.snapshot_info:
  delegate_to: localhost
  register: all

- name: List the usable snapshots of two disks from the patch run
  ucloudstack.cloud.snapshot_info:
    disk_ids:
      - disk-boot01
      - disk-data01
    name_prefix: before-patch-
    status: Normal
  register: patch

- name: Show the newest snapshot
  ansible.builtin.debug:
    msg: "{{ patch.snapshots | last }}"
  when: patch.snapshots | length > 0
"""

RETURN = r"""
snapshots:
  description: The snapshots, oldest first. On platforms of version 2 they have more fields, which are returned in snake case.
  returned: success
  type: list
  elements: dict
  contains:
    snapshot_id:
      description: Id of the snapshot.
      type: str
      sample: snapshot-7dk2mq
    disk_id:
      description: Id of the disk.
      type: str
      sample: disk-boot01
    disk_type:
      description: V(Boot) or V(Data).
      type: str
      sample: Boot
    name:
      description: Name of the snapshot, exactly as stored, including non-printable characters.
      type: str
      sample: before-patch-2026-11
    remark:
      description: Remark of the snapshot, exactly as stored, including non-printable characters.
      type: str
      sample: before the November patches
    status:
      description:
        - Status as the API spells it, such as V(Normal), V(Createing) or V(Creating), V(RollBacking) or V(Rollbacking), V(Deleting), V(Failure).
        - Only V(Normal) can be rolled back to or deleted.
      type: str
      sample: Normal
    region:
      description: Region of the snapshot.
      type: str
      sample: cn
    zone:
      description: Zone of the snapshot, empty on platforms without zones.
      type: str
      sample: zone-01
    create_time:
      description: When the snapshot was created, in Unix seconds.
      type: int
      sample: 1795428000
    created_at:
      description: When the snapshot was created, as ISO 8601 in UTC.
      type: str
      sample: '2026-11-23T10:00:00Z'
    automatic:
      description: Whether a timer of the platform created the snapshot, and will delete it. Always V(false) if the platform does not report it.
      type: bool
      sample: false
api_calls:
  description: Number of API requests, by action.
  returned: always
  type: dict
  sample: {DescribeSnapshot: 1}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ucloudstack.cloud.plugins.module_utils import _module, _snapshots
from ansible_collections.ucloudstack.cloud.plugins.module_utils._client import Client
from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import LONGEST_NAME, by_age
from ansible_collections.ucloudstack.cloud.plugins.module_utils._states import same_snapshot_state


def job(client: Client, module: AnsibleModule) -> dict[str, Any]:
    snapshot_ids, disk_ids = _module.ids(module.params, "snapshot_ids"), _module.ids(module.params, "disk_ids")
    name, prefix, status = (_module.text(module.params, option, LONGEST_NAME) for option in ("name", "name_prefix", "status"))
    deadline = _module.reading_deadline(client)
    if snapshot_ids:
        found = _snapshots.by_ids(client, snapshot_ids, deadline)
    elif disk_ids:
        found = _snapshots.of_disks(client, disk_ids, deadline)
    else:
        found = _snapshots.everything(client, deadline)
    wanted = set(disk_ids or ())
    fitting = [
        snapshot.as_result()
        for snapshot in sorted(found, key=by_age)
        if (not wanted or snapshot.disk_id in wanted)
        and (name is None or snapshot.name == name)
        and snapshot.name.startswith(prefix or "")
        and (status is None or same_snapshot_state(snapshot.status, status))
    ]
    return {"changed": False, "snapshots": fitting}


def main() -> None:
    spec = {
        "snapshot_ids": {"type": "list", "elements": "str", "aliases": ["snapshot_id"]},
        "disk_ids": {"type": "list", "elements": "str", "aliases": ["disk_id"]},
        "name": {"type": "str"},
        "name_prefix": {"type": "str"},
        "status": {"type": "str"},
    }
    _module.run(job, spec)


if __name__ == "__main__":
    main()
