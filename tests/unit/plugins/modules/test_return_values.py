# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a module returns is what its RETURN documentation says: all of it, of those types, and nothing else."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import snake_case
from emulator.generations import GENERATIONS, OLDEST, Generation
from emulator.server import Emulator

Run = Callable[..., Any]

OF_ANSIBLE = {"changed", "failed", "msg", "invocation", "warnings", "deprecations", "diff", "exception"}
NULLABLE = {
    "results.disk_id",
    "results.snapshot_id",
    "results.ret_code",
    "results.reason",
    "results.request_id",
    "results.previous_state",
    "snapshot_id",
}


def documentation(module: str) -> Any:
    return importlib.import_module(f"ansible_collections.ucloudstack.cloud.plugins.modules.{module}")


def check(documented: dict[str, Any], returned: dict[str, Any], generation: Generation, path: str = "") -> None:
    """Same keys, and each value of the documented type; where something is nullable, it may be None.

    Records of snapshots have, besides, the fields that this generation has beyond the oldest, in snake case.
    """
    passed_on = generation.fields["snapshot"] - GENERATIONS[OLDEST].fields["snapshot"] if path == "snapshots." else frozenset()
    assert set(returned) == set(documented) | {snake_case(each) for each in passed_on}, path
    for key, doc in documented.items():
        where, value = f"{path}{key}", returned[key]
        if value is None:
            assert where in NULLABLE, where
            continue
        assert type(value).__name__ == doc["type"], f"{where} is {value!r}"
        if "contains" in doc:
            for entry in value:
                check(doc["contains"], entry, generation, f"{where}.")


def present(cloud: Emulator, disk: str) -> None:
    cloud.state.add_snapshot(disk, "x", age=60)


def absent(cloud: Emulator, disk: str) -> None:
    pass


def refused(cloud: Emulator, disk: str) -> None:
    present(cloud, disk)
    refused = ["CreateSnapshot", "RollbackSnapshot", "DeleteSnapshot", "StopVMInstance"]
    cloud.add_faults({"action": refused, "kind": "refuse", "ret_code": 150})


def revoked(cloud: Emulator, disk: str) -> None:
    cloud.add_faults({"action": "*", "kind": "refuse", "ret_code": 171})


ASKED: list[tuple[str, dict[str, Any]]] = [
    ("snapshot", {"name": "x"}),
    ("snapshot", {"name": "y"}),
    ("snapshot", {"name": "y", "wait": False}),
    ("snapshot", {"name": "y", "all_or_nothing": True}),
    ("snapshot", {"name": "x", "state": "absent"}),
    ("snapshot", {"disk_ids": None, "snapshot_ids": ["snapshot-missing"], "state": "absent"}),
    ("snapshot_rollback", {"name": "x"}),
    ("snapshot_rollback", {"name": "x", "marker_name": "m", "backup_name": "b"}),
    ("snapshot_rollback", {"disk_ids": None, "snapshot_ids": ["snapshot-missing"]}),
    ("snapshot_info", {}),
    ("snapshot_info", {"disk_ids": None}),
    ("vm_power", {"state": "stopped"}),
    ("vm_power", {"state": "stopped", "wait": False}),
    ("vm_power", {"state": "started"}),
    ("vm_power", {"state": "powered_off", "vm_ids": ["vm-missing"]}),
    ("vm_info", {}),
    ("vm_info", {"vm_ids": None}),
]


@pytest.mark.parametrize(("scene", "check_mode"), [(present, False), (present, True), (absent, False), (refused, False), (revoked, False)])
@pytest.mark.parametrize(("module", "options"), ASKED, ids=str)
def test_returned_is_what_is_documented(
    cloud: Emulator, run: Run, disk: str, scene: Run, module: str, options: dict[str, Any], check_mode: bool
) -> None:
    scene(cloud, disk)
    asked = {"vm_ids": [cloud.state.add_vm("web", boot_gb=1)]} if module.startswith("vm_") else {"disk_ids": [disk]}
    answer = run(module, **{**asked, **options}, _check=check_mode)
    documented = yaml.safe_load(documentation(module).RETURN)
    if answer.failed:
        documented = {key: value for key, value in documented.items() if value["returned"] != "success"}
        assert isinstance(answer.msg, str) and answer.msg
    printed = json.loads(answer.printed)
    check(documented, {key: value for key, value in printed.items() if key not in OF_ANSIBLE}, cloud.generation)
    assert printed.get("changed", False).__class__ is bool
    if "counts" in printed:
        assert sum(printed["counts"].values()) == len(printed["results"])
        assert printed["counts"].keys() == documented["counts"]["sample"].keys()


def test_options_that_are_not_valid_return_the_calls_alone(run: Run) -> None:
    printed = json.loads(run("snapshot", name="", disk_ids=["disk-1"]).printed)
    assert set(printed) - OF_ANSIBLE == {"api_calls"} and printed["api_calls"] == {}


@pytest.mark.parametrize("module", ["snapshot", "snapshot_rollback", "vm_power"])
def test_every_outcome_is_documented_and_every_documented_one_exists(module: str) -> None:
    outcomes = set(documentation(module).OUTCOMES)
    documented = yaml.safe_load(documentation(module).RETURN)
    described = " ".join(documented["results"]["contains"]["outcome"]["description"])
    assert set(documented["counts"]["sample"]) == outcomes
    assert [outcome for outcome in outcomes if f"V({outcome})" not in described] == []


@pytest.mark.parametrize("module", ["snapshot", "snapshot_rollback", "snapshot_info", "vm_power", "vm_info"])
def test_options_are_those_that_are_documented(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    utils = importlib.import_module("ansible_collections.ucloudstack.cloud.plugins.module_utils._module")
    taken: dict[str, Any] = {}

    class Stop(Exception):
        pass

    def take(argument_spec: dict[str, Any], **_rest: Any) -> None:
        taken.update(argument_spec)
        raise Stop

    monkeypatch.setattr(utils, "AnsibleModule", take)
    with pytest.raises(Stop):
        documentation(module).main()
    own = yaml.safe_load(documentation(module).DOCUMENTATION)
    documented = dict(own["options"])
    for fragment in own["extends_documentation_fragment"]:
        name = fragment.rpartition(".")[2]
        source = importlib.import_module(f"ansible_collections.ucloudstack.cloud.plugins.doc_fragments.{name}").ModuleDocFragment
        documented.update(yaml.safe_load(source.DOCUMENTATION)["options"])
    assert documented.keys() == taken.keys()
    for name, spec in taken.items():
        for field in ("type", "default", "choices", "elements", "aliases"):
            assert spec.get(field) == documented[name].get(field), f"{name}: {field}"


@pytest.mark.parametrize("first_disk", ["created", "failed"])
def test_snapshot_id_is_only_given_for_exactly_one(cloud: Emulator, run: Run, disks: list[str], first_disk: str) -> None:
    if first_disk == "failed":
        cloud.add_faults({"action": "CreateSnapshot", "kind": "refuse", "ret_code": 140})
    one, two = run("snapshot", name="x", disk_ids=disks[:1]), run("snapshot", name="x", disk_ids=disks[:2])
    assert one.snapshot_id == one.results[0]["snapshot_id"] and bool(one.snapshot_id) == (first_disk == "created")
    assert two.snapshot_id is None
