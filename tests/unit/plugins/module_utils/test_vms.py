# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VMs and their disks in the API's words, and what is done where the key may not ask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.module_utils import _vms
from ansible_collections.ucloudstack.cloud.plugins.module_utils._client import Client
from ansible_collections.ucloudstack.cloud.plugins.module_utils._errors import FatalError, RefusedError
from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import Disk
from ansible_collections.ucloudstack.cloud.plugins.module_utils._states import UNLISTED
from emulator.server import Emulator
from emulator.state import VmState

NO_PERMISSION = 150


@pytest.fixture
def client(cloud: Emulator, connect: Callable[..., Client]) -> Client:
    return connect(cloud.api_url, public_key=cloud.public_key, private_key=cloud.private_key)


@pytest.fixture
def vm(cloud: Emulator) -> str:
    return cloud.state.add_vm("web", boot_gb=1, data_gb=1, state=VmState.RUNNING)


def deny(cloud: Emulator, action: str, code: int = NO_PERMISSION) -> None:
    cloud.add_faults({"action": action, "kind": "refuse", "ret_code": code})


def test_disks_with_their_vms(client: Client, cloud: Emulator, vm: str, ticks: Any) -> None:
    attached, alone = cloud.state.find_disks(vm_id=vm), cloud.state.add_disk("alone", 1)
    off = cloud.state.add_vm("off", boot_gb=1, state=VmState.STOPPED)
    (boot,) = cloud.state.find_disks(vm_id=off)
    disks, warnings = _vms.attachments(client, [*attached, boot, alone], ticks.deadline())
    bound, unbound = (cloud.generation.spell_disk(each) for each in ("Bound", "Unbound"))
    assert list(disks.values()) == [
        *(Disk(disk_id, bound, vm, "Running") for disk_id in attached),
        Disk(boot, bound, off, "Stopped"),
        Disk(alone, unbound),
    ]
    assert list(disks) == [*attached, boot, alone] and warnings == []
    assert client.calls == {"DescribeDisk": 1, "DescribeVMInstance": 1}


def test_disks_of_no_vm_need_no_question_about_vms(client: Client, cloud: Emulator, ticks: Any) -> None:
    alone = cloud.state.add_disk("alone", 1)
    assert _vms.attachments(client, [alone], ticks.deadline()) == ({alone: Disk(alone, cloud.generation.spell_disk("Unbound"))}, [])
    assert client.calls == {"DescribeDisk": 1}


def test_a_disk_that_is_not_listed(client: Client, ticks: Any) -> None:
    assert _vms.attachments(client, ["disk-gone"], ticks.deadline()) == ({"disk-gone": Disk("disk-gone", UNLISTED)}, [])


def test_a_key_that_may_not_ask_for_disks(client: Client, cloud: Emulator, vm: str, ticks: Any) -> None:
    deny(cloud, "DescribeDisk")
    disks, (warning,) = _vms.attachments(client, cloud.state.find_disks(vm_id=vm), ticks.deadline())
    assert disks == {}
    assert "could not be checked" in warning and "DescribeDisk" in warning and "RetCode 150" in warning


def test_a_key_that_may_not_ask_for_vms(client: Client, cloud: Emulator, vm: str, ticks: Any) -> None:
    deny(cloud, "DescribeVMInstance")
    disk_id = cloud.state.find_disks(vm_id=vm)[0]
    disks, (warning,) = _vms.attachments(client, [disk_id], ticks.deadline())
    assert disks == {disk_id: Disk(disk_id, cloud.generation.spell_disk("Bound"), vm, "")}
    assert "could not be checked" in warning and vm in warning


def test_a_vm_that_is_not_listed_is_warned_of(
    client: Client, cloud: Emulator, vm: str, ticks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (boot, _data) = cloud.state.find_disks(vm_id=vm)
    monkeypatch.setattr(_vms, "by_ids", lambda *args: [])
    disks, (warning,) = _vms.attachments(client, [boot], ticks.deadline())
    assert (
        disks == {boot: Disk(boot, cloud.generation.spell_disk("Bound"), vm, "")} and vm in warning and "not listed for this key" in warning
    )


@pytest.mark.parametrize("action", ["DescribeDisk", "DescribeVMInstance"])
def test_another_refusal_is_an_error(client: Client, cloud: Emulator, vm: str, ticks: Any, action: str) -> None:
    deny(cloud, action, 171)
    with pytest.raises(FatalError):
        _vms.attachments(client, cloud.state.find_disks(vm_id=vm), ticks.deadline())


def test_vms_by_their_ids(client: Client, cloud: Emulator, vm: str, ticks: Any) -> None:
    (found,) = _vms.by_ids(client, [vm, "vm-gone"], ticks.deadline())
    assert (found.vm_id, found.name, found.state) == (vm, "web", "Running")
    assert sorted(found.disk_ids) == sorted(cloud.state.find_disks(vm_id=vm))
    assert [disk["size"] for disk in found.disks] == [1, 1] and len(found.ips) == 1


def test_every_vm(client: Client, cloud: Emulator, ticks: Any) -> None:
    with cloud.state.transaction():
        made = [cloud.state.add_vm(f"vm{number}", boot_gb=1, state=VmState.STOPPED) for number in range(105)]
    assert sorted(each.vm_id for each in _vms.everything(client, ticks.deadline(), {})) == sorted(made)
    assert client.calls == {"DescribeVMInstance": 2}


def test_which_disks_are_busy(client: Client, cloud: Emulator, vm: str, ticks: Any) -> None:
    busy, idle = cloud.state.find_disks(vm_id=vm)
    cloud.state.create_snapshot(busy, "x")
    vms = _vms.by_ids(client, [vm], ticks.deadline())
    assert [each.unstable for each in _vms.with_disk_states(client, vms, ticks.deadline())] == [(busy,)]
    assert idle in vms[0].disk_ids and vms[0].unstable == ()


@pytest.mark.parametrize("denied", [["DescribeDisk"], ["DescribeSnapshot"], ["DescribeDisk", "DescribeSnapshot"]])
def test_which_disks_are_busy_where_the_key_may_not_ask(client: Client, cloud: Emulator, vm: str, ticks: Any, denied: list[str]) -> None:
    busy = cloud.state.find_disks(vm_id=vm)[0]
    cloud.state.create_snapshot(busy, "x")
    for action in denied:
        deny(cloud, action)
    vms = _vms.by_ids(client, [vm], ticks.deadline())
    (found,) = _vms.with_disk_states(client, vms, ticks.deadline())
    told_by_disk = "DescribeDisk" not in denied and cloud.generation.shows_snapshoting
    assert found.unstable == ((busy,) if told_by_disk or "DescribeSnapshot" not in denied else ())


def test_vms_without_disks_need_no_question_about_disks(client: Client, ticks: Any) -> None:
    assert _vms.with_disk_states(client, [], ticks.deadline()) == []
    assert client.calls == {}


@pytest.mark.parametrize(
    ("act", "before", "after"),
    [(_vms.start, VmState.STOPPED, "Starting"), (_vms.stop, VmState.RUNNING, "Stopping"), (_vms.power_off, VmState.RUNNING, "Poweroffing")],
)
def test_switching(client: Client, cloud: Emulator, ticks: Any, act: Callable[..., None], before: VmState, after: str) -> None:
    vm_id = cloud.state.add_vm("web", boot_gb=1, state=before)
    act(client, vm_id, ticks.deadline())
    assert cloud.state.vm(vm_id).state == after
    with pytest.raises(RefusedError):
        act(client, vm_id, ticks.deadline())
    assert len(cloud.calls()) == 2
