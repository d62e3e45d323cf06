# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest
from pages.links import broken


@pytest.mark.parametrize(
    ("page", "references"),
    [
        ('<h1 id="top"><a href="#top">', []),
        ('<a href="../index.html#start">', []),
        ('<a href="../index.html?q=1#start">', []),
        ('<img src="../a%20picture.svg">', []),
        ('<a href="https://example.com/gone">', []),
        ('<a href="mailto:somebody@example.com">', []),
        ('<a href="#gone">', ["#gone"]),
        ('<a href="../index.html#gone">', ["../index.html#gone"]),
        ('<a href="index.html">', ["index.html"]),
        ('<a href="/">', ["/"]),
        ('<a href="..">', [".."]),
        ('<script src="gone.js"></script><link href="gone.css">', ["gone.css", "gone.js"]),
    ],
)
def test_references_that_lead_nowhere_are_reported(tmp_path: Path, page: str, references: list[str]) -> None:
    (tmp_path / "index.html").write_text('<a name="start"></a>')
    (tmp_path / "a picture.svg").write_text("<svg/>")
    (tmp_path / "guides").mkdir()
    (tmp_path / "guides" / "page.html").write_text(page)
    assert broken(tmp_path) == [f"guides/page.html refers to {each}, which does not exist" for each in references]


def test_site_without_pages_is_reported(tmp_path: Path) -> None:
    assert broken(tmp_path) == [f"{tmp_path} has no pages"]
