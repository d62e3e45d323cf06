# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page on failures says what the code says: its messages, its return codes, its outcomes; and it leaves none out."""

from __future__ import annotations

import ast
import importlib
import itertools
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stage
import yaml
from ansible_collections.ucloudstack.cloud.plugins import module_utils
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

PAGE = (stage.CHECKOUT / "docs" / "docsite" / "rst" / "guide_failures.rst").read_text()
PLUGINS = sorted((stage.CHECKOUT / "plugins").glob("*/*.py"))
TASK_FILES = sorted((stage.CHECKOUT / "roles").glob("*/tasks/*.yml"))
CLASSES: dict[type[UCloudStackError], str] = {
    FatalError: "for good",
    NotFoundError: "for good",
    NoPermissionError: "for good",
    RefusedError: "for now",
    TooFrequentError: "for now",
    WrongStateError: "by state",
    UnknownOutcomeError: "unknown",
}
GAP = "\0"
"""What stands in a text of the code for something that differs from case to case."""
DOCUMENTATION = {"DOCUMENTATION", "EXAMPLES", "RETURN"}
NOT_SPOKEN = {"name", "when", "that", "contains"}
"""What of a task is not for a person, but for the names that only the progress of a play shows."""
NO_FAILURES = {"put back to ", "would be put back to ", "snapshots had expired."}


def names_below(kind: type[UCloudStackError]) -> set[str]:
    """The names of a class and of all that are derived from it."""
    return {kind.__name__, *(name for each in kind.__subclasses__() for name in names_below(each))}


for each in pkgutil.iter_modules(module_utils.__path__, f"{module_utils.__name__}."):
    importlib.import_module(each.name)
ERRORS = names_below(UCloudStackError)


# ---- what the page has


def tables() -> Iterator[list[list[str]]]:
    """The list-tables of the page: rows of cells, the first row being the heads."""
    for block in re.split(r"^\.\. list-table::\n", PAGE, flags=re.MULTILINE)[1:]:
        body = re.match(r"(?:   .*\n|\n)*", block)
        assert body
        rows = re.split(r"^   \* - ", body[0], flags=re.MULTILINE)[1:]
        yield [[" ".join(cell.split()) for cell in re.split(r"^     - ", row, flags=re.MULTILINE)] for row in rows]


def rows(head: str) -> list[list[str]]:
    """The rows of all tables whose first column has this head."""
    return [row for table in tables() if table[0][0] == head for row in table[1:]]


def literals(cell: str) -> list[str]:
    return re.findall(r"``(.+?)``", cell)


MESSAGES = [message for row in rows("Message") for message in literals(row[0])]


def parts(message: str) -> list[str]:
    """The words of a message that are the same in every case."""
    return [part.strip() for part in message.split("…") if part.strip()]


# ---- what the code says


def texts_of(node: ast.AST) -> list[str]:
    """The texts that an expression can make, with a gap where they are not the same in every case; none for one that makes no text."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, ast.IfExp):
        return texts_of(node.body) + texts_of(node.orelse)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        halves = [texts_of(each) for each in (node.left, node.right)]
        return ["".join(pair) for pair in itertools.product(*(half or [GAP] for half in halves))] if any(halves) else []
    if isinstance(node, ast.JoinedStr):
        values = [each.value if isinstance(each, ast.FormattedValue) else each for each in node.values]
        return ["".join(parts) for parts in itertools.product(*(texts_of(each) or [GAP] for each in values))]
    return []


def code_of(path: Path) -> list[ast.AST]:
    """All that a Python file does, without what it says of itself: docstrings and documentation."""
    tree = ast.parse(path.read_text())
    about_itself: set[int] = set()
    for node in ast.walk(tree):
        documents = isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in DOCUMENTATION
        if documents or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            about_itself |= {id(each) for each in ast.walk(node)}
    return [node for node in ast.walk(tree) if id(node) not in about_itself]


def strings(value: Any) -> Iterator[str]:
    """All texts below a task that it may say."""
    if isinstance(value, dict):
        for key, each in value.items():
            if key not in NOT_SPOKEN:
                yield from strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)
    elif isinstance(value, str):
        yield value


CODE = {path: code_of(path) for path in PLUGINS}
SAID_BY_PLUGINS = [text for nodes in CODE.values() for node in nodes for text in texts_of(node)]
SAID_BY_ROLES = [
    " ".join(re.sub(r"'\s*~\s*'", "", text).split()) for path in TASK_FILES for text in strings(yaml.safe_load(path.read_text()))
]


def spoken(text: str) -> bool:
    """Whether a text is for a person: it has three words at least."""
    return re.search(r"[A-Za-z]{2,}[^\w.]+(\w+[^\w.]+)*[A-Za-z]{2,}[^\w.]+[A-Za-z]{2,}", text) is not None


def of_errors() -> Iterator[str]:
    """The text of every exception of the collection that plugins make."""
    for nodes in CODE.values():
        for node in nodes:
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS:
                yield from (text for argument in node.args for text in texts_of(argument) if spoken(text))


def of_decisions() -> Iterator[str]:
    """The texts with which a step of a plan fails, and those of warnings."""
    for path, nodes in CODE.items():
        for node in nodes:
            said: list[ast.expr] = []
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("failed", "_done") and "failed" in ast.unparse(node):
                said = node.args
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in ("msg", "warning", "unmarked"):
                said = [node.value]
            if isinstance(node, ast.Yield) and node.value and path.parent.name == "filter":
                said = [node.value]
            yield from (text for each in said for text in texts_of(each) if spoken(text))


def of_roles() -> Iterator[str]:
    """Every text of the roles that is fit for a person, within templates and around them."""
    for text in SAID_BY_ROLES:
        around, *templates = re.split(r"{[{%]", text)
        for template in templates:
            inside, _end, behind = re.split(r"([%}]}(?!}))", template, maxsplit=1)
            around += GAP + behind
            yield from (each for each in re.findall(r"'([^']*)'", inside) if spoken(each) and not each.endswith(".yml"))
        yield from filter(spoken, (each.strip() for each in around.split(GAP)))


# ---- the page is true


def test_the_page_has_messages() -> None:
    assert len(MESSAGES) > 100 and all(any(len(part) > 3 for part in parts(message)) for message in MESSAGES)


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_of_the_page_is_said_by_the_code(message: str) -> None:
    for part in parts(message):
        assert any(part in text for text in SAID_BY_PLUGINS + SAID_BY_ROLES), part


def test_the_return_codes_of_the_page_are_those_of_the_code() -> None:
    listed = {int(code): (row[1], row[2]) for row in rows("RetCode") for code in row[0].split(",")}
    assert listed == {code: (meaning, CLASSES[kind]) for code, (kind, meaning, _advice) in RETURN_CODES.items()}
    assert {row[0] for row in rows("Class")} == set(CLASSES.values())
    assert all(row[3] for row in rows("RetCode"))


def test_no_return_code_is_on_the_page_twice() -> None:
    codes = [int(code) for row in rows("RetCode") for code in row[0].split(",")]
    assert len(codes) == len(set(codes))


def test_every_outcome_is_explained_and_no_other() -> None:
    outcomes = {*snapshot.OUTCOMES, *snapshot_rollback.OUTCOMES, *vm_power.OUTCOMES}
    explained = [outcome for row in rows("Outcome") for outcome in literals(row[0])]
    assert sorted(explained) == sorted(outcomes)


def test_every_class_of_error_has_a_section() -> None:
    of_sections = {name for line in re.findall(r"^\.\. of (.+)$", PAGE, re.MULTILINE) for name in line.split(", ")}
    assert of_sections == ERRORS - {"UCloudStackError"}


def test_every_state_of_a_host_is_explained() -> None:
    readme = (stage.CHECKOUT / "roles" / "guarded_maintenance" / "README.md").read_text()
    (line,) = re.findall(r"^\| `state` \| (.+) \|$", readme, re.MULTILINE)
    assert sorted(literals(row[0])[0] for row in rows("State")) == sorted(re.findall(r"`(\w+)`[,;]? ?", re.sub(r"`meta: \w+`", "", line)))


# ---- the page is complete


def is_on_the_page(text: str) -> bool:
    """Whether a message of the page has all of its words from this text, or some that are telling."""
    return any(
        all(part in text for part in parts(message)) or any(part in text and spoken(part) for part in parts(message))
        for message in MESSAGES
    )


@pytest.mark.parametrize("text", sorted({*of_errors(), *of_decisions()}), ids=lambda text: text.replace(GAP, "…")[:80])
def test_what_plugins_say_when_they_fail_or_warn_is_on_the_page(text: str) -> None:
    assert is_on_the_page(text), text


@pytest.mark.parametrize("text", sorted({*of_roles()} - NO_FAILURES))
def test_what_roles_say_is_on_the_page(text: str) -> None:
    assert is_on_the_page(text), text
