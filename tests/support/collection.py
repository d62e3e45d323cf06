# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The checkout as a collection that Python and Ansible can import. Import this module before anything from ``ansible_collections``."""

from __future__ import annotations

import atexit
import shutil
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def _link() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="collections-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    namespace = folder / "ansible_collections" / "ucloudstack"
    namespace.mkdir(parents=True)
    (namespace / "cloud").symlink_to(CHECKOUT)
    sys.path.insert(0, str(folder))
    return folder


COLLECTIONS = _link()
"""A temporary collections path that contains a link to the checkout."""
