# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``expired_snapshots``: which snapshots a policy would delete, as tables; and through Jinja, in a real play."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.ucloudstack.cloud.plugins.filter import expired_snapshots as plugin
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._expiry import REQUIRED_KEYS, expired_snapshots
from support import stage
from support.collection import COLLECTIONS

NOW = 1_795_428_000
"""2026-11-23T10:00:00Z"""
DAY = 86400

Record = dict[str, Any]


def record(snapshot_id: str, name: str, days: float, **more: Any) -> Record:
    """A snapshot that many days old."""
    return {
        "snapshot_id": snapshot_id,
        "disk_id": "disk-1",
        "name": name,
        "status": "Normal",
        "create_time": NOW - int(days * DAY),
        "remark": "ours",
        **more,
    }


def expired(records: Any, **policy: Any) -> str:
    """The ids of what the policy would delete, in their order; of one letter each."""
    found = plugin.FilterModule().filters()["expired_snapshots"](records, **{"name_prefix": "n-", "now": NOW, **policy})
    return "".join(each["snapshot_id"] for each in found)


FIVE = [record(letter, f"n-{letter}", days) for letter, days in zip("abcde", (20, 15, 14, 2, 1), strict=True)]


@pytest.mark.parametrize(
    ("policy", "ids"),
    [
        ({"keep_last": 0}, "abcde"),
        ({"keep_last": 1}, "abcd"),
        ({"keep_last": 3}, "ab"),
        ({"keep_last": "3"}, "ab"),
        ({"keep_last": 5}, ""),
        ({"keep_last": 99}, ""),
        ({"older_than": "14d"}, "ab"),
        ({"older_than": "2w"}, "ab"),
        ({"older_than": 14 * DAY}, "ab"),
        ({"older_than": str(14 * DAY)}, "ab"),
        ({"older_than": " 14 d "}, "ab"),
        ({"older_than": 14 * DAY - 1}, "abc"),
        ({"older_than": "336h"}, "ab"),
        ({"older_than": "20160m"}, "ab"),
        ({"older_than": "1209599s"}, "abc"),
        ({"older_than": 0}, "abcde"),
        ({"older_than": "30d"}, ""),
        ({"keep_last": 1, "older_than": "14d"}, "ab"),
        ({"keep_last": 4, "older_than": "14d"}, "a"),
        ({"keep_last": 1, "older_than": "30d"}, ""),
        ({"keep_last": 0, "older_than": "14d"}, "ab"),
        ({"keep_last": 9, "older_than": 0}, ""),
    ],
)
def test_one_disk(policy: dict[str, Any], ids: str) -> None:
    assert expired(FIVE, **policy) == ids


def test_order_of_the_records_does_not_matter() -> None:
    for seed in range(20):
        shuffled = random.Random(seed).sample(FIVE, 5)
        assert expired(shuffled, keep_last=2) == "abc"


def test_exactly_as_old_is_not_older() -> None:
    assert [expired([record("a", "n-a", 1)], older_than=span) for span in (DAY - 1, DAY, DAY + 1)] == ["a", "", ""]


def test_snapshots_of_the_future_are_the_newest() -> None:
    """A clock that differs from the cloud's deletes nothing that is young."""
    assert expired([record("a", "n-a", -1), record("b", "n-b", 1)], keep_last=1, older_than=0) == "b"


def test_nothing_in_nothing_out() -> None:
    assert expired([], keep_last=0) == ""


def test_records_come_out_as_they_went_in() -> None:
    (found,) = expired_snapshots([record("a", "n-a", 1, size=7)], "n-", keep_last=0)
    assert found == record("a", "n-a", 1, size=7)


# ---- disks


def test_every_disk_is_counted_by_itself() -> None:
    other = [record(letter, f"n-{letter}", days, disk_id="disk-0") for letter, days in zip("xyz", (90, 80, 70), strict=True)]
    assert expired([*FIVE, *other], keep_last=2) == "xabc"
    assert expired([*FIVE, *other], keep_last=3, older_than="14d") == "ab"
    assert expired([*FIVE, *other], older_than="14d") == "xyzab"


def test_same_run_on_two_disks_is_two_runs() -> None:
    records = [
        record(name + disk[-1], f"n-{name}", days, disk_id=disk) for disk in ("disk-1", "disk-2") for name, days in (("a", 2), ("b", 1))
    ]
    assert expired(records, keep_last=1) == "a1a2"


# ---- ties


def test_equal_times_are_decided_by_name_and_listed_by_id() -> None:
    tied = [record(letter, f"n-{name}", 1) for letter, name in zip("zxy", "abc", strict=True)]
    for seed in range(6):
        shuffled = random.Random(seed).sample(tied, 3)
        assert [expired(shuffled, keep_last=keep) for keep in range(4)] == ["xyz", "xz", "z", ""]


# ---- what does not count


@pytest.mark.parametrize(
    "foreign",
    [
        {"name": "other-a"},
        {"name": "N-a"},
        {"name": "an-a"},
        {"name": "n"},
        {"name": ""},
        {"remark": "theirs"},
        {"remark": ""},
        {"remark": None},
        {"status": "Createing"},
        {"status": "RollBacking"},
        {"status": "Failure"},
        {"status": "Deleting"},
        {"status": "Pondering"},
        {"status": "Norma"},
        {"automatic": True},
        {"create_time": None},
    ],
    ids=str,
)
def test_what_is_not_ours_or_not_usable_is_neither_counted_nor_returned(foreign: dict[str, Any]) -> None:
    odd = [{**record("o", "n-o", days), **foreign} for days in (0, 90)]
    assert expired([*FIVE, *odd], keep_last=3, remark_prefix="ours") == "ab"
    assert expired([*FIVE, *odd], older_than="14d", remark_prefix="ours") == "ab"


def test_record_without_a_remark() -> None:
    bare = {key: value for key, value in record("o", "n-o", 90).items() if key != "remark"}
    assert expired([bare], keep_last=0, remark_prefix="ours") == ""
    assert expired([bare], keep_last=0) == expired([bare], keep_last=0, remark_prefix="") == "o"


# ---- runs


def test_backups_and_markers_go_with_their_run() -> None:
    records = [
        record("a", "n-1", 30),
        record("b", "n-1-b1", 29),
        record("c", "n-1-r1", 28),
        record("d", "n-2", 20),
        record("e", "n-2-b12", 19),
        record("f", "n-3", 10),
    ]
    assert [expired(records, keep_last=keep) for keep in (1, 2, 3)] == ["abcde", "abc", ""]
    assert [expired(records, older_than=span) for span in ("28d", "27d", "19d", "18d")] == ["", "abc", "abc", "abcde"]


def test_late_rollback_does_not_make_an_old_run_the_newest() -> None:
    records = [record("a", "n-1", 30), record("m", "n-1-r1", 0), record("b", "n-2", 20)]
    assert expired(records, keep_last=1) == "am"
    assert expired(records, keep_last=1, older_than="14d") == ""


def test_run_id_that_is_used_again_is_as_new_as_its_newest_snapshot() -> None:
    records = [record("a", "n-1", 30), record("b", "n-1", 1), record("c", "n-2", 20)]
    assert expired(records, keep_last=1) == "c"


@pytest.mark.parametrize("name", ["n-1-b", "n-1-r", "n-1-x1", "n-1-b1x", "n-1b1", "n-1-B1"])
def test_what_only_looks_like_a_suffix_is_a_run_of_its_own(name: str) -> None:
    assert expired([record("a", "n-1", 30), record("b", name, 1)], keep_last=1) == "a"


@pytest.mark.parametrize("name", ["n-b1", "n-r7"])
def test_run_whose_id_looks_like_a_suffix_is_a_run(name: str) -> None:
    assert expired([record("a", "n-1", 30), record("b", name, 1)], keep_last=1) == "a"


@pytest.mark.parametrize("suffix", ["b1", "r1"])
def test_run_of_which_only_a_copy_is_left_does_not_count_and_goes_when_it_is_its_turn(suffix: str) -> None:
    left = record("m", f"n-0-{suffix}", 18)
    assert [expired([*FIVE, left], keep_last=keep) for keep in (0, 1, 3, 4, 5)] == ["ambcde", "ambcd", "amb", "am", ""]
    assert expired([left], keep_last=1) == "" and expired([left], keep_last=0) == "m"
    assert expired([left], older_than="14d") == "m"


def test_run_whose_own_snapshot_is_not_usable_does_not_count() -> None:
    records = [record("a", "n-1", 30), record("x", "n-2", 1, status="Failure"), record("b", "n-2-b1", 1)]
    assert expired(records, keep_last=1) == ""


# ---- now


@pytest.mark.parametrize(
    "now",
    [
        NOW,
        float(NOW),
        str(NOW),
        f"{NOW}.0",
        "2026-11-23T10:00:00Z",
        "2026-11-23T10:00:00+00:00",
        "2026-11-23T18:00:00+08:00",
        "2026-11-23 10:00:00.000000+00:00",
        datetime(2026, 11, 23, 10, tzinfo=UTC),
        datetime(2026, 11, 23, 18, tzinfo=timezone(timedelta(hours=8))),
    ],
    ids=str,
)
def test_now_in_any_spelling_is_the_same_moment(now: Any) -> None:
    assert [expired(FIVE, older_than=14 * DAY - more, now=now) for more in (0, 1)] == ["ab", "abc"]


def test_now_is_the_current_time_unless_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: NOW + 0.5)
    assert expired(FIVE, older_than="14d", now=None) == "abc"


def test_now_does_not_depend_on_the_zone_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    try:
        assert expired(FIVE, older_than="14d", now="2026-11-23T10:00:00Z") == "ab"
    finally:
        monkeypatch.undo()
        time.tzset()


# ---- bad policies

BAD_COUNTS: list[Any] = [-1, "-1", "", "three", 1.5, True, [3], "3d"]
BAD_SPANS: list[Any] = ["", "d", "14x", "-14d", -1, 1.5, True, "1d12h", [14], "14D", "9" * 10]
BAD_TIMES: list[Any] = ["", "yesterday", "2026-11-23", "2026-11-23T10:00:00", "inf", "nan", True, -1, [], NOW * 1000]
BAD_TIMES.append(datetime(2026, 11, 23))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ({"name_prefix": "", "keep_last": 1}, "name_prefix is empty"),
        ({"name_prefix": None, "keep_last": 1}, "name_prefix is empty"),
        ({"name_prefix": 2026, "keep_last": 1}, "name_prefix is 2026"),
        ({"remark_prefix": False, "keep_last": 1}, "remark_prefix is False"),
        ({"remark_prefix": ["ours"], "keep_last": 1}, "remark_prefix is ['ours']"),
        ({}, "neither keep_last nor older_than"),
        ({"keep_last": None, "older_than": None}, "neither keep_last nor older_than"),
        *(({"keep_last": keep}, f"keep_last is {keep!r}") for keep in BAD_COUNTS),
        *(({"older_than": span}, f"older_than is {span!r}") for span in BAD_SPANS),
        *(({"older_than": "14d", "now": now}, f"now is {now!r}") for now in BAD_TIMES),
    ],
    ids=str,
)
def test_bad_policy_is_one_line(policy: dict[str, Any], words: str) -> None:
    with pytest.raises(AnsibleFilterError) as error:
        expired(FIVE, **policy)
    assert words in str(error.value) and "\n" not in str(error.value)
    assert str(error.value).startswith("expired_snapshots: ")


@pytest.mark.parametrize(
    "records",
    [
        None,
        7,
        "n-a",
        {"snapshots": FIVE},
        [None],
        ["n-a"],
        [[]],
        iter(FIVE),
        *([{k: v for k, v in FIVE[0].items() if k != key}] for key in sorted(REQUIRED_KEYS)),
    ],
)
def test_what_is_no_list_of_records_is_one_line(records: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="the input must be a list of snapshot records, such as the snapshots of snapshot_info"):
        expired(records, keep_last=1)


# ---- in a play

PLAY = """
- hosts: localhost
  gather_facts: false
  vars:
    moment: 2026-11-23T10:00:00Z
    ours: "{{ records | ucloudstack.cloud.expired_snapshots(name_prefix='n-', remark_prefix='ours', keep_last=4, older_than='14d', now=moment) }}"
    of_disk: "{{ records | selectattr('disk_id', 'eq', 'disk-1') | ucloudstack.cloud.expired_snapshots('n-', keep_last=keep, now=text) }}"
    older: "{{ records | ucloudstack.cloud.expired_snapshots('n-', older_than=age, now=text) }}"
    none_yet: "{{ records | ucloudstack.cloud.expired_snapshots('n-', older_than='1d', now=1000000000) }}"
    by_now: "{{ records | ucloudstack.cloud.expired_snapshots('n-', older_than='1s', now='9999999999') }}"
    of_nothing: "{{ [] | ucloudstack.cloud.expired_snapshots('n-', keep_last=1) }}"
    no_policy: "{{ records | ucloudstack.cloud.expired_snapshots('n-') }}"
    all_of_it: "{{ {'snapshots': records} | ucloudstack.cloud.expired_snapshots('n-', keep_last=1) }}"
  tasks:
    - ansible.builtin.assert:
        that:
          - ours == [records[0]]
          - of_disk | map(attribute='snapshot_id') | list == ['a', 'b']
          - older | map(attribute='snapshot_id') | list == ['a', 'b']
          - none_yet == []
          - by_now | length == 5
          - of_nothing == []
    - ansible.builtin.debug:
        msg: "{{ no_policy }}"
      ignore_errors: true
      register: refused
    - ansible.builtin.debug:
        msg: "{{ all_of_it }}"
      ignore_errors: true
      register: confused
    - ansible.builtin.assert:
        that:
          - refused is failed and 'neither keep_last nor older_than is set' in refused.msg
          - confused is failed and 'the input must be a list of snapshot records' in confused.msg
"""


def test_in_a_play(tmp_path: Path) -> None:
    book = tmp_path / "play.yml"
    book.write_text(PLAY)
    variables = {"records": FIVE, "text": "2026-11-23T10:00:00Z", "age": 14 * DAY, "keep": "3"}
    played = stage.playbook(book, COLLECTIONS, {}, variables)
    assert played.returncode == 0, played.stdout + played.stderr
    assert "Traceback" not in played.stdout + played.stderr
