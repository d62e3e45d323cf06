# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The four actions on snapshots (API guide chapter 5)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ansible_collections.ucloudstack.cloud.plugins.module_utils._answers import Answer, read_entries
from ansible_collections.ucloudstack.cloud.plugins.module_utils._client import Client, UnsettledListingError, side_by_side
from ansible_collections.ucloudstack.cloud.plugins.module_utils._clock import Deadline
from ansible_collections.ucloudstack.cloud.plugins.module_utils._errors import NotFoundError, UnknownOutcomeError
from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import Snapshot, is_id


def create(client: Client, disk_id: str, name: str, remark: str, deadline: Deadline) -> Answer:
    """CreateSnapshot: returns at once with the new id as ``created``, before the snapshot is usable. Raises as :meth:`Client.call`.

    ``ProjectID``: 2.x requires it from sub-accounts; 2026 uses the default project without it.
    """
    project_id = client.config.project_id or None
    params = {"DiskID": disk_id, "Name": name, "Remark": remark or None, "ProjectID": project_id}
    answer = client.call("CreateSnapshot", params, deadline)
    snapshot_id = answer.get("SnapshotID")
    if not isinstance(snapshot_id, str) or not is_id(snapshot_id):
        raise UnknownOutcomeError("CreateSnapshot: the API reported success, but returned no SnapshotID.", request_id=answer.request_id)
    answer.created = snapshot_id
    return answer


def delete(client: Client, snapshot_id: str, deadline: Deadline) -> Answer:
    """DeleteSnapshot: permanent; only a Normal snapshot can be deleted. Raises as :meth:`Client.call`."""
    return client.call("DeleteSnapshot", {"SnapshotID": snapshot_id}, deadline)


def rollback(client: Client, disk_id: str, snapshot_id: str, deadline: Deadline) -> Answer:
    """RollbackSnapshot: starts the rollback; the VM must be off, or the disk detached. Raises as :meth:`Client.call`."""
    return client.call("RollbackSnapshot", {"DiskID": disk_id, "SnapshotID": snapshot_id}, deadline)


def by_ids(client: Client, snapshot_ids: Sequence[str], deadline: Deadline) -> list[Snapshot]:
    """The existing snapshots of these ids. Raises as :meth:`Client.listing`."""
    return _records(client.by_ids("DescribeSnapshot", "SnapshotIDs", snapshot_ids, "SnapshotID", deadline))


def everything(client: Client, deadline: Deadline) -> list[Snapshot]:
    """All snapshots visible to the key. Raises as :meth:`Client.listing`."""
    return _records(_listing(client, {}, deadline, at_once=client.config.parallelism) or [])


def of_disks(client: Client, disk_ids: Iterable[str], deadline: Deadline) -> list[Snapshot]:
    """All snapshots of these disks, listed with the fewer calls: disk by disk, or all pages of the account.

    A disk that does not exist has none. Raises as :meth:`Client.listing`.
    """
    wanted = dict.fromkeys(disk_ids)
    if len(wanted) > 1:
        try:
            entries = _listing(client, {}, deadline, max_pages=len(wanted), at_once=client.config.parallelism)
        except UnsettledListingError:
            entries = None  # a busy account; the list of a single disk is shorter and changes less often
        if entries is not None:
            return [snapshot for snapshot in _records(entries) if snapshot.disk_id in wanted]
    found = side_by_side(lambda disk_id: _of_disk(client, disk_id, deadline), wanted, client.config.parallelism)
    return [snapshot for snapshots in found for snapshot in snapshots]


def _of_disk(client: Client, disk_id: str, deadline: Deadline) -> list[Snapshot]:
    try:
        entries = _listing(client, {"DiskID": disk_id}, deadline) or []
    except NotFoundError:
        return []
    return [snapshot for snapshot in _records(entries) if snapshot.disk_id == disk_id]


def _listing(
    client: Client, params: dict[str, Any], deadline: Deadline, max_pages: int | None = None, at_once: int = 1
) -> list[dict[str, Any]] | None:
    return client.listing("DescribeSnapshot", params, "SnapshotID", deadline, max_pages, at_once)


def _records(entries: Iterable[dict[str, Any]]) -> list[Snapshot]:
    return read_entries("DescribeSnapshot", entries, Snapshot.from_api)
