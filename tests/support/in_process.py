# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs modules in this process: their ``main()``, with real argument parsing and real output.

Needs ``ansible_collections`` to be importable, see ``collection``.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import sys
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, TextIO
from unittest import mock

from ansible import module_utils
from ansible.module_utils import basic
from ansible.module_utils.common import warnings

Answer = SimpleNamespace


class PrintedByThread:
    """Standard output, with a separate part for each thread that asks for one."""

    def __init__(self, otherwise: TextIO) -> None:
        self._otherwise = otherwise
        self._parts = threading.local()

    @contextlib.contextmanager
    def part(self) -> Iterator[io.StringIO]:
        self._parts.mine = io.StringIO()
        try:
            yield self._parts.mine
        finally:
            del self._parts.mine

    def write(self, text: str) -> int:
        return int(getattr(self._parts, "mine", self._otherwise).write(text))

    def flush(self) -> None:
        self._otherwise.flush()


@contextlib.contextmanager
def as_on_a_host() -> Iterator[PrintedByThread]:
    """Make this process one in which modules may run, as on a managed host; gives what to hand to :func:`answer_of`."""
    printed = PrintedByThread(sys.stdout)
    with contextlib.ExitStack() as stack:
        if hasattr(basic, "_ANSIBLE_PROFILE"):
            stack.enter_context(mock.patch.object(basic, "_ANSIBLE_PROFILE", "legacy"))
        # A test of a filter, in the same process, makes it the controller.
        if hasattr(getattr(module_utils, "_internal", None), "is_controller"):
            stack.enter_context(mock.patch.object(module_utils._internal, "is_controller", False))
        stack.enter_context(contextlib.redirect_stdout(printed))
        yield printed


def answer_of(printed: PrintedByThread, name: str, options: dict[str, Any], *, check: bool = False, diff: bool = False) -> Answer:
    """The output of the module, parsed, and as text in ``printed``.

    Options and warnings are globals of Ansible. They are read first and printed last, so several threads may each run a module,
    if only one of them runs at a time.
    """
    module = importlib.import_module(f"ansible_collections.ucloudstack.cloud.plugins.modules.{name}")
    arguments = {**options, "_ansible_check_mode": check, "_ansible_diff": diff}
    basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()
    warnings._global_warnings.clear()
    with printed.part() as output:
        try:
            with contextlib.suppress(SystemExit):
                module.main()
                raise AssertionError(f"main() of {name} returned")
        finally:
            basic._ANSIBLE_ARGS = None
            warnings._global_warnings.clear()
        text = output.getvalue()
    return Answer(**{"failed": False, "warnings": [], "printed": text, **json.loads(text)})


def module_answer(name: str, options: dict[str, Any], *, check: bool = False, diff: bool = False) -> Answer:
    """Run a single module; returns its output, see :func:`answer_of`."""
    with as_on_a_host() as printed:
        return answer_of(printed, name, options, check=check, diff=diff)


def told(answer: Answer) -> list[str]:
    """The warnings as text: since ansible-core 2.19 they are objects."""
    return [each if isinstance(each, str) else each["event"]["msg"] for each in answer.warnings]
