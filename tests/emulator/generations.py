# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In what the generations of the API differ: words, return codes, limits, fields, filters.

Inside, the emulator uses the words of 1.x; a generation says how they are spelled on their way out. What of this is documented and what
is assumed is in the README.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from emulator.errors import Reason


@dataclass(frozen=True)
class Rule:
    """What a text has to be, in code and in words."""

    pattern: re.Pattern[str]
    words: str


@dataclass(frozen=True)
class Generation:
    """One generation of the API. The defaults are those of 1.x."""

    name: str
    codes: Mapping[Reason, int]
    fields: Mapping[str, frozenset[str]]
    """Those of each sort of record: snapshot, disk, vm, vm_disk, vm_ip, recycled."""
    snapshot_words: Mapping[str, str] = field(default_factory=dict)
    disk_words: Mapping[str, str] = field(default_factory=dict)
    vm_words: Mapping[str, str] = field(default_factory=dict)
    type_words: Mapping[str, str] = field(default_factory=dict)
    """Of ``Type`` in the DiskInfos and IPInfos of a VM."""
    shows_snapshoting: bool = True
    """While a snapshot of a disk is created, the disk shows it. Otherwise it seems to be settled."""
    limit: int = 20
    """Entries of a page, when the caller does not say."""
    limit_zero: bool = False
    """A Limit of 0 means the default, too."""
    name_rule: Rule = Rule(re.compile(r".{1,30}", re.DOTALL), "1 to 30 characters")
    remark_rule: Rule = Rule(re.compile(r".{0,100}", re.DOTALL), "at most 100 characters")
    filters: frozenset[str] = frozenset()
    """Filters of lists that this generation has beyond the ids and those of 1.x."""
    projects: bool = False
    """Creations take a ProjectID."""
    limit_counts_automatic: bool = True
    """Snapshots created by a timer count for the limit of their disk."""
    request_ids: bool = False
    """Every answer has an id in a header."""

    def spell_snapshot(self, status: str) -> str:
        """SnapshotStatus as this generation has it."""
        return self.snapshot_words.get(status, str(status))

    def spell_disk(self, status: str) -> str:
        """DiskStatus as this generation has it."""
        return self.disk_words.get(status, str(status))

    def spell_vm(self, state: str) -> str:
        """State of a VM as this generation has it."""
        return self.vm_words.get(state, str(state))

    def spell_type(self, kind: str) -> str:
        """Boot, Data, Private as this generation has them inside the record of a VM."""
        return self.type_words.get(kind, str(kind))

    def record(self, sort: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Those of the values that a record of this sort has."""
        return {name: value for name, value in values.items() if name in self.fields[sort]}


_CODES: dict[Reason, tuple[int, int]] = {  # 1.x, then 2.x and 2026
    Reason.ACTION_MISSING: (154, 101),
    Reason.ACTION_UNKNOWN: (140, 110),
    Reason.BAD_PARAMETER: (140, 113),
    Reason.PARAMETER_MISSING: (229, 3),
    Reason.REGION_MISSING: (229, 102),
    Reason.REGION_UNKNOWN: (162, 12000),
    Reason.KEY_MISSING: (170, 103),
    Reason.SIGNATURE_MISSING: (170, 104),
    Reason.SIGNATURE_WRONG: (171, 109),
    Reason.TOO_FREQUENT: (165, 199),
    Reason.VM_MISSING: (2011, 1004),
    Reason.VM_WRONG_STATE: (2011, 1005),
    Reason.VM_NOT_RUNNING: (2015, 1006),
    Reason.VM_NOT_OFF: (2501, 1014),
    Reason.VM_DISK_NOT_STABLE: (2041, 5000),
    Reason.DISK_MISSING: (2201, 200),
    Reason.DISK_WRONG_STATE: (2206, 5000),
    Reason.DISK_IN_BIN: (2201, 5002),
    Reason.DISK_EXTERNAL: (140, 207),
    Reason.SNAPSHOT_MISSING: (200, 200),
    Reason.SNAPSHOT_LIMIT: (2500, 7000),
    Reason.SNAPSHOT_IN_PROGRESS: (2502, 5000),
    Reason.SNAPSHOT_NOT_STABLE: (7001, 7001),
    Reason.NOT_IN_BIN: (8101, 202),
    Reason.RESOURCE_MISSING: (8102, 200),
}
_CODES_1, _CODES_2 = ({reason: codes[column] for reason, codes in _CODES.items()} for column in (0, 1))


def _fields(**sorts: str) -> dict[str, frozenset[str]]:
    return {sort: frozenset(names.split()) for sort, names in sorts.items()}


def _later(earlier: Mapping[str, frozenset[str]], gone: frozenset[str], more: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    return {sort: (names - gone) | more.get(sort, frozenset()) for sort, names in earlier.items()}


_FIELDS_1 = _fields(
    snapshot="Region Zone Name Remark SnapshotID SnapshotStatus DiskID DiskType CreateTime",
    disk="Region Zone DiskID Name Remark Size SetType DiskType DiskStatus AttachResourceID ChargeType CreateTime ExpireTime",
    vm="Region Zone VMID Name Remark State CPU Memory ImageID OSName OSType VMType VMTypeAlias ChargeType CreateTime ExpireTime"
    " IPInfos DiskInfos VPCID VPCName SubnetID SubnetName",
    vm_disk="DiskID Type Name Drive Size IsElastic",
    vm_ip="IP Type IPVersion InterfaceID IsElastic MAC SGID SGName VPCID VPCName SubnetID SubnetName",
    recycled="Region Zone ResourceID ResourceType Name Description Status CreateTime DeleteTime WillTerminateTime ExpireTime"
    " IsAutoTerminated",
)
_FIELDS_2 = _later(
    _FIELDS_1,
    frozenset({"Zone", "Description"}),
    _fields(
        snapshot="CompanyID Email ProjectID ProjectName Type DiskAttachResourceID DiskAttachResourceType SnapshotSize",
        disk="CompanyID Email ProjectID ProjectName Drive SetAlias SetArch AttachResourceName AttachResourceType",
        vm="CompanyID ProjectID ProjectName SetID SetArch HostIP UpdateTime CanLogin CPUUtilization MemUsage SpaceUsage Reason"
        " BasicImageName",
        vm_ip="IsVIP NicType",
        recycled="CompanyID Email ProjectID ProjectName Remark State",
    ),
)
_FIELDS_2026 = _later(
    _FIELDS_2,
    frozenset({"IsVIP"}),
    _fields(
        snapshot="RegionAlias CompanyName DiskName Encrypted Reason Tags",
        disk="RegionAlias CompanyName Encrypted Reason Tags SnapshotCount AttachResourceStatus AttachResourceSnapCount CreatedAsBoot"
        " ShareAble Percent SetProvider",
        vm="RegionAlias CompanyName Tags Hostname QGAEnabled QGARunning CloudInitEnabled CloudInitRunning UUID StatusProcessProgress"
        " VMSPInfos HighAvailability NetworkType",
        vm_disk="SetID Bus CacheMode Encrypted IsSharedblock ShareAble SnapshotCount StorageSetArch StorageSetProvider",
        vm_ip="InterfaceName ISDefaultGW Mode",
    ),
)

_FILTERS_2 = frozenset({"ProjectIDs", "Keyword", "States"})

GENERATIONS: dict[str, Generation] = {
    generation.name: generation
    for generation in (
        Generation("1.x", _CODES_1, _FIELDS_1),
        Generation("2.x", _CODES_2, _FIELDS_2, filters=_FILTERS_2, projects=True),
        Generation(
            "2026",
            _CODES_2,
            _FIELDS_2026,
            snapshot_words={"Createing": "Creating", "RollBacking": "Rollbacking"},
            disk_words={"Unbound": "Detached", "Bounding": "Attaching", "Bound": "Attached", "Unbounding": "Detaching"},
            vm_words={"Initializing": "Starting"},
            type_words={"Boot": "boot", "Data": "data", "Private": "private"},
            shows_snapshoting=False,
            limit=10,
            limit_zero=True,
            name_rule=Rule(
                re.compile(r"[A-Za-z0-9._\-\u3400-\u4dbf\u4e00-\u9fff]{1,128}"),
                "1 to 128 Chinese or English letters, digits, dots, underscores or hyphens",
            ),
            remark_rule=Rule(re.compile(r"(?!.*https?://).{0,100}", re.DOTALL), "at most 100 characters without http:// and https://"),
            filters=_FILTERS_2 | {"Status", "DiskTypes"},
            projects=True,
            limit_counts_automatic=False,
            request_ids=True,
        ),
    )
}
OLDEST = "1.x"
"""What a new emulator speaks if it is not told."""
