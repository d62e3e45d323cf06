# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Random histories of two users in a cloud at its worst: after every step all promises are kept, and the cloud is as the ledger says.

Hypothesis draws the steps and makes those that break a promise short. ``UCLOUDSTACK_TEST_HISTORIES=1000`` in the environment tries
so many histories.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from random import Random

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from soak import moves
from soak.promises import Broken
from soak.world import World

chance = st.randoms(use_true_random=False)


class Histories(RuleBasedStateMachine):
    """One world, and what happens in it."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory(prefix="history-")
        self.world: World | None = None

    @initialize(seed=st.integers(0, 2**20))
    def begin(self, seed: int) -> None:
        self.world = World(Path(self._folder.name) / "cloud", seed).__enter__()

    @rule(chance=chance)
    def tasks_and_faults(self, chance: Random) -> None:
        self._make(moves.faulty, chance)

    @rule(chance=chance)
    def tasks_without_faults(self, chance: Random) -> None:
        self._make(moves.calm, chance)

    @rule(chance=chance)
    def check_mode_and_the_same_for_real(self, chance: Random) -> None:
        self._make(moves.checked, chance)

    @rule(chance=chance)
    def a_task_and_the_same_again(self, chance: Random) -> None:
        self._make(moves.repeated, chance)

    @rule(chance=chance)
    def time_and_other_people(self, chance: Random) -> None:
        self._make(moves.elsewhere, chance)

    @invariant()
    def the_cloud_is_as_the_ledger_says(self) -> None:
        if self.world:
            assert not self.world.disagreements()

    def teardown(self) -> None:
        if self.world:
            self.world.__exit__(None, None, None)
        self._folder.cleanup()

    def _make(self, move: moves.Move, chance: Random) -> None:
        assert self.world
        broken: list[Broken] = move(chance, self.world)
        assert not broken, "\n".join(f"{each.sort}: {each.text}" for each in broken)


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=int(os.environ.get("UCLOUDSTACK_TEST_HISTORIES", "40")),
    stateful_step_count=8,
    deadline=None,
    derandomize="UCLOUDSTACK_TEST_HISTORIES" not in os.environ,  # a commit is not to fail by chance
    suppress_health_check=list(HealthCheck),
)
