"""UploadBatch: a zip file that comes in chunks, checked, and stored with a request to load it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from tempfile import TemporaryFile
from typing import BinaryIO, Final, overload

from syncline.server.environment import Environment
from syncline.server.errors import InvalidRequest, PayloadInvalid, Violation
from syncline.server.requests.create import create_payload_request
from syncline.server.requests.payload_kinds import PayloadForm, PayloadKind
from syncline.server.requests.records_payload import ON_MATCH
from syncline.server.requests.requests import Asked, batch_place, payload_hash
from syncline.server.requests.run_settings import split_settings
from syncline.server.requests.zip_files import WHOLE_FILE, check_zip
from syncline.server.requests.zip_limits import CHUNK_BYTES_MAX, IDLE_SECONDS_MAX, STORED_CHUNK_BYTES, ZIP_BYTES_MAX
from syncline.server.violations import Violations
from syncline.storage.errors import EnrollmentNotFound
from syncline.storage.request_models import Operation, SyncRequest
from syncline.v1 import sync_request_service_pb2

_HASH_BYTES: Final = 32


async def upload_batch(
    env: Environment, requests: AsyncIterator[sync_request_service_pb2.UploadBatchRequest]
) -> SyncRequest:
    """Store what comes once all of it is there and sound; durable when it answers. A stream that breaks leaves nothing.

    Raises:
        InvalidRequest: a message breaks a rule.
        PayloadInvalid: the file is not what the header says, or cannot be taken.
        EnrollmentNotFound, RequestIdReused, BatchInvalid: as `create_request` of the store.
        Draining: the server is stopping.
    """
    header = _read_header(await _next(env, requests))
    with TemporaryFile() as file:
        spool = _Spool(file, header)
        while (message := await _next(env, requests)) is not None:
            await env.threads.run(spool.add, _chunk(message))
        return await env.threads.run(_store, env, spool, header)


@dataclass(frozen=True, slots=True)
class _Header:
    """What is to come, and what it is for."""

    asked: Asked
    sha256: bytes
    size: int
    kind: PayloadKind


class _Spool:
    """The file as it comes: on disk, and hashed on its way there."""

    def __init__(self, file: BinaryIO, header: _Header) -> None:
        self.file = file
        self._header = header
        self._hash = sha256()
        self._size = 0

    def add(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size > self._header.size:
            raise PayloadInvalid([("header.size", f"says {self._header.size:,} bytes, and more of them came")])
        self._hash.update(chunk)
        self.file.write(chunk)

    def check_complete(self) -> None:
        if self._size < self._header.size:
            raise PayloadInvalid([("header.size", f"says {self._header.size:,} bytes; {self._size:,} came")])
        if self._hash.digest() != self._header.sha256:
            raise PayloadInvalid([("header.sha256", f"is not that of what came, {self._hash.hexdigest()}")])
        self.file.flush()


class _StoredChunks(Sequence[bytes]):
    """The file on disk as a payload, of which one chunk is in memory at a time."""

    def __init__(self, file: BinaryIO, size_bytes: int) -> None:
        self._file = file
        self._count = -(-size_bytes // STORED_CHUNK_BYTES)

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> list[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | list[bytes]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(self._count))]
        if not -self._count <= index < self._count:
            raise IndexError(index)
        self._file.seek(index % self._count * STORED_CHUNK_BYTES)
        return self._file.read(STORED_CHUNK_BYTES)

    def __iter__(self) -> Iterator[bytes]:
        return (self[index] for index in range(self._count))


async def _next(
    env: Environment, requests: AsyncIterator[sync_request_service_pb2.UploadBatchRequest]
) -> sync_request_service_pb2.UploadBatchRequest | None:
    """The next message; None: there are no more."""
    env.drain.check()
    try:
        async with asyncio.timeout(IDLE_SECONDS_MAX):
            return await anext(requests, None)
    except TimeoutError:
        raise PayloadInvalid([(WHOLE_FILE, f"nothing came for {IDLE_SECONDS_MAX:g} seconds")]) from None


def _read_header(message: sync_request_service_pb2.UploadBatchRequest | None) -> _Header:
    if message is None or message.WhichOneof("part") != "header":
        raise InvalidRequest([Violation("header", "must be given in the first message")])
    header = message.header
    found = Violations()
    enrollment_id = found.uuid("header.app_enrollment_id", header.app_enrollment_id)
    key = found.uuid("header.request_id", header.request_id)
    if len(header.sha256) != _HASH_BYTES:
        found.add("header.sha256", f"must have {_HASH_BYTES} bytes, not {len(header.sha256)}")
    if not 1 <= header.size <= ZIP_BYTES_MAX:
        found.add("header.size", f"from 1 to {ZIP_BYTES_MAX:,}, not {header.size:,}; more goes in several batches")
    if header.on_match not in ON_MATCH:
        found.add("header.on_match", f"is none of the contract's: {header.on_match}")
    place = batch_place(header.batch, found) if header.HasField("batch") else None
    found.raise_if_any()
    asked = Asked(
        operation=Operation.READ,
        enrollment_id=enrollment_id or None,
        run_full_sync=header.run_full_sync,
        idempotency_key=key,
        payload_hash=payload_hash(header),
        place=place,
    )
    kind = PayloadKind(PayloadForm.ZIP, ON_MATCH[header.on_match], infers=header.infer_schema)
    return _Header(asked, header.sha256, header.size, kind)


def _chunk(message: sync_request_service_pb2.UploadBatchRequest) -> bytes:
    if message.WhichOneof("part") != "chunk":
        raise InvalidRequest([Violation("chunk", "must be given in every message but the first")])
    if len(message.chunk) > CHUNK_BYTES_MAX:
        raise InvalidRequest([Violation("chunk", f"at most {CHUNK_BYTES_MAX:,} bytes, not {len(message.chunk):,}")])
    return message.chunk


def _store(env: Environment, spool: _Spool, header: _Header) -> SyncRequest:
    spool.check_complete()
    infers = header.kind.infers or _enrollment_infers(env, header.asked.enrollment_id)
    check_zip(spool.file, header.size, env.store.read_schema(env.account_id), infers=infers)
    payload = _StoredChunks(spool.file, header.size)
    return create_payload_request(env, header.asked, payload, header.kind)


def _enrollment_infers(env: Environment, enrollment_id: str | None) -> bool:
    if enrollment_id is None:
        return False
    with suppress(EnrollmentNotFound):  # which the store tells, unless it is a repeat
        enrollment = env.store.get_enrollment(env.account_id, enrollment_id)
        return split_settings(json.loads(enrollment.settings))[0].infers_schema
    return False
