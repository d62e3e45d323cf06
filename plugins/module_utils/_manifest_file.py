# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The manifests of a directory, ``<run_id>.json`` each: read at any time, replaced as a whole by one process at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator, Mapping

from ansible_collections.ucloudstack.cloud.plugins.module_utils import _manifest
from ansible_collections.ucloudstack.cloud.plugins.module_utils._clock import Clock, Deadline, growing
from ansible_collections.ucloudstack.cloud.plugins.module_utils._manifest import Manifest, ManifestError

ENDING = ".json"
LOCK = ".lock"
LOCK_TIMEOUT = 60


def path_of(folder: str, run_id: str) -> str:
    """The path of the manifest of a run."""
    return os.path.join(folder, run_id + ENDING)


def read(folder: str, run_id: str) -> Manifest | None:
    """The manifest of a run; None if it has none. Raises ManifestError, also if the file is something else."""
    path = path_of(folder, run_id)
    try:
        content = _content(path)
        return None if content is None else _manifest.parsed(content, run_id)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def replace(folder: str, run_id: str, text: str) -> None:
    """Replace the content of a manifest, or of the file that it links to. It is never seen half written, not even after a crash.

    Raises ManifestError. To be called while the directory is locked.
    """
    path = path_of(folder, run_id)
    with _written(f"manifest {path}"):
        target = os.path.realpath(path)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{run_id}.", dir=os.path.dirname(target))  # its mode is 0600
        try:
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(descriptor)
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
        _sync(os.path.dirname(target))


@contextlib.contextmanager
def locked(folder: str, clock: Clock) -> Iterator[None]:
    """Create the directory if needed, and keep other processes from writing to it. Raises ManifestError, also after a minute of waiting."""
    path = os.path.join(folder, LOCK)
    with _written(f"lock {path}"):
        os.makedirs(folder, mode=0o700, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        with _written(f"lock {path}"):
            _wait_for_lock(descriptor, path, Deadline(clock, LOCK_TIMEOUT))
        yield
    finally:
        os.close(descriptor)  # this unlocks it, as does the end of the process


def unfinished(folder: str, run_id: str, hosts: Mapping[str, str]) -> tuple[dict[str, list[str]], list[str]]:
    """The other runs in which these hosts are unfinished, by host, and warnings about files that cannot be read.

    ``hosts``: ``{host: the id of its VM, or empty}``.
    """
    found: dict[str, list[str]] = {host: [] for host in hosts}
    warnings = []
    for other in _run_ids(folder) if found else []:
        path = path_of(folder, other)
        if other == run_id or not os.path.isfile(path):
            continue
        try:
            for host in _manifest.unfinished_hosts(_content(path) or b"", other, hosts):
                found[host].append(other)
        except (OSError, ValueError) as error:
            warning = f"{_unreadable(path, error)} It was not searched for unfinished hosts."
            warnings.append(warning)
    return {host: runs for host, runs in found.items() if runs}, warnings


def _run_ids(folder: str) -> list[str]:
    try:
        names = [name[: -len(ENDING)] for name in os.listdir(folder) if name.endswith(ENDING)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unreadable(folder, error) from error
    return sorted(filter(_manifest.is_run_id, names))


def _content(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def _unreadable(path: str, error: OSError | ValueError) -> ManifestError:
    if isinstance(error, OSError):
        return ManifestError(
            f"the manifest {path} could not be read: {error.strerror}. Check the directory and its permissions on this host."
        )
    return ManifestError(f"the manifest {path} is invalid: {error}. Move it away: the run is then rebuilt from the cloud.")


@contextlib.contextmanager
def _written(what: str) -> Iterator[None]:
    """Raises ManifestError for an error of the operating system."""
    try:
        yield
    except OSError as error:
        raise ManifestError(
            f"the {what} could not be written: {error.strerror}. Check the directory and its permissions on this host."
        ) from error


def _wait_for_lock(descriptor: int, path: str, deadline: Deadline) -> None:
    pauses = growing(0.01, 1.5, 0.25)
    while not _try_to_lock(descriptor):
        if not deadline.left:
            raise ManifestError(
                f"the lock {path} is still held by another process after {LOCK_TIMEOUT} s. "
                "Wait for that process, or end it, and run the task again."
            )
        deadline.pause(next(pauses))


def _try_to_lock(descriptor: int) -> bool:
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # POSIX allows either if another process holds the lock
        return False
    return True


def _sync(folder: str) -> None:
    """Have the new name of a file in this directory survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
