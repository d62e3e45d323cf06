# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each kind of fault, from the caller's side: what it gets to see, whether the work was done, what the record says."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any

import pytest
import requests
from emulator.errors import Reason
from emulator.faults import KINDS, Fault, Faults
from emulator.fields import BadFields
from emulator.generations import GENERATIONS
from emulator.state import VmState

EVERY = pytest.mark.parametrize("generation", GENERATIONS)


def create(call: Any, disk: str) -> requests.Response:
    response: requests.Response = call.send("CreateSnapshot", DiskID=disk, Name="before")
    return response


def recorded(call: Any) -> list[tuple[str, int | None, str | None]]:
    return [(one["action"], one["ret_code"], one["fault"]) for one in call.emulator.calls()]


def test_refuse(call: Any, disk: str) -> None:
    call.emulator.add_faults({"action": "CreateSnapshot", "kind": "refuse", "ret_code": 17005, "message": "tenant quota", "count": 1})
    assert create(call, disk).json() == {"RetCode": 17005, "Action": "CreateSnapshotResponse", "Message": "tenant quota"}
    assert call.state.find_snapshots() == []
    assert create(call, disk).json()["RetCode"] == 0
    assert recorded(call) == [("CreateSnapshot", 17005, "refuse"), ("CreateSnapshot", 0, None)]


@pytest.mark.parametrize(("kind", "done"), [("drop", False), ("lose_answer", True)])
def test_connection_is_reset(call: Any, disk: str, kind: str, done: bool) -> None:
    call.emulator.add_faults({"action": "CreateSnapshot", "kind": kind})
    with pytest.raises(requests.ConnectionError):
        create(call, disk)
    assert len(call.state.find_snapshots()) == done
    assert recorded(call) == [("CreateSnapshot", None, kind)]
    assert call.code("DescribeSnapshot") == 0


def test_delay(call: Any, disk: str) -> None:
    call.emulator.add_faults({"action": "CreateSnapshot", "kind": "delay", "seconds": 0.2})
    with pytest.raises(requests.ReadTimeout):
        call.session.post(call.emulator.api_url, data=call.form("CreateSnapshot", DiskID=disk, Name="before"), timeout=0.05)
    assert len(call.state.find_snapshots()) == 1
    call.emulator.add_faults({"action": "DescribeSnapshot", "kind": "delay", "seconds": 0.05})
    started = time.perf_counter()
    assert call("DescribeSnapshot")["TotalCount"] == 1
    assert time.perf_counter() - started >= 0.05


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize(
    ("fault", "status", "start"),
    [
        ({"kind": "http_status", "status": 503}, 503, "<html>"),
        ({"kind": "html"}, 200, "<!DOCTYPE html>"),
        ({"kind": "redirect"}, 302, ""),
        ({"kind": "empty"}, 200, ""),
        ({"kind": "truncated", "cut": "json"}, 200, '{"RetCode": 0, "Action": "Create'),
        ({"kind": "wrong_shape"}, 200, '[{"RetCode":0,'),
        ({"kind": "wrong_shape", "shape": "string"}, 200, '"Success"'),
        ({"kind": "wrong_shape", "shape": "null"}, 200, "null"),
        ({"kind": "wrong_shape", "shape": "no_ret_code"}, 200, '{"Action"'),
        ({"kind": "wrong_shape", "shape": "infos_string"}, 200, '{"RetCode":0,'),
    ],
)
def test_garbage_instead_of_an_answer(call: Any, disk: str, fault: dict[str, Any], status: int, start: str, done: bool) -> None:
    call.emulator.add_faults({**fault, "action": "CreateSnapshot", "done": done})
    response = create(call, disk)
    assert response.status_code == status
    assert response.text.startswith(start) if start else response.text == ""
    if fault.get("cut") == "json":
        assert not response.text.endswith("}")
    assert len(call.state.find_snapshots()) == done
    assert recorded(call) == [("CreateSnapshot", None, fault["kind"])]


def test_infos_as_a_string(call: Any) -> None:
    call.emulator.add_faults({"action": "DescribeSnapshot", "kind": "wrong_shape", "shape": "infos_string"})
    assert call("DescribeSnapshot")["Infos"] == "none"


def test_retry_after(call: Any) -> None:
    call.emulator.add_faults({"kind": "http_status", "status": 429, "retry_after": 7, "count": 1}, {"kind": "http_status", "status": 502})
    assert call.send("DescribeDisk").headers["Retry-After"] == "7"
    assert "Retry-After" not in call.send("DescribeDisk").headers


def test_redirect_leads_to_a_login_page(call: Any) -> None:
    call.emulator.add_faults({"kind": "redirect"})
    response = call.session.post(call.emulator.api_url, data=call.form("DescribeDisk"))
    assert (response.status_code, [hop.status_code for hop in response.history]) == (200, [302])
    assert "Please log in" in response.text
    call.emulator.faults.clear()
    call.emulator.add_faults({"kind": "redirect", "location": "https://elsewhere.example/"})
    assert call.send("DescribeDisk").headers["Location"] == "https://elsewhere.example/"


def test_truncated_on_the_wire(call: Any, disk: str) -> None:
    call.emulator.add_faults({"action": "CreateSnapshot", "kind": "truncated"})
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        create(call, disk)
    assert len(call.state.find_snapshots()) == 1


def test_endless_body(call: Any) -> None:
    call.emulator.add_faults({"kind": "endless_body", "count": 1})
    params = call.form("DescribeDisk")
    with call.session.post(call.emulator.api_url, data=params, stream=True, timeout=5) as response:
        read = sum(len(chunk) for chunk, _turn in zip(response.iter_content(1 << 20), range(300), strict=False))
    assert read > 15 << 20
    assert call.code("DescribeDisk") == 0


def test_fail_snapshot(call: Any, clock: Any, disk: str) -> None:
    call.emulator.add_faults({"kind": "fail_snapshot"})
    snapshot = create(call, disk).json()["SnapshotID"]
    assert call.snapshot_status(snapshot) == "Createing"
    clock.pass_seconds(call.state.snapshot_seconds)
    assert (call.snapshot_status(snapshot), call.disk_status(disk)) == ("Failure", "Unbound")
    assert recorded(call)[0] == ("CreateSnapshot", 0, "fail_snapshot")


@pytest.mark.parametrize(("seconds", "status"), [(None, "Createing"), (100_000, "Normal")])
def test_stuck_snapshot(call: Any, clock: Any, disk: str, seconds: float | None, status: str) -> None:
    call.emulator.add_faults({"kind": "stuck_snapshot", "seconds": seconds})
    snapshot = create(call, disk).json()["SnapshotID"]
    clock.pass_seconds(99_999)
    assert (call.snapshot_status(snapshot), call.disk_status(disk)) == ("Createing", "Snapshoting")
    clock.pass_seconds(1)
    assert call.snapshot_status(snapshot) == status


@pytest.mark.parametrize("seconds", [10, 200])
def test_odd_status(call: Any, clock: Any, disk: str, seconds: int) -> None:
    call.emulator.add_faults({"kind": "odd_status", "status": "Quiescing", "seconds": seconds, "count": 1})
    snapshot = create(call, disk).json()["SnapshotID"]
    clock.pass_seconds(seconds - 1)
    assert (call.snapshot_status(snapshot), call.code("DeleteSnapshot", SnapshotID=snapshot)) == ("Quiescing", 7001)
    clock.pass_seconds(1)
    assert call.snapshot_status(snapshot) == ("Createing" if seconds < call.state.snapshot_seconds else "Normal")


def test_odd_status_of_a_rollback(call: Any, clock: Any, disk: str) -> None:
    snapshot = call.state.add_snapshot(disk, "before")
    call.emulator.add_faults({"action": "RollbackSnapshot", "kind": "odd_status", "seconds": 10})
    assert call.code("RollbackSnapshot", SnapshotID=snapshot, DiskID=disk) == 0
    assert call.snapshot_status(snapshot) == "Pondering"
    clock.pass_seconds(10)
    assert call.snapshot_status(snapshot) == "RollBacking"


def test_listing_lag(call: Any, clock: Any, disk: str) -> None:
    call.emulator.add_faults({"kind": "listing_lag", "seconds": 5})
    snapshot = create(call, disk).json()["SnapshotID"]
    clock.pass_seconds(4.9)
    assert call("DescribeSnapshot")["TotalCount"] == call("DescribeSnapshot", SnapshotIDs=[snapshot])["TotalCount"] == 0
    clock.pass_seconds(0.1)
    assert call.snapshot_status(snapshot) == "Createing"


def test_strings(call: Any, clock: Any, disk: str) -> None:
    call.state.add_snapshot(disk, "before")
    call.emulator.add_faults({"kind": "strings"})
    answer = call("DescribeSnapshot")
    assert (answer["RetCode"], answer["TotalCount"], answer["Infos"][0]["CreateTime"]) == ("0", "1", str(int(clock.now)))
    assert call("DescribeSnapshot", Region="us")["RetCode"] == "162"
    assert [code for action, code, fault in recorded(call)] == [0, 162]


def test_null_infos(call: Any, disk: str) -> None:
    call.emulator.add_faults({"kind": "null_infos"})
    assert call("DescribeSnapshot") == {
        "RetCode": 0,
        "Action": "DescribeSnapshotResponse",
        "Message": "Success",
        "TotalCount": 0,
        "Infos": None,
    }
    assert len(call("DescribeDisk")["Infos"]) == 1


def test_snapshot_name(call: Any, disk: str) -> None:
    call.state.add_snapshot(disk, "before")
    call.emulator.add_faults({"kind": "snapshot_name"}, {"kind": "null_infos"})
    info = call.one("DescribeSnapshot")
    assert (info["SnapshotName"], "Name" in info) == ("before", False)
    assert call("DescribeSnapshot", DiskID="disk-none")["Infos"] == []


def test_missing_id_fails(call: Any, disk: str) -> None:
    snapshot = call.state.add_snapshot(disk, "before")
    call.emulator.add_faults({"kind": "missing_id_fails"})
    assert call.code("DescribeSnapshot", SnapshotIDs=[snapshot]) == 0
    assert call.code("DescribeSnapshot", SnapshotIDs=[snapshot, "snapshot-none"]) == 200


def test_throttle(call: Any, clock: Any) -> None:
    call.emulator.add_faults({"kind": "throttle", "action": ["DescribeDisk", "DescribeSnapshot"], "rate": 0.5, "burst": 2, "ret_code": 199})
    assert [call.code("DescribeDisk"), call.code("DescribeSnapshot"), call.code("DescribeDisk")] == [0, 0, 199]
    assert call.code("DescribeVMInstance") == 0
    clock.pass_seconds(2)
    assert [call.code("DescribeDisk"), call.code("DescribeDisk")] == [0, 199]
    clock.pass_seconds(1000)
    assert [call.code("DescribeDisk") for _turn in range(3)] == [0, 0, 199]
    assert call.emulator.faults.report()[0]["struck"] == 3


def test_hang_stopping(call: Any, clock: Any) -> None:
    vm = call.state.add_vm("web", boot_gb=1)
    call.emulator.add_faults({"kind": "hang_stopping"})
    assert call.code("StopVMInstance", VMID=vm) == 0
    clock.pass_seconds(100_000)
    assert (call.vm_state(vm), call.code("PoweroffVMInstance", VMID=vm)) == ("Stopping", 0)
    clock.pass_seconds(1)
    assert call.vm_state(vm) == "Stopped"


def test_hang_restarting(call: Any, clock: Any) -> None:
    vm = call.state.add_vm("web", boot_gb=1)
    call.emulator.add_faults({"kind": "hang_restarting"})
    assert call.code("RestartVMInstance", VMID=vm) == 0
    clock.pass_seconds(100_000)
    assert (call.vm_state(vm), call.code("PoweroffVMInstance", VMID=vm)) == ("Restarting", 0)
    clock.pass_seconds(1)
    assert call.vm_state(vm) == "Stopped"


@EVERY
@pytest.mark.parametrize("action", ["StartVMInstance", "StopVMInstance", "RestartVMInstance", "PoweroffVMInstance"])
def test_busy_disks_ignored(call: Any, action: str) -> None:
    state = VmState.STOPPED if action == "StartVMInstance" else VmState.RUNNING
    vm = call.state.add_vm("web", boot_gb=1, state=state)
    (boot,) = call.state.find_disks(vm_id=vm)
    call.state.create_snapshot(boot, "busy")
    call.emulator.add_faults({"kind": "busy_disks_ignored", "skip": 1})
    assert [call.code(action, VMID=vm) for _turn in range(2)] == [call.no(Reason.VM_DISK_NOT_STABLE), 0]
    assert (call.vm_state(vm) != state, call.disk_status(boot)) == (True, call.busy("Bound"))


@EVERY
@pytest.mark.parametrize("attached", [True, False])
def test_rollback_detaches(call: Any, clock: Any, disk: str, attached: bool) -> None:
    vm = call.state.add_vm("web", boot_gb=1, state=VmState.STOPPED)
    (boot,) = call.state.find_disks(vm_id=vm)
    rolled = boot if attached else disk
    snapshot = call.state.add_snapshot(rolled, "before")
    call.emulator.add_faults({"kind": "rollback_detaches"})
    assert call.code("RollbackSnapshot", SnapshotID=snapshot, DiskID=rolled) == 0
    assert call.one("DescribeDisk", DiskIDs=[rolled])["AttachResourceID"] == (vm if attached else "")
    clock.pass_seconds(call.state.rollback_seconds)
    info = call.one("DescribeDisk", DiskIDs=[rolled])
    assert (info["DiskStatus"], info["AttachResourceID"]) == (call.says("Unbound"), "")
    assert len(call.one("DescribeVMInstance")["DiskInfos"]) == (0 if attached else 1)


@EVERY
def test_odd_status_of_a_vm(call: Any, clock: Any) -> None:
    vm = call.state.add_vm("web", boot_gb=1)
    call.emulator.add_faults({"kind": "odd_status", "action": "StopVMInstance", "status": "Saving", "seconds": 10})
    assert call.code("StopVMInstance", VMID=vm) == 0
    clock.pass_seconds(9)
    assert (call.vm_state(vm), call.code("StartVMInstance", VMID=vm)) == ("Saving", call.no(Reason.VM_WRONG_STATE))
    assert call.state.vm(vm).state == "Stopped"
    clock.pass_seconds(1)
    assert (call.vm_state(vm), call.code("StartVMInstance", VMID=vm)) == ("Stopped", 0)


@EVERY
def test_odd_status_of_a_disk(call: Any, clock: Any, disk: str) -> None:
    vm = call.state.add_vm("web", boot_gb=1)
    call.emulator.add_faults({"kind": "odd_status", "action": "AttachDisk", "status": "Bound", "seconds": 10})
    assert call.code("AttachDisk", DiskID=disk, ResourceID=vm, ResourceType="VM") == 0
    assert call.disk_status(disk) == "Bound"  # as given, in every generation
    call.state.show_odd_status(disk, "Blockcopying", 10)
    clock.pass_seconds(9)
    assert (call.disk_status(disk), call.code("CreateSnapshot", DiskID=disk, Name="x")) == (
        "Blockcopying",
        call.no(Reason.DISK_WRONG_STATE),
    )
    assert call.code("StopVMInstance", VMID=vm) == call.no(Reason.VM_DISK_NOT_STABLE)
    clock.pass_seconds(1)
    assert (call.disk_status(disk), call.code("CreateSnapshot", DiskID=disk, Name="x")) == (call.says("Bound"), 0)


def test_shuffle_pages(call: Any, disk: str) -> None:
    ids = {call.state.add_snapshot(disk, f"s{number}") for number in range(10)}
    assert call.ids("DescribeSnapshot") == call.ids("DescribeSnapshot")
    call.emulator.add_faults({"kind": "shuffle_pages", "seed": 3})
    first, second = call.ids("DescribeSnapshot"), call.ids("DescribeSnapshot")
    assert first != second
    assert set(first) == set(second) == ids


def test_shift_pages(call: Any, disk: str) -> None:
    for number in range(10):
        call.state.add_snapshot(disk, f"s{number}")
    there = call.ids("DescribeSnapshot")
    call.emulator.add_faults({"kind": "shift_pages"})
    first, second = (call("DescribeSnapshot", Offset=offset, Limit=5) for offset in (0, 5))
    assert [each["SnapshotID"] for each in first["Infos"] + second["Infos"]] == there[:5] + there[6:]
    assert (first["TotalCount"], second["TotalCount"]) == (10, 9)


def strikes(fault: dict[str, Any], calls: int = 12, action: str = "DescribeDisk", **params: str) -> str:
    one = Fault(fault)
    return "".join("x" if one.strikes(action, params, now=0) else "." for _turn in range(calls))


def test_which_calls_are_struck() -> None:
    assert strikes({"kind": "drop"}) == "xxxxxxxxxxxx"
    assert strikes({"kind": "drop", "skip": 2, "count": 3}) == "..xxx......."
    assert strikes({"kind": "drop", "action": ["DescribeDisk", "CreateDisk"], "count": 1}) == "x..........."
    assert strikes({"kind": "drop", "action": "CreateDisk"}) == "............"
    assert strikes({"kind": "drop", "params": {"DiskID": "a"}}, 1, DiskID="a") == "x"
    assert strikes({"kind": "drop", "params": {"DiskID": "a"}}, 1, DiskID="b") == "."
    assert strikes({"kind": "fail_snapshot", "action": "*"}, 1) == "."


def test_chance_is_repeatable() -> None:
    some = strikes({"kind": "drop", "probability": 0.5, "seed": 1}, 100)
    assert some == strikes({"kind": "drop", "probability": 0.5, "seed": 1}, 100)
    assert some != strikes({"kind": "drop", "probability": 0.5, "seed": 2}, 100)
    assert 30 < some.count("x") < 70
    assert "x" not in strikes({"kind": "drop", "probability": 0}, 100)
    assert strikes({"kind": "drop", "probability": 0.5, "count": 2}, 100).count("x") == 2


def test_one_replaces_the_answer_and_others_join(call: Any) -> None:
    call.emulator.add_faults(
        {"kind": "refuse", "ret_code": 1, "count": 1}, {"kind": "strings"}, {"kind": "refuse", "ret_code": 2, "count": 1}
    )
    assert [call("DescribeDisk")["RetCode"] for _turn in range(3)] == ["1", "2", "0"]
    assert [one["fault"] for one in call.emulator.calls()] == ["refuse,strings", "strings,refuse", "strings"]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("drop", "a fault is a JSON object"),
        ({}, "kind '' is none of busy_disks_ignored, delay, drop"),
        ({"kind": ["drop"]}, "is none of"),
        ({"kind": "drop", "action": "DescribeDisks"}, "action 'DescribeDisks' is not served"),
        ({"kind": "drop", "action": []}, 'action is a name, a list of names, or "\\*"'),
        ({"kind": "drop", "action": [["x"]]}, "is not served"),
        ({"kind": "fail_snapshot", "action": "DeleteSnapshot"}, "fail_snapshot cannot strike DeleteSnapshot, only CreateSnapshot"),
        ({"kind": "drop", "seconds": 1}, "drop has no field 'seconds'"),
        ({"kind": "delay"}, "delay needs seconds: a number of seconds"),
        ({"kind": "delay", "seconds": None}, "seconds must be a number of seconds"),
        ({"kind": "delay", "seconds": float("inf")}, "seconds must be a number of seconds"),
        ({"kind": "delay", "seconds": "1"}, "seconds must be a number of seconds"),
        ({"kind": "refuse", "ret_code": 0}, "ret_code must be a return code, not 0"),
        ({"kind": "refuse", "ret_code": True}, "ret_code must be"),
        ({"kind": "http_status", "status": 200}, "status must be an HTTP status from 400 to 599"),
        ({"kind": "throttle", "rate": 1, "ret_code": 1}, "ret_code must be one of 165, 199"),
        ({"kind": "drop", "probability": 1.1}, "probability must be a number from 0 to 1"),
        ({"kind": "drop", "count": 0}, "count must be a whole number from 1"),
        ({"kind": "drop", "skip": -1}, "skip must be a whole number from 0"),
        ({"kind": "drop", "params": {"Limit": 1}}, "params must be an object of texts"),
        ({"kind": "empty", "done": 1}, "done must be true or false"),
    ],
)
def test_bad_faults(fault: Any, message: str) -> None:
    faults = Faults()
    with pytest.raises(BadFields, match=f"^fault 1: .*{message}") as refused:
        faults.add([{"kind": "drop"}, fault])
    assert "\n" not in str(refused.value)
    assert faults.report() == []


def test_every_kind_is_tried_here() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    assert [kind for kind in KINDS if source.count(f'"{kind}"') == 0] == []


def test_a_client_that_leaves_is_no_trouble(call: Any, capfd: pytest.CaptureFixture[str]) -> None:
    host, port = call.emulator.api_url.split("/")[2].split(":")
    for head in (b"POST /api HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nAction=", b"nonsense\r\n\r\n", b""):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(head)
    assert call.code("DescribeDisk") == 0
    assert capfd.readouterr() == ("", "")
