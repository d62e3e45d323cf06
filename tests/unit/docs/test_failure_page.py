# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The troubleshooting page has every message, return code and outcome of the code, and no others.

A message is any string of the code with three words or more. Both the page and this file write ``…`` for the parts that vary.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.ucloudstack.cloud.plugins import module_utils
from ansible_collections.ucloudstack.cloud.plugins.module_utils import _states
from ansible_collections.ucloudstack.cloud.plugins.module_utils._errors import (
    RETURN_CODES,
    FatalError,
    NoPermissionError,
    NotFoundError,
    RefusedError,
    TooFrequentError,
    UCloudStackError,
    UnknownOutcomeError,
    WrongStateError,
)
from ansible_collections.ucloudstack.cloud.plugins.modules import snapshot, snapshot_rollback, vm_power
from support.collection import CHECKOUT

PAGE = (CHECKOUT / "docs" / "docsite" / "rst" / "guide_failures.rst").read_text()
CLASSES: dict[type[UCloudStackError], str] = {
    FatalError: "permanent",
    NotFoundError: "permanent",
    NoPermissionError: "permanent",
    RefusedError: "temporary",
    TooFrequentError: "temporary",
    WrongStateError: "depends on state",
    UnknownOutcomeError: "unknown outcome",
}
DOCUMENTATION = {"DOCUMENTATION", "EXAMPLES", "RETURN"}
NOT_PRINTED = {"name", "when", "that", "contains"}
"""Keywords of a task whose strings are no messages: titles, conditions, and what a message is searched for."""
NO_FAILURES = {
    # results of check mode, and lines of diff mode
    "to be created",
    "to be deleted",
    "to be rolled back",
    "would be rolled back to …",
    "no reason was given",
    "… is not patched.",
    "…: no snapshot named …",
    "…: data of … named …, …",
    # the progress of a task
    "in other states",
    # the overview of a maintenance run, which says itself what to do
    "Run …, … in … s",
    "it has left the play",
    "it was not patched: correct the cause, and run the play again with the same run id",
    "its disks are as before the patch: correct the patch, and patch it in a run with another id",
    "roll it back: ansible-playbook ucloudstack.cloud.rollback -e target=… -e snapshot_rollback_run_id=…",
    "run the play again with the same run id",
    # what is on the report page
    "; retention would delete …",
    "A run with the prefix … is deleted if it is …… of its disk.…",
    "No host needs attention.",
    "Retention would delete ….",
    "What to do",
    "a run with another prefix",
    "a timer of the platform",
    "by hand, or another tool",
    "its retention policy is not known",
    "less than a minute",
    "not among the … newest runs",
    "not the newest run",
    "the platform deletes it",
    "would be deleted",
    # successes
    "created, and deleted again because of all_or_nothing",
    "rolled back before; marker …, …",
    "rolled back meanwhile by another task; marker …",
    "rolled back by a rollback that was already running",
    "…: … snapshots had expired.",
    # what a task does when it stops waiting: a timeout reports it as "last seen …", and wait=false as the result
    "accepted, not yet seen running",
    "already being deleted; not waiting",
    "already being deleted; waiting",
    "created, but not listed yet",
    "not listed at the moment",
    "rolling back; not waiting",
    "the API accepted the deletion",
    "the API accepted the request; …",
    "the API accepted the rollback; not waiting",
    "the response was lost; checking whether the snapshot exists",
    "the response was lost; checking whether the snapshot still exists",
    "the snapshot is not listed at the moment",
    "…: already being created; not waiting",
    "…: already being created; waiting",
    "…: cannot be deleted yet; waiting",
    # parts of messages that are on the page: names, ages and reasons
    "a snapshot of the disk named …",
    "an unknown time",
    "… is not a duration",
    "at an unknown time",
    "disks without a VM",
    "of unknown age",
    "… (or … in the environment)",
    "its deletion did not end in time",
    "the call was abandoned before it was sent",
    "a number too large",
    "an entry of Infos has an invalid id",
    "an entry of Infos has an invalid status",
    "an entry of Infos has no SnapshotID or no DiskID",
    "an entry of Infos is not an object",
    "an integer with too many digits",
    "an invalid key",
    "it is not a JSON object",
    "it is not JSON",
    "it is not of this run",
    "its hosts are not an object of objects",
    "nested too deeply",
    "… is not JSON",
    # remarks of snapshots, and the pattern that finds them
    "ucloudstack.cloud backup marker=… target=…",
    "ucloudstack.cloud marker target=…",
    "…run=… vm=… disks=…",
    # an error of the collection itself
    "growing() does not end",
    r"run=(\S+) vm=(\S*) disks=[0-9]+",
    r"(?:marker|backup marker=\S+) target=(\S+)",
    "…_decision: there is no step …: use one of ….",
}
"""Strings with three words or more that are not on the page, because they report no failure."""


# ---- the page


def rows(head: str) -> list[list[str]]:
    """The rows of all list-tables whose first column has this head."""
    found = []
    for table in re.findall(r"^\.\. list-table::\n((?:   .*\n|\n)*)", PAGE, re.MULTILINE):
        cells = [re.split(r"^     - ", row, flags=re.MULTILINE) for row in re.split(r"^   \* - ", table, flags=re.MULTILINE)[1:]]
        heads, *others = [[" ".join(cell.split()) for cell in row] for row in cells]
        found += others if heads[0] == head else []
    return found


def literals(cell: str) -> list[str]:
    return re.findall(r"``(.+?)``", cell)


MESSAGES = [message for row in rows("Message") for message in literals(row[0])]


# ---- the code


def strings_of_plugin(path: Path) -> Iterator[str]:
    """The strings of a Python file, without docstrings and documentation."""
    tree = ast.parse(path.read_text())
    others: set[ast.AST] = set()
    for node in ast.walk(tree):
        documentation = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in DOCUMENTATION
        if documentation or isinstance(node, (ast.Expr, ast.JoinedStr)):
            others.update(each for each in ast.iter_child_nodes(node) if isinstance(each, ast.Constant))
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(each.value) if isinstance(each, ast.Constant) else "…" for each in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in others:
            yield node.value


def strings_of_tasks(value: Any) -> Iterator[str]:
    """The strings that tasks may print, and those in their templates."""
    if isinstance(value, dict):
        value = [each for key, each in value.items() if key not in NOT_PRINTED]
    if isinstance(value, list):
        for each in value:
            yield from strings_of_tasks(each)
    elif isinstance(value, str):
        text = re.sub(r"'\s*~[^'{}]*~\s*'", "…", re.sub(r"'\s*~\s*'", "", " ".join(value.split())))
        template = r"{[{%].*?[%}]}(?!})"
        yield re.sub(template, "…", text)
        for each in re.findall(template, text):
            yield from re.findall(r"'([^']*)'", each)


def reads_as_language(text: str) -> bool:
    """Whether a string has three words or more."""
    return len([word for word in re.findall(r"[^\s…]+", text) if re.search(r"[A-Za-z]{2}", word)]) >= 3


ROLE_FILES = [path for folder in ("tasks", "vars") for path in (CHECKOUT / "roles").glob(f"*/{folder}/**/*.yml")]
STRINGS = {
    *(text for path in (CHECKOUT / "plugins").glob("*/*.py") for text in strings_of_plugin(path)),
    *(text for path in ROLE_FILES for text in strings_of_tasks(yaml.safe_load(path.read_text()))),
}
"""All strings of the code that may be messages, or parts of messages."""
OF_TABLES = {
    *(text for _kind, *texts in RETURN_CODES.values() for text in texts),  # compared row by row
    *(each.value for states in (_states.SnapshotState, _states.DiskState, _states.VmState) for each in states),  # printed nowhere
    *(source for table in (_states.SNAPSHOT_STATES, _states.DISK_STATES, _states.VM_STATES) for _state, source in table.values()),
}


EDGES = " \n.,:;()"
"""Spaces and punctuation, which may differ at the edges of a varying part."""


def pattern(text: str) -> re.Pattern[str]:
    """``…`` stands for anything."""
    return re.compile(".*".join(re.escape(part.strip(EDGES)) for part in text.split("…")))


PATTERNS = [pattern(message) for message in MESSAGES]


def is_on_the_page(text: str) -> bool:
    """Whether a message of the page contains this string, or the other way round."""
    stripped, wanted = text.strip(EDGES + "…"), pattern(text)
    return any(each.fullmatch(stripped) for each in PATTERNS) or any(wanted.search(message) for message in MESSAGES)


# ---- the page and the code


@pytest.mark.parametrize("text", sorted(filter(reads_as_language, STRINGS - OF_TABLES - NO_FAILURES)))
def test_every_message_of_the_code_is_on_the_page(text: str) -> None:
    assert is_on_the_page(text), "add it to guide_failures.rst, or to NO_FAILURES"


@pytest.mark.parametrize("message", MESSAGES)
def test_every_message_of_the_page_is_in_the_code(message: str) -> None:
    for part in filter(None, map(str.strip, message.split("…"))):
        assert any(part in text for text in STRINGS), part


@pytest.mark.parametrize("text", sorted(NO_FAILURES))
def test_the_exceptions_are_in_the_code_and_not_on_the_page(text: str) -> None:
    assert text in STRINGS and not is_on_the_page(text)


def test_the_page_has_the_return_codes_of_the_code() -> None:
    listed = [(int(code), row[1], row[2]) for row in rows("RetCode") for code in row[0].split(",")]
    assert sorted(listed) == sorted((code, meaning, CLASSES[kind]) for code, (kind, meaning, _advice) in RETURN_CODES.items())
    assert {row[0] for row in rows("Class")} == set(CLASSES.values())
    assert all(row[3] for row in rows("RetCode"))


def test_the_page_has_the_outcomes_of_the_code() -> None:
    outcomes = {*snapshot.OUTCOMES, *snapshot_rollback.OUTCOMES, *vm_power.OUTCOMES}
    assert sorted(outcome for row in rows("Outcome") for outcome in literals(row[0])) == sorted(outcomes)


def test_the_page_has_a_section_for_every_class_of_error() -> None:
    def names(kind: type[UCloudStackError]) -> set[str]:
        return {kind.__name__}.union(*map(names, kind.__subclasses__()))

    for each in pkgutil.iter_modules(module_utils.__path__, f"{module_utils.__name__}."):
        importlib.import_module(each.name)
    of_sections = {name for line in re.findall(r"^\.\. of (.+)$", PAGE, re.MULTILINE) for name in line.split(", ")}
    assert of_sections == names(UCloudStackError) - {"UCloudStackError"}


def test_the_page_has_the_states_of_a_host() -> None:
    readme = (CHECKOUT / "roles" / "guarded_maintenance" / "README.md").read_text()
    (line,) = re.findall(r"^\| `state` \| (.+) \|$", readme, re.MULTILINE)
    assert sorted(literals(row[0])[0] for row in rows("State")) == sorted(re.findall(r"`(\w+)`[,;]? ?", re.sub(r"`meta: \w+`", "", line)))
