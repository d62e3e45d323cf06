# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How snapshots of a run are named and marked."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import NAME_LENGTH
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._runs import (
    LONGEST_RUN_NAME,
    by_disk,
    is_ours,
    manual,
    not_text,
    other_machine,
    run_remark,
    runs_of_vm,
)

REMARK = run_remark("p-1", "vm-1", 2)


def test_remark() -> None:
    assert REMARK == "ucloudstack.cloud run=p-1 vm=vm-1 disks=2"


@pytest.mark.parametrize(
    ("run_id", "kind", "refused"),
    [
        (20261123, "int", False),
        ("p-1", "str", False),
        ("p-1", "AnsibleUnicode", False),
        ("p-1", "_AnsibleTaggedStr", False),
        ("2026-11-23", "date", False),
        ("1.1", "float", True),
        (False, "bool", True),
    ],
)
def test_run_id_whose_text_is_not_certain(run_id: Any, kind: str, refused: bool) -> None:
    assert bool(not_text(run_id, kind)) is refused


def test_names_of_runs_leave_space_for_a_suffix() -> None:
    assert LONGEST_RUN_NAME + len("-r9") == NAME_LENGTH


@pytest.mark.parametrize(
    ("name", "remark", "runs"),
    [
        ("n-p-1", REMARK, ["p-1"]),
        ("n-p-1", run_remark("p-1", "vm-1", 12), ["p-1"]),
        ("n-p-1", run_remark("p-1", "vm-2", 2), []),
        ("n-p-1", run_remark("p-1", "vm-10", 2), []),
        ("n-p-1", f"{REMARK} ", []),
        ("n-p-1", f"x{REMARK}", []),
        ("n-p-1", None, []),
        ("n-p-2", REMARK, []),
        ("m-p-1", REMARK, []),
        ("n-p-1-b1", REMARK, []),
    ],
)
def test_runs_of_vm(name: str, remark: str | None, runs: list[str]) -> None:
    assert runs_of_vm([{"name": name, "remark": remark}], "n-", "vm-1") == runs


def test_runs_of_vm_are_sorted_and_named_once() -> None:
    found = [{"name": f"n-{run}", "remark": run_remark(run, "vm-1", 1)} for run in ("b", "a", "b")]
    assert runs_of_vm(found, "n-", "vm-1") == ["a", "b"]


@pytest.mark.parametrize(
    ("remark", "ours"),
    [
        (REMARK, True),
        ("ucloudstack.cloud marker target=s1", True),
        ("ucloudstack.clouds", False),
        ("by hand", False),
        ("", False),
        (None, False),
    ],
)
def test_is_ours(remark: str | None, ours: bool) -> None:
    assert is_ours({"remark": remark}) is ours
    assert is_ours({}) is False


def test_by_disk_and_manual() -> None:
    a, b, c = records = [
        {"disk_id": "d1", "n": 1},
        {"disk_id": "d2", "n": 2, "automatic": True},
        {"disk_id": "d1", "n": 3, "automatic": False},
    ]
    expected: dict[str, list[Any]] = {"d1": [a, c], "d2": [b]}
    assert by_disk(records) == expected
    assert manual(records) == [a, c]


@pytest.mark.parametrize(
    ("state", "vm_id", "disk_ids", "same"),
    [
        *((state, "vm-1", ["d1", "d2"], True) for state in ("planned", "failed", "patching", "verified", "restoring", "restored")),
        *((state, "vm-2", ["d1", "d2"], False) for state in ("planned", "failed", "patching", "verified", "restoring", "restored")),
        *((state, "vm-1", ["d1", "d2", "lun"], True) for state in ("planned", "snapshotted", "failed")),  # chosen anew
        *((state, "vm-1", ["d1", "d2", "d3"], False) for state in ("patching", "verified", "restored")),
        ("restoring", "vm-1", ["d1", "d2", "d3"], True),  # one is detached
        ("restoring", "vm-1", ["d1"], False),
        ("failed", "", ["d1"], True),
        ("failed", "", ["d9"], False),
        ("verified", "", [], True),
        ("", "", [], True),
    ],
)
def test_machine_of_an_entry(state: str, vm_id: str, disk_ids: list[str], same: bool) -> None:
    why = other_machine({"state": state, "vm_id": vm_id, "disk_ids": disk_ids}, {"vm_id": "vm-1", "disk_ids": ["d1", "d2"]})
    assert (why == "") is same and why.startswith("" if same else "the manifest of this run has ")
