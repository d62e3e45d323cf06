# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Report pages of a fleet that does not exist, as the role snapshot_report writes them."""

from __future__ import annotations

from typing import Any

from ansible_collections.ucloudstack.cloud.plugins.plugin_utils import _report
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from .collection import CHECKOUT

NOW = 1_795_662_300.0
"""2026-11-26 03:05 UTC."""
DAY = 86400
POLICY = {"prefix": "ansible-", "keep_last": 3, "older_than": "14d", "keep_run_ids": []}
ENDINGS = (
    ("verified", "", "", ""),
    (
        "restored",
        "Upgrade the packages",
        "No space left on device: '/var'",
        "its disks are as before the patch: correct the patch, and patch it in a run with another id",
    ),
    (
        "failed",
        "",
        "became unreachable; its VM stays off: 1 of 2 disks is not rolled back",
        "roll it back: ansible-playbook ucloudstack.cloud.rollback -e target={host} -e snapshot_rollback_run_id=patch-20261126",
    ),
    ("verified", "", "", ""),
    ("unknown", "", "its tasks ended without a result", "run the play again with the same run id"),
)
"""State, failed task, message and advice of the hosts in turn."""


def render(hosts: dict[str, Any], snapshots: list[dict[str, Any]], msg: str = "") -> str:
    """The page, with the options of the task that writes it."""
    environment = Environment(
        loader=FileSystemLoader(CHECKOUT / "roles" / "snapshot_report" / "templates"),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    listed = {"snapshots": snapshots, "failed": bool(msg), "msg": msg}
    known = _report.collected(hosts, earlier={}, file="report.html", playbook_dir="/plays")["hosts"]
    rows = _report.page(known, listed=listed, now=NOW)
    return environment.get_template("report.html.j2").render(__snapshot_report_rows=rows)


def fleet(count: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Hosts with two disks and ten snapshots a disk, so many snapshots in all, and these snapshots."""
    snapshots: list[dict[str, Any]] = []
    hosts: dict[str, Any] = {}
    while len(snapshots) < count:
        host = f"web{len(hosts) + 1:02}"
        disk_ids = [f"disk-{host}-{part}" for part in ("boot", "data")]
        hosts[host] = {"disk_ids": disk_ids, "policy": POLICY, "msg": "", "run": run(host, len(hosts))}
        for disk_id in disk_ids:
            for number in range(min(10, count - len(snapshots))):
                snapshots.append(snapshot(f"snapshot-{len(snapshots):012x}", disk_id, number))
    return hosts, snapshots


def snapshot(snapshot_id: str, disk_id: str, number: int) -> dict[str, Any]:
    """The newest snapshot of a disk (0), or an older one."""
    run_id = f"patch-{20261126 - number}"
    remark = f"ucloudstack.cloud run={run_id} vm=vm-1 disks=2"
    known = {
        "snapshot_id": snapshot_id,
        "disk_id": disk_id,
        "disk_type": "Boot" if disk_id.endswith("boot") else "Data",
        "status": "Normal",
    }
    record = {**known, "create_time": int(NOW) - 260 - number * 6 * DAY, "name": f"ansible-{run_id}", "remark": remark, "automatic": False}
    if number == 2:
        return {**record, "name": "before the migration", "remark": "do not delete, Wang"}
    return {**record, "name": "daily", "remark": "", "automatic": True} if number == 4 else record


def run(host: str, number: int) -> dict[str, Any]:
    """What a maintenance run reported of one of its hosts."""
    state, task, msg, advice = ENDINGS[number % len(ENDINGS)]
    ends: tuple[tuple[str, float], ...] = (("snapshot", 6.2), ("patch", 94), ("verify", 8.4))
    if state in ("restored", "failed"):
        ends = (*ends[:2], ("roll back", 41), *([("verify again", 12)] if state == "restored" else []))
    start, phases = NOW - 255, []
    for name, seconds in ends:
        phases.append({"name": name, "start": start, "seconds": seconds})
        start += seconds
    return {
        "run_id": "patch-20261126",
        "state": state,
        "failed_task": task,
        "msg": msg,
        "advice": advice.format(host=host),
        "good": state == "verified",
        "phases": phases,
    }
