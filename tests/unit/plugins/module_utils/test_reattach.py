# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is done next with a disk that its rollback may have left detached, as a table: what was seen, what was tried."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.module_utils import _reattach
from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import Disk
from ansible_collections.ucloudstack.cloud.plugins.module_utils._states import DISK_STATES, UNLISTED, DiskState
from ansible_collections.ucloudstack.cloud.plugins.module_utils._steps import Progress, Sent, Step

NOW = 1000.0
HOME, OTHER = "vm-1", "vm-2"
RESULTS = ["accepted", "refused", "wrong_state", "unknown", "failed"]
BUSY = [word for word, (meaning, _source) in DISK_STATES.items() if meaning is DiskState.BUSY]
LOST = [word for word, (meaning, _source) in DISK_STATES.items() if meaning is DiskState.LOST]
UNKNOWN = ["Pondering", "Unknown", ""]


def decide(status: str, vm_id: str, *results: tuple[Any, float]) -> Step:
    """``results``: of each AttachDisk, with how many seconds ago it was sent."""
    sent = tuple(Sent("attach", result, NOW - ago, None, f"said {result}.", 2204) for result, ago in results)
    return _reattach.attached(Disk("disk-1", status, vm_id), Progress(sent=sent), NOW, vm_id=HOME)


def gist(step: Step) -> tuple[str, str, bool]:
    return (step.do, step.outcome, step.changed)


ATTACH, WAIT = ("attach", "attached", False), ("wait", "attached", False)
ATTACHED, UNTOUCHED, LEFT = ("done", "attached", True), ("done", "attached", False), ("done", "detached", False)


@pytest.mark.parametrize(
    ("status", "vm_id", "results", "expected"),
    [
        # nothing was sent yet
        ("Bound", HOME, [], UNTOUCHED),
        ("Attached", HOME, [], UNTOUCHED),
        ("Snapshoting", HOME, [], UNTOUCHED),
        ("Pondering", HOME, [], UNTOUCHED),
        ("Unbound", "", [], ATTACH),
        ("Detached", "", [], ATTACH),
        ("Unbounding", "", [], WAIT),
        ("Rollbacking", "", [], WAIT),
        ("Pondering", "", [], WAIT),
        ("Bound", OTHER, [], LEFT),
        ("Bounding", OTHER, [], LEFT),
        ("Deleting", "", [], LEFT),
        ("Failed", "", [], LEFT),
        (UNLISTED, "", [], LEFT),
        # it was accepted
        ("Unbound", "", [("accepted", 1)], WAIT),
        ("Unbound", "", [("accepted", 999)], WAIT),
        ("Bounding", HOME, [("accepted", 1)], WAIT),
        ("Attaching", HOME, [("accepted", 1)], WAIT),
        ("Pondering", HOME, [("accepted", 1)], WAIT),
        ("Bound", HOME, [("accepted", 1)], ATTACHED),
        ("Attached", HOME, [("accepted", 1)], ATTACHED),
        ("Bound", OTHER, [("accepted", 1)], LEFT),
        ("Deleted", "", [("accepted", 1)], LEFT),
        # its response was lost
        ("Unbound", "", [("unknown", 29)], WAIT),
        ("Unbound", "", [("unknown", 30)], ATTACH),
        ("Bounding", HOME, [("unknown", 30)], WAIT),
        ("Bounding", "", [("unknown", 30)], WAIT),
        ("Bound", HOME, [("unknown", 1)], ATTACHED),
        ("Unbound", "", [("unknown", 60), ("unknown", 29)], WAIT),
        ("Unbound", "", [("unknown", 60), ("unknown", 30)], LEFT),
        ("Bound", HOME, [("unknown", 60), ("unknown", 30)], ATTACHED),
        # it was refused
        ("Unbound", "", [("refused", 1)], ATTACH),
        ("Snapshoting", "", [("refused", 1)], WAIT),
        ("Unbound", "", [("failed", 1)], LEFT),
        ("Bound", HOME, [("unknown", 60), ("failed", 1)], ATTACHED),
        ("Unbound", "", [("wrong_state", 29), ("wrong_state", 0)], ATTACH),
        ("Unbound", "", [("wrong_state", 30), ("wrong_state", 0)], LEFT),
        ("Unbound", "", [("wrong_state", 60), ("refused", 30), ("wrong_state", 0)], ATTACH),
    ],
)
def test_next_step(status: str, vm_id: str, results: list[tuple[Any, float]], expected: tuple[str, str, bool]) -> None:
    assert gist(decide(status, vm_id, *results)) == expected


@pytest.mark.parametrize("status", [*DISK_STATES, UNLISTED, *UNKNOWN])
def test_only_a_detached_disk_in_a_stable_state_is_ever_attached(status: str) -> None:
    stable = status in DISK_STATES and DISK_STATES[status][0] is DiskState.STABLE
    for vm_id, count in itertools.product(("", HOME, OTHER), range(3)):
        for results in itertools.product(RESULTS, repeat=count):
            step = decide(status, vm_id, *((result, 31.0) for result in results))
            last = results[-1] if results else "refused"
            again = last in ("refused", "wrong_state") or (last == "unknown" and results.count("unknown") == 1)
            assert (step.do == "attach") == (stable and not vm_id and again), (vm_id, results)


@pytest.mark.parametrize("status", [*BUSY, *UNKNOWN])
def test_state_that_passes_or_that_nobody_knows_ends_nothing_after_a_write(status: str) -> None:
    for vm_id, result in itertools.product(("", HOME), ("accepted", "unknown", "refused", "wrong_state")):
        assert decide(status, vm_id, (result, 999)).do == "wait"


@pytest.mark.parametrize("status", [*LOST, UNLISTED])
def test_disk_that_is_lost_is_named_with_its_state(status: str) -> None:
    assert decide(status, "").msg == f"the disk is {status}"


def test_what_is_left_says_why_in_one_line_without_full_stop() -> None:
    reasons = {
        decide("Bound", OTHER).msg: "it is attached to VM vm-2",
        decide("Unbound", "", ("failed", 1)).msg: "said failed",
        decide("Unbound", "", ("unknown", 60), ("unknown", 30)).msg: "two requests got no response. said unknown",
    }
    assert list(reasons) == list(reasons.values())


@pytest.mark.parametrize("vm_id", ["", HOME, OTHER])
def test_step_names_the_disk_and_the_vm_it_belongs_to(vm_id: str) -> None:
    step = decide("Bound", vm_id)
    assert (step.disk_id, step.vm_id) == ("disk-1", HOME)
