# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What leaves the client: flat parameters, the signature over them, and a form that means the same at the other end."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.module_utils._client import Client, flatten, signature
from ansible_collections.ucloudstack.cloud.plugins.module_utils._errors import FatalError
from emulator.server import Emulator

HARD_TEXTS = [
    "a+b&c=d%20e",
    "100% \"quoted\" 'twice'",
    "{{ lookup('env', 'HOME') }}",
    " spaces  at both ends ",
    "磁盘快照 before 补丁",
    "\U0001f4be\U0001f469\u200d\U0001f4bb",
    "/path?x#y;z\\",
    "~*()!$,:@[]<>|^`",
    "é and e\u0301",
    "line\nbreak\tand tab",
]


def test_the_signature_of_the_guide() -> None:
    params = {"Action": "DescribeVMInstance", "Limit": 20, "Offset": 0, "PublicKey": "1UxDcqTHEGGGviQFqlt870EbLuaSJPZOB8hZ74tL"}
    private_key = "tcgX3Xi_mAKpQayggnVLWzerkWB_fH1KXuk05hUrus8KSziLVyjWXwKZ80FOOldC"
    assert signature(flatten(params), private_key) == "2d86e5b4186ac6e42b628f258a7037c7636c9a81"


def test_the_order_of_the_parameters_does_not_count() -> None:
    assert signature({"A": "1", "B": "2"}, "key") == signature({"B": "2", "A": "1"}, "key")


def test_ids_from_ten_on_are_signed_before_the_second() -> None:
    flat = flatten({"IDs": [f"s{index}" for index in range(12)]})
    in_order = ["0", "1", "10", "11", "2", "3", "4", "5", "6", "7", "8", "9"]
    assert signature(flat, "") == sha1("".join(f"IDs.{index}s{index}" for index in in_order))


def sha1(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def test_names_are_sorted_by_their_bytes() -> None:
    # U+10000 comes after U+FFFF in UTF-8; UTF-16 has it the other way round.
    assert signature({"\uffff": "1", "\U00010000": "2", "B": "3", "a": "4"}, "") == sha1("B3a4\uffff1\U000100002")


@pytest.mark.parametrize(
    ("params", "flat"),
    [
        pytest.param({"Limit": 20, "Offset": 0}, {"Limit": "20", "Offset": "0"}, id="numbers"),
        pytest.param({"Yes": True, "No": False}, {"Yes": "true", "No": "false"}, id="booleans"),
        pytest.param({"Zone": None, "Remark": ""}, {"Remark": ""}, id="none is left out, empty is not"),
        pytest.param({"IDs": ["a", "b"]}, {"IDs.0": "a", "IDs.1": "b"}, id="a list"),
        pytest.param({"IDs": []}, {}, id="an empty list"),
        pytest.param({"IDs": ("a", None, True, 7)}, {"IDs.0": "a", "IDs.2": "true", "IDs.3": "7"}, id="a mixed tuple"),
        pytest.param({"X": [["a", "b"], ["c"]]}, {"X.0.0": "a", "X.0.1": "b", "X.1.0": "c"}, id="lists in a list"),
        pytest.param({"Name": "磁盘 \U0001f4be"}, {"Name": "磁盘 \U0001f4be"}, id="text stays as it is"),
    ],
)
def test_flat_parameters(params: dict[str, Any], flat: dict[str, str]) -> None:
    assert flatten(params) == flat


@pytest.mark.parametrize("text", HARD_TEXTS)
def test_any_text_arrives_as_it_was_sent(cloud: Emulator, connect: Callable[..., Client], text: str) -> None:
    client = connect(cloud.api_url, public_key=cloud.public_key, private_key=cloud.private_key, zone=cloud.zone)
    disk_id = cloud.state.add_disk("data", 1)
    name = text if cloud.generation.name_rule.pattern.fullmatch(text) else "plain"  # 2026 takes few characters in names, any in remarks
    answer = client.call("CreateSnapshot", {"DiskID": disk_id, "Name": name, "Remark": text})
    assert cloud.state.snapshot(answer["SnapshotID"]).name == name
    assert cloud.state.snapshot(answer["SnapshotID"]).remark == text


def test_it_is_a_form_sent_by_post_and_the_url_holds_nothing(connect: Callable[..., Client], endpoint: Callable[..., Any]) -> None:
    server = endpoint({"RetCode": 0})
    connect(server.url, zone="zone-01").call("CreateSnapshot", {"DiskID": "disk-1", "Name": "a b"})
    (request,) = server.requests
    assert request.line == "POST /api HTTP/1.1"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert "authorization" not in request.headers
    assert {name: request.form[name] for name in ("Action", "Region", "Zone", "DiskID", "Name")} == {
        "Action": "CreateSnapshot",
        "Region": "cn",
        "Zone": "zone-01",
        "DiskID": "disk-1",
        "Name": "a b",
    }


@pytest.mark.parametrize("nothing", [None, ""])
def test_zone_and_project_are_not_invented(
    connect: Callable[..., Client], endpoint: Callable[..., Any], ticks: Any, nothing: str | None
) -> None:
    server = endpoint({"RetCode": 0, "TotalCount": 0, "Infos": []})
    client = connect(server.url, zone=nothing, project_id=nothing)
    client.listing("DescribeSnapshot", {}, "SnapshotID", ticks.deadline())
    assert set(server.requests[0].form) == {"Action", "PublicKey", "Region", "Signature", "Offset", "Limit"}


def test_a_project_narrows_lists_and_nothing_else(connect: Callable[..., Client], endpoint: Callable[..., Any], ticks: Any) -> None:
    server = endpoint({"RetCode": 0, "TotalCount": 0, "Infos": []})
    client = connect(server.url, project_id="project-1")
    client.listing("DescribeSnapshot", {}, "SnapshotID", ticks.deadline())
    client.by_ids("DescribeDisk", "DiskIDs", ["disk-1"], "DiskID", ticks.deadline())
    client.call("RollbackSnapshot", {})
    projects = [{name: value for name, value in request.form.items() if "Project" in name} for request in server.requests]
    assert projects == [{"ProjectIDs.0": "project-1"}, {"ProjectIDs.0": "project-1"}, {}]


@pytest.mark.parametrize("where", ["Name", "region", "private_key", "public_key"])
def test_what_is_no_text_is_refused_before_it_is_sent(connect: Callable[..., Client], endpoint: Callable[..., Any], where: str) -> None:
    # Ansible hands bytes that are not UTF-8 over as lone surrogates.
    server, bad = endpoint({"RetCode": 0}), "long-enough-to-be-told-\udcff"
    client = connect(server.url, **({where: bad} if where != "Name" else {}))
    with pytest.raises(FatalError, match="cannot be encoded as UTF-8") as caught:
        client.call("CreateSnapshot", {"DiskID": "disk-1", "Name": bad if where == "Name" else "fine"})
    assert server.requests == []
    assert caught.value.__context__ is None and "long-enough" not in str(caught.value)


def test_a_connection_is_used_again(connect: Callable[..., Client], endpoint: Callable[..., Any]) -> None:
    server = endpoint({"RetCode": 0})
    client = connect(server.url)
    for _turn in range(5):
        client.call("DescribeSnapshot", {})
    assert len({id(request.connection) for request in server.requests}) == 1
    assert client.calls == {"DescribeSnapshot": 5}


def test_cookies_are_not_kept(connect: Callable[..., Client], endpoint: Callable[..., Any]) -> None:
    cookie = b'HTTP/1.1 200 OK\r\nSet-Cookie: session=1; Path=/\r\nContent-Length: 13\r\n\r\n{"RetCode":0}'
    server = endpoint(cookie)
    client = connect(server.url)
    client.call("DescribeSnapshot", {})
    client.call("DescribeSnapshot", {})
    assert "cookie" not in server.requests[1].headers
