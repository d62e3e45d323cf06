# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tasks that are measured: one task over many disks of an emulated cloud, in a playbook of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from benchmark.modules.figures import ECHO, PING, Cloud, Run
from emulator.state import TRANSITION_SECONDS
from support import stage
from support.collection import COLLECTIONS

CLOUD = Cloud(latency=0.05, snapshot=3, rollback=3, short=TRANSITION_SECONDS)
TASKS = (PING, ECHO, "create", "repeat", "rollback", "info", "delete")
"""In the order in which they find what they need; after the rollback, each disk has two snapshots."""
LOOP = "loop"
"""As create, but a loop over the disks; for no more of them than are looped over here."""
LOOPED = 10
NAME, MARKER = "benchmark", "benchmark-marker"
LIBRARY = {"ANSIBLE_LIBRARY": str(Path(__file__).parent / "library")}


class Stand:
    """Some detached disks in an emulated cloud, and the playbooks that work on all of them."""

    def __init__(self, cloud: stage.Cloud, folder: Path, launcher: Executor, disks: int, parallelism: int, rate: int | None) -> None:
        self._cloud, self._folder, self._launcher, self._rate = cloud, folder, launcher, rate
        with ThreadPoolExecutor(32) as pool:
            self._disk_ids = list(pool.map(cloud.empty_disk, (f"disk-{number}" for number in range(disks))))
        self._parallelism = parallelism

    def run(self, task: str) -> Run:
        """Run the playbook of one task. Raises RuntimeError if it fails."""
        book = self._folder / f"{task}.yml"
        book.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [self._task(task)]}]))
        environment = {**self._cloud.environment, **stage.WITH_FILES, **LIBRARY}
        self._cloud.control("calls", "DELETE")
        if self._rate:
            self._cloud.control("faults", "POST", [{"kind": "throttle", "rate": self._rate, "burst": self._rate}])
        emulator, output = psutil.Process(self._cloud.process.pid), self._folder / f"{task}.txt"
        busy = sum(emulator.cpu_times()[:2])
        status, seconds, cpu_seconds, peak_mib = self._launcher.submit(run_playbook, book, environment, output).result()
        busy = sum(emulator.cpu_times()[:2]) - busy
        self._cloud.control("faults", "DELETE")
        if status:
            raise RuntimeError(f"the task {task} failed:\n{output.read_text()[-3000:]}")
        calls = Counter(call["action"] for call in self._cloud.control("calls"))
        return Run(seconds, cpu_seconds, peak_mib, calls, busy)

    def tidy_up(self) -> None:
        """Delete what is left, so that every round finds the same cloud."""
        self._cloud.delete_snapshots()

    def _task(self, task: str) -> dict[str, Any]:
        if task == PING:
            return {"ansible.builtin.ping": {}}
        if task == ECHO:
            return {"echo": {"disk_ids": self._disk_ids}}
        if task == "info":
            return {"ucloudstack.cloud.snapshot_info": self._connection()}
        acting = {**self._connection(), "parallelism": self._parallelism}
        if task == "rollback":
            snapshots = [each["id"] for each in self._cloud.control("state")["snapshots"] if each["name"] == NAME]
            return {"ucloudstack.cloud.snapshot_rollback": {**acting, "snapshot_ids": snapshots, "marker_name": MARKER}}
        if task == LOOP:
            return {"ucloudstack.cloud.snapshot": {**acting, "name": NAME, "disk_ids": ["{{ item }}"]}, "loop": self._disk_ids}
        state = "absent" if task == "delete" else "present"
        return {"ucloudstack.cloud.snapshot": {**acting, "state": state, "name": NAME, "disk_ids": self._disk_ids}}

    def _connection(self) -> dict[str, Any]:
        return {"ca_path": self._cloud.connection["ca_path"]} if "ca_path" in self._cloud.connection else {}


def run_playbook(book: Path, environment: Mapping[str, str], output: Path) -> tuple[int, float, float, float]:
    """Its exit status, seconds, the CPU seconds of all its processes, and the MiB of the largest of them.

    To be run in a small process: to the system, the memory of a new process is at first that of its parent.
    """
    began = time.monotonic()
    with output.open("w") as printed:
        process = stage.start_playbook(book, COLLECTIONS, environment, {}, output=printed)
        _pid, status, used = os.wait4(process.pid, 0)  # what it used, with all processes that it waited for
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


@contextmanager
def stand(folder: Path, disks: int, parallelism: int, rate: int | None, *arguments: str) -> Iterator[Stand]:
    """Run an emulator, with further arguments, for so many disks. ``rate``: how many requests a second it accepts."""
    folder.mkdir()
    pace = ("--latency-ms", str(CLOUD.latency * 1000), "--snapshot-seconds", str(CLOUD.snapshot), "--rollback-seconds", str(CLOUD.rollback))
    launcher = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
    with launcher, stage.emulator(folder / "cloud", *pace, *arguments) as cloud:
        yield Stand(cloud, folder, launcher, disks, parallelism, rate)


def measure(ready: Stand, tasks: Sequence[str], repeats: int) -> dict[str, list[Run]]:
    """Run the tasks in turn, so often."""
    runs: dict[str, list[Run]] = {task: [] for task in tasks}
    for _repeat in range(repeats):
        for task, each in runs.items():
            each.append(ready.run(task))
            print(f"  {task}: {each[-1].seconds:.2f} s", flush=True)
        ready.tidy_up()
    return runs


def seconds_of_import(repeats: int = 5) -> float:
    """What the import of requests takes, beyond the start of Python."""
    took: Mapping[str, list[float]] = {"pass": [], "import requests": []}
    for _repeat in range(repeats):
        for code, each in took.items():
            began = time.monotonic()
            subprocess.run([sys.executable, "-c", code], check=True)
            each.append(time.monotonic() - began)
    return median(took["import requests"]) - median(took["pass"])
