"""How much waits in a store, in all of its accounts together: figures that somebody acts upon.

All times are integers: microseconds since the Unix epoch, UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from syncline.storage.request_states import RequestStatus

IN_TOUCH_US: Final = 24 * 3600 * 1_000_000
"""A device that was seen no longer ago is in touch. What another one lacks waits for the device, not for the server."""
DEVICES_MAX: Final = 10_000
"""So many devices are looked at, the first ones by account and UUID."""
POSITIONS_MAX: Final = 100_000
"""Of their positions in feeds, so many are looked at."""
HOLEY_MAX: Final = 1_000
"""Of those that have holes, so many are counted, the ones with the longest lists."""
COUNTED_MAX: Final = 100_000
"""Where the counting of refused items, requests of one status, tombstones and departures stops."""
ENROLLMENTS_MAX: Final = 1_000
"""So many enrollments are looked at, the first ones by account and id."""
NEWEST_REQUESTS: Final = 100
"""Of an enrollment, the last run that ended is looked for among so many of its newest requests."""


class DeviceStanding(Enum):
    """How a device stands to the server."""

    IN_TOUCH = "in_touch"
    """Active, and seen within `IN_TOUCH_US`."""
    AWAY = "away"
    """Active, and not seen for longer: what it has not passed is kept for it."""
    EXPIRED = "expired"
    """Has to resynchronise in full."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """The figures, at one moment.

    Lag, age and holes are those of devices in touch, in feeds whose scope has an object type. A device has passed what
    is at or below its `acked_through` in a feed.
    """

    devices: Mapping[DeviceStanding, int]
    lag_max: int
    """From what a device has passed to the newest row of the feed, in revisions: of its feeds the worst one counts."""
    lag_median: int
    """Of the devices that have a position; of an even number, the lower one of the two in the middle."""
    oldest_item_age: int
    """How long ago the oldest item was made that a device has not passed, in microseconds; 0: none.

    Of each feed the first record and the first departure above the lowest position are looked at, acknowledged beyond
    it or not. What was there when a device's load began does not count: it waits since then, not since it was made.
    """
    holes_max: int
    """Gaps before intervals that are acknowledged beyond `acked_through`, in one feed of one device."""
    holes_total: int
    refused_items: int
    """Rejections that are not parked: such an item is sent again in the next session."""
    parked_items: int
    """Rejections that are not sent again by themselves."""
    requests: Mapping[RequestStatus, int]
    """Sync requests of each status that is not final."""
    oldest_due_age: int
    """How long ago the request was due that waits the longest for a worker, in microseconds; 0: none."""
    failing_enrollments: int
    """Enabled enrollments of which the newest run that ended is FAILED. Batches and checks are no runs."""
    tombstones: int
    departures: int
