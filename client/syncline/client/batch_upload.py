"""A file to import: measured first, then sent in chunks, as often as it takes."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from syncline.client.errors import InvalidOption
from syncline.v1 import sync_request_service_pb2

CHUNK_BYTES = 512 * 1024

BatchFile = str | os.PathLike[str] | BinaryIO
"""The path of a file, or an open file that can be sought; it is sent from where it stands to its end."""

UploadProgress = Callable[[int, int], None]
"""Told the bytes that were given to the connection, and those that there are. A repeat begins at 0 again."""


class BatchUpload:
    """The bytes of one file."""

    def __init__(self, file: BinaryIO, progress: UploadProgress | None) -> None:
        if not file.seekable():
            raise InvalidOption("the file must be one that can be sought: it is read twice")
        self._file = file
        self._progress = progress
        self._start = file.tell()
        self._reading = Lock()
        self.size = 0
        self.sha256 = b""
        self.failure: Exception | None = None
        """What went wrong in reading, or in telling the progress; the call then fails for another reason."""

    def measure(self) -> None:
        """Find size and hash."""
        found = hashlib.sha256()
        while chunk := self._file.read(CHUNK_BYTES):
            found.update(chunk)
            self.size += len(chunk)
        self.sha256 = found.digest()

    def messages(
        self, header: sync_request_service_pb2.UploadBatchRequest
    ) -> Iterator[sync_request_service_pb2.UploadBatchRequest]:
        """All messages of one call. A failure ends them early, which the server refuses, and is kept in `failure`."""
        yield header
        try:
            for sent, chunk in self._chunks():
                yield sync_request_service_pb2.UploadBatchRequest(chunk=chunk)
                self._tell(sent)
        except Exception as error:  # noqa: BLE001 - gRPC would log it and tell of an unknown failure instead
            self.failure = error

    async def messages_async(
        self, header: sync_request_service_pb2.UploadBatchRequest
    ) -> AsyncIterator[sync_request_service_pb2.UploadBatchRequest]:
        """The same, with the file read beside the event loop."""
        yield header
        try:
            chunks = self._chunks()
            while (part := await asyncio.to_thread(next, chunks, None)) is not None:
                sent, chunk = part
                yield sync_request_service_pb2.UploadBatchRequest(chunk=chunk)
                self._tell(sent)
        except Exception as error:  # noqa: BLE001 - as above
            self.failure = error

    def _chunks(self) -> Iterator[tuple[int, bytes]]:
        sent = 0
        while chunk := self._read_at(sent):
            sent += len(chunk)
            yield sent, chunk

    def _read_at(self, offset: int) -> bytes:
        # gRPC's thread of a call that broke may still be reading while the next call's begins.
        with self._reading:
            self._file.seek(self._start + offset)
            return self._file.read(CHUNK_BYTES)

    def _tell(self, sent: int) -> None:
        if self._progress is not None:
            self._progress(sent, self.size)


@contextmanager
def open_batch(source: BatchFile, progress: UploadProgress | None) -> Iterator[BatchUpload]:
    """Open the file, if it is a path, for as long as the block lasts.

    Raises:
        OSError: it cannot be opened.
        InvalidOption: it cannot be sought.
    """
    if isinstance(source, (str, os.PathLike)):
        with Path(source).open("rb") as file:
            yield BatchUpload(file, progress)
    else:
        yield BatchUpload(source, progress)
