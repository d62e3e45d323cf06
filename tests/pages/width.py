# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How wide pages are on a phone, measured in Chromium."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template

PHONE = 400
"""The width of the screen, in CSS pixels."""

# All pages are in frames of one document: a window cannot be as narrow as a phone, and starting the browser takes longer than a page.
# The right edge of everything counts, because the theme hides what sticks out, and then the page itself is never too wide. What is in a
# box that can be scrolled does not count.
HARNESS = Template("""\
<!DOCTYPE html>
<style>iframe { border: 0; width: ${width}px; height: 800px }</style>
$frames
<pre></pre>
<script>
  const edge = (element) => element.getBoundingClientRect().right;
  const scrolls = (element) => ["auto", "scroll"].includes(getComputedStyle(element).overflowX);
  const inBox = ({ parentElement: parent }) => parent && (scrolls(parent) || inBox(parent));
  const width = ({ contentDocument: page }) => {
    const wide = [...page.querySelectorAll("body *")].filter((each) => edge(each) > $width && !inBox(each));
    return Math.max(page.scrollingElement.scrollWidth, ...wide.map(edge));
  };
  const measure = () => {
    document.querySelector("pre").textContent = JSON.stringify([...document.querySelectorAll("iframe")].map(width));
  };
  onload = () => setTimeout(measure, 1000); // scripts of the theme change pages after they are loaded
</script>
""")


def widths(chromium: str, pages: Sequence[Path]) -> dict[Path, float]:
    """The right edge of each page, in CSS pixels: more than ``PHONE`` if something cannot be seen, or only by scrolling the whole page."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # processes of the browser may outlive it a little
        harness = Path(folder, "harness.html")
        frames = "\n".join(f'<iframe src="{escape(page.as_uri())}"></iframe>' for page in pages)
        harness.write_text(HARNESS.substitute(width=PHONE, frames=frames))
        options = (
            "--headless=new",
            "--no-sandbox",  # root has none, and the pages are our own
            "--disable-gpu",
            "--hide-scrollbars",  # those of a phone take no room
            "--virtual-time-budget=10000",  # of a clock that waits for pages, and for nothing else
            "--allow-file-access-from-files",  # one file may measure another
            f"--user-data-dir={folder}/profile",
        )
        command = [chromium, *options, "--dump-dom", harness.as_uri()]
        ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    measured = re.search(r"<pre>(\[.*?\])</pre>", ended.stdout)
    if not measured:
        raise RuntimeError(f"{chromium} measured nothing: {ended.stderr or ended.stdout}")
    return dict(zip(pages, json.loads(measured[1]), strict=True))
