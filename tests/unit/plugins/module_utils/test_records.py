# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records of what the API says, tolerant of all the ways in which it may say it."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import Snapshot, Vm, by_age, iso_utc, snake_case, whole_number
from ansible_collections.ucloudstack.cloud.plugins.module_utils._steps import Seen

ENTRY = {
    "Region": "cn",
    "Zone": "zone-01",
    "Name": "before",
    "Remark": "kernel",
    "SnapshotID": "snapshot-1",
    "SnapshotStatus": "Normal",
    "DiskID": "disk-1",
    "DiskType": "Data",
    "CreateTime": 1_700_000_000,
}


def record(**changes: Any) -> dict[str, Any]:
    """The record of ENTRY with these changes; a field changed to ... is taken away."""
    entry = {name: value for name, value in {**ENTRY, **changes}.items() if value is not ...}
    return Snapshot.from_api(entry).as_result()


def test_a_record() -> None:
    assert record() == {
        "snapshot_id": "snapshot-1",
        "disk_id": "disk-1",
        "disk_type": "Data",
        "name": "before",
        "remark": "kernel",
        "status": "Normal",
        "region": "cn",
        "zone": "zone-01",
        "create_time": 1_700_000_000,
        "created_at": "2023-11-14T22:13:20Z",
        "automatic": False,
    }


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"Name": "one"}, "one"),
        ({"Name": ..., "SnapshotName": "two"}, "two"),
        ({"Name": None, "SnapshotName": "two"}, "two"),
        ({"Name": "", "SnapshotName": "two"}, "two"),
        ({"Name": "one", "SnapshotName": "two"}, "one"),
        ({"Name": "one", "SnapshotName": None}, "one"),
        ({"Name": 2024}, "2024"),
        ({"Name": 0}, "0"),
        ({"Name": ...}, ""),
        ({"Name": None}, ""),
        ({"Name": ["one"]}, ""),
        ({"Name": " one "}, " one "),
    ],
)
def test_name_or_snapshot_name(fields: dict[str, Any], name: str) -> None:
    found = record(**fields)
    assert found["name"] == name and "snapshot_name" not in found


def test_missing_and_empty_fields() -> None:
    found = Snapshot.from_api({"SnapshotID": "snapshot-1", "DiskID": "disk-1", "Remark": None, "Zone": None}).as_result()
    assert found == {
        **dict.fromkeys(("disk_type", "name", "remark", "status", "region", "zone"), ""),
        "snapshot_id": "snapshot-1",
        "disk_id": "disk-1",
        "create_time": None,
        "created_at": None,
        "automatic": False,
    }


@pytest.mark.parametrize("status", ["Createing", "Normal", "RollBacking", "Deleting", "Failure", "Released", "normal", "Pondering", ""])
def test_a_status_stays_as_it_is_spelled(status: str) -> None:
    assert record(SnapshotStatus=status)["status"] == status


@pytest.mark.parametrize(
    ("create_time", "number", "text"),
    [
        (1_700_000_000, 1_700_000_000, "2023-11-14T22:13:20Z"),
        ("1700000000", 1_700_000_000, "2023-11-14T22:13:20Z"),
        (1_700_000_000.0, 1_700_000_000, "2023-11-14T22:13:20Z"),
        (0, 0, "1970-01-01T00:00:00Z"),
        (-1, -1, "1969-12-31T23:59:59Z"),
        (-62_000_000_000, -62_000_000_000, "0005-04-19T09:46:40Z"),
        (2**31, 2**31, "2038-01-19T03:14:08Z"),
        (1_700_000_000_000, 1_700_000_000_000, None),
        (10**30, 10**30, None),
        (-(10**30), -(10**30), None),
        (float("inf"), None, None),
        (float("nan"), None, None),
        (1.5, None, None),
        ("abc", None, None),
        ("", None, None),
        ("2023-11-14", None, None),
        (None, None, None),
        (True, None, None),
        ([], None, None),
        ({}, None, None),
        ("9" * 5000, None, None),
    ],
)
def test_create_time(create_time: Any, number: int | None, text: str | None) -> None:
    found = record(CreateTime=create_time)
    assert (found["create_time"], found["created_at"]) == (number, text)


@pytest.mark.parametrize("zone", ["UTC", "CST-8", "EST5"])
def test_created_at_is_utc_wherever_it_runs(monkeypatch: pytest.MonkeyPatch, zone: str) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert iso_utc(1_700_000_000) == "2023-11-14T22:13:20Z"
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("value", [None, "", ..., [], {}, ["snapshot-1"]])
@pytest.mark.parametrize("key", ["SnapshotID", "DiskID"])
def test_an_entry_without_an_id_is_refused(key: str, value: Any) -> None:
    with pytest.raises(ValueError, match="has no SnapshotID or no DiskID"):
        record(**{key: value})


@pytest.mark.parametrize("entry", [None, "snapshot-1", ["snapshot-1"], 5])
def test_an_entry_that_is_not_an_object_is_rejected(entry: Any) -> None:
    with pytest.raises(ValueError, match="is not an object"):
        Snapshot.from_api(entry)


def test_unknown_fields_are_passed_on() -> None:
    deep = {"A": [{"B": None}], "ResourceID": 1}
    found = record(SnapshotSize=10, DiskAttachResourceID="vm-1", ProjectID=None, Tags=["a"], Deep=deep)
    assert found["snapshot_size"] == 10
    assert found["disk_attach_resource_id"] == "vm-1"
    assert found["project_id"] is None
    assert found["tags"] == ["a"]
    assert found["deep"] == deep
    assert json.loads(json.dumps(found)) == found


def test_an_unknown_field_never_hides_a_known_one() -> None:
    found = record(Status="Fake", Snapshot_ID="fake", snapshot_id="fake", created_at="fake", Disk_Id="fake")
    assert (found["status"], found["snapshot_id"], found["disk_id"]) == ("Normal", "snapshot-1", "disk-1")
    assert found["created_at"] == "2023-11-14T22:13:20Z"


def test_reading_an_entry_leaves_it_as_it_was() -> None:
    entry = dict(ENTRY)
    Snapshot.from_api(entry)
    assert entry == ENTRY


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("SnapshotSize", "snapshot_size"),
        ("DiskAttachResourceID", "disk_attach_resource_id"),
        ("DiskAttachResourceType", "disk_attach_resource_type"),
        ("ProjectID", "project_id"),
        ("VMID", "vmid"),
        ("VMName", "vm_name"),
        ("IPInfos", "ip_infos"),
        ("SnapshotIDs", "snapshot_ids"),
        ("DiskIDsOfVM", "disk_ids_of_vm"),
        ("EIPs", "eips"),
        ("OSType", "os_type"),
        ("VPCID", "vpcid"),
        ("IsElastic", "is_elastic"),
        ("Type", "type"),
        ("already_snake", "already_snake"),
        ("X", "x"),
        ("", ""),
        ("Size2Big", "size2_big"),
        ("名称", "名称"),
    ],
)
def test_snake_case(key: str, name: str) -> None:
    assert snake_case(key) == name


@pytest.mark.parametrize(
    ("value", "number"),
    [
        *((0, 0), (7, 7), (-7, -7), ("0", 0), ("007", 7), ("-7", -7), (7.0, 7), (10**40, 10**40)),
        *((word, None) for word in ("", " ", "7 ", "seven", "7.0", "0x7", "1_000", "+7", "\u0667", "--7", "-", "9" * 31)),
        *((number, None) for number in (7.5, float("inf"), float("-inf"), float("nan"))),
        *[(None, None), (True, None), (False, None), ([], None), ({}, None), (b"7", None)],
    ],
)
def test_whole_numbers(value: Any, number: int | None) -> None:
    assert whole_number(value) == number


def test_snapshots_of_a_name_oldest_first() -> None:
    def snapshot(number: int, **fields: Any) -> Snapshot:
        return Snapshot.from_api({**ENTRY, "SnapshotID": f"snapshot-{number}", **fields})

    all_of_them = [
        snapshot(1, CreateTime=300),
        snapshot(2, CreateTime=100),
        snapshot(3, CreateTime=200, Name="before "),
        snapshot(4, CreateTime=200, DiskID="disk-2"),
        snapshot(6, CreateTime=200),
        snapshot(5, CreateTime=200),
        snapshot(7, CreateTime=None),
    ]
    seen = Seen({each.snapshot_id: each for each in all_of_them}, frozenset({"disk-1"}))
    assert [each.snapshot_id for each in seen.named("disk-1", "before")] == [f"snapshot-{number}" for number in (7, 2, 5, 6, 1)]
    assert sorted(all_of_them, key=by_age)[0].snapshot_id == "snapshot-7"


def test_a_snapshot_as_text() -> None:
    assert str(Snapshot.from_api(ENTRY)) == "snapshot-1 (Normal, created 2023-11-14T22:13:20Z)"
    assert str(Snapshot.from_api({**ENTRY, "CreateTime": 10**30})) == "snapshot-1 (Normal, created at an unknown time)"


def test_why_a_snapshot_failed_is_named_where_the_platform_says_so() -> None:
    failed = Snapshot.from_api({**ENTRY, "SnapshotStatus": "Failure", "Reason": "no space\n"})
    assert str(failed) == r"snapshot-1 (Failure, created 2023-11-14T22:13:20Z, reason 'no space\n')"


@pytest.mark.parametrize(
    ("value", "automatic"),
    [("Automatic", True), ("automatic", True), ("Manual", False), ("", False), (None, False), (["Automatic"], False), (1, False)],
)
def test_which_snapshots_a_timer_created(value: Any, automatic: bool) -> None:
    assert record(Type=value)["automatic"] is automatic and record(Type=value)["type"] == value
    assert record(Automatic="yes")["automatic"] is False


def test_a_vm() -> None:
    entry = {
        "VMID": "vm-1",
        "Name": "web",
        "State": "Running",
        "IPInfos": [{"IP": "10.0.0.1"}, {"IP": "fe80::1"}],
        "DiskInfos": [{"DiskID": "disk-1", "Type": "Boot", "Name": "root", "Size": "40", "Drive": "/dev/vda", "IsElastic": "N"}],
    }
    assert Vm.from_api(entry).as_result() == {
        "vm_id": "vm-1",
        "name": "web",
        "state": "Running",
        "ips": ["10.0.0.1", "fe80::1"],
        "disk_ids": ["disk-1"],
        "disks": [{"disk_id": "disk-1", "type": "Boot", "name": "root", "size": 40, "drive": "/dev/vda", "external": False}],
    }


@pytest.mark.parametrize(("word", "shown"), [("Boot", "Boot"), ("boot", "Boot"), ("data", "Data"), ("SaveMem", "SaveMem"), (None, "")])
def test_boot_and_data_disks_of_every_generation(word: Any, shown: str) -> None:
    (disk,) = Vm.from_api({"VMID": "vm-1", "DiskInfos": [{"DiskID": "disk-1", "Type": word}]}).disks
    assert disk["type"] == shown


@pytest.mark.parametrize(("value", "external"), [(True, True), ("true", True), (False, False), (None, False), ("N", False)])
def test_luns_of_external_storage(value: Any, external: bool) -> None:
    (disk,) = Vm.from_api({"VMID": "vm-1", "DiskInfos": [{"DiskID": "disk-1", "IsSharedblock": value}]}).disks
    assert disk["external"] is external


@pytest.mark.parametrize("nothing", [None, [], "", {}, "text", 5, [None, "x", 5]])
def test_a_vm_without_addresses_and_disks(nothing: Any) -> None:
    vm = Vm.from_api({"VMID": "vm-1", "IPInfos": nothing, "DiskInfos": nothing})
    assert (vm.ips, vm.disks, vm.disk_ids, vm.name) == ((), (), [], "")


def test_a_disk_without_an_id_is_shown_and_not_counted() -> None:
    vm = Vm.from_api({"VMID": "vm-1", "DiskInfos": [{"Name": "odd"}, {"DiskID": "disk-2"}]})
    assert vm.disk_ids == ["disk-2"] and len(vm.disks) == 2
