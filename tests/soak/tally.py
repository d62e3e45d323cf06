# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs many worlds, and adds up their results."""

from __future__ import annotations

import multiprocessing
import random
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from soak.moves import campaign
from soak.promises import PROMISES, Broken
from soak.world import IN_PLACE_OF_AN_ANSWER, Run, World

A_WORLD = 100
"""Operations, about, per world: a full world shows little that is new."""


@dataclass
class Tally:
    """What happened. ``generations``: worlds by generation; ``faults``: by kind;
    ``second_told``: second snapshots that could not be helped, of which somebody was told."""

    operations: int = 0
    requests: int = 0
    faulty: int = 0
    writes: int = 0
    retries: int = 0
    adoptions: int = 0
    second_told: int = 0
    generations: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    broken: list[Broken] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Take in what happened elsewhere."""
        for name in (
            "operations",
            "requests",
            "faulty",
            "writes",
            "retries",
            "adoptions",
            "second_told",
            "generations",
            "faults",
            "broken",
        ):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def table(self) -> str:
        """All of it, for a person."""
        sorts = Counter(each.sort for each in self.broken)
        share = f"{100 * self.faulty / max(1, self.requests):.1f} % of the answers"
        rows = [
            ("operations", self.operations, "tasks, by one user or two at once"),
            *((f"  {name}", count, "worlds of that generation") for name, count in sorted(self.generations.items())),
            ("requests", self.requests, ""),
            ("writes", self.writes, "that took effect"),
            ("faulty answers", self.faulty, share),
            *((f"  {kind}", count, "") for kind, count in self.faults.most_common()),
            ("retries", self.retries, "requests sent again after a faulty answer"),
            ("adoptions", self.adoptions, "snapshots found after their answer was lost"),
            ("second, told", self.second_told, "snapshots made twice because lists hid the first or users raced, with a warning"),
            *((sort, sorts[sort], "") for sort in PROMISES),
        ]
        return "\n".join(f"{name:<18} {count:>8}  {words}".rstrip() for name, count, words in rows)


def soak(operations: int, seed: int, processes: int = 1, generation: str | None = None) -> Tally:
    """At least so many operations, in worlds that begin with ``seed`` and the numbers after it; of any generation where none is given."""
    tally = Tally()
    with ProcessPoolExecutor(processes, multiprocessing.get_context("fork")) as pool:
        while tally.operations < operations:
            worlds = max(processes, (operations - tally.operations) // A_WORLD)
            for one in pool.map(partial(soak_world, generation=generation), range(seed, seed + worlds)):
                tally.add(one)
            seed += worlds
    return tally


def soak_world(seed: int, generation: str | None = None) -> Tally:
    """What happens in one world."""
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="world-") as folder, World(Path(folder) / "cloud", seed, generation=generation) as world:
        tally.generations[world.cloud.generation.name] += 1
        chance = random.Random(seed)
        while len(world.runs) < A_WORLD:
            tally.broken += [Broken(each.sort, f"seed {seed}, {each.text}") for each in campaign(chance, world, 1)]
        for run in world.runs:
            tally.operations += 1
            tally.requests += len(run.calls) + run.unsent
            tally.faulty += run.unsent + sum(spoiled(call["fault"]) for call in run.calls)
            tally.writes += len(run.effects)
            tally.retries += retries(run)
            tally.adoptions += sum(entry["outcome"] == "adopted" for entry in run.entries)
            tally.second_told += sum(effect.do == "create" and bool(effect.beside) for effect in run.effects)
        tally.faults = world.struck
    return tally


def spoiled(faults: str | None) -> bool:
    """Whether something stood in place of the answer."""
    return any(kind in IN_PLACE_OF_AN_ANSWER for kind in (faults or "").split(","))


def retries(run: Run) -> int:
    """How many requests were the same as an earlier one with a faulty answer."""
    waiting: Counter[str] = Counter()
    count = 0
    for call in run.calls:
        request = f"{call['action']} {call['params']}"
        if waiting[request]:
            waiting[request] -= 1
            count += 1
        waiting[request] += spoiled(call["fault"])
    return count
