# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What a module that acts answers: one entry per item asked, and what follows from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.ucloudstack.cloud.plugins.module_utils._steps import Step


@dataclass(frozen=True)
class Report:
    """``values``: the common return values; ``msg``: one line, empty unless something failed; ``before``, ``after``: the diff."""

    values: Mapping[str, Any]
    changed: bool
    msg: str
    before: str
    after: str
    warnings: list[str]


def report(
    outcomes: Sequence[str],
    plans: Sequence[Step],
    steps: Sequence[Step],
    records: Mapping[str, Any],
    warnings: Iterable[str],
    also_changed: bool = False,
) -> Report:
    """``plans`` and ``steps``: the first and the last step of every item, in the order asked; ``records``: what the module adds."""
    counts: Counter[str] = Counter(step.outcome for step in steps)
    return Report(
        values={
            "results": [_entry(step) for step in steps],
            "counts": {outcome: counts[outcome] for outcome in outcomes},
            **records,
        },
        changed=also_changed or any(step.changed for step in steps),
        msg=_failures(steps),
        before="".join(f"{plan.before}\n" for plan in plans),
        after="".join(f"{plan.after}\n" for plan in plans),
        warnings=list(dict.fromkeys(warnings)),
    )


def _entry(step: Step) -> dict[str, Any]:
    item: dict[str, Any] = {"disk_id": step.disk_id or None, "snapshot_id": step.snapshot_id}
    if step.vm_id:
        item = {"vm_id": step.vm_id, "previous_state": step.previous_state or None}
    codes = {"ret_code": step.ret_code, "request_id": step.request_id}
    return {**item, "outcome": step.outcome, "reason": step.reason or None, "msg": step.msg, **codes}


def _failures(steps: Sequence[Step]) -> str:
    """One line that names what failed and why, each reason once."""
    failures: dict[str, list[str]] = {}
    for step in sorted(steps, key=lambda step: step.reason == "other_item_failed"):  # a cause comes before what was skipped because of it
        if step.failed:
            failures.setdefault(step.msg.rstrip("."), []).append(step.vm_id or step.disk_id or step.snapshot_id or "")
    if not failures:
        return ""
    count = sum(len(who) for who in failures.values())
    return f"{count} of {len(steps)} failed: " + "; ".join(f"{', '.join(who)}: {why}" for why, who in failures.items())
