# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever a server sends, reading it ends in records or in one of the collection's own exceptions, each of one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import fuzz
import pytest
from ansible_collections.ucloudstack.cloud.plugins.module_utils import _snapshots, _vms
from ansible_collections.ucloudstack.cloud.plugins.module_utils._answers import Answer
from ansible_collections.ucloudstack.cloud.plugins.module_utils._client import Client
from ansible_collections.ucloudstack.cloud.plugins.module_utils._clock import Deadline
from ansible_collections.ucloudstack.cloud.plugins.module_utils._errors import UCloudStackError
from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import Disk, Snapshot, Vm, is_id
from hypothesis import given
from hypothesis import strategies as st

Read = Callable[[Client, Deadline], Any]
Connect = Callable[..., Client]
Serve = Callable[..., Any]

READERS: dict[str, list[Read]] = {
    "DescribeSnapshot": [
        _snapshots.everything,
        lambda client, deadline: _snapshots.by_ids(client, fuzz.SNAPSHOTS, deadline),
        lambda client, deadline: _snapshots.of_disks(client, fuzz.DISKS[:1], deadline),
        lambda client, deadline: _snapshots.of_disks(client, fuzz.DISKS, deadline),
    ],
    "DescribeDisk": [
        lambda client, deadline: _vms.attachments(client, fuzz.DISKS, deadline),
        lambda client, deadline: _vms.with_disk_states(client, [Vm("vm-1", "", "", (), ({"disk_id": "disk-1"},))], deadline),
    ],
    "DescribeVMInstance": [
        lambda client, deadline: _vms.everything(client, deadline, {}),
        lambda client, deadline: _vms.by_ids(client, fuzz.VMS, deadline),
    ],
    "CreateSnapshot": [lambda client, deadline: _snapshots.create(client, "disk-1", "x", "", deadline)],
    "DeleteSnapshot": [lambda client, deadline: _snapshots.delete(client, "snapshot-1", deadline)],
    "RollbackSnapshot": [lambda client, deadline: _snapshots.rollback(client, "disk-1", "snapshot-1", deadline)],
    "StartVMInstance": [lambda client, deadline: _vms.start(client, "vm-1", deadline)],
    "StopVMInstance": [lambda client, deadline: _vms.stop(client, "vm-1", deadline)],
    "PoweroffVMInstance": [lambda client, deadline: _vms.power_off(client, "vm-1", deadline)],
}
"""The readers of each action, as the modules use them."""


def fail(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


def check_record(record: Snapshot | Vm) -> None:
    """It can be returned by a module, and its ids and state printed."""
    result = record.as_result()
    assert not any(key.startswith("__") for key in fuzz.keys(result)), "ansible-core would take such an object for one of its own"
    assert json.loads(json.dumps(result, ensure_ascii=False).encode(), parse_constant=fail) == result
    if isinstance(record, Snapshot):
        assert is_id(record.snapshot_id) and is_id(record.disk_id) and record.status.isprintable()
    else:
        assert all(is_id(each) for each in [record.vm_id, *record.disk_ids] if each) and record.state.isprintable()


def check_error(error: UCloudStackError) -> None:
    """It is one line, that no terminal takes for anything but text, and carries nothing of the request."""
    assert str(error) and str(error).isprintable() and len(str(error)) < 1000
    assert type(error.ret_code) in (int, type(None)) and error.ret_code != 0
    assert error.__cause__ is None


def check(read: Callable[[], Any]) -> bool:
    """Whether there was anything to read."""
    try:
        found = read()
    except UCloudStackError as error:
        check_error(error)
        return False
    if isinstance(found, tuple):
        disks, warnings = found
        assert all(isinstance(disk, Disk) and is_id(key) and disk.status.isprintable() for key, disk in disks.items())
        assert all(warning.isprintable() for warning in warnings)
    elif isinstance(found, Answer):
        assert found.created is None or is_id(found.created)
    else:
        for record in found or []:
            check_record(record)
    return True


@pytest.fixture
def read_all(connect: Connect, ticks: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[bool]]:
    """``read_all(action, answers)``: lets each reader of the action read these answers; what it asks besides fails."""
    client = connect("https://console.customer.test/api")
    left: dict[str, list[fuzz.Body]] = {}

    def post(action: str, form: Any, secrets: Any) -> tuple[int, dict[str, str], bytes]:
        ticks.elapsed += 0.1
        answers = left.get(action) or [fuzz.Body(b'{"RetCode": 150}')]
        body = answers.pop(0) if len(answers) > 1 else answers[0]
        return body.status, {}, body.content

    monkeypatch.setattr(client._transport, "post", post)

    def run(action: str, answers: list[fuzz.Body]) -> list[bool]:
        could = []
        for read in READERS[action]:
            left.clear()
            left[action] = list(answers)
            began = ticks.elapsed
            could.append(check(partial(read, client, ticks.deadline(60))))
            assert ticks.elapsed - began < 90
        return could

    return run


@pytest.mark.parametrize("action", READERS)
def test_the_corpus_of_an_action(read_all: Callable[..., list[bool]], action: str) -> None:
    for body in fuzz.kept(action):
        could = read_all(action, [body])
        if body.why == "as the guide has it":
            assert all(could)


@pytest.mark.parametrize("action", READERS)
def test_any_answer_is_read_or_refused(read_all: Callable[..., list[bool]], action: str) -> None:
    met = set()

    @fuzz.fuzzing(120 if action in fuzz.LISTS else 30)
    @given(st.lists(fuzz.bodies(action), min_size=1, max_size=3))
    def try_it(answers: list[fuzz.Body]) -> None:
        met.update(read_all(action, answers))

    try_it()
    assert met == {True, False}, "some can be read, and some cannot"


@pytest.fixture
def exchange(connect: Connect, endpoint: Serve) -> Callable[[bytes], bool]:
    """``exchange(content)``: a real server sends these bytes for an answer, and closes the connection."""
    sent: list[bytes] = []

    def send(request: Any) -> None:
        request.connection.sendall(sent[-1])

    client = connect(endpoint(send).url, request_timeout=5.0)

    def run(content: bytes) -> bool:
        sent.append(content)
        try:
            return bool(client.call("CreateSnapshot", {"DiskID": "disk-1"}))
        except UCloudStackError as error:
            check_error(error)
            return False

    return run


def test_the_corpus_of_bytes_in_place_of_http(exchange: Callable[[bytes], bool]) -> None:
    for body in fuzz.corpus("http"):
        could = exchange(body.content)
        if body.why == "as it should be":
            assert could


def test_any_bytes_in_place_of_http(exchange: Callable[[bytes], bool]) -> None:
    met = set()

    @fuzz.fuzzing(200)
    @given(st.sampled_from([body.content for body in fuzz.corpus("http")]).flatmap(fuzz.mutated) | st.binary(max_size=200))
    def try_it(content: bytes) -> None:
        met.add(exchange(content))

    try_it()
    assert met == {True, False}
