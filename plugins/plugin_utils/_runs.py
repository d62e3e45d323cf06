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
REMARK = re.compile(re.escape(OURS) + r"run=(\S+) vm=(\S*) disks=[0-9]+")
COPY_REMARK = re.compile(re.escape(OURS) + r"(?:marker|backup marker=\S+) target=(\S+)")
LONGEST_RUN_NAME = NAME_LENGTH - len("-r1")


def not_text(run_id: Any, kind: str) -> str:
    """Why a run id is refused that YAML took for a number or a truth value: ``1.10`` is 1.1, and ``no`` is False; empty if its text is certain.

    ``kind``: what the filter ``type_debug`` says of it; templates of ansible-core 2.16 turn everything into text.
    """
    return f"the run id {run_id} is a {kind}, which may have been written otherwise: quote it." if kind in ("float", "bool") else ""


def run_remark(run_id: str, vm_id: str, disks: int) -> str:
    """The remark of the snapshots that the role snapshot_create creates for one host."""
    return f"{OURS}run={run_id} vm={vm_id} disks={disks}"


def run_of(snapshot: Record, prefix: str) -> tuple[str, str]:
    """Run id and VM of a snapshot that the roles created; both empty for any other.

    Its name must be the prefix and the run id of its remark, as a whole: ``ansible-`` is also how ``ansible-quarter-1`` begins.
    """
    match = REMARK.fullmatch(snapshot.get("remark") or "")
    return (match[1], match[2]) if match and snapshot["name"] == f"{prefix}{match[1]}" else ("", "")


def target_of(snapshot: Record) -> str:
    """The id of the snapshot that a backup or marker of ``snapshot_rollback`` belongs to; empty for any other snapshot."""
    match = COPY_REMARK.fullmatch(snapshot.get("remark") or "")
    return match[1] if match else ""


def runs_of_vm(snapshots: Iterable[Record], prefix: str, vm_id: str) -> list[str]:
    """The ids of the runs of this VM that the snapshots belong to, sorted."""
    runs = (run_of(each, prefix) for each in snapshots)
    return sorted({run_id for run_id, vm in runs if run_id and vm == vm_id})


def is_ours(snapshot: Record) -> bool:
    """Whether this collection created the snapshot."""
    return (snapshot.get("remark") or "").startswith(OURS)


def other_machine(entry: Record, host: Record) -> str:
    """Why an entry of the manifest does not count for a host: it is that of another VM, or of other disks; empty if it does, or there is none.

    Before its maintenance starts, the disks of a VM may be chosen anew. A rollback that was interrupted may have left some of them detached.
    """
    vm_id, disk_ids, own = entry.get("vm_id") or "", set(entry.get("disk_ids") or []), set(host["disk_ids"])
    if entry.get("state") == "restoring":
        same = own <= disk_ids
    elif entry.get("state") in IN_MAINTENANCE:
        same = own == disk_ids
    else:
        same = bool(vm_id) or not disk_ids or bool(own & disk_ids)
    if (same and vm_id in ("", host["vm_id"])) or not (vm_id or disk_ids):
        return ""
    return (
        f"the manifest of this run has {_machine(vm_id, disk_ids)} for this host, which is now {_machine(host['vm_id'], own)}: "
        "choose another run id, or a manifest directory for each inventory."
    )


def _machine(vm_id: str, disk_ids: Iterable[str]) -> str:
    return " with ".join(filter(None, (vm_id, ", ".join(sorted(disk_ids)))))


def by_disk(records: Iterable[Record]) -> dict[str, list[Record]]:
    """The records of each disk: snapshots, or results of a module."""
    disks: dict[str, list[Record]] = {}
    for each in records:
        disks.setdefault(each["disk_id"], []).append(each)
    return disks


def manual(snapshots: Iterable[Record]) -> list[Record]:
    """The snapshots without those of the platform's timers, which it counts and deletes by itself."""
    return [each for each in snapshots if not each.get("automatic")]
