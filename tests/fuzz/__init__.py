# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers for fuzzing: a corpus of good and nasty ones, and what hypothesis makes of them and by itself.

A file of ``corpus`` is named after its action; ``any`` is for all actions, and ``http`` has whole HTTP answers. An entry has ``why``,
``status`` (200 if not given) and either ``answer``, sent as JSON, or ``text``, sent as it stands, where ``\\udcff`` is the byte FF.
What made the reader fail once belongs in there.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

CORPUS = Path(__file__).with_name("corpus")
TIMES = int(os.environ.get("UCLOUDSTACK_TEST_FUZZ", "1"))
"""So many times as many examples. More than 1: other ones in every run, too."""


def fuzzing(examples: int) -> settings:
    """The same examples in every run, unless there are to be many."""
    checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(
        max_examples=examples * TIMES, derandomize=TIMES == 1, database=None, deadline=None, suppress_health_check=checks, print_blob=True
    )


@dataclass(frozen=True)
class Body:
    """An answer by its HTTP status and its bytes, and why it is one to try."""

    content: bytes
    status: int = 200
    why: str = ""


def corpus(name: str) -> list[Body]:
    """The answers that one file keeps."""
    return [_read(entry) for entry in json.loads((CORPUS / f"{name}.json").read_text())]


def kept(action: str) -> list[Body]:
    """The answers kept for this action, those for all actions too."""
    return [*corpus(action), *corpus("any")]


def _read(entry: dict[str, Any]) -> Body:
    text = entry["text"] if "text" in entry else json.dumps(entry["answer"], ensure_ascii=False)
    return Body(text.encode(errors="surrogateescape"), entry.get("status", 200), entry["why"])


def keys(value: Any) -> Iterator[str]:
    """All keys of all objects in there."""
    if isinstance(value, dict):
        yield from value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
        yield from keys(inner)


# ---- JSON

ODD_NUMBERS = [-1, 0, 1, 2, 100, 10**9, 10**29, 10**31, -(10**29), 2**63, 1e308, float("inf"), float("nan"), -0.0, 0.5, 1.0]
ODD_WORDS = ["", " ", "None", "0", "-1", "1795428000", "x" * 300, "two\nlines", "\x1b[2J", "\u202egnol", "a\u200bb", "\ud800", "{{ 1 }}"]
ODD_KEYS = ["SnapshotID", "DiskID", "VMID", "IP", "__ansible_type", "k" * 101, "RetCode"]

NUMBERS = st.sampled_from(ODD_NUMBERS) | st.integers() | st.floats()
WORDS = st.sampled_from(ODD_WORDS) | st.text(st.characters(exclude_categories=[]), max_size=20)
SCALARS = st.sampled_from([None, True, False, *ODD_NUMBERS, *ODD_WORDS]) | NUMBERS | WORDS
KEYS = st.sampled_from(ODD_KEYS) | WORDS
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6)
"""Anything that JSON can say, and what only Python's JSON can."""

SNAPSHOTS, DISKS, VMS = ["snapshot-1", "snapshot-2", "snapshot-3"], ["disk-1", "disk-2"], ["vm-1", "vm-2"]
SNAPSHOT_STATES = ["Normal", "Createing", "RollBacking", "Deleting", "Deleted", "Failure", "Released", "Pondering"]
DISK_STATES = ["Bound", "Unbound", "Snapshoting", "Rollbacking", "Deleted", "Pondering"]
VM_STATES = ["Running", "Stopped", "Starting", "Stopping", "Terminated", "Pondering"]
REMARKS = ["", "ucloudstack.cloud marker target=snapshot-1", "two\nlines", "\x1b[2J{{ lookup('pipe', 'id') }}"]
CODES = [0, "0", 0.0, 2, 150, 161, 165, 200, 201, 2201, 2206, 2500, 2501, 2502, 7001, 2011, 99999]

ENTRIES: dict[str, dict[str, list[Any]]] = {
    "DescribeSnapshot": {
        "SnapshotID": SNAPSHOTS,
        "DiskID": DISKS,
        "SnapshotStatus": SNAPSHOT_STATES,
        "Name": ["before", "mark", "back", "two\nlines \x1b[2J"],
        "CreateTime": [1_795_428_000, "1795428000", 1_795_428_001],
        "Remark": REMARKS,
        "Unknown": ["x"],
    },
    "DescribeDisk": {"DiskID": DISKS, "DiskStatus": DISK_STATES, "AttachResourceID": ["", *VMS]},
    "DescribeVMInstance": {
        "VMID": VMS,
        "State": VM_STATES,
        "Name": ["web"],
        "DiskInfos": [None, [{"DiskID": "disk-1", "Type": "Boot", "Name": "boot", "Size": 40, "Drive": "vda"}, {"DiskID": "disk-2"}]],
        "IPInfos": [None, [{"IP": "10.0.0.7", "Type": "Private"}]],
    },
}
"""What the entries of a list have, and the good values of each field."""
LISTS = tuple(ENTRIES)


@st.composite
def answers(draw: st.DrawFn, action: str) -> Any:
    """An answer of the shape that the API guide gives it, but for what is put in the place of some of its parts."""
    answer: dict[str, Any] = {"Action": f"{action}Response", "RetCode": 0, "Message": ""}
    if draw(st.integers(0, 3)) == 0:
        answer |= {"RetCode": draw(st.sampled_from(CODES)), "Message": draw(st.sampled_from(REMARKS))}
    places: list[tuple[Any, Any]] = [(answer, key) for key in answer]
    if action == "CreateSnapshot":
        answer["SnapshotID"] = draw(st.sampled_from(SNAPSHOTS))
    if action in ENTRIES:
        fields = ENTRIES[action]
        infos = [{key: deepcopy(draw(st.sampled_from(good))) for key, good in fields.items()} for _entry in range(draw(st.integers(0, 3)))]
        answer |= {"Infos": infos, "TotalCount": len(infos)}
        places += [(infos, index) for index in range(len(infos))]
        within = [each for info in infos for key in ("DiskInfos", "IPInfos") for each in info.get(key) or []]
        places += [(each, key) for each in [*infos, *within] for key in each]
    places += [(answer, key) for key in answer]
    for _turn in range(draw(st.sampled_from([0, 0, 1, 1, 2, 5]))):
        where, key = draw(st.sampled_from(places))
        if isinstance(where, dict) and draw(st.booleans()):
            where.pop(key, None)
        else:
            where[key] = draw(VALUES)
    return answer


# ---- bytes

CODINGS = st.sampled_from(["utf-8"] * 8 + ["utf-8-sig", "utf-16", "utf-32", "utf-7"])
PIECES = [
    b"",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b'"',
    b"\\",
    b"null",
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"9" * 40,
    b"\x00",
    b"\xff",
    b"\r\n",
]
PIECES += [b"\xef\xbb\xbf", b"\xe2\x80\xae", rb"\ud800", b"[" * 1000, b'{"a":' * 1000, b"<html>", b"-1", b"\x1b[2J", b'"RetCode":0,']
PIECES += [b'"__ansible_type":"x",', b": ", b"\n\n"]


@st.composite
def written(draw: st.DrawFn, value: Any) -> bytes:
    """The value as JSON, mostly as it ought to be."""
    return json.dumps(value, ensure_ascii=draw(st.booleans())).encode(draw(CODINGS), "surrogatepass")


@st.composite
def mutated(draw: st.DrawFn, content: bytes) -> bytes:
    """The bytes with a few pieces cut out, doubled, or put in."""
    for _turn in range(draw(st.integers(0, 3))):
        start, length = draw(st.integers(0, len(content))), draw(st.sampled_from([0, 0, 1, 2, 10, 100]))
        piece = draw(st.sampled_from([content[start : start + length] * 2, *PIECES]) | st.binary(max_size=8))
        content = content[:start] + piece + content[start + length :]
    return content


@functools.cache
def bodies(action: str) -> st.SearchStrategy[Body]:
    """Whatever a server may send for this action."""
    old = st.sampled_from([body.content for body in kept(action)]).flatmap(mutated)
    new = answers(action).flatmap(written)
    statuses = st.sampled_from([200] * 12 + [100, 204, 302, 404, 429, 503]) | st.integers(100, 599)
    return st.builds(Body, st.one_of(new, new, new.flatmap(mutated), old), st.one_of(st.just(200), st.just(200), statuses))


def scenes(actions: Sequence[str]) -> st.SearchStrategy[dict[str, list[Body]]]:
    """For each action the answers that it gets one after the other, the last again and again."""
    return st.fixed_dictionaries({action: st.lists(bodies(action), min_size=1, max_size=3) for action in actions})
