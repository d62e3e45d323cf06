# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Arguments that the benchmarks share."""

from __future__ import annotations


def count(text: str) -> int:
    """A whole number from 1 on. Raises ValueError."""
    value = int(text)
    if value < 1:
        raise ValueError
    return value
