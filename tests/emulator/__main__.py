# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python tests/emulator``: serve until SIGTERM."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path
from typing import NoReturn

if not __package__:  # run as a folder: import the package as everybody else does
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from emulator.generations import GENERATIONS
from emulator.qemu import ACCELERATORS, Qemu
from emulator.server import Emulator
from emulator.state import OtherGeneration, StateInUse

STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"emulator: {message}\n")


def _at_least_zero(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise ValueError
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError
    return value


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 65535:
        raise ValueError
    return value


_at_least_zero.__name__, _count.__name__, _port.__name__ = "number", "whole number", "port"  # argparse quotes them


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = _Parser(prog="emulator", description="An emulator of the UCloudStack API, on 127.0.0.1 alone.")
    parser.add_argument("--state-dir", required=True, type=Path, help="folder of all state; start again on it and everything goes on")
    parser.add_argument("--port", default=0, type=_port, help="0: a free one")
    parser.add_argument("--snapshot-seconds", default=2, type=_at_least_zero, help="how long a snapshot takes")
    parser.add_argument("--rollback-seconds", default=2, type=_at_least_zero, help="how long a rollback takes")
    parser.add_argument("--latency-ms", default=0, type=_at_least_zero, help="from each request to its answer")
    parser.add_argument("--snapshot-limit", default=10, type=_count, help="snapshots per disk, 0: no limit")
    parser.add_argument("--tls", action="store_true", help="HTTPS with a certificate authority of its own")
    parser.add_argument("--generation", choices=GENERATIONS, help="of the API; default: that of the folder, of a new one 1.x")
    parser.add_argument("--vm-backend", default="none", choices=("none", "qemu"), help="none: a VM is a row with states")
    parser.add_argument("--vm-image", type=Path, help="with qemu: what the boot disk of a new VM starts with")
    parser.add_argument("--vm-accelerator", default="tcg", choices=ACCELERATORS, help="with qemu: kvm is faster, where it works")
    return parser


def main() -> int:
    """Serve until told to stop. The only line on stdout is the JSON object that says where and with which keys."""
    args = parser().parse_args()
    if (args.vm_backend == "qemu") != bool(args.vm_image):
        parser().error("--vm-backend qemu and --vm-image belong together")
    # Blocked before any thread starts, so that the wait below is the only place that sees them.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        machines = Qemu(args.state_dir.absolute() / "vms", args.vm_image.absolute(), args.vm_accelerator) if args.vm_image else None
        emulator = Emulator(
            args.state_dir,
            port=args.port,
            snapshot_seconds=args.snapshot_seconds,
            rollback_seconds=args.rollback_seconds,
            latency_ms=args.latency_ms,
            snapshot_limit=args.snapshot_limit,
            tls=args.tls,
            generation=args.generation,
            machines=machines,
        )
    except (OSError, StateInUse, OtherGeneration) as error:
        print(f"emulator: {error}", file=sys.stderr)
        return 2
    with emulator:
        print(json.dumps(emulator.connection), flush=True)
        signal.sigwait(STOP_SIGNALS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
