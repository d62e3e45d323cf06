# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every example in the documents is a play, or tasks, that Ansible understands: its keywords, modules, roles and filters exist."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml
from support import stage
from support.collection import CHECKOUT, COLLECTIONS

pytestmark = pytest.mark.once

MARKDOWN = re.compile(r"^```yaml\n(.*?)^```", re.DOTALL | re.MULTILINE)
RST = re.compile(r"\.\. code-block:: yaml\n\n((?:[ \t]+\S.*\n|\n)+)")
EXAMPLES = re.compile(r'^EXAMPLES = r"""\n(.*?)^"""', re.DOTALL | re.MULTILINE)


def texts() -> list[tuple[str, str]]:
    """The examples, each with the file that it is in."""
    found: list[tuple[str, str]] = []
    for suffix, pattern in (("md", MARKDOWN), ("rst", RST), ("py", EXAMPLES)):
        for folder in ("", "docs", "examples", "playbooks", "plugins", "roles"):
            paths = (CHECKOUT / folder).rglob(f"*.{suffix}") if folder else CHECKOUT.glob(f"*.{suffix}")
            for path in sorted(paths):
                found += [(str(path.relative_to(CHECKOUT)), dedent(text)) for text in pattern.findall(path.read_text())]
    return found


def plays(example: Any) -> list[dict[str, Any]]:
    """An example as plays; none if it is something else, such as variables."""
    if not isinstance(example, list):
        return []
    return [each if "hosts" in each else {"hosts": "localhost", "tasks": [each]} for each in example]


def test_examples_of_all_kinds_are_found() -> None:
    files = {file for file, _text in texts()}
    modules = {f"plugins/modules/{path.name}" for path in (CHECKOUT / "plugins" / "modules").glob("*.py")}
    assert {"README.md", "roles/guarded_maintenance/README.md", "docs/docsite/rst/guide_retention.rst", *modules} <= files


def test_ansible_understands_every_example(tmp_path: Path) -> None:
    books = []
    for number, (file, text) in enumerate(texts()):
        if written := [play for example in yaml.safe_load_all(text) for play in plays(example)]:
            book = tmp_path / f"{number}-{file.replace('/', '-')}.yml"
            book.write_text(yaml.safe_dump(written, sort_keys=False))
            books.append({"ansible.builtin.import_playbook": str(book)})
    assert len(books) > 20
    everything = tmp_path / "everything.yml"
    everything.write_text(yaml.safe_dump(books))
    checked = stage.playbook(everything, COLLECTIONS, {}, {}, "--syntax-check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
