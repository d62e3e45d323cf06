# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finds leaked secrets: what to search for, and the places where tests force an exception."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

PART = 12
"""This many consecutive characters of a secret count as a leak."""

PLACES = {
    "_module:connected": "vm_info",
    "_apply:Task.read": "snapshot",
    "_apply:sent_once": "snapshot",
    "_apply:Unit.consider": "snapshot",
    "_results:of_snapshots": "snapshot",
    "_results:_entry": "snapshot",
    "_present:present": "snapshot",
    "_rollback:rolled_back": "snapshot_rollback",
    "_power:powered": "vm_power",
    "_snapshots:by_ids": "snapshot_rollback",
    "_snapshots:create": "snapshot",
    "_vms:attachments": "snapshot_rollback",
    "_vms:with_disk_states": "vm_power",
    "_transport:_pool": "snapshot_info",
    "_client:flatten": "vm_info",
    "_client:signature": "vm_info",
    "_client:Pace.faster": "vm_info",
    "_client:Client.listing": "snapshot_info",
    "_client:Client._exchange": "snapshot_info",
    "_transport:Transport.post": "snapshot_info",
    "_transport:RequestBody.read": "snapshot",
    "_answers:_sanitized": "vm_info",
    "_records:Snapshot.from_api": "snapshot_info",
    "_records:Vm.as_result": "vm_info",
    "_errors:UCloudStackError.__init__": "snapshot_info",
    "_clock:Deadline.pause": "snapshot",
}
"""Functions of every layer in ``module_utils``, each with a module that calls it; that of ``_errors`` is called if a request fails."""


def leaks(secrets: Iterable[str], texts: Mapping[str, str]) -> list[str]:
    """Each part of a secret that is in a text: the name of the text, and its context. Empty if nothing leaked."""
    parts = dict.fromkeys(secret[start : start + PART] for secret in secrets for start in range(len(secret) - PART + 1))
    return [
        f"{name}: …{text[max(place - 100, 0) : place + PART]}…"
        for name, text in texts.items()
        for part in parts
        if (place := text.find(part)) >= 0
    ]


def break_at(place: str, put: Callable[[Any, str, Any], None] = setattr) -> None:
    """Make a function raise an unexpected exception from now on: ``break_at("_client:Client._exchange")``."""
    layer, _colon, path = place.partition(":")
    target: Any = importlib.import_module(f"ansible_collections.ucloudstack.cloud.plugins.module_utils.{layer}")
    *owners, name = path.split(".")
    for owner in owners:
        target = getattr(target, owner)

    def broken(*args: Any, **options: Any) -> None:
        raise RuntimeError(f"forced at {place}")

    put(target, name, broken)
