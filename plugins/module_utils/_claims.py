# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Which process works on a host of a run: a claim in the host's entry of the manifest, and whether its process still exists.

A claim is ``{id, controller, since}``, with ``pid`` and ``started`` if they are known. It is stored as ``process``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

UNFINISHED = ("patching", "restoring")
"""States of a host whose disks are being changed."""
ACTIVE = ("planned", "snapshotted", *UNFINISHED)
"""States in which a process works on the host."""
FINISHED = ("verified", "restored", "failed")
"""States in which no process works on the host any more."""

Entry = Mapping[str, Any]
Claim = Mapping[str, Any]


def is_running(pid: int, started: str | None) -> bool:
    """Whether this process exists. If its start time is known, a later process with the same id does not count.

    ``started`` is the start time as ``/proc/<pid>/stat`` has it. Without ``/proc``, the id is all that is checked.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass  # the process of another user, or a number that is too large: its end is not certain
    state, start = state_and_start(pid)
    return state not in ("Z", "X") and (not started or not start or str(started) == start)


def state_and_start(pid: int) -> tuple[str, str]:
    """State and start time of a process, as ``/proc/<pid>/stat`` has them; both empty without it."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes().decode(errors="replace")
    except OSError:
        return "", ""
    fields = stat.rpartition(")")[2].split()  # before that is the name of the program, which may contain anything
    return fields[0], fields[19]


@dataclass(frozen=True)
class Machine:
    """The host that this code runs on. ``name``: as ``uname -n`` prints it; ``is_running``: see :func:`is_running`."""

    name: str = field(default_factory=lambda: os.uname().nodename)
    is_running: Callable[[int, str | None], bool] = is_running


def other_process(entry: Entry, claim: Claim, machine: Machine) -> dict[str, Any] | None:
    """The process that works on the host of this entry, as {id, controller, since}; None if there is none besides that of the claim."""
    process = entry.get("process")
    if not isinstance(process, Mapping) or entry.get("state") not in ACTIVE or process.get("id") == claim["id"]:
        return None
    if process.get("controller") == claim["controller"] == machine.name and _has_ended(process, machine):
        return None
    return {key: process.get(key) for key in ("id", "controller", "since")}


def _has_ended(process: Claim, machine: Machine) -> bool:
    pid = process.get("pid")
    return isinstance(pid, int) and pid > 0 and not machine.is_running(pid, process.get("started"))


def with_claim(entry: Entry, state: Any, claim: Claim) -> dict[str, Any]:
    """The entry with this claim, if there is one; without any if its new state is final."""
    if state in FINISHED:
        return {key: value for key, value in entry.items() if key != "process"}
    return {**entry, "process": dict(claim)} if claim else dict(entry)
