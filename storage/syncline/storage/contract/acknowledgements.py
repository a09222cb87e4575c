"""What a device has, and what it refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from syncline.storage.audit_models import Act
from syncline.storage.models import (
    AckInterval,
    AckOutcome,
    AckRedelivered,
    Position,
    Refusal,
    Rejection,
)


class AcknowledgementStore(Protocol):
    """Positions of devices as acknowledged, and their rejections."""

    def acknowledge(
        self,
        account_id: str,
        device_uuid: UUID,
        intervals: Sequence[AckInterval],
        redelivered: Sequence[AckRedelivered],
        refusals: Sequence[Refusal],
        *,
        now: int,
    ) -> AckOutcome:
        """Take acknowledgements and refusals, in any order and as often as they come (G3).

        An interval counts if its epoch is that of one of the device's positions; it is clamped to the head. A
        revision that no row of the feed holds any more is no gap: `acked_through` passes it. An interval that
        tells nothing new, or is of no known epoch, is not taken.

        A refusal of an item that the device can see (or could: a tombstone or departure of its feeds) is kept as
        a rejection. Its count grows once a session; at `max_rejections` (a setting of the store, 5 unless
        told) it is parked. A refusal below the revision of the rejection kept is not taken; one above replaces
        it with a count of 1. Refused items count as passed, whether an interval of this call covers them or not.

        A rejection ends when its item is acknowledged as redelivered at its revision (and not refused in the
        same call), or when an interval covers a later revision of the same record in its feed, be it the record
        or its departure; never by a departure of its own revision.

        Raises:
            DeviceNotFound: never registered.
            ResyncRequired: the device has expired; nothing is taken.
            LimitReached: the intervals would leave more than 1,000 gaps in a feed, or the refusals more than
                1,000 rejections of the device; nothing is taken. Acknowledge older items first.
        """

    def list_positions(self, account_id: str, device_uuid: UUID) -> list[Position]:
        """The device's positions, by feed."""

    def list_rejections(self, account_id: str, device_uuid: UUID) -> list[Rejection]:
        """The device's rejections, by object type and key."""

    def put_back(
        self, account_id: str, device_uuid: UUID, items: Sequence[tuple[str, str]], *, act: Act | None = None
    ) -> int:
        """Make parked items wait for redelivery again with a count of 0, by (object type, key). How many were."""
