# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters by which the roles decide: each step is documented, and what it is given is not changed."""

from __future__ import annotations

import copy
import inspect
from types import MappingProxyType
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.ucloudstack.cloud.plugins.filter import (
    guarded_maintenance_decision,
    host_disks,
    host_facts,
    snapshot_create_decision,
    snapshot_prune_decision,
    snapshot_report_decision,
    snapshot_rollback_decision,
)
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils import _decisions

DECISIONS: list[Any] = [
    guarded_maintenance_decision,
    snapshot_create_decision,
    snapshot_prune_decision,
    snapshot_report_decision,
    snapshot_rollback_decision,
]


def short_name(plugin: Any) -> str:
    return str(plugin.__name__).rpartition(".")[2]


@pytest.fixture
def decided(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The steps ``spoil`` and ``keep``, of any role; and what the latter was given."""
    given: list[Any] = []

    def spoil(value: Any, **_more: Any) -> None:
        value["hosts"]["a"]["disk_ids"].append("d9")
        value["hosts"]["b"] = {}

    def keep(value: Any, **more: Any) -> str:
        given.extend((value, more))
        return "decided"

    for plugin in DECISIONS:
        monkeypatch.setitem(plugin.STEPS, "spoil", spoil)
        monkeypatch.setitem(plugin.STEPS, "keep", keep)
    return given


@pytest.mark.parametrize("plugin", DECISIONS, ids=short_name)
def test_a_step_gets_a_copy_of_the_batch_and_the_other_values_as_they_are(plugin: Any, decided: list[Any]) -> None:
    (function,) = plugin.FilterModule().filters().values()
    batch = {"hosts": {"a": {"disk_ids": ["d1"]}}}
    before = copy.deepcopy(batch)
    answer: dict[str, Any] = {"results": []}
    function(batch, "spoil", answer=answer)
    assert batch == before
    assert function(batch, "keep", answer=answer) == "decided"
    assert decided[0] == batch and decided[0] is not batch and decided[1]["answer"] is answer


@pytest.mark.parametrize("plugin", DECISIONS, ids=short_name)
def test_unknown_step_is_one_line_that_names_the_others(plugin: Any) -> None:
    ((name, function),) = plugin.FilterModule().filters().items()
    with pytest.raises(AnsibleFilterError) as raised:
        function({}, "gone")
    assert raised.value.message == f"{name}: there is no step 'gone': use one of {', '.join(plugin.STEPS)}."


@pytest.mark.parametrize("plugin", DECISIONS, ids=short_name)
def test_steps_are_documented_and_no_others(plugin: Any) -> None:
    documented = yaml.safe_load(plugin.DOCUMENTATION)
    assert list(documented["options"]["step"]["choices"]) == list(plugin.STEPS)
    assert [documented["name"]] == list(plugin.FilterModule().filters()) == [short_name(plugin)]
    assert all(inspect.getdoc(step) for step in plugin.STEPS.values())


def test_copies_are_plain() -> None:
    """What Ansible passes may be views, and tuples in place of lists."""
    view = MappingProxyType({"a": (MappingProxyType({"b": [1]}), "text"), "c": None})
    found = _decisions.plain(view)
    assert found == {"a": [{"b": [1]}, "text"], "c": None} and type(found) is type(found["a"][0]) is dict


def test_filters_of_hosts_do_not_change_what_they_are_given() -> None:
    given = {"a": {"vm_id": "vm-1", "disk_ids": []}}
    vms = {"vms": [{"vm_id": "vm-1", "state": "Running", "disk_ids": ["d1"]}]}
    before = copy.deepcopy((given, vms))
    found = host_disks.FilterModule().filters()["host_disks"](given, vms)
    found["a"]["disk_ids"].append("d9")
    assert (given, vms) == before
    assert host_facts.FilterModule().filters()["host_facts"](["a"], {"a": {"x": 1}}, "x") == {"a": 1}
