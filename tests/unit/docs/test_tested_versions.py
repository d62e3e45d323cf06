# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of tested versions in the README: those that .ci/run and .ci/matrix test, and no other."""

from __future__ import annotations

import re

import pytest
import yaml
from support.collection import CHECKOUT

pytestmark = pytest.mark.once

KNOWN = {
    core: pythons.split() for core, pythons in re.findall(r"^(\d\S*) (.+)$", (CHECKOUT / ".ci" / "versions").read_text(), re.MULTILINE)
}
SHOWN = dict(re.findall(r"^\| (\d\.\d+) \| (\d\.\d+) \|", (CHECKOUT / "README.md").read_text(), re.MULTILINE))


def test_each_version_that_is_tested_is_in_the_table() -> None:
    assert list(SHOWN) == list(KNOWN)
    assert {core: python for core, python in SHOWN.items() if python not in KNOWN[core]} == {}


def test_the_oldest_one_is_the_oldest_that_is_supported() -> None:
    runtime = yaml.safe_load((CHECKOUT / "meta" / "runtime.yml").read_text())
    assert runtime["requires_ansible"].startswith(f">={next(iter(SHOWN))}.")
