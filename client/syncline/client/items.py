"""What a page is made of, as an application sees it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Any, NamedTuple

_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class EventType(IntEnum):
    """What happened to a record, as this device should see it. A hint: `data` says what to store."""

    CREATED = 1
    UPDATED = 2
    DELETED = 3


class Meta(NamedTuple):
    """What an item says besides its data. A tuple: one is made for every item."""

    object_type: str
    key: str
    """The record's key, unique within its object type."""
    event_type: EventType
    revision: int
    """The account's change counter when the record last changed. For one record it only rises."""
    scope: str
    bucket: str
    modified_at_us: int
    """When the record last changed, in microseconds since the Unix epoch."""
    redelivered: bool
    """True: the handler answered NACK for it in an earlier session."""

    @property
    def modified_at(self) -> datetime:
        """When the record last changed, in UTC."""
        return _UNIX_EPOCH + timedelta(microseconds=self.modified_at_us)


Data = dict[str, Any]
"""A record's fields by name. A field that is absent has no value."""
