# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds for every role, read off its files."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.ucloudstack.cloud.plugins.filter import (
    guarded_maintenance_decision,
    snapshot_create_decision,
    snapshot_prune_decision,
    snapshot_report_decision,
    snapshot_rollback_decision,
)
from jinja2 import Environment
from jinja2.nodes import Const, Filter
from support.collection import CHECKOUT

ROLES = sorted(path.parent for path in (CHECKOUT / "roles").glob("*/tasks"))
TASK_FILES = sorted((CHECKOUT / "roles").glob("*/tasks/**/*.yml"))
FILES = [*TASK_FILES, *sorted((CHECKOUT / "roles").glob("*/vars/*.yml")), *sorted((CHECKOUT / "roles").glob("*/defaults/*.yml"))]
LONGEST_EXPRESSION = 260
STEPS: dict[str, dict[str, Any]] = {
    "guarded_maintenance": guarded_maintenance_decision.STEPS,
    "snapshot_create": snapshot_create_decision.STEPS,
    "snapshot_prune": snapshot_prune_decision.STEPS,
    "snapshot_report": snapshot_report_decision.STEPS,
    "snapshot_rollback": snapshot_rollback_decision.STEPS,
}
INHERITED = ("run_once", "delegate_to", "become", "ignore_errors", "ignore_unreachable", "vars")
ONCE = {"snapshot_rollback/tasks/steps/execute.yml", "snapshot_rollback/tasks/steps/rollback_disks.yml"}
"""Files that are only included by a task that runs once, and so by one host."""
DELEGATE = ("connection", "python_interpreter", "remote_tmp")
"""Variables of the play that would reach the delegate, too, without ``ansible_``."""
INNER = ("snapshot_create", "snapshot_rollback", "snapshot_prune")
OTHER_DEFAULT = {"snapshot_rollback_force_off"}
"""Of the variables of the inner roles, those that have another default in guarded_maintenance."""


def tasks(found: list[dict[str, Any]], above: dict[str, Any] | None = None) -> Iterator[dict[str, Any]]:
    """All tasks of a file, those in blocks, too, with the keywords that they inherit."""
    for own in found:
        task = {**(above or {}), **own, "vars": {**(above or {}).get("vars", {}), **own.get("vars", {})}}
        yield task
        for part in ("block", "rescue", "always"):
            yield from tasks(task.get(part, []), {key: task[key] for key in INHERITED if key in task})


def named(path: Path) -> str:
    return "/".join(path.relative_to(CHECKOUT / "roles").parts)


def role_of(path: Path) -> Path:
    return CHECKOUT / "roles" / path.relative_to(CHECKOUT / "roles").parts[0]


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, (dict, list)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from strings(each)
    elif isinstance(value, str):
        yield value


@pytest.mark.parametrize("path", TASK_FILES, ids=named)
def test_what_is_for_the_controller_runs_once_there_without_sudo_and_affects_no_host(path: Path) -> None:
    for task in tasks(yaml.safe_load(path.read_text())):
        if any(key.startswith("ucloudstack.cloud.") for key in task):
            assert re.fullmatch(r"{{ \w+_delegate_to }}", task["delegate_to"]), task["name"]
            role = role_of(path).name
            own = {f"ansible_{name}": f"{{{{ __{role}_delegate.{name} }}}}" for name in DELEGATE}
            assert task["become"] is False, task["name"]
            assert task["vars"].items() >= {"ansible_become": False, **own}.items(), task["name"]  # variables of the play beat keywords
            assert named(path) in ONCE or task["run_once"] is True, task["name"]
            assert task["ignore_errors"] is True and task["ignore_unreachable"] is True, task["name"]


@pytest.mark.parametrize("role", ROLES, ids=named)
def test_what_fails_in_a_role_fails_whatever_the_play_says(role: Path) -> None:
    (outer,) = yaml.safe_load((role / "tasks" / "main.yml").read_text())
    assert (outer["ignore_errors"], outer["ignore_unreachable"]) == (False, False)


@pytest.mark.parametrize("role", ROLES, ids=named)
def test_what_the_tasks_find_out_has_a_clear_message_until_then(role: Path) -> None:
    """Not what a host says of itself, and what has a default."""
    own = {
        "first",
        "named",
        "start",
        "ready",
        "failure",
        "reached",
        "rescued",
        "connection",
        "seen",
        "claim",
        "force_off",
        "started_at",
        "failed_before",
    }
    found = {
        name.removeprefix(f"__{role.name}")
        for path in (role / "tasks").rglob("*.yml")
        for task in tasks(yaml.safe_load(path.read_text()))
        for name in [*task.get("ansible.builtin.set_fact", {}), task.get("register", "")]
        if name.startswith(f"__{role.name}")
    }
    known = yaml.safe_load((role / "vars" / "main.yml").read_text())
    unknown = {name.removeprefix(f"__{role.name}") for name, value in known.items() if "undef(" in str(value)}
    assert {name for name in found if name.removeprefix("_") not in own} == unknown


def test_files_that_rely_on_it_are_included_once() -> None:
    includes = {
        (named(role_of(path) / "tasks" / task["ansible.builtin.include_tasks"]), task.get("run_once", False) or named(path) in ONCE)
        for path in TASK_FILES
        for task in tasks(yaml.safe_load(path.read_text()))
        if "ansible.builtin.include_tasks" in task and "{{" not in task["ansible.builtin.include_tasks"]
    }
    assert {(name, True) for name in ONCE} <= includes and not {(name, False) for name in ONCE} & includes


@pytest.mark.parametrize("path", FILES, ids=named)
def test_expressions_only_carry(path: Path) -> None:
    """Decisions are taken in Python."""
    parts = [
        " ".join(part.split()) for text in strings(yaml.safe_load(path.read_text())) for part in re.findall(r"{{.*?}}", text, re.DOTALL)
    ]
    assert [part for part in parts if len(part) > LONGEST_EXPRESSION] == []


@pytest.mark.parametrize("path", TASK_FILES, ids=named)
def test_no_fact_is_set_on_one_host_after_the_other(path: Path) -> None:
    loops = [task["name"] for task in tasks(yaml.safe_load(path.read_text())) if "loop" in task and task.get("delegate_facts")]
    assert loops in ([], ["Set the reports of the hosts that left the play"])


def decisions(text: str) -> Iterator[tuple[str, str, list[str]]]:
    """Filter, step and the names of the other arguments, of each decision in a template."""
    for call in Environment(autoescape=True).parse(text).find_all(Filter):
        role = re.fullmatch(r"ucloudstack\.cloud\.(\w+)_decision", call.name)
        if role:
            step, *more = call.args
            assert isinstance(step, Const) and more == []
            yield role[1], step.value, [str(each.key) for each in call.kwargs]


DECISIONS = {
    (role, step, tuple(names))
    for path in FILES
    for text in strings(yaml.safe_load(path.read_text()))
    if "{{" in text
    for role, step, names in decisions(text)
}


@pytest.mark.parametrize(("role", "step", "names"), sorted(DECISIONS))
def test_a_decision_gets_what_it_takes(role: str, step: str, names: tuple[str, ...]) -> None:
    inspect.signature(STEPS[role][step]).bind({}, **dict.fromkeys(names))


def test_every_step_is_used() -> None:
    assert {(role, step) for role, steps in STEPS.items() for step in steps} == {(role, step) for role, step, _names in DECISIONS}


def test_inner_roles_have_the_same_defaults_in_guarded_maintenance() -> None:
    def defaults(role: str) -> dict[str, Any]:
        found: dict[str, Any] = yaml.safe_load((CHECKOUT / "roles" / role / "defaults" / "main.yml").read_text())
        return found

    ours = {name: value for name, value in defaults("guarded_maintenance").items() if name.startswith(INNER)}
    theirs = {name: value for role in INNER for name, value in defaults(role).items()}
    differing = {name for name, value in ours.items() if theirs[name] != value and not str(theirs[name]).startswith("{{")}
    assert len(ours) > 10 and differing == OTHER_DEFAULT


@pytest.mark.parametrize("role", ROLES, ids=named)
def test_every_variable_is_specified_and_documented_and_no_other(role: Path) -> None:
    options = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    defaults = yaml.safe_load((role / "defaults" / "main.yml").read_text())
    assert {name for name in defaults if name.startswith(role.name)} == {
        name for name, option in options.items() if not option.get("required")
    }
    assert all(name.startswith(f"{role.name}_") for name in options)
    documented = set(re.findall(rf"^\| `({role.name}_\w+)` \|", (role / "README.md").read_text(), re.MULTILINE))
    assert documented == set(options)
    for name, option in options.items():
        if "default" in option and not str(defaults[name]).startswith("{{"):
            assert option["default"] == defaults[name], name
