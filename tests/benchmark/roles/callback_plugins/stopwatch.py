# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records when each task of a play starts and for how many hosts, and what ansible-playbook uses."""

from __future__ import annotations

import json
import os
import resource
import time
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: stopwatch
type: aggregate
short_description: Record what a play costs
description:
  - At the end of the play, writes a JSON file to the path in the environment variable C(STOPWATCH_FILE).
author:
  - UCloudStack collection contributors (@ucloudstack)
version_added: 0.1.0
"""


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """The methods are the events of ansible-playbook."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "stopwatch"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._tasks: list[dict[str, Any]] = []
        self._start_cpu_seconds = 0.0

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        if not self._tasks:
            self._start_cpu_seconds = time.process_time()
        if self._tasks and self._tasks[-1]["id"] == task._uuid:
            return  # flush_handlers is announced once for each host
        self._tasks.append({"id": task._uuid, "name": task.get_name(), "start": time.monotonic(), "hosts": 0})

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        self._tasks[-1]["hosts"] += 1

    def v2_playbook_on_stats(self, stats: Any) -> None:
        peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        record = {"tasks": self._tasks, "end": time.monotonic(), "start_cpu_seconds": self._start_cpu_seconds, "peak_kib": peak_kib}
        Path(os.environ["STOPWATCH_FILE"]).write_text(json.dumps(record))
