# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plays that are measured, on hosts whose disks are in an emulated cloud."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmark.roles.figures import DEBUG, DEBUG_TASKS, Run, steps
from support import stage
from support.collection import COLLECTIONS

SECONDS = ("--snapshot-seconds", "0.1", "--rollback-seconds", "0.1")
"""How long the emulated cloud works on a snapshot and on a rollback: next to nothing, so that the roles are measured."""
SHORT = 30
"""A play that takes fewer seconds is repeated."""
CALLBACKS = Path(__file__).parent / "callback_plugins"
PATCH = "patch.yml"
ROLES: dict[str, dict[str, str]] = {"snapshot_create": {}, "guarded_maintenance": {"guarded_maintenance_patch_tasks": PATCH}}
"""The roles, each with the variables that it needs in addition to its run id."""


class Stand:
    """A number of hosts with a boot and a data disk each, and a connection to this machine."""

    def __init__(self, cloud: stage.Cloud, folder: Path, hosts: int, forks: int) -> None:
        self._cloud, self._folder, self._forks, self._number = cloud, folder, forks, 0
        names = [f"host{number}" for number in range(1, hosts + 1)]
        with ThreadPoolExecutor(16) as pool:
            vms = pool.map(cloud.vm, names)
            vm_ids = {name: vm["vm_id"] for name, vm in zip(names, vms, strict=True)}
        variables = {name: {"ansible_connection": "local", "ucloudstack_vm_id": vm_id} for name, vm_id in vm_ids.items()}
        self._inventory = folder / "inventory.json"
        self._inventory.write_text(json.dumps({"all": {"hosts": variables}}))
        (folder / PATCH).write_text(json.dumps([_debug("Patch")]))

    def run(self, measurement: str) -> Run:
        """Run one play. Raises RuntimeError if it fails."""
        self._number += 1
        run_id = f"bench-{self._number}"
        keywords: dict[str, Any]
        if measurement == DEBUG:
            keywords = {"tasks": [_debug(f"Debug {number}") for number in range(DEBUG_TASKS)]}
        else:
            given = {f"{measurement}_run_id": run_id, **ROLES[measurement]}
            keywords = {"roles": [{"role": f"ucloudstack.cloud.{measurement}", "vars": given}]}
        book, record, output = (self._folder / f"{run_id}.{suffix}" for suffix in ("yml", "json", "txt"))
        book.write_text(json.dumps([{"hosts": "all", "gather_facts": False, **keywords}]))
        environment = {
            **self._cloud.environment,
            **stage.WITH_FILES,
            "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
            "ANSIBLE_CALLBACKS_ENABLED": "stopwatch",
            "STOPWATCH_FILE": str(record),
        }
        variables = {"ucloudstack_manifest_dir": str(self._folder / "manifests" / run_id)}
        arguments = ("-i", str(self._inventory), "--forks", str(self._forks))
        self._cloud.control("calls", "DELETE")
        before = _cpu_seconds()
        with output.open("w") as printed:
            status = stage.start_playbook(book, COLLECTIONS, environment, variables, *arguments, output=printed).wait()
        total = _cpu_seconds() - before
        calls = len(self._cloud.control("calls"))
        if status or not record.exists():
            raise RuntimeError(f"the play of {measurement} failed with exit status {status}:\n{output.read_text()[-3000:]}")
        recorded = json.loads(record.read_text())
        done = steps(recorded)
        self._cloud.delete_snapshots()  # every run finds the same cloud
        cpu_seconds = total - recorded["start_cpu_seconds"]
        return Run(sum(step.seconds for step in done), cpu_seconds, recorded["peak_kib"] / 1024, calls, done)


@contextmanager
def stand(folder: Path, hosts: int, forks: int) -> Iterator[Stand]:
    """Run an emulator for so many hosts."""
    folder.mkdir()
    with stage.emulator(folder / "cloud", *SECONDS) as cloud:
        yield Stand(cloud, folder, hosts, forks)


def measure(run: Callable[[str], Run], repeats: int) -> dict[str, list[Run]]:
    """Run every play, those that are short several times. The plays take turns: other load on the machine hits all of them."""
    runs: dict[str, list[Run]] = {measurement: [] for measurement in (DEBUG, *ROLES)}
    for _repeat in range(repeats):
        for measurement, each in runs.items():
            if not each or each[0].seconds < SHORT:
                each.append(run(measurement))
                print(f"  {measurement}: {each[-1].seconds:.1f} s", flush=True)
    return runs


def _debug(name: str) -> dict[str, Any]:
    return {"name": name, "ansible.builtin.debug": {"msg": "{{ inventory_hostname }}"}}


def _cpu_seconds() -> float:
    """Of all processes started here that have ended, and of those that they waited for. The emulator is still running."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
