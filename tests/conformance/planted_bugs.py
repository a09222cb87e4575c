"""Stores and devices with one bug each. Each stands for a mistake that was made, or was close to being made."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, case, update

from syncline.storage.conformance import ReferenceDevice
from syncline.storage.conformance.device_file import HeldRow
from syncline.storage.models import Feed, Position, QueueRead, RecordWrite, Session, WriteResult
from syncline.storage.sql.store import SqlStore
from syncline.storage.sql.tables import account_head
from syncline.storage.sql.write_plan import CurrentRow, ItemName

_UNLUCKY_S = 0.01
"""How long a racing bug dawdles where it is vulnerable: on a busy machine it may else be lucky in every round."""


class RevisionsFromASequence(SqlStore):
    """Revisions come from a counter outside of the transaction, as from a database's sequence."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._sequence = 0
        self._sequence_lock = threading.Lock()

    def _take_revisions(self, connection: Connection, account_id: str, count: int) -> int:
        with self._sequence_lock:
            self._sequence += count
            return self._sequence

    def _write_batch(self, connection: Connection, account_id: str, writes: Sequence[RecordWrite]) -> WriteResult:
        result = super()._write_batch(connection, account_id, writes)
        head, last = account_head.c.head_revision, result.head_revision
        highest = case((head < last, last), else_=head)
        connection.execute(
            update(account_head).where(account_head.c.account_id == account_id).values(head_revision=highest)
        )
        return result


class HeadTakenLast(SqlStore):
    """What a write decides on is read before the head is taken."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._decided_on = threading.local()

    def _write_batch(self, connection: Connection, account_id: str, writes: Sequence[RecordWrite]) -> WriteResult:
        items = {(write.object_type, write.key) for write in writes}
        self._decided_on.rows = super()._current_rows(connection, account_id, items)
        time.sleep(_UNLUCKY_S)
        return super()._write_batch(connection, account_id, writes)

    def _current_rows(
        self, connection: Connection, account_id: str, items: Collection[ItemName]
    ) -> dict[ItemName, CurrentRow]:
        rows: dict[ItemName, CurrentRow] = self._decided_on.rows
        return rows


class HeadReadAfterRows(SqlStore):
    """The head is read in a later snapshot than the rows."""

    def read_queue(
        self, account_id: str, device_uuid: UUID, session: Session, cursors: Mapping[Feed, int], **options: Any
    ) -> QueueRead:
        read = super().read_queue(account_id, device_uuid, session, cursors, **options)
        time.sleep(_UNLUCKY_S)
        head = self.get_head(account_id)
        return replace(read, head=head, through=head.revision if read.complete else read.through)


class RowsReadAfterHead(SqlStore):
    """Every statement of a read has a snapshot of its own: rows may be newer than the head."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._database._reader = self._database._writer

    def _recheck(self, *arguments: Any) -> None:
        super()._recheck(*arguments)
        time.sleep(_UNLUCKY_S)


class NoDepartureFromATombstone(SqlStore):
    """A deleted record that comes to life in another bucket leaves nothing behind."""

    def _write_departures(
        self, connection: Connection, account_id: str, departures: Mapping[tuple[ItemName, Feed], Any]
    ) -> None:
        before = self._current_rows(connection, account_id, {item for item, _ in departures})
        of_live = {place: left for place, left in departures.items() if not before[place[0]].deleted}
        if of_live:
            super()._write_departures(connection, account_id, of_live)


class OldEpochHonoured(SqlStore):
    """An acknowledgement of a position epoch that the device has left counts for the feed that it was of."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._feeds_by_epoch: dict[int, Feed] = {}

    def _put_positions(
        self, connection: Connection, account_id: str, device_uuid: UUID, positions: Iterable[Position]
    ) -> None:
        positions = list(positions)
        self._feeds_by_epoch |= {position.epoch: position.feed for position in positions}
        super()._put_positions(connection, account_id, device_uuid, positions)

    def _positions_of_epochs(
        self, connection: Connection, account_id: str, device_uuid: UUID, epochs: Iterable[int]
    ) -> dict[int, Position]:
        feeds = {epoch: self._feeds_by_epoch[epoch] for epoch in epochs if epoch in self._feeds_by_epoch}
        stored = self._positions_of_feeds(connection, account_id, device_uuid, sorted(set(feeds.values())))
        return {epoch: stored[feed] for epoch, feed in feeds.items() if feed in stored}


class DepartureAtAnEqualRevision(ReferenceDevice):
    """A delete or departure takes away a row of its own revision, too."""

    def may_remove(self, held: HeldRow, revision: int) -> bool:
        return revision >= held.revision
