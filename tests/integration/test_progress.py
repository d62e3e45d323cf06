# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person at a terminal sees while a task waits."""

from __future__ import annotations

import os
import pty
import re
from pathlib import Path

import yaml
from support import stage
from support.collection import COLLECTIONS

TASKS = """
- ucloudstack.cloud.snapshot: {name: shown, disk_ids: "{{ disks }}"}
- ucloudstack.cloud.snapshot: {name: quiet, disk_ids: "{{ disks }}"}
  async: 60
  poll: 1
"""


def test_progress_of_a_task_is_shown_at_a_terminal_but_not_with_async(tmp_path: Path) -> None:
    book = tmp_path / "playbook.yml"
    book.write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": yaml.safe_load(TASKS)}]))
    with stage.emulator(tmp_path / "cloud", "--snapshot-seconds", "5") as cloud:
        variables = {"disks": [cloud.empty_disk("1"), cloud.empty_disk("2")]}
        terminal, end = pty.openpty()
        process = stage.start_playbook(book, COLLECTIONS, {**cloud.environment, "ANSIBLE_NOCOLOR": "1"}, variables, output=end)
        os.close(end)
        printed = _read(terminal)
    first, second = re.split(r"TASK \[ucloudstack.cloud.snapshot\] \**", printed)[1:]
    assert re.search(r"\nsnapshot: 0 of 2 usable, .+, 0 failed, \d+ s\r\n(?s:.*)changed: \[localhost\]", first), printed
    assert "ASYNC OK" in second and "snapshot: " not in second, printed
    assert process.wait() == 0


def _read(terminal: int) -> str:
    """All that is printed, until nobody has the terminal open."""
    with os.fdopen(terminal, "rb", buffering=0) as stream:
        printed = b""
        try:
            while block := stream.read(4096):
                printed += block
        except OSError:  # Linux reports the end like that
            pass
    return printed.decode()
