"""Sessions and the reading of them in the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID, uuid4

from syncline.storage.device_access import check_access
from syncline.storage.errors import (
    FetchRaced,
    LimitReached,
    ResyncRequired,
    ScopeNotFound,
    SessionExpired,
    SessionNotFound,
    StreamSuperseded,
)
from syncline.storage.limits import COUNT_MAX, REJECTIONS_MAX, check_request, check_text
from syncline.storage.memory.reading import candidates, cut, slices
from syncline.storage.memory.rejections import list_rejections, told_refusal, waiting_items
from syncline.storage.memory.state import AccountState, DeviceRow, ItemName, MemoryState, RejectionRow, SessionRow
from syncline.storage.models import (
    DeviceState,
    Feed,
    FetchProgress,
    OpenQueue,
    QueueOpened,
    QueueRead,
    Session,
    SessionFeed,
)
from syncline.storage.positions import resolve


class MemoryQueue(MemoryState):
    """`QueueStore`."""

    def open_queue(self, account_id: str, device_uuid: UUID, request: OpenQueue) -> QueueOpened:
        """See `QueueStore.open_queue`."""
        check_request(request)
        with self._transaction(account_id) as account:
            device = account.device(device_uuid)
            check_access(account_id, device.device, account.head)
            entries = resolve(
                request,
                _session_feeds(account, device, request),
                grants=device.grants,
                stored=device.positions,
                floors=account.floors,
                head=account.head,
                expired=device.device.state is DeviceState.EXPIRED,
            )
            rejections = self._with_refused(account, device, request)
            device.rejections = rejections
            device.positions.update((entry.position.feed, entry.position) for entry in entries)
            device.note_contact(request.now)
            device.device = replace(device.device, state=DeviceState.ACTIVE, client=request.client)
            session = _start_session(account, device, request, entries)
            return QueueOpened(
                head=account.head,
                session=session,
                feeds=entries,
                rejections=list_rejections(rejections),
                next_change_seq=device.device.next_change_seq,
                settled_through=device.device.settled_through,
            )

    def _with_refused(
        self, account: AccountState, device: DeviceRow, request: OpenQueue
    ) -> dict[ItemName, RejectionRow]:
        """The device's rejections with those that it tells; those that are known stay as they are."""
        rejections = dict(device.rejections)
        for refusal in request.refused:
            item = (refusal.object_type, refusal.key)
            known = rejections.get(item)
            if known is None or refusal.revision > known.rejection.revision:
                kept = told_refusal(account, refusal, limit=self._max_rejections)
                if kept is not None:
                    rejections[item] = kept
        if len(rejections) > REJECTIONS_MAX:
            raise LimitReached("rejected items of the device", REJECTIONS_MAX)
        return rejections

    def get_session(self, account_id: str, device_uuid: UUID, session_id: str, *, now: int, expire_at: int) -> Session:
        """See `QueueStore.get_session`."""
        check_text("session_id", session_id)
        with self._transaction(account_id) as account:
            row = _session_row(account, device_uuid, session_id)
            if row.session.expire_at < now:
                raise SessionExpired("the session has ended by time; start a new one")
            row.session = replace(row.session, expire_at=max(row.session.expire_at, expire_at))
            return row.session

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
        with self._transaction(account_id) as account:
            device = account.device(device_uuid)
            check_access(account_id, device.device, account.head)
            if stream_id is not None and stream_id != device.device.stream_id:
                raise StreamSuperseded("a newer stream of the device took over")
            at = {entry.position.feed: cursors.get(entry.position.feed, entry.start) for entry in session.feeds}
            _recheck(account, device, session, at)
            waiting = waiting_items(account, device, session, at) if redeliver_after is not None else []
            waiting = [one for one in waiting if (one.item.object_type, one.item.key) > (redeliver_after or ("", ""))]
            again = waiting[:max_items]
            room = max_items - len(again)
            found = candidates(account, session, at)
            shown = found[: cut(found, max_items=room, max_bytes=max_bytes)] if room > 0 else []
            complete = len(again) == len(waiting) and len(shown) == len(found)
            last = shown[-1].revision if shown else min(at.values(), default=0)
            through = account.head.revision if complete else last
            return QueueRead(
                head=account.head,
                through=through,
                complete=complete,
                slices=slices(session, at, shown, through),
                redelivered=tuple(again),
                rejections=list_rejections(device.rejections),
            )

    def advance_fetch(
        self, account_id: str, device_uuid: UUID, session_id: str, *, expected_pages: int, progress: FetchProgress
    ) -> None:
        """See `QueueStore.advance_fetch`."""
        check_text("session_id", session_id)
        with self._transaction(account_id) as account:
            row = _session_row(account, device_uuid, session_id)
            if row.session.fetched.pages != expected_pages:
                raise FetchRaced(f"the session stands at page {row.session.fetched.pages}, not {expected_pages}")
            row.session = replace(row.session, fetched=progress)


def _session_feeds(account: AccountState, device: DeviceRow, request: OpenQueue) -> list[Feed]:
    """The wanted scopes in the granted and wanted buckets."""
    known = account.schema.scopes()
    for scope in (*request.scopes, *request.buckets):
        if scope not in known:
            raise ScopeNotFound(scope)
    return [
        Feed(scope, bucket)
        for scope in request.scopes or known
        for bucket in device.grants
        if scope not in request.buckets or bucket in request.buckets[scope]
    ]


def _start_session(
    account: AccountState, device: DeviceRow, request: OpenQueue, entries: tuple[SessionFeed, ...]
) -> Session | None:
    """A session, unless there is nothing new."""
    session = Session(
        session_id=uuid4().hex,
        device_uuid=device.device.device_uuid,
        created_at=request.now,
        expire_at=request.expire_at,
        feeds=entries,
        skip_acked=not request.told and not request.full_resync,
        total_count=0,
        total_is_estimate=False,
        fetched=FetchProgress(pages=0, cursors={}, redelivered_after=("", "")),
    )
    starts = {entry.position.feed: entry.start for entry in entries}
    to_read = len(candidates(account, session, starts)) + len(waiting_items(account, device, session, starts))
    loads = {entry.position.feed: entry.position.load_id for entry in entries}
    all_served = all(
        loads.get(told.feed) == told.load_id
        for told in request.told
        if not request.scopes or told.feed.scope in request.scopes
    )
    if not to_read and all_served and not request.always and not request.full_resync:
        return None
    session = replace(session, total_count=min(to_read, COUNT_MAX), total_is_estimate=to_read > COUNT_MAX)
    account.sessions[session.session_id] = SessionRow(session, account.head.store_epoch)
    device.device = replace(device.device, session_id=session.session_id)
    return session


def _session_row(account: AccountState, device_uuid: UUID, session_id: str) -> SessionRow:
    """The device's session."""
    account.device(device_uuid)
    row = account.sessions.get(session_id)
    if row is None or row.session.device_uuid != device_uuid:
        raise SessionNotFound(f"the device has no session {session_id!r}")
    return row


def _recheck(account: AccountState, device: DeviceRow, session: Session, cursors: Mapping[Feed, int]) -> None:
    """Raise `ResyncRequired` if the session's feeds cannot be read on as they are."""
    row = _session_row(account, device.device.device_uuid, session.session_id)
    if row.store_epoch != account.head.store_epoch:
        raise ResyncRequired((), "the history of the server has a new identity")
    if device.device.state is DeviceState.EXPIRED:
        raise ResyncRequired((), "the device was not seen for too long")
    taken = [
        entry.position.feed
        for entry in session.feeds
        if device.grants.get(entry.position.feed.bucket) != entry.position.grant_id
    ]
    if taken:
        raise ResyncRequired(taken, "a bucket is not granted any more, or was granted anew")
    collected = [
        entry.position.feed
        for entry in session.feeds
        if account.floors.get(entry.position.feed, 0) > max(cursors[entry.position.feed], entry.position.head_at_start)
    ]
    if collected:
        raise ResyncRequired(collected, "deletes beyond the position were collected")
