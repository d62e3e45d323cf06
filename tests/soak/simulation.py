# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several users at the same virtual time, in a repeatable order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

START = 1_795_428_000.0
"""Unix seconds at which virtual time begins: 2026-11-23T10:00:00Z."""


class Simulation:
    """Virtual time. Users are threads of which one runs at a time: it goes on until it sleeps, then whoever wakes first does.

    A user may use other threads, if it waits for them: one of them sleeping is the user sleeping.
    """

    def __init__(self) -> None:
        self.elapsed = 0.0
        self.user = ""
        """Whoever runs at the moment; empty when nobody does."""
        self._turn = threading.Condition()
        self._wakes: dict[str, float] = {}

    def now(self) -> float:
        """Seconds since the beginning."""
        return self.elapsed

    def wall(self) -> float:
        """Unix seconds."""
        return START + self.elapsed

    def sleep(self, seconds: float) -> None:
        """Let time pass for the user that runs; others may run meanwhile."""
        if not self._wakes:
            self.elapsed += seconds
            return
        with self._turn:
            me = self.user
            self._wakes[me] = self.elapsed + seconds
            self._hand_over()
            self._turn.wait_for(lambda: self.user == me)

    def together(self, jobs: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
        """Run one job for each user side by side; what each returned. Raises what the first of them raised, after all have ended."""
        results: dict[str, Any] = {}
        errors: list[BaseException] = []

        def work(user: str) -> None:
            with self._turn:
                self._turn.wait_for(lambda: self.user == user)
            try:
                results[user] = jobs[user]()
            except BaseException as error:  # noqa: BLE001 (it is raised below, where it can be seen)
                errors.append(error)
            with self._turn:
                del self._wakes[user]
                self._hand_over()

        threads = [threading.Thread(target=work, args=(user,), name=user) for user in jobs]
        for thread in threads:
            thread.start()
        with self._turn:
            self._wakes = dict.fromkeys(jobs, self.elapsed)
            self._hand_over()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]
        return results

    def _hand_over(self) -> None:
        self.user = min(self._wakes, key=lambda user: (self._wakes[user], user), default="")
        self.elapsed = max(self.elapsed, self._wakes.get(self.user, self.elapsed))
        self._turn.notify_all()
