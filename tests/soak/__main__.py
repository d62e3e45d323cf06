# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make soak``: thousands of operations against a cloud with a fifth of its responses faulty, and a table of the results.

Exits with 1 if a snapshot was created twice, a write was lost, or any guarantee was broken.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import support.collection  # noqa: F401, pylint: disable=unused-import
from emulator.generations import GENERATIONS

from soak.tally import soak


def main() -> int:
    """Parse the arguments, soak, print; returns the exit status."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--operations", type=int, default=10_000, help="number of tasks to run, at least (default: %(default)s)")
    parser.add_argument(
        "--seed", type=int, default=1, help="seed of the random choices; the same seed gives the same tasks (default: %(default)s)"
    )
    parser.add_argument("--generation", choices=GENERATIONS, help="of the platform (default: random for each world)")
    arguments = parser.parse_args()
    tally = soak(arguments.operations, arguments.seed, processes=os.cpu_count() or 1, generation=arguments.generation)
    print(tally.table())
    for each in tally.broken:
        print(f"\n{each.sort}: {each.text}")
    return 1 if tally.broken else 0


if __name__ == "__main__":
    sys.exit(main())
