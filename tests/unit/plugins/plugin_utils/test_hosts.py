# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which VM and disks each host of a batch has, or why it has none; and why a task failed."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._hosts import failure, host_disks, host_facts

# ---- facts of hosts

HOSTVARS = {"a": {"x": 1, "y": ""}, "b": {"y": 2}, "c": {"x": 9}}


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ("x", {"a": 1}),
        ("y", {"a": "", "b": 2}),
        ("z", {}),
        ({"one": "x", "two": "y"}, {"a": {"one": 1, "two": ""}, "b": {"two": 2}, "gone": {}}),
        ({}, {"a": {}, "b": {}, "gone": {}}),
    ],
)
def test_host_facts(facts: Any, expected: dict[str, Any]) -> None:
    assert host_facts(["a", "b", "gone"], HOSTVARS, facts) == expected


# ---- why a task failed


@pytest.mark.parametrize(
    ("result", "why"),
    [
        ({}, ""),
        ({"msg": "done"}, ""),
        ({"skipped": True, "msg": "skipped"}, ""),
        ({"failed": False, "msg": "done"}, ""),
        ({"failed": True, "msg": "m"}, "m"),
        ({"unreachable": True, "msg": "m"}, "m"),
        ({"failed": True}, "no reason was given"),
        ({"failed": True, "msg": ""}, "no reason was given"),
        # a module that did not start
        (
            {"failed": True, "msg": "MODULE FAILURE\nSee", "module_stderr": "sudo: not found\n\n"},
            "the module could not be run: sudo: not found",
        ),
        ({"failed": True, "msg": "MODULE FAILURE", "module_stderr": "", "module_stdout": "a\nb"}, "the module could not be run: b"),
        ({"failed": True, "msg": "MODULE FAILURE"}, "MODULE FAILURE"),
        ({"failed": True, "msg": "m", "module_stderr": "a warning"}, "m"),
        # a loop: the reasons of its items, each once
        ({"failed": True, "msg": "all", "results": [{"item": 1, "failed": True, "msg": "m"}, {"item": 2, "msg": "good"}]}, "m"),
        ({"failed": True, "msg": "all", "results": [{"item": each, "failed": True, "msg": each[0]} for each in ("m1", "n", "m2")]}, "m; n"),
        ({"failed": True, "msg": "all", "results": [{"item": 1, "unreachable": True, "msg": "gone"}]}, "gone"),
        ({"failed": True, "msg": "all", "results": [{"item": 1, "msg": "good"}, "no record"]}, "all"),
        ({"failed": True, "msg": "all", "results": None}, "all"),
        # a module whose own results are not those of a loop
        ({"failed": True, "msg": "all", "results": [{"disk_id": "d1", "failed": True, "msg": "m"}]}, "all"),
    ],
)
def test_failure(result: dict[str, Any], why: str) -> None:
    assert failure(result) == why


# ---- disks of hosts

VMS = {
    "vms": [
        {"vm_id": "vm-1", "state": "Running", "disk_ids": ["d1", "d2"], "disks": [{"disk_id": "d1"}, {"disk_id": "d2", "external": True}]},
        {"vm_id": "vm-2", "state": "Stopped", "disk_ids": ["d3"]},
    ]
}
UNSET = "set ucloudstack_vm_id for all disks of a VM, or ucloudstack_disk_ids for exactly those disks."


def host(vm_id: Any = "", *disk_ids: str, **more: Any) -> dict[str, Any]:
    return {"vm_id": vm_id, "disk_ids": list(disk_ids), **more}


def disks(given: dict[str, Any], vms: Any = None, **options: Any) -> tuple[Any, ...]:
    """The gist for one host."""
    found = host_disks({"a": given}, VMS if vms is None else vms, **options)["a"]
    return found["vm_id"], found["power_state"], found["disk_ids"], found["external"], found["msg"]


@pytest.mark.parametrize(
    ("given", "gist"),
    [
        (host("vm-1"), ("vm-1", "Running", ["d1", "d2"], ["d2"], "")),
        (host("vm-2"), ("vm-2", "Stopped", ["d3"], [], "")),
        (host("vm-1", "d2"), ("vm-1", "Running", ["d2"], ["d2"], "")),
        (host("", "d7"), ("", "", ["d7"], [], "")),
        (host(None, "d7"), ("", "", ["d7"], [], "")),
        ({"vm_id": "", "disk_ids": "d7"}, ("", "", ["d7"], [], "")),
        (host(), ("", "", [], [], UNSET)),
        (host(None), ("", "", [], [], UNSET)),
        (host("vm-9"), ("vm-9", "", [], [], "VM vm-9 does not exist: check ucloudstack_vm_id and the region.")),
        (
            host("vm-1", "d1", "d3", "d9"),
            ("vm-1", "Running", ["d1"], ["d2"], "ucloudstack_disk_ids contains disks that are not attached to vm-1: d3, d9."),
        ),
        (host("vm-9", msg="invalid duration"), ("vm-9", "", [], [], "invalid duration")),
    ],
)
def test_host_disks(given: dict[str, Any], gist: tuple[Any, ...]) -> None:
    assert disks(given) == gist


def test_detached_disks_are_left_out_after_an_interrupted_rollback() -> None:
    assert disks(host("vm-1", "d1", "d9"), allow_detached=True) == ("vm-1", "Running", ["d1"], ["d2"], "")
    assert disks(host("vm-9"), allow_detached=True)[-1].startswith("VM vm-9 does not exist")


@pytest.mark.parametrize("vms", [{"skipped": True}, {}, {"vms": None}])
def test_no_vm_was_asked_for(vms: dict[str, Any]) -> None:
    assert disks(host("", "d7"), vms) == ("", "", ["d7"], [], "")


def test_failed_query_concerns_only_hosts_with_a_vm() -> None:
    found = host_disks({"a": host("vm-1"), "b": host("", "d7"), "c": host()}, {"failed": True, "msg": "no permission"})
    assert {name: each["msg"] for name, each in found.items()} == {"a": "no permission", "b": "", "c": UNSET}


def test_what_else_is_known_is_kept_and_settings_are_added() -> None:
    found = host_disks({"a": host("vm-2", limit=3, settings={"run_id": 7}), "b": host("vm-1", settings=None)}, VMS)
    assert found["a"]["limit"] == 3 and found["a"]["run_id"] == 7


def test_disks_of_two_hosts_are_refused_on_both() -> None:
    found = host_disks({"a": host("vm-1"), "b": host("", "d2"), "c": host("vm-2")}, VMS)
    assert found["a"]["msg"] == found["b"]["msg"] == "another host of the play also has d2." and found["c"]["msg"] == ""
