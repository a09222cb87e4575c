"""How the rows of connected systems are written: as they came, or merged field by field with the live record."""

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


class RecordRowWriter:
    """Writes rows as records; the store's `RowWriter`.

    A record stays in the bucket that it is in; a new one is put into the default bucket.
    """

    def write(self, row: SourceRow, *, now: int) -> RecordWrite:
        """See `RowWriter.write`."""
        return _write(row, row.image, row.source_hash, "", now)

    def merge(self, row: SourceRow, known_image: bytes, current: CurrentRecord, *, now: int) -> RecordWrite:
        """See `RowWriter.merge`.

        Should both together be longer than a record may be, the source's record is taken as it came: it fits, and a
        device's edit can be made again, while a run that always fails cannot.
        """
        if current.frame is None:
            return self.write(row, now=now)
        edits = edits_between(orjson.loads(known_image), orjson.loads(row.image))
        try:
            data = canonical_bytes(apply_edits(orjson.loads(frame_data(current.frame)), edits))
        except DataError:
            return self.write(row, now=now)
        return _write(row, data, data_hash(data), current.bucket, now)


def _write(row: SourceRow, data: bytes, hashed: bytes, bucket: str, now: int) -> RecordWrite:
    frame = encode_frame(row.object_type, row.record_key, bucket, now, data)
    return RecordWrite(row.object_type, row.record_key, frame, hashed, now)
