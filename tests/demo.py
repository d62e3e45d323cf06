# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``make demo``: run ``playbooks/demo.yml``, a maintenance run, on four guests of an emulated cloud.

The state of the disks in the table is not what the playbook reports, but read from their bytes.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from emulator.generations import GENERATIONS, OLDEST
from support import stage
from support.collection import CHECKOUT, COLLECTIONS

STORY = {
    "web1": ("patch succeeds", "verified", "patched"),
    "web2": ("patch fails", "restored", "as before"),
    "web3": ("verification fails", "restored", "as before"),
    "web4": ("host is lost", "restored", "as before"),
}
"""What happens to each host, the state in its report, and its disks afterwards."""
PAGE = CHECKOUT / "tests" / "output" / "demo.html"
"""The report page that the demo leaves behind."""
SECONDS = ("--snapshot-seconds", "1", "--rollback-seconds", "1")
"""Duration of a snapshot and of a rollback in the emulated cloud."""


def main() -> int:
    """Parse the arguments and run the demo; returns the exit status."""
    parser = argparse.ArgumentParser(prog="make demo", description="A maintenance run on an emulated cloud.")
    parser.add_argument("--generation", choices=GENERATIONS, default=OLDEST, help="of the platform (default: %(default)s)")
    parser.add_argument("--scratch", type=Path, help="folder for its files (default: the system's)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="demo-", dir=arguments.scratch) as name:
        folder = Path(name).resolve()
        with stage.emulator(folder / "cloud", *SECONDS, generation=arguments.generation) as cloud:
            hosts = {host: cloud.guest(host) for host in STORY}
            inventory = folder / "inventory.json"
            inventory.write_text(json.dumps({"web": {"hosts": hosts}}))
            before = checksums(hosts)
            environment = {**cloud.environment, "ANSIBLE_FORCE_COLOR": str(sys.stdout.isatty()), "ANSIBLE_DISPLAY_OK_HOSTS": "false"}
            environment["ANSIBLE_DISPLAY_SKIPPED_HOSTS"] = "false"
            report = folder / "report.json"
            PAGE.parent.mkdir(exist_ok=True)
            PAGE.unlink(missing_ok=True)
            given = {
                "demo_report": str(report),
                "demo_page": str(PAGE),
                "ucloudstack_manifest_dir": str(folder / "manifests"),
                "snapshot_rollback_stop_timeout": 30,
            }
            book = CHECKOUT / "playbooks" / "demo.yml"
            stage.playbook(book, COLLECTIONS, environment, given, "-i", str(inventory), capture=False)
            after = checksums(hosts)
            vms = {vm["name"]: vm["status"] for vm in cloud.control("state")["vms"]}
            writes = {action: cloud.calls(f"{action}Snapshot") for action in ("Create", "Rollback")}
        reports = json.loads(report.read_text()) if report.exists() else {}
    rows = []
    for host, (story, *wanted) in STORY.items():
        same = {one == other for one, other in zip(before[host], after[host], strict=True)}
        disks = "MIXED" if len(same) > 1 else "as before" if same == {True} else "patched"
        state = reports.get(host, {}).get("state", "no report")
        good = [state, disks, vms[host]] == [*wanted, "Running"]
        rows.append(
            (host, story, state, disks, vms[host], f"{reports.get(host, {}).get('seconds', '?')} s", "as it should be" if good else "WRONG")
        )
    header = ("host", "what happened", "report", "both disks", "VM", "time", "")
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    print()
    for row in [header, tuple("-" * width for width in widths), *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print(f"\n8 disks; {writes['Create']} snapshots were created, 6 of them as rollback markers; {writes['Rollback']} rollbacks.")
    print(f"The report of this run: {PAGE if PAGE.exists() else 'MISSING'}")
    if not PAGE.exists():
        return 1
    return 0 if all(row[-1] == "as it should be" for row in rows) and writes == {"Create": 14, "Rollback": 6} else 1


def checksums(hosts: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    return {host: [stage.checksum(image) for image in variables["guest_images"]] for host, variables in hosts.items()}


if __name__ == "__main__":
    sys.exit(main())
