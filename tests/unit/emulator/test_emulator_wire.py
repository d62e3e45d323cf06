# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Request forms, signature, envelope, and the refusals that come before any action."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import pytest
from emulator.wire import flatten, sign
from ucloud.core.auth import Credential

AWKWARD = "快照 🚑+&=%#\"'/?"


def test_signature_of_the_guide() -> None:
    params = {
        "Action": "DescribeVMInstance",
        "Limit": "20",
        "Offset": "0",
        "PublicKey": "1UxDcqTHEGGGviQFqlt870EbLuaSJPZOB8hZ74tL",
        "Signature": "is not signed",
    }
    assert sign(params, "tcgX3Xi_mAKpQayggnVLWzerkWB_fH1KXuk05hUrus8KSziLVyjWXwKZ80FOOldC") == "2d86e5b4186ac6e42b628f258a7037c7636c9a81"


def test_signature_is_the_vendors() -> None:
    values = {
        "SnapshotIDs": [f"snapshot-{number}" for number in range(11)],
        "Name": AWKWARD,
        "Limit": 100,
        "Flag": True,
        "Half": 0.5,
        "One": 1.0,
    }
    flat = flatten(values)
    assert list(flat)[:2] == ["SnapshotIDs.0", "SnapshotIDs.1"]
    assert (flat["Limit"], flat["Flag"], flat["Half"], flat["One"]) == ("100", "true", "0.5", "1")
    assert Credential("public", "private").verify_ac(flat) == sign(flat, "private")  # adds PublicKey first
    assert flatten({"Remark": None, "Nested": [{"A": 1}]}) == {"Nested.0.A": "1"}


@pytest.mark.parametrize("form", ["query", "form", "form with plus", "json"])
def test_three_request_forms(call: Any, disk: str, form: str) -> None:
    params = call.form("CreateSnapshot", DiskID=disk, Name=AWKWARD, Remark="a b c")
    url, send = call.emulator.api_url, call.session.request
    if form == "query":
        response = send("GET", url, params=params)
    elif form == "json":
        response = send("POST", url, json=params)
    else:
        body = urlencode(params, quote_via=quote_plus if form == "form with plus" else quote)
        response = send("POST", url, data=body, headers={"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"})
    assert response.json()["RetCode"] == 0
    info = call.one("DescribeSnapshot")
    assert (info["Name"], info["Remark"]) == (AWKWARD, "a b c")


def test_json_arrays_and_numbers(call: Any, disk: str) -> None:
    ids = [call.state.add_snapshot(disk, f"s{number}") for number in range(12)]
    wanted: dict[str, Any] = {"Action": "DescribeSnapshot", "Region": "cn", "PublicKey": call.emulator.public_key}
    wanted |= {"SnapshotIDs": ids[:11], "Limit": 5, "Offset": 1.0, "WithAll": True, "ProjectID": None}
    wanted["Signature"] = sign(flatten(wanted), call.emulator.private_key)
    answer = call.session.post(call.emulator.api_url, json=wanted).json()
    assert (answer["RetCode"], answer["TotalCount"], len(answer["Infos"])) == (0, 11, 5)


def test_envelope(call: Any) -> None:
    assert call("DescribeSnapshot") == {
        "RetCode": 0,
        "Action": "DescribeSnapshotResponse",
        "Message": "Success",
        "TotalCount": 0,
        "Infos": [],
    }
    refused = call("DescribeSnapshot", Region="us")
    assert set(refused) == {"RetCode", "Action", "Message"}
    assert refused["Action"] == "DescribeSnapshotResponse"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"Signature": "0" * 40}, 171),
        ({"Signature": "é"}, 171),
        ({"PublicKey": "somebody else"}, 171),
        ({"PublicKey": None, "Signature": None}, 170),
        ({"Limit": "21"}, 171),
        ({"Signature": None}, 170),
        ({"PublicKey": None}, 170),
        ({"Action": None}, 154),
    ],
)
def test_requests_that_are_not_ours(call: Any, changed: dict[str, Any], code: int) -> None:
    params = {**call.form("DescribeSnapshot", Limit=20), **changed}
    answer = call.session.post(call.emulator.api_url, data=params).json()
    assert answer["RetCode"] == code
    assert all(
        secret not in answer["Message"] for secret in (call.emulator.public_key, call.emulator.private_key, params["Signature"] or "-")
    )


def test_the_right_signature_with_another_public_key(call: Any) -> None:
    params = {**call.form("DescribeSnapshot"), "PublicKey": "somebody else"}
    params["Signature"] = sign(params, call.emulator.private_key)
    assert call.session.post(call.emulator.api_url, data=params).json()["RetCode"] == 171


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"Region": None}, 229),
        ({"Region": ""}, 229),
        ({"Region": "us"}, 162),
        ({"Zone": "zone-02"}, 0),
        ({"Zone": None}, 0),
        ({"ProjectID": "p"}, 0),
    ],
)
def test_region_and_zone(call: Any, params: dict[str, Any], code: int) -> None:
    assert call.code("DescribeSnapshot", **params) == code


def test_no_such_action(call: Any) -> None:
    answer = call("DescribeNothing")
    assert (answer["RetCode"], answer["Action"]) == (140, "DescribeNothingResponse")


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b'{"Name": "\\ud800"}', b"\xff", b"[" * 100_000])
def test_unreadable_json(call: Any, body: bytes) -> None:
    response = call.session.post(call.emulator.api_url, data=body, headers={"Content-Type": "application/json"})
    assert (response.status_code, response.json()["RetCode"]) == (200, 140)


def test_unreadable_form(call: Any) -> None:
    assert call.session.get(f"{call.emulator.api_url}?Action=%ff").json()["RetCode"] == 140


def test_arrays_with_gaps_and_without_numbers(call: Any, disk: str) -> None:
    first, second = (call.state.add_snapshot(disk, name) for name in ("a", "b"))
    assert call("DescribeSnapshot", SnapshotIDs=first)["TotalCount"] == 1
    assert call("DescribeSnapshot", **{"SnapshotIDs.7": first, "SnapshotIDs.12": second})["TotalCount"] == 2
