"""Refused items in the model: keeping them, and showing them again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from syncline.storage.memory.reading import event_type, is_shown
from syncline.storage.memory.state import AccountState, DeviceRow, FeedRow, ItemName, RejectionRow
from syncline.storage.models import (
    EventType,
    Feed,
    FeedItem,
    Redelivered,
    Refusal,
    Rejection,
    Session,
    SessionFeed,
)


def granted_rows(account: AccountState, device: DeviceRow, item: ItemName) -> list[tuple[Feed, FeedRow]]:
    """What the device can see of an item, newest first; before its departures, the record itself."""
    scopes = account.schema.scopes()
    return account.rows_of(item, {Feed(scope, bucket) for scope in scopes for bucket in device.grants})


def keep_refusal(
    known: RejectionRow | None, refusal: Refusal, seen: list[tuple[Feed, FeedRow]], *, session_id: str, limit: int
) -> RejectionRow | None:
    """The rejection that a refusal makes of what is `known`; None if it is not taken.

    Args:
        known: the rejection of the item so far.
        refusal: what the device says.
        seen: what it can see of the item, the record first.
        session_id: the session that it speaks in.
        limit: at this count the item is parked.
    """
    if not seen or refusal.revision > max(row.revision for _, row in seen):
        return None
    if known is not None and refusal.revision < known.rejection.revision:
        return None
    if known is not None and refusal.revision == known.rejection.revision:
        count = known.rejection.count + (session_id != known.session_id)
        rejection = replace(known.rejection, reason=refusal.reason, count=count, parked=count >= limit)
        return RejectionRow(rejection, known.feed, session_id)
    return RejectionRow(_first_rejection(refusal, limit), seen[0][0], session_id)


def told_refusal(account: AccountState, refusal: Refusal, *, limit: int) -> RejectionRow | None:
    """The rejection of an item that a device still lacks when it begins a session; None for what cannot be.

    The item need not be there any more: it is then shown as a delete.
    """
    kind = account.schema.object_type(refusal.object_type)
    if kind is None or not 0 < refusal.revision <= account.head.revision:
        return None
    record = account.records.get((refusal.object_type, refusal.key))
    bucket = record.bucket if record is not None else ""
    return RejectionRow(_first_rejection(refusal, limit), Feed(kind.scope, bucket), session_id="")


def list_rejections(rejections: Mapping[ItemName, RejectionRow]) -> tuple[Rejection, ...]:
    """By object type and key."""
    return tuple(rejections[item].rejection for item in sorted(rejections))


def waiting_items(
    account: AccountState, device: DeviceRow, session: Session, cursors: Mapping[Feed, int]
) -> list[Redelivered]:
    """The refused items that the session shows again, by object type and key."""
    feeds = {entry.position.feed: entry for entry in session.feeds}
    scopes = {feed.scope for feed in feeds}
    waiting: list[Redelivered] = []
    for item in sorted(device.rejections):
        row = device.rejections[item]
        if row.rejection.parked or row.session_id == session.session_id or row.feed.scope not in scopes:
            continue
        seen = account.rows_of(item, set(feeds))
        if any(is_shown(found, feeds[feed], cursors[feed], session.skip_acked) for feed, found in seen):
            continue
        waiting.append(_redelivered(row, seen, feeds))
    return waiting


def _redelivered(row: RejectionRow, seen: list[tuple[Feed, FeedRow]], feeds: Mapping[Feed, SessionFeed]) -> Redelivered:
    """The item in its newest state, or as a delete at the revision that was refused."""
    if seen and seen[0][1].frame is not None:
        feed, found = seen[0]
        return Redelivered(
            feed,
            FeedItem(
                revision=found.revision,
                event_type=event_type(found, feeds[feed]),
                frame=found.frame,
                object_type=found.object_type,
                key=found.key,
                modified_at=found.modified_at,
                trace_context=found.trace_context,
            ),
        )
    gone = FeedItem(
        revision=row.rejection.revision,
        event_type=int(EventType.DELETED),
        frame=None,
        object_type=row.rejection.object_type,
        key=row.rejection.key,
        modified_at=seen[0][1].modified_at if seen else 0,
    )
    return Redelivered(row.feed, gone)


def _first_rejection(refusal: Refusal, limit: int) -> Rejection:
    """The item refused once."""
    return Rejection(
        object_type=refusal.object_type,
        key=refusal.key,
        revision=refusal.revision,
        reason=refusal.reason,
        count=1,
        parked=limit <= 1,
    )
