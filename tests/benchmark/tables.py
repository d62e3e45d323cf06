# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tables as text."""

from __future__ import annotations

from collections.abc import Sequence


def table(header: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    """Columns of numbers to the right, those of words to the left."""
    lines = [header, *cells]
    columns = list(zip(*lines, strict=True))
    widths = [max(map(len, column)) for column in columns]
    words = [any(cell[:1].isalpha() for cell in column[1:]) for column in columns]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if is_words else cell.rjust(width) for cell, width, is_words in zip(line, widths, words, strict=True)
        ).rstrip()
        for line in lines
    )
