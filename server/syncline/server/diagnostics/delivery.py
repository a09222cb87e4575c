"""From facts to the step at which a record stands on its way to a device. Pure: no store, no clock, no socket."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from syncline.storage.delivery_models import Bringer, DeliveryFacts, StandingRecord
from syncline.storage.limits import CONTACT_INTERVAL_US
from syncline.storage.models import Device, DeviceState, Position
from syncline.storage.positions import is_acked
from syncline.storage.request_states import RequestStatus


class Step(Enum):
    """The steps; the names are the contract's."""

    ON_DEVICE = "ON_DEVICE"
    TYPE_UNKNOWN = "TYPE_UNKNOWN"
    NO_SUCH_DEVICE = "NO_SUCH_DEVICE"
    NO_SUCH_RECORD = "NO_SUCH_RECORD"
    IN_SYNC_REQUEST = "IN_SYNC_REQUEST"
    REJECTED_CHANGE = "REJECTED_CHANGE"
    DELETED = "DELETED"
    NOT_GRANTED = "NOT_GRANTED"
    DEVICE_EXPIRED = "DEVICE_EXPIRED"
    DEVICE_NOT_SEEN = "DEVICE_NOT_SEEN"
    NEWER_THAN_POSITION = "NEWER_THAN_POSITION"
    DELIVERED_NOT_ACKNOWLEDGED = "DELIVERED_NOT_ACKNOWLEDGED"
    HOLE = "HOLE"
    REJECTED = "REJECTED"
    PARKED = "PARKED"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a record stands."""

    step: Step
    since: int = 0
    """Since when, or since when at the earliest, in microseconds since the epoch; 0: nothing is known of it."""
    reason: str = ""
    session_id: str = ""
    """The session that the step is about."""
    bringer: Bringer | None = None
    """IN_SYNC_REQUEST: what brings the record."""
    delete_step: Step | None = None
    """DELETED: where the delete stands."""


def explain(facts: DeliveryFacts, *, now: int, on_their_way: Mapping[int, int]) -> Standing:
    """The step, from what the store knows.

    Args:
        facts: of one moment.
        now: that moment.
        on_their_way: the highest revision that a live stream of the device has sent under each position epoch.
    """
    if facts.scope is None:
        return Standing(Step.TYPE_UNKNOWN)
    if facts.device is None:
        return Standing(Step.NO_SUCH_DEVICE)
    if facts.record is None:
        return _absent(facts)
    standing = _of_record(facts, facts.device, facts.record, now=now, on_their_way=on_their_way)
    if facts.record.deleted:
        return replace(standing, step=Step.DELETED, since=facts.record.modified_at, delete_step=standing.step)
    refused = facts.refused_change
    if standing.step is Step.ON_DEVICE and refused is not None and refused.decided_at >= facts.record.modified_at:
        return Standing(Step.REJECTED_CHANGE, refused.decided_at, refused.refusal.message)
    return standing


def position_of(facts: DeliveryFacts) -> Position | None:
    """How far the device has got in the record's feed; None if it has not begun under its present grant."""
    if facts.record is None:
        return None
    position = facts.positions.get(facts.record.feed)
    if position is None or position.grant_id != facts.grants.get(facts.record.feed.bucket):
        return None
    return position


def is_acknowledged(facts: DeliveryFacts) -> bool:
    """Has the device acknowledged the record as it stands? What it rejected it has not."""
    return facts.record is not None and not _is_rejected(facts, facts.record) and _is_passed(facts, facts.record)


def _absent(facts: DeliveryFacts) -> Standing:
    """There is neither record nor tombstone: it never came to be, or is long gone."""
    if facts.refused_change is not None:
        return Standing(
            Step.REJECTED_CHANGE, facts.refused_change.decided_at, reason=facts.refused_change.refusal.message
        )
    bringer = _bringer(facts)
    if bringer is None:
        return Standing(Step.NO_SUCH_RECORD)
    request, detail = bringer.request, bringer.detail
    since = request.modified_at if request.status.is_final else request.created_at
    return Standing(
        Step.IN_SYNC_REQUEST, since, request.result_message if detail is None else detail.reason, bringer=bringer
    )


def _bringer(facts: DeliveryFacts) -> Bringer | None:
    """The request that best explains why the record is not there."""
    found: list[tuple[int, Bringer]] = []
    upload_ended = False
    for bringer in facts.bringers:
        status, is_upload = bringer.request.status, bringer.request.enrollment_id is None
        # A failed upload that was followed by another one is history; whatever it did not take, was said by row.
        is_history = is_upload and upload_ended
        upload_ended = upload_ended or (is_upload and status.is_final)
        may_bring = bringer.has_type or not bringer.request.progress.read
        if bringer.detail is not None:
            found.append((0, bringer))
        elif not status.is_final:
            found.append((1 if bringer.has_type else 3, bringer))
        elif status is not RequestStatus.SUCCESS and may_bring and not is_history:
            found.append((2 if bringer.has_type else 4, bringer))
    return min(found, key=lambda ranked: ranked[0], default=(0, None))[1]


def _of_record(
    facts: DeliveryFacts, device: Device, record: StandingRecord, *, now: int, on_their_way: Mapping[int, int]
) -> Standing:
    """Where the present state of the record stands, be it a tombstone."""
    if record.feed.bucket not in facts.grants:
        moved = any(feed.bucket in facts.grants for feed in facts.departures)
        return Standing(Step.NOT_GRANTED, record.modified_at if moved else 0)
    refused = facts.refused_item
    if refused is not None and _is_rejected(facts, record):
        step = Step.PARKED if refused.rejection.parked else Step.REJECTED
        return Standing(step, refused.refused_at or record.modified_at, refused.rejection.reason)
    if _is_passed(facts, record):
        return Standing(Step.ON_DEVICE)
    if device.state is DeviceState.EXPIRED:
        return Standing(Step.DEVICE_EXPIRED, device.last_contact)
    position = position_of(facts)
    if position is not None and any(known.through > record.revision for known in position.acked_beyond):
        return Standing(Step.HOLE, record.modified_at)
    session = facts.session
    began = 0 if session is None else session.created_at
    if position is not None and _is_handed_out(facts, record, position, now=now, on_their_way=on_their_way):
        session_id = "" if session is None else session.session_id
        return Standing(Step.DELIVERED_NOT_ACKNOWLEDGED, max(began, record.modified_at), session_id=session_id)
    if device.last_contact < record.modified_at - CONTACT_INTERVAL_US:
        return Standing(Step.DEVICE_NOT_SEEN, device.last_contact)
    return Standing(Step.NEWER_THAN_POSITION, record.modified_at)


def _is_rejected(facts: DeliveryFacts, record: StandingRecord) -> bool:
    """Is a rejection what the device last said of the record as it stands?"""
    refused = facts.refused_item
    return refused is not None and (refused.rejection.revision >= record.revision or _is_passed(facts, record))


def _is_passed(facts: DeliveryFacts, record: StandingRecord) -> bool:
    """Is the record acknowledged or rejected, or a tombstone that was none of the device's load?"""
    position = position_of(facts)
    if position is None:
        return False
    return is_acked(position, record.revision) or (record.deleted and record.revision <= position.head_at_start)


def _is_handed_out(
    facts: DeliveryFacts,
    record: StandingRecord,
    position: Position,
    *,
    now: int,
    on_their_way: Mapping[int, int],
) -> bool:
    """Did a live stream send it, or a FetchQueue call of the open session?"""
    if on_their_way.get(position.epoch, 0) >= record.revision:
        return True
    session = facts.session
    if session is None or session.expire_at < now:
        return False
    epochs = {entry.position.feed: entry.position.epoch for entry in session.feeds}
    fetched = session.fetched.cursors.get(record.feed, 0)
    return epochs.get(record.feed) == position.epoch and fetched >= record.revision
