"""From a record's data to what a store keeps: canonical bytes, key, hash and the encoded frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from syncline.data.canonical import canonical_bytes, data_hash
from syncline.data.keys import KeyRule
from syncline.data.schema import ObjectType
from syncline.storage.models import RecordWrite
from syncline.v1.frame_pb2 import Frame


class EncodedRecord(NamedTuple):
    """A record as a store keeps it. A tuple: millions of them are made."""

    key: str
    frame: bytes
    data_hash: bytes


def encode_frame(object_type: str, key: str, bucket: str, modified_at: int, data: bytes) -> bytes:
    """The frame of a record whose canonical data is `data`. `modified_at` is in microseconds since the Unix epoch."""
    frame = Frame(object_type=object_type, key=key, bucket=bucket, modified_at_us=modified_at, data=data)
    return frame.SerializeToString()


class RecordEncoder:
    """Makes writes of one object type's records; prepared once, used for each record."""

    def __init__(self, object_type: ObjectType) -> None:
        self._object_type = object_type.name
        self._keys = KeyRule(object_type)

    def encode(self, data: Mapping[str, Any], *, modified_at: int, bucket: str = "") -> EncodedRecord:
        """Encode this record, which fits its object type (`syncline.data.fields.check_record`).

        Args:
            data: the record's fields; those that are null are absent.
            modified_at: microseconds since the Unix epoch.
            bucket: the bucket that the frame names.

        Raises:
            DataError: the data has no canonical form, or no key can be made from it.
        """
        encoded = canonical_bytes(data)
        key = self._keys.key_of(data)
        frame = encode_frame(self._object_type, key, bucket, modified_at, encoded)
        return EncodedRecord(key, frame, data_hash(encoded))

    def write(self, data: Mapping[str, Any], *, modified_at: int, bucket: str | None = None) -> RecordWrite:
        """The write that stores this record. `bucket` None leaves it where it is; the frame names the default bucket.

        Raises:
            DataError: as `encode`.
        """
        key, frame, hashed = self.encode(data, modified_at=modified_at, bucket=bucket or "")
        return RecordWrite(self._object_type, key, frame, hashed, modified_at, bucket)


def record_write(
    object_type: ObjectType, data: Mapping[str, Any], *, modified_at: int, bucket: str | None = None
) -> RecordWrite:
    """The write that stores one record; for many of the same object type prepare a `RecordEncoder`.

    Raises:
        DataError: as `RecordEncoder.write`.
    """
    return RecordEncoder(object_type).write(data, modified_at=modified_at, bucket=bucket)


def delete_write(object_type: str, key: str, *, modified_at: int) -> RecordWrite:
    """The write that deletes one record. `modified_at` is in microseconds since the Unix epoch."""
    return RecordWrite(object_type, key, frame=None, data_hash=b"", modified_at=modified_at)
