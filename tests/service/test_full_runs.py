"""Full runs: what the source no longer has is deleted, if the run saw all there is (G11)."""

from __future__ import annotations

import json
from uuid import uuid4

from syncline.server.records import record_write
from syncline.server.requests.records_payload import PAYLOAD_KIND, pack_rows
from syncline.storage.request_states import RequestStatus
from syncline.v1.sync_request_pb2 import SourceRow
from tests.connectors.working import ACCOUNT, Site, expected_texts
from tests.harness.server import NOTES


def test_g11_a_full_run_deletes_what_the_source_no_longer_has(site: Site) -> None:
    site.enroll(rows=20)
    site.run(site.ask(full=True))
    site.store.write_records(ACCOUNT, [record_write(NOTES, {"id": "own"}, modified_at=1)])
    site.enroll(rows=20, without=[3, 4, 5])
    assert site.run(site.ask(full=True)).result_message == "17 read: 3 deleted, 17 unchanged"
    assert set(expected_texts(20)) - {record.key for record in site.records()} == {"k3", "k4", "k5"}
    assert "own" in {record.key for record in site.records()}


def test_g11_a_full_run_that_would_delete_too_much_fails(site: Site) -> None:
    site.enroll(rows=20)
    site.run(site.ask(full=True))
    site.enroll(rows=15)
    request = site.run(site.ask(full=True))
    assert request.status is RequestStatus.FAILED
    assert request.result_message == (
        "5 of 20 rows would be deleted, more than delete_limit allows: 20%; 0 rows were written before"
    )
    assert len(site.records()) == 20
    site.enroll(rows=15, delete_limit=0.25)
    assert site.run(site.ask(full=True)).status is RequestStatus.SUCCESS
    assert len(site.records()) == 15


def test_g11_a_few_rows_are_not_guarded(site: Site) -> None:
    site.enroll(rows=9)
    site.run(site.ask(full=True))
    site.enroll(rows=0)
    assert site.run(site.ask(full=True)).result_message == "0 read: 9 deleted"


def test_g11_a_sweep_goes_on_until_nothing_is_left(site: Site) -> None:
    site.enroll(rows=1_100, delete_limit=1)
    site.run(site.ask(full=True))
    site.enroll(rows=0, delete_limit=1)
    request = site.run(site.ask(full=True))
    assert (request.result_message, request.progress.deleted) == ("0 read: 1,100 deleted", 1_100)
    assert site.hints.heads[-1] == site.store.get_head(ACCOUNT).revision


def test_g11_a_row_that_failed_is_not_taken_for_gone(site: Site) -> None:
    site.enroll(rows=20)
    site.run(site.ask(full=True))
    site.enroll(rows=20, bad=[3])
    request = site.run(site.ask(full=True))
    assert request.result_message == (
        "20 read: 19 unchanged, 1 failed; nothing was looked for to delete of note, as rows failed"
    )
    assert len(site.records()) == 20


def test_g11_a_full_run_that_did_not_end_deletes_nothing(site: Site) -> None:
    site.enroll(rows=20)
    site.run(site.ask(full=True))
    site.enroll(rows=20, batch=5, fail_after=10, fail_for_good=True)
    assert site.run(site.ask(full=True)).status is RequestStatus.FAILED
    assert len(site.records()) == 20


def test_g11_a_full_payload_is_all_there_is_of_the_types_it_has_rows_of(site: Site) -> None:
    rows = [SourceRow(object_type="note", data=json.dumps({"id": f"k{number}"}).encode()) for number in range(3)]
    for payload, message in (
        (rows, "3 read: 3 inserted"),
        (rows[:2], "2 read: 1 deleted, 2 unchanged"),
        ([], "0 read"),
    ):
        packed = pack_rows(payload) or (b"",)
        request_id = site.ask(full=True, enrollment_id=None, payload=packed, payload_kind=PAYLOAD_KIND)
        assert site.run(request_id).result_message == message
    assert len(site.records()) == 2


def test_g11_a_batch_of_several_deletes_nothing(site: Site) -> None:
    site.enroll(rows=5)
    site.run(site.ask(full=True))
    row = SourceRow(object_type="note", data=b'{"id":"k0","text":"text 0"}')
    request_id = site.ask(
        full=True,
        payload=pack_rows([row]),
        payload_kind=PAYLOAD_KIND,
        parent_id=str(uuid4()),
        current_batch=1,
        total_batches=1,
    )
    assert site.run(request_id).result_message == "1 read: 1 unchanged"
    assert len(site.records()) == 5
