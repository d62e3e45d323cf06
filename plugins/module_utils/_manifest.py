# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What the manifest of a run says: ``{run_id, name, hosts: {host: {state, …}}}``. Knows no files."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.ucloudstack.cloud.plugins.module_utils import _claims
from ansible_collections.ucloudstack.cloud.plugins.module_utils._errors import UCloudStackError

RUN_ID = re.compile(r"[A-Za-z0-9._-]{1,19}\Z")
SUFFIX = re.compile(r"-[br][0-9]+\Z")
"""The end of the name of a backup (``-b1``) or marker (``-r1``)."""

Manifest = dict[str, Any]
Hosts = Mapping[str, Mapping[str, Any]]


class ManifestError(UCloudStackError):
    """A manifest, or what should become of it, is refused. The file is as it was."""


def is_run_id(text: str) -> bool:
    """Whether a run may be called this, so that the names of its snapshots, backups and markers are valid and differ."""
    return bool(RUN_ID.match(text)) and not SUFFIX.search(text)


def check_options(run_id: str, folder: str, hosts: Mapping[str, Any], claim: Mapping[str, Any]) -> None:
    """Raises ManifestError for an option that is invalid."""
    if not is_run_id(run_id):
        raise ManifestError(
            f"invalid run id {run_id!r}: use at most 19 letters, digits and ._- , not ending in -b1 or -r1 as backups and markers do."
        )
    if not folder:
        raise ManifestError("invalid manifest_dir: it is empty.")
    for host, entry in hosts.items():
        if not isinstance(entry, Mapping):
            raise ManifestError(f"invalid entry of {host!r} in hosts: it must be a dictionary.")
    if claim and not all(claim.get(key) for key in ("id", "controller", "since")):
        raise ManifestError("invalid claim: it needs id, controller and since.")
    if claim.get("pid", 1) < 1:
        raise ManifestError(f"invalid claim: pid is {claim['pid']}, and process ids are positive.")


def empty(run_id: str, prefix: str) -> Manifest:
    """The manifest of a run that has none yet."""
    return {"run_id": run_id, "name": f"{prefix}{run_id}", "hosts": {}}


def parsed(content: bytes, run_id: str) -> Manifest:
    """The manifest of this run. Raises ValueError, with the reason, if the content is anything else."""
    try:
        manifest = json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    if not isinstance(manifest, dict):
        raise ValueError("it is not a JSON object")
    if manifest.get("run_id") != run_id:
        raise ValueError("it is not of this run")
    hosts = manifest.get("hosts")
    if not isinstance(hosts, dict) or not all(isinstance(entry, dict) for entry in hosts.values()):
        raise ValueError("its hosts are not an object of objects")
    return manifest


def text_of(manifest: Manifest | None) -> str:
    """What the file contains; empty if there is none."""
    return "" if manifest is None else json.dumps(manifest, indent=4, sort_keys=True) + "\n"


def merged(
    manifest: Manifest, hosts: Hosts, claim: _claims.Claim, take_over: bool, machine: _claims.Machine
) -> tuple[Manifest, dict[str, Any]]:
    """The manifest with new values of these hosts; and the hosts that are refused, each with the process that works on it."""
    entries, refused = dict(manifest["hosts"]), {}
    for host, values in hosts.items():
        stored = entries.get(host, {})
        process = _claims.other_process(stored, claim, machine) if claim and not take_over else None
        if process:
            refused[host] = process
        else:
            entries[host] = _claims.with_claim(_deeply_merged(stored, values), values.get("state"), claim)
    return {**manifest, "hosts": entries}, refused


def _deeply_merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Dictionaries are merged; everything else is replaced."""
    both = {key for key in new if isinstance(old.get(key), Mapping) and isinstance(new[key], Mapping)}
    return {**old, **new, **{key: _deeply_merged(old[key], new[key]) for key in both}}


def unfinished_hosts(content: bytes, run_id: str, hosts: Mapping[str, str]) -> list[str]:
    """Those of the hosts that are unfinished in this run. Raises ValueError if the content is not its manifest.

    ``hosts``: ``{host: the id of its VM, or empty}``. An entry of another VM is that of another machine with the same name.
    A whole file without the words for these states is not parsed: most runs are finished, and there may be thousands.
    """
    if content.rstrip().endswith(b"}") and not any(f'"{state}"'.encode() in content for state in _claims.UNFINISHED):
        return []
    entries = parsed(content, run_id)["hosts"]
    return [host for host, vm_id in hosts.items() if _is_unfinished(entries.get(host, {}), vm_id)]


def _is_unfinished(entry: Mapping[str, Any], vm_id: str) -> bool:
    return entry.get("state") in _claims.UNFINISHED and (not vm_id or entry.get("vm_id") in (None, "", vm_id))
