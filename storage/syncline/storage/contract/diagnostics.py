"""Where a record stands on its way to a device."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from syncline.storage.delivery_models import DeliveryFacts


class DiagnosticsStore(Protocol):
    """Facts for people who look for the reason of something."""

    def read_delivery(self, account_id: str, device_uuid: UUID, object_type: str, key: str) -> DeliveryFacts:
        """All that bears on whether the device has the record, in one snapshot. Locks and changes nothing.

        A device, type or record that is not there is a fact, too, and no error.
        """
