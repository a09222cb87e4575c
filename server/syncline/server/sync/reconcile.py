"""Reconcile: how a device's copy compares with the records, and what it lacks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from uuid import UUID

from syncline.server.environment import Environment
from syncline.server.identity.visible import visible_types
from syncline.server.limits import (
    RANGE_ENTRIES_MAX,
    RECONCILE_BYTES_MAX,
    RECONCILE_ENTRY_BYTES_MAX,
    RECONCILE_READ_MAX,
)
from syncline.storage.errors import ObjectTypeNotFound
from syncline.storage.models import KeyRange, RangeEntry, RangeRows, Record
from syncline.v1 import upload_pb2

_ENTRY_BYTES = 32
"""What an entry or a record takes besides its key or frame, about."""


@dataclass(frozen=True, slots=True)
class AskedRange:
    """A range, and the digest of what the device holds in it."""

    keys: KeyRange
    digest: bytes


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What a device asks for."""

    object_type: str
    bucket: str
    known_revision: int
    ranges: tuple[AskedRange, ...]
    keys: tuple[str, ...]
    """Each once."""


async def reconcile(env: Environment, device_uuid: UUID, asked: Reconciliation) -> upload_pb2.ReconcileResponse:
    """Compare ranges, and fetch records.

    Raises:
        ObjectTypeNotFound: no such type.
        ResyncRequired: the bucket is not granted to the device, or the device has expired.
    """
    return await env.threads.run(_reconcile, env, device_uuid, asked)


def _reconcile(env: Environment, device_uuid: UUID, asked: Reconciliation) -> upload_pb2.ReconcileResponse:
    visible = visible_types(env)
    if visible is not None and asked.object_type not in visible:
        raise ObjectTypeNotFound(asked.object_type)
    # The ranges are read last: that weighs the device's grants, for the records, too.
    records = _read_records(env, asked)
    rows = env.store.read_ranges(
        env.account_id,
        device_uuid,
        asked.object_type,
        asked.bucket,
        [one.keys for one in asked.ranges],
        known_revision=asked.known_revision,
        limit=RANGE_ENTRIES_MAX,
    )
    response = upload_pb2.ReconcileResponse(ranges=_compare(asked, rows))
    bytes_left = RECONCILE_BYTES_MAX - response.ByteSize()
    for record in records:
        frame = record.frame or b""
        bytes_left -= len(frame) + _ENTRY_BYTES
        if response.frames and bytes_left < 0:
            break
        response.frames.append(frame)
        response.revisions.append(record.revision)
    return response


def _read_records(env: Environment, asked: Reconciliation) -> list[Record]:
    """The records that the device may have, in the order of its keys; few more than an answer takes."""
    found: list[Record] = []
    size = 0
    for start in range(0, len(asked.keys), RECONCILE_READ_MAX):
        keys = asked.keys[start : start + RECONCILE_READ_MAX]
        fitting = list(_asked_for(asked, keys, env.store.get_records(env.account_id, asked.object_type, keys)))
        found += fitting
        size += sum(len(record.frame or b"") for record in fitting)
        if size > RECONCILE_BYTES_MAX:
            break
    return found


def _asked_for(asked: Reconciliation, keys: Sequence[str], records: Sequence[Record]) -> Iterator[Record]:
    """Those of these records that the device may have, in the order of the keys."""
    by_key = {record.key: record for record in records}
    for record in (by_key[key] for key in keys if key in by_key):
        if record.frame is not None and record.bucket == asked.bucket and record.revision <= asked.known_revision:
            yield record


def _compare(asked: Reconciliation, rows: Sequence[RangeRows]) -> Iterator[upload_pb2.RangeAnswer]:
    bytes_left = RECONCILE_ENTRY_BYTES_MAX
    for one, found in zip(asked.ranges, rows, strict=True):
        news = any(entry.revision > asked.known_revision for entry in found.entries)
        if not found.cut and not news and _digest(found.entries) == one.digest:
            yield upload_pb2.RangeAnswer(equal=True)
            continue
        answer = upload_pb2.RangeAnswer()
        cut = found.cut
        for entry in found.entries:
            bytes_left -= len(entry.key.encode()) + _ENTRY_BYTES
            if answer.entries and bytes_left < 0:
                cut = True
                break
            answer.entries.append(
                upload_pb2.ReconcileEntry(key=entry.key, revision=entry.revision, data_hash=entry.data_hash)
            )
        if cut:
            answer.cut_at_key = answer.entries[-1].key
        yield answer


def _digest(entries: Sequence[RangeEntry]) -> bytes:
    """As the contract says: over each key, with its length before it, and the hash of its data."""
    digest = blake2b(digest_size=16)
    for entry in entries:
        key = entry.key.encode()
        digest.update(len(key).to_bytes(4) + key + entry.data_hash)
    return digest.digest()
