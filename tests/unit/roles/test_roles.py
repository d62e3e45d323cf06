# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds for every role, read off its files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.collection import CHECKOUT

ROLES = sorted(path.parent for path in (CHECKOUT / "roles").glob("*/tasks"))
TASK_FILES = sorted((CHECKOUT / "roles").glob("*/tasks/*.yml"))
CONTROLLER = ("ansible.builtin.stat", "ansible.builtin.slurp", "ansible.builtin.file", "ansible.builtin.copy", "ansible.builtin.find")
"""What the roles do with files, they do where the manifest is."""


def tasks(found: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """All tasks of a file, those in blocks, too."""
    for task in found:
        yield task
        for part in ("block", "rescue", "always"):
            yield from tasks(task.get(part, []))


def named(path: Path) -> str:
    return "/".join(path.relative_to(CHECKOUT / "roles").parts)


@pytest.mark.parametrize("path", TASK_FILES, ids=named)
def test_what_is_for_the_controller_runs_once_there_without_sudo_and_takes_no_host_along(path: Path) -> None:
    for task in tasks(yaml.safe_load(path.read_text())):
        if any(key.startswith("ucloudstack.cloud.") or key in CONTROLLER for key in task):
            assert re.fullmatch(r"{{ \w+_delegate_to }}", task["delegate_to"]), task["name"]
            assert task["run_once"] is True and task["become"] is False, task["name"]
            assert task["ignore_errors"] is True and task["ignore_unreachable"] is True, task["name"]


@pytest.mark.parametrize("role", ROLES, ids=named)
def test_every_variable_is_specified_and_documented_and_no_other(role: Path) -> None:
    options = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    defaults = yaml.safe_load((role / "defaults" / "main.yml").read_text())
    assert set(defaults) == {name for name, option in options.items() if not option.get("required")}
    assert all(name.startswith(f"{role.name}_") for name in options)
    documented = set(re.findall(rf"^\| `({role.name}_\w+)` \|", (role / "README.md").read_text(), re.MULTILINE))
    assert documented == set(options)
    for name, option in options.items():
        if "default" in option and not str(defaults[name]).startswith("{{"):
            assert option["default"] == defaults[name], name
