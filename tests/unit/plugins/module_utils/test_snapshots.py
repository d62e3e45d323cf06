# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The four actions on snapshots in the API's words, and the cheaper of two ways to look at many disks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.module_utils import _snapshots
from ansible_collections.ucloudstack.cloud.plugins.module_utils._client import Client, UnsettledListingError
from ansible_collections.ucloudstack.cloud.plugins.module_utils._errors import (
    FatalError,
    NoPermissionError,
    RefusedError,
    UCloudStackError,
    UnknownOutcomeError,
)
from emulator.server import Emulator

Connect = Callable[..., Client]
Serve = Callable[..., Any]


@pytest.fixture
def client(cloud: Emulator, connect: Connect) -> Client:
    return connect(cloud.api_url, public_key=cloud.public_key, private_key=cloud.private_key)


def add(cloud: Emulator, disks: int, each: int) -> dict[str, list[str]]:
    """So many disks with so many snapshots each: disk id → snapshot ids."""
    with cloud.state.transaction():
        disk_ids = [cloud.state.add_disk(f"data-{number}", 1) for number in range(disks)]
        return {disk_id: [cloud.state.add_snapshot(disk_id, f"s{number}") for number in range(each)] for disk_id in disk_ids}


def found(client: Client, ticks: Any, disk_ids: list[str]) -> dict[str, list[str]]:
    """What is found: disk id → snapshot ids, as in ``add``."""
    answer: dict[str, list[str]] = {disk_id: [] for disk_id in disk_ids}
    for snapshot in _snapshots.of_disks(client, disk_ids, ticks.deadline()):
        answer[snapshot.disk_id].append(snapshot.snapshot_id)
    return {disk_id: sorted(ids) for disk_id, ids in answer.items()}


def in_order(cloud: dict[str, list[str]]) -> dict[str, list[str]]:
    return {disk_id: sorted(ids) for disk_id, ids in cloud.items()}


# ---- writes


def test_create_and_delete(client: Client, cloud: Emulator, ticks: Any) -> None:
    disk_id = cloud.state.add_disk("data", 1)
    snapshot_id = _snapshots.create(client, disk_id, "before", "kernel", ticks.deadline()).created
    assert snapshot_id
    (snapshot,) = _snapshots.by_ids(client, [snapshot_id], ticks.deadline())
    assert (snapshot.snapshot_id, snapshot.disk_id, snapshot.name, snapshot.remark) == (snapshot_id, disk_id, "before", "kernel")
    with pytest.raises(RefusedError):
        _snapshots.delete(client, snapshot_id, ticks.deadline())
    normal = cloud.state.add_snapshot(disk_id, "older")
    _snapshots.delete(client, normal, ticks.deadline())
    assert cloud.calls("DeleteSnapshot")[-1]["params"]["SnapshotID"] == normal


def test_roll_back(client: Client, cloud: Emulator, ticks: Any) -> None:
    disk_id = cloud.state.add_disk("data", 1)
    snapshot_id = cloud.state.add_snapshot(disk_id, "before")
    _snapshots.rollback(client, disk_id, snapshot_id, ticks.deadline())
    assert cloud.state.snapshot(snapshot_id).status == "RollBacking"


def test_an_empty_remark_is_not_sent(client: Client, cloud: Emulator, ticks: Any) -> None:
    _snapshots.create(client, cloud.state.add_disk("data", 1), "before", "", ticks.deadline())
    assert "Remark" not in cloud.calls("CreateSnapshot")[0]["params"]


@pytest.mark.parametrize("snapshot_id", [{}, {"SnapshotID": None}, {"SnapshotID": ""}, {"SnapshotID": 5}, {"SnapshotID": ["a"]}])
def test_success_without_an_id_may_have_been_one(connect: Connect, endpoint: Serve, ticks: Any, snapshot_id: dict[str, Any]) -> None:
    server = endpoint({"RetCode": 0, **snapshot_id})
    with pytest.raises(UnknownOutcomeError, match="no SnapshotID"):
        _snapshots.create(connect(server.url), "disk-1", "before", "", ticks.deadline())
    assert len(server.requests) == 1


# ---- of disks


@pytest.mark.parametrize(
    ("disks", "each", "wanted", "calls"),
    [
        pytest.param(1, 3, 1, 1, id="one disk is asked for"),
        pytest.param(40, 1, 1, 1, id="one of many disks is asked for"),
        pytest.param(5, 3, 5, 1, id="few snapshots: one page"),
        pytest.param(30, 10, 30, 4, id="many of many: all pages"),
        pytest.param(30, 10, 3, 4, id="few of many, as many pages: all pages"),
        pytest.param(50, 10, 3, 1 + 3, id="few of very many: disk by disk, after one page"),
        pytest.param(2, 0, 2, 1, id="nothing at all"),
        pytest.param(5, 3, 0, 0, id="no disk"),
    ],
)
def test_the_cheaper_way_to_look(client: Client, cloud: Emulator, ticks: Any, disks: int, each: int, wanted: int, calls: int) -> None:
    cloud.state.snapshot_limit = 0
    there = add(cloud, disks, each)
    asked = list(there)[:wanted]
    assert found(client, ticks, asked) == in_order({disk_id: there[disk_id] for disk_id in asked})
    assert len(cloud.calls()) == calls


def test_a_disk_named_twice_is_listed_once(client: Client, cloud: Emulator, ticks: Any) -> None:
    (disk_id,) = there = add(cloud, 1, 2)
    assert len(_snapshots.of_disks(client, [disk_id, disk_id], ticks.deadline())) == len(there[disk_id])
    assert [call["params"]["DiskID"] for call in cloud.calls()] == [disk_id]


def test_a_restless_account_is_read_disk_by_disk(client: Client, cloud: Emulator, ticks: Any) -> None:
    there = add(cloud, 30, 9)
    cloud.add_faults({"action": "DescribeSnapshot", "kind": "shuffle_pages"})
    assert found(client, ticks, list(there)) == in_order(there)
    by_disk = [call for call in cloud.calls() if "DiskID" in call["params"]]
    assert sorted(call["params"]["DiskID"] for call in by_disk) == sorted(there)
    assert sum(call["params"]["Offset"] == "0" for call in cloud.calls()) == 30 + 3


def test_an_unsettled_disk_is_reported(client: Client, cloud: Emulator, ticks: Any) -> None:
    there = add(cloud, 2, 150)
    cloud.add_faults({"action": "DescribeSnapshot", "kind": "shuffle_pages"})
    with pytest.raises(UnsettledListingError):
        _snapshots.of_disks(client, list(there), ticks.deadline())


@pytest.mark.parametrize("code", [200, 2201, 2205])
def test_a_disk_that_does_not_exist_has_no_snapshots(client: Client, cloud: Emulator, ticks: Any, code: int) -> None:
    (disk_id,) = there = add(cloud, 1, 2)
    cloud.add_faults({"action": "DescribeSnapshot", "kind": "refuse", "ret_code": code, "params": {"DiskID": "disk-gone"}})
    assert found(client, ticks, ["disk-gone"]) == {"disk-gone": []}
    assert found(client, ticks, [disk_id, "disk-gone"]) == {**in_order(there), "disk-gone": []}


def test_a_disk_that_may_not_be_asked_for_is_not_taken_for_empty(client: Client, cloud: Emulator, ticks: Any) -> None:
    cloud.add_faults({"action": "DescribeSnapshot", "kind": "refuse", "ret_code": 150})
    for disk_ids in (["disk-1"], ["disk-1", "disk-2"]):
        with pytest.raises(NoPermissionError):
            _snapshots.of_disks(client, disk_ids, ticks.deadline())


def test_an_api_that_ignores_the_disk_is_not_believed(connect: Connect, endpoint: Serve, ticks: Any) -> None:
    infos = [{"SnapshotID": f"snapshot-{number}", "DiskID": f"disk-{number}"} for number in (1, 2)]
    client = connect(endpoint({"RetCode": 0, "TotalCount": 2, "Infos": infos}).url)
    (snapshot,) = _snapshots.of_disks(client, ["disk-2"], ticks.deadline())
    assert snapshot.snapshot_id == "snapshot-2"


@pytest.mark.parametrize("quirk", ["strings", "snapshot_name", "null_infos"])
def test_other_spellings(client: Client, cloud: Emulator, ticks: Any, quirk: str) -> None:
    there = add(cloud, 2, 2)
    empty = cloud.state.add_disk("empty", 1)
    cloud.add_faults({"action": "DescribeSnapshot", "kind": quirk})
    snapshots = _snapshots.of_disks(client, [*there, empty], ticks.deadline())
    assert sorted(each.name for each in snapshots) == ["s0", "s0", "s1", "s1"]
    assert {type(each.create_time) for each in snapshots} == {int}
    assert _snapshots.of_disks(client, [empty], ticks.deadline()) == []


def test_everything(client: Client, cloud: Emulator, ticks: Any) -> None:
    cloud.state.snapshot_limit = 0
    there = add(cloud, 3, 50)
    listed = [each.snapshot_id for each in _snapshots.everything(client, ticks.deadline())]
    assert sorted(listed) == sorted(each for ids in there.values() for each in ids)


# ---- entries that are none


@pytest.mark.parametrize("entry", [{}, {"SnapshotID": "a"}, {"DiskID": "disk-1"}, {"SnapshotID": None, "DiskID": "disk-1"}])
@pytest.mark.parametrize(
    "look",
    [
        _snapshots.everything,
        lambda client, deadline: _snapshots.by_ids(client, ["a"], deadline),
        lambda client, deadline: _snapshots.of_disks(client, ["disk-1"], deadline),
        lambda client, deadline: _snapshots.of_disks(client, ["disk-1", "disk-2"], deadline),
    ],
)
def test_an_entry_without_ids_is_never_passed_over(
    connect: Connect, endpoint: Serve, ticks: Any, entry: dict[str, Any], look: Callable[..., Any]
) -> None:
    client = connect(endpoint({"RetCode": 0, "TotalCount": 1, "Infos": [entry]}).url)
    with pytest.raises(UnknownOutcomeError, match="unexpected response"):
        look(client, ticks.deadline())


def test_a_lookup_of_nothing_is_no_call(client: Client, cloud: Emulator, ticks: Any) -> None:
    assert _snapshots.by_ids(client, [], ticks.deadline()) == []
    assert cloud.calls() == []


def test_a_failure_in_one_of_many_threads_is_raised(client: Client, cloud: Emulator, ticks: Any) -> None:
    there = add(cloud, 12, 9)
    bad = list(there)[5]
    cloud.add_faults(
        {"action": "DescribeSnapshot", "kind": "shuffle_pages"},
        {"action": "DescribeSnapshot", "kind": "refuse", "ret_code": 172, "params": {"DiskID": bad}},
    )
    with pytest.raises(FatalError) as caught:
        _snapshots.of_disks(client, list(there), ticks.deadline())
    assert caught.value.ret_code == 172 and isinstance(caught.value, UCloudStackError)
