"""Bringing a changed row and its live record together, field by field."""

from __future__ import annotations

import orjson

from syncline.data.canonical import canonical_bytes, data_hash
from syncline.data.changes import apply_edits, edits_between
from syncline.data.errors import DataError
from syncline.server.records import encode_frame
from syncline.server.upload.judging import frame_data
from syncline.storage.models import RecordWrite
from syncline.storage.request_models import SourceRow
from syncline.storage.upload_models import CurrentRecord


def merge_row(row: SourceRow, known_image: bytes, current: CurrentRecord) -> RecordWrite:
    """The live record with what the source changed since `known_image`; a `Merge` of the store.

    What a device changed in other fields stays. Should both together be longer than a record may be, the source's
    record is taken as it came: it fits, and a device's edit can be made again, while a run that always fails cannot.
    """
    if current.frame is None:
        return row.write
    edits = edits_between(orjson.loads(known_image), orjson.loads(row.image))
    try:
        data = canonical_bytes(apply_edits(orjson.loads(frame_data(current.frame)), edits))
    except DataError:
        return row.write
    own = row.write
    frame = encode_frame(own.object_type, own.key, current.bucket, own.modified_at, data)
    return RecordWrite(own.object_type, own.key, frame, data_hash(data), own.modified_at)
