# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong on purpose: which kinds of faults there are, what each takes, and which call each strikes.

A fault is one JSON object: ``kind``, ``action`` (a name, a list of names, "*"), and optional limits: ``params`` (only calls with these
values), ``skip`` (let so many matching calls pass first), ``count`` (strike so often), ``probability`` (of a strike, from ``seed``).
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from emulator.actions import ACTIONS
from emulator.errors import Reason
from emulator.fields import REQUIRED, BadFields, Option, flag, number, one_of, read_fields, text, whole
from emulator.generations import GENERATIONS

LISTS = frozenset(action for action in ACTIONS if action.startswith("Describe"))
POWER = frozenset({"StartVMInstance", "StopVMInstance", "RestartVMInstance", "PoweroffVMInstance"})


@dataclass(frozen=True)
class Kind:
    """A kind of fault. One that replaces the answer excludes all others of that sort from the same call."""

    options: Mapping[str, Option] = field(default_factory=dict)
    actions: frozenset[str] = frozenset(ACTIONS)
    replaces_answer: bool = False


def _seconds(default: Any = REQUIRED) -> Option:
    return Option(lambda value: (value is None and default is None) or number(0)(value), "a number of seconds", default)


_MESSAGE = Option(text, "a text", "refused by a fault")
_THROTTLED = sorted({generation.codes[Reason.TOO_FREQUENT] for generation in GENERATIONS.values()})
_RETRY_AFTER = Option(lambda value: value is None or text(value) or whole(0)(value), "seconds or a date", None)

KINDS: dict[str, Kind] = {
    # in place of the answer
    "refuse": Kind({"ret_code": Option(whole(1), "a return code, not 0"), "message": _MESSAGE}, replaces_answer=True),
    "throttle": Kind(
        {
            "rate": Option(number(0), "calls a second"),
            "burst": Option(whole(1), "a whole number from 1", 1),
            "ret_code": one_of(*_THROTTLED, default=None),
        },
        replaces_answer=True,
    ),
    "drop": Kind(replaces_answer=True),
    "lose_answer": Kind(replaces_answer=True),
    "http_status": Kind(
        {"status": Option(whole(400, 599), "an HTTP status from 400 to 599"), "retry_after": _RETRY_AFTER, "done": flag(False)},
        replaces_answer=True,
    ),
    "html": Kind({"done": flag(False)}, replaces_answer=True),
    "redirect": Kind({"location": Option(text, "a URL", "/login"), "done": flag(False)}, replaces_answer=True),
    "empty": Kind({"done": flag(True)}, replaces_answer=True),
    "truncated": Kind({"cut": one_of("connection", "json", default="connection"), "done": flag(True)}, replaces_answer=True),
    "wrong_shape": Kind(
        {"shape": one_of("list", "string", "null", "infos_string", "no_ret_code", default="list"), "done": flag(True)},
        replaces_answer=True,
    ),
    "endless_body": Kind({"done": flag(True)}, replaces_answer=True),
    # the same answer, another way
    "delay": Kind({"seconds": _seconds()}),
    "strings": Kind(),
    "null_infos": Kind(actions=LISTS),
    "snapshot_name": Kind(actions=frozenset({"DescribeSnapshot"})),
    "shuffle_pages": Kind(actions=LISTS),
    "shift_pages": Kind(actions=LISTS),
    "missing_id_fails": Kind(actions=frozenset({"DescribeSnapshot"})),
    # other work
    "fail_snapshot": Kind(actions=frozenset({"CreateSnapshot"})),
    "stuck_snapshot": Kind({"seconds": _seconds(None)}, actions=frozenset({"CreateSnapshot"})),
    "listing_lag": Kind({"seconds": _seconds()}, actions=frozenset({"CreateSnapshot"})),
    "odd_status": Kind(
        {"status": Option(text, "a text", "Pondering"), "seconds": _seconds()},
        actions=frozenset({"CreateSnapshot", "RollbackSnapshot", "AttachDisk", "DetachDisk", *POWER}),
    ),
    "rollback_detaches": Kind(actions=frozenset({"RollbackSnapshot"})),
    "hang_stopping": Kind(actions=frozenset({"StopVMInstance"})),
    "hang_restarting": Kind(actions=frozenset({"RestartVMInstance"})),
    "busy_disks_ignored": Kind(actions=POWER),
}

_COMMON: dict[str, Option] = {
    "params": Option(
        lambda value: isinstance(value, dict) and all(isinstance(each, str) for each in value.values()), "an object of texts", {}
    ),
    "skip": Option(whole(0), "a whole number from 0", 0),
    "count": Option(lambda value: value is None or whole(1)(value), "a whole number from 1", None),
    "probability": Option(number(0, 1), "a number from 0 to 1", 1),
    "seed": Option(whole(0), "a whole number from 0", 0),
}


class Fault:
    """One fault and how it has fared. The same fault struck by the same calls always does the same."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        """Raises BadFields with one line that says what is wrong."""
        if not isinstance(spec, dict):
            raise BadFields("a fault is a JSON object")
        self.spec = spec
        self.kind = spec.get("kind", "")
        if not isinstance(self.kind, str) or self.kind not in KINDS:
            raise BadFields(f"kind {self.kind!r} is none of {', '.join(sorted(KINDS))}")
        self._kind = KINDS[self.kind]
        self.actions = self._read_actions(spec.get("action", "*"))
        values = {name: value for name, value in spec.items() if name not in ("kind", "action")}
        self.fields = read_fields(self.kind, values, {**_COMMON, **self._kind.options})
        self.struck = 0
        self._seen = 0
        self._random = random.Random(self.fields["seed"])
        self._tokens = float(self.fields.get("burst", 0))
        self._tokens_at: float | None = None
        self.fields["rng"] = self._random

    def _read_actions(self, action: Any) -> frozenset[str]:
        if action == "*":
            return self._kind.actions
        names = [action] if isinstance(action, str) else action
        if not isinstance(names, list) or not names:
            raise BadFields('action is a name, a list of names, or "*"')
        for name in names:
            if not isinstance(name, str) or name not in ACTIONS:
                raise BadFields(f"action {name!r} is not served")
            if name not in self._kind.actions:
                raise BadFields(f"{self.kind} cannot strike {name}, only {', '.join(sorted(self._kind.actions))}")
        return frozenset(names)

    @property
    def replaces_answer(self) -> bool:
        """It stands in place of the API's answer."""
        return self._kind.replaces_answer

    @property
    def done(self) -> bool:
        """The call is carried out, whatever the caller gets to see of it."""
        return bool(self.fields.get("done", self.kind not in ("refuse", "throttle", "drop")))

    def strikes(self, action: str, params: Mapping[str, str], now: float) -> bool:
        """Whether this call is struck; counts it. ``now`` in seconds is the throttle's clock."""
        if action not in self.actions or any(params.get(name) != value for name, value in self.fields["params"].items()):
            return False
        self._seen += 1
        if self._seen <= self.fields["skip"] or self.struck == self.fields["count"]:
            return False
        if self.kind == "throttle" and self._take_token(now):
            return False
        if self.fields["probability"] < 1 and self._random.random() >= self.fields["probability"]:
            return False
        self.struck += 1
        return True

    def _take_token(self, now: float) -> bool:
        if self._tokens_at is not None:
            self._tokens = min(self.fields["burst"], self._tokens + (now - self._tokens_at) * self.fields["rate"])
        self._tokens_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Faults:
    """All faults in force, in the order in which they were given. Not thread-safe; they live as long as the process."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, specs: Any) -> None:
        """Append faults from parsed JSON. Raises BadFields, and then none of them is in force."""
        if not isinstance(specs, list):
            raise BadFields("faults are a JSON list of objects")
        added = []
        for position, spec in enumerate(specs):
            try:
                added.append(Fault(spec))
            except BadFields as error:
                raise BadFields(f"fault {position}: {error}") from None
        self._faults += added

    def clear(self) -> None:
        """No faults any more."""
        self._faults.clear()

    def report(self) -> list[dict[str, Any]]:
        """Each fault as it was given, and how often it ``struck``."""
        return [{**fault.spec, "struck": fault.struck} for fault in self._faults]

    def strike(self, action: str, params: Mapping[str, str], now: float) -> list[Fault]:
        """Those that strike this call: any number, but only one, the first, that replaces the answer."""
        struck: list[Fault] = []
        for fault in self._faults:
            if fault.replaces_answer and any(earlier.replaces_answer for earlier in struck):
                continue
            if fault.strikes(action, params, now):
                struck.append(fault)
        return struck
