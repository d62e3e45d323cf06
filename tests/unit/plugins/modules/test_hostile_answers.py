# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Texts that others wrote: in the records they stay exactly what they are, and in what people read they are one printable line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from emulator.errors import Reason
from emulator.server import Emulator

Run = Callable[..., Any]
Place = Callable[..., str]

ODD = [
    "x\nok: [fooled]",
    "x\r\x1b[2Jok: [fooled]",
    "\x9b2J\x07\x7f",
    "\u202egnol\u2066\u2069",
    "a\u200bb\ufeff\u00ad",
    "x\u2028y\u2029z\x85",
    "\U000e0041\U000e007f",
    "{{lookup('pipe','touch x')}}",
    "{% raw %}'\"\\",
]
odd_texts = pytest.mark.parametrize("odd", ODD, ids=ascii)


def lines(answer: Any) -> list[str]:
    """All that people read of an answer; each must be printable."""
    told = [
        *answer.told,
        *(entry["msg"] for entry in answer.results),
        *(part for side in answer.diff.values() for part in side.split("\n")),
    ]
    told += [answer.msg] if answer.failed else []
    assert all(line.isprintable() for line in told), told
    return told


@odd_texts
def test_records_are_exact(run: Run, disk: str, place: Place, odd: str) -> None:
    place(disk, odd, remark=odd, age=60)
    place(disk, odd + "_", remark="x" + odd)
    assert [(each["name"], each["remark"]) for each in run("snapshot_info").snapshots] == [(odd, odd), (odd + "_", "x" + odd)]
    assert [each["name"] for each in run("snapshot_info", name=odd).snapshots] == [odd]
    assert [each["name"] for each in run("snapshot_info", name_prefix=odd).snapshots] == [odd, odd + "_"]


@odd_texts
def test_a_name_is_taken_exactly(
    cloud: Emulator, run: Run, disk: str, place: Place, writes: Callable[[], list[str]], taken: Callable[[str], bool], odd: str
) -> None:
    there = place(disk, odd, remark=odd)
    answer = run("snapshot", name=odd, disk_ids=[disk], remark="ours", _diff=True)
    assert (answer.outcomes, answer.snapshot_id, writes()) == (["present"], there, [])
    assert f"{there} of {disk} already has the remark {odd!r}, which is kept." in lines(answer)
    other = run("snapshot", name=odd + "x", disk_ids=[disk], _diff=True)
    assert f"{disk}: snapshot named {odd + 'x'!r}" in lines(other)
    refused = cloud.generation.codes[Reason.BAD_PARAMETER]
    assert (other.outcomes, other.results[0]["ret_code"]) == ((["created"], None) if taken(odd + "x") else (["failed"], refused))


@odd_texts
def test_two_of_a_name_and_their_deletion(run: Run, disk: str, place: Place, odd: str) -> None:
    ids = [place(disk, odd, age=age) for age in (60, 30)]
    answer = run("snapshot", name=odd, disk_ids=[disk], _diff=True)
    assert any(line.startswith(f"{disk} has 2 snapshots named {odd!r}: ") for line in lines(answer))
    gone = run("snapshot", state="absent", snapshot_ids=ids, _diff=True)
    assert gone.outcomes == ["deleted", "deleted"] and f"{disk}: snapshot {ids[0]} named {odd!r} is deleted" in lines(gone)


@odd_texts
def test_a_refusal_in_the_apis_words(cloud: Emulator, run: Run, disk: str, place: Place, refusal: Run, odd: str) -> None:
    place(disk, "x")
    cloud.add_faults({"action": ["CreateSnapshot", "RollbackSnapshot"], "kind": "refuse", "ret_code": 150, "message": f"no {odd} no"})
    for answer in (
        run("snapshot", name="y", disk_ids=[disk], _diff=True),
        run("snapshot_rollback", name="x", disk_ids=[disk], _diff=True),
    ):
        assert answer.failed and answer.results[0]["ret_code"] == 150
        assert any(f"{refusal(answer.results[0])}no " in line for line in lines(answer))


@odd_texts
def test_the_target_of_a_rollback(run: Run, disk: str, place: Place, taken: Callable[[str], bool], odd: str) -> None:
    marker = odd + "x" if taken(odd + "x") else "mark"
    target = place(disk, odd, age=60)
    place(disk, "back", remark=odd)
    refused = run("snapshot_rollback", snapshot_id=target, marker_name="mark", backup_name="back", _diff=True)
    assert refused.failed and "backup_name 'back' is already used by" in lines(refused)[-1]
    done = run("snapshot_rollback", snapshot_id=target, marker_name=marker, _diff=True)
    assert done.outcomes == ["rolled_back"] and any(f"named {odd!r}" in line for line in lines(done))
    again = run("snapshot_rollback", snapshot_id=target, marker_name=marker, _diff=True)
    assert again.outcomes == ["already_done"] and lines(again)


@pytest.mark.parametrize("odd", [each for each in ODD if not each.isprintable()], ids=ascii)
def test_a_status_that_would_break_a_line_is_no_answer(run: Run, disk: str, place: Place, odd: str) -> None:
    place(disk, "x", status=odd)
    answer = run("snapshot", name="x", disk_ids=[disk], _diff=True)
    assert answer.failed and "an entry of Infos has an invalid status" in answer.msg and answer.msg.isprintable()
    assert answer.outcomes == ["failed"]


@pytest.mark.parametrize("length", [101, 5000])
def test_a_long_name_is_cut_where_it_is_read(run: Run, disk: str, place: Place, length: int) -> None:
    target = place(disk, "x" * length, remark="y" * length)
    answer = run("snapshot_rollback", snapshot_id=target, _diff=True)
    assert max(map(len, lines(answer))) < 300 and answer.snapshots[0]["name"] == "x" * length
