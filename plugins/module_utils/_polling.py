# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""When to poll: soon enough to notice an end, and seldom enough for a cloud that takes long. A snapshot takes seconds to minutes."""

from __future__ import annotations

from math import inf

from ansible_collections.ucloudstack.cloud.plugins.module_utils._clock import Deadline
from ansible_collections.ucloudstack.cloud.plugins.module_utils._steps import Sent

SHORTEST, LONGEST = 0.25, 15.0
"""Seconds from one poll to the next."""
SHARE_OF_THE_WAIT = 0.09
"""The part of the time waited so far that passes until the next poll. So what is done is noticed 4.5 % late, on average."""


class Polling:
    """Places the polls of one loop, from what was written and what has ended.

    The cloud takes about as long for each write of a kind. So if one has ended, the loop also polls when the last of them should have.
    """

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._since = self._polled = deadline.clock.now()
        self._running: dict[int, Sent] = {}
        self._quickest: dict[str, float] = {}

    def written(self, unit: object, sent: Sent) -> None:
        """A write was sent for this unit. If it may have been accepted, the wait begins anew."""
        if sent.result in ("accepted", "unknown"):
            self._since = self._polled = self._deadline.clock.now()
            self._running[id(unit)] = sent

    def ended(self, unit: object) -> None:
        """There is nothing more to wait for after the last write of this unit, if it had one."""
        sent = self._running.pop(id(unit), None)
        if sent:
            self._quickest[sent.do] = min(self._deadline.clock.now() - sent.at, self._quickest.get(sent.do, inf))

    def pause(self) -> None:
        """Sleep until the next poll, and not past the deadline. The time that the last poll took is part of the pause, up to half of it."""
        now = self._deadline.clock.now()
        pause = min(max(SHORTEST, SHARE_OF_THE_WAIT * (now - self._since)), LONGEST)
        pause = max(pause - (now - self._polled), pause / 2)
        ends = [sent.at + self._quickest[sent.do] for sent in self._running.values() if sent.do in self._quickest]
        left = max(ends, default=now) - now
        if 0 < left < pause:
            self._deadline.pause(left, jitter=0)
        else:
            self._deadline.pause(pause)
        self._polled = self._deadline.clock.now()
