# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the snapshots of a run are named and marked; each name, suffix and remark is written here, once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.ucloudstack.cloud.plugins.module_utils._claims import UNFINISHED
from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import NAME_LENGTH

Record = Mapping[str, Any]

IN_MAINTENANCE = (*UNFINISHED, "verified", "restored")
"""States in the manifest of a host whose patch was started: its entry must not be overwritten by a plan."""
OURS = "ucloudstack.cloud "
"""How the remark of every snapshot starts that the roles, or ``snapshot_rollback``, created."""
LONGEST_RUN_NAME = NAME_LENGTH - len("-r1")


def run_remark(run_id: str, vm_id: str, disks: int) -> str:
    """The remark of the snapshots that the role snapshot_create creates for one host."""
    return f"{OURS}run={run_id} vm={vm_id} disks={disks}"


def runs_of_vm(snapshots: Iterable[Record], prefix: str, vm_id: str) -> list[str]:
    """The ids of the runs of this VM that the snapshots belong to, sorted."""
    remark = re.compile(re.escape(f"{OURS}run=") + r"(\S+)" + re.escape(f" vm={vm_id} disks=") + "[0-9]+")
    matches = ((each["name"], remark.fullmatch(each.get("remark") or "")) for each in snapshots)
    return sorted({match[1] for name, match in matches if match and name == f"{prefix}{match[1]}"})


def is_ours(snapshot: Record) -> bool:
    """Whether this collection created the snapshot."""
    return (snapshot.get("remark") or "").startswith(OURS)


def by_disk(records: Iterable[Record]) -> dict[str, list[Record]]:
    """The records of each disk: snapshots, or results of a module."""
    disks: dict[str, list[Record]] = {}
    for each in records:
        disks.setdefault(each["disk_id"], []).append(each)
    return disks


def manual(snapshots: Iterable[Record]) -> list[Record]:
    """The snapshots without those of the platform's timers, which it counts and deletes by itself."""
    return [each for each in snapshots if not each.get("automatic")]
