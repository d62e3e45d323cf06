# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shows a person at a terminal how far a module is, while it runs."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ansible import constants
from ansible.errors import AnsibleError
from ansible.plugins.action.normal import ActionModule
from ansible.utils.display import Display
from ansible_collections.ucloudstack.cloud.plugins.module_utils._progress import FILE

INTERVAL = 3.0
"""Seconds until the first line, and from one look at the file to the next."""
MOST_STATES = 3
CALLBACKS = ("default", "minimal", "debug", "yaml")
"""Those that show every task to a person. Others may be read by a program, redraw the screen, or show nothing on purpose."""
AT_TERMINAL = sys.stderr.isatty()
"""Ansible loads an action plugin before it starts workers, and a worker has no terminal."""


class ProgressActionModule(ActionModule):  # type: ignore[misc]
    """Runs the module of its name as Ansible runs a module without an action plugin, and shows what the module reports."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        with ExitStack() as until_end:
            if file := self._watched_file(until_end):
                until_end.enter_context(shown(file, self._title(task_vars or {})))
            return super().run(tmp, task_vars)  # type: ignore[no-any-return]

    def _watched_file(self, until_end: ExitStack) -> Path | None:
        """The file in which the module reports its progress, created; None if nobody watches or the module does not run here."""
        callback = constants.DEFAULT_STDOUT_CALLBACK.rpartition(".")[2]
        if not AT_TERMINAL or callback not in CALLBACKS:
            return None
        if self._task.async_val or self._task.check_mode or self._connection.transport != "local":
            return None
        shell = self._connection._shell
        try:
            if shell.tmpdir is None and self._connection.become:  # another user must be able to write there
                self._make_tmp_path()
            elif shell.tmpdir is None:  # with pipelining; Ansible would start two processes to create and remove the folder
                folder = TemporaryDirectory(dir=constants.DEFAULT_LOCAL_TMP, ignore_cleanup_errors=True)
                shell.tmpdir = until_end.enter_context(folder)
                until_end.callback(setattr, shell, "tmpdir", None)
            file = Path(str(shell.tmpdir), FILE)
            file.touch()
        except (AnsibleError, OSError):  # if the module needs the folder, its failure is reported as ever
            return None
        return file

    def _title(self, task_vars: Mapping[str, Any]) -> str:
        """The name of the module, and the host unless the task runs for it alone or for all."""
        name: str = self._task.action.rpartition(".")[2]
        if self._task.run_once or len(task_vars.get("ansible_play_hosts", ())) < 2:
            return name
        return f"{name} [{task_vars['inventory_hostname']}]"


@contextmanager
def shown(file: Path, title: str) -> Iterator[None]:
    """Show what is reported in the file, in a thread that has ended afterwards: one that dies with a worker may hold Ansible's queue."""
    done = threading.Event()
    thread = threading.Thread(target=_show, args=(file, title, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _show(file: Path, title: str, done: threading.Event) -> None:
    start, parent = time.monotonic(), os.getppid()
    last: dict[str, Any] = {}
    while not done.wait(INTERVAL) and os.getppid() == parent:  # without ansible-playbook, nobody empties the queue
        with suppress(OSError, ValueError):  # nothing is reported yet
            progress = json.loads(file.read_text(encoding="utf-8"))
            if progress != last:
                Display().display(line(title, progress, time.monotonic() - start), stderr=True, screen_only=True)
                last = progress


def line(title: str, progress: Mapping[str, Any], seconds: float) -> str:
    """``snapshot: 180 of 200 usable, 20 Createing, 0 failed, 42 s``: what the module reported, and for how long the task has run.

    The states are those of the API, which :mod:`_records` accepts only if they are short and printable.
    """
    states = sorted(progress["waiting"].items(), key=lambda state: (-state[1], state[0]))
    others = sum(count for _state, count in states[MOST_STATES:])
    waiting = [f"{count} {state}" for state, count in [*states[:MOST_STATES], *([("in other states", others)] if others else [])]]
    done = f"{progress['done']} of {progress['total']} {progress['goal']}"
    return f"{title}: {', '.join([done, *waiting])}, {progress['failed']} failed, {seconds:.0f} s"
