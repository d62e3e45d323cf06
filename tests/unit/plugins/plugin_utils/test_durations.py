# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Durations as users write them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._durations import invalid_durations, seconds


@pytest.mark.parametrize(
    ("span", "expected"),
    [("0", 0), (90, 90), ("90", 90), ("90s", 90), ("2m", 120), ("24h", 86400), ("14d", 1209600), ("2w", 1209600), (" 14 d ", 1209600)],
)
def test_seconds(span: Any, expected: int) -> None:
    assert seconds(span) == expected
    assert invalid_durations({"some_age": span}) == ""


@pytest.mark.parametrize("span", ["", None, "d", "1y", "1.5h", "-1d", "1d2h", "14D", "1 000", "1" * 10, "٣d", ["1d"]])
def test_invalid(span: Any) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        seconds(span)
    assert invalid_durations({"good": "1d", "some_age": span}) == (
        f"invalid duration: some_age is {span}. Use seconds, or a number followed by s, m, h, d or w."
    )


def test_all_invalid_ones_are_named() -> None:
    assert "invalid duration: a is x, b is y. Use" in invalid_durations({"a": "x", "good": 1, "b": "y"})
