# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plays that are killed at random moments, and run again.

Each scene is killed up to five times; what is drawn at random comes from the seed that ends the test's name. More scenes:
``UCLOUDSTACK_TEST_KILL_SCENES=10 make integration ARGS="-k killed_at_random"``.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from ansible_collections.ucloudstack.cloud.plugins.module_utils._rollback import QUIET_SECONDS
from support import stage
from support.collection import COLLECTIONS

pytestmark = pytest.mark.once

ROLLBACK_SECONDS = 4
"""On a machine with nothing else to do, a repeat finds a rollback still running."""
LONG_ROLLBACK_SECONDS = 15
"""The same on a busy one."""
OUTAGE_SECONDS = 2
"""How long the cloud is away at most: less than the modules' reads are repeated for."""
SCENES = range(int(os.environ.get("UCLOUDSTACK_TEST_KILL_SCENES", "1")))
VICTIMS = [("module",), ("playbook",), ("cloud",), ("module", "playbook", "cloud"), ("controller",)]
"""The module alone; ansible-playbook with all that it started; the cloud; any of these, together too; ansible-playbook alone."""


class Scene:
    """Some disks that a play is about, and one beside them that it must leave alone."""

    disk_count: int
    names: tuple[str, ...]
    """What snapshots each of the disks has in the end."""

    def __init__(self, cloud: stage.Cloud, folder: Path, rollback_seconds: int) -> None:
        self.cloud = cloud
        self.rollback_seconds = rollback_seconds
        self.book, self.log = folder / "play.yml", folder / "plays.log"
        self.images = {disk["disk_id"]: disk["image"] for disk in (cloud.disk(f"disk-{number}") for number in range(self.disk_count))}
        bystander = cloud.disk("bystander")
        self.bystander_id, self.bystander_image = bystander["disk_id"], bystander["image"]
        self.reference = self.bytes()
        self.prepare()
        self.bystander_bytes = stage.checksum(self.bystander_image)
        tasks = [self.task()]
        self.book.write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
        cloud.control("calls", "DELETE")
        self.runs: list[int] = []
        self.outages: list[int] = []
        self.survivors: list[psutil.Process] = []
        self.process: subprocess.Popen[str] | None = None

    def prepare(self) -> None:
        """What is there before the play."""

    def task(self) -> dict[str, Any]:
        """The task that is killed and repeated."""
        raise NotImplementedError

    def check(self) -> None:
        """Everything is as if nobody had been killed."""
        give_up = time.monotonic() + 30
        while any(each["status"] not in ("Normal", "Unbound") for kind in ("snapshots", "disks") for each in self.state(kind)):
            assert time.monotonic() < give_up
            time.sleep(0.1)
        assert self.bytes() == self.reference
        assert stage.checksum(self.bystander_image) == self.bystander_bytes
        for disk_id in self.images:
            assert sorted(each["name"] for each in self.state("snapshots") if each["disk_id"] == disk_id) == sorted(self.names)

    def bytes(self) -> dict[str, str]:
        """A checksum of each disk."""
        return {disk_id: stage.checksum(image) for disk_id, image in self.images.items()}

    def snapshot_bytes(self, name: str) -> dict[str, str]:
        """A checksum of each disk's snapshot of this name."""
        found = (each for each in self.state("snapshots") if each["name"] == name and each["disk_id"] in self.images)
        return {each["disk_id"]: stage.checksum(each["image"]) for each in found}

    def snapshot_ids(self, disk_id: str) -> list[str]:
        return [each["id"] for each in self.state("snapshots") if each["disk_id"] == disk_id]

    def state(self, kind: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.cloud.control("state")[kind]
        return found

    def calls(self) -> list[dict[str, Any]]:
        """All calls of the API, in order."""
        calls: list[dict[str, Any]] = self.cloud.control("calls")
        return calls

    def begin(self) -> None:
        """Start the play, when all that was sent for the one before has arrived."""
        self.cloud.call("DescribeVMInstance", Limit=1)
        self.runs.append(len(self.calls()))
        with self.log.open("a") as log:
            self.process = stage.start_playbook(self.book, COLLECTIONS, {**self.cloud.environment, **stage.WITH_FILES}, {}, output=log)

    def end(self) -> int:
        """Wait for the play; its return code."""
        assert self.process
        return self.process.wait(180)

    def repeat(self) -> None:
        """Run the play once more, when all that lived on has ended, and undisturbed: nothing but success will do."""
        _gone, alive = psutil.wait_procs(self.survivors, timeout=180)
        assert not alive
        self.begin()
        assert self.end() == 0, self.log.read_text()

    def came_to(self, calls: int, action: str = "", seconds: float = 0) -> bool:
        """Wait until the cloud has had so many more calls, of this action or of any, and so long; false if the play ends before."""

        def had() -> int:
            return sum(action in ("", call["action"]) for call in self.calls())

        calls += had()
        while had() < calls and not self.over(0.02):
            pass
        return not self.over(seconds)

    def over(self, seconds: float) -> bool:
        """Wait so long for the end of the play; whether it came."""
        assert self.process
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        return self.process.poll() is not None

    def kill(self, victim: str) -> None:
        """SIGKILL to one of :data:`VICTIMS`."""
        assert self.process
        if victim == "module":
            stage.kill_modules(self.process)
        elif victim == "playbook":
            stage.kill(self.process)
        elif victim == "controller":
            self.survivors += stage.descent(self.process)[1:]
            self.process.kill()
        else:
            self.outages.append(len(self.calls()))
            self.cloud.process.kill()

    def close(self) -> None:
        """End what a test that failed has left running."""
        if self.process and self.process.poll() is None:
            stage.kill(self.process)
        for each in self.survivors:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()


class SnapshotScene(Scene):
    disk_count, names = 12, ("good",)

    def task(self) -> dict[str, Any]:
        return {"ucloudstack.cloud.snapshot": {"name": "good", "disk_ids": list(self.images), "parallelism": 2}}

    def check(self) -> None:
        super().check()
        assert self.snapshot_bytes("good") == self.reference
        assert not self.snapshot_ids(self.bystander_id)


class RollbackScene(Scene):
    disk_count, names = 3, ("good", "backup", "marker")

    def prepare(self) -> None:
        for disk_id in (*self.images, self.bystander_id):
            self.cloud.call("CreateSnapshot", DiskID=disk_id, Name="good")
        while any(each["status"] != "Normal" for each in self.state("snapshots")):
            time.sleep(0.05)
        for number, image in enumerate([*self.images.values(), self.bystander_image]):
            with Path(image).open("r+b") as disk:
                disk.seek(number * stage.MIB)
                disk.write(b"damage" * 100_000)
        self.damaged = self.bytes()

    def task(self) -> dict[str, Any]:
        options = {"name": "good", "disk_ids": list(self.images), "backup_name": "backup", "marker_name": "marker"}
        return {"ucloudstack.cloud.snapshot_rollback": {**options, "parallelism": 2}}

    def check(self) -> None:
        super().check()
        assert self.snapshot_bytes("good") == self.snapshot_bytes("marker") == self.reference
        assert self.snapshot_bytes("backup") == self.damaged
        assert len(self.snapshot_ids(self.bystander_id)) == 1
        calls = self.calls()
        rollbacks = [index for index, call in enumerate(calls) if call["action"] == "RollbackSnapshot" and call["ret_code"] == 0]
        assert {calls[index]["params"]["DiskID"] for index in rollbacks} == set(self.images)
        for disk_id in self.images:
            mine = [index for index in rollbacks if calls[index]["params"]["DiskID"] == disk_id]
            markers = [
                index
                for index, call in enumerate(calls)
                if call["action"] == "CreateSnapshot" and (call["params"]["DiskID"], call["params"]["Name"]) == (disk_id, "marker")
            ]
            assert all(index < min(markers) for index in mine)
            for first, second in itertools.pairwise(mine):
                assert self.could_not_be_known(calls, first, second), (disk_id, calls[first], calls[second])

    def could_not_be_known(self, calls: list[dict[str, Any]], first: int, second: int) -> bool:
        """Whether the run that sent the second of two rollbacks of a disk had no means to know of the first."""
        if self.survivors:  # two modules side by side: what is true of the one's look is not when it writes
            return True
        begin, end = max(run for run in self.runs if run <= second), second
        if first >= begin:
            # One whose response was lost, and which was never seen running: it is sent once more.
            return any(first <= outage <= second for outage in self.outages) and calls[second]["at"] - calls[first]["at"] > QUIET_SECONDS
        # One that was over when the run looked. The modules look at the disks right after that.
        before = itertools.takewhile(lambda call: call["action"] == "DescribeSnapshot", calls[begin:end])
        return bool([*before][-1]["at"] > calls[first]["at"] + self.rollback_seconds)


@contextlib.contextmanager
def scene_of(kind: type[Scene], folder: Path, rollback_seconds: int = ROLLBACK_SECONDS) -> Iterator[Scene]:
    """A scene with a cloud of its own."""
    pace = ("--latency-ms", "20", "--snapshot-seconds", "1", "--rollback-seconds", str(rollback_seconds))
    with stage.emulator(folder / "cloud", *pace) as cloud, contextlib.closing(kind(cloud, folder, rollback_seconds)) as scene:
        yield scene


@pytest.fixture(scope="module")
def usual_calls(tmp_path_factory: pytest.TempPathFactory) -> Callable[[type[Scene]], int]:
    """How many calls the play of a scene makes when nobody is killed."""
    counts: dict[type[Scene], int] = {}

    def count(kind: type[Scene]) -> int:
        if kind not in counts:
            with scene_of(kind, tmp_path_factory.mktemp("undisturbed")) as scene:
                scene.repeat()
                scene.check()
                counts[kind] = len(scene.calls())
        return counts[kind]

    return count


@pytest.mark.parametrize(
    ("kind", "action"), [(SnapshotScene, "CreateSnapshot"), (RollbackScene, "CreateSnapshot"), (RollbackScene, "RollbackSnapshot")]
)
def test_killed_right_after_its_first_write_and_run_again_ends_as_if_undisturbed(kind: type[Scene], action: str, tmp_path: Path) -> None:
    with scene_of(kind, tmp_path, LONG_ROLLBACK_SECONDS if action == "RollbackSnapshot" else ROLLBACK_SECONDS) as scene:
        scene.begin()
        assert scene.came_to(1, action), scene.log.read_text()
        scene.kill("playbook")
        scene.repeat()
        scene.check()


@pytest.mark.parametrize("seed", SCENES)
@pytest.mark.parametrize("victims", VICTIMS, ids="-".join)
@pytest.mark.parametrize("kind", [SnapshotScene, RollbackScene])
def test_killed_at_random_moments_and_run_again_ends_as_if_undisturbed(
    kind: type[Scene], victims: tuple[str, ...], seed: int, usual_calls: Callable[[type[Scene]], int], tmp_path: Path
) -> None:
    chance = random.Random(f"{kind.__name__} {victims} {seed}")
    # Half of all answers come late, so that a kill of the cloud comes between effect and answer, too.
    late = [{"kind": "delay", "seconds": 0.1, "probability": 0.5, "seed": seed}]
    moments = [
        (chance.randint(1, usual_calls(kind) // 3), chance.choice([0, 0, chance.uniform(0, 1)])) for _kill in range(chance.randint(3, 5))
    ]
    with scene_of(kind, tmp_path) as scene:
        scene.cloud.control("faults", "POST", late)
        scene.begin()
        for calls, seconds in moments:
            if not scene.came_to(calls, seconds=seconds):
                break
            killed = chance.sample(victims, chance.randint(1, len(victims)))
            print("killed:", *killed, "after", len(scene.calls()), "calls")
            for victim in killed:
                scene.kill(victim)
            if "cloud" in killed:
                scene.over(chance.uniform(0, OUTAGE_SECONDS))
                scene.cloud.process.start_again()
                scene.cloud.control("faults", "POST", late)
            if killed != ["cloud"]:
                scene.end()
                scene.begin()
        if scene.end():  # where the cloud falls again and again, a module may give up, but for this reason only
            assert scene.outages and "two requests got no response" in scene.log.read_text(), scene.log.read_text()
        scene.repeat()
        scene.check()
