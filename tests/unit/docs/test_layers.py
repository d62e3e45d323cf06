# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who may import whom: the layers of the plugins are those of the picture in the contributor's guide."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from support.collection import CHECKOUT

PLUGINS = CHECKOUT / "plugins"
OURS = "ansible_collections.ucloudstack.cloud.plugins."
PICTURE = re.search(r"```text\n(.*?)```", (CHECKOUT / "docs" / "contributing.md").read_text(), re.DOTALL)
SIDES = [line.partition("#")[0].split("|") for line in (PICTURE[1] if PICTURE else "").splitlines()]
PLACES = {
    name: (row, side if len(sides) > 1 else None)
    for row, sides in enumerate(SIDES)
    for side, names in enumerate(sides)
    for name in names.split()
}
"""Each folder or file with its line in the picture, and the side of the bar that it is on, if there is one in that line."""
OF_OTHERS = {
    "requests": {"_transport"},
    "certifi": {"_transport"},
    "urllib3": {"_transport"},
    "ansible": {"modules", "filter", "inventory", "plugin_utils", "_module"},
    "yaml": {"plugin_utils"},
}
"""Who may import what is not of the standard library."""

FILES = sorted(path for path in PLUGINS.rglob("*.py") if path.parent.name != "doc_fragments")


def place(path: Path) -> str:
    """A file's name in the picture: its own, or that of its folder."""
    return path.stem if path.parent.name == "module_utils" else path.parent.name


def imports(source: str) -> set[str]:
    """Full names of what a file imports, at whatever depth."""
    nodes = list(ast.walk(ast.parse(source)))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {f"{node.module}.{alias.name}" for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}


def wrong(name: str, source: str) -> list[str]:
    """The imports that are not of a layer below, or not of a package that this file may use."""
    row, side = PLACES[name]
    below = {each for each, (lower, other) in PLACES.items() if lower > row and (side == other or None in (side, other))}
    found = imports(source)
    ours = {each[len(OURS) :].replace("module_utils.", "").partition(".")[0] for each in found if each.startswith(OURS)}
    others = {each.partition(".")[0] for each in found if not each.startswith(OURS)}
    itself = {name} & {"plugin_utils"}  # a folder whose files are one layer
    return sorted((ours - below - itself) | {each for each in others if name not in OF_OTHERS.get(each, {name})})


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PLUGINS)))
def test_a_file_imports_only_from_layers_below_its_own(path: Path) -> None:
    assert wrong(place(path), path.read_text()) == []


def test_every_file_is_in_the_picture_once() -> None:
    drawn = [name for sides in SIDES for names in sides for name in names.split()]
    assert sorted(drawn) == sorted({place(path) for path in FILES})


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("_plan", f"from {OURS}module_utils._client import Client"),
        ("_client", f"from {OURS}module_utils import _plan"),
        ("_errors", f"from {OURS}module_utils._records import Step"),
        ("_plan", "import requests"),
        ("_client", "from ansible.module_utils.basic import AnsibleModule"),
    ],
)
def test_an_import_that_is_turned_round_would_be_found(name: str, line: str) -> None:
    assert wrong(name, line) != []
