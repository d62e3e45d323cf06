# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``make demo``: an emulated cloud with two disks, and ``playbooks/demo.yml`` run on it.

What the summary says is not the playbook's word: it is read off the disks' bytes and the emulator's record of calls.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import stage


def main(scratch: str | None) -> int:
    """Run the demo with all its files below ``scratch``, the system's folder for such when None; returns the exit status."""
    with tempfile.TemporaryDirectory(prefix="demo-", dir=scratch) as name:
        folder = Path(name).resolve()
        collections = stage.link_collection(folder / "collections")
        sys.path.insert(0, str(collections))
        with stage.emulator(folder / "cloud") as cloud:
            disks = [cloud.disk("boot"), cloud.disk("data")]
            before = [stage.checksum(disk["image"]) for disk in disks]
            environment = {**cloud.environment, "ANSIBLE_FORCE_COLOR": str(sys.stdout.isatty())}
            book = stage.CHECKOUT / "playbooks" / "demo.yml"
            played = stage.playbook(book, collections, environment, {"disks": disks}, capture=False)
            after = [stage.checksum(disk["image"]) for disk in disks]
            left = cloud.control("state")["snapshots"]
            writes = {action: cloud.calls(f"{action}Snapshot") for action in ("Create", "Rollback", "Delete")}
    checks = {
        "the playbook ran to its end": played.returncode == 0,
        "every byte of both disks is as it was before": after == before,
        f"2 snapshots were made, in two tasks that asked for them: {writes['Create']}": writes["Create"] == 2,
        f"2 rollbacks: {writes['Rollback']}": writes["Rollback"] == 2,
        f"2 deletions: {writes['Delete']}, and {len(left)} snapshots are left": writes["Delete"] == 2 and not left,
    }
    print("\nWhat the emulated cloud saw:")
    for line, good in checks.items():
        print(f"  {'yes' if good else 'NO '}  {line}")
    for disk, checksum in zip(disks, after, strict=True):
        print(f"       {disk['disk_id']}  sha256 {checksum[:16]}…")
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if sys.argv[1:] else None))
