# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The examples in documents: Markdown, RST, and the EXAMPLES of modules and plugins."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

PATTERNS = {
    ".md": re.compile(r"^```\w+\n(.*?)^```", re.DOTALL | re.MULTILINE),
    ".rst": re.compile(r"\.\. code-block:: \w+\n\n((?:[ \t]+\S.*\n|\n)+)"),
    ".py": re.compile(r'^EXAMPLES = r"""\n(.*?)^"""', re.DOTALL | re.MULTILINE),
}
"""Where examples are, by the suffix of the file."""


def examples(document: Path) -> list[str]:
    """The examples of a document, in their order."""
    return [dedent(text).strip("\n") + "\n" for text in PATTERNS[document.suffix].findall(document.read_text())]
