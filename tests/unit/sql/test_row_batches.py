"""What a batch of rows costs, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from syncline.storage import open_store
from syncline.storage.conformance.request_desk import Desk, row
from syncline.storage.conformance.tenant import Tenant
from syncline.storage.filters import Comparison, Operator
from syncline.storage.request_models import Ending, RequestQuery
from tests.harness.statements import watched_statements


@pytest.fixture
def desk(store_url: str) -> Iterator[Desk]:
    store = open_store(store_url, durable=False)
    tenant = Tenant(store)
    yield Desk(tenant)
    store.close()


def test_rows_that_are_as_they_were_cost_only_a_look(desk: Desk) -> None:
    rows = [row(str(number), {"text": "same"}) for number in range(30)]
    enrollment_id = desk.enroll()
    desk.run(*rows, enrollment_id=enrollment_id)
    lease = desk.lease(enrollment_id=enrollment_id)
    with watched_statements() as statements:
        assert not desk.write(lease, *rows).written
    assert not [statement for statement in statements if "FROM record " in statement]
    written = {statement.split()[1] for statement in statements if statement.startswith("UPDATE")}
    written |= {statement.split()[2] for statement in statements if statement.startswith(("INSERT", "DELETE"))}
    assert written == {"account_head", "sync_request", "sync_request_count"}


def test_g11_a_delta_between_two_attempts_leaves_what_a_full_run_saw(desk: Desk) -> None:
    enrollment_id = desk.enroll()
    desk.run(row("1", {"text": "old"}), row("2", {"text": "old"}), enrollment_id=enrollment_id)
    full = desk.lease(enrollment_id=enrollment_id, run_full_sync=True)
    desk.write(full, row("1", {"text": "old"}))
    desk.end(full, Ending.TRY_AGAIN)
    desk.run(row("1", {"text": "new"}), enrollment_id=enrollment_id)
    desk.promote(desk.tenant.now())
    again = desk.claimed()
    assert again.request_id == full.request_id
    assert desk.sweep(again, "note") == 0
    assert desk.live() == {"1": {"text": "new"}}


def test_a_list_is_filtered_by_what_a_parents_batches_did(desk: Desk) -> None:
    parent_id = "00000000-0000-4000-8000-000000000001"
    for number in (1, 2):
        desk.run(
            row(f"{number}", {"text": "a"}),
            row(f"{number}-{number}", {"text": "a"}),
            parent_id=parent_id,
            current_batch=number,
            total_batches=2,
        )
    wanted = RequestQuery(Comparison("rows_inserted", Operator.EQUAL, (4,)))
    (found,) = desk.store.list_requests(desk.account_id, wanted)
    assert found.request_id == parent_id
    assert found == desk.get(parent_id)
