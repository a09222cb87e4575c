"""From facts to the step: where two of them could be meant, and what only looks like one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from syncline.server.diagnostics.delivery import Standing, Step, explain, is_acknowledged
from syncline.server.diagnostics.words import facts_in_words
from syncline.storage.delivery_models import Bringer, DeliveryFacts, RefusedChange, RefusedItem, StandingRecord
from syncline.storage.limits import CONTACT_INTERVAL_US
from syncline.storage.models import (
    Device,
    DeviceState,
    Feed,
    FetchProgress,
    Head,
    Interval,
    Position,
    Rejection,
    Session,
    SessionFeed,
)
from syncline.storage.request_models import Detail, NewRequest, Operation, Progress, Severity, SyncRequest
from syncline.storage.request_moves import made
from syncline.storage.request_states import RequestStatus
from syncline.storage.upload_models import ChangeRefusal

NOW = 1_750_000_000_000_000
MINUTE = 60_000_000
FEED = Feed("main", "")
DEVICE_UUID = UUID(int=1)
DETAIL = Detail(Severity.ERROR, "note", 1, "x", "a", "no integer", "?")

device = Device(DEVICE_UUID, DeviceState.ACTIVE, NOW, NOW, stream_id=0, session_id="s", client="")
record = StandingRecord(FEED, 10, 5, False, NOW - MINUTE, None, None)
position = Position(FEED, grant_id=3, load_id=4, head_at_start=2, epoch=6, acked_through=9, acked_beyond=())
session = Session(
    "s", DEVICE_UUID, NOW, NOW, (SessionFeed(position, 0),), False, 0, False, FetchProgress(1, {FEED: 10}, None)
)
facts = DeliveryFacts(
    head=Head(20, 1),
    scope="main",
    record=record,
    device=device,
    grants={"": 3},
    positions={FEED: position},
    session=replace(session, fetched=FetchProgress(0, {}, None)),
)
acknowledged = replace(facts, positions={FEED: replace(position, acked_through=10)})


def refused_item(revision: int, *, parked: bool = False, refused_at: int = 0) -> RefusedItem:
    return RefusedItem(Rejection("note", "x", revision, "too odd", 1, parked), refused_at)


def refused_change(decided_at: int) -> RefusedChange:
    return RefusedChange(1, ChangeRefusal("CHANGE_INVALID", "no good"), decided_at)


def request(
    status: RequestStatus = RequestStatus.SUCCESS, *, enrollment: str | None = None, **more: Any
) -> SyncRequest:
    new = NewRequest("r", "", b"", Operation.READ, False, enrollment, NOW, "somebody")
    return replace(made(new, now=NOW), status=status, modified_at=NOW + 1, **more)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, Standing(Step.NEWER_THAN_POSITION, NOW - MINUTE), id="not read"),
        pytest.param({"scope": None, "device": None}, Standing(Step.TYPE_UNKNOWN), id="the type comes first"),
        pytest.param({"device": None, "record": None}, Standing(Step.NO_SUCH_DEVICE), id="then the device"),
        pytest.param({"positions": {}}, Standing(Step.NEWER_THAN_POSITION, NOW - MINUTE), id="nothing read"),
        pytest.param({"grants": {"": 4}}, Standing(Step.NEWER_THAN_POSITION, NOW - MINUTE), id="granted anew"),
        pytest.param({"grants": {"b": 3}}, Standing(Step.NOT_GRANTED), id="not granted"),
        pytest.param(
            {"grants": {"b": 3}, "departures": {Feed("main", "b"): 10}},
            Standing(Step.NOT_GRANTED, NOW - MINUTE),
            id="moved away",
        ),
        pytest.param(
            {"positions": {FEED: replace(position, acked_beyond=(Interval(10, 12),))}},
            Standing(Step.HOLE, NOW - MINUTE),
            id="a hole",
        ),
        pytest.param(
            {"positions": {FEED: replace(position, acked_beyond=(Interval(9, 12),))}},
            Standing(Step.ON_DEVICE),
            id="beyond a hole",
        ),
        pytest.param(
            {"session": session}, Standing(Step.DELIVERED_NOT_ACKNOWLEDGED, NOW, session_id="s"), id="fetched"
        ),
        pytest.param(
            {"session": replace(session, expire_at=NOW - 1)},
            Standing(Step.NEWER_THAN_POSITION, NOW - MINUTE),
            id="fetched in a session that is over",
        ),
        pytest.param(
            {"session": session, "positions": {FEED: replace(position, epoch=7)}},
            Standing(Step.NEWER_THAN_POSITION, NOW - MINUTE),
            id="fetched before the device was put back",
        ),
        pytest.param(
            {"device": replace(device, last_contact=NOW - MINUTE - CONTACT_INTERVAL_US)},
            Standing(Step.NEWER_THAN_POSITION, NOW - MINUTE),
            id="contact that may not be written yet",
        ),
        pytest.param(
            {"device": replace(device, last_contact=1)}, Standing(Step.DEVICE_NOT_SEEN, 1), id="not seen since"
        ),
        pytest.param(
            {"device": replace(device, last_contact=1, state=DeviceState.EXPIRED)},
            Standing(Step.DEVICE_EXPIRED, 1),
            id="expired",
        ),
        pytest.param(
            {"refused_item": refused_item(9)}, Standing(Step.NEWER_THAN_POSITION, NOW - MINUTE), id="rejected before"
        ),
        pytest.param(
            {"refused_item": refused_item(10, refused_at=NOW)},
            Standing(Step.REJECTED, NOW, "too odd"),
            id="rejected before it was passed",
        ),
        pytest.param(
            {"refused_item": refused_item(10, parked=True)},
            Standing(Step.PARKED, NOW - MINUTE, "too odd"),
            id="parked, nobody knows when",
        ),
        pytest.param(
            {"record": replace(record, deleted=True)},
            Standing(Step.DELETED, NOW - MINUTE, delete_step=Step.NEWER_THAN_POSITION),
            id="deleted",
        ),
        pytest.param(
            {
                "record": replace(record, deleted=True, revision=2),
                "positions": {FEED: replace(position, acked_through=0)},
            },
            Standing(Step.DELETED, NOW - MINUTE, delete_step=Step.ON_DEVICE),
            id="deleted before the device began to load",
        ),
        pytest.param(
            {"record": None, "refused_change": refused_change(NOW)},
            Standing(Step.REJECTED_CHANGE, NOW, "no good"),
            id="never created",
        ),
    ],
)
def test_the_step(changes: dict[str, Any], expected: Standing) -> None:
    changed = replace(facts, **changes)
    assert explain(changed, now=NOW, on_their_way={}) == expected
    assert is_acknowledged(changed) is (Step.ON_DEVICE in (expected.step, expected.delete_step))
    assert all(facts_in_words(changed, expected)) or changed.device is None


def test_a_live_stream_has_sent_what_lies_at_or_below_its_last_page() -> None:
    sent, behind = (explain(facts, now=NOW, on_their_way={6: through}) for through in (10, 9))
    assert (sent.step, behind.step) == (Step.DELIVERED_NOT_ACKNOWLEDGED, Step.NEWER_THAN_POSITION)


@pytest.mark.parametrize(
    ("decided_at", "step"), [(NOW - MINUTE, Step.REJECTED_CHANGE), (NOW - MINUTE - 1, Step.ON_DEVICE)]
)
def test_a_refused_change_counts_until_the_record_changes(decided_at: int, step: Step) -> None:
    changed = replace(acknowledged, refused_change=refused_change(decided_at))
    assert explain(changed, now=NOW, on_their_way={}).step is step


def test_a_rejection_that_outlives_a_told_position_still_counts() -> None:
    changed = replace(acknowledged, refused_item=refused_item(8))
    assert explain(changed, now=NOW, on_their_way={}).step is Step.REJECTED
    assert not is_acknowledged(changed)


WAITS = Bringer(request(RequestStatus.READY), "", False, None)
FAILED = Bringer(request(RequestStatus.FAILED, result_message="why"), "", False, None)
DONE = Bringer(request(progress=Progress(read=1)), "", True, None)
BOOKS = Bringer(request(RequestStatus.FAILED, enrollment="e", progress=Progress(read=1)), "books", True, None)


@pytest.mark.parametrize(
    ("bringers", "named"),
    [
        pytest.param((), None, id="none"),
        pytest.param((DONE,), None, id="all is done"),
        pytest.param((replace(DONE, detail=DETAIL),), 0, id="the row was refused"),
        pytest.param((WAITS, replace(DONE, detail=DETAIL)), 1, id="the row was refused before"),
        pytest.param((FAILED, WAITS), 1, id="one waits still"),
        pytest.param((WAITS, replace(WAITS, has_type=True)), 1, id="one brings the type"),
        pytest.param((FAILED,), 0, id="a failed upload"),
        pytest.param((DONE, FAILED), None, id="a failed upload, repeated"),
        pytest.param((DONE, FAILED, BOOKS), 2, id="a system that failed"),
        pytest.param((replace(BOOKS, has_type=False),), None, id="a system of other types that failed"),
    ],
)
def test_what_brings_a_record_that_is_not_there(bringers: tuple[Bringer, ...], named: int | None) -> None:
    standing = explain(replace(facts, record=None, bringers=bringers), now=NOW, on_their_way={})
    assert standing.bringer is (None if named is None else bringers[named])
    assert standing.step is (Step.NO_SUCH_RECORD if named is None else Step.IN_SYNC_REQUEST)
