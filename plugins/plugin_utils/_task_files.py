# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The task files that users give to roles, with the files and roles that these name: looked up before anything is written.

Ansible finds what cannot be parsed when it is about to run it, and then ends the whole playbook, in the middle of a patch.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.splitter import parse_kv
from ansible.playbook.task import Task
from ansible.utils.collection_loader import AnsibleCollectionRef
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._inputs import ROLES

NAMED_BY = {
    "include_tasks": ("file", "_raw_params"),
    "import_tasks": ("file", "_raw_params"),
    "include_role": ("name", "role"),
    "import_role": ("name", "role"),
}
"""Actions that load a file or role, and the arguments that may name it."""


def missing_files(playbook_dir: str, names: Iterable[str]) -> str:
    """Which of these task files, or of the files and roles that they include, do not exist or cannot be parsed; empty if all is well.

    What is only known when the tasks run, a name with a template or an include with a condition, is not looked up.
    """
    paths = [os.path.join(playbook_dir, name) for name in names if name]
    missing = [path for path in paths if not os.path.isfile(path)]
    if missing:
        return f"{', '.join(missing)} does not exist: give a path relative to the directory of the playbook, or an absolute one."
    return next(filter(None, (_fault(path, [playbook_dir]) for path in paths)), "")


def _fault(path: str, folders: Sequence[str], seen: frozenset[str] = frozenset()) -> str:
    """What is wrong with a task file. ``folders``: where the files that led to it look for others, that of the playbook last."""
    try:
        if Path(path).read_bytes().startswith(b"$ANSIBLE_VAULT"):
            return ""
        tasks = DataLoader().load_from_file(path)
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}."
    except AnsibleError as error:
        return f"{path} cannot be parsed: {_line(error)}"
    if tasks and not isinstance(tasks, list):
        return f"{path} is not a list of tasks."
    folders = list(dict.fromkeys([os.path.dirname(path), *folders]))
    for task, conditional in _leaves(tasks):
        try:
            action, name = _loads(task) or ("", "")
        except AnsibleError as error:
            return f"{path} cannot be parsed: {_line(error)}"
        if not name or "{{" in name or (conditional and action.startswith("include")):
            continue
        if action.endswith("role"):
            if not _role_exists(name, folders):
                return f"{path} names the role {name}, which is not installed: install it, or correct the name."
            continue
        found = next(filter(os.path.isfile, (os.path.join(folder, sub, name) for folder in folders for sub in ("", "tasks"))), "")
        if not found:
            return f"{path} names the task file {name}, which does not exist: give a path relative to {folders[0]}."
        fault = "" if found in seen else _fault(found, folders, seen | {path})
        if fault:
            return fault
    return ""


def _leaves(tasks: Any, conditional: bool = False) -> Iterator[tuple[Mapping[str, Any], bool]]:
    """The tasks in these and in their blocks, and whether they have a condition."""
    for task in tasks or []:
        if not isinstance(task, Mapping) or "collections" in task:
            continue
        sections = [task[section] for section in ("block", "rescue", "always") if section in task]
        for section in sections:
            yield from _leaves(section, conditional or "when" in task)
        if not sections:
            yield task, conditional or "when" in task


def _loads(task: Mapping[str, Any]) -> tuple[str, str] | None:
    """``(action, name)`` of the file or role that a task loads; None if it loads none. Raises AnsibleError if Ansible cannot parse it."""
    for action, arguments in NAMED_BY.items():
        given = next((task[prefix + action] for prefix in ("", "ansible.builtin.", "ansible.legacy.") if prefix + action in task), None)
        if given is not None:
            given = parse_kv(given) if isinstance(given, str) else given if isinstance(given, Mapping) else {}
            return action, next((str(given[argument]) for argument in arguments if given.get(argument)), "")
    Task.load({"collections": ["ucloudstack.cloud"], **task}, loader=DataLoader())
    return None


def _line(error: AnsibleError) -> str:
    return " ".join(error.message.split())


def _role_exists(name: str, folders: Sequence[str]) -> bool:
    """Whether Ansible finds the role: in its collection, or beside the playbook, in the roles path, or as one of this collection."""
    if AnsibleCollectionRef.is_valid_fqcr(name, "role"):
        namespace, collection, *rest = name.split(".")
        try:
            package = importlib.util.find_spec(f"ansible_collections.{namespace}.{collection}")
        except ImportError:
            package = None
        if package and any(Path(folder, "roles", *rest).is_dir() for folder in package.submodule_search_locations or []):
            return True
    searched = [*(os.path.join(folder, "roles") for folder in folders), *constants.DEFAULT_ROLES_PATH, *folders, ROLES]
    return any(Path(folder, name).expanduser().is_dir() for folder in searched)
