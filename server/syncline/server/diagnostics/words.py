"""What is known of a delivery, in sentences for people."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from syncline.server.diagnostics.delivery import Standing, is_acknowledged, position_of
from syncline.server.requests.convert import STATUSES
from syncline.storage.delivery_models import Bringer, DeliveryFacts, StandingRecord
from syncline.storage.models import Device, DeviceState
from syncline.storage.positions import is_acked
from syncline.storage.request_states import RequestStatus
from syncline.v1 import sync_request_pb2

NAMES_MAX = 10
"""How many buckets or requests a sentence names at most."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def facts_in_words(facts: DeliveryFacts, standing: Standing) -> list[str]:
    """The sentences: of the record, the device, the feed, what was refused, what brings the record."""
    said = list(_of_device(facts.device)) if facts.device is not None else []
    if facts.record is not None:
        said = [*_of_record(facts, facts.record), *said]
        if facts.device is not None:
            said += _of_feed(facts, facts.record)
    said += _of_refusals(facts)
    bringers = [bringer for bringer in facts.bringers if _is_news(bringer) and bringer is not standing.bringer]
    if standing.bringer is not None:
        bringers.insert(0, standing.bringer)
    return [*said, *map(_of_bringer, bringers[:NAMES_MAX])]


def status_name(status: RequestStatus) -> str:
    """The status as the contract calls it."""
    return sync_request_pb2.SyncRequestStatus.Name(STATUSES[status]).removeprefix("SYNC_REQUEST_STATUS_")


def time_text(microseconds: int) -> str:
    """A time of the store, to the second."""
    return f"{_EPOCH + timedelta(microseconds=microseconds):%Y-%m-%d %H:%M:%S} UTC"


def _of_record(facts: DeliveryFacts, record: StandingRecord) -> Iterator[str]:
    what = "was deleted" if record.deleted else "changed last"
    yield f"the record {what} at revision {record.revision}, {time_text(record.modified_at)}"
    for feed, revision in facts.departures.items():
        if feed.bucket in facts.grants:
            position = facts.positions.get(feed)
            knows = "knows" if position is not None and is_acked(position, revision) else "was not told yet"
            yield f"it left the bucket {feed.bucket!r} at revision {revision}, which the device {knows}"


def _of_device(device: Device) -> Iterator[str]:
    yield f"the device was last in contact {time_text(device.last_contact)}"
    if device.state is DeviceState.EXPIRED:
        yield "it was away for too long: it has to resynchronise in full"


def _of_feed(facts: DeliveryFacts, record: StandingRecord) -> Iterator[str]:
    if record.feed.bucket not in facts.grants:
        names = sorted(facts.grants)
        shown = ", ".join(map(repr, names[:NAMES_MAX])) or "none"
        yield f"the device is granted the buckets: {shown}" + (" and more" if len(names) > NAMES_MAX else "")
        return
    position, session = position_of(facts), facts.session
    if session is not None:
        yield f"its newest session began {time_text(session.created_at)} and ends {time_text(session.expire_at)}"
        if all(entry.position.feed != record.feed for entry in session.feeds):
            yield f"that session does not ask for the scope {record.feed.scope!r} in this bucket"
    if position is None:
        yield "the device has read nothing yet of the scope in this bucket"
        return
    beyond = f" and {len(position.acked_beyond)} ranges beyond" if position.acked_beyond else ""
    yield f"it acknowledged all up to revision {position.acked_through}{beyond}, of {facts.head.revision}"
    if facts.gc_floor > max(position.acked_through, position.head_at_start):
        yield "deletes that it has not read were removed: it has to load the scope in this bucket anew"
    was_there = record.entered_revision < record.revision and is_acked(position, record.entered_revision)
    if was_there and not is_acknowledged(facts):
        yield "the device has an older state of the record"


def _of_refusals(facts: DeliveryFacts) -> Iterator[str]:
    if facts.refused_item is not None:
        rejection = facts.refused_item.rejection
        yield f"the device rejected revision {rejection.revision} in {rejection.count} sessions: {rejection.reason}"
    refused = facts.refused_change
    if refused is not None:
        is_history = facts.record is not None and refused.decided_at < facts.record.modified_at
        since = ", and the record has changed since" if is_history else ""
        yield (
            f"the device's change number {refused.change_seq} of the record was refused "
            f"{time_text(refused.decided_at)} ({refused.refusal.reason}: {refused.refusal.message}){since}"
        )
    conflict = facts.conflict
    if conflict is not None:
        yield (
            f"a change of the device met one of somebody else, and came to {conflict.verdict.name} "
            f"{time_text(conflict.decided_at)}"
        )


def _is_news(bringer: Bringer) -> bool:
    """Is there something that this request may still bring, or did not?"""
    return bringer.detail is not None or (bringer.has_type and bringer.request.status is not RequestStatus.SUCCESS)


def _of_bringer(bringer: Bringer) -> str:
    request, detail = bringer.request, bringer.detail
    source = f" of {bringer.enrollment_name}" if bringer.enrollment_name else ""
    said = f"the sync request {request.request_id}{source} is {status_name(request.status)}"
    said += f" since {time_text(request.modified_at)}"
    if request.failure_count:
        said += f", after {request.failure_count} failed attempts"
    if request.result_message:
        said += f": {request.result_message}"
    if detail is not None:
        said += f"; of the row it says: {detail.reason}"
    return said
