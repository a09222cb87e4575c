"""Reading the feeds of a session in one snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import Connection

from syncline.storage.device_access import check_access
from syncline.storage.errors import ResyncRequired, StreamSuperseded
from syncline.storage.models import (
    Device,
    DeviceState,
    Feed,
    FeedItem,
    FeedSlice,
    Head,
    QueueRead,
    Redelivered,
    Session,
    SessionFeed,
)
from syncline.storage.sql.devices import SqlDevices
from syncline.storage.sql.feeds import Room, SqlFeeds
from syncline.storage.sql.positions import SqlPositions
from syncline.storage.sql.redelivery import SqlRedelivery
from syncline.storage.sql.rejections import RejectionRow
from syncline.storage.sql.sessions import SqlSessions
from syncline.storage.sql.unread import unread_ranges


class SqlQueueReading(SqlDevices, SqlFeeds, SqlPositions, SqlRedelivery, SqlSessions):
    """The reading half of `QueueStore`."""

    def read_queue(
        self,
        account_id: str,
        device_uuid: UUID,
        session: Session,
        cursors: Mapping[Feed, int],
        *,
        max_items: int,
        max_bytes: int,
        stream_id: int | None,
        redeliver_after: tuple[str, str] | None,
    ) -> QueueRead:
        """See `QueueStore.read_queue`."""
        feeds = {entry.position.feed: entry for entry in session.feeds}
        at = {feed: cursors.get(feed, entry.start) for feed, entry in feeds.items()}

        def work(connection: Connection) -> QueueRead:
            found = self._device_at_head(connection, account_id, device_uuid)
            check_access(account_id, found.device, found.head)
            if stream_id is not None and stream_id != found.device.stream_id:
                raise StreamSuperseded("a newer stream of the device took over")
            self._recheck(connection, account_id, found.device, found.head, session, at)
            rejections = self._rejections(connection, account_id, device_uuid)
            room = Room(items=max_items, size_bytes=max_bytes)
            again, all_again = self._read_redelivered(
                connection, account_id, rejections, session, at, redeliver_after, room
            )
            items, through = self._read_feeds(connection, account_id, session, at, found.head, room)
            return QueueRead(
                head=found.head,
                through=through,
                complete=all_again and through == found.head.revision,
                slices=tuple(
                    FeedSlice(feed, at[feed], tuple(items.get(feed, ()))) for feed in feeds if at[feed] < through
                ),
                redelivered=tuple(again),
                rejections=tuple(row.rejection for row in rejections.values()),
            )

        return self._database.read(work)

    def _recheck(
        self,
        connection: Connection,
        account_id: str,
        device: Device,
        head: Head,
        session: Session,
        cursors: Mapping[Feed, int],
    ) -> None:
        """Raise `ResyncRequired` if the session's feeds cannot be read on as they are."""
        epoch = self._session_epoch(connection, account_id, device.device_uuid, session.session_id)
        if epoch != head.store_epoch:
            raise ResyncRequired((), "the history of the server has a new identity")
        if device.state is DeviceState.EXPIRED:
            raise ResyncRequired((), "the device was not seen for too long")
        grants = self._grants(connection, account_id, device.device_uuid)
        positions = [entry.position for entry in session.feeds]
        taken = [position.feed for position in positions if grants.get(position.feed.bucket) != position.grant_id]
        if taken:
            raise ResyncRequired(taken, "a bucket is not granted any more, or was granted anew")
        floors = self._floors(connection, account_id, cursors)
        collected = [
            position.feed
            for position in positions
            if floors.get(position.feed, 0) > max(cursors[position.feed], position.head_at_start)
        ]
        if collected:
            raise ResyncRequired(collected, "deletes beyond the position were collected")

    def _read_redelivered(
        self,
        connection: Connection,
        account_id: str,
        rejections: Mapping[tuple[str, str], RejectionRow],
        session: Session,
        cursors: Mapping[Feed, int],
        after: tuple[str, str] | None,
        room: Room,
    ) -> tuple[list[Redelivered], bool]:
        """Refused items above `after`, as far as there is room, and whether that is all of them."""
        if after is None:
            return [], True
        feeds = {entry.position.feed: entry for entry in session.feeds}
        waiting = self._waiting(
            connection,
            account_id,
            [row for item, row in rejections.items() if item > after],
            feeds,
            cursors,
            session_id=session.session_id,
            skip_acked=session.skip_acked,
        )
        shown = self._redeliver(connection, account_id, waiting, feeds, room)
        return shown, len(shown) == len(waiting)

    def _read_feeds(
        self,
        connection: Connection,
        account_id: str,
        session: Session,
        cursors: Mapping[Feed, int],
        head: Head,
        room: Room,
    ) -> tuple[dict[Feed, list[FeedItem]], int]:
        """The items of each feed up to one revision, and that revision.

        Each feed gets its share of the room that those before it left. One that is cut off lowers the revision for
        the feeds after it; what those before it showed above is dropped, to be read again.
        """
        if room.items <= 0:
            return {}, min(cursors.values(), default=head.revision)
        feeds: dict[Feed, SessionFeed] = {entry.position.feed: entry for entry in session.feeds}
        unread = unread_ranges(feeds, cursors, skip_acked=session.skip_acked, through=head.revision)
        ranges = [bounds for of_feed in unread.values() for bounds in of_feed]
        first = self._first_unread(connection, account_id, ranges) if ranges else {}
        through, items = head.revision, dict[Feed, list[FeedItem]]()
        for place, feed in enumerate(sorted(first, key=lambda feed: first[feed])):
            bounded = [bounds._replace(through=min(bounds.through, through)) for bounds in unread[feed]]
            bounded = [bounds for bounds in bounded if bounds.above < bounds.through]
            share = room.share(len(first) - place)
            items[feed], was_cut = self._read_ranges(connection, account_id, bounded, feeds[feed].start, share)
            if was_cut:
                through = items[feed][-1].revision
        return {feed: _up_to(through, found) for feed, found in items.items()}, through


def _up_to(through: int, items: list[FeedItem]) -> list[FeedItem]:
    if not items or items[-1].revision <= through:
        return items
    return [item for item in items if item.revision <= through]
