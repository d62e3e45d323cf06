# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the API says no with. 1.x codes where 1.x has one, 2.x codes where it has none (UCloudStack API guide, return codes)."""

from __future__ import annotations

from typing import NamedTuple


class ErrorCode(NamedTuple):
    """A return code with the text that goes with it."""

    code: int
    message: str


# 1.x
BAD_PARAMETER = ErrorCode(140, "Bad parameter")
ACTION_MISSING = ErrorCode(154, "Action missing")
REGION_MISSING = ErrorCode(162, "Region does not exist")
ZONE_MISSING = ErrorCode(163, "Zone does not exist")
TOO_FREQUENT = ErrorCode(165, "Too frequent, try again later")
SIGNATURE_MISSING = ErrorCode(170, "Signature missing")
SIGNATURE_WRONG = ErrorCode(171, "Signature wrong")
PARAMETER_MISSING = ErrorCode(229, "Parameter missing")
VM_MISSING_OR_WRONG_STATE = ErrorCode(2011, "VM does not exist or is in the wrong state")
VM_NOT_RUNNING = ErrorCode(2015, "VM is not running")
VM_DISK_NOT_STABLE = ErrorCode(2041, "A disk of the VM is not in a stable state")
DISK_MISSING = ErrorCode(2201, "Disk does not exist")
DISK_WRONG_STATE = ErrorCode(2206, "Disk is in the wrong state")
SNAPSHOT_LIMIT = ErrorCode(2500, "Snapshots of this disk are at their limit")
VM_NOT_OFF = ErrorCode(2501, "VM of this disk is not shut down")
SNAPSHOT_IN_PROGRESS = ErrorCode(2502, "Disk has a snapshot being created or rolled back")

# 2.x
TOO_FREQUENT_2X = ErrorCode(199, "Too frequent, try again later")
SNAPSHOT_MISSING = ErrorCode(200, "Snapshot does not exist")
SNAPSHOT_NOT_STABLE = ErrorCode(7001, "Snapshot is not in a stable state")


class ApiError(Exception):
    """A call is refused, and nothing was done. ``code`` and ``message`` are what the caller reads."""

    def __init__(self, error: ErrorCode, detail: str = "") -> None:
        self.code = error.code
        self.message = f"{error.message}: {detail}" if detail else error.message
        super().__init__(self.code, self.message)
