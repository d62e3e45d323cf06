# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make bench-roles``: what the roles cost, in seconds and in plain ``debug`` tasks that would take as long.

Seconds and CPU seconds are those from the start of the first task on: loading the inventory and the role is not included. CPU seconds are
those of ansible-playbook and all that it starts, memory is that of its main process; the emulator is not included. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import support.collection  # noqa: F401, pylint: disable=unused-import
from benchmark.arguments import count
from benchmark.roles import figures
from benchmark.roles.plays import ROLES, measure, stand


def _target(text: str) -> tuple[str, float]:
    role, _equals, tasks = text.partition("=")
    if role not in ROLES:
        raise ValueError
    return role, float(tasks)


_target.__name__ = "target"  # argparse quotes it


def main() -> int:
    """Parse the arguments, measure, print; returns the exit status."""
    parser = argparse.ArgumentParser(prog="make bench-roles", description="Measure what the roles cost, against an emulated cloud.")
    parser.add_argument("--hosts", type=count, nargs="+", default=[20, 100, 300, 500], help="numbers of hosts (default: 20 100 300 500)")
    parser.add_argument("--forks", type=count, default=10, help="forks of ansible-playbook (default: %(default)s)")
    parser.add_argument("--repeats", type=count, default=3, help="runs of a play that takes less than 30 s (default: %(default)s)")
    parser.add_argument("--target", type=_target, nargs="+", default=[], metavar="ROLE=TASKS", help="debug tasks per host to compare with")
    parser.add_argument("--profile", action="store_true", help="print the seconds of each task of the first run")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to this file")
    arguments = parser.parse_args()
    runs, rows = {}, []
    settings = {"ansible_core": version("ansible-core"), "python": sys.version.split()[0], "forks": arguments.forks}
    print("ansible-core {ansible_core}, Python {python}, {forks} forks".format(**settings))
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        for hosts in sorted(set(arguments.hosts)):
            with stand(Path(name).resolve() / str(hosts), hosts, arguments.forks) as ready:
                print(f"{hosts} hosts:", flush=True)
                runs[hosts] = measure(ready.run, arguments.repeats)
            rows += figures.rows(hosts, runs[hosts])
            if arguments.json:  # after each size: the next one may take an hour
                arguments.json.write_text(json.dumps({**settings, **figures.as_json(rows, runs)}, indent=2) + "\n")
    if arguments.profile:
        for hosts, measurements in runs.items():
            for role in ROLES:
                print(f"\n{role}, {hosts} hosts:\n{figures.profile(measurements[role][0])}")
    print(f"\n{figures.costs(rows)}")
    print(
        f"\ndebug tasks, by CPU: what a host costs, in debug tasks of a play with as many hosts; {figures.DEBUG} has {figures.DEBUG_TASKS}"
    )
    sizes = f"with {max(arguments.hosts)} hosts against {min(arguments.hosts)}"
    for measurement, each in figures.growth(rows).items():
        growth = f"{each.seconds:.2f} times the seconds, {each.cpu_seconds:.2f} times the CPU seconds, {each.debug_tasks:.2f} times the debug tasks"
        print(f"{measurement}, cost of a host {sizes}: {growth}")
    print(figures.comparison(rows, dict(arguments.target)), end="\n" if arguments.target else "")
    return 0


if __name__ == "__main__":
    sys.exit(main())
