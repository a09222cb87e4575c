"""Rows that came with a call, packed to be kept until a worker reads them: the payload of the kind `records`.

A chunk is a sequence of SourceRow messages, each after its length as four bytes, big-endian. A row never spans two
chunks: at most 1,000,000 bytes of data and a few thousand of names fit one of them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Final

from syncline.data.errors import DataError
from syncline.data.parsing import parse_object
from syncline.server.requests.connectors.contract import BadRow, IncomingRow
from syncline.server.requests.payload_kinds import PayloadForm, PayloadKind
from syncline.storage.request_models import OnMatch
from syncline.v1 import sync_request_pb2

PAYLOAD_KIND: Final = PayloadKind(PayloadForm.RECORDS).text

_CHUNK_BYTES_MAX = 1024 * 1024
"""What a store takes as one chunk."""
_LENGTH = struct.Struct(">I")

ON_MATCH: Final = {
    sync_request_pb2.ON_MATCH_ACTION_UNSPECIFIED: OnMatch.UPDATE,
    sync_request_pb2.ON_MATCH_ACTION_UPDATE: OnMatch.UPDATE,
    sync_request_pb2.ON_MATCH_ACTION_SKIP: OnMatch.SKIP,
    sync_request_pb2.ON_MATCH_ACTION_ERROR: OnMatch.ERROR,
}
"""By the contract's number; another one is none of the contract's."""


def pack_rows(rows: Iterable[sync_request_pb2.SourceRow]) -> tuple[bytes, ...]:
    """The chunks of a payload that holds these rows."""
    chunks: list[bytes] = []
    chunk = bytearray()
    for row in rows:
        packed = row.SerializeToString()
        if chunk and len(chunk) + _LENGTH.size + len(packed) > _CHUNK_BYTES_MAX:
            chunks.append(bytes(chunk))
            chunk.clear()
        chunk += _LENGTH.pack(len(packed))
        chunk += packed
    if chunk:
        chunks.append(bytes(chunk))
    return tuple(chunks)


def unpack_rows(chunks: Iterable[bytes]) -> Iterator[sync_request_pb2.SourceRow]:
    """The rows of a payload, in the order in which they were packed."""
    for chunk in chunks:
        start = 0
        while start < len(chunk):
            (length,) = _LENGTH.unpack_from(chunk, start)
            start += _LENGTH.size
            yield sync_request_pb2.SourceRow.FromString(chunk[start : start + length])
            start += length


def incoming_row(row: sync_request_pb2.SourceRow) -> IncomingRow | BadRow:
    """The row as a connector would give it; a `BadRow` if its data is not exactly representable JSON."""
    on_match = ON_MATCH[row.on_match]
    if row.deleted:
        return IncomingRow(row.object_type, {}, source_key=row.source_key, on_match=on_match, deleted=True)
    try:
        data = parse_object(row.data)
    except DataError as error:
        return BadRow(row.object_type, error.rule, source_key=row.source_key, field=error.path)
    return IncomingRow(row.object_type, data, source_key=row.source_key, on_match=on_match)
