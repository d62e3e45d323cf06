# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The browser of this machine, if there is one."""

from __future__ import annotations

import shutil
import subprocess

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_chromium() -> str | None:
    """The first browser that really runs: a distribution may have a stub of that name."""
    return next(filter(_runs, filter(None, map(shutil.which, BROWSERS))), None)


def _runs(browser: str) -> bool:
    return subprocess.run([browser, "--version"], check=False, capture_output=True).returncode == 0
