# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``make docs`` checks of the site that it has built: every link within it leads somewhere, and every page fits a phone.

``python tests/pages docs/build/html`` prints a line for each fault, and exits with 1 if there are any.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.chromium import find_chromium

from pages.links import broken
from pages.width import PHONE, widths


def main(site: Path) -> int:
    """Check the site in this folder; returns the exit status."""
    faults = broken(site)
    if chromium := find_chromium():
        edges = widths(chromium, sorted(site.rglob("*.html")))
        wide = {page.relative_to(site): edge for page, edge in edges.items() if edge > PHONE}
        faults += [f"{page} is {edge:.0f} px wide on a phone of {PHONE} px" for page, edge in wide.items()]
    else:
        print("There is no Chromium on this machine: whether the pages fit a phone was not checked.")
    print(*faults, f"{len(faults)} faults in the pages", sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
