# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python tests/emulator`` as a process: its one line, its end, and that SIGKILL loses nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import emulator as package
import pytest
import requests

FOLDER = str(Path(package.__file__).parent)
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts the command on the test's state directory; whatever is left at the end is killed."""
    processes = []

    def run(*options: str, directory: Path = tmp_path / "state") -> subprocess.Popen[str]:
        command = [sys.executable, FOLDER, "--state-dir", str(directory), *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        processes.append(process)
        return process

    yield run
    for process in processes:
        process.kill()
        process.communicate()


def caller(call: Any, process: subprocess.Popen[str]) -> Any:
    """A caller of the process, from its ready line."""
    assert process.stdout
    ready = json.loads(process.stdout.readline())
    return type(call)(SimpleNamespace(**ready, ready=ready))


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_ready_line_and_clean_stop(start: Start, call: Any) -> None:
    process = start()
    there = caller(call, process)
    assert list(there.emulator.ready) == ["api_url", "public_key", "private_key", "region", "zone", "control_url"]
    assert there.code("DescribeSnapshot") == 0
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=5) == ("", "")
    assert process.returncode == 0


def test_interrupt_stops_it_even_while_it_answers(start: Start, call: Any) -> None:
    process = start()
    there = caller(call, process)
    there.session.post(f"{there.emulator.control_url}/faults", json=[{"kind": "endless_body"}])
    there.session.post(there.emulator.api_url, data=there.form("DescribeDisk"), stream=True)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=5) == ("", "")
    assert process.returncode == 0


def test_secrets_are_nowhere_but_in_the_ready_line(start: Start, call: Any) -> None:
    process = start()
    there = caller(call, process)
    form = there.form("DescribeSnapshot", Limit=20)
    there.session.get(there.emulator.api_url, params=form)
    there.session.get(there.emulator.api_url, params={**form, "Limit": "21"})
    there.session.get(there.emulator.api_url.replace("/api", "/nothing"), params=form)
    there.session.put(there.emulator.api_url, params=form)
    there.session.post(f"{there.emulator.control_url}/faults", json=[{"kind": "drop"}])
    with pytest.raises(requests.ConnectionError):
        there("DescribeSnapshot")
    shown = there.session.get(f"{there.emulator.control_url}/calls").text
    shown += there.session.get(f"{there.emulator.control_url}/state").text
    process.send_signal(signal.SIGTERM)
    output = "".join(process.communicate(timeout=5))
    for secret in (there.emulator.public_key, there.emulator.private_key, form["Signature"]):
        assert secret not in shown + output
    assert output == ""


def test_tls_with_an_authority_that_stays(start: Start, call: Any, tmp_path: Path) -> None:
    process = start("--tls")
    there = caller(call, process)
    assert there.emulator.ready["api_url"].startswith("https://127.0.0.1:")
    authority = tmp_path / "ca.pem"
    authority.write_bytes(Path(there.emulator.ca_path).read_bytes())
    there.session.verify = str(authority)
    assert there.code("DescribeSnapshot") == 0
    process.kill()
    process.wait()
    again = caller(call, start("--tls"))
    again.session.verify = str(authority)
    assert (again.code("DescribeSnapshot"), again.emulator.private_key) == (0, there.emulator.private_key)


def test_killed_and_started_again(start: Start, call: Any) -> None:
    """SIGKILL after each write, and in the middle of restoring the bytes of a rollback: all work is done in the end, once."""
    options = ["--snapshot-seconds", "0.2", "--rollback-seconds", "0.2"]
    process = start(*options)
    there = caller(call, process)
    options += ["--port", there.emulator.api_url.split(":")[2].split("/")[0]]

    def kill() -> None:
        process.kill()
        process.wait()

    def restart() -> None:
        nonlocal process
        kill()
        process = start(*options)
        assert caller(call, process).emulator.ready == there.emulator.ready

    disk = there("CreateDisk", Name="data", DiskSpace=1, SetType="Normal", ChargeType="Dynamic")["DiskID"]
    restart()
    wait_until(lambda: there.disk_status(disk) == "Unbound")
    image = Path(there.session.get(f"{there.emulator.control_url}/state").json()["disks"][0]["image"])
    os.truncate(image, 65 << 20)
    before = os.urandom(64 << 20) + bytes(1 << 20)
    with image.open("r+b") as file:
        file.write(before[: 64 << 20])
    snapshot = there("CreateSnapshot", DiskID=disk, Name="before")["SnapshotID"]
    restart()
    assert there.snapshot_status(snapshot) in ("Createing", "Normal")
    wait_until(lambda: there.snapshot_status(snapshot) == "Normal")
    assert there.disk_status(disk) == "Unbound"

    caught, rollbacks = False, 0
    while not caught:
        rollbacks += 1
        assert rollbacks < 10, "no kill came in the middle of the work"
        image.write_bytes(b"patched" * (9 << 20))
        full = image.stat().st_blocks
        assert there.code("RollbackSnapshot", SnapshotID=snapshot, DiskID=disk) == 0
        restart()
        wait_until(lambda full=full: image.stat().st_blocks < full)  # type: ignore[misc]
        kill()
        caught = image.read_bytes() != before
        restart()
        wait_until(lambda: there.snapshot_status(snapshot) == "Normal")
        assert image.read_bytes() == before
        assert there.disk_status(disk) == "Unbound"
    calls = there.session.get(f"{there.emulator.control_url}/calls").json()
    changes = [one["action"] for one in calls if "Describe" not in one["action"]]
    assert changes == ["CreateDisk", "CreateSnapshot"] + ["RollbackSnapshot"] * rollbacks


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--port", "http"], "emulator: argument --port: invalid port value: 'http'"),
        (["--port", "70000"], "emulator: argument --port: invalid port value: '70000'"),
        (["--snapshot-seconds", "-1"], "emulator: argument --snapshot-seconds: invalid number value: '-1'"),
        (["--rollback-seconds", "nan"], "emulator: argument --rollback-seconds: invalid number value: 'nan'"),
        (["--latency-ms", "inf"], "emulator: argument --latency-ms: invalid number value: 'inf'"),
        (["--snapshot-limit", "1.5"], "emulator: argument --snapshot-limit: invalid whole number value: '1.5'"),
        (["--generation", "3"], "emulator: argument --generation: invalid choice: '3'"),
        (["--vm-backend", "xen"], "emulator: argument --vm-backend: invalid choice: 'xen'"),
        (["--mischief"], "emulator: unrecognized arguments: --mischief"),
    ],
)
def test_bad_arguments(
    options: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from emulator.__main__ import parser

    with pytest.raises(SystemExit) as refused:
        parser().parse_args(["--state-dir", str(tmp_path), *options])
    error = capsys.readouterr().err
    assert (refused.value.code, error.count("\n"), error.startswith(message)) == (2, 1, True)


def test_generation_of_a_directory(start: Start, call: Any) -> None:
    first = start("--generation", "2026")
    assert "X-UCLOUD-REQUEST-UUID" in caller(call, first).send("DescribeDisk").headers
    first.kill()
    first.wait()
    other = start("--generation", "2.x")
    out, error = other.communicate(timeout=5)
    assert (other.returncode, out, error.count("\n")) == (2, "", 1)
    assert error.startswith("emulator: ")
    assert error.endswith(" is of generation 2026, not 2.x\n")
    again = start()
    assert "X-UCLOUD-REQUEST-UUID" in caller(call, again).send("DescribeDisk").headers


@pytest.mark.parametrize("options", [("--vm-backend", "qemu"), ("--vm-image", FOLDER)])
def test_qemu_needs_an_image(start: Start, options: tuple[str, ...]) -> None:
    process = start(*options)
    out, error = process.communicate(timeout=5)
    assert (process.returncode, out, error) == (2, "", "emulator: --vm-backend qemu and --vm-image belong together\n")


def test_a_directory_that_cannot_be_used(start: Start, call: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    in_use, no_directory = start(directory=call.state.directory), start(directory=tmp_path / "file")
    out, error = in_use.communicate(timeout=5)
    assert (in_use.returncode, out, error) == (2, "", f"emulator: another emulator uses {call.state.directory}\n")
    out, error = no_directory.communicate(timeout=5)
    assert (no_directory.returncode, out, error.count("\n"), error[:10]) == (2, "", 1, "emulator: ")
