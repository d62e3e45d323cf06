# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guarantees that a finished task must meet, checked against the ledger of what was really done.

Each function yields a line for everything that is not as promised; ``docs/docsite/rst/guide_promises.rst`` has them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from emulator.errors import Reason

from soak.world import Effect, Run, World, as_text


class Broken(NamedTuple):
    """A promise that was not kept. ``sort``: duplicates, lost or wrong."""

    sort: str
    text: str


def once(run: Run, rest: Sequence[Run], world: World) -> Iterator[str]:
    """No second snapshot of a (disk, name), but where lists hid the first or two users raced, and then somebody is told."""
    for effect in (each for each in run.effects if each.do == "create"):
        look = run.last_look(effect.disk_id, effect.at)
        for other in (world.made[each] for each in effect.beside):
            if world.runs[other.run] in rest and max(effect.visible, other.visible) > run.ended:
                continue  # users raced, and lists hid one of the two: nobody can know
            if other.visible < look:
                yield f"made {effect.snapshot_id} though {other.snapshot_id} of {effect.disk_id} was listed when it last looked"
            elif not any(_warns(each, effect) for each in {run.number: run, other.run: world.runs[other.run]}.values()):
                yield f"made {effect.snapshot_id} beside {other.snapshot_id} of {effect.disk_id}, and nobody is told"


def _warns(run: Run, effect: Effect) -> bool:
    words = ("once more", "snapshots named", "not listed yet", "could not be checked")
    warnings = [line for line in run.told if any(each in line for each in words)]
    entries = [entry for entry in run.entries if entry["disk_id"] == effect.disk_id]
    failed = run.answer.failed and run.task.module == "snapshot_rollback"  # its outcome may be rolled_back, and its marker unknown
    return any(effect.disk_id in line or f"named {effect.name!r}" in line for line in warnings) or any(
        failed or entry["outcome"] in ("failed", "pending") for entry in entries
    )


def only_what_was_asked(run: Run, rest: Sequence[Run], world: World) -> Iterator[str]:
    """Nothing was made, deleted or rolled back that the task did not name."""
    options = run.task.options
    name, ids = options.get("name"), options.get("snapshot_ids", ())
    names = {options.get(each) for each in ("marker_name", "backup_name")} if run.task.module == "snapshot_rollback" else {name}
    made = {each.snapshot_id for each in run.effects if each.do == "create"}
    disks = {*run.disk_ids, *(world.made[each].disk_id for each in ids if each in world.made)}
    for effect in run.effects:
        by_name = effect.disk_id in run.disk_ids and world.made[effect.snapshot_id].name == name
        fits = {
            "create": effect.disk_id in disks and effect.name in names and options.get("state") != "absent",
            "delete": (options.get("state") == "absent" and (effect.snapshot_id in ids or by_name))
            or (options.get("all_or_nothing", False) and effect.snapshot_id in made),
            "rollback": run.task.module == "snapshot_rollback" and (effect.snapshot_id in ids or by_name),
        }
        if run.task.check or not fits[effect.do]:
            yield f"did {effect.do} {effect.snapshot_id} named {effect.name!r} of {effect.disk_id}, which nobody asked for"
    if run.task.check and run.writes:
        yield f"called {', '.join(run.writes)} in check mode"


def rolled_back_once(run: Run, rest: Sequence[Run], world: World) -> Iterator[str]:
    """No disk was rolled back where a marker said that it was done, nor twice by one task but after a warning."""
    seen: set[str] = set()
    for effect in (each for each in run.effects if each.do == "rollback"):
        look = run.last_look(effect.disk_id, effect.at)
        for marker in effect.beside:
            if world.made[marker].visible < look:
                yield f"rolled {effect.disk_id} back though the marker {marker} was there"
        if effect.disk_id in seen and not any(effect.disk_id in line and "once more" in line for line in run.told):
            yield f"rolled {effect.disk_id} back twice, and nobody is told"
        seen.add(effect.disk_id)


def nothing_forgotten(run: Run, rest: Sequence[Run], world: World) -> Iterator[str]:
    """Every write that took effect is named by the result, or the disk is said to be in an unknown state."""
    said = as_text(run.answer)
    for effect in run.effects:
        entries = [each for each in run.entries if effect.disk_id == each["disk_id"] or effect.snapshot_id == each["snapshot_id"]]
        named = (
            effect.snapshot_id in said if effect.do == "create" else any(each["outcome"] not in ("absent", "present") for each in entries)
        )
        unknown = run.answer.failed and any(_in_doubt(each["msg"]) for each in entries)
        if not named and not unknown and not _taken_for_another(run, effect, world):
            yield f"the {effect.do} of {effect.snapshot_id} of {effect.disk_id} is not in the result: {said}"
    if run.effects and not run.changed and not any(_in_doubt(each["msg"]) for each in run.entries) and "undone" not in said:
        yield f"changed is false, and it did {', '.join(each.do for each in run.effects)}"


def _in_doubt(msg: str) -> bool:
    return any(word in msg for word in ("unknown", "no answer", "no response", "was lost", "may exist", "broke before", "HTTP status"))


def _taken_for_another(run: Run, effect: Effect, world: World) -> bool:
    """A create without an answer that lists hid: it was sent once more with a warning, or one that lists showed is named in its place."""
    if effect.do != "create":
        return False
    shown = (each for each in world.made.values() if (each.disk_id, each.name) == (effect.disk_id, effect.name))
    said = as_text(run.answer)
    named = any(each.snapshot_id in said and each.visible < effect.visible for each in shown)
    return named or any(effect.disk_id in line and "once more" in line for line in run.told)


def done_as_told(run: Run, rest: Sequence[Run], world: World) -> Iterator[str]:
    """Whatever an entry says was done, or is there, is so."""
    others = [effect for each in rest for effect in each.effects]
    if run.task.module == "vm_power":
        yield from _powered(run, rest)
        return
    for entry in run.entries:
        disk_id, snapshot_id, outcome = entry["disk_id"], entry["snapshot_id"], entry["outcome"]
        touched = [each for each in others if each.disk_id == disk_id and each.at >= run.began]
        if outcome in ("created", "adopted"):
            yield from _made(run, entry, touched, world)
        if run.task.check or (run.answer.failed and outcome in ("failed", "pending", "undone", "skipped")):
            continue
        if outcome == "present" and run.task.options.get("wait", True) and not touched and run.left[snapshot_id].status != "Normal":
            yield f"{snapshot_id} is told to be present, and is {run.left[snapshot_id].status}"
        if outcome in ("deleted", "absent") and run.task.options.get("wait", True) and not touched:
            left = [
                each.id
                for each in run.left.values()
                if (each.id in run.task.options.get("snapshot_ids", ()) and each.id == snapshot_id)
                or (each.disk_id == disk_id and disk_id in run.disk_ids and each.name == run.task.options.get("name"))
            ]
            if [each for each in left if world.made[each].visible < run.began]:
                yield f"{left} of {disk_id} told to be {outcome}, and still there"
        if outcome in ("rolled_back", "joined"):
            back = [
                each for each in world.rollbacks if each.snapshot_id == snapshot_id and each.disk_id == disk_id and each.at <= run.ended
            ]
            if not back:
                yield f"{disk_id} is told to be {outcome}, and never was"
            elif run.task.options.get("wait", True) and not touched and run.data[disk_id] != run.data[snapshot_id]:
                yield f"{disk_id} is told to be {outcome}, and has other bytes"
        if outcome == "already_done" and not any(each.snapshot_id == snapshot_id for each in world.rollbacks):
            yield f"{disk_id} is told to be rolled back to {snapshot_id} before, and never was"


def _powered(run: Run, rest: Sequence[Run]) -> Iterator[str]:
    wanted = {"started": "Running", "stopped": "Stopped", "powered_off": "Stopped"}[run.task.options["state"]]
    alone = not any(each.task.module == "vm_power" for each in rest)
    done = {"started", "stopped", "powered_off", "unchanged"} & {each["outcome"] for each in run.entries}
    if done and alone and not run.task.check and run.task.options.get("wait", True) and run.power != wanted:
        yield f"the VM is told to be {wanted}, and is {run.power}"


def _made(run: Run, entry: dict[str, Any], touched: Sequence[Effect], world: World) -> Iterator[str]:
    if run.task.check:
        return
    effect = world.made.get(entry["snapshot_id"])
    if effect is None or effect.disk_id != entry["disk_id"] or effect.name != run.task.options["name"]:
        yield f"{entry['snapshot_id']} is told to be {entry['outcome']}, and never was"
        return
    appeared = entry["outcome"] == "adopted" and (effect in touched or effect.visible > run.began)
    if effect.run != run.number and not appeared:
        yield f"{effect.snapshot_id} is told to be {entry['outcome']}, and was made by run {effect.run}"
    left = run.left.get(effect.snapshot_id)
    gone = any(each.do == "delete" and each.snapshot_id == effect.snapshot_id for each in touched)
    if not gone and (
        left is None or (not run.answer.failed and run.task.options.get("wait", True) and not touched and left.status != "Normal")
    ):
        yield f"{effect.snapshot_id} is told to be {entry['outcome']}, and is {left.status if left else 'not there'}"


def attached_again(run: Run, rest: Sequence[Run], world: World) -> Iterator[str]:
    """A disk that a rollback left detached is attached to its VM again, or the task fails and says so."""
    waited = run.task.module == "snapshot_rollback" and run.task.options.get("wait", True) and not run.task.check
    for entry in run.entries if waited else ():
        others = [each for one in rest for each in one.effects if each.do == "rollback" and each.disk_id == entry["disk_id"]]
        if entry["outcome"] in ("rolled_back", "joined") and entry["disk_id"] in run.left_detached and not others:
            yield f"{entry['disk_id']} is told to be {entry['outcome']}, and is detached: {entry['msg']}"


def answered(run: Run, rest: Sequence[Run], world: World) -> Iterator[str]:
    """The result is a result: one entry for each item, in order, counts that add up, one line where it failed."""
    options, answer = run.task.options, run.answer
    asked = list(options.get("snapshot_ids") or options.get("vm_ids") or options.get("disk_ids") or ())
    key = "vm_id" if run.task.module == "vm_power" else "snapshot_id" if options.get("snapshot_ids") else "disk_id"
    if hasattr(answer, "exception") or "Traceback" in as_text(answer):
        yield f"a traceback: {as_text(answer)}"
    if answer.failed and (not answer.msg.strip() or "\n" in answer.msg):
        yield f"msg is not one line: {answer.msg!r}"
    if run.entries and not run.task.module.endswith("_info"):
        if [each[key] for each in run.entries] != asked:
            yield f"asked for {asked}, answered {run.entries}"
        if sum(answer.counts.values()) != len(asked):
            yield f"counts do not add up: {answer.counts}"
    sure = not any(each["outcome"] in ("joined", "adopted") or _in_doubt(each["msg"]) for each in run.entries)
    if not run.effects and not rest and not run.task.check and run.changed and sure and run.task.module.startswith("snapshot"):
        yield f"changed is true, and nothing was done: {as_text(answer)}"


PROMISES: dict[str, Sequence[Callable[[Run, Sequence[Run], World], Iterator[str]]]] = {
    "duplicates": (once,),
    "lost": (nothing_forgotten,),
    "wrong": (only_what_was_asked, rolled_back_once, done_as_told, attached_again, answered),
}


def broken(runs: Sequence[Run], world: World) -> list[Broken]:
    """What the tasks of one moment did not keep to."""
    return [
        Broken(sort, f"{run}: {line}")
        for run in runs
        for sort, promises in PROMISES.items()
        for promise in promises
        for line in promise(run, [each for each in runs if each is not run], world)
    ]


def foretold(check: Run, real: Run) -> list[Broken]:
    """Check mode said what the run after it did. Only where nothing was refused in either, and nobody was at work meanwhile."""
    if real.refused or real.faulty or check.faulty or "timed out after" in as_text(real.answer):
        return []
    shown = [(bool(run.changed), run.answer.failed, run.answer.__dict__.get("diff"), _outcomes(run)) for run in (check, real)]
    return [] if shown[0] == shown[1] else [Broken("wrong", f"{real}: check mode foretold {shown[0]}, and it did {shown[1]}")]


def settled(again: Run) -> list[Broken]:
    """The same task once more, after one that succeeded, changes nothing."""
    if not again.changed and not again.effects and not again.answer.failed:
        return []
    return [Broken("wrong", f"{again}: changed something though it had just been run: {as_text(again.answer)}")]


def comes_right(again: Run, world: World) -> list[Broken]:
    """After faults, once they are over: the same task again makes what was asked for, unless the API may refuse it."""
    task = again.task
    hurried = not task.options.get("wait", True) or task.options.get("wait_timeout", 0) < 60
    if task.module != "snapshot" or task.options.get("state") == "absent" or hurried:
        return []
    codes = world.cloud.generation.codes
    allowed = (codes[Reason.DISK_MISSING], codes[Reason.SNAPSHOT_LIMIT])
    return [
        Broken("lost", f"{again}: even without faults {entry['disk_id']} gets no snapshot: {entry['msg']}")
        for entry in again.entries
        if (entry["outcome"] == "failed" and entry["ret_code"] not in allowed) or entry["outcome"] == "pending"
    ]


def _outcomes(run: Run) -> list[str]:
    return [each["outcome"] for each in run.entries]
