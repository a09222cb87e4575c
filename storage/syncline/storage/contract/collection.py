"""Removing what nobody needs any more."""

from __future__ import annotations

from typing import Protocol

from syncline.storage.models import Collected


class CollectionStore(Protocol):
    """Expiry of devices and sessions, collection of tombstones and departures."""

    def collect(self, account_id: str, *, devices_seen_before: int, now: int) -> Collected:
        """Expire devices and sessions; remove every tombstone and departure that nobody needs any more (G10).

        Devices whose last contact is before `devices_seen_before` expire, sessions that expired before `now` end.
        A device that is not expired and is granted the feed's bucket has passed what is at or below the higher of
        its `acked_through` and its load's `head_at_start`; without a position in the feed it needs nothing. The
        feed's floor rises to the highest revision removed, in the same transaction. Rejected items do not hold
        anything back. An expired device loses its positions and keeps its rejections, grants and receipts.

        A receipt goes if it was made before `devices_seen_before` and its device has told that it is settled; a
        conflict goes if it was decided before `devices_seen_before`.
        """

    def get_floor(self, account_id: str, scope: str, bucket: str) -> int:
        """Up to where tombstones and departures of the feed may have been removed; 0 if never."""
