"""The file that spans are written to: shared by many processes, bounded, turned over when it is full."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

SPAN_FILE_BYTES_MAX = 64 * 1024 * 1024
"""A file that would grow beyond this is put aside first, under the name with `.1` behind it, in place of the one that
was there. So both together take at most twice as much."""


class SpanFile:
    """Appends lines to one file. Any number of processes and threads may do so at a time."""

    def __init__(self, path: Path, bytes_max: int = SPAN_FILE_BYTES_MAX) -> None:
        self._path = path
        self._bytes_max = bytes_max

    def append(self, lines: bytes) -> None:
        """Write whole lines, all of them or none; nobody else's stand between them.

        Raises:
            OSError: the file cannot be written.
        """
        handle = self._locked(len(lines))
        try:
            size = os.fstat(handle).st_size
            # A process that was killed may have left half a line behind.
            begin = b"" if size == 0 or os.pread(handle, 1, size - 1) == b"\n" else b"\n"
            try:
                _write(handle, begin + lines)
            except OSError:
                os.ftruncate(handle, size)
                raise
        finally:
            os.close(handle)

    def _locked(self, more: int) -> int:
        """The open file, locked until it is closed, with room for so many bytes more."""
        while True:
            handle = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                if self._is_current(handle):
                    size = os.fstat(handle).st_size
                    if size == 0 or size + more <= self._bytes_max:
                        return handle
                    self._path.replace(self._path.with_name(f"{self._path.name}.1"))
            except BaseException:
                os.close(handle)
                raise
            os.close(handle)

    def _is_current(self, handle: int) -> bool:
        """Does the path still name this file? Another process may have put it aside meanwhile."""
        try:
            return os.path.samestat(os.fstat(handle), self._path.stat())
        except FileNotFoundError:
            return False


def _write(handle: int, lines: bytes) -> None:
    left = memoryview(lines)
    while left:
        left = left[os.write(handle, left) :]
