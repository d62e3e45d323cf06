# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files on a guest's disk, read from its bytes, without the guest and without mounting it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from . import guest

WRITTEN_ANYWAY = ("lost+found", "root/.ansible", "run", "tmp", "var/cache", "var/lib/systemd", "var/lib/dhcp", "var/log", "var/tmp")
"""What differs after any boot and any task, even if nothing was patched."""


def changes(before: Path, after: Path, folder: Path) -> set[str]:
    """The files of two boot disks that differ, apart from those that are written anyway."""
    old, new = (_contents(files(disk, folder / name, guest.FIRST_BYTE)) for disk, name in ((before, "before"), (after, "after")))
    differing = {path for path in old.keys() | new.keys() if old.get(path) != new.get(path)}
    return {path for path in differing if not any(Path(path).is_relative_to(written) for written in WRITTEN_ANYWAY)}


def files(disk: Path, target: Path, start: int = 0) -> Path:
    """Copy the files of a disk's file system, which starts at this byte, to a new folder. What its journal holds is applied first.

    Raises CalledProcessError if the file system is damaged beyond what its journal repairs.
    """
    target.mkdir()
    image = target.with_suffix(".img")
    shell = 'dd if="$1" of="$2" bs=1M skip="$3"B conv=sparse status=none'
    subprocess.run(["sh", "-c", shell, "sh", disk, image, str(start)], check=True)
    subprocess.run(["/sbin/e2fsck", "-p", image], check=True, capture_output=True)
    subprocess.run(["/sbin/e2fsck", "-n", "-f", image], check=True, capture_output=True)
    subprocess.run(["/sbin/debugfs", "-R", f"rdump / {target}", image], check=True, capture_output=True)
    image.unlink()
    return target


def _contents(folder: Path) -> dict[str, str]:
    """Path → type, mode, and content."""
    found = {}
    for path in folder.rglob("*"):
        mode = path.lstat().st_mode
        content = ""
        if path.is_symlink():
            content = os.readlink(path)
        elif path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        found[str(path.relative_to(folder))] = f"{mode:o} {content}"
    shutil.rmtree(folder)
    return found
