# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make bench``: what one task takes for 1 to 5,000 disks, against what the cloud itself needs.

Seconds are those of the whole ``ansible-playbook``, and CPU seconds those of all its processes; the emulator, a process of its own, is not
included. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import support.collection  # noqa: F401, pylint: disable=unused-import
from benchmark.arguments import count
from benchmark.modules import figures
from benchmark.modules.tasks import CLOUD, LOOP, LOOPED, TASKS, measure, seconds_of_import, stand

MEMORY = Path("/dev/shm")  # noqa: S108 (only a parent of temporary directories)
"""A file system in memory, if there is one: each emulated snapshot is a file, and a real cloud does not wait for the disk of this machine."""
MANY = 1000
"""From so many disks on, 32 calls are made at once instead of 16, and from five times as many on, each task is run once."""


def main() -> int:
    """Parse the arguments, measure, print; returns the exit status."""
    parser = argparse.ArgumentParser(prog="make bench", description="Measure what one task takes, against an emulated cloud.")
    counts = [1, 10, 100, MANY, 5 * MANY]
    parser.add_argument("--disks", type=count, nargs="+", default=counts, help=f"numbers of disks (default: {' '.join(map(str, counts))})")
    parser.add_argument("--repeats", type=count, default=3, help="runs of each task (default: %(default)s)")
    parser.add_argument("--tls", action="store_true", help="speak HTTPS")
    parser.add_argument("--rate", type=count, help="let the cloud accept only so many requests a second")
    parser.add_argument("--loop", action="store_true", help=f"also a loop over the disks, where there are at most {LOOPED}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to this file")
    arguments = parser.parse_args()
    imports = seconds_of_import()
    settings = {"ansible_core": version("ansible-core"), "python": sys.version.split()[0], "import_seconds": imports}
    print(f"ansible-core {settings['ansible_core']}, Python {settings['python']}; the import of requests takes {imports:.2f} s")
    rows, runs = [], {}
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=MEMORY if MEMORY.is_dir() else None) as name:
        for disks in sorted(set(arguments.disks)):
            parallelism = 32 if disks >= MANY else 16
            tasks = [*TASKS, LOOP] if arguments.loop and disks <= LOOPED else TASKS
            tls = ["--tls"] if arguments.tls else []
            with stand(Path(name).resolve() / str(disks), disks, parallelism, arguments.rate, *tls) as ready:
                print(f"{disks} disks:", flush=True)
                runs[disks] = measure(ready, tasks, 1 if disks >= 5 * MANY else arguments.repeats)
            rows += figures.rows(disks, parallelism, replace(CLOUD, rate=arguments.rate), imports, runs[disks])
            if arguments.json:
                arguments.json.write_text(json.dumps({**settings, **figures.as_json(rows, runs)}, indent=2) + "\n")
    print(f"\n{figures.costs(rows)}")
    print("\nlimit: a ping playbook, the import of requests, the calls that are needed, so many at once, and what the cloud itself takes")
    print("echo: a module that takes as many ids and returns as many results, without any cloud")
    return 0


if __name__ == "__main__":
    sys.exit(main())
