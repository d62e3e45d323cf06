# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Durations as users write them: seconds, or a number with a unit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def seconds(span: Any) -> int:
    """``14d`` → 1209600. Raises ValueError for an invalid duration."""
    match = _match(span)
    if match is None:
        raise ValueError(f"{span!r} is not a duration")
    return int(match[1]) * UNITS[match[2]]


def _match(span: Any) -> re.Match[str] | None:
    return re.fullmatch(r"\s*([0-9]{1,9})\s*([smhdw]?)\s*", str(span))


def invalid_durations(variables: Mapping[str, Any]) -> str:
    """Which of these variables are not durations, and what to write instead; empty if all are."""
    invalid = [f"{name} is {span}" for name, span in variables.items() if _match(span) is None]
    return f"invalid duration: {', '.join(invalid)}. Use seconds, or a number followed by s, m, h, d or w." if invalid else ""
