"""What is counted of sync requests, their attempts and their rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from syncline.data import metrics
from syncline.server.environment import now_us
from syncline.storage import Store, open_store
from syncline.storage.request_models import Operation
from tests.connectors.working import ACCOUNT, Site
from tests.harness.metrics import Metrics, recorded_metrics
from tests.harness.server import running_app
from tests.service.requesting import request_calls, row
from tests.service.test_parents import load_all, note


@pytest.fixture
def counted() -> Iterator[Metrics]:
    with recorded_metrics() as counted:
        yield counted


@pytest.fixture
def site(store_url: str) -> Iterator[Site]:
    with closing(open_store(store_url)) as store:
        made = Site(store)
        made.declare()
        yield made
        made.connector.released.set()


def test_rows_are_counted_by_connector_and_by_what_became_of_them(site: Site, counted: Metrics) -> None:
    site.enroll(rows=5, batch=2, bad=[4])
    site.run(site.ask(full=True))
    site.enroll(rows=5, batch=2, without=[0])
    site.run(site.ask(full=True))

    assert counted.counts(metrics.CONNECTOR_ROWS) == {
        ("scripted", "read"): 9,
        ("scripted", "inserted"): 5,
        ("scripted", "skipped"): 3,
        ("scripted", "deleted"): 1,
        ("scripted", "failed"): 1,
    }


def test_a_second_attempt_counts_only_its_own_rows(site: Site, counted: Metrics) -> None:
    site.enroll(rows=6, batch=2, fail_after=4)
    request_id = site.ask()
    site.run(request_id)
    site.enroll(rows=6, batch=2)
    site.run(request_id)

    assert counted.counts(metrics.CONNECTOR_ROWS) == {("scripted", "read"): 6, ("scripted", "inserted"): 6}
    assert counted.counts(metrics.REQUESTS_RETRIES) == {("read",): 1}
    assert counted.counts(metrics.REQUESTS_ENDED) == {("read", "success"): 1}


def test_what_batches_did_not_see_counts_for_the_connector_of_their_parent(site: Site, counted: Metrics) -> None:
    site.enroll(rows=20)
    site.run(site.ask(full=True))
    load_all(site, [note(number) for number in range(19)])

    rows = counted.counts(metrics.CONNECTOR_ROWS)
    assert (rows["inline", "skipped"], rows["scripted", "deleted"]) == (19, 1)
    assert counted.counts(metrics.REQUESTS_ENDED) == {("read", "success"): 3}


def test_ends_are_counted_by_operation_and_status(site: Site, counted: Metrics) -> None:
    site.enroll(rows=2)
    site.run(site.ask())
    site.run(site.ask(Operation.WRITE))
    site.run(site.ask(Operation.CHECK))
    request_id = site.ask()
    held = site.claim()
    site.store.cancel_request(ACCOUNT, request_id, by="test", now=now_us())
    site.runner.run(held)
    site.enroll(rows=2, fail_after=1, fail_for_good=True)
    site.run(site.ask(full=True))
    site.run(site.ask(full=True), failures_max=1)

    assert counted.counts(metrics.REQUESTS_ENDED) == {
        ("read", "success"): 1,
        ("write", "success"): 1,
        ("check", "success"): 1,
        ("read", "cancelled"): 1,
        ("read", "failed"): 2,
    }
    assert counted.counts(metrics.REQUESTS_RETRIES) == {}


def test_a_lease_that_ran_out_is_counted_by_who_takes_the_request_back(site: Site, counted: Metrics) -> None:
    site.enroll(rows=2)
    request_id = site.ask()
    site.claim()
    later = now_us() + 400_000_000
    site.store.promote_requests(now=later, failures_max=2)
    late = site.claim(failures_max=2)
    site.store.promote_requests(now=later, failures_max=2)
    site.runner.run(late)

    assert site.request(request_id).status.value == "failed"
    assert counted.counts(metrics.LEASES_LOST) == {(): 2}
    assert counted.counts(metrics.REQUESTS_ENDED) == {("read", "failed"): 1}


def test_the_wait_for_a_worker_is_measured_from_when_it_was_due(site: Site, counted: Metrics) -> None:
    site.enroll(rows=2)
    site.run(site.ask(due_at=now_us() - 100_000_000))

    assert counted.counts(metrics.REQUESTS_PICKUP) == {(): 1}
    assert 100 <= counted.sum(metrics.REQUESTS_PICKUP) < 200


async def test_a_worker_outside_counts_as_far_as_it_is_known(store: Store, counted: Metrics) -> None:
    async with running_app(store, embedded_worker=False) as app, request_calls(app.address) as calls:
        enrollment_id = (await calls.enroll()).app_enrollment_id
        await calls.create(enrollment_id)
        lease = await calls.lease()
        await calls.write(lease, 1, [row("a"), row("b", text=7)])
        await calls.end(lease, "READY")
        await calls.cancel(lease.sync_request.sync_request_id)
        await calls.cancel(lease.sync_request.sync_request_id)  # says nothing new

    assert counted.counts(metrics.CONNECTOR_ROWS) == {("external", "read"): 2, ("external", "failed"): 1}
    assert counted.counts(metrics.REQUESTS_PICKUP) == {(): 1}
    assert counted.counts(metrics.REQUESTS_RETRIES) == {("read",): 1}
    assert counted.counts(metrics.REQUESTS_ENDED) == {("read", "cancelled"): 1}
