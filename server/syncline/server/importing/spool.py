"""Checked records on their way to the store, kept aside on disk.

The whole file is checked before anything of it is written. Keeping the result spares reading it a second time, and
what is written is what was checked, even if somebody changes the file in between.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Final, Self

from syncline.server.records import EncodedRecord
from syncline.storage.models import RecordWrite

_MEMORY_BYTES_MAX: Final = 8 * 1024 * 1024
_HEAD = struct.Struct(">II16s")
"""Length of the key, length of the frame, hash of the data."""


class WriteSpool:
    """Records of one object type with one modification time, in order. A context manager: leaving it drops them."""

    def __init__(self, object_type: str, modified_at: int) -> None:
        self._object_type = object_type
        self._modified_at = modified_at
        self._file = SpooledTemporaryFile(max_size=_MEMORY_BYTES_MAX)  # noqa: SIM115 - closed by __exit__
        self.count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, record: EncodedRecord) -> None:
        """Keep one record."""
        key = record.key.encode()
        self._file.write(b"".join((_HEAD.pack(len(key), len(record.frame), record.data_hash), key, record.frame)))
        self.count += 1

    def batches(self, rows: int) -> Iterator[list[RecordWrite]]:
        """Give all of them back as writes, `rows` at a time."""
        self._file.seek(0)
        for start in range(0, self.count, rows):
            yield [self._next() for _ in range(min(rows, self.count - start))]

    def _next(self) -> RecordWrite:
        key_length, frame_length, data_hash = _HEAD.unpack(self._file.read(_HEAD.size))
        key = self._file.read(key_length).decode()
        return RecordWrite(self._object_type, key, self._file.read(frame_length), data_hash, self._modified_at)
