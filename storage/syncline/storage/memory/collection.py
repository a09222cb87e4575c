"""Expiry and collection in the model."""

from __future__ import annotations

from dataclasses import replace

from syncline.storage.limits import check_text
from syncline.storage.memory.state import AccountState, DeviceRow, MemoryState
from syncline.storage.models import Collected, DeviceState, Feed


class MemoryCollection(MemoryState):
    """`CollectionStore`."""

    def collect(self, account_id: str, *, devices_seen_before: int, now: int) -> Collected:
        """See `CollectionStore.collect`."""
        with self._transaction(account_id) as account:
            expired = 0
            for row in account.devices.values():
                if row.device.state is DeviceState.ACTIVE and row.device.last_contact < devices_seen_before:
                    expire_device(row)
                    expired += 1
            ended = [name for name, row in account.sessions.items() if row.session.expire_at < now]
            for name in ended:
                del account.sessions[name]
            feeds = {Feed(record.scope, record.bucket) for record in account.records.values()}
            tombstones = departures = 0
            for feed in feeds | set(account.departures):
                gone = _collect_feed(account, feed)
                tombstones, departures = tombstones + gone[0], departures + gone[1]
            receipts = sum(_forget_receipts(row, devices_seen_before) for row in account.devices.values())
            kept = [entry for entry in account.conflicts if entry.decided_at >= devices_seen_before]
            conflicts, account.conflicts = len(account.conflicts) - len(kept), kept
            return Collected(
                tombstones=tombstones,
                departures=departures,
                devices_expired=expired,
                sessions_ended=len(ended),
                receipts=receipts,
                conflicts=conflicts,
            )

    def get_floor(self, account_id: str, scope: str, bucket: str) -> int:
        """See `CollectionStore.get_floor`."""
        check_text("scope", scope)
        check_text("bucket", bucket)
        with self._transaction(account_id) as account:
            return account.floors.get(Feed(scope, bucket), 0)


def expire_device(row: DeviceRow) -> None:
    """The device has to begin anew; its grants and rejections stay."""
    row.device = replace(row.device, state=DeviceState.EXPIRED)
    row.positions.clear()


def _forget_receipts(row: DeviceRow, made_before: int) -> int:
    """Remove the old receipts of which the device has told that it settled them; how many were there?"""
    gone = [
        seq for seq, kept in row.receipts.items() if kept.decided_at < made_before and seq <= row.device.settled_through
    ]
    for seq in gone:
        del row.receipts[seq]
    return len(gone)


def _collect_feed(account: AccountState, feed: Feed) -> tuple[int, int]:
    """Remove what every device has passed; answer how many tombstones and departures."""
    passed = account.head.revision
    for device in account.devices.values():
        position = device.positions.get(feed)
        if position is not None:
            passed = min(passed, max(position.acked_through, position.head_at_start))
    gone = [row for row in account.feed_rows(feed) if row.frame is None and row.revision <= passed]
    departures = account.departures.get(feed, {})
    removed_departures = 0
    for row in gone:
        item = (row.object_type, row.key)
        if item in departures:
            del departures[item]
            removed_departures += 1
        else:
            del account.records[item]
    if gone:
        account.floors[feed] = max(account.floors.get(feed, 0), gone[-1].revision)
    return len(gone) - removed_departures, removed_departures
