# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why the API says no. Which number a reason has is up to the generation."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """A reason to refuse a call, with the text that the caller reads."""

    ACTION_MISSING = "Action missing"
    ACTION_UNKNOWN = "No such API"
    BAD_PARAMETER = "Bad parameter"
    PARAMETER_MISSING = "Parameter missing"
    REGION_MISSING = "Region missing"
    REGION_UNKNOWN = "Region does not exist"
    KEY_MISSING = "Public key missing"
    SIGNATURE_MISSING = "Signature missing"
    SIGNATURE_WRONG = "Signature wrong"
    TOO_FREQUENT = "Too frequent, try again later"
    VM_MISSING = "VM does not exist"
    VM_WRONG_STATE = "VM is in the wrong state"
    VM_NOT_RUNNING = "VM is not running"
    VM_NOT_OFF = "VM of this disk is not shut down"
    VM_DISK_NOT_STABLE = "A disk of the VM is not in a stable state"
    DISK_MISSING = "Disk does not exist"
    DISK_WRONG_STATE = "Disk is in the wrong state"
    DISK_IN_BIN = "Disk is in the recycle bin"
    DISK_EXTERNAL = "Disk is of an external storage"
    SNAPSHOT_MISSING = "Snapshot does not exist"
    SNAPSHOT_LIMIT = "Snapshots of this disk are at their limit"
    SNAPSHOT_IN_PROGRESS = "Disk has a snapshot being created or rolled back"
    SNAPSHOT_NOT_STABLE = "Snapshot is not in a stable state"
    NOT_IN_BIN = "Resource is not in the recycle bin"
    RESOURCE_MISSING = "Resource does not exist"


class ApiError(Exception):
    """A call is refused, and nothing was done. ``message`` is what the caller reads beside the code."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        self.reason = reason
        self.message = f"{reason.value}: {detail}" if detail else reason.value
        super().__init__(reason.name, self.message)
