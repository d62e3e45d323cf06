# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A module that takes as many ids as ``snapshot`` and returns as much for each, without any cloud: what Ansible needs to pass them on."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    module = AnsibleModule({"disk_ids": {"type": "list", "elements": "str"}}, supports_check_mode=True)
    results, snapshots = [], []
    for number, disk_id in enumerate(module.params["disk_ids"]):
        ids = {"disk_id": disk_id, "snapshot_id": f"snapshot-{number:012x}"}
        place = {"region": "cn", "zone": "zone-01"}
        times = {"create_time": 1795428000 + number, "created_at": "2026-11-23T10:00:00Z"}
        texts = {"disk_type": "Data", "name": "benchmark", "remark": "", "status": "Normal"}
        results.append({**ids, "outcome": "created", "reason": None, "msg": "created", "ret_code": None, "request_id": None})
        snapshots.append({**ids, **place, **times, **texts, "automatic": False})
    module.exit_json(results=results, snapshots=snapshots)


if __name__ == "__main__":
    main()
