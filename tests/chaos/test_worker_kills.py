"""SIGKILL, SIGSTOP and cancels at random moments of a load: a request ends once, and each row is written once (G11)."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import psycopg
import pytest
from pysqlite3.dbapi2 import OperationalError, connect

from syncline.server.environment import now_us
from syncline.storage import open_store
from syncline.storage.errors import RequestEnded
from syncline.storage.request_models import SyncRequest
from syncline.storage.request_states import RequestStatus
from tests.chaos.sync_worker import LEASE_SECONDS, SyncWorker
from tests.connectors.working import ACCOUNT, Site

ROUNDS = int(os.environ.get("SYNCLINE_CHAOS_SEEDS", "3"))
ROWS = 3_000

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(60 + 30 * ROUNDS)]


@pytest.fixture
def site(store_url: str) -> Iterator[Site]:
    with closing(open_store(store_url)) as store:
        made = Site(store)
        made.declare()
        made.enroll(rows=ROWS, batch=100, pause=0.01)
        yield made


@contextmanager
def workers(url: str, count: int) -> Iterator[list[SyncWorker]]:
    started = [SyncWorker(url) for _ in range(count)]
    try:
        yield started
    finally:
        for worker in started:
            worker.kill()


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds that another thread or process brings about; pytest's timeout ends a wait for ever."""
    while not holds():
        time.sleep(0.002)


def read_rows(site: Site, request_id: str) -> int:
    return site.request(request_id).progress.read


def check_whole(site: Site, request: SyncRequest) -> None:
    """All rows are there, and each was counted once."""
    progress = request.progress
    assert (request.status, progress.read, progress.inserted) == (RequestStatus.SUCCESS, ROWS, ROWS)
    assert (progress.updated, progress.skipped, progress.failed, progress.bytes) == (0, 0, 0, 10 * ROWS)
    assert site.texts() == {f"k{number}": f"text {number}" for number in range(ROWS)}
    assert site.store.count_types(ACCOUNT, request.request_id)["note"].inserted == ROWS
    assert site.store.get_head(ACCOUNT).revision >= ROWS


def test_g11_a_load_survives_sigkill_of_its_workers(site: Site, store_url: str) -> None:
    rng = random.Random(ROUNDS)
    # Small enough that each round finds something left to read.
    site.enroll(rows=ROWS, batch=max(1, min(100, ROWS // (5 * ROUNDS))), pause=0.01)
    request_id, killed = site.ask(), 0
    for number in range(ROUNDS):
        with workers(store_url, 1):
            before = read_rows(site, request_id)
            # Not all rounds in the middle of the load: the last one may be killed while it ends the request.
            target = before + rng.randint(1, max((ROWS - before) // (ROUNDS - number), 1))
            if before == ROWS:  # a worker ran on for longer than was left; there is nothing more to read
                break
            until(lambda at_least=target: read_rows(site, request_id) >= at_least)  # type: ignore[misc]
            time.sleep(rng.uniform(0, 0.02))
            killed += 1
    assert killed >= ROUNDS * 9 // 10
    with workers(store_url, 1) as [last]:
        until(lambda: site.request(request_id).status.is_final)
        assert last.terminate() == 0
    check_whole(site, site.request(request_id))


def test_g11_a_worker_that_was_frozen_beyond_its_lease_writes_nothing(site: Site, store_url: str) -> None:
    site.enroll(rows=ROWS, batch=500, pause=LEASE_SECONDS / 6)
    request_id = site.ask()
    with workers(store_url, 1) as [zombie]:
        until(lambda: read_rows(site, request_id) > 0)
        freeze_between_transactions(zombie, store_url)
        until(lambda: site.store.promote_requests(now=now_us(), failures_max=1_000) > 0)
        assert site.request(request_id).result_message.endswith("ran out")
        frozen_at = read_rows(site, request_id)
        held = site.claim()
        zombie.thaw()
        # It would go on at once: with what it had read, and by claiming again what is no longer there to be claimed.
        time.sleep(LEASE_SECONDS)
        assert read_rows(site, request_id) == frozen_at
        site.runner.run(held)
    check_whole(site, site.request(request_id))


def test_g11_a_load_that_is_cancelled_says_what_it_wrote_and_a_later_one_completes(site: Site) -> None:
    for seed in range(ROUNDS):
        request_id = site.ask(full=True)
        running = threading.Thread(target=site.runner.run, args=(site.claim(),))
        running.start()
        cancel_at = random.Random(seed).randint(0, ROWS)
        until(lambda asked=request_id, least=cancel_at: read_rows(site, asked) >= least)  # type: ignore[misc]
        cancelled = cancel(site, request_id)
        running.join()
        request = site.request(request_id)
        assert request.status is RequestStatus.SUCCESS or cancelled
        if request.status is not RequestStatus.SUCCESS:
            assert request.status is RequestStatus.CANCELLED
            assert request.result_message == f"cancelled; {request.progress.inserted:,} rows were written before"
        assert len(site.texts()) == ROWS or request.progress.read < ROWS
    counts = site.run(site.ask(full=True)).progress
    assert (counts.read, counts.inserted + counts.skipped, counts.deleted) == (ROWS, ROWS, 0)
    assert site.texts() == {f"k{number}": f"text {number}" for number in range(ROWS)}


def freeze_between_transactions(worker: SyncWorker, url: str) -> None:
    """Freeze the worker where it holds no lock: with the database's in its hands it would stop everybody."""
    worker.freeze()
    while not in_nobodys_hands(url):
        worker.thaw()
        time.sleep(0.01)
        worker.freeze()


def in_nobodys_hands(url: str) -> bool:
    """Is no transaction of another process under way?"""
    if url.startswith("sqlite"):
        with closing(connect(url.removeprefix("sqlite:///"), timeout=0, isolation_level=None)) as file:
            try:
                file.execute("BEGIN IMMEDIATE")
            except OperationalError:
                return False
            return True
    under_way = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL"
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(f"{under_way} AND pid <> pg_backend_pid()").fetchone()
    return found == (0,)


def cancel(site: Site, request_id: str) -> bool:
    """Cancel it, unless it has ended."""
    try:
        site.store.cancel_request(ACCOUNT, request_id, by="test", now=now_us())
    except RequestEnded:
        return False
    return True
