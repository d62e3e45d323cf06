# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lists that are read whole or not at all, from an API whose lists can change between two pages."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.module_utils._client import Client, UnsettledListingError, side_by_side
from ansible_collections.ucloudstack.cloud.plugins.module_utils._errors import FatalError, NotFoundError, UnknownOutcomeError
from emulator.server import Emulator

Connect = Callable[..., Client]
Serve = Callable[..., Any]
ACTION, KEY = "DescribeSnapshot", "SnapshotID"


class Listing:
    """An API with a list. ``changes``: before the request of that number (from 1), the list is changed so."""

    def __init__(self, entries: Sequence[str], most: int = 100, changes: dict[int, Callable[[list[str]], object]] | None = None) -> None:
        self.entries = list(entries)
        self.most = most
        self.changes = changes or {}
        self.offsets: list[int] = []

    def __call__(self, request: Any) -> dict[str, Any]:
        form = request.form
        assert form["Limit"] == "100"
        offset = int(form["Offset"])
        self.offsets.append(offset)
        if change := self.changes.get(len(self.offsets)):
            change(self.entries)
        page = self.entries[offset : offset + min(int(form["Limit"]), self.most)]
        return {"RetCode": 0, "TotalCount": len(self.entries), "Infos": [{KEY: each} for each in page]}


def ids(count: int) -> list[str]:
    return [f"snapshot-{number:04}" for number in range(count)]


def listed(client: Client, ticks: Any, max_pages: int | None = None) -> list[str] | None:
    entries = client.listing(ACTION, {}, KEY, ticks.deadline(), max_pages)
    return entries if entries is None else [entry[KEY] for entry in entries]


@pytest.mark.parametrize(
    ("count", "offsets"),
    [(0, [0]), (1, [0]), (99, [0]), (100, [0]), (101, [0, 99]), (199, [0, 99]), (200, [0, 99, 198]), (350, [0, 99, 198, 297])],
)
def test_each_page_begins_with_the_last_entry_of_the_one_before(
    connect: Connect, endpoint: Serve, ticks: Any, count: int, offsets: list[int]
) -> None:
    listing = Listing(ids(count))
    assert listed(connect(endpoint(listing).url), ticks) == ids(count)
    assert listing.offsets == offsets and ticks.sleeps == []


@pytest.mark.parametrize("most", [2, 20, 50, 99])
def test_an_api_that_sends_less_than_it_is_asked_for(connect: Connect, endpoint: Serve, ticks: Any, most: int) -> None:
    listing = Listing(ids(120), most)
    assert listed(connect(endpoint(listing).url), ticks) == ids(120)
    assert listing.offsets == list(range(0, 119, most - 1))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda entries: entries.insert(0, "new"), id="one more at the front"),
        pytest.param(lambda entries: entries.append("new"), id="one more at the end"),
        pytest.param(lambda entries: entries.pop(0), id="one less at the front"),
        pytest.param(lambda entries: entries.pop(), id="one less at the end"),
        pytest.param(lambda entries: (entries.pop(0), entries.append("new")), id="one less and one more"),
        pytest.param(lambda entries: entries.reverse(), id="another order"),
        pytest.param(lambda entries: entries.clear(), id="nothing left"),
    ],
)
@pytest.mark.parametrize("moment", [2, 3])
@pytest.mark.parametrize("count", [250, 298])  # 298 fill three pages: what is added at the end is on none of them
def test_a_list_that_changes_is_read_again(
    connect: Connect, endpoint: Serve, ticks: Any, change: Callable[[list[str]], object], moment: int, count: int
) -> None:
    listing = Listing(ids(count), changes={moment: change})
    found = listed(connect(endpoint(listing).url), ticks)
    assert found == listing.entries
    assert listing.offsets.count(0) == 2 and len(ticks.sleeps) == 1


def test_pages_are_read_side_by_side(connect: Connect, endpoint: Serve, ticks: Any) -> None:
    """After the first page, no page is answered before three are asked for."""
    listing, three = Listing(ids(397)), threading.Barrier(3)

    def answer(request: Any) -> dict[str, Any]:
        if request.form["Offset"] != "0":
            three.wait(30)
        return listing(request)

    entries = connect(endpoint(answer).url).listing(ACTION, {}, KEY, ticks.deadline(), at_once=3)
    assert [entry[KEY] for entry in entries or []] == ids(397) and sorted(listing.offsets) == [0, 99, 198, 297]


@pytest.mark.parametrize("moment", [2, 3, 4])
def test_a_list_that_changes_while_pages_are_read_side_by_side_is_read_again(
    connect: Connect, endpoint: Serve, ticks: Any, moment: int
) -> None:
    listing = Listing(ids(397), changes={moment: lambda entries: entries.insert(0, "new")})
    entries = connect(endpoint(listing).url).listing(ACTION, {}, KEY, ticks.deadline(), at_once=3)
    assert [entry[KEY] for entry in entries or []] == ["new", *ids(397)]


def test_what_is_not_asked_for_is_not_begun() -> None:
    begun: list[int] = []

    def job(item: int) -> int:
        begun.append(item)
        return item

    for item in side_by_side(job, range(100), 3):
        if item == 5:
            break
    assert sorted(begun) == list(range(len(begun))) and len(begun) <= 9


def test_an_overlap_that_moved_is_noticed_though_the_total_is_the_same(connect: Connect, endpoint: Serve, ticks: Any) -> None:
    def swap(entries: list[str]) -> None:
        entries.remove("snapshot-0005")
        entries.append("new")

    listing = Listing(ids(150), changes={2: swap})
    found = listed(connect(endpoint(listing).url), ticks)
    assert found is not None and "snapshot-0005" not in found and "snapshot-0100" in found and len(found) == 150


def test_a_list_that_never_stands_still_is_read_three_times(connect: Connect, endpoint: Serve, ticks: Any) -> None:
    changes = {number: lambda entries: entries.insert(0, f"new-{len(entries)}") for number in range(2, 100)}
    listing = Listing(ids(150), changes=changes)
    with pytest.raises(UnsettledListingError, match="kept changing"):
        listed(connect(endpoint(listing).url), ticks)
    assert listing.offsets == [0, 99] * 3
    assert ticks.sleeps == [0.5, 1.0]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"TotalCount": 2, "Infos": [{KEY: "a"}, {KEY: "a"}]}, id="an entry twice"),
        pytest.param({"TotalCount": 2, "Infos": [{KEY: "a"}]}, id="one missing"),
        pytest.param({"TotalCount": 2, "Infos": []}, id="all missing"),
        pytest.param({"TotalCount": 2, "Infos": None}, id="null, but some"),
        pytest.param({"TotalCount": 1, "Infos": [{KEY: "a"}, {KEY: "b"}]}, id="one too many"),
        pytest.param({"TotalCount": -1, "Infos": []}, id="less than none"),
        pytest.param({"TotalCount": 2, "Infos": [{}, {}]}, id="no ids"),
        pytest.param({"TotalCount": 2, "Infos": [{KEY: ["a"]}, {KEY: ["a"]}]}, id="ids that are lists"),
        pytest.param({"TotalCount": 500, "Infos": [{KEY: "a"}]}, id="a page of one"),
        pytest.param({"TotalCount": 300, "Infos": [{KEY: each} for each in ids(100)]}, id="the same page always"),
    ],
)
def test_a_list_that_does_not_fit_its_total_is_not_believed(connect: Connect, endpoint: Serve, ticks: Any, answer: dict[str, Any]) -> None:
    server = endpoint({"RetCode": 0, **answer})
    with pytest.raises(UnsettledListingError):
        listed(connect(server.url), ticks)
    assert len(server.requests) in (3, 6)


@pytest.mark.parametrize("most", [0, 1])
def test_an_api_that_ends_a_list_too_early(connect: Connect, endpoint: Serve, ticks: Any, most: int) -> None:
    def answer(request: Any) -> dict[str, Any]:
        offset = int(request.form["Offset"])
        infos = [{KEY: each} for each in ids(300)[offset : offset + (most if offset else 100)]]
        return {"RetCode": 0, "TotalCount": 300, "Infos": infos}

    server = endpoint(answer)
    with pytest.raises(UnsettledListingError):
        listed(connect(server.url), ticks)
    assert len(server.requests) == 6


@pytest.mark.parametrize(
    "answer",
    [
        {"Infos": []},
        {"TotalCount": None, "Infos": []},
        {"TotalCount": "some", "Infos": []},
        {"TotalCount": 1, "Infos": "none"},
        {"TotalCount": 1, "Infos": {KEY: "a"}},
        {"TotalCount": 1, "Infos": ["a"]},
        {"TotalCount": 1, "Infos": [None]},
        {"TotalCount": 2, "Infos": [{KEY: "a"}, ["a"]]},
    ],
)
def test_an_answer_that_is_not_a_list(connect: Connect, endpoint: Serve, ticks: Any, answer: dict[str, Any]) -> None:
    with pytest.raises(UnknownOutcomeError, match="DescribeSnapshot: unexpected response: not a list"):
        listed(connect(endpoint({"RetCode": 0, **answer}).url), ticks)


@pytest.mark.parametrize(
    "answer",
    [
        {"TotalCount": 0, "Infos": []},
        {"TotalCount": "0", "Infos": None},
        {"TotalCount": 0},
        {"TotalCount": "0", "Infos": ""},
    ],
)
def test_the_ways_to_say_that_there_is_nothing(connect: Connect, endpoint: Serve, ticks: Any, answer: dict[str, Any]) -> None:
    server = endpoint({"RetCode": "0", **answer})
    assert listed(connect(server.url), ticks) == []
    assert listed(connect(server.url), ticks, max_pages=3) == []
    assert len(server.requests) == 2


def test_numbers_in_strings(connect: Connect, endpoint: Serve, ticks: Any) -> None:
    assert listed(connect(endpoint({"RetCode": "0", "TotalCount": "1", "Infos": [{KEY: "a"}]}).url), ticks) == ["a"]


@pytest.mark.parametrize(
    ("count", "max_pages", "pages"), [(100, 0, 1), (101, 0, None), (199, 1, 2), (200, 1, None), (298, 2, 3), (299, 2, None), (0, 0, 1)]
)
def test_a_list_of_too_many_pages_is_not_read(
    connect: Connect, endpoint: Serve, ticks: Any, count: int, max_pages: int, pages: int | None
) -> None:
    listing = Listing(ids(count))
    found = listed(connect(endpoint(listing).url), ticks, max_pages)
    assert (found, len(listing.offsets)) == ((ids(count), pages) if pages else (None, 1))


def test_pages_are_counted_by_what_the_api_sends(connect: Connect, endpoint: Serve, ticks: Any) -> None:
    listing = Listing(ids(95), most=10)
    assert listed(connect(endpoint(listing).url), ticks, max_pages=5) is None
    assert listing.offsets == [0]


def test_a_page_that_fails_is_asked_for_again(connect: Connect, endpoint: Serve, ticks: Any) -> None:
    listing = Listing(ids(250))
    server = endpoint(listing, None, {"RetCode": 165}, listing)
    assert listed(connect(server.url), ticks) == ids(250)
    assert listing.offsets == [0, 99, 198]


def test_a_fatal_error_ends_it(connect: Connect, endpoint: Serve, ticks: Any) -> None:
    server = endpoint(Listing(ids(250)), {"RetCode": 172})
    with pytest.raises(FatalError):
        listed(connect(server.url), ticks)
    assert len(server.requests) == 2


# ---- by ids


@pytest.fixture
def snapshots(cloud: Emulator) -> list[str]:
    """The ids of 230 snapshots of one disk."""
    disk_id = cloud.state.add_disk("data", 1)
    with cloud.state.transaction():
        return [cloud.state.add_snapshot(disk_id, f"s{number}") for number in range(230)]


@pytest.fixture
def client(cloud: Emulator, connect: Connect) -> Client:
    return connect(cloud.api_url, public_key=cloud.public_key, private_key=cloud.private_key)


def found(client: Client, ticks: Any, wanted: Sequence[str]) -> list[str]:
    return sorted(entry[KEY] for entry in client.by_ids(ACTION, "SnapshotIDs", wanted, KEY, ticks.deadline()))


@pytest.mark.parametrize(("count", "calls"), [(0, 0), (1, 1), (100, 1), (101, 2), (200, 2), (230, 3)])
def test_a_hundred_ids_a_call(client: Client, cloud: Emulator, snapshots: list[str], ticks: Any, count: int, calls: int) -> None:
    assert found(client, ticks, snapshots[:count]) == sorted(snapshots[:count])
    assert len(cloud.calls()) == calls


def test_ids_that_do_not_exist_are_left_out(client: Client, cloud: Emulator, snapshots: list[str], ticks: Any) -> None:
    assert found(client, ticks, ["gone-1", *snapshots[:50], "gone-2"]) == sorted(snapshots[:50])
    assert len(cloud.calls()) == 1


@pytest.mark.parametrize("gone", [1, 2, 5])
def test_ids_that_do_not_exist_where_they_fail_the_call(
    client: Client, cloud: Emulator, snapshots: list[str], ticks: Any, gone: int
) -> None:
    cloud.add_faults({"action": ACTION, "kind": "missing_id_fails"})
    wanted = snapshots[:95]
    for number in range(gone):
        wanted.insert(number * 19, f"gone-{number}")
    assert found(client, ticks, wanted) == sorted(snapshots[:95])
    assert len(cloud.calls()) <= 15 * gone and ticks.sleeps == []


def test_none_of_the_ids_exists_and_they_fail_the_call(client: Client, cloud: Emulator, ticks: Any) -> None:
    cloud.add_faults({"action": ACTION, "kind": "missing_id_fails"})
    assert found(client, ticks, ["gone-1", "gone-2", "gone-3"]) == []


def test_all_pages_of_the_emulator(client: Client, cloud: Emulator, snapshots: list[str], ticks: Any) -> None:
    assert sorted(listed(client, ticks) or []) == sorted(snapshots)
    assert len(cloud.calls()) == 3


def test_pages_in_random_order_are_never_believed(client: Client, cloud: Emulator, snapshots: list[str], ticks: Any) -> None:
    cloud.add_faults({"action": ACTION, "kind": "shuffle_pages"})
    with pytest.raises(UnsettledListingError):
        listed(client, ticks)


def test_list_that_loses_an_entry_between_two_pages_is_read_again(
    client: Client, cloud: Emulator, snapshots: list[str], ticks: Any
) -> None:
    cloud.add_faults({"action": ACTION, "kind": "shift_pages", "skip": 1, "count": 1})
    assert sorted(listed(client, ticks) or []) == sorted(snapshots)
    assert len(cloud.calls()) == 5


def test_another_refusal_is_not_taken_for_an_unknown_id(client: Client, cloud: Emulator, snapshots: list[str], ticks: Any) -> None:
    cloud.add_faults({"action": ACTION, "kind": "refuse", "ret_code": 150})
    with pytest.raises(FatalError) as caught:
        found(client, ticks, snapshots[:4])
    assert not isinstance(caught.value, NotFoundError) and len(cloud.calls()) == 1
