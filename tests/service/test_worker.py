"""Running sync requests: what a run writes, and how it ends; and the worker that runs them (G11)."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from syncline.server.config import load_settings
from syncline.server.environment import now_us
from syncline.server.records import delete_write, record_write
from syncline.server.requests.connectors.contract import ConnectorError
from syncline.server.requests.records_payload import PAYLOAD_KIND, pack_rows
from syncline.server.requests.result_messages import error_message
from syncline.server.requests.run_settings import RunSettings, split_settings
from syncline.server.requests.worker import Worker
from syncline.storage.errors import StoreUnavailable
from syncline.storage.request_models import BatchResult, Operation, Progress
from syncline.storage.request_states import RequestStatus
from syncline.v1.sync_request_pb2 import SourceRow
from tests.connectors.working import ACCOUNT, SECRET, Site, expected_texts, until
from tests.harness.programs import running_program
from tests.harness.server import NOTES

# READ


def test_a_run_writes_every_row_and_says_what_became_of_them(site: Site) -> None:
    site.enroll(rows=1_000, batch=300, bad=list(range(10)))
    request = site.run(site.ask())
    assert request.status is RequestStatus.SUCCESS
    assert request.result_message == "1,000 read: 990 inserted, 10 failed"
    assert request.progress == Progress(read=1_000, inserted=990, failed=10, bytes=10_000, estimate=1_000)
    assert site.texts() == {key: text for key, text in expected_texts(1_000).items() if int(key[1:]) >= 10}
    details = site.store.list_details(ACCOUNT, request.request_id, after=0, limit=20).details
    assert [(detail.line, detail.source_key, detail.field, detail.value) for _, detail in details[:2]] == [
        (1, "k0", "text", "7"),
        (2, "k1", "text", "7"),
    ]
    assert len(details) == 10
    assert site.hints.heads == sorted(site.hints.heads)
    assert site.hints.heads[-1] == site.store.get_head(ACCOUNT).revision
    assert site.connector.opened == 0


def test_a_delta_goes_on_where_the_last_success_ended(site: Site) -> None:
    site.enroll(rows=5)
    site.run(site.ask())
    site.enroll(rows=8)
    assert site.run(site.ask()).result_message == "3 read: 3 inserted"
    assert site.run(site.ask()).result_message == "0 read"
    assert site.run(site.ask(full=True)).result_message == "8 read: 8 unchanged"
    assert site.connector.cursors == ["", '{"next": 5}', '{"next": 8}', ""]


def test_what_a_device_changed_stays_unless_the_source_changed_it(site: Site) -> None:
    site.enroll(rows=2)
    site.run(site.ask(full=True))
    edit = record_write(NOTES, {"id": "k0", "text": "from a device"}, modified_at=1)
    site.store.write_records(ACCOUNT, [edit])
    site.run(site.ask(full=True))
    assert site.texts() == {"k0": "from a device", "k1": "text 1"}
    site.enroll(rows=2, text="from the source")
    assert site.run(site.ask(full=True)).result_message == "2 read: 2 updated"
    assert site.texts() == {"k0": "from the source", "k1": "from the source"}


def test_rows_that_come_with_the_request_are_read(site: Site) -> None:
    rows = [SourceRow(object_type="note", data=json.dumps({"id": f"k{number}"}).encode()) for number in range(2_500)]
    rows[7].data = b"{]"
    rows[8].CopyFrom(SourceRow(object_type="note", source_key="k0", deleted=True))
    request = site.run(site.ask(enrollment_id=None, payload=pack_rows(rows), payload_kind=PAYLOAD_KIND))
    assert request.result_message == "2,500 read: 2,498 inserted, 1 deleted, 1 failed"
    assert site.store.count_records(ACCOUNT) == {"note": 2_497}


def test_a_run_makes_no_more_records_than_the_account_may_have(site: Site) -> None:
    site.runner = site.runner_with(site.connectors, account_records=10)
    site.enroll(rows=8, batch=4)
    assert site.run(site.ask()).status is RequestStatus.SUCCESS
    site.enroll(rows=12, batch=4, text="new")
    request = site.run(site.ask(full=True))
    assert request.status is RequestStatus.FAILED
    assert request.result_message == (
        "the account may have at most 10 records, and the next rows would make 2 too many; 8 rows were written before"
    )
    assert site.store.count_records(ACCOUNT) == {"note": 8}


def test_what_changes_a_record_needs_no_room(site: Site) -> None:
    site.enroll(rows=8, batch=4)
    site.run(site.ask())
    site.runner = site.runner_with(site.connectors, account_records=3)
    site.store.write_records(ACCOUNT, [delete_write("note", "k1", modified_at=1)])  # a row that is as it was stays away
    assert site.run(site.ask(full=True)).result_message == "8 read: 8 unchanged"
    site.enroll(rows=1, text="new", delete_limit=1)
    assert site.run(site.ask(full=True)).result_message == "1 read: 1 updated, 6 deleted"


# Failures


def test_a_failed_attempt_is_followed_by_another_that_goes_on(site: Site) -> None:
    site.enroll(rows=20, batch=5, fail_after=10)
    request_id = site.ask()
    before = now_us()
    request = site.run(request_id)
    assert (request.status, request.failure_count) == (RequestStatus.READY, 1)
    assert request.result_message == "the system said no to; 10 rows were written before"
    assert before <= request.due_at <= now_us() + 1_000_000
    site.enroll(rows=20, batch=5)
    request = site.run(request_id)
    assert request.result_message == "20 read: 20 inserted"
    assert site.connector.cursors == ["", '{"next": 10}']
    assert site.texts() == expected_texts(20)


def test_g11_after_its_last_attempt_a_request_has_failed(site: Site) -> None:
    site.enroll(rows=20, fail_after=0)
    request_id = site.ask()
    statuses = [site.run(request_id, failures_max=3).status for _ in range(3)]
    assert statuses == [RequestStatus.READY, RequestStatus.READY, RequestStatus.FAILED]


@pytest.mark.parametrize("operation", [Operation.READ, Operation.CHECK])
def test_what_a_repeat_would_not_mend_fails_at_once(site: Site, operation: Operation) -> None:
    site.enroll(rows=20, fail_after=0, fail_for_good=True, secret=SECRET)
    request = site.run(site.ask(operation))
    assert (request.status, request.failure_count) == (RequestStatus.FAILED, 1)
    assert request.result_message == "the system said no to ***"


def test_an_unexpected_error_is_told_without_secrets(site: Site) -> None:
    site.enroll(rows=1, fail_after=0, fail_with=f"no route to pg://me:s3cr3t@db {SECRET}\nsecond line", secret=SECRET)
    request = site.run(site.ask())
    assert request.status is RequestStatus.READY
    assert request.result_message == "ZeroDivisionError: no route to pg://me:***@db ***"
    assert error_message(ConnectorError("x" * 300, for_good=True), []) == "x" * 200


def test_too_many_rows_that_fail_end_the_run(site: Site) -> None:
    site.enroll(rows=30, batch=10, bad=[1, 2, 11, 12, 21], error_limit=3)
    request = site.run(site.ask())
    assert request.status is RequestStatus.FAILED
    assert request.result_message == "4 rows failed, more than error_limit allows: 3; 16 rows were written before"
    assert len(site.records()) == 16


def test_what_cannot_be_run_here_says_so(site: Site) -> None:
    site.enroll(rows=1, delete_limit="all")
    request = site.run(site.ask())
    assert request.status is RequestStatus.FAILED
    assert request.result_message == "delete_limit: must be a number from 0 to 1, not 'all'"
    request = site.run(site.ask(enrollment_id=None, payload=(b"PK",), payload_kind="zip"))
    assert request.status is RequestStatus.FAILED
    assert request.result_message.startswith("there is no connector 'file' here")
    site.enroll(rows=1)
    request_id = site.ask()
    site.enroll(rows=1, enabled=False)
    assert site.run(request_id).result_message == "the enrollment is disabled"


def test_the_runners_settings_are_not_the_connectors() -> None:
    assert split_settings({"path": "x", "error_limit": 5}) == (RunSettings(error_limit=5), {"path": "x"})
    for wrong in ({"error_limit": -1}, {"error_limit": True}, {"delete_limit": 1.5}):
        with pytest.raises(ConnectorError):
            split_settings(wrong)


def test_a_batch_whose_commit_is_not_known_is_written_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.enroll(rows=4, batch=2)
    write_batch = site.store.write_batch
    lost: list[int] = []

    def lose_first_answer(lease: Any, batch: Any, *args: Any, **kwargs: Any) -> BatchResult:
        result = write_batch(lease, batch, *args, **kwargs)
        if batch.number not in lost:
            lost.append(batch.number)
            raise StoreUnavailable("the connection was lost during the commit")
        return result

    monkeypatch.setattr(site.store, "write_batch", lose_first_answer)
    assert site.run(site.ask()).result_message == "4 read: 4 inserted"
    assert lost == [1, 2]


# WRITE and CHECK


def test_a_write_brings_what_changed_since_the_last_one(site: Site) -> None:
    writes = [record_write(NOTES, {"id": f"k{number}"}, modified_at=1) for number in range(5)]
    site.store.write_records(ACCOUNT, writes)
    site.enroll(batch=2)
    request = site.run(site.ask(Operation.WRITE))
    assert (request.status, request.result_message) == (RequestStatus.SUCCESS, "5 written")
    assert [record.data for record in site.connector.written] == [{"id": f"k{number}"} for number in range(5)]
    site.connector.written.clear()
    assert site.run(site.ask(Operation.WRITE)).result_message == "0 written"
    changes = [delete_write("note", "k1", modified_at=2), record_write(NOTES, {"id": "k3", "text": "x"}, modified_at=2)]
    site.store.write_records(ACCOUNT, changes)
    # Nobody else would keep the tombstone.
    site.store.collect(ACCOUNT, devices_seen_before=0, now=now_us())
    assert site.run(site.ask(Operation.WRITE)).result_message == "2 written"
    assert [(record.key, record.data) for record in site.connector.written] == [
        ("k1", None),
        ("k3", {"id": "k3", "text": "x"}),
    ]
    site.connector.written.clear()
    site.run(site.ask(Operation.WRITE, full=True))
    assert sorted(record.key for record in site.connector.written) == ["k0", "k2", "k3", "k4"]


def test_a_write_that_failed_goes_on_behind_what_was_stored(site: Site) -> None:
    writes = [record_write(NOTES, {"id": f"k{number}"}, modified_at=1) for number in range(5)]
    site.store.write_records(ACCOUNT, writes)
    site.enroll(batch=2, fail_after=4)
    request_id = site.ask(Operation.WRITE)
    request = site.run(request_id)
    assert (request.status, request.progress.read) == (RequestStatus.READY, 4)
    site.enroll(batch=2)
    assert site.run(request_id).result_message == "5 written"
    assert [record.key for record in site.connector.written] == ["k0", "k1", "k2", "k3", "k4"]


def test_a_target_may_be_far_behind_with_what_it_was_given(site: Site) -> None:
    writes = [record_write(NOTES, {"id": f"k{number}"}, modified_at=1) for number in range(2_000)]
    site.store.write_records(ACCOUNT, writes)
    site.enroll(batch=50, behind=100)
    request = site.run(site.ask(Operation.WRITE))
    assert (request.result_message, request.progress.read) == ("2,000 written", 2_000)
    assert len(site.connector.written) == 2_000


def test_a_write_begins_anew_when_the_history_was_replaced(site: Site) -> None:
    site.store.write_records(ACCOUNT, [record_write(NOTES, {"id": "k0"}, modified_at=1)])
    site.enroll()
    site.run(site.ask(Operation.WRITE))
    site.store.renew_store_epoch(ACCOUNT)
    assert site.run(site.ask(Operation.WRITE)).result_message == "1 written"


def test_a_check_says_what_was_found(site: Site) -> None:
    site.enroll(rows=3, secret=SECRET)
    request = site.run(site.ask(Operation.CHECK))
    assert (request.status, request.result_message) == (RequestStatus.SUCCESS, "found 3 rows, as ***")


# The worker


async def test_a_worker_runs_what_is_due_and_again_what_failed(site: Site) -> None:
    site.enroll(rows=10, batch=2)
    others = [str(uuid4()) for _ in range(6)]
    for enrollment_id in others:
        site.enroll(enrollment_id, rows=3)
    ids = [site.ask(), *(site.ask(enrollment_id=enrollment_id) for enrollment_id in others)]
    later = site.ask(enrollment_id=others[0], due_at=now_us() + 100_000)
    async with Working(site, worker_slots=2):
        await until_async(lambda: all(site.request(one).status.is_final for one in [*ids, later]))
    assert {site.request(request_id).status for request_id in [*ids, later]} == {RequestStatus.SUCCESS}
    assert site.texts() == expected_texts(10)


async def test_a_worker_that_stops_gives_back_what_it_runs(site: Site) -> None:
    site.enroll(rows=20, batch=5, hang_after=10)
    request_id = site.ask()
    async with Working(site):
        await until_async(lambda: site.request(request_id).progress.read == 10)
    request = site.request(request_id)
    assert (request.status, request.result_message) == (RequestStatus.READY, "the worker stopped")
    assert request.failure_count == 0
    assert request.due_at <= now_us()
    assert site.connector.opened == 0
    site.enroll(rows=20, batch=5)
    assert site.run(request_id).result_message == "20 read: 20 inserted"


async def test_a_worker_that_stops_does_not_wait_for_a_connector_that_heeds_nobody(site: Site) -> None:
    site.enroll(rows=20, batch=5, hang_after=10, deaf=True)
    request_id = site.ask()
    async with Working(site, drain_grace_seconds=0.1):
        await until_async(lambda: site.request(request_id).progress.read == 10)
    assert site.request(request_id).status is RequestStatus.READY


def test_a_worker_process_runs_requests_until_it_is_told_to_stop(site: Site, sqlite_url: str) -> None:
    row = SourceRow(object_type="note", data=b'{"id":"k0","text":"text 0"}')
    request_id = site.ask(enrollment_id=None, payload=pack_rows([row]), payload_kind=PAYLOAD_KIND)
    with running_program([sys.executable, "-m", "syncline.server", "worker", "--database", sqlite_url]) as worker:
        until(lambda: site.request(request_id).status.is_final)
        worker.process.terminate()
        assert worker.process.wait() == 0
    assert site.request(request_id).result_message == "1 read: 1 inserted"


class Working:
    """A worker in the test's event loop."""

    def __init__(self, site: Site, **settings: object) -> None:
        options: dict[str, object] = {"poll_seconds": 0.02, **settings}
        self._worker = Worker(load_settings(**options), site.store, site.runner, site.hints)

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._worker.run())

    async def __aexit__(self, *_: object) -> None:
        self._worker.stop()
        await self._task


async def until_async(holds: Callable[[], bool]) -> None:
    """As `until`, while the event loop runs."""
    while not holds():  # noqa: ASYNC110  another thread brings it about
        await asyncio.sleep(0.002)
