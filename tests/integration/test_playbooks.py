# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an operator meets on the command line: messages, modes, secrets."""

from __future__ import annotations

import http.server
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import stage

from .conftest import Play

pytestmark = pytest.mark.once

SNAPSHOT = "ucloudstack.cloud.snapshot"
INFO = "ucloudstack.cloud.snapshot_info"


def messages(output: str) -> list[str]:
    """The ``msg`` of every failed task in the output."""
    return [json.JSONDecoder().raw_decode(rest)[0]["msg"] for rest in output.split("FAILED! => ")[1:]]


def only_message(play: Play, options: dict[str, Any], module: str = INFO, **keywords: Any) -> str:
    """The one line that a task with bad options or a bad endpoint ends with."""
    played = play([{module: options}], "-v", **keywords)
    assert played.returncode == 2, played.stdout + played.stderr
    message = messages(played.stdout)[-1]
    assert "\n" not in message
    assert "Traceback" not in played.stdout + played.stderr
    return message


@pytest.fixture
def web_server() -> Iterator[tuple[str, list[str]]]:
    """A server that is not the API: `/html` shows a page, `/login` sends elsewhere. Its URL, and the paths asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(302 if self.path == "/login" else 200)
            self.send_header("Location", "/html")
            self.send_header("Content-Length", "31")
            self.end_headers()
            self.wfile.write(b"<html><body>Log in</body></html>"[:31])

        do_GET = do_POST

        def log_message(self, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("bad", [None, "", "  "])
def test_empty_or_null_entry_is_refused_before_any_call(bad: Any, cloud: stage.Cloud, play: Play) -> None:
    message = only_message(play, {"name": "x", "disk_ids": ["disk-1", bad]}, SNAPSHOT)
    # ansible-core before 2.19 refuses a null by itself.
    assert "empty or null entry, at position 2" in message or (bad is None and "'disk_ids' is of type <class 'NoneType'>" in message)
    assert cloud.control("calls") == []


def test_missing_connection_names_option_variable_and_delegation(cloud: stage.Cloud, play: Play) -> None:
    message = only_message(play, {}, environment={"UCLOUDSTACK_REGION": ""})
    assert "region" in message and "UCLOUDSTACK_REGION" in message and "delegate_to: localhost" in message


def test_wrong_key_says_what_to_check(cloud: stage.Cloud, play: Play) -> None:
    message = only_message(play, {"private_key": "a-wrong-key-of-some-length"})
    assert "signature" in message and "Check public_key and private_key" in message


def test_html_says_what_it_is(web_server: tuple[str, list[str]], play: Play) -> None:
    message = only_message(play, {"api_url": f"{web_server[0]}/html", "request_timeout": 5})
    assert "not a response of the API" in message and "Log in" in message


def test_redirect_is_not_followed(web_server: tuple[str, list[str]], play: Play) -> None:
    message = only_message(play, {"api_url": f"{web_server[0]}/login"})
    assert "redirects" in message and "Check api_url" in message
    assert web_server[1] == ["/login"]


def test_unreachable_endpoint(play: Play) -> None:
    message = only_message(play, {"api_url": "http://127.0.0.1:9/api"})
    assert "cannot connect to http://127.0.0.1:9/api" in message and "Check api_url" in message


def test_tls_is_verified_against_ca_path_alone(tmp_path: Path, play: Play) -> None:
    with stage.emulator(tmp_path / "tls", "--tls") as secure:
        ca = secure.connection["ca_path"]
        message = only_message(play, {}, environment={**secure.environment, "REQUESTS_CA_BUNDLE": ca, "SSL_CERT_FILE": ca})
        assert "is not trusted" in message and "ca_path" in message
        played = play([{INFO: {"ca_path": ca}}], environment={**secure.environment, "REQUESTS_CA_BUNDLE": "/nowhere"})
        assert played.returncode == 0, played.stdout


def test_check_mode_with_diff_shows_lines_that_a_person_can_read(cloud: stage.Cloud, play: Play) -> None:
    disk = cloud.disk("diff")["disk_id"]
    played = play([{SNAPSHOT: {"name": "夜间 🌙", "disk_ids": [disk]}}], "--check", "--diff")
    assert f"-{disk}: no snapshot named '夜间 🌙'" in played.stdout
    assert f"+{disk}: snapshot named '夜间 🌙'" in played.stdout
    assert cloud.calls("CreateSnapshot") == 0


@pytest.mark.parametrize("name", ["{{ 7 * 7 }}", "a+b&c=d%20e", "\"quoted\" 'too'", " leading and trailing "])
def test_names_survive_the_trip_through_playbook_and_api(name: str, cloud: stage.Cloud, play: Play) -> None:
    disk = cloud.disk("names")["disk_id"]
    played = play([{SNAPSHOT: {"name": "{{ wanted }}", "remark": "{{ wanted }}", "disk_ids": [disk]}}], wanted={"__ansible_unsafe": name})
    created = next(call["params"] for call in cloud.control("calls") if call["action"] == "CreateSnapshot")
    assert (created["Name"], created["Remark"]) == (name, name)
    refused = stage.GENERATION == "2026"  # which takes letters, digits, dots, underscores and hyphens
    assert played.returncode == (2 if refused else 0), played.stdout
    assert ("CreateSnapshot: a parameter is invalid (RetCode 113" in played.stdout) == refused


def test_time_out_hands_the_work_back(cloud: stage.Cloud, play: Play) -> None:
    disk = cloud.disk("slow")["disk_id"]
    cloud.control("faults", "POST", [{"action": "CreateSnapshot", "kind": "odd_status", "status": "Pondering", "seconds": 8, "count": 1}])
    tasks = [{SNAPSHOT: {"name": "slow", "disk_ids": [disk], "wait_timeout": "{{ timeout }}"}}]
    first = play(tasks, "-v", timeout=3)
    assert first.returncode == 2
    message = messages(first.stdout)[-1]
    assert disk in message and "Pondering" in message and "run the same task again" in message
    second = play(tasks, "-v", timeout=60)
    assert second.returncode == 0, second.stdout
    assert cloud.calls("CreateSnapshot") == 1


def test_keys_and_signatures_are_in_no_output(cloud: stage.Cloud, play: Play) -> None:
    disk = cloud.disk("secrets")["disk_id"]
    private_key, from_environment = cloud.connection["private_key"], "{{ lookup('env', 'UCLOUDSTACK_PRIVATE_KEY') }}"
    tasks = [
        {SNAPSHOT: {"name": "secret", "disk_ids": [disk]}},
        {SNAPSHOT: {"name": "secret", "disk_ids": ["disk-that-is-not"], "private_key": from_environment}, "ignore_errors": True},
        {INFO: {"api_url": "http://127.0.0.1:9/api", "request_timeout": 1}, "ignore_errors": True},
        {INFO: {"private_key": from_environment, "disk_ids": []}, "ignore_errors": True},
        {"ucloudstack.cloud.snapshot_rollback": {"name": "secret", "disk_ids": [disk]}},
    ]
    played = play(tasks, "-vvvv")
    assert played.returncode == 0, played.stdout
    everything = played.stdout + played.stderr
    assert private_key not in everything
    assert "Signature" not in everything
    assert not re.search(r"\b[0-9a-f]{40}\b", re.sub(r"checksum.*", "", everything))
