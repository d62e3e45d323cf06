# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``snapshot_info``: which snapshots are listed, in which order, and with which fields."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from emulator import actions
from emulator.server import Emulator

Run = Callable[..., Any]


@pytest.fixture
def scene(cloud: Emulator, place: Callable[..., str]) -> dict[str, str]:
    """Letters, oldest first, each with the id that the snapshot or disk got."""
    ids = {disk: cloud.state.add_disk(disk, 1) for disk in ("disk1", "disk2")}
    for letter, disk, name, status, age in (
        ("a", "disk2", "patch-1", "Normal", 500),
        ("b", "disk1", "patch-1", "Failure", 400),
        ("c", "disk1", "patch-2", "Normal", 300),
        ("d", "disk1", "pre-patch-2", "Normal", 200),
        ("e", "disk2", "patch-2", "Pondering", 100),
    ):
        ids[letter] = place(ids[disk], name, status=status, age=age)
    return ids


@pytest.mark.parametrize(
    ("options", "letters"),
    [
        ({}, "abcde"),
        ({"name": "patch-2"}, "ce"),
        ({"name": "patch"}, ""),
        ({"name_prefix": "patch-"}, "abce"),
        ({"name_prefix": "pre-"}, "d"),
        ({"name_prefix": "patch-", "status": "Normal"}, "ac"),
        ({"status": "Pondering"}, "e"),
        ({"status": "normal"}, "acd"),
        ({"status": "pondering"}, "e"),
        ({"status": "Creating"}, ""),
        ({"status": "failure"}, "b"),
        ({"disk_ids": ["disk1"]}, "bcd"),
        ({"disk_ids": ["disk2", "disk1"]}, "abcde"),
        ({"disk_ids": ["disk1"], "name": "patch-2"}, "c"),
        ({"disk_ids": ["disk-missing"]}, ""),
        ({"disk_ids": ["disk-missing", "disk2"]}, "ae"),
        ({"snapshot_ids": ["e", "a"]}, "ae"),
        ({"snapshot_ids": ["a", "snapshot-missing", "c"]}, "ac"),
        ({"snapshot_ids": ["snapshot-missing"]}, ""),
        ({"snapshot_ids": ["a", "b"], "disk_ids": ["disk1"]}, "b"),
        ({"snapshot_ids": ["a", "b", "c"], "name": "patch-1", "status": "Normal"}, "a"),
    ],
)
@pytest.mark.parametrize("missing_id_fails", [False, True])
def test_filters_narrow_down_and_the_oldest_comes_first(
    cloud: Emulator, run: Run, scene: dict[str, str], options: dict[str, Any], letters: str, missing_id_fails: bool
) -> None:
    if missing_id_fails:
        cloud.add_faults({"action": "DescribeSnapshot", "kind": "missing_id_fails"})
    asked = {key: [scene.get(each, each) for each in value] if isinstance(value, list) else value for key, value in options.items()}
    answer = run("snapshot_info", **asked)
    assert [record["snapshot_id"] for record in answer.snapshots] == [scene[letter] for letter in letters]
    assert (answer.changed, answer.failed, answer.api_calls) == (False, False, {"DescribeSnapshot": len(cloud.calls())})


def test_equal_times_are_sorted_by_id(cloud: Emulator, run: Run, disk: str) -> None:
    ids = sorted(cloud.state.add_snapshot(disk, "x", age=60) for _turn in range(8))
    assert [record["snapshot_id"] for record in run("snapshot_info").snapshots] == ids


def test_all_pages_are_read(cloud: Emulator, run: Run, disk: str) -> None:
    ids = {cloud.state.add_snapshot(disk, f"x-{number}") for number in range(250)}
    answer = run("snapshot_info")
    assert {record["snapshot_id"] for record in answer.snapshots} == ids and answer.api_calls["DescribeSnapshot"] == 3
    assert {record["snapshot_id"] for record in run("snapshot_info", snapshot_ids=sorted(ids)).snapshots} == ids
    assert {record["snapshot_id"] for record in run("snapshot_info", disk_ids=[disk]).snapshots} == ids


def test_empty_cloud_gives_an_empty_list(cloud: Emulator, run: Run) -> None:
    cloud.add_faults({"action": "DescribeSnapshot", "kind": "null_infos"})
    assert run("snapshot_info").snapshots == []


@pytest.mark.parametrize("option", ["name", "name_prefix", "status"])
def test_empty_filter_is_an_error_and_never_all(cloud: Emulator, run: Run, scene: dict[str, str], option: str) -> None:
    answer = run("snapshot_info", **{option: ""})
    assert answer.failed and cloud.calls() == []
    assert option in answer.msg and "empty" in answer.msg


OF_2 = {
    "company_id": 1,
    "email": "owner@example.com",
    "project_id": "project-default",
    "project_name": "project-default",
    "type": "Manual",
    "disk_attach_resource_id": "",
    "disk_attach_resource_type": "",
    "snapshot_size": 1,
}
OF_2026 = {**OF_2, "region_alias": "cn", "company_name": "company", "disk_name": "data", "encrypted": False, "reason": "", "tags": []}
PASSED_ON: dict[str, dict[str, Any]] = {"1.x": {}, "2.x": OF_2, "2026": OF_2026}


def test_record_has_the_apis_fields_in_snake_case(cloud: Emulator, run: Run, disk: str) -> None:
    snapshot = cloud.state.add_snapshot(disk, "名 {{ x }}", "why\nnot", age=3600)
    assert run("snapshot_info").snapshots == [
        {
            "snapshot_id": snapshot,
            "disk_id": disk,
            "disk_type": "Data",
            "name": "名 {{ x }}",
            "remark": "why\nnot",
            "status": "Normal",
            "region": cloud.region,
            "zone": cloud.zone if cloud.generation.name == "1.x" else "",
            "create_time": 1795424400,
            "created_at": "2026-11-23T09:00:00Z",
            "automatic": False,
            **PASSED_ON[cloud.generation.name],
        }
    ]


def test_fields_that_only_newer_platforms_have_are_passed_on(cloud: Emulator, run: Run, disk: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud.state.add_snapshot(disk, "x")
    info = actions._snapshot_info
    more = {"SnapshotSize": 40, "DiskAttachResourceID": "vm-1", "ProjectID": "p", "Tags": [{"Key": "k"}], "IsHTTPOnly": None}
    monkeypatch.setattr(actions, "_snapshot_info", lambda *args: {**info(*args), **more})
    (record,) = run("snapshot_info").snapshots
    assert {key: record[key] for key in ("snapshot_size", "disk_attach_resource_id", "project_id", "tags", "is_http_only")} == {
        "snapshot_size": 40,
        "disk_attach_resource_id": "vm-1",
        "project_id": "p",
        "tags": [{"Key": "k"}],
        "is_http_only": None,
    }
    assert record["snapshot_id"] and record["status"] == "Normal"


def test_numbers_as_strings_and_the_alias_of_the_name_are_accepted(cloud: Emulator, run: Run, disk: str) -> None:
    cloud.state.add_snapshot(disk, "x")
    cloud.add_faults(*({"action": "DescribeSnapshot", "kind": kind} for kind in ("strings", "snapshot_name")))
    (record,) = run("snapshot_info", name="x").snapshots
    assert (record["create_time"], record["created_at"]) == (1795428000, "2026-11-23T10:00:00Z")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"kind": "refuse", "ret_code": 171}, "RetCode 171"),
        ({"kind": "http_status", "status": 404}, "404"),
        ({"kind": "redirect"}, "redirects"),
        ({"kind": "html"}, "not a response of the API"),
        ({"kind": "empty"}, "empty body"),
        ({"kind": "drop"}, "broke"),
    ],
    ids=lambda each: each["kind"] if isinstance(each, dict) else "",
)
def test_failure_is_one_line_with_the_calls_sent(cloud: Emulator, run: Run, fault: dict[str, Any], words: str) -> None:
    cloud.add_faults({"action": "*", **fault})
    answer = run("snapshot_info")
    assert answer.failed and words in answer.msg and "\n" not in answer.msg and "Traceback" not in answer.printed
    assert answer.api_calls == {"DescribeSnapshot": len(cloud.calls())}


def test_passing_failure_is_read_again(cloud: Emulator, run: Run, scene: dict[str, str]) -> None:
    cloud.add_faults({"action": "*", "kind": "http_status", "status": 503, "count": 3})
    assert len(run("snapshot_info").snapshots) == 5
