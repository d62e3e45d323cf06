# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The return values of the modules that act: one entry per requested item, and what follows from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.ucloudstack.cloud.plugins.module_utils import _plan
from ansible_collections.ucloudstack.cloud.plugins.module_utils._apply import Task, Unit
from ansible_collections.ucloudstack.cloud.plugins.module_utils._errors import UCloudStackError
from ansible_collections.ucloudstack.cloud.plugins.module_utils._steps import Step

ITEMS = ("vm_ids", "snapshot_ids", "disk_ids")
"""The options that name what a task is about."""


def of_snapshots(
    task: Task, outcomes: Sequence[str], items: Sequence[Sequence[Unit]], warnings: Iterable[str] = (), helpers: Sequence[Unit] = ()
) -> dict[str, Any]:
    """The return values of a task about snapshots.

    ``items``: for each requested item, in the requested order, the units that it took; ``helpers``: units that were needed on the
    way, whose snapshots and warnings are returned as well.
    """
    units = [unit for item in items for unit in item] + list(helpers)
    plans = [_plan.merged([unit.first or unit.step for unit in item]) for item in items]
    steps = [_plan.merged([unit.final for unit in item]) for item in items]
    involved = dict.fromkeys(each for unit in units for each in unit.involved)
    everything = [*(warning for unit in units for warning in unit.warnings), *warnings]
    values = of_steps(outcomes, plans, steps, everything)
    return {
        **values,
        "changed": values["changed"] or any(unit.step.changed for unit in helpers),
        "snapshots": [task.latest[each].as_result() for each in involved if each in task.latest],
        "snapshot_id": steps[0].snapshot_id if len(steps) == 1 else None,
    }


def of_steps(outcomes: Sequence[str], plans: Sequence[Step], steps: Sequence[Step], warnings: Iterable[str] = ()) -> dict[str, Any]:
    """The return values that all modules that act have in common.

    ``plans`` and ``steps``: the first and the last step of every item, in the requested order.
    """
    counts: Counter[str] = Counter(step.outcome for step in steps)
    msg = _failures(steps)
    return {
        "results": [_entry(step) for step in steps],
        "counts": {outcome: counts[outcome] for outcome in outcomes},
        "changed": any(step.changed for step in steps),
        "failed": bool(msg),
        **({"msg": msg} if msg else {}),
        "diff": {"before": "".join(f"{plan.before}\n" for plan in plans), "after": "".join(f"{plan.after}\n" for plan in plans)},
        "warnings": list(dict.fromkeys(warnings)),
    }


def of_nothing(outcomes: Sequence[str], params: Mapping[str, Any], error: UCloudStackError) -> dict[str, Any]:
    """The return values of a task that an error ended before its first write: every requested item has ``failed``."""
    msg = f"{error} Nothing was done."
    option = next((option for option in ITEMS if params.get(option)), None)
    if option is None:
        return {"failed": True, "msg": msg}
    codes = {"ret_code": error.ret_code, "request_id": error.request_id}
    steps = [Step("done", "failed", **{"disk_id": "", option[:-1]: item, **codes}, msg=msg, failed=True) for item in params[option]]
    values = {**of_steps(outcomes, steps, steps), "msg": msg}
    del values["diff"]
    return values if option == "vm_ids" else {**values, "snapshots": [], "snapshot_id": None}


def _entry(step: Step) -> dict[str, Any]:
    item: dict[str, Any] = {"disk_id": step.disk_id or None, "snapshot_id": step.snapshot_id}
    if step.vm_id:
        item = {"vm_id": step.vm_id, "previous_state": step.previous_state or None}
    codes = {"ret_code": step.ret_code, "request_id": step.request_id}
    return {**item, "outcome": step.outcome, "reason": step.reason or None, "msg": step.msg, **codes}


def _failures(steps: Sequence[Step]) -> str:
    """One line that names what failed and why, each reason once; empty if nothing failed."""
    failures: dict[str, list[str]] = {}
    for step in sorted(steps, key=lambda step: step.reason == "other_item_failed"):  # a cause comes before what was skipped because of it
        if step.failed:
            failures.setdefault(step.msg.rstrip("."), []).append(step.vm_id or step.disk_id or step.snapshot_id or "")
    if not failures:
        return ""
    count = sum(len(ids) for ids in failures.values())
    return f"{count} of {len(steps)} failed: " + "; ".join(f"{', '.join(ids)}: {why}" for why, ids in failures.items())
