"""Runs that are cancelled, and leases that are kept or lost meanwhile (G11)."""

from __future__ import annotations

import threading
import time
from typing import Any

from syncline.server.environment import now_us
from syncline.storage.request_models import BatchResult
from syncline.storage.request_states import RequestStatus
from tests.connectors.working import ACCOUNT, Site, expected_texts, until


def test_g11_a_cancel_ends_the_run_and_says_what_was_written(site: Site) -> None:
    site.enroll(rows=1_000, batch=10, hang_after=20)
    request_id = site.ask()
    running = threading.Thread(target=site.runner.run, args=(site.claim(lease_us=600_000),))
    running.start()
    until(lambda: site.request(request_id).progress.read == 20)
    assert site.store.cancel_request(ACCOUNT, request_id, by="test", now=now_us()).cancel_asked
    running.join()
    request = site.request(request_id)
    assert (request.status, request.result_message) == (
        RequestStatus.CANCELLED,
        "cancelled; 20 rows were written before",
    )
    assert len(site.records()) == 20
    assert site.connector.opened == 0


def test_g11_a_cancel_that_comes_with_a_batch_stops_the_next_one(site: Site) -> None:
    site.enroll(rows=100, batch=10)
    request_id = site.ask()
    held = site.claim()
    write_batch = site.store.write_batch
    calls = 0

    def cancel_before(*args: Any, **kwargs: Any) -> BatchResult:
        nonlocal calls
        calls += 1
        if calls == 3:
            site.store.cancel_request(ACCOUNT, request_id, by="test", now=now_us())
        return write_batch(*args, **kwargs)

    site.store.write_batch = cancel_before  # type: ignore[method-assign]
    site.runner.run(held)
    assert site.request(request_id).result_message == "cancelled; 30 rows were written before"


def test_g11_a_connector_that_heeds_nobody_loses_a_cancelled_request(site: Site) -> None:
    site.enroll(rows=10, batch=5, hang_after=5, deaf=True)
    request_id = site.ask()
    # The thread is left behind, as in a worker: nothing ends a call that does not return.
    threading.Thread(target=site.runner.run, args=(site.claim(lease_us=300_000),), daemon=True).start()
    until(lambda: site.request(request_id).progress.read == 5)
    site.store.cancel_request(ACCOUNT, request_id, by="test", now=now_us())
    until(lambda: site.request(request_id).status is RequestStatus.CANCELLED)
    assert site.request(request_id).result_message == "cancelled; 5 rows were written before"


def test_g11_a_lease_is_kept_while_the_connector_is_silent(site: Site) -> None:
    site.enroll(rows=4, batch=2, pause=0.7)
    request_id = site.ask()
    running = threading.Thread(target=site.runner.run, args=(site.claim(lease_us=500_000),))
    running.start()
    while running.is_alive():
        site.store.promote_requests(now=now_us(), failures_max=5)
        time.sleep(0.01)
    assert (site.request(request_id).status, site.request(request_id).failure_count) == (RequestStatus.SUCCESS, 0)


def test_g11_a_run_whose_lease_was_lost_writes_and_says_nothing(site: Site) -> None:
    site.enroll(rows=10, batch=5, text="late")
    request_id = site.ask()
    late = site.claim()
    site.store.promote_requests(now=now_us() + 400_000_000, failures_max=5)
    site.enroll(rows=10, batch=5)
    assert site.run(request_id).status is RequestStatus.SUCCESS
    before, head = site.request(request_id), site.store.get_head(ACCOUNT)
    site.enroll(rows=10, batch=5, text="late")
    site.runner.run(late)
    assert (site.request(request_id), site.store.get_head(ACCOUNT)) == (before, head)
    assert site.texts() == expected_texts(10)
