"""Puts pages into the device database: a page and its positions in one transaction (G4)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from syncline.data.schema import Schema
from syncline.replica import change_log, overlay
from syncline.replica.checkpoint import has_work, reach_checkpoint, write_heads
from syncline.replica.connection import transaction
from syncline.replica.errors import ConstraintFailed
from syncline.replica.facts import read_facts
from syncline.replica.feeds import Feeds, InScopes
from syncline.replica.incoming import Accept, Incoming, Row, ask, open_page
from syncline.replica.refusals import Refusal, Refusals
from syncline.replica.report import Counts, TypeCounts
from syncline.replica.rows import append, clear_staged, delete, move_staged, stage, staged_types, upsert
from syncline.replica.tables import loading_types, publish
from syncline.v1 import queue_pb2


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of a page."""

    counts: Counts
    refusals: list[Refusal]
    """Items of this page that the device could not take."""


class PageApplier:
    """Applies the pages of one session, in their order.

    Readers of the file see checkpoints only (G5), or each page if `by_page`. Whoever calls sees to it that the pages
    are those of one stream, none missing. After an error the applier is of no more use; the file is as it was before
    the page.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        scopes: Collection[str],
        by_page: bool,
        accept: Accept | None,
        refetch_schema: Callable[[], Schema],
    ) -> None:
        """Begin a session over these scopes; none mean all.

        `refetch_schema` brings the file's schema up to the server's, and answers it.
        """
        self._connection = connection
        self._scopes = scopes
        self._by_page = by_page
        self._accept = accept
        self._refetch_schema = refetch_schema
        facts = read_facts(connection)
        self._schema = facts.schema
        self._store_epoch = facts.store_epoch
        self._checkpoint_revision = facts.checkpoint_revision
        self._read_state()
        if by_page:
            self._show_all()

    def apply(self, message: queue_pb2.QueuePage) -> Applied:
        """Store a page with its positions, and with all that a checkpoint brings if it is one.

        Raises:
            PageMissing: the page is garbled.
            StorageFailed: the file cannot be written.
        """
        try:
            return self._store(message, self._open(message))
        except ConstraintFailed:
            # The tables took none of the page because some data is no JSON object. Find out which, and go on without.
            self._read_state()
            incoming = self._open(message)
            incoming.screen(self._not_an_object)
            return self._store(message, incoming)

    def nothing_new(
        self, positions: Iterable[queue_pb2.FeedPosition], failed: Iterable[queue_pb2.FailedObject], head_revision: int
    ) -> Counts:
        """Take over a checkpoint without a page. Nothing is written if it changes nothing."""
        served = {(told.scope, told.bucket) for told in positions}
        moved = self._feeds.move(positions, {}, head_revision)
        gone = self._feeds.no_longer_served(served, self._scopes)
        with transaction(self._connection):
            noted = self._refusals.note_states(failed)
            pending = has_work(self._connection, self._schema, self._scopes)
            pending |= write_heads(self._connection, self._schema, self._scopes, head_revision)
            if not (moved or gone or noted or pending or head_revision != self._checkpoint_revision):
                return {}
            self._feeds.write(served)
            self._feeds.forget(gone)
            return self._reach_checkpoint(head_revision)

    def refusals(self) -> tuple[Refusal, ...]:
        """What the device lacks because it refused it."""
        return self._refusals.held()

    def note_states(self, failed: Collection[queue_pb2.FailedObject]) -> None:
        """Take over from the server which refused items are parked."""
        if not failed:
            return
        with transaction(self._connection):
            self._refusals.note_states(failed)

    def _read_state(self) -> None:
        self._feeds = Feeds(self._connection, self._store_epoch)
        self._refusals = Refusals(self._connection)
        self._loading = loading_types(self._connection, self._schema)
        self._stage_is_empty = not staged_types(self._connection, InScopes(self._scopes))

    def _show_all(self) -> None:
        """Put before readers what waits for a checkpoint: pages are never applied past what is staged."""
        everywhere = InScopes(())
        staged = staged_types(self._connection, everywhere)
        if not (self._loading or staged):
            return
        with transaction(self._connection):
            for kind in self._schema.object_types:
                if kind.name in self._loading:
                    publish(self._connection, kind)
            for object_type in staged:
                move_staged(self._connection, object_type, everywhere)
            if not change_log.is_empty(self._connection):
                overlay.refresh_scopes(self._connection, self._schema, ())
            clear_staged(self._connection, everywhere)
        self._loading.clear()

    def _open(self, message: queue_pb2.QueuePage) -> Incoming:
        """Open a page, and refuse what cannot be taken."""
        reached = {(each.scope, each.bucket): each.to_revision for each in message.segments if not each.redelivered}
        self._feeds.move(message.feeds, reached, message.checkpoint.head_revision)
        incoming = open_page(message, self._feeds)
        if self._unknown(incoming.upserts):
            self._schema = self._refetch_schema()
            self._loading = loading_types(self._connection, self._schema)
            if self._by_page:
                self._show_all()
        unknown = self._unknown(incoming.upserts)
        incoming.screen(lambda name, _: f"the schema has no object type {name!r}", unknown)
        # What is not known cannot be here, so there is nothing to delete.
        for object_type in self._unknown(incoming.deletes):
            del incoming.deletes[object_type]
        if self._accept is not None:
            accept = self._accept
            incoming.screen(lambda object_type, row: ask(accept, object_type, row))
        return incoming

    def _unknown(self, object_types: Iterable[str]) -> list[str]:
        known = {kind.name for kind in self._schema.object_types}
        return [name for name in object_types if name not in known]

    def _store(self, message: queue_pb2.QueuePage, incoming: Incoming) -> Applied:
        at_checkpoint = message.HasField("checkpoint")
        served = {(told.scope, told.bucket) for told in message.feeds}
        counts = _received(incoming)
        with transaction(self._connection):
            self._feeds.write(served)
            self._settle(incoming)
            self._refusals.note_states(message.failed_objects)
            _add(counts, self._write_rows(incoming, at_checkpoint=at_checkpoint))
            if at_checkpoint:
                self._feeds.forget(self._feeds.no_longer_served(served, self._scopes))
                _add(counts, self._reach_checkpoint(message.checkpoint.head_revision))
        return Applied(counts, incoming.refusals)

    def _write_rows(self, incoming: Incoming, *, at_checkpoint: bool) -> Counts:
        """Put records and deletes where they belong at this moment."""
        # A page that is a checkpoint by itself needs no stage.
        direct = self._by_page or (at_checkpoint and self._stage_is_empty)
        counts: Counts = {}
        for object_type, rows in incoming.upserts.items():
            if object_type in self._loading:
                counts[object_type] = append(self._connection, object_type, rows)
            elif direct:
                counts[object_type] = upsert(self._connection, object_type, rows)
            else:
                self._stage(object_type, rows)
        for object_type, gone in incoming.deletes.items():
            if direct and object_type not in self._loading:
                counts.setdefault(object_type, TypeCounts()).add(delete(self._connection, object_type, gone))
            else:
                self._stage(object_type, gone)
        if direct and not change_log.is_empty(self._connection):
            self._lay_over(incoming)
        return counts

    def _lay_over(self, incoming: Incoming) -> None:
        """Lay local changes over what was just put or deleted, but for those of which it shows what came of them."""
        for items in (incoming.upserts, incoming.deletes):
            for object_type, rows in items.items():
                if object_type not in self._loading:
                    reached = [(row[0], row[2]) for row in rows]
                    overlay.cover_items(self._connection, object_type, reached)

    def _stage(self, object_type: str, rows: list[Row] | list[tuple[str, str, int, int, None]]) -> None:
        stage(self._connection, object_type, rows)
        self._stage_is_empty = False

    def _settle(self, incoming: Incoming) -> None:
        """End refusals that the page overtakes, then add its own."""
        if self._refusals:
            for object_type, rows in incoming.upserts.items():
                self._refusals.settle(object_type, ((row[0], row[2]) for row in rows))
            for object_type, gone in incoming.deletes.items():
                # A delete must be of a later revision: at the same one it may be the record's departure from a bucket.
                self._refusals.settle(object_type, ((row[0], row[2] - 1) for row in gone))
            for object_type, key, revision in incoming.redelivered:
                self._refusals.settle(object_type, [(key, revision)])
        self._refusals.add(incoming.refusals)

    def _reach_checkpoint(self, head_revision: int) -> Counts:
        counts = reach_checkpoint(self._connection, self._schema, self._refusals, self._scopes, head_revision)
        self._checkpoint_revision = head_revision
        self._loading = loading_types(self._connection, self._schema)
        self._stage_is_empty = True
        return counts

    def _not_an_object(self, _: str, row: Row) -> str | None:
        (fine,) = self._connection.execute("SELECT json_valid(:data) AND :data GLOB '{*'", {"data": row[4]}).fetchone()
        return None if fine else "the data is no JSON object"


def _received(incoming: Incoming) -> Counts:
    counts: Counts = {}
    for object_type, rows in incoming.upserts.items():
        counts.setdefault(object_type, TypeCounts()).received += len(rows)
    for object_type, gone in incoming.deletes.items():
        counts.setdefault(object_type, TypeCounts()).received += len(gone)
    for refusal in incoming.refusals:
        counts.setdefault(refusal.object_type, TypeCounts()).add(TypeCounts(received=1, rejected=1))
    return counts


def _add(counts: Counts, more: Counts) -> None:
    for object_type, each in more.items():
        counts.setdefault(object_type, TypeCounts()).add(each)
