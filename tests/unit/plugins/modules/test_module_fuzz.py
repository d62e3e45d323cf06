# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever a server sends, a module ends in time, with a result that can be printed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import fuzz
import pytest
from ansible_collections.ucloudstack.cloud.plugins.module_utils._transport import Transport
from hypothesis import given
from hypothesis import strategies as st
from support.in_process import module_answer

CONNECTION = {
    "api_url": "https://console.customer.test/api",
    "public_key": "a-public-key",
    "private_key": "a-private-key-that-is-long",
    "region": "cn",
    "validate_certs": False,
}
NAMED = {"name": "before", "disk_ids": fuzz.DISKS}
BY_ID = {"snapshot_ids": fuzz.SNAPSHOTS[:2]}
LONG = 300
SNAPSHOT, ROLLBACK = ["DescribeSnapshot", "CreateSnapshot", "DeleteSnapshot"], ["DescribeSnapshot", "RollbackSnapshot", "CreateSnapshot"]
MACHINES, DISKS = ["DescribeVMInstance"], ["DescribeVMInstance", "DescribeDisk"]
POWER = ["StartVMInstance", "StopVMInstance", "PoweroffVMInstance"]

TASKS: list[tuple[str, dict[str, Any], list[str]]] = [
    ("snapshot_info", {}, ["DescribeSnapshot"]),
    ("snapshot_info", {"disk_ids": fuzz.DISKS, "name_prefix": "be"}, ["DescribeSnapshot"]),
    ("vm_info", {"vm_ids": fuzz.VMS}, MACHINES),
    ("snapshot", {**NAMED, "remark": "ours", "wait_timeout": LONG}, SNAPSHOT + DISKS),
    ("snapshot", {**NAMED, "all_or_nothing": True, "wait_timeout": LONG}, SNAPSHOT + DISKS),
    ("snapshot", {**NAMED, "wait": False, "wait_timeout": LONG}, SNAPSHOT + DISKS),
    ("snapshot", {**NAMED, "state": "absent", "wait_timeout": LONG}, SNAPSHOT + DISKS),
    ("snapshot", {**BY_ID, "state": "absent", "wait_timeout": LONG}, SNAPSHOT + DISKS),
    ("snapshot_rollback", {**BY_ID, "wait_timeout": LONG}, ROLLBACK + DISKS),
    ("snapshot_rollback", {**NAMED, "marker_name": "mark", "backup_name": "back", "wait_timeout": LONG}, ROLLBACK + DISKS),
    *(
        ("vm_power", {"vm_ids": fuzz.VMS, "state": state, "wait_timeout": LONG}, POWER + DISKS + ["DescribeSnapshot"])
        for state in ("started", "powered_off")
    ),
]


def fail(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


def check(answer: Any) -> None:
    """What people read is printable, one line each, and all of it is JSON that Ansible can read and write again."""
    printed = json.loads(answer.printed, parse_constant=fail)
    json.dumps(printed, ensure_ascii=False).encode()
    of_the_api = [printed.get(key, []) for key in ("snapshots", "vms", "results")]
    assert not any(key.startswith("__") for key in fuzz.keys(of_the_api)), "ansible-core would take such an object for one of its own"
    told = [each if isinstance(each, str) else each["event"]["msg"] for each in answer.warnings]
    lines = [*told, *(entry["msg"] for entry in getattr(answer, "results", []))]
    if answer.failed:
        lines.append(answer.msg)
    for side in getattr(answer, "diff", {}).values():
        lines += side.split("\n")
    for line in lines:
        assert line.isprintable() and "Traceback" not in line, line
    assert not answer.failed or answer.msg


@pytest.fixture
def run_against(virtual_time: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """``run_against(answers, module, options, check_mode)``: its answer where the server answers each action so, and how long it took."""
    left: dict[str, list[fuzz.Body]] = {}

    def post(transport: Transport, action: str, form: Any, secrets: Any) -> tuple[int, dict[str, str], bytes]:
        virtual_time.sleep(0.05)
        answers = left[action]
        body = answers.pop(0) if len(answers) > 1 else answers[0]
        return body.status, {}, body.content

    monkeypatch.setattr(Transport, "post", post)

    def run(answers: dict[str, list[fuzz.Body]], module: str, options: dict[str, Any], check_mode: bool) -> tuple[Any, float]:
        left.clear()
        left.update({action: list(each) for action, each in answers.items()})
        began = virtual_time.now()
        answer = module_answer(module, {**CONNECTION, **options}, check=check_mode, diff=True)
        return answer, virtual_time.now() - began

    return run


every_task = pytest.mark.parametrize(
    ("module", "options", "actions"), TASKS, ids=[f"{number}-{task[0]}" for number, task in enumerate(TASKS)]
)


@every_task
def test_the_corpus_ends_in_a_result(run_against: Callable[..., Any], module: str, options: dict[str, Any], actions: list[str]) -> None:
    good = {action: fuzz.corpus(action)[:1] for action in actions}
    looked_at = next(action for action in actions if action in fuzz.LISTS)
    for body in fuzz.kept(looked_at):
        answer, _took = run_against({**good, looked_at: [body]}, module, options, False)
        check(answer)


@every_task
def test_any_answers_end_in_a_result(run_against: Callable[..., Any], module: str, options: dict[str, Any], actions: list[str]) -> None:
    @fuzz.fuzzing(25)
    @given(fuzz.scenes(actions), st.booleans())
    def try_it(answers: dict[str, list[fuzz.Body]], check_mode: bool) -> None:
        answer, took = run_against(answers, module, options, check_mode)
        check(answer)
        assert took < 2 * options.get("wait_timeout", 300) + 120  # all_or_nothing has a deadline of its own for what it deletes

    try_it()
