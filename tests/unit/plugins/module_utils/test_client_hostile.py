# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An endpoint that means harm: it costs neither memory nor time, gets nothing sent elsewhere, and every failure is one line."""

from __future__ import annotations

import gzip
import json
import socket
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.module_utils import _snapshots, _vms
from ansible_collections.ucloudstack.cloud.plugins.module_utils._answers import (
    MAX_BYTES,
    MAX_DIGITS,
    MAX_KEY_LENGTH,
    MAX_STRING_LENGTH,
    MAX_VALUES,
)
from ansible_collections.ucloudstack.cloud.plugins.module_utils._client import MAX_ENTRIES, PAGE, Client
from ansible_collections.ucloudstack.cloud.plugins.module_utils._errors import FatalError, UCloudStackError, UnknownOutcomeError
from support.collection import COLLECTIONS

Connect = Callable[..., Client]
Serve = Callable[..., Any]

MEBIBYTE = 2**20
MAX_MEMORY = 100 * MEBIBYTE
OK, CHUNKED = b"HTTP/1.1 200 OK\r\n", b"Transfer-Encoding: chunked\r\n\r\n"

ALONE = """
import atexit, runpy, sys, time
from pathlib import Path

def tell_peak():
    print(next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")).split()[1], file=sys.stderr)

atexit.register(tell_peak)
time.sleep = lambda seconds: None  # as if the pauses between attempts were over
collections, module, arguments = sys.argv[1:]
sys.path.insert(0, collections)
from ansible.module_utils import basic

basic._ANSIBLE_ARGS, basic._ANSIBLE_PROFILE = arguments.encode(), "legacy"
runpy.run_module("ansible_collections.ucloudstack.cloud.plugins.modules." + module, run_name="__main__")
"""
"""Runs a module in a process of its own, as Ansible does, and tells on stderr how many kB of memory it took at most."""


def reply(body: bytes, *fields: bytes) -> bytes:
    head = b"".join(field + b"\r\n" for field in (b"Content-Length: %d" % len(body), *fields))
    return OK + head + b"\r\n" + body


def pour(head: bytes, unit: bytes, size: int = 2**30) -> Callable[[Any], None]:
    """An answer that is ``head``, and then ``unit`` until it is ``size`` bytes, or the client has gone."""

    def answer(request: Any) -> None:
        request.connection.sendall(head)
        for _turn in range(size // len(unit)):
            request.connection.sendall(unit)

    return answer


def filled(unit: bytes, begins: bytes = b'{"RetCode": 0, "X": [', ends: bytes = b"0]}") -> bytes:
    """An answer as large as one may be, full of ``unit``: as many as there may be bytes, or values."""
    values = sum(map(unit.count, (b",", b":", b"[", b"{")))
    return begins + unit * min((MAX_BYTES - 200) // len(unit), (MAX_VALUES - 100) // values if values else MAX_BYTES) + ends


def bomb() -> bytes:
    """1 GB, packed to 1 MB: after a full flush, the same bytes mean the same again."""
    packer = zlib.compressobj(9, wbits=31)
    head = packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
    return head + (packer.compress(b"x" * MEBIBYTE) + packer.flush(zlib.Z_FULL_FLUSH)) * 1024


MEBIBYTE_AS_CHUNK = b"%x\r\n%s\r\n" % (MEBIBYTE, b"x" * MEBIBYTE)
LARGE = {
    "1 GB of unknown length": pour(OK + b"\r\n", b"x" * MEBIBYTE),
    "1 GB of known length": pour(OK + b"Content-Length: %d\r\n\r\n" % 2**30, b"x" * MEBIBYTE),
    "1 GB in chunks": pour(OK + CHUNKED, MEBIBYTE_AS_CHUNK),
    "1 GB in one chunk": pour(OK + CHUNKED + b"40000000\r\n", b"x" * MEBIBYTE),
    "a chunk of -1 bytes": pour(OK + CHUNKED + b"-1\r\n", b"x" * MEBIBYTE),
    "a packed 1 GB": reply(bomb(), b"Content-Encoding: gzip"),
    "a 1 GB packed twice": reply(gzip.compress(bomb()), b"Content-Encoding: gzip, gzip"),
    "more values than there may be": reply(b'{"RetCode": 0, "X": [' + b"{}," * (MAX_BYTES // 4) + b"0]}"),
    "as many lists as there may be": reply(filled(b"[],")),
    "as many objects as there may be": reply(filled(b'{"a":{}},')),
    "as many keys as there may be": reply(
        b'{"RetCode": 0%s}' % b"".join(b',"key %d":%d' % (each, each + 10**9) for each in range(MAX_VALUES // 2 - 2))
    ),
    "as many characters as there may be": reply(filled(b"x", '{"RetCode": 0, "X": "\\ud800\U0001f4be'.encode(), b'"}')),
    "as many digits as there may be": reply(filled(b"9", b'{"RetCode": ', b"}")),
    "as many levels as there may be": reply(filled(b"[", b'{"RetCode": 0, "X": ', b"")),
    "a key as long as an answer": reply(filled(b"A", b'{"RetCode": 0, "TotalCount": 1, "Infos": [{"', b'": 1}]}')),
    "a status line without end": pour(b"HTTP/1.1 200 ", b"x" * MEBIBYTE),
    "a header line without end": pour(OK + b"X: ", b"x" * MEBIBYTE),
    "header lines without end": pour(OK, b"X: x\r\n" * 2**16),
    "large header lines": reply(b'{"RetCode": 0}', *(b"X: " + b"x" * 65_000 for _line in range(98))),
}


Ran = tuple[dict[str, Any], int, int]


@pytest.fixture
def list_snapshots(endpoint: Serve) -> Callable[..., Ran]:
    """``list_snapshots(answer, **options)``: what ``snapshot_info`` printed, its requests, and how many bytes of memory it took at most."""

    def run(answer: Any, **options: Any) -> Ran:
        server = endpoint(answer)
        given = {"api_url": server.url, "public_key": "a-public-key", "private_key": "a-long-private-key", "region": "cn", **options}
        command = [sys.executable, "-c", ALONE, str(COLLECTIONS), "snapshot_info", json.dumps({"ANSIBLE_MODULE_ARGS": given})]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        (peak,) = done.stderr.split()  # nothing else is said on stderr
        return json.loads(done.stdout), len(server.requests), int(peak) * 1024

    return run


@pytest.mark.parametrize("answer", LARGE.values(), ids=LARGE)
def test_no_answer_takes_much_memory(list_snapshots: Callable[..., Ran], answer: Any) -> None:
    printed, requests, peak = list_snapshots(answer)
    assert printed["failed"] and printed["msg"].startswith("DescribeSnapshot: ") and printed["msg"].isprintable()
    assert peak < MAX_MEMORY
    assert requests == printed["api_calls"]["DescribeSnapshot"] <= 5


@pytest.mark.parametrize("name", [name for name in LARGE if name.startswith("as many") or name == "1 GB in chunks"])
def test_sixteen_answers_at_once_do_not_take_much_memory(list_snapshots: Callable[..., Ran], name: str) -> None:
    answer = LARGE[name]

    def large_for_each_disk(request: Any) -> Any:
        if "DiskID" in request.form:
            return answer(request) if callable(answer) else answer
        entries = [{"SnapshotID": f"s{number}", "DiskID": "d"} for number in range(PAGE)]  # of so many that disk by disk is cheaper
        return reply(json.dumps({"RetCode": 0, "TotalCount": 5000, "Infos": entries}).encode())

    printed, requests, peak = list_snapshots(large_for_each_disk, disk_ids=[f"disk-{number}" for number in range(16)])
    assert printed["failed"] and requests > 10 and peak < MAX_MEMORY


@pytest.mark.parametrize(
    ("body", "good"),
    [
        (b'{"RetCode": 0, "%s": 1}' % (b"k" * MAX_KEY_LENGTH), True),
        (b'{"RetCode": 0, "%s": 1}' % (b"k" * (MAX_KEY_LENGTH + 1)), False),
        (b'{"RetCode": 0, "X": %s}' % (b"9" * MAX_DIGITS), True),
        (b'{"RetCode": 0, "X": %s}' % (b"9" * (MAX_DIGITS + 1)), False),
        (b'{"RetCode": 0, "X": "%s"}' % (b"x" * MAX_STRING_LENGTH), True),
        (b'{"RetCode": 0, "X": "%s"}' % (b"x" * (MAX_STRING_LENGTH + 1)), False),
        (b'{"RetCode": 0, "X": 1e308}', True),
        (b'{"RetCode": 0, "X": 1e309}', False),
        (b'{"RetCode": 0, "X": [{"__ansible_type": "AnsibleTaggedStr", "value": "x"}]}', False),
        (b'{"RetCode": 0, "_x": {"x__": 1}}', True),
        (b'{"RetCode": 0%s}' % (b',"X":0' * (MAX_VALUES // 2 - 1)), True),
        (b'{"RetCode": 0%s}' % (b',"X":0' * (MAX_VALUES // 2)), False),
    ],
    ids=lambda value: None if isinstance(value, bool) else value[:40].decode(),
)
def test_the_limits_of_what_is_in_an_answer(connect: Connect, endpoint: Serve, body: bytes, good: bool) -> None:
    client = connect(endpoint(reply(body)).url)
    if good:
        assert client.call("CreateSnapshot", {})["RetCode"] == 0
    else:
        with pytest.raises(UnknownOutcomeError, match="not a response of the API"):
            client.call("CreateSnapshot", {})


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(pour(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000), id="not yet, without end"),
        pytest.param(pour(b"", b"HTTP/1.1 100 Continue\r\nX: x\r\n\r\n"), id="not yet, in small pieces"),
        pytest.param(pour(OK + CHUNKED + b"0\r\n", b"X: x\r\n" * 1000), id="trailers without end"),
    ],
)
def test_what_never_ends_is_left_after_request_timeout(connect: Connect, endpoint: Serve, answer: Any) -> None:
    server = endpoint(answer)
    with pytest.raises(UnknownOutcomeError, match="within request_timeout, 0.4 seconds"):
        connect(server.url, request_timeout=0.4).call("CreateSnapshot", {})
    server.requests[0].connection.shutdown(socket.SHUT_RDWR)  # else both ends would go on beside the tests that follow


LEADS = ["Location", "Content-Location", "Refresh", "Link", "Alt-Svc", "X-Accel-Redirect"]


@pytest.mark.parametrize("status", [200, 201, 300, 301, 302, 303, 304, 305, 307, 308, 401, 407, 426])
def test_no_header_carries_the_signature_elsewhere(connect: Connect, endpoint: Serve, status: int) -> None:
    other = endpoint({"RetCode": 0})
    to = other.url.replace("127.0.0.1", "localhost")
    fields = [f"{name}: {'0; url=' if name == 'Refresh' else ''}{to}" for name in LEADS]
    fields += [f"Set-Cookie: where={other.port}; Domain=localhost", "Connection: close", 'WWW-Authenticate: Basic realm="x"']
    head = "".join(f"{field}\r\n" for field in [f"HTTP/1.1 {status} Elsewhere", *fields])
    server = endpoint(f"{head}Content-Length: 0\r\n\r\n".encode())
    client = connect(server.url)
    for _turn in range(2):
        with pytest.raises(UCloudStackError) as caught:
            client.call("CreateSnapshot", {"DiskID": "disk-1"})
        assert str(caught.value).isprintable()
    assert other.requests == [] and len(server.requests) == 2
    assert all("cookie" not in request.headers and "authorization" not in request.headers for request in server.requests)


def test_a_list_that_claims_to_be_endless_is_not_started(connect: Connect, endpoint: Serve, ticks: Any) -> None:
    entries = [{"SnapshotID": f"snapshot-{number}"} for number in range(PAGE)]
    server = endpoint({"RetCode": 0, "TotalCount": MAX_ENTRIES + 1, "Infos": entries})
    with pytest.raises(FatalError, match="has 100001 entries, more than 100000: select fewer"):
        _snapshots.everything(connect(server.url), ticks.deadline())
    assert len(server.requests) == 1


def test_pages_are_read_until_time_is_up(connect: Connect, endpoint: Serve, ticks: Any) -> None:
    def page(request: Any) -> dict[str, Any]:
        ticks.elapsed += 10
        first = int(request.form["Offset"])
        return {"RetCode": 0, "TotalCount": MAX_ENTRIES, "Infos": [{"SnapshotID": f"s-{first + each}"} for each in range(PAGE)]}

    server = endpoint(page)
    with pytest.raises(UnknownOutcomeError, match="timed out before all pages of the list were read"):
        _snapshots.everything(connect(server.url, parallelism=4), ticks.deadline(95))
    assert 10 <= len(server.requests) < 10 + 4


def test_poll_that_starts_at_the_deadline_is_finished(connect: Connect, endpoint: Serve, ticks: Any) -> None:
    def page(request: Any) -> dict[str, Any]:
        ticks.elapsed += 1
        first = int(request.form["Offset"])
        return {
            "RetCode": 0,
            "TotalCount": 250,
            "Infos": [{"SnapshotID": f"s-{each}", "DiskID": "d"} for each in range(first, min(first + PAGE, 250))],
        }

    server = endpoint(page)
    assert len(_snapshots.everything(connect(server.url), ticks.deadline(0))) == 250 and len(server.requests) == 3


ODD_IDS = ["two words", "two\nlines", "\x1b[31mred", "\x9b31m", "\u202egnol", "zero\u200bwidth", "\u2028", "x" * 256, "\U000e0041"]


@pytest.fixture
def entry() -> dict[str, Any]:
    return {"SnapshotID": "snapshot-1", "DiskID": "disk-1", "VMID": "vm-1", "Name": "x", "TotalCount": 1}


def looks(client: Client, deadline: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Each way in which ids and states get in, with the fields that it reads."""
    yield "SnapshotID DiskID SnapshotStatus", lambda: _snapshots.everything(client, deadline)
    yield "SnapshotID DiskID SnapshotStatus", lambda: _snapshots.of_disks(client, ["disk-1"], deadline)
    yield "VMID State", lambda: _vms.everything(client, deadline, {})
    yield "DiskStatus AttachResourceID", lambda: _vms.attachments(client, ["disk-1"], deadline)


@pytest.mark.parametrize("odd", ODD_IDS, ids=ascii)
def test_ids_and_states_that_would_break_a_line_are_none(connect: Connect, endpoint: Serve, ticks: Any, entry: Any, odd: str) -> None:
    answers: list[Any] = [{"RetCode": 0, "TotalCount": 1, "Infos": [entry]}]
    client = connect(endpoint(lambda request: json_reply(answers[0])).url)
    for fields, look in looks(client, ticks.deadline()):
        for field in fields.split():
            if odd == "two words" and field in ("SnapshotStatus", "DiskStatus", "State"):
                continue
            answers[0] = {"RetCode": 0, "TotalCount": 1, "Infos": [{**entry, field: odd}]}
            with pytest.raises(UnknownOutcomeError, match="unexpected response: an entry of Infos has an invalid (id|status)"):
                look()


def json_reply(answer: Any) -> bytes:
    return reply(json.dumps(answer).encode())


@pytest.mark.parametrize("odd", ODD_IDS, ids=ascii)
def test_a_new_snapshot_with_an_invalid_id_has_an_unknown_outcome(connect: Connect, endpoint: Serve, ticks: Any, odd: str) -> None:
    client = connect(endpoint({"RetCode": 0, "SnapshotID": odd}).url)
    with pytest.raises(UnknownOutcomeError, match="reported success, but returned no SnapshotID"):
        _snapshots.create(client, "disk-1", "x", "", ticks.deadline())


def test_entries_that_were_not_asked_for_are_left(connect: Connect, endpoint: Serve, ticks: Any) -> None:
    infos = [{"SnapshotID": f"snapshot-{each}", "DiskID": "disk-1", "VMID": f"vm-{each}"} for each in range(3)]
    client = connect(endpoint({"RetCode": 0, "TotalCount": 3, "Infos": infos}).url)
    assert [each.snapshot_id for each in _snapshots.by_ids(client, ["snapshot-1"], ticks.deadline())] == ["snapshot-1"]
    assert [each.vm_id for each in _vms.by_ids(client, ["vm-2"], ticks.deadline())] == ["vm-2"]
