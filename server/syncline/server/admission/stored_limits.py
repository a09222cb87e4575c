"""How many devices and records an account may have. Unlike rates, these hold for all server processes together."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Final
from uuid import UUID

from syncline.server.config import Settings
from syncline.server.errors import OverLimit
from syncline.storage import Store
from syncline.storage.errors import DeviceNotFound

COUNT_SECONDS: Final = 60.0
"""A count of records is good for so long; meanwhile what this process lets in is added."""
COUNT_SECONDS_FULL: Final = 5.0
"""Something is refused for it for so long only: somebody may be deleting."""
_COST_FACTOR: Final = 50
"""And for so many times as long as counting took: it looks at every record of the account."""


@dataclass(slots=True)
class _Count:
    records: int
    good_until: float
    """To let something in by it."""
    full_until: float
    """To refuse something by it."""
    estimated: bool = False
    """Was anything added since? Not all of that need have been new."""


class StoredLimits:
    """Answers from a store. Its calls block, and may come from any thread."""

    def __init__(self, settings: Settings, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._devices_max = settings.account_devices
        self._records_max = settings.account_records
        self._store = store
        self._clock = clock
        self._lock = Lock()
        self._counts: dict[str, _Count] = {}

    def check_device(self, account_id: str, device_uuid: UUID) -> None:
        """Let devices in that are known, and new ones as long as there is room. Two at a time may both be the last one.

        Raises:
            OverLimit: the account has as many devices as it may. Waiting is of no use.
        """
        if not self._devices_max:
            return
        try:
            self._store.get_device(account_id, device_uuid)
        except DeviceNotFound:
            if self._store.count_devices(account_id) >= self._devices_max:
                raise OverLimit("account:devices", f"at most {self._devices_max:,} devices", None) from None

    def check_records(self, account_id: str) -> None:
        """Let new records in as long as there is room, as far as is known.

        Raises:
            OverLimit: the account has as many records as it may. Waiting is of no use.
        """
        if self.is_full(account_id):
            raise OverLimit("account:records", self.records_rule, None)

    @property
    def records_rule(self) -> str:
        """The limit, for people."""
        return f"at most {self._records_max:,} records"

    def is_full(self, account_id: str) -> bool:
        """Has the account as many records as it may? As it was counted lately; an estimate never says yes."""
        return self.room(account_id, 1) == 0

    def room(self, account_id: str, wanted: int) -> int:
        """For how many of so many new records there is room, as far as is known; an estimate never says too few."""
        if not self._records_max:
            return wanted
        with self._lock:
            count = self._counts.get(account_id)
            now = self._clock()
            if count is not None:
                room = min(max(self._records_max - count.records, 0), wanted)
                if now < count.good_until and room == wanted:
                    return room
                if now < count.full_until and not count.estimated:
                    return room
                # Others go by the old one while this thread counts.
                count.good_until, count.full_until = now + COUNT_SECONDS, now + COUNT_SECONDS_FULL
        records = sum(self._store.count_records(account_id).values())
        counted_at = self._clock()
        cost = _COST_FACTOR * (counted_at - now)
        with self._lock:
            self._counts[account_id] = _Count(
                records,
                good_until=counted_at + max(COUNT_SECONDS, cost),
                full_until=counted_at + max(COUNT_SECONDS_FULL, cost),
            )
        return min(max(self._records_max - records, 0), wanted)

    def note_new(self, account_id: str, records: int) -> None:
        """So many new ones were let in."""
        with self._lock:
            count = self._counts.get(account_id)
            if count is not None and records:
                count.records += records
                count.estimated = True
