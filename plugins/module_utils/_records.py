# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The records of the API as plain data: snapshots, disks and VMs. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from ansible_collections.ucloudstack.cloud.plugins.module_utils._states import (
    DiskState,
    SnapshotState,
    VmState,
    disk_state,
    snapshot_state,
    vm_state,
)

ID_LENGTH = 255
STATUS_LENGTH = 50
NAME_LENGTH = 30
"""The maximum length of the name of a new snapshot: the limit that all generations accept."""
LONGEST_NAME = 128
"""The maximum length of the name of an existing snapshot (2026)."""
REMARK_LENGTH = 100


@lru_cache(maxsize=1000)  # every record of a list has the same keys
def snake_case(key: str) -> str:
    """``DiskAttachResourceID`` → ``disk_attach_resource_id``; the s of ``SnapshotIDs`` does not start a word."""
    words = re.sub(r"([A-Z]+)([A-Z](?!s(?:[A-Z]|$))[a-z])", r"\1_\2", key)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", words).lower()


def iso_utc(seconds: int | None) -> str | None:
    """Unix seconds as ISO 8601 in UTC; None for a time that is missing or out of range."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).replace(tzinfo=None).isoformat() + "Z"
    except (OverflowError, OSError, ValueError):
        return None


def whole_number(value: Any) -> int | None:
    """An integer, which may have arrived as a string of digits; None if it is not an integer."""
    if isinstance(value, str):
        return int(value) if re.fullmatch(r"-?[0-9]{1,30}", value) else None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


@dataclass(frozen=True)
class Snapshot:
    """One entry of ``Infos`` of DescribeSnapshot (API guide 5.2).

    ``create_time`` is Unix time in seconds, ``status`` as the API spells it; ``extra`` has the fields that are not in the
    guide of 1.x (newer generations send more), under snake-case names.
    """

    snapshot_id: str
    disk_id: str
    name: str
    status: str
    create_time: int | None = None
    remark: str = ""
    disk_type: str = ""
    region: str = ""
    zone: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_api(cls, info: Any) -> Snapshot:
        """Read one entry. Raises ValueError if it is not an object, lacks an id, or has an invalid id or status.

        Name and remark are text from users and are kept unchanged; ids and status come from the API and must be short and printable.
        """
        if not isinstance(info, dict):
            raise ValueError("an entry of Infos is not an object")
        rest = dict(info)
        # In the table of the guide it is Name, in its example SnapshotName.
        names = [rest.pop(key, None) for key in ("Name", "SnapshotName")]
        snapshot = cls(
            snapshot_id=_id(rest.pop("SnapshotID", None)),
            disk_id=_id(rest.pop("DiskID", None)),
            name=next((_text(name) for name in names if name not in (None, "")), ""),
            status=_status(rest.pop("SnapshotStatus", None)),
            create_time=whole_number(rest.pop("CreateTime", None)),
            remark=_text(rest.pop("Remark", None)),
            disk_type=_text(rest.pop("DiskType", None)),
            region=_text(rest.pop("Region", None)),
            zone=_text(rest.pop("Zone", None)),
            extra={snake_case(key): value for key, value in rest.items()},
        )
        if not snapshot.snapshot_id or not snapshot.disk_id:
            raise ValueError("an entry of Infos has no SnapshotID or no DiskID")
        return snapshot

    @property
    def meaning(self) -> SnapshotState:
        """The meaning of the status."""
        return snapshot_state(self.status)

    @property
    def automatic(self) -> bool:
        """Whether a timer of the platform created it, and will delete it (``Type``, from 2.x on)."""
        return _text(self.extra.get("type")).casefold() == "automatic"

    def as_result(self) -> dict[str, Any]:
        """The record as modules return it."""
        return {
            **self.extra,
            "automatic": self.automatic,
            "snapshot_id": self.snapshot_id,
            "disk_id": self.disk_id,
            "disk_type": self.disk_type,
            "name": self.name,
            "remark": self.remark,
            "status": self.status,
            "region": self.region,
            "zone": self.zone,
            "create_time": self.create_time,
            "created_at": iso_utc(self.create_time),
        }

    def __str__(self) -> str:
        reason = _text(self.extra.get("reason"))  # 2026: why it failed
        suffix = f", reason {quoted(reason)}" if reason else ""
        return f"{self.snapshot_id} ({self.status}, created {iso_utc(self.create_time) or 'at an unknown time'}{suffix})"


def _text(value: Any) -> str:
    return "" if value is None or isinstance(value, (dict, list)) else str(value)


def is_id(text: str) -> bool:
    """Whether this is a valid id: not empty, not too long, printable, and without spaces, so that it cannot forge parts of a message."""
    return 0 < len(text) <= ID_LENGTH and text.isprintable() and " " not in text


def quoted(text: str | None) -> str:
    """Untrusted text for a message: in quotes, shortened, and with unprintable characters escaped."""
    return repr(text[:REMARK_LENGTH] + "..." if text and len(text) > REMARK_LENGTH else text)


def _id(value: Any) -> str:
    text = _text(value)
    if text and not is_id(text):
        raise ValueError("an entry of Infos has an invalid id")
    return text


def _status(value: Any) -> str:
    text = _text(value)
    if not text.isprintable() or len(text) > STATUS_LENGTH:
        raise ValueError("an entry of Infos has an invalid status")
    return text


def _disk_type(word: str) -> str:
    """Boot or Data, which 2026 writes in lower case; anything else unchanged."""
    return word.capitalize() if word.casefold() in ("boot", "data") else word


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _addresses(vm: Mapping[str, Any], public: bool) -> tuple[str, ...]:
    """The addresses of a VM that are, or are not, of the type Public, IPv4 first."""
    ips = [_text(each.get("IP")) for each in _objects(vm.get("IPInfos")) if (_text(each.get("Type")).casefold() == "public") is public]
    return tuple(sorted(filter(_ip_version, ips), key=_ip_version))


def _ip_version(text: str) -> int:
    """4 or 6; 0 if it is not an address. A zone, as in ``fe80::1%eth0``, may be any text, so it is not accepted."""
    try:
        return 0 if "%" in text else ip_address(text).version
    except ValueError:
        return 0


def by_age(snapshot: Snapshot) -> tuple[int, str]:
    """Sort key: creation time, then id, so that the order is stable within the same second."""
    return (snapshot.create_time or 0, snapshot.snapshot_id)


@dataclass(frozen=True)
class Disk:
    """A disk as DescribeDisk and DescribeVMInstance return it.

    ``vm_id`` is empty if it is detached, ``vm_state`` if the key has no permission to read it.
    """

    disk_id: str
    status: str
    vm_id: str = ""
    vm_state: str = ""

    @property
    def meaning(self) -> DiskState:
        """The meaning of the status."""
        return disk_state(self.status)

    @property
    def in_use(self) -> str:
        """The reason why it cannot be rolled back, if its VM is on; empty if the VM is off or its state is unknown (API guide 5.3)."""
        if not self.vm_id or not self.vm_state or vm_state(self.vm_state) is VmState.STOPPED:
            return ""
        return f"the disk is attached to VM {self.vm_id}, which is {self.vm_state}"

    @classmethod
    def from_api(cls, info: Mapping[str, Any]) -> Disk:
        """Read one entry of ``Infos`` of DescribeDisk. Raises ValueError if an id or the status is invalid."""
        return cls(_id(info.get("DiskID")), _status(info.get("DiskStatus")), _id(info.get("AttachResourceID") or None))


@dataclass(frozen=True)
class Vm:
    """A VM as DescribeVMInstance returns it (API guide 2). ``disks``: one record per disk, with its size in GB.

    ``unstable``: ids of its disks that are busy, or have a snapshot in progress; empty if the key has no permission to read them.
    ``private_ips``, ``public_ips``: those of ``ips`` that are addresses, IPv4 first. Projects are of 2.x, tags and the host name of 2026:
    empty on older platforms.
    """

    vm_id: str
    name: str
    state: str
    ips: tuple[str, ...] = ()
    disks: tuple[Mapping[str, Any], ...] = ()
    unstable: tuple[str, ...] = ()
    private_ips: tuple[str, ...] = ()
    public_ips: tuple[str, ...] = ()
    remark: str = ""
    hostname: str = ""
    os_type: str = ""
    os_name: str = ""
    region: str = ""
    zone: str = ""
    project_id: str = ""
    project_name: str = ""
    vpc_id: str = ""
    vpc_name: str = ""
    subnet_id: str = ""
    subnet_name: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_api(cls, info: Mapping[str, Any]) -> Vm:
        """Read one entry of ``Infos``, tolerating missing fields. Raises ValueError if an id or the state is invalid."""
        return cls(
            vm_id=_id(info.get("VMID")),
            name=_text(info.get("Name")),
            state=_status(info.get("State")),
            ips=tuple(_text(each.get("IP")) for each in _objects(info.get("IPInfos"))),
            disks=tuple(
                {
                    "disk_id": _id(each.get("DiskID")),
                    "type": _disk_type(_text(each.get("Type"))),
                    "name": _text(each.get("Name")),
                    "size": whole_number(each.get("Size")),
                    "drive": _text(each.get("Drive")),
                    "external": _text(each.get("IsSharedblock")).casefold() == "true",
                }
                for each in _objects(info.get("DiskInfos"))
            ),
            private_ips=_addresses(info, public=False),
            public_ips=_addresses(info, public=True),
            remark=_text(info.get("Remark")),
            hostname=_text(info.get("Hostname")),
            os_type=_text(info.get("OSType")),
            os_name=_text(info.get("OSName")),
            region=_text(info.get("Region")),
            zone=_text(info.get("Zone")),
            project_id=_text(info.get("ProjectID")),
            project_name=_text(info.get("ProjectName")),
            vpc_id=_text(info.get("VPCID")),
            vpc_name=_text(info.get("VPCName")),
            subnet_id=_text(info.get("SubnetID")),
            subnet_name=_text(info.get("SubnetName")),
            tags={_text(each.get("Key")): _text(each.get("Value")) for each in _objects(info.get("Tags"))},
        )

    @property
    def meaning(self) -> VmState:
        """The meaning of the state."""
        return vm_state(self.state)

    @property
    def disk_ids(self) -> list[str]:
        return [disk["disk_id"] for disk in self.disks if disk["disk_id"]]

    def as_result(self) -> dict[str, Any]:
        """The record as modules return it."""
        return {
            "vm_id": self.vm_id,
            "name": self.name,
            "state": self.state,
            "ips": list(self.ips),
            "disk_ids": self.disk_ids,
            "disks": [dict(disk) for disk in self.disks],
        }
