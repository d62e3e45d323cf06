# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens next, drawn at random: tasks, faults, and their combinations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from soak.promises import Broken, broken, comes_right, foretold, settled
from soak.world import Run, Task, World

NAMES, MARKERS, BACKUPS = ("x", "y"), ("m1", "m2"), ("b1", "b2")
NOWHERE = ("disk-nowhere", "snapshot-nowhere")
READS = ["DescribeSnapshot", "DescribeDisk", "DescribeVMInstance"]
WRITES = ["CreateSnapshot", "DeleteSnapshot", "RollbackSnapshot", "StartVMInstance", "StopVMInstance", "PoweroffVMInstance", "AttachDisk"]

ANSWERS: tuple[dict[str, Any], ...] = (
    *({"kind": "refuse", "ret_code": code} for code in (2, 100, 110, 130, 165, 199, 201, 560, 1005, 2011, 2206, 2502, 5000, 7001)),
    *({"kind": "refuse", "ret_code": code} for code in (150, 161, 2500, 424242)),
    {"kind": "throttle", "rate": 0.5},
    {"kind": "throttle", "rate": 2, "burst": 3, "ret_code": 199},
    {"kind": "drop"},
    {"kind": "lose_answer"},
    *({"kind": "http_status", "status": status, "done": done} for status in (500, 502, 503) for done in (False, True)),
    {"kind": "http_status", "status": 429},
    {"kind": "http_status", "status": 429, "retry_after": 3},
    {"kind": "http_status", "status": 503, "retry_after": "Wed, 25 Nov 2026 10:00:00 GMT"},
    {"kind": "http_status", "status": 403},
    *({"kind": "html", "done": done} for done in (False, True)),
    {"kind": "redirect", "location": "https://other.test/login"},
    {"kind": "redirect", "done": True},
    {"kind": "empty"},
    *({"kind": "truncated", "cut": cut} for cut in ("connection", "json")),
    *({"kind": "wrong_shape", "shape": shape} for shape in ("list", "string", "null", "infos_string", "no_ret_code")),
    {"kind": "endless_body"},
)
"""What may replace a response."""
SLOW: tuple[dict[str, Any], ...] = ({"kind": "delay", "seconds": 2.2},)
"""Responses after the time limit of a request, which really passes: few of these are drawn."""
QUIRKS: tuple[dict[str, Any], ...] = (
    {"kind": "strings"},
    {"kind": "null_infos"},
    {"kind": "snapshot_name"},
    {"kind": "shuffle_pages"},
    {"kind": "shift_pages"},
    {"kind": "missing_id_fails"},
)
"""Different spellings of the same response."""
ILLS: tuple[dict[str, Any], ...] = (
    {"kind": "fail_snapshot"},
    {"kind": "stuck_snapshot", "seconds": 40},
    *({"kind": "listing_lag", "seconds": seconds} for seconds in (3, 20, 45)),
    *({"kind": "odd_status", "seconds": 25, "status": word} for word in ("Pondering", "Unknown", "Norma", "Run ning")),
    {"kind": "hang_stopping"},
    {"kind": "rollback_detaches"},
)
"""Operations that end differently."""
LONGEST_ILL = 60
"""Seconds after which all of them have ended."""


def faults(random: Random) -> list[dict[str, Any]]:
    """A few faults, which together spoil about a fifth of the answers; each is of one of the four groups above."""
    drawn: list[dict[str, Any]] = []
    for _number in range(3):
        actions, probability = random.choice(((WRITES, 0.4), (READS, 0.1), (READS, 0.15), (WRITES + READS, 0.15)))
        drawn.append({**random.choice(ANSWERS), "action": actions, "probability": probability})
    drawn.append({**random.choice(QUIRKS), "probability": 0.3})
    if random.random() < 0.3:
        drawn.append({**random.choice(ILLS), "probability": 0.5})
    if random.random() < 0.02:
        drawn.append({**random.choice(SLOW), "count": 1, "skip": random.randrange(5)})
    return [{**fault, "seed": random.randrange(1000)} for fault in drawn]


def task(random: Random, world: World) -> Task:
    """Any task that a user may have."""
    draw = random.choices((_present, _absent, _roll_back, _list, _power), (40, 15, 35, 5, 5))[0]
    return draw(random, world)


def _present(random: Random, world: World) -> Task:
    options: dict[str, Any] = {"name": random.choice(NAMES), "disk_ids": _disks(random, world), **_timing(random)}
    if random.random() < 0.2 and "wait" not in options:
        options["all_or_nothing"] = True
    if random.random() < 0.3:
        options["remark"] = random.choice(("by night", "by day"))
    return Task("snapshot", options)


def _absent(random: Random, world: World) -> Task:
    which: dict[str, Any] = {"name": random.choice(NAMES + MARKERS + BACKUPS), "disk_ids": _disks(random, world)}
    if random.random() < 0.4:
        which = {"snapshot_ids": _snapshot_ids(random, world)}
    return Task("snapshot", {"state": "absent", **which, **_timing(random)})


def _roll_back(random: Random, world: World) -> Task:
    name = random.choice(NAMES)
    having = sorted({each.disk_id for each in world.snapshots().values() if each.name == name}, key=world.disks.index)
    options: dict[str, Any] = {"name": name, "disk_ids": _disks(random, world)}
    if random.random() < 0.3:
        options = {"snapshot_ids": _snapshot_ids(random, world)}
    elif having and random.random() < 0.8:
        options["disk_ids"] = random.sample(having, random.randint(1, len(having)))
    if random.random() < 0.7:
        options["marker_name"] = random.choice(MARKERS)
        if random.random() < 0.5:
            options["backup_name"] = random.choice(BACKUPS)
        return Task("snapshot_rollback", {**options, "wait_timeout": random.choice((15, 120, 600))})
    return Task("snapshot_rollback", {**options, **_timing(random)})


def _list(random: Random, world: World) -> Task:
    which = random.choice(({}, {"disk_ids": _disks(random, world)}, {"snapshot_ids": _snapshot_ids(random, world)}))
    return Task("snapshot_info", which)


def _power(random: Random, world: World) -> Task:
    state = random.choice(("started", "stopped", "stopped", "powered_off"))
    return Task("vm_power", {"vm_ids": [world.machine], "state": state, **_timing(random)})


def _timing(random: Random) -> dict[str, Any]:
    return {"wait_timeout": random.choice((15, 120, 600)), **({"wait": False} if random.random() < 0.15 else {})}


def _disks(random: Random, world: World) -> list[str]:
    known = [*world.disks, NOWHERE[0]] if random.random() < 0.05 else world.disks
    return random.sample(known, random.randint(1, len(known)))


def _snapshot_ids(random: Random, world: World) -> list[str]:
    known = sorted(world.snapshots(), key=list(world.made).index) or [NOWHERE[1]]
    known = [*known, NOWHERE[1]] if random.random() < 0.1 else known
    return random.sample(known, min(len(known), random.randint(1, 3)))


# ---- what is done with them

Move = Callable[[Random, World], list[Broken]]


def any_move(random: Random, world: World) -> list[Broken]:
    """One thing that may happen, and what was broken by it."""
    move = random.choices((faulty, calm, checked, repeated, elsewhere), (70, 5, 8, 7, 10))[0]
    return move(random, world) + [Broken("wrong", line) for line in world.disagreements()]


def faulty(random: Random, world: World) -> list[Broken]:
    """One or two users, and faults; sometimes each tries again when the faults are over."""
    world.set_faults(faults(random), unreachable=random.choice((0, 0, 0, 0.15)))
    tasks = [task(random, world) for user in range(random.choice((1, 1, 2)))]
    if random.random() < 0.3:
        tasks = tasks[:1] * 2  # the same task, started twice
    runs = world.play(*tasks)
    found = broken(runs, world)
    if random.random() < 0.3:
        world.set_faults([])
        world.pass_time(LONGEST_ILL)
        for run in runs:
            (again,) = world.play(run.task)
            found += broken([again], world) + comes_right(again, world)
    return found


def calm(random: Random, world: World) -> list[Broken]:
    """One or two users, and no faults."""
    world.set_faults([])
    return broken(world.play(*(task(random, world) for user in range(random.choice((1, 2))))), world)


def checked(random: Random, world: World) -> list[Broken]:
    """A task in check mode, with faults or without, and the same for real."""
    with_faults = random.random() < 0.3
    world.set_faults(faults(random) if with_faults else [])
    wanted = task(random, world)
    quiet = world.quiet()
    (check,) = world.play(Task(wanted.module, wanted.options, check=True))
    (real,) = world.play(wanted)
    return broken([check], world) + broken([real], world) + (foretold(check, real) if quiet else [])


def repeated(random: Random, world: World) -> list[Broken]:
    """A task without faults, and the same again."""
    world.set_faults([])
    wanted = task(random, world)
    quiet = world.quiet()
    (first,) = world.play(wanted)
    (again,) = world.play(wanted)
    found = broken([first], world) + broken([again], world)
    unmarked = wanted.module == "snapshot_rollback" and "marker_name" not in wanted.options  # has no memory, as documented
    return found + ([] if first.answer.failed or unmarked or not quiet or _unfinished(first) else settled(again))


def elsewhere(random: Random, world: World) -> list[Broken]:
    """Time passes, a guest writes, and somebody makes room."""
    world.pass_time(random.choice((1, 60, 3600)))
    if world.quiet():
        if world.cloud.state.vm(world.machine).state == "Running":
            world.cloud.state.stop_vm(world.machine)
            world.pass_time(1)
        world.write(random.choice(world.disks))
        for disk_id in world.homes:
            if not world.cloud.state.disk(disk_id).vm_id:  # a rollback left it detached
                world.cloud.state.attach_disk(disk_id, world.machine)
        for snapshot in world.snapshots().values():
            if random.random() < 0.3:
                world.remove(snapshot.id)
    return []


def _unfinished(run: Run) -> bool:
    return not run.task.options.get("wait", True)


def campaign(random: Random, world: World, moves: int) -> Iterator[Broken]:
    """So many things that happen one after the other."""
    for _number in range(moves):
        yield from any_move(random, world)
