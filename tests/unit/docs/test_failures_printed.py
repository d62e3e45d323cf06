# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The messages of the page on failures are those that an operator reads, word for word, when it happens."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from emulator.errors import Reason
from emulator.server import Emulator
from emulator.state import VmState
from support.collection import CHECKOUT
from support.in_process import told

PAGE = (CHECKOUT / "docs" / "docsite" / "rst" / "guide_failures.rst").read_text()
Run = Callable[..., Any]


def printed(answer: Any, *messages: str) -> bool:
    """Whether the page has each of these messages, and the answer says each, in its ``msg``, an entry's or a warning."""
    said = [getattr(answer, "msg", ""), *(entry["msg"] for entry in getattr(answer, "results", [])), *told(answer)]
    for message in messages:
        assert f"``{message}``" in PAGE, message
        pattern = ".*".join(re.escape(part.strip()) for part in message.split("…"))
        assert any(re.search(pattern, each) for each in said), (message, said)
    return bool(messages)


@pytest.fixture
def disk(cloud: Emulator) -> str:
    return cloud.state.add_disk("data", 1)


@pytest.fixture
def before(cloud: Emulator, disk: str) -> str:
    """An hour-old snapshot of the disk."""
    return cloud.state.add_snapshot(disk, "before", age=3600)


@pytest.fixture
def snapshot(run: Run, disk: str) -> Run:
    return lambda **options: run("snapshot", **{"name": "x", "disk_ids": [disk], **options})


@pytest.fixture
def roll_back(run: Run, disk: str, before: str) -> Run:
    return lambda **options: run("snapshot_rollback", **{"name": "before", "disk_ids": [disk], **options})


def create(kind: str, **fault: Any) -> dict[str, Any]:
    return {"action": "CreateSnapshot", "kind": kind, **fault}


def test_lost_answer(cloud: Emulator, snapshot: Run) -> None:
    cloud.add_faults(create("lose_answer", count=1))
    assert printed(snapshot(), "created; the response was lost, and the snapshot was found by its name")


def test_answer_lost_twice(cloud: Emulator, snapshot: Run) -> None:
    cloud.add_faults(create("drop"))
    assert printed(
        snapshot(),
        "it is unknown whether the snapshot was created: two requests got no response, and it is not listed",
        "; run the task again to look for it. …",
        "… no response to CreateSnapshot, and nothing listed for … s, so it was sent once more.",
        "… the connection to … broke before the response was complete …",
    )


def test_time_out(cloud: Emulator, snapshot: Run) -> None:
    cloud.add_faults(create("stuck_snapshot"))
    answer = snapshot(wait_timeout=60)
    assert printed(answer, "timed out after … s", "; last seen …", "the operation continues", "run the same task again to wait for it")


def test_snapshot_that_ended_badly(cloud: Emulator, snapshot: Run) -> None:
    cloud.add_faults(create("fail_snapshot"))
    assert printed(snapshot(), "… was created, but is …: it cannot be used")


def test_wrong_key(snapshot: Run) -> None:
    answer = snapshot(private_key="not the key of this cloud, and long enough")
    assert printed(answer, "… the signature is invalid … Check public_key and private_key.", "… Nothing was done.")


def test_redirect_to_a_login_page(cloud: Emulator, snapshot: Run) -> None:
    cloud.add_faults({"kind": "redirect"})
    message = "… redirects to …, which is probably a login page. Check api_url: it is the URL of the API itself …"
    assert printed(snapshot(), message, "… Nothing was done.")


def test_page_of_a_proxy(cloud: Emulator, snapshot: Run) -> None:
    cloud.add_faults({"kind": "http_status", "status": 407})
    assert printed(snapshot(), "… HTTP status … and not a response of the API: … Check api_url and the proxy variables.")


@pytest.mark.parametrize(
    ("host", "with_ca", "message"),
    [
        ("127.0.0.1", False, "… the certificate of … is not trusted … Set ca_path to the CA that signed it."),
        ("127.1", True, "… is not trusted … Check that api_url uses a name or address of the certificate."),
    ],
)
def test_certificate(tmp_path: Path, run_alone: Run, monkeypatch: pytest.MonkeyPatch, host: str, with_ca: bool, message: str) -> None:
    monkeypatch.setenv("no_proxy", host)  # another way to write 127.0.0.1 is none that a proxy would leave out
    with Emulator(tmp_path / "cloud", tls=True) as cloud:
        keys = {"public_key": cloud.public_key, "private_key": cloud.private_key, "region": cloud.region}
        ca = {"ca_path": cloud.connection["ca_path"]} if with_ca else {}
        answer = run_alone("snapshot", name="x", disk_ids=["disk-1"], api_url=cloud.api_url.replace("127.0.0.1", host), **keys, **ca)
    assert printed(answer, message, "… Nothing was done.")


def test_quota(cloud: Emulator, snapshot: Run, disk: str) -> None:
    for number in range(10):
        cloud.state.add_snapshot(disk, f"old-{number}")
    answer = snapshot()
    assert printed(answer, "… the disk has reached its limit of snapshots …")
    assert answer.results[0]["ret_code"] == cloud.generation.codes[Reason.SNAPSHOT_LIMIT]


def test_vm_that_is_on(cloud: Emulator, run: Run) -> None:
    vm_id = cloud.state.add_vm("web", boot_gb=1, state=VmState.RUNNING)
    (disk,) = cloud.state.find_disks(vm_id=vm_id)
    target = cloud.state.add_snapshot(disk, "before", age=3600)
    message = "… is attached to VM …, which is …: stop the VM, or detach the disk, and run the task again"
    assert printed(run("snapshot_rollback", snapshot_id=target), message)

    cloud.add_faults({"action": "DescribeDisk", "kind": "refuse", "ret_code": 150})  # the key may not ask: the API itself refuses
    answer = run("snapshot_rollback", snapshot_id=target)
    assert printed(answer, "It could not be checked that the VMs … are off: …")
    assert "is not shut down" in answer.msg and answer.results[0]["ret_code"] == cloud.generation.codes[Reason.VM_NOT_OFF]


def test_two_of_one_name(cloud: Emulator, snapshot: Run, roll_back: Run, disk: str) -> None:
    cloud.state.add_snapshot(disk, "before", age=60)
    assert printed(roll_back(), "… is ambiguous: …; use snapshot_ids to choose one")
    assert printed(snapshot(name="before"), "… snapshots named …: …", "The newest is used.")


def test_marker_that_is_taken(cloud: Emulator, roll_back: Run, disk: str) -> None:
    cloud.state.add_snapshot(disk, "m", remark="somebody else's")
    message = "marker_name … is already used by …, which is not a marker for …: choose another marker_name, or delete that snapshot"
    assert printed(roll_back(marker_name="m"), message)


def test_rollback_without_its_marker_and_once_more_with_the_vm_off(cloud: Emulator, roll_back: Run) -> None:
    cloud.add_faults(create("refuse", ret_code=2500, count=1))
    answer = roll_back(marker_name="m")
    message = (", but the marker … was not created: …", "do not run the task again after starting the VM, because it would roll back again")
    assert printed(answer, "rolled back", *message) and answer.results[0]["outcome"] == "rolled_back"
    assert [roll_back(marker_name="m").results[0]["outcome"] for _turn in range(2)] == ["rolled_back", "already_done"]


def test_rollback_that_times_out(cloud: Emulator, roll_back: Run) -> None:
    cloud.state.rollback_seconds = 600
    common = "run the same task again: it joins the rollback if that is still running, and otherwise rolls back again"
    assert printed(roll_back(wait_timeout=1), common, ", so check the disk first")
    assert printed(roll_back(wait_timeout=1, marker_name="m"), common, "and creates the marker …; keep the VM off until then")


def test_answer_to_a_rollback_lost_twice(cloud: Emulator, roll_back: Run) -> None:
    cloud.add_faults({"action": "RollbackSnapshot", "kind": "drop"})
    answer = roll_back()
    assert printed(
        answer, "it is unknown whether the disk was rolled back: two requests got no response; keep its VM off, and run the task again"
    )
    assert printed(answer, "… no response to RollbackSnapshot, and no rollback seen for … s, so it was tried once more.")
