# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options that make no sense end in one clear line, before any call; and no secret is in what a module prints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible.module_utils.common.parameters import PASS_VARS
from ansible_collections.ucloudstack.cloud.plugins.module_utils import _client, _module
from emulator.server import Emulator
from support.in_process import module_answer

Run = Callable[..., Any]

ACTING = ("snapshot", "snapshot_rollback")
MODULES = (*ACTING, "snapshot_info")
VARIABLES = ("API_URL", "PUBLIC_KEY", "PRIVATE_KEY", "REGION", "ZONE", "PROJECT_ID")
DISKS = {"name": "x", "disk_ids": ["disk-1"]}
VMS: dict[str, dict[str, Any]] = {"vm_power": {"vm_ids": ["vm-1"], "state": "stopped"}, "vm_info": {"vm_ids": ["vm-1"]}}
ABSENT = {"state": "absent"}
COPIES = {"marker_name": "m", "backup_name": "b"}


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(f"UCLOUDSTACK_{name}", raising=False)


def of_modules(modules: tuple[str, ...], *cases: tuple[dict[str, Any], list[str]]) -> list[tuple[str, dict[str, Any], list[str]]]:
    return [(module, options, words) for module in modules for options, words in cases]


@pytest.mark.parametrize("module", [*MODULES, *VMS])
def test_all_that_is_missing_is_named_in_one_message(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_module, "HAS_REQUESTS", False)
    answer = module_answer(module, {**DISKS, "api_url": "https://console.example.com/api"} if module in MODULES else VMS[module])
    assert answer.failed and "Python library (requests)" in answer.msg
    assert (
        f"Also missing: {'' if module in MODULES else 'api_url (or UCLOUDSTACK_API_URL in the environment), '}public_key (or" in answer.msg
    )
    assert "private_key" in answer.msg and "region" in answer.msg


@pytest.mark.parametrize(
    ("module", "options", "words"),
    [
        *of_modules(
            MODULES,
            ({"disk_ids": []}, ["disk_ids", "empty list"]),
            ({"disk_ids": [""]}, ["disk_ids", "empty", "position 1"]),
            ({"disk_ids": ["disk-1", "  "]}, ["disk_ids", "empty", "position 2"]),
            ({"disk_ids": ["disk-1", "\t\n"]}, ["disk_ids", "empty", "position 2"]),
            ({"disk_ids": ["disk-1", "disk-2", "disk-1"]}, ["disk_ids", "disk-1", "more than once"]),
            ({"disk_ids": None, "name": None, "snapshot_ids": []}, ["snapshot_ids", "empty list"]),
            ({"disk_ids": None, "name": None, "snapshot_ids": ["snapshot-1", ""]}, ["snapshot_ids", "empty"]),
            ({"disk_ids": None, "name": None, "snapshot_ids": ["snapshot-1"] * 2}, ["snapshot_ids", "more than once"]),
            ({"request_timeout": 0}, ["request_timeout", "0", "from 1"]),
            ({"request_timeout": -1}, ["request_timeout", "-1"]),
            ({"request_timeout": 3601}, ["request_timeout", "3600"]),
            ({"api_url": "console.example.com/api"}, ["api_url", "console.example.com/api", "https://"]),
            ({"api_url": "ftp://console.example.com/api"}, ["api_url", "ftp://console.example.com/api"]),
            ({"api_url": "https:///api"}, ["api_url"]),
            ({"api_url": "https://user:word@console.example.com/api"}, ["api_url", "user name or password"]),
        ),
        *of_modules(
            ACTING,
            ({"name": "n" * 129}, ["name", "129 characters"]),
            ({"name": ""}, ["name", "empty"]),
            ({"name": None}, ["name"]),
            ({"disk_ids": None}, ["disk_ids"]),
            ({"disk_ids": None, "name": None}, ["snapshot_ids", "disk_ids", "name"]),
            ({"snapshot_ids": ["snapshot-1"]}, ["snapshot_ids"]),
            ({"parallelism": 0}, ["parallelism", "0", "64"]),
            ({"parallelism": 65}, ["parallelism", "65", "64"]),
            ({"wait_timeout": 0}, ["wait_timeout", "0"]),
            ({"wait_timeout": -5}, ["wait_timeout", "-5"]),
            ({"wait_timeout": 604801}, ["wait_timeout", "604800"]),
        ),
        *of_modules(
            ("snapshot",),
            ({"name": "n" * 31}, ["name", "31 characters", "30"]),
            ({"name": "快" * 31}, ["name", "31 characters"]),
            ({**ABSENT, "name": "n" * 129}, ["name", "129 characters", "128"]),
            ({"remark": "r" * 101}, ["remark", "101 characters", "100"]),
            ({"remark": "备" * 101}, ["remark", "101 characters", "100"]),
            ({"disk_ids": None, "name": None, "snapshot_ids": ["snapshot-1"]}, ["snapshot_ids", "state=absent"]),
            ({**ABSENT, "snapshot_ids": ["snapshot-1"]}, ["either snapshot_ids"]),
            ({**ABSENT, "disk_ids": None}, ["disk_ids"]),
            ({**ABSENT, "name": None}, ["name"]),
            ({**ABSENT, "all_or_nothing": True}, ["all_or_nothing", "state=absent"]),
            ({"wait": False, "all_or_nothing": True}, ["all_or_nothing", "wait=false"]),
        ),
        *of_modules(
            ("snapshot_rollback",),
            ({"backup_name": "b"}, ["backup_name", "needs marker_name"]),
            ({"marker_name": "m", "wait": False}, ["wait=false", "marker_name"]),
            ({**COPIES, "wait": False}, ["wait=false", "marker_name"]),
            ({"marker_name": ""}, ["marker_name", "empty"]),
            ({"marker_name": "m", "backup_name": ""}, ["backup_name", "empty"]),
            ({"marker_name": "m" * 31}, ["marker_name", "31 characters"]),
            ({"marker_name": "m", "backup_name": "备" * 31}, ["backup_name", "31 characters"]),
            ({"marker_name": "x"}, ["marker_name", "differ"]),
            ({"marker_name": "m", "backup_name": "x"}, ["backup_name", "differ"]),
            ({"marker_name": "m", "backup_name": "m"}, ["backup_name", "differ"]),
        ),
        *of_modules(
            tuple(VMS),
            ({"vm_ids": []}, ["vm_ids", "empty list"]),
            ({"vm_ids": ["vm-1", " "]}, ["vm_ids", "empty", "position 2"]),
            ({"vm_ids": ["vm-1", "vm-1"]}, ["vm_ids", "vm-1", "more than once"]),
            ({"vm_ids": ["vm 1"]}, ["vm_ids", "'vm 1'"]),
            ({"request_timeout": 0}, ["request_timeout", "0", "from 1"]),
            ({"api_url": "console.example.com/api"}, ["api_url", "https://"]),
        ),
        *of_modules(("vm_info",), ({"name": ""}, ["name", "empty"]), ({"name": "n" * 256}, ["name", "256 characters"])),
        *of_modules(
            ("vm_power",),
            ({"parallelism": 65}, ["parallelism", "65", "64"]),
            ({"wait_timeout": 0}, ["wait_timeout", "0"]),
        ),
    ],
)
def test_senseless_option_is_one_line_before_any_call(
    cloud: Emulator, run: Run, module: str, options: dict[str, Any], words: list[str]
) -> None:
    answer = run(module, **{**VMS.get(module, DISKS), **options})
    assert answer.failed and answer.api_calls == {} and cloud.calls() == []
    assert all(word in answer.msg for word in words), answer.msg
    assert "\n" not in answer.msg and "Traceback" not in answer.printed


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("option", ["disk_ids", "snapshot_ids"])
def test_null_in_a_list_is_refused_before_any_call(cloud: Emulator, run: Run, module: str, option: str) -> None:
    answer = run(module, **{"name": None if option == "snapshot_ids" else "x", option: ["some-id", None]})
    assert answer.failed and cloud.calls() == []
    assert option in answer.msg and "\n" not in answer.msg


@pytest.mark.parametrize(
    ("options", "words"),
    [({"state": None}, ["state"]), ({"state": "off"}, ["state", "off", "powered_off"]), ({"vm_ids": None}, ["vm_ids"])],
)
def test_vm_power_needs_vms_and_a_state_before_any_call(cloud: Emulator, run: Run, options: dict[str, Any], words: list[str]) -> None:
    answer = run("vm_power", **{**VMS["vm_power"], **options})
    assert answer.failed and cloud.calls() == []
    assert all(word in answer.msg for word in words) and "\n" not in answer.msg


@pytest.mark.parametrize("module", VMS)
def test_null_among_vms_is_refused_before_any_call(cloud: Emulator, run: Run, module: str) -> None:
    answer = run(module, **{**VMS[module], "vm_ids": ["vm-1", None]})
    assert answer.failed and cloud.calls() == []
    assert "vm_ids" in answer.msg and "\n" not in answer.msg


@pytest.mark.parametrize("module", MODULES)
def test_senseless_option_is_found_in_check_mode_too(cloud: Emulator, run: Run, module: str) -> None:
    assert run(module, **{**DISKS, "disk_ids": ["disk-1", "disk-1"]}, _check=True).failed
    assert cloud.calls() == []


@pytest.mark.parametrize("module", [*MODULES, *VMS])
@pytest.mark.parametrize("option", ["api_url", "public_key", "private_key", "region"])
@pytest.mark.parametrize("value", [None, ""])
def test_missing_connection_option_is_named_with_its_variable_and_the_delegation_hint(
    cloud: Emulator, run: Run, module: str, option: str, value: str | None
) -> None:
    answer = run(module, **{**VMS.get(module, DISKS), option: value})
    assert answer.failed and cloud.calls() == []
    assert f"{option} (or UCLOUDSTACK_{option.upper()} in the environment)" in answer.msg and "delegate_to: localhost" in answer.msg


def test_all_missing_connection_options_are_named_at_once(run: Run) -> None:
    answer = run("snapshot_info", api_url=None, public_key=None, private_key=None, region=None, zone=None)
    assert all(option in answer.msg for option in ("api_url", "public_key", "private_key", "region"))
    assert "zone" not in answer.msg and "project_id" not in answer.msg


def test_connection_options_come_from_the_environment_and_options_win(
    cloud: Emulator, run_alone: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for option in ("api_url", "public_key", "private_key", "region", "zone"):
        monkeypatch.setenv(f"UCLOUDSTACK_{option.upper()}", getattr(cloud, option))
    monkeypatch.setenv("UCLOUDSTACK_PROJECT_ID", "project-of-the-environment")
    run_alone("snapshot_info")
    run_alone("snapshot_info", project_id="project-of-the-task")
    assert [call["params"]["ProjectIDs.0"] for call in cloud.calls()] == ["project-of-the-environment", "project-of-the-task"]
    assert {(call["ret_code"], call["params"]["Zone"]) for call in cloud.calls()} == {(0, cloud.zone)}


def test_zone_and_project_are_not_invented(cloud: Emulator, run: Run) -> None:
    run("snapshot_info", zone=None)
    run("snapshot", zone=None, name="x", disk_ids=[cloud.state.add_disk("data", 1)])
    for call in cloud.calls():
        assert call["ret_code"] == 0 and not {"Zone", "ProjectID", "ProjectIDs.0"} & set(call["params"])


@pytest.mark.parametrize("module", ACTING)
@pytest.mark.parametrize(
    "options",
    [
        {"name": "快" * 30},
        {"parallelism": 1},
        {"parallelism": 64},
        {"wait_timeout": 604800},
        {"request_timeout": 1},
        {"request_timeout": 3600},
        {"name": " x "},
    ],
)
def test_limits_themselves_are_allowed(cloud: Emulator, run: Run, disk: str, module: str, options: dict[str, Any]) -> None:
    cloud.state.add_snapshot(disk, options.get("name", "x"))
    assert not run(module, **{"name": "x", "disk_ids": [disk], **options}).failed


@pytest.mark.parametrize(("option", "alias"), [("disk_ids", "disk_id"), ("snapshot_ids", "snapshot_id")])
def test_single_id_may_be_given_under_its_singular_name(cloud: Emulator, run: Run, disk: str, option: str, alias: str) -> None:
    snapshot = cloud.state.add_snapshot(disk, "x")
    one = {"disk_ids": {alias: disk, "name": "x"}, "snapshot_ids": {alias: snapshot}}[option]
    assert run("snapshot_rollback", **one).outcomes == ["rolled_back"]
    assert [record["snapshot_id"] for record in run("snapshot_info", **one).snapshots] == [snapshot]
    assert run("snapshot", **one, state="absent").outcomes == ["deleted"]


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize(
    "fault",
    [
        None,
        {"action": "*", "kind": "refuse", "ret_code": 171},
        {"action": "*", "kind": "redirect"},
        {"action": "*", "kind": "html"},
        {"action": "CreateSnapshot", "kind": "drop"},
    ],
    ids=lambda fault: fault["kind"] if fault else "none",
)
def test_private_key_and_signatures_are_in_nothing_that_is_printed(
    cloud: Emulator,
    run: Run,
    disk: str,
    module: str,
    fault: dict[str, Any] | None,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    signatures: list[str] = []
    sign = _client.signature

    def noting(*args: Any) -> str:
        signatures.append(sign(*args))
        return signatures[-1]

    monkeypatch.setattr(_client, "signature", noting)
    cloud.state.add_snapshot(disk, "x")
    if fault:
        cloud.add_faults(fault)
    options = {"snapshot": {"name": "y"}, "snapshot_rollback": {"name": "x", "marker_name": "m"}, "snapshot_info": {}}[module]
    # ansible-core before 2.19 always shows the options, newer ones do so when they are asked to
    show = {"_ansible_inject_invocation": True} if "inject_invocation" in PASS_VARS else {}
    answer = run(module, disk_ids=[disk], **options, **show, _diff=True)
    assert cloud.public_key in answer.printed
    shown = answer.printed + "".join(capfd.readouterr())
    assert signatures
    assert not [secret for secret in (cloud.private_key, *signatures) if secret in shown]


def test_message_of_the_api_that_repeats_the_key_is_masked(cloud: Emulator, run: Run, disk: str) -> None:
    message = f"bad key {cloud.private_key}"
    cloud.add_faults({"action": "*", "kind": "refuse", "ret_code": 171, "message": message})
    answer = run("snapshot", name="x", disk_ids=[disk])
    assert "bad key" in answer.msg and cloud.private_key not in answer.printed
