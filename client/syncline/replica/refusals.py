"""Items that this device could not take."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from syncline.replica.errors import TooManyRefused
from syncline.v1 import queue_pb2, sync_service_pb2

REASON_LENGTH_MAX = 500
REFUSALS_MAX = 1_000
"""How many items a device may refuse: as many as the server keeps, and one request tells."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One item that the device could not take."""

    object_type: str
    key: str
    revision: int
    reason: str
    parked: bool = False
    """Refused so often that the server does not send it again until it changes or is put back."""

    def message(self) -> sync_service_pb2.Rejection:
        """As it is told to the server."""
        return sync_service_pb2.Rejection(
            object_type=self.object_type, key=self.key, revision=self.revision, reason=self.reason
        )


def read_refusals(connection: sqlite3.Connection) -> list[Refusal]:
    """What is refused at present, by object type and key."""
    rows = connection.execute(
        "SELECT object_type, key, revision, reason, parked FROM syncline_refused ORDER BY object_type, key"
    )
    return [
        Refusal(object_type, key, revision, reason, bool(parked)) for object_type, key, revision, reason, parked in rows
    ]


class Refusals:
    """The refused items of the file. Writing methods are to be called inside a transaction.

    After a transaction that failed, make a new object.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._held = {(refusal.object_type, refusal.key): refusal for refusal in read_refusals(connection)}

    def __len__(self) -> int:
        return len(self._held)

    def held(self) -> tuple[Refusal, ...]:
        """All of them."""
        return tuple(self._held.values())

    def told(self) -> list[sync_service_pb2.Rejection]:
        """What to tell the server at the start of a session."""
        return [refusal.message() for refusal in self._held.values()]

    def keys(self, object_type: str) -> list[str]:
        """Keys of the refused items of a type."""
        return [key for name, key in self._held if name == object_type]

    def add(self, refusals: Iterable[Refusal]) -> None:
        """Keep these, in place of those of the same items at the same or an earlier revision.

        Raises:
            TooManyRefused: there would be more than `REFUSALS_MAX`.
        """
        for refusal in refusals:
            known = self._held.get((refusal.object_type, refusal.key))
            if known is not None and known.revision > refusal.revision:
                continue  # what is sent again by key may be older than what the feed brought
            self._held[refusal.object_type, refusal.key] = refusal
            self._connection.execute(
                "INSERT OR REPLACE INTO syncline_refused (object_type, key, revision, reason, parked)"
                " VALUES (?, ?, ?, ?, ?)",
                (refusal.object_type, refusal.key, refusal.revision, refusal.reason, refusal.parked),
            )
        if len(self._held) > REFUSALS_MAX:
            last = list(self._held.values())[-1]
            raise TooManyRefused(
                f"this device refuses more than {REFUSALS_MAX:,} items, the last of them because: {last.reason}; "
                "mend what refuses them and synchronise again"
            )

    def settle(self, object_type: str, items: Iterable[tuple[str, int]]) -> None:
        """End the refusals that these items, of this or a later revision, take the place of."""
        for key, revision in items:
            refusal = self._held.get((object_type, key))
            if refusal is not None and revision >= refusal.revision:
                del self._held[object_type, key]
                self._connection.execute(
                    "DELETE FROM syncline_refused WHERE object_type = ? AND key = ?", (object_type, key)
                )
                # Its row, if it was kept through a sweep, may go with the next one.
                self._connection.execute("UPDATE syncline_load SET settled = 0 WHERE settled")

    def note_states(self, failed: Iterable[queue_pb2.FailedObject]) -> bool:
        """Take over from the server which of them are parked, and say whether that changes anything."""
        changed = []
        for told in failed:
            refusal = self._held.get((told.object_type, told.key))
            parked = told.state == queue_pb2.FailedObject.STATE_PARKED
            if refusal is not None and refusal.revision == told.revision and refusal.parked != parked:
                changed.append(Refusal(told.object_type, told.key, told.revision, refusal.reason, parked))
        self.add(changed)
        return bool(changed)
