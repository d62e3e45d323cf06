# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make soak``: thousands of operations in front of a cloud of which a fifth of the answers are faulty, and a table of what came of it.

Exits with 1 when a snapshot was made twice, a write was lost from sight, or anything was done that was not promised.
"""

from __future__ import annotations

import argparse
import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import stage

COLLECTIONS = stage.link_collection(Path(tempfile.mkdtemp(prefix="soak-")))
atexit.register(shutil.rmtree, COLLECTIONS, ignore_errors=True)
sys.path.insert(0, str(COLLECTIONS))

from emulator.generations import GENERATIONS  # noqa: E402

from soak.tally import soak  # noqa: E402


def main() -> int:
    """Parse the arguments, soak, print; returns the exit status."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--operations", type=int, default=10_000, help="how many tasks to run, at least (default: %(default)s)")
    parser.add_argument(
        "--seed", type=int, default=1, help="where chance begins; the same seed gives the same tasks (default: %(default)s)"
    )
    parser.add_argument("--generation", choices=GENERATIONS, help="of the platform (default: each world has one by chance)")
    arguments = parser.parse_args()
    tally = soak(arguments.operations, arguments.seed, processes=os.cpu_count() or 1, generation=arguments.generation)
    print(tally.table())
    for each in tally.broken:
        print(f"\n{each.sort}: {each.text}")
    return 1 if tally.broken else 0


if __name__ == "__main__":
    sys.exit(main())
