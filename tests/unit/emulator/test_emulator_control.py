# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control API over HTTP, and the emulator as a server."""

from __future__ import annotations

import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from emulator.server import Emulator


@pytest.fixture
def control(call: Any) -> Any:
    """Sends a request to the control API: ``control("GET", "/calls")``."""
    return lambda method, path, **more: call.session.request(method, call.emulator.control_url + path, timeout=5, **more)


def test_calls(call: Any, control: Any, clock: Any, disk: str) -> None:
    call("CreateSnapshot", DiskID=disk, Name="快照", Password="secret of somebody")
    clock.pass_seconds(1.5)
    call("DeleteSnapshot", SnapshotID="snapshot-none")
    common = {"Region": "cn", "Zone": "zone-01"}
    assert control("GET", "/calls").json() == [
        {
            "action": "CreateSnapshot",
            "params": {**common, "DiskID": disk, "Name": "快照"},
            "ret_code": 0,
            "at": 1_700_000_000.0,
            "fault": None,
            "request_id": None,
        },
        {
            "action": "DeleteSnapshot",
            "params": {**common, "SnapshotID": "snapshot-none"},
            "ret_code": 200,
            "at": 1_700_000_001.5,
            "fault": None,
            "request_id": None,
        },
    ]
    assert [one["ret_code"] for one in call.emulator.calls("DeleteSnapshot")] == [200]
    assert control("DELETE", "/calls").status_code == 204
    assert control("GET", "/calls").json() == []


def test_refused_requests_are_recorded_too(call: Any, control: Any) -> None:
    call.session.post(call.emulator.api_url, data={"Action": "DescribeDisk", "Signature": "x", "PublicKey": "y"})
    call.session.post(call.emulator.api_url, data=b"{", headers={"Content-Type": "application/json"})
    assert [(one["action"], one["params"], one["ret_code"]) for one in control("GET", "/calls").json()] == [
        ("DescribeDisk", {}, 171),
        ("", {}, 140),
    ]


def test_state(call: Any, control: Any, clock: Any) -> None:
    vm = call.state.add_vm("web", boot_gb=1)
    (boot,) = call.state.find_disks(vm_id=vm)
    snapshot = call("CreateSnapshot", DiskID=boot, Name="before")["SnapshotID"]
    clock.pass_seconds(call.state.snapshot_seconds)
    state = control("GET", "/state").json()
    assert state["disks"] == [
        {
            "id": boot,
            "name": "web-boot",
            "status": "Bound",
            "type": "Boot",
            "size_gb": 1,
            "vm_id": vm,
            "image": str(call.state.directory / "disks" / f"{boot}.img"),
        }
    ]
    assert state["vms"] == [{"id": vm, "name": "web", "status": "Running", "ip": "10.0.0.2", "disk_ids": [boot], "ssh_port": 0}]
    (kept,) = state["snapshots"]
    assert (kept["id"], kept["name"], kept["status"], kept["disk_id"]) == (snapshot, "before", "Normal", boot)
    assert Path(state["disks"][0]["image"]).exists()
    assert Path(kept["image"]).exists()


def test_faults(call: Any, control: Any) -> None:
    fault = {"action": "*", "kind": "drop", "count": 5}
    assert control("POST", "/faults", json=[fault]).status_code == 204
    assert control("POST", "/faults", json=[{"kind": "strings"}]).status_code == 204
    with pytest.raises(requests.ConnectionError):
        call("DescribeDisk")
    assert control("GET", "/faults").json() == [{**fault, "struck": 1}, {"kind": "strings", "struck": 1}]
    assert control("DELETE", "/faults").status_code == 204
    assert (control("GET", "/faults").json(), call.code("DescribeDisk")) == ([], 0)


@pytest.mark.parametrize("body", ["{", "{}", '[{"kind": "mischief"}]', '[{"kind": "strings"}, 5]'])
def test_bad_faults_are_refused(control: Any, body: str) -> None:
    response = control("POST", "/faults", data=body)
    assert (response.status_code, list(response.json())) == (400, ["error"])
    assert "\n" not in response.json()["error"]
    assert control("GET", "/faults").json() == []


def test_timers(call: Any, control: Any, clock: Any, disk: str) -> None:
    timer = control("POST", "/timers", json={"disk_ids": [disk], "every": 60, "keep": 2}).json()["id"]
    assert control("GET", "/timers").json() == [{"id": timer, "name": "auto", "every": 60, "keep": 2, "disk_ids": [disk]}]
    clock.pass_seconds(60)
    assert call("DescribeSnapshot")["TotalCount"] == 1
    assert control("DELETE", "/timers").status_code == 204
    clock.pass_seconds(1000)
    assert (control("GET", "/timers").json(), call("DescribeSnapshot")["TotalCount"]) == ([], 1)


def test_disks(call: Any, control: Any) -> None:
    vm = call.state.add_vm("web", boot_gb=1)
    free = control("POST", "/disks", json={"name": "free", "size_gb": 2}).json()["id"]
    lun = control("POST", "/disks", json={"name": "lun", "size_gb": 1, "vm_id": vm, "external": True}).json()["id"]
    assert (call.disk_status(free), call.disk_status(lun)) == ("Unbound", "Bound")
    assert (call.state.disk(free).size_gb, bool(call.state.disk(lun).external)) == (2, True)
    assert call.ids("DescribeDisk", AttachResourceID=vm)[0] == lun


def test_vms(call: Any, control: Any) -> None:
    made = control("POST", "/vms", json={"name": "web", "data_gb": 0}).json()
    assert (call.vm_state(made["id"]), made["ssh_port"], len(call.ids("DescribeDisk"))) == ("Running", 0, 1)


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/timers", [], "a timer is a JSON object"),
        ("/timers", {"every": 60}, "a timer needs disk_ids: a list of ids"),
        ("/timers", {"disk_ids": [], "every": 60}, "disk_ids must be a list of ids"),
        ("/timers", {"disk_ids": ["disk-none"], "every": 60}, "Disk does not exist: disk-none"),
        ("/timers", {"disk_ids": ["d"], "every": 0}, "every must be a number of seconds from 0.1"),
        ("/timers", {"disk_ids": ["d"], "every": 60, "keep": 0}, "keep must be a whole number from 1"),
        ("/disks", {"name": "data"}, "a disk needs size_gb: a whole number from 1"),
        ("/disks", {"name": "data", "size_gb": 1, "vm_id": "vm-none"}, "VM does not exist: vm-none"),
        ("/disks", {"name": "data", "size_gb": 1, "external": 1}, "external must be true or false"),
        ("/disks", {"name": "data", "size_gb": 1, "vm": "x"}, "a disk has no field 'vm'"),
        ("/vms", {"name": "web", "data_gb": -1}, "data_gb must be a whole number from 0"),
    ],
)
def test_bad_timers_disks_and_vms_are_refused(call: Any, control: Any, path: str, body: Any, message: str) -> None:
    response = control("POST", path, json=body)
    assert (response.status_code, response.json()) == (400, {"error": message})
    assert (control("GET", "/timers").json(), call("DescribeDisk")["TotalCount"]) == ([], 0)


def test_the_state_has_deleted_disks_too(call: Any, control: Any, clock: Any, disk: str) -> None:
    call("DeleteDisk", DiskID=disk)
    clock.pass_seconds(1)
    assert [(one["id"], one["status"]) for one in control("GET", "/state").json()["disks"]] == [(disk, "Deleted")]


def test_keep_alive_and_speed(call: Any) -> None:
    call("DescribeDisk")
    (pool,) = call.session.get_adapter(call.emulator.api_url).poolmanager.pools._container.values()
    fastest = min(_timed(call) for _turn in range(20))
    assert pool.num_connections == 1
    assert fastest < 0.03  # a client that delays its ACK would see 0.04 if answers were sent in halves


def _timed(call: Any) -> float:
    started = time.perf_counter()
    call("DescribeDisk")
    return time.perf_counter() - started


def test_many_at_once(call: Any) -> None:
    disks = [call.state.add_disk(f"d{number}", 1) for number in range(64)]
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda disk: call("CreateSnapshot", DiskID=disk, Name="before")["SnapshotID"], disks))
    assert sorted(made) == sorted(call.state.find_snapshots())
    assert len(call.emulator.calls("CreateSnapshot")) == 64


def test_latency_is_added(call: Any, tmp_path: Path, clock: Any) -> None:
    with Emulator(tmp_path / "slow", latency_ms=50, clock=clock) as slow:
        assert _timed(type(call)(slow)) >= 0.05


def test_work_finishes_while_nobody_asks(tmp_path: Path) -> None:
    with Emulator(tmp_path, snapshot_seconds=0.05) as emulator:
        disk = emulator.state.add_disk("data", 1)
        snapshot = emulator.state.create_snapshot(disk, "before")
        deadline = time.monotonic() + 5
        while emulator.state.snapshot(snapshot).status != "Normal":
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_bug_of_the_emulator_is_a_500(call: Any, disk: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    def broken(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(call.state, "record_call", broken)  # after the work, before the commit
        assert call.send("CreateSnapshot", DiskID=disk, Name="before").status_code == 500
    assert "disk I/O error" in capfd.readouterr().err
    assert (call("DescribeSnapshot")["TotalCount"], call.disk_status(disk)) == (0, "Unbound")


def test_start_and_stop_are_quick_and_clean(tmp_path: Path) -> None:
    threads = threading.active_count()
    started = time.perf_counter()
    for _turn in range(5):
        with Emulator(tmp_path):
            pass
    assert time.perf_counter() - started < 1
    assert threading.active_count() == threads


def test_only_this_host_is_served(call: Any) -> None:
    assert call.emulator.api_url.startswith("http://127.0.0.1:")
    assert call.emulator._socket.getsockname()[0] == "127.0.0.1"


def test_a_port_in_use_leaves_nothing_behind(call: Any, tmp_path: Path) -> None:
    port = int(call.emulator.api_url.split(":")[2].split("/")[0])
    with pytest.raises(OSError, match="in use") as kept:  # keeps all that was made until then
        Emulator(tmp_path / "other", port=port)
    assert kept.traceback
    with Emulator(tmp_path / "other"):
        pass
