"""Full runs that come as several batches, run by a worker: what none of them had is deleted, once (G11)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import closing
from uuid import uuid4

import pytest

from syncline.server.records import record_write
from syncline.server.requests.records_payload import PAYLOAD_KIND, pack_rows
from syncline.storage import open_store
from syncline.storage.request_models import Progress, SyncRequest
from syncline.storage.request_states import RequestStatus
from syncline.v1.sync_request_pb2 import SourceRow
from tests.connectors.working import ACCOUNT, Site
from tests.harness.server import NOTES


@pytest.fixture
def site(sqlite_url: str) -> Iterator[Site]:
    """Twenty notes were loaded from the connected system."""
    with closing(open_store(sqlite_url)) as store:
        made = Site(store)
        made.declare()
        made.enroll(rows=20)
        made.run(made.ask(full=True))
        yield made


def note(number: int) -> SourceRow:
    """A note as the connected system has it."""
    return SourceRow(object_type="note", data=json.dumps({"id": f"k{number}", "text": f"text {number}"}).encode())


BAD_ROW = SourceRow(object_type="note", data=b'{"id":"bad","text":7}')
NAMELESS_ROW = SourceRow(data=b'{"id":"of no type"}')


def load(site: Site, parent_id: str, number: int, total: int, rows: Iterable[SourceRow]) -> SyncRequest:
    """Bring and run one batch of a full run."""
    request_id = site.ask(
        full=True,
        payload=pack_rows(rows) or (b"",),
        payload_kind=PAYLOAD_KIND,
        parent_id=parent_id,
        current_batch=number,
        total_batches=total,
    )
    return site.run(request_id)


def load_all(site: Site, *parts: Iterable[SourceRow]) -> SyncRequest:
    """Bring and run all batches, the last one first, and then their parent; how that stands."""
    parent_id = str(uuid4())
    for number in range(len(parts), 0, -1):
        assert load(site, parent_id, number, len(parts), parts[number - 1]).status is RequestStatus.SUCCESS
    return site.run(parent_id)


def test_g11_a_parent_deletes_what_none_of_its_batches_had(site: Site) -> None:
    asked = len(site.connector.cursors)
    site.store.write_records(ACCOUNT, [record_write(NOTES, {"id": "own", "text": "made here"}, modified_at=1)])
    parts = [[note(number) for number in range(first, 18, 3)] for first in range(3)]
    parent = load_all(site, *parts)
    assert (parent.status, parent.result_message) == (RequestStatus.SUCCESS, "18 read: 2 deleted, 18 unchanged")
    assert (parent.progress.read, parent.progress.deleted) == (18, 2)
    assert set(site.texts()) == {f"k{number}" for number in range(18)} | {"own"}
    assert site.hints.heads[-1] == site.store.get_head(ACCOUNT).revision
    assert len(site.connector.cursors) == asked, "the connector has nothing to do with it"


def test_g11_a_parent_that_would_delete_too_much_fails(site: Site) -> None:
    parent = load_all(site, [note(number) for number in range(10)], [note(number) for number in range(10, 15)])
    assert parent.status is RequestStatus.FAILED
    assert parent.result_message == (
        "5 of 20 rows would be deleted, more than delete_limit allows: 20%; 0 rows were written before"
    )
    assert len(site.texts()) == 20
    site.enroll(rows=20, delete_limit=0.25)
    assert load_all(site, [note(number) for number in range(15)]).progress.deleted == 5


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (([], []), "0 read"),
        (
            ([note(1)], [BAD_ROW]),
            "2 read: 1 unchanged, 1 failed; nothing was looked for to delete of note, as rows failed",
        ),
        (
            ([note(1)], [NAMELESS_ROW]),
            "2 read: 1 unchanged, 1 failed; nothing was looked for to delete of note, as rows failed",
        ),
    ],
    ids=["no-rows", "a-row-failed", "a-row-of-no-type"],
)
def test_g11_a_parent_leaves_types_that_its_batches_do_not_tell_of(
    site: Site, parts: tuple[list[SourceRow], ...], message: str
) -> None:
    site.enroll(rows=20, delete_limit=1)
    parent = load_all(site, *parts)
    assert parent.status is RequestStatus.SUCCESS
    assert parent.result_message == message
    assert len(site.texts()) == 20


def test_g11_a_parent_goes_on_with_its_sweep_elsewhere(site: Site) -> None:
    site.enroll(rows=20, delete_limit=1)
    parent_id = str(uuid4())
    load(site, parent_id, 1, 1, [note(1)])
    held = site.claim()
    assert held.sweep(["note"], limit=4) == 15
    held.drain()
    site.runner.run(held)
    stopped = site.request(parent_id)
    assert (stopped.status, stopped.failure_count) == (RequestStatus.READY, 0)
    ended = site.run(parent_id)
    assert ended.result_message == "1 read: 19 deleted, 1 unchanged"
    assert ended.progress == Progress(read=1, deleted=19, skipped=1, bytes=ended.progress.bytes)


def test_a_cancel_stops_the_sweep_of_a_parent(site: Site) -> None:
    site.enroll(rows=20, delete_limit=1)
    parent_id = str(uuid4())
    load(site, parent_id, 1, 1, [note(1)])
    held = site.claim()
    assert held.sweep(["note"], limit=4) == 15
    site.store.cancel_request(ACCOUNT, parent_id, by="somebody", now=1)
    site.runner.run(held)
    parent = site.request(parent_id)
    assert parent.status is RequestStatus.CANCELLED
    assert parent.result_message == "cancelled; 4 rows were written before"
    assert len(site.texts()) == 16


def test_a_parent_of_an_enrollment_that_was_disabled_fails(site: Site) -> None:
    parent_id = str(uuid4())
    load(site, parent_id, 1, 1, [note(1)])
    site.enroll(rows=20, enabled=False)
    parent = site.run(parent_id)
    assert (parent.status, parent.result_message) == (RequestStatus.FAILED, "the enrollment is disabled")
    assert len(site.texts()) == 20
