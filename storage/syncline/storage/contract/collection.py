"""Removing what nobody needs any more."""

from __future__ import annotations

from typing import Protocol

from syncline.storage.models import Collected


class CollectionStore(Protocol):
    """Expiry of devices and sessions, collection of tombstones and departures, of payloads and requests that ended."""

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

    def collect_payloads(self, account_id: str, *, ended_before: int, limit: int) -> int:
        """Remove up to `limit` chunks of payloads that nobody needs any more, and answer how many.

        A request that succeeded needs its payload no more; one that failed or was cancelled can be retried until
        `ended_before`. From the first chunk on, the payload counts as going, and no retry takes it over.
        """

    def collect_requests(self, account_id: str, *, ended_before: int, limit: int) -> int:
        """Remove requests that ended before, with all that is known of them: up to `limit` rows.

        Answers how many rows; fewer than `limit`: there are no more of them for now. Details go first, the request
        itself last, and its idempotency key with it. What has a payload that is not gone stays. So does whatever ended
        since the oldest full run that is not done was asked for, as long as that run may yet ask who brought a row. Of
        a parent and its batches none goes before all have ended; a batch goes if its parent ended before, too, and the
        parent after all of them.
        """

    def get_floor(self, account_id: str, scope: str, bucket: str) -> int:
        """Up to where tombstones and departures of the feed may have been removed; 0 if never."""
