"""Comparing a device's copy with the records, without reading them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from syncline.storage.models import KeyRange, RangeRows


class ReconcileStore(Protocol):
    """What stands in ranges of keys."""

    def read_ranges(
        self,
        account_id: str,
        device_uuid: UUID,
        object_type: str,
        bucket: str,
        ranges: Sequence[KeyRange],
        *,
        known_revision: int,
        limit: int,
    ) -> list[RangeRows]:
        """What the store has in each range of this type in this bucket, all in one snapshot.

        Live records, and the tombstones and departures above `known_revision`; at most `limit` entries a range.

        Raises:
            DeviceNotFound: never registered.
            ObjectTypeNotFound: no such type.
            ResyncRequired: the bucket is not granted to the device, or the device has expired.
        """
