# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``vm_info``: which VMs are listed, in which order, and with which fields."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from emulator import actions
from emulator.server import Emulator
from emulator.state import VmState

Run = Callable[..., Any]


@pytest.fixture
def vms(cloud: Emulator) -> dict[str, str]:
    """Letters, each with the id that the VM got."""
    names = {"a": "web", "b": "web", "c": "web2", "d": "db"}
    return {letter: cloud.state.add_vm(name, boot_gb=1, data_gb=1, state=VmState.STOPPED) for letter, name in names.items()}


@pytest.mark.parametrize(
    ("options", "letters"),
    [
        ({}, "abcd"),
        ({"name": "web"}, "ab"),
        ({"name": "we"}, ""),
        ({"name": "Web"}, ""),
        ({"vm_ids": ["d", "a"]}, "ad"),
        ({"vm_ids": ["vm-missing", "c"]}, "c"),
        ({"vm_ids": ["vm-missing"]}, ""),
        ({"vm_ids": ["a", "c"], "name": "web"}, "a"),
        ({"vm_id": "b"}, "b"),
    ],
)
def test_filters_narrow_down_and_ids_are_sorted(
    cloud: Emulator, run: Run, vms: dict[str, str], options: dict[str, Any], letters: str
) -> None:
    asked = {key: [vms.get(each, each) for each in value] if key == "vm_ids" else vms.get(value, value) for key, value in options.items()}
    answer = run("vm_info", **asked)
    wanted = sorted(vms[letter] for letter in letters)
    assert [record["vm_id"] for record in answer.vms] == wanted
    assert answer.disk_ids == [disk_id for record in answer.vms for disk_id in record["disk_ids"]]
    assert sorted(answer.disk_ids) == sorted(disk for vm_id in wanted for disk in cloud.state.find_disks(vm_id=vm_id))
    assert (answer.changed, answer.failed, answer.api_calls) == (False, False, {"DescribeVMInstance": 1})


def test_all_pages_are_read(cloud: Emulator, run: Run) -> None:
    with cloud.state.transaction():
        ids = sorted(cloud.state.add_vm(f"vm{number}", boot_gb=1) for number in range(250))
    answer = run("vm_info")
    assert [record["vm_id"] for record in answer.vms] == ids
    assert (len(answer.disk_ids), answer.api_calls) == (250, {"DescribeVMInstance": 3})
    assert [record["vm_id"] for record in run("vm_info", vm_ids=ids[::-1]).vms] == ids


def test_record(cloud: Emulator, run: Run) -> None:
    vm_id = cloud.state.add_vm("网 {{ x }}", boot_gb=40, data_gb=8, ip="10.0.0.7")
    data, boot = cloud.state.find_disks(vm_id=vm_id)
    answer = run("vm_info")
    assert answer.vms == [
        {
            "vm_id": vm_id,
            "name": "网 {{ x }}",
            "state": "Running",
            "ips": ["10.0.0.7"],
            "disk_ids": [boot, data],
            "disks": [
                {"disk_id": boot, "type": "Boot", "name": "网 {{ x }}-boot", "size": 40, "drive": "vda", "external": False},
                {"disk_id": data, "type": "Data", "name": "网 {{ x }}-data", "size": 8, "drive": "vdb", "external": False},
            ],
        }
    ]
    assert answer.disk_ids == [boot, data]


@pytest.mark.parametrize("state", ["Pondering", "Failed", "Migrating"])
def test_state_is_returned_as_the_api_spells_it(cloud: Emulator, run: Run, vms: dict[str, str], state: str) -> None:
    cloud.state._db.execute("UPDATE vms SET state = ?", (state,))
    assert {record["state"] for record in run("vm_info").vms} == {state}


@pytest.mark.parametrize("value", [None, []])
def test_vm_without_disks_and_addresses(
    cloud: Emulator, run: Run, vms: dict[str, str], monkeypatch: pytest.MonkeyPatch, value: list[Any] | None
) -> None:
    info = actions._vm_info
    monkeypatch.setattr(actions, "_vm_info", lambda *args: {**info(*args), "DiskInfos": value, "IPInfos": value})
    answer = run("vm_info", vm_id=vms["a"])
    assert [(record["disks"], record["disk_ids"], record["ips"]) for record in answer.vms] == [([], [], [])] and answer.disk_ids == []


def test_sizes_as_strings_are_numbers(run: Run, vms: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    info = actions._vm_info

    def texts(*args: Any) -> dict[str, Any]:
        fields = info(*args)
        return {**fields, "DiskInfos": [{**disk, "Size": str(disk["Size"])} for disk in fields["DiskInfos"]]}

    monkeypatch.setattr(actions, "_vm_info", texts)
    assert [disk["size"] for disk in run("vm_info", vm_id=vms["a"]).vms[0]["disks"]] == [1, 1]


def test_empty_cloud_gives_empty_lists(cloud: Emulator, run: Run) -> None:
    cloud.add_faults({"action": "DescribeVMInstance", "kind": "null_infos"})
    answer = run("vm_info")
    assert (answer.vms, answer.disk_ids) == ([], [])


def test_nothing_but_vms_is_asked_for_and_check_mode_makes_no_difference(cloud: Emulator, run: Run, vms: dict[str, str]) -> None:
    assert run("vm_info", _check=True, _diff=True).vms == run("vm_info").vms
    assert {call["action"] for call in cloud.calls()} == {"DescribeVMInstance"}


@pytest.mark.parametrize(
    ("fault", "words"),
    [({"kind": "refuse", "ret_code": 150}, "RetCode 150"), ({"kind": "html"}, "not a response of the API"), ({"kind": "drop"}, "broke")],
    ids=lambda each: each["kind"] if isinstance(each, dict) else "",
)
def test_failure_is_one_line_with_the_calls_sent(cloud: Emulator, run: Run, fault: dict[str, Any], words: str) -> None:
    cloud.add_faults({"action": "*", **fault})
    answer = run("vm_info")
    assert answer.failed and words in answer.msg and "\n" not in answer.msg and "Traceback" not in answer.printed
    assert answer.api_calls == {"DescribeVMInstance": len(cloud.calls())} and not hasattr(answer, "vms")


def test_passing_failure_is_read_again(cloud: Emulator, run: Run, vms: dict[str, str]) -> None:
    cloud.add_faults({"action": "*", "kind": "http_status", "status": 503, "count": 3})
    assert len(run("vm_info").vms) == 4
