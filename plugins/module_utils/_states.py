# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The meanings of the API's states: the only place that knows how each generation of the platform spells them.

Decisions use the meaning; records keep the state as the API sent it. Comparisons ignore case. A state that is in no table is unknown: it
is neither success nor final, so it is waited for and named.

Sources, by generation: 1.x is the UCloudStack API guide up to 1.22 (chapters 2, 4, 5), 2.x the guide of August 2023, 2026 the
vendor's SDKs whose file headers say 2026, and the reference pages of the same API. "Inferred" marks a meaning derived from the name only.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar


class SnapshotState(Enum):
    """The meaning of a snapshot status. Only ``USABLE`` snapshots can be rolled back to or deleted."""

    USABLE = "usable"
    CREATING = "being created"
    ROLLING_BACK = "rolling back"
    DELETING = "being deleted"
    GONE = "gone"
    FAILED = "failed"
    UNKNOWN = "unknown"


NEVER_USABLE = frozenset({SnapshotState.DELETING, SnapshotState.GONE, SnapshotState.FAILED})
"""The snapshot can never be rolled back to. Every other state may still become usable, and is waited for."""
IN_PROGRESS = frozenset({SnapshotState.CREATING, SnapshotState.ROLLING_BACK})
"""The disk of such a snapshot is busy, even if the state of the disk does not show it."""


class DiskState(Enum):
    """The meaning of a disk status: ``STABLE``, ``BUSY`` (temporary) or ``LOST`` (permanent)."""

    STABLE = "stable"
    BUSY = "busy"
    LOST = "lost"
    UNKNOWN = "unknown"


class VmState(Enum):
    """The meaning of a VM state.

    ``INITIALIZING`` and ``STARTING`` lead to Running; the second can be forced off. ``STOPPING`` (the guest was asked to shut down, and
    may hang; it can be forced off) and ``POWERING_OFF`` lead to Stopped. ``BUSY`` is temporary, ``LOST`` permanent.
    """

    RUNNING = "Running"
    STOPPED = "Stopped"
    INITIALIZING = "being created, then Running"
    STARTING = "starting"
    STOPPING = "stopping"
    POWERING_OFF = "being forced off"
    BUSY = "busy"
    LOST = "lost"
    UNKNOWN = "unknown"


ON = frozenset({VmState.RUNNING, VmState.INITIALIZING, VmState.STARTING})
"""Running, or about to run without another request."""

UNLISTED = "not listed"
"""The status of a disk that the API does not list. The API itself does not use it."""

SNAPSHOT_STATES: Mapping[str, tuple[SnapshotState, str]] = {
    "Normal": (SnapshotState.USABLE, "1.x, 2.x, 2026"),
    "Createing": (SnapshotState.CREATING, "1.x, 2.x"),
    "Creating": (SnapshotState.CREATING, "2026"),
    "RollBacking": (SnapshotState.ROLLING_BACK, "1.x, 2.x; 2026 writes Rollbacking"),
    "Deleting": (SnapshotState.DELETING, "1.x, 2026"),
    "Deleted": (SnapshotState.GONE, "1.x, 2026"),
    "Released": (SnapshotState.GONE, "2.x"),
    "Failure": (SnapshotState.FAILED, "2.x"),
    "Unknown": (SnapshotState.UNKNOWN, "2026"),
}

DISK_STATES: Mapping[str, tuple[DiskState, str]] = {
    "Unbound": (DiskState.STABLE, "1.x, 2.x"),
    "Bound": (DiskState.STABLE, "1.x, 2.x"),
    "Detached": (DiskState.STABLE, "2026"),
    "Attached": (DiskState.STABLE, "2026"),
    "Shareabled": (DiskState.STABLE, "2026, inferred: a shared disk"),
    "Creating": (DiskState.BUSY, "1.x, 2.x, 2026"),
    "Bounding": (DiskState.BUSY, "1.x, 2.x"),
    "Unbounding": (DiskState.BUSY, "1.x, 2.x"),
    "Attaching": (DiskState.BUSY, "2026"),
    "Detaching": (DiskState.BUSY, "2026"),
    "BeingCloned": (DiskState.BUSY, "1.x, 2.x"),
    "Cloning": (DiskState.BUSY, "2026"),
    "Upgrading": (DiskState.BUSY, "1.x, 2.x"),
    "Snapshoting": (DiskState.BUSY, "1.x, 2.x; 2026 has no such state"),
    "Rollbacking": (DiskState.BUSY, "1.x, 2.x, 2026"),
    "Shareabling": (DiskState.BUSY, "2026, inferred"),
    "Blockcopying": (DiskState.BUSY, "2026, inferred: it is migrated"),
    "Blockcopyed": (DiskState.BUSY, "2026, inferred: copied, but not yet ready"),
    "Deleting": (DiskState.LOST, "1.x, 2.x, 2026"),
    "Deleted": (DiskState.LOST, "1.x, 2.x, 2026"),
    "Releasing": (DiskState.LOST, "1.x, 2.x"),
    "Released": (DiskState.LOST, "1.x, 2.x"),
    "Failed": (DiskState.LOST, "2.x"),
    UNLISTED: (DiskState.LOST, "none: not sent by the API"),
    "Unknown": (DiskState.UNKNOWN, "2026"),
    "": (DiskState.UNKNOWN, "2026"),
}

VM_STATES: Mapping[str, tuple[VmState, str]] = {
    "Running": (VmState.RUNNING, "1.x, 2.x, 2026"),
    "Stopped": (VmState.STOPPED, "1.x, 2.x, 2026"),
    "Initializing": (VmState.INITIALIZING, "1.x, 2.x"),
    "Starting": (VmState.STARTING, "1.x, 2.x, 2026"),
    "Restarting": (VmState.STARTING, "1.x, 2.x, 2026; it can be forced off since 1.15 (user guide 3.5)"),
    "Stopping": (VmState.STOPPING, "1.x, 2.x, 2026"),
    "Poweroffing": (VmState.POWERING_OFF, "1.x, 2.x, 2026"),
    "Resizing": (VmState.BUSY, "1.x, 2.x"),
    "Migrating": (VmState.BUSY, "1.x, 2.x, 2026"),
    "MigrateDisking": (VmState.BUSY, "2026, inferred"),
    "WaitReinstall": (VmState.BUSY, "1.x, 2.x"),
    "Reinstalling": (VmState.BUSY, "1.x, 2.x, 2026"),
    "ChangeSGing": (VmState.BUSY, "1.x, 2.x"),
    "Saving": (VmState.BUSY, "2026, inferred: SaveVMInstance is in progress"),
    "Saved": (VmState.BUSY, "2026, inferred: its memory is saved and its disks are in use, until RestoreVMInstance"),
    "Reverted": (VmState.BUSY, "2026, inferred: RestoreVMInstance has not finished"),
    "Deleting": (VmState.LOST, "2026"),
    "Deleted": (VmState.LOST, "1.x, 2.x"),
    "Terminating": (VmState.LOST, "1.x, 2.x"),
    "Terminated": (VmState.LOST, "1.x, 2.x"),
    "Failed": (VmState.LOST, "2.x, 2026"),
    "RFailed": (VmState.LOST, "2026, inferred: RestoreVMInstance failed"),
}

DELETED_VM = frozenset({"deleting", "deleted", "terminating", "terminated"})
"""States of VMs that nobody can use any more, unlike those of a VM that failed: it still exists, and somebody has to know."""

Meaning = TypeVar("Meaning", SnapshotState, DiskState, VmState)


def _by_word(table: Mapping[str, tuple[Meaning, str]]) -> dict[str, Meaning]:
    return {word.casefold(): meaning for word, (meaning, _source) in table.items()}


_SNAPSHOT_WORDS, _DISK_WORDS, _VM_WORDS = _by_word(SNAPSHOT_STATES), _by_word(DISK_STATES), _by_word(VM_STATES)


def snapshot_state(word: str) -> SnapshotState:
    """The meaning of a SnapshotStatus."""
    return _SNAPSHOT_WORDS.get(word.casefold(), SnapshotState.UNKNOWN)


def disk_state(word: str) -> DiskState:
    """The meaning of a DiskStatus."""
    return _DISK_WORDS.get(word.casefold(), DiskState.UNKNOWN)


def vm_state(word: str) -> VmState:
    """The meaning of the State of a VM."""
    return _VM_WORDS.get(word.casefold(), VmState.UNKNOWN)


def vm_state_name(word: str) -> str | None:
    """The spelling of a VM state that the tables have, for one written in other letters; None if no generation has it."""
    return next((name for name in VM_STATES if name.casefold() == word.casefold()), None)


def is_deleted(word: str) -> bool:
    """Whether a VM in this state is in the recycle bin, or being deleted."""
    return word.casefold() in DELETED_VM


def same_snapshot_state(one: str, other: str) -> bool:
    """Whether two spellings of a snapshot status mean the same, such as ``Createing`` and ``Creating``."""
    meaning = snapshot_state(one)
    return one.casefold() == other.casefold() or (meaning is not SnapshotState.UNKNOWN and meaning is snapshot_state(other))
