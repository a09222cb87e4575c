"""What stands in ranges of keys, in the model."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from syncline.storage.device_access import check_access
from syncline.storage.errors import ObjectTypeNotFound, ResyncRequired
from syncline.storage.limits import check_ranges
from syncline.storage.memory.state import MemoryState
from syncline.storage.models import DeviceState, Feed, KeyRange, RangeEntry, RangeRows


class MemoryReconciling(MemoryState):
    """`ReconcileStore`."""

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
        """See `ReconcileStore.read_ranges`."""
        check_ranges(object_type, bucket, ranges)
        with self._transaction(account_id) as account:
            device = account.device(device_uuid)
            check_access(account_id, device.device, account.head)
            kind = account.schema.object_type(object_type)
            if kind is None:
                raise ObjectTypeNotFound(object_type)
            feed = Feed(kind.scope, bucket)
            if device.device.state is DeviceState.EXPIRED:
                raise ResyncRequired((), "the device was not seen for too long")
            if bucket not in device.grants:
                raise ResyncRequired((feed,), "the bucket is not granted to this device")
            entries = sorted(
                RangeEntry(
                    row.key, row.revision, b"" if row.frame is None else account.records[object_type, row.key].data_hash
                )
                for row in account.feed_rows(feed)
                if row.object_type == object_type and (row.frame is not None or row.revision > known_revision)
            )
            return [_cut([entry for entry in entries if _is_in(entry.key, wanted)], limit) for wanted in ranges]


def _is_in(key: str, wanted: KeyRange) -> bool:
    """Is the key in the range?"""
    above = wanted.after_key is None or key > wanted.after_key
    return above and (wanted.through_key is None or key <= wanted.through_key)


def _cut(entries: list[RangeEntry], limit: int) -> RangeRows:
    """The first `limit` of a range's entries."""
    return RangeRows(entries=tuple(entries[:limit]), cut=len(entries) > limit)
