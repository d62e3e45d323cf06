# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which process works on a host of a run: what the roles tell the module ``run_manifest``, and what they say if it refuses."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ansible_collections.ucloudstack.cloud.plugins.module_utils._claims import state_and_start
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._hosts import failure

Record = Mapping[str, Any]


def claim(_value: Any = None) -> dict[str, Any]:
    """What marks this process of ``ansible-playbook``, as the option ``claim`` of ``run_manifest`` takes it.

    Filters run in workers, which are children of that process.
    """
    parent = multiprocessing.parent_process()
    pid = parent.pid if parent and parent.pid else os.getpid()
    controller, (_state, started) = os.uname().nodename, state_and_start(pid)
    since = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"id": f"{controller}-{pid}-{started}", "controller": controller, "since": since, "pid": pid, "started": started}


def refusals(written: Record, option: str) -> dict[str, str]:
    """Why hosts were not written to the manifest: ``{host: why}``. ``option``: what the user sets to take them over."""
    return {
        host: (
            f"another process, on {process['controller']}, has been working on this host in this run since {process['since']}: "
            f"wait until it ends, or set {option}=true if it no longer exists."
        )
        for host, process in (written.get("refused") or {}).items()
    }


def not_written(written: Record, hosts: Mapping[str, Any], option: str) -> dict[str, str]:
    """Which of these hosts must be left alone because the manifest was not written, and why."""
    why = failure(written)
    return dict.fromkeys(hosts, why) if why else refusals(written, option)
