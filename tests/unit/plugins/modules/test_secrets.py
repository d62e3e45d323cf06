# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a module prints, logs and raises holds neither the private key nor a signature, wherever it fails."""

from __future__ import annotations

import http.client
import importlib
import logging
import syslog
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible.module_utils import basic
from ansible.module_utils.common import parameters
from emulator.server import Emulator
from emulator.state import VmState
from support import leaks

Run = Callable[..., Any]
CLIENT = "ansible_collections.ucloudstack.cloud.plugins.module_utils._client"
CONNECTION = ("api_url", "public_key", "private_key", "region", "zone")
IN_THREADS = {"_transport:Transport._try_post": "vm_info", "_transport:failure": "snapshot_info"}
"""Where a request is made in a thread of its own, and nobody is there to catch what is not expected."""

INVOCATION = {"_ansible_inject_invocation": True} if "inject_invocation" in parameters.PASS_VARS else {}
"""Older versions of ansible-core always show the options in the result."""


class Said(list[str]):
    """Everything that modules print, log and raise, as text."""

    def __init__(self, cloud: Emulator) -> None:
        super().__init__()
        self.cloud = cloud
        self.signatures: list[str] = []

    def take(self, error: BaseException | None) -> None:
        """An exception as Python prints it, and all that hangs on it and on those that it came from."""
        if error:
            self.append("".join(traceback.format_exception(error)))
        while error:
            self.append(f"{error!r} {error.args!r} {vars(error)!r}")
            assert not hasattr(error, "request") and not hasattr(error, "response")
            error = error.__cause__ or error.__context__

    def assert_no_secret(self) -> None:
        assert leaks.leaks([self.cloud.private_key, *self.signatures], {"said": "\n".join(self)}) == []


@pytest.fixture
def said(cloud: Emulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[Said]:
    """Collects what modules say, and the signatures that they make."""
    said, client = Said(cloud), importlib.import_module(CLIENT)
    sign = client.signature

    def signature(*given: Any) -> str:
        said.signatures.append(sign(*given))
        return said.signatures[-1]

    monkeypatch.setattr(client, "signature", signature)
    monkeypatch.setattr(basic, "has_journal", False)
    monkeypatch.setattr(syslog, "syslog", lambda *message: said.append(f"syslog: {message[-1]}"))
    monkeypatch.setattr(threading, "excepthook", lambda hooked: said.take(hooked.exc_value))
    with caplog.at_level(logging.DEBUG):
        yield said
    said.append(caplog.text)
    assert any("Invoked with" in each for each in said if each.startswith("syslog: "))
    said.assert_no_secret()


@pytest.fixture(params=["environment", "options"])
def run(
    request: pytest.FixtureRequest, cloud: Emulator, run_alone: Run, said: Said, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> Callable[..., Any]:
    """``run("snapshot", name=…)``, with the keys in the environment or as options; None where an exception got out of it."""
    connection = {option: getattr(cloud, option) for option in CONNECTION}
    if request.param == "environment":
        for option in CONNECTION:
            monkeypatch.setenv(f"UCLOUDSTACK_{option.upper()}", connection.pop(option))

    def run_module(module: str, **options: Any) -> Any:
        try:
            answer = run_alone(module, **{**connection, **options}, _ansible_debug=True, _ansible_verbosity=4, **INVOCATION)
        except RuntimeError as error:
            said.take(error)
            answer = None
        said.append("".join(capfd.readouterr()) + (answer.printed if answer else ""))
        return answer

    return run_module


@pytest.fixture
def tasks(cloud: Emulator, disk: str, place: Callable[..., str]) -> dict[str, dict[str, Any]]:
    """Options with which each module has something to do."""
    place(disk, "good", age=60)
    vm_ids = [cloud.state.add_vm("web", boot_gb=1, data_gb=1, state=VmState.RUNNING)]
    return {
        "snapshot": {"name": "new", "disk_ids": [disk]},
        "snapshot_info": {"disk_ids": [disk]},
        "snapshot_rollback": {"name": "good", "disk_ids": [disk]},
        "vm_power": {"vm_ids": vm_ids, "state": "stopped"},
        "vm_info": {"vm_ids": vm_ids},
    }


def test_every_module_succeeding(run: Run, tasks: dict[str, dict[str, Any]], said: Said) -> None:
    for module, options in tasks.items():
        answer = run(module, **options)
        assert not answer.failed
        assert answer.invocation["module_args"]["private_key"] == "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
        assert answer.invocation["module_args"]["public_key"] == said.cloud.public_key, "which is no secret"
    assert len(said.signatures) >= len(tasks)
    assert not http.client.HTTPConnection.debuglevel, "it would print whole requests"


def test_every_module_failing(run: Run, cloud: Emulator, tasks: dict[str, dict[str, Any]]) -> None:
    cloud.add_faults({"action": "*", "kind": "refuse", "ret_code": 171})
    for module, options in tasks.items():
        assert run(module, **options).failed
        assert run(module, **options, api_url="http://127.0.0.1:1/api").failed
        assert run(module, **options, nonsense=1).failed


@pytest.mark.parametrize("broken", leaks.PLACES)
def test_exception_forced_at(
    broken: str, run: Run, cloud: Emulator, tasks: dict[str, dict[str, Any]], said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    if broken.startswith("_errors"):
        cloud.add_faults({"action": "*", "kind": "refuse", "ret_code": 171})
    leaks.break_at(broken, monkeypatch.setattr)
    answer = run(leaks.PLACES[broken], **tasks[leaks.PLACES[broken]])
    assert answer is None or answer.failed
    assert f"forced at {broken}" in "".join(said)


@pytest.mark.parametrize("broken", IN_THREADS)
def test_exception_forced_in_a_thread(
    broken: str, run: Run, tasks: dict[str, dict[str, Any]], said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.import_module(CLIENT), "READ_ATTEMPTS", 1)
    if broken == "_transport:failure":
        leaks.break_at("_transport:RequestBody.read", monkeypatch.setattr)
    leaks.break_at(broken, monkeypatch.setattr)
    answer = run(IN_THREADS[broken], **tasks[IN_THREADS[broken]], request_timeout=1)
    assert answer.failed
    assert f"forced at {broken}" in "".join(said)
