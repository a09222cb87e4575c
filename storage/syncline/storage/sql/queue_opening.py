"""Opening a device's queue: where each feed is read from, and whether there is anything to read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID, uuid4

from sqlalchemy import Connection, bindparam, update

from syncline.storage.device_access import check_access
from syncline.storage.errors import LimitReached, ScopeNotFound
from syncline.storage.limits import CONTACT_INTERVAL_US, COUNT_MAX, REJECTIONS_MAX, check_request
from syncline.storage.models import (
    Device,
    DeviceState,
    Feed,
    FetchProgress,
    Head,
    OpenQueue,
    Position,
    QueueOpened,
    Session,
    SessionFeed,
)
from syncline.storage.positions import resolve
from syncline.storage.sql.devices import SqlDevices
from syncline.storage.sql.feeds import SqlFeeds
from syncline.storage.sql.positions import SqlPositions
from syncline.storage.sql.redelivery import SqlRedelivery
from syncline.storage.sql.rejections import RejectionRow
from syncline.storage.sql.schemas import SqlSchemas
from syncline.storage.sql.sessions import SqlSessions
from syncline.storage.sql.tables import device
from syncline.storage.sql.unread import Range, unread_ranges
from syncline.storage.sql.write_plan import ItemName

_NOTE_OPENED = (
    update(device)
    .where(device.c.account_id == bindparam("of_account"), device.c.device_uuid == bindparam("of_device"))
    .values(
        state=DeviceState.ACTIVE.value,
        last_contact=bindparam("contact"),
        client=bindparam("new_client"),
        session_id=bindparam("new_session"),
    )
)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What opening comes to: read from one snapshot, nothing written yet."""

    device: Device
    head: Head
    feeds: tuple[SessionFeed, ...]
    moved: tuple[Position, ...]
    """Positions that differ from what is stored."""
    rejections: dict[ItemName, RejectionRow]
    refused: tuple[RejectionRow, ...]
    """Those of the rejections that were not known yet."""
    waiting_count: int
    unread: tuple[Range, ...]
    """The ranges of the feeds that have something to read."""
    begins_session: bool

    def needs_writing(self, request: OpenQueue) -> bool:
        """Is there anything to store?"""
        return (
            self.begins_session
            or bool(self.moved)
            or bool(self.refused)
            or self.device.state is not DeviceState.ACTIVE
            or self.device.client != request.client
            or request.now - self.device.last_contact >= CONTACT_INTERVAL_US
        )

    def opened(self, session: Session | None) -> QueueOpened:
        """The answer."""
        return QueueOpened(
            head=self.head,
            session=session,
            feeds=self.feeds,
            rejections=tuple(self.rejections[item].rejection for item in sorted(self.rejections)),
            next_change_seq=self.device.next_change_seq,
            settled_through=self.device.settled_through,
        )


class SqlQueueOpening(SqlDevices, SqlFeeds, SqlPositions, SqlRedelivery, SqlSchemas, SqlSessions):
    """The opening half of `QueueStore`."""

    def open_queue(self, account_id: str, device_uuid: UUID, request: OpenQueue) -> QueueOpened:
        """See `QueueStore.open_queue`."""
        check_request(request)

        # Most calls change nothing; and whatever takes long is done here, where it holds up nobody.
        def look(connection: Connection) -> tuple[_Plan, int]:
            plan = self._plan(connection, account_id, device_uuid, request, lock=False)
            return plan, self._count_ranges(connection, account_id, plan.unread, COUNT_MAX + 1)

        plan, count = self._database.read(look)
        if not plan.needs_writing(request):
            return plan.opened(None)
        return self._database.write_in_snapshot(
            lambda connection: self._open(connection, account_id, device_uuid, request, count)
        )

    def _open(
        self, connection: Connection, account_id: str, device_uuid: UUID, request: OpenQueue, count: int
    ) -> QueueOpened:
        """Plan once more under the device's lock, and store what comes of it."""
        plan = self._plan(connection, account_id, device_uuid, request, lock=True)
        session = _new_session(plan, request, count) if plan.begins_session else None
        self._put_positions(connection, account_id, device_uuid, plan.moved)
        self._put_rejections(connection, account_id, device_uuid, plan.refused)
        if session is not None:
            self._insert_session(connection, account_id, session, plan.head.store_epoch)
        values = {
            "of_account": account_id,
            "of_device": device_uuid,
            "contact": max(plan.device.last_contact, request.now),
            "new_client": request.client,
            "new_session": plan.device.session_id if session is None else session.session_id,
        }
        connection.execute(_NOTE_OPENED, values)
        return plan.opened(session)

    def _plan(
        self, connection: Connection, account_id: str, device_uuid: UUID, request: OpenQueue, *, lock: bool
    ) -> _Plan:
        found = self._device_at_head(connection, account_id, device_uuid, lock=lock)
        check_access(account_id, found.device, found.head)
        scopes = self._scopes(connection, account_id)
        grants = self._grants(connection, account_id, device_uuid)
        served = _served_feeds(request, scopes, grants)
        stored = self._positions_of_feeds(connection, account_id, device_uuid, served)
        feeds = resolve(
            request,
            served,
            grants=grants,
            stored=stored,
            floors=self._floors(connection, account_id, served),
            head=found.head,
            expired=found.device.state is DeviceState.EXPIRED,
        )
        rejections = self._rejections(connection, account_id, device_uuid)
        refused = self._newly_refused(connection, account_id, request, rejections, found.head)
        rejections |= refused
        if len(rejections) > REJECTIONS_MAX:
            raise LimitReached("rejected items of the device", REJECTIONS_MAX)
        by_feed = {entry.position.feed: entry for entry in feeds}
        starts = {feed: entry.start for feed, entry in by_feed.items()}
        ranges = unread_ranges(by_feed, starts, skip_acked=_skips_acked(request), through=found.head.revision)
        flat = [bounds for of_feed in ranges.values() for bounds in of_feed]
        first = self._first_unread(connection, account_id, flat) if flat else {}
        waiting = self._waiting(
            connection,
            account_id,
            [rejections[item] for item in sorted(rejections)],
            by_feed,
            starts,
            session_id="-",  # the new session's: nothing was refused in it yet
            skip_acked=_skips_acked(request),
        )
        return _Plan(
            device=found.device,
            head=found.head,
            feeds=feeds,
            moved=tuple(entry.position for entry in feeds if entry.position != stored.get(entry.position.feed)),
            rejections=rejections,
            refused=tuple(refused.values()),
            waiting_count=len(waiting),
            unread=tuple(bounds for bounds in flat if Feed(bounds.scope, bounds.bucket) in first),
            begins_session=bool(first or waiting)
            or request.always
            or request.full_resync
            or not _all_served(request, feeds),
        )

    def _newly_refused(
        self,
        connection: Connection,
        account_id: str,
        request: OpenQueue,
        known: Mapping[ItemName, RejectionRow],
        head: Head,
    ) -> dict[ItemName, RejectionRow]:
        """Rejections for what the device says it lacks, as far as that is not known yet.

        The item need not be there any more: it is then shown as a delete.
        """
        if not request.refused:
            return {}
        scopes = self._scopes_of_types(connection, account_id, {refusal.object_type for refusal in request.refused})
        places = self._places(connection, account_id, {(told.object_type, told.key) for told in request.refused})
        refused: dict[ItemName, RejectionRow] = {}
        for refusal in request.refused:
            item = (refusal.object_type, refusal.key)
            before = refused.get(item, known.get(item))
            is_new = before is None or refusal.revision > before.rejection.revision
            if is_new and refusal.object_type in scopes and 0 < refusal.revision <= head.revision:
                bucket = next((place.feed.bucket for place in places.get(item, ()) if place.is_record), "")
                feed = Feed(scopes[refusal.object_type], bucket)
                refused[item] = RejectionRow(self._first_rejection(refusal), feed, session_id="")
        return refused


def _served_feeds(request: OpenQueue, scopes: set[str], grants: dict[str, int]) -> list[Feed]:
    """The wanted scopes in the granted and wanted buckets, or `ScopeNotFound`."""
    for scope in (*request.scopes, *request.buckets):
        if scope not in scopes:
            raise ScopeNotFound(scope)
    return [
        Feed(scope, bucket)
        for scope in sorted(set(request.scopes) or scopes)
        for bucket in sorted(grants)
        if scope not in request.buckets or bucket in request.buckets[scope]
    ]


def _skips_acked(request: OpenQueue) -> bool:
    """A device that tells no positions is not sent again what it acknowledged."""
    return not request.told and not request.full_resync


def _all_served(request: OpenQueue, feeds: tuple[SessionFeed, ...]) -> bool:
    """Does every feed that the device tells, of the wanted scopes, go on in the load that it tells?"""
    loads = {entry.position.feed: entry.position.load_id for entry in feeds}
    return all(
        loads.get(told.feed) == told.load_id
        for told in request.told
        if not request.scopes or told.feed.scope in request.scopes
    )


def _new_session(plan: _Plan, request: OpenQueue, count: int) -> Session:
    total = count + plan.waiting_count
    return Session(
        session_id=uuid4().hex,
        device_uuid=plan.device.device_uuid,
        created_at=request.now,
        expire_at=request.expire_at,
        feeds=plan.feeds,
        skip_acked=_skips_acked(request),
        total_count=min(total, COUNT_MAX),
        total_is_estimate=total > COUNT_MAX,
        fetched=FetchProgress(pages=0, cursors={}, redelivered_after=("", "")),
    )
