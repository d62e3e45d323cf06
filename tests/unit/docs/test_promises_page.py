# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page on promises names tests that exist, and the promises that the soak really holds."""

from __future__ import annotations

import inspect
import re

import pytest
from soak import promises
from support.collection import CHECKOUT

PAGE = (CHECKOUT / "docs" / "docsite" / "rst" / "guide_promises.rst").read_text()
NAMED = sorted(set(re.findall(r"``(test_\w+)``", PAGE)))
THERE = {
    name for file in (CHECKOUT / "tests").rglob("test_*.py") for name in re.findall(r"^def (test_\w+)\(", file.read_text(), re.MULTILINE)
}


@pytest.mark.parametrize("name", NAMED)
def test_a_test_that_is_named_exists(name: str) -> None:
    assert name in THERE


def test_promises_of_the_soak_are_those_of_the_page() -> None:
    functions = {name for name, each in inspect.getmembers(promises, inspect.isfunction) if each.__module__ == promises.__name__}
    held = {name for name in functions if not name.startswith("_")} - {promises.broken.__name__}
    assert set(re.findall(r"^   \* - ``(\w+)``$", PAGE, re.MULTILINE)) == held


def test_promises_that_hold_of_every_task_are_asked_of_every_task() -> None:
    asked = {promise.__name__ for sort in promises.PROMISES.values() for promise in sort}
    assert asked == {"once", "only_what_was_asked", "rolled_back_once", "nothing_forgotten", "done_as_told", "attached_again", "answered"}
