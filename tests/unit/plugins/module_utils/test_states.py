# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of states: what every generation's words mean, and that no other file knows how they are spelled."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.ucloudstack.cloud.plugins.module_utils import _states
from ansible_collections.ucloudstack.cloud.plugins.module_utils._states import DiskState, SnapshotState, VmState

CHECKOUT = Path(__file__).parents[4]
TABLES: dict[str, Mapping[str, tuple[Any, str]]] = {
    "snapshot_state": _states.SNAPSHOT_STATES,
    "disk_state": _states.DISK_STATES,
    "vm_state": _states.VM_STATES,
}
WORDS = {word for table in TABLES.values() for word in table} - {"", _states.UNLISTED}

GENERATIONS: dict[str, dict[Any, str]] = {
    "snapshot_state": {
        SnapshotState.USABLE: "Normal",
        SnapshotState.CREATING: "Createing Creating",
        SnapshotState.ROLLING_BACK: "RollBacking Rollbacking",
        SnapshotState.DELETING: "Deleting",
        SnapshotState.GONE: "Deleted Released",
        SnapshotState.FAILED: "Failure",
        SnapshotState.UNKNOWN: "Unknown Pondering Creat",
    },
    "disk_state": {
        DiskState.STABLE: "Unbound Bound Detached Attached Shareabled",
        DiskState.BUSY: "Creating Bounding Unbounding Attaching Detaching BeingCloned Cloning Upgrading Snapshoting Rollbacking "
        "Shareabling Blockcopying Blockcopyed",
        DiskState.LOST: "Deleting Deleted Releasing Released Failed",
        DiskState.UNKNOWN: "Unknown Pondering Normal",
    },
    "vm_state": {
        VmState.RUNNING: "Running",
        VmState.STOPPED: "Stopped",
        VmState.INITIALIZING: "Initializing",
        VmState.STARTING: "Starting Restarting",
        VmState.STOPPING: "Stopping",
        VmState.POWERING_OFF: "Poweroffing",
        VmState.BUSY: "Resizing Migrating MigrateDisking WaitReinstall Reinstalling ChangeSGing Saving Saved Reverted",
        VmState.LOST: "Deleting Deleted Terminating Terminated Failed RFailed",
        VmState.UNKNOWN: "Unknown Pondering",
    },
}
"""The documented words of 1.x, 2.x and 2026 by what they mean, and words that none documents."""


@pytest.mark.parametrize(
    ("kind", "word", "meaning"),
    [(kind, word, meaning) for kind, table in GENERATIONS.items() for meaning, words in table.items() for word in words.split()],
)
def test_what_a_word_means_whatever_its_case(kind: str, word: str, meaning: Any) -> None:
    mean = getattr(_states, kind)
    assert {mean(each) for each in (word, word.lower(), word.upper())} == {meaning}


@pytest.mark.parametrize("kind", TABLES)
def test_a_word_that_is_in_no_table_is_not_known(kind: str) -> None:
    mean = getattr(_states, kind)
    assert {mean(word).value for word in ("", " ", "Pondering", "Runing", "Normal ", "None")} == {"unknown"}


@pytest.mark.parametrize("kind", TABLES)
def test_each_word_has_one_row_and_a_source(kind: str) -> None:
    table = TABLES[kind]
    assert len({word.casefold() for word in table}) == len(table)
    for word, (_meaning, source) in table.items():
        assert re.match(r"(1\.x|2\.x|2026|none)\b", source), word
    documented = {word for words in GENERATIONS[kind].values() for word in words.split()}
    assert {word.casefold() for word in table} <= {each.casefold() for each in documented} | {"", _states.UNLISTED}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Createing", "Creating", True),
        ("RollBacking", "rollbacking", True),
        ("Deleted", "Released", True),
        ("Normal", "Createing", False),
        ("Pondering", "pondering", True),
        ("Pondering", "Wondering", False),
        ("Unknown", "Pondering", False),
    ],
)
def test_words_that_mean_the_same(one: str, other: str, same: bool) -> None:
    assert {_states.same_snapshot_state(*pair) for pair in ((one, other), (other, one))} == {same}


# ---- no other file compares spellings


def texts_of(path: Path) -> Iterator[str]:
    """Every text that code compares or hands on: not documentation, not comments, not what people read."""
    if path.suffix == ".py":
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
    else:
        yield from re.findall(r"'([^']*)'", path.read_text())
        yield from leaves(yaml.safe_load(path.read_text()))


def leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from leaves(each)
    elif isinstance(value, str):
        yield value


FILES = [
    path.relative_to(CHECKOUT)
    for folder, pattern in (("plugins", "*.py"), ("roles", "*.yml"), ("playbooks", "*.yml"))
    for path in sorted((CHECKOUT / folder).rglob(pattern))
    if path.name != "_states.py"
]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_no_other_file_knows_how_a_state_is_spelled(path: Path) -> None:
    assert [text for text in texts_of(CHECKOUT / path) if text in WORDS] == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.py", 'if snapshot.status == "Normal": pass'),
        ("a.py", 'done = vm.state in {"Stopped", x}'),
        ("a.yml", "a: \"{{ x | selectattr('state', 'in', ['Running']) }}\""),
        ("a.yml", "a: [Attached]"),
    ],
)
def test_a_spelling_in_another_file_would_be_found(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    assert any(text in WORDS for text in texts_of(tmp_path / name))
