# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""How far the items of a task are, in a file: the action plugin on the same machine shows it while the module runs."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from ansible_collections.ucloudstack.cloud.plugins.module_utils._steps import Progress, Step

FILE = "progress.json"


class ProgressFile:
    """The file in the folder for temporary files. The action plugin creates it if somebody watches; otherwise, nothing is written."""

    def __init__(self, folder: str | None) -> None:
        path = os.path.join(folder, FILE) if folder else ""
        self._path = path if os.path.exists(path) else ""
        self._written: dict[str, Any] = {}

    def write(self, goal: str, items: Iterable[tuple[Step, Progress]]) -> None:
        """Replace the file if a count has changed. ``goal``: what the items are when they are done. A task never fails because of it."""
        if not self._path:
            return
        counted = counts(goal, list(items))
        if counted != self._written:
            with suppress(OSError):
                with open(f"{self._path}.new", "w", encoding="utf-8") as file:
                    json.dump(counted, file)
                os.replace(f"{self._path}.new", self._path)
            self._written = counted


def counts(goal: str, items: list[tuple[Step, Progress]]) -> dict[str, Any]:
    """How many items are done, have failed, and wait in which state, as it was last listed."""
    ended = Counter(step.failed for step, _progress in items if step.do == "done")
    polls = [progress.polls for step, progress in items if step.do != "done"]
    waiting = Counter((each[-1][2] if each else None) or "waiting" for each in polls)
    return {"goal": goal, "total": len(items), "done": ended[False], "failed": ended[True], "waiting": dict(waiting)}
