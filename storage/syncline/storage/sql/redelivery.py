"""Showing refused items once more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, select

from syncline.storage.models import EventType, Feed, FeedItem, Redelivered, SessionFeed
from syncline.storage.positions import is_acked
from syncline.storage.sql.feeds import Room
from syncline.storage.sql.json_rows import as_json_keys, one_of_keys
from syncline.storage.sql.rejections import Place, RejectionRow, SqlRejections
from syncline.storage.sql.tables import record
from syncline.storage.sql.write_plan import ItemName, keys_by_type

_FRAMES_AT_ONCE = 64

_FRAMES = select(
    record.c.object_type, record.c.record_key, record.c.entered_revision, record.c.frame, record.c.trace_context
).where(
    record.c.account_id == bindparam("of_account"),
    record.c.object_type == bindparam("of_type"),
    one_of_keys("keys", record.c.record_key),
)


class _Found(NamedTuple):
    """A live record that is shown again, as far as its feeds do not tell."""

    entered_revision: int
    frame: bytes
    trace_context: str | None


class Waiting(NamedTuple):
    """A refused item that is to be shown again."""

    row: RejectionRow
    newest: Place | None
    """What the session's feeds hold of it; None: nothing."""


class SqlRedelivery(SqlRejections):
    """Which refused items a session shows again, and as what."""

    def _waiting(
        self,
        connection: Connection,
        account_id: str,
        rejections: Iterable[RejectionRow],
        feeds: Mapping[Feed, SessionFeed],
        cursors: Mapping[Feed, int],
        *,
        session_id: str,
        skip_acked: bool,
    ) -> list[Waiting]:
        """Those that are not parked, were not refused in this session, and do not come with the feeds anyway."""
        scopes = {feed.scope for feed in feeds}
        rows = [
            row
            for row in rejections
            if not row.rejection.parked and row.session_id != session_id and row.feed.scope in scopes
        ]
        places = self._places(connection, account_id, [row.item for row in rows]) if rows else {}
        waiting: list[Waiting] = []
        for row in rows:
            seen = [place for place in places.get(row.item, []) if place.feed in feeds]
            if not any(_is_ahead(place, feeds[place.feed], cursors[place.feed], skip_acked) for place in seen):
                waiting.append(Waiting(row, seen[0] if seen else None))
        return waiting

    def _redeliver(
        self,
        connection: Connection,
        account_id: str,
        waiting: Sequence[Waiting],
        feeds: Mapping[Feed, SessionFeed],
        room: Room,
    ) -> list[Redelivered]:
        """The waiting items as they stand, as far as there is room; at least one."""
        shown: list[Redelivered] = []
        for place in range(0, len(waiting), _FRAMES_AT_ONCE):
            part = waiting[place : place + _FRAMES_AT_ONCE]
            found = self._redelivered(connection, account_id, part, feeds)
            sizes_bytes = [len(one.item.frame or b"") for one in found]
            fitting = room.fitting(sizes_bytes, at_least=0 if shown else 1)
            room.take(sizes_bytes[:fitting])
            shown += found[:fitting]
            if fitting < len(found):
                break
        return shown

    def _redelivered(
        self, connection: Connection, account_id: str, part: Sequence[Waiting], feeds: Mapping[Feed, SessionFeed]
    ) -> list[Redelivered]:
        live = [one.row.item for one in part if one.newest is not None and one.newest.live]
        records: dict[ItemName, _Found] = {}
        for of_type, keys in keys_by_type(live).items():
            values = {"of_account": account_id, "of_type": of_type, "keys": as_json_keys(keys)}
            for object_type, key, *found in connection.execute(_FRAMES, values):
                records[object_type, key] = _Found._make(found)
        return [_as_it_stands(one, records.get(one.row.item), feeds) for one in part]


def _is_ahead(place: Place, entry: SessionFeed, cursor: int, skip_acked: bool) -> bool:
    """Does the session come to this row by reading on?"""
    if place.revision <= cursor or (not place.live and place.revision <= entry.position.head_at_start):
        return False
    return not (skip_acked and is_acked(entry.position, place.revision))


def _as_it_stands(one: Waiting, found: _Found | None, feeds: Mapping[Feed, SessionFeed]) -> Redelivered:
    """The record in its newest state, or a delete at the revision that was refused."""
    object_type, key = one.row.item
    modified_at = 0 if one.newest is None else one.newest.modified_at
    if one.newest is None or found is None:
        gone = FeedItem(one.row.rejection.revision, int(EventType.DELETED), None, object_type, key, modified_at)
        return Redelivered(one.row.feed, gone)
    created = found.entered_revision > feeds[one.newest.feed].start
    event_type = int(EventType.CREATED if created else EventType.UPDATED)
    item = FeedItem(
        one.newest.revision, event_type, found.frame, object_type, key, modified_at, trace_context=found.trace_context
    )
    return Redelivered(one.newest.feed, item)
