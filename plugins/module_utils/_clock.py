# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Time, handed in, so that no test has to sleep."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Clock:
    """``now``: monotonic seconds; ``wall``: Unix seconds; ``sleep``: waits; ``chance``: a number from 0 to 1, for jitter."""

    now: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random


class Deadline:
    """The moment at which waiting ends, shared by all that wait for the same task."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self.clock = clock
        self.seconds = seconds
        self._end = clock.now() + seconds

    @property
    def left(self) -> float:
        """Seconds that remain, never less than 0."""
        return max(0.0, self._end - self.clock.now())

    def pause(self, seconds: float) -> None:
        """Sleep about so long (a quarter more or less, so that many clients do not march in step), not past the end."""
        self.clock.sleep(min(seconds * (0.75 + 0.5 * self.clock.chance()), self.left))


def growing(first: float, factor: float, most: float) -> Iterator[float]:
    """Pauses in seconds: ``first``, then each ``factor`` times the one before, up to ``most``; without end."""
    pause = first
    while True:
        yield pause
        pause = min(pause * factor, most)
