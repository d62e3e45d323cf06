# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vendor's own client, unchanged, for every action that is served."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from emulator.actions import ACTIONS
from emulator.server import Emulator
from ucloud.core import exc
from ucloud.services.ucloudstack.client import UCloudStackClient
from ucloud.services.ucloudstack.schemas import apis


@pytest.fixture(params=["http", "https"])
def emulator(request: pytest.FixtureRequest, tmp_path: Path, clock: Any) -> Iterator[Emulator]:
    with Emulator(tmp_path, tls=request.param == "https", clock=clock) as running:
        yield running


@pytest.fixture
def client(emulator: Emulator) -> UCloudStackClient:
    quiet = logging.getLogger("vendor")
    quiet.setLevel(logging.CRITICAL)
    return UCloudStackClient(
        {
            "region": emulator.region,
            "base_url": emulator.api_url,
            "public_key": emulator.public_key,
            "private_key": emulator.private_key,
            "project_id": "project-1",
            "ssl_cacert": emulator.ca_path,
        },
        logger=quiet,
    )


VM = {
    "Name": "web",
    "VMType": "Normal",
    "ImageID": "image",
    "CPU": 1,
    "Memory": 1024,
    "BootDiskSetType": "Normal",
    "DataDiskSetType": "Normal",
    "DataDiskSpace": 10,
    "VPCID": "vpc",
    "SubnetID": "subnet",
    "WANSGID": "sg",
    "ChargeType": "Dynamic",
    "Password": "Passw0rd-of-a-test",
}


def test_every_action(client: UCloudStackClient, emulator: Emulator, clock: Any) -> None:
    zone = {"Zone": emulator.zone}

    def settled() -> None:
        clock.pass_seconds(10)

    vm = client.create_vm_instance({**zone, **VM})["VMID"]
    disk = client.create_disk({**zone, "Name": "data", "DiskSpace": 10, "SetType": "SSD", "ChargeType": "Month"})["DiskID"]
    settled()
    client.attach_disk({**zone, "DiskID": disk, "ResourceID": vm, "ResourceType": "VM"})
    settled()
    snapshot = client.create_snapshot({**zone, "DiskID": disk, "Name": "快照 +&=%", "Remark": "🚑"})["SnapshotID"]
    settled()
    assert client.stop_vm_instance({**zone, "VMID": vm})["VMID"] == vm
    settled()
    client.rollback_snapshot({**zone, "SnapshotID": snapshot, "DiskID": disk})
    settled()
    client.start_vm_instance({**zone, "VMID": vm})
    settled()
    client.restart_vm_instance({**zone, "VMID": vm})
    settled()

    snapshots = client.describe_snapshot({**zone, "SnapshotIDs": [snapshot], "Limit": 100})
    assert (snapshots["TotalCount"], snapshots["Infos"][0]["Name"], snapshots["Infos"][0]["SnapshotStatus"]) == (1, "快照 +&=%", "Normal")
    disks = client.describe_disk({**zone, "DiskIDs": [disk]})
    assert (disks["TotalCount"], disks["Infos"][0]["DiskStatus"], disks["Infos"][0]["AttachResourceID"]) == (1, "Bound", vm)
    vms = client.describe_vm_instance({**zone, "VMIDs": [vm]})
    assert (vms["TotalCount"], vms["Infos"][0]["State"], len(vms["Infos"][0]["DiskInfos"])) == (1, "Running", 3)

    client.poweroff_vm_instance({**zone, "VMID": vm})
    client.delete_snapshot({**zone, "SnapshotID": snapshot})
    settled()
    client.detach_disk({**zone, "DiskID": disk, "ResourceID": vm})
    settled()
    client.delete_disk({**zone, "DiskID": disk})
    settled()
    assert client.describe_disk({**zone, "DiskIDs": [disk]})["TotalCount"] == 0
    recycled = client.describe_recycled_resource({**zone, "ResourceIDs": [disk]})
    assert (recycled["TotalCount"], recycled["Infos"][0]["Name"]) == (1, "data")
    client.rollback_resource({**zone, "ResourceID": disk})
    assert client.describe_disk({**zone, "DiskIDs": [disk]})["Infos"][0]["DiskStatus"] == "Unbound"
    client.delete_disk({**zone, "DiskID": disk})
    settled()
    client.terminate_resource({**zone, "ResourceID": disk})
    assert {call["action"] for call in emulator.calls()} == set(ACTIONS)
    assert {call["ret_code"] for call in emulator.calls()} == {0}


def test_every_field_of_the_vendors_models_is_sent(emulator: Emulator) -> None:
    from emulator.actions import _disk_info, _recycled_info, _snapshot_infos, _vm_info

    state = emulator.state
    vm = state.add_vm("web", boot_gb=1)
    (disk,) = state.find_disks(vm_id=vm)
    for info, schema in (
        (_disk_info(state, disk), apis.models.DiskInfoSchema),
        (_snapshot_infos(state, [state.add_snapshot(disk, "before")])[0], apis.models.SnapshotInfoSchema),
        (_recycled_info(state, disk), apis.models.RecycledResourceInfoSchema),
        (_vm_info(state, vm), apis.models.VMInstanceInfoSchema),
        (_vm_info(state, vm)["DiskInfos"][0], apis.models.VMDiskInfoSchema),
        (_vm_info(state, vm)["IPInfos"][0], apis.models.VMIPInfoSchema),
    ):
        assert set(info) == set(schema.fields)
        assert schema().loads(info) == info


def test_a_refusal(client: UCloudStackClient, emulator: Emulator) -> None:
    with pytest.raises(exc.RetCodeException) as refused:
        client.create_snapshot({"Zone": emulator.zone, "DiskID": "disk-none", "Name": "before"})
    assert (refused.value.code, "disk-none" in refused.value.message) == (2201, True)
