# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Injectable time, so that tests need not sleep."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Clock:
    """``now``: monotonic seconds; ``wall``: Unix seconds; ``sleep``: waits; ``chance``: a random number from 0 to 1, for jitter."""

    now: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random


class Deadline:
    """The end of waiting, shared by all items of a task."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self.clock = clock
        self.seconds = seconds
        self._end = clock.now() + seconds

    @property
    def left(self) -> float:
        """Remaining seconds, never less than 0."""
        return max(0.0, self._end - self.clock.now())

    def pause(self, seconds: float, jitter: float = 0.25) -> None:
        """Sleep for these seconds, plus or minus this part of them so that clients do not poll in step, but not past the deadline."""
        self.clock.sleep(min(seconds * (1 - jitter + 2 * jitter * self.clock.chance()), self.left))


def growing(first: float, factor: float, maximum: float) -> Iterator[float]:
    """Pauses in seconds, without end: ``first``, then each ``factor`` times the previous one, up to ``maximum``."""
    pause = first
    while True:
        yield pause
        pause = min(pause * factor, maximum)
