# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The content of a manifest: run ids, what is accepted as a manifest, and how entries are merged."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.module_utils._claims import Machine
from ansible_collections.ucloudstack.cloud.plugins.module_utils._manifest import (
    ManifestError,
    check_options,
    empty,
    is_run_id,
    merged,
    parsed,
    text_of,
    unfinished_hosts,
)

HERE = Machine("here", lambda pid, started: True)
CLAIM = {"id": "ours", "controller": "here", "since": "2026-11-23T10:00:00Z"}
THEIRS = {"id": "theirs", "controller": "there", "since": "2026-11-23T09:00:00Z"}


def manifest(**hosts: Any) -> dict[str, Any]:
    return {"run_id": "r1", "name": "ansible-r1", "hosts": hosts}


@pytest.mark.parametrize("run_id", ["r", "patch-20261123", "A.b_c-9", "1" * 19, "..", "r-b", "r-r1x", "b1", "r-c1"])
def test_valid_run_id(run_id: str) -> None:
    assert is_run_id(run_id)
    check_options(run_id, "/state", {}, {})


@pytest.mark.parametrize("run_id", ["", "r1\n", "\nr1", "r 1", "r/1", "../r1", "r1\0", "é", "٣", "1" * 20, "r-b1", "r-r12", "-b0"])
def test_invalid_run_id_is_refused_in_one_line(run_id: str) -> None:
    assert not is_run_id(run_id)
    with pytest.raises(ManifestError, match="invalid run id .* at most 19") as raised:
        check_options(run_id, "/state", {}, {})
    assert repr(run_id) in str(raised.value) and "\n" not in str(raised.value)


def test_directory_that_is_not_given_is_refused() -> None:
    with pytest.raises(ManifestError, match="manifest_dir"):
        check_options("r1", "", {}, {})


@pytest.mark.parametrize("entry", [None, [], "patching", 1])
def test_entry_that_is_not_a_dictionary_is_refused(entry: Any) -> None:
    with pytest.raises(ManifestError, match=r"'web\\n07'"):
        check_options("r1", "/state", {"web08": {}, "web\n07": entry}, {})


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        *(({key: value for key, value in CLAIM.items() if key != missing}, "needs id, controller and since") for missing in CLAIM),
        ({**CLAIM, "id": ""}, "needs id"),
        ({"pid": 5}, "needs id"),
        ({**CLAIM, "pid": 0}, "pid is 0"),
        ({**CLAIM, "pid": -5}, "pid is -5"),
    ],
)
def test_invalid_claim_is_refused(claim: dict[str, Any], words: str) -> None:
    with pytest.raises(ManifestError, match=words):
        check_options("r1", "/state", {}, claim)


def test_valid_claim() -> None:
    check_options("r1", "/state", {}, {**CLAIM, "pid": 1, "started": "5"})


def test_text_has_sorted_keys_and_a_final_newline_and_is_read_again() -> None:
    before = manifest(**{"web07": {"vm_id": "vm-1", "state": "planned"}, "主机 \ud800\n": {}})
    text = text_of(before)
    assert text.isascii() and text.endswith("\n}\n") and text.index('"hosts"') < text.index('"name"') < text.index('"run_id"')
    assert '\n            "state": "planned",\n            "vm_id": "vm-1"\n' in text
    assert parsed(text.encode(), "r1") == before
    assert text_of(None) == ""


def test_empty_manifest() -> None:
    assert empty("r1", "ansible-") == manifest()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (text_of(manifest())[:-4].encode(), "not JSON"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"{}", "not of this run"),
        (b'{"run_id": "r2", "hosts": {}}', "not of this run"),
        (b'{"run_id": ["r1"], "hosts": {}}', "not of this run"),
        (b'{"run_id": "r1"}', "hosts"),
        (b'{"run_id": "r1", "hosts": null}', "hosts"),
        (b'{"run_id": "r1", "hosts": []}', "hosts"),
        (b'{"run_id": "r1", "hosts": {"web07": {}, "web08": null}}', "hosts"),
    ],
    ids=lambda value: value[:40] if isinstance(value, bytes) else None,
)
def test_content_that_is_not_the_manifest_of_the_run(content: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parsed(content, "r1")


@pytest.mark.parametrize(
    ("old", "new", "both"),
    [
        ({}, {}, {}),
        ({"a": 1}, {}, {"a": 1}),
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": 1}, {"a": None}, {"a": None}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": {"b": {"c": 1, "d": 2}}}, {"a": {"b": {"c": 3}, "e": 4}}, {"a": {"b": {"c": 3, "d": 2}, "e": 4}}),
        ({"a": {"b": 1}}, {"a": 2}, {"a": 2}),
        ({"a": 1}, {"a": {"b": 2}}, {"a": {"b": 2}}),
        ({"a": {"b": 1}}, {"a": {}}, {"a": {"b": 1}}),
        ({"a": [{"b": 1}]}, {"a": [{"c": 1}]}, {"a": [{"c": 1}]}),
    ],
)
def test_entries_are_merged(old: dict[str, Any], new: dict[str, Any], both: dict[str, Any]) -> None:
    before = {**manifest(web07=old, web08={"a": 0}), "later": "version"}
    text = text_of(before)
    assert merged(before, {"web07": new}, {}, False, HERE) == ({**before, "hosts": {"web07": both, "web08": {"a": 0}}}, {})
    assert text_of(before) == text, "what was read is not changed"


def test_new_hosts_are_added() -> None:
    assert merged(manifest(), {"web07": {"a": 1}, "": {}}, {}, False, HERE)[0] == manifest(**{"web07": {"a": 1}, "": {}})


def test_claimed_hosts_are_refused_one_by_one() -> None:
    before = manifest(web07={"state": "patching", "process": THEIRS}, web08={"state": "verified"})
    after, refused = merged(before, {"web07": {"state": "failed"}, "web08": {"state": "planned"}}, CLAIM, False, HERE)
    assert refused == {"web07": THEIRS}
    assert after == manifest(web07=before["hosts"]["web07"], web08={"state": "planned", "process": CLAIM})


@pytest.mark.parametrize(
    ("claim", "take_over", "process"), [(CLAIM, True, CLAIM), ({}, False, {**THEIRS, "pid": 5}), ({}, True, {**THEIRS, "pid": 5})]
)
def test_claimed_hosts_are_updated_if_taken_over_or_without_a_claim(
    claim: dict[str, Any], take_over: bool, process: dict[str, Any]
) -> None:
    before = manifest(web07={"state": "planned", "process": {**THEIRS, "pid": 5}})
    after, refused = merged(before, {"web07": {"state": "patching"}}, claim, take_over, HERE)
    assert (after, refused) == (manifest(web07={"state": "patching", "process": process}), {})


@pytest.mark.parametrize("state", ["verified", "restored", "failed"])
def test_final_state_removes_the_claim(state: str) -> None:
    before = manifest(web07={"state": "patching", "process": CLAIM})
    assert merged(before, {"web07": {"state": state}}, CLAIM, False, HERE)[0] == manifest(web07={"state": state})


def test_unfinished_hosts() -> None:
    states = {"a": "patching", "b": "restoring", "c": "planned", "d": "failed"}
    content = text_of(
        manifest(**{host: {"state": state} for host, state in states.items()}, e={"note": "patching"}, f={"state": ["patching"]})
    )
    assert unfinished_hosts(content.encode(), "r1", dict.fromkeys(["f", "e", "d", "c", "b", "a", "missing"], "")) == ["b", "a"]


def test_another_machine_of_the_same_name_is_not_unfinished() -> None:
    content = text_of(manifest(a={"state": "patching", "vm_id": "vm-1"}, b={"state": "patching", "vm_id": ""}, c={"state": "patching"}))
    assert unfinished_hosts(content.encode(), "r1", dict.fromkeys("abc", "vm-1")) == ["a", "b", "c"]
    assert unfinished_hosts(content.encode(), "r1", dict.fromkeys("abc", "vm-2")) == ["b", "c"]


@pytest.mark.parametrize("content", [b"", b'{"run_id": "r1", "hosts": {"a": {"state": "ver', b'"patching"}', b'{"x": "restoring"}'])
def test_content_that_may_hide_an_unfinished_host_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="it is not"):
        unfinished_hosts(content, "r1", {"a": ""})


def test_finished_runs_are_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    content = text_of(manifest(a={"state": "verified"})).encode()
    monkeypatch.setattr(json, "loads", None)
    assert unfinished_hosts(content, "r1", {"a": ""}) == []
