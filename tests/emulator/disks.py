# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bytes: one sparse file for a disk, one for a snapshot. Every function may be cut short by a crash and be run again."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

GIB = 1024**3
_CHUNK = 1 << 20


def create(image: Path, size_gb: int) -> None:
    """An empty disk: all holes, so that it costs nothing on the host."""
    with image.open("wb") as file:
        file.truncate(size_gb * GIB)


def install(system: Path, image: Path) -> None:
    """Write an operating system to an empty disk, which is as large at least, and keeps its size."""
    size = image.stat().st_size
    copy(system, image)
    os.truncate(image, size)


def copy(source: Path, target: Path) -> None:
    """Make target's bytes those of source, in place.

    The inode stays (whoever has the disk open goes on seeing it); what is a hole in source reads as zeros, whatever was there.
    """
    reader = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        writer = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(reader).st_size
            os.ftruncate(writer, 0)
            os.ftruncate(writer, size)
            for start, end in _data_segments(reader, size):
                _copy_range(reader, writer, start, end)
        finally:
            os.close(writer)
    finally:
        os.close(reader)


def _data_segments(file: int, size: int) -> Iterator[tuple[int, int]]:
    end = 0
    while end < size:
        try:
            start = os.lseek(file, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # only a hole is left
                return
            raise
        end = os.lseek(file, start, os.SEEK_HOLE)
        yield start, end


def _copy_range(reader: int, writer: int, start: int, end: int) -> None:
    while start < end:
        chunk = os.pread(reader, min(_CHUNK, end - start), start)
        if not chunk:  # the file was shortened while it was read
            return
        written = os.pwrite(writer, chunk, start)
        start += written
