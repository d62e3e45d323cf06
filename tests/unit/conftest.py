# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which of the unit tests have nothing to do with ansible-core."""

from __future__ import annotations

from pathlib import Path

import pytest

WITHOUT_ANSIBLE = {"benchmark", "docs", "emulator", "module_utils", "pages", "soak"}
"""Folders of tests of what is written in plain Python."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if WITHOUT_ANSIBLE.intersection(item.path.relative_to(Path(__file__).parent).parts):
            item.add_marker(pytest.mark.once)
