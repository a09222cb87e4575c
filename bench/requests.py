"""Two workers that share many small sync requests, how soon one begins, and lists of a million requests.

The limit of the sharing is the database alone: the transactions that a request takes at least, from as many
connections as there are workers. That of a list is the same page with few requests.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import islice
from statistics import median
from typing import NamedTuple

import psycopg

from bench.figure import Figure
from bench.raw_writes import raw_sourced_writer, row_of, source_row_of
from bench.records import ITEMS, item_writes
from bench.request_population import DETAILS_MANY, detailed_request_id, fill_requests
from bench.rounds import Rounds, alternate
from bench.worker_process import WorkerProcess, make_request, start_worker
from bench.workplace import ACCOUNT, STORES, StoreName, Workplace
from syncline.server.config import load_settings
from syncline.server.requests.records_payload import PAYLOAD_KIND, pack_rows
from syncline.storage import Store, open_store
from syncline.storage.filters import Comparison, Operator
from syncline.storage.models import RecordWrite
from syncline.storage.request_models import RequestQuery
from syncline.v1.frame_pb2 import Frame
from syncline.v1.sync_request_pb2 import SourceRow

REQUESTS = 1_000
WORKERS = 2
TRANSACTIONS = 3
"""That a request takes at least: its claim, its rows, its end."""
PICKED_UP = 50
"""Requests that come one by one to workers that have nothing to do."""

REQUESTS_FEW = 1_000
REQUESTS_MANY = 1_000_000
PAGE = 50
CALLS = 30
"""In a round."""
ROUNDS = 7

_LOOK_SECONDS = 0.05

# Who claimed what is gone from a request that has ended.
_NOTE_CLAIMS = """
CREATE TABLE claim (request_id text, worker text, claimed_at bigint, created_at bigint);
CREATE FUNCTION note_claim() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO claim VALUES (NEW.request_id, NEW.worker, NEW.modified_at, NEW.created_at);
    RETURN NULL;
END $$;
CREATE TRIGGER note_claim AFTER UPDATE ON sync_request FOR EACH ROW
WHEN (OLD.status <> 'in_progress' AND NEW.status = 'in_progress') EXECUTE FUNCTION note_claim();
"""


def run(workplace: Workplace) -> Iterator[Figure]:
    """Measure workers on Postgres, where many may run, and lists on each store."""
    yield from _measure_workers(workplace)
    for store in STORES:
        yield from _measure_lists(workplace, store)


# Workers


class _Claim(NamedTuple):
    """One request in a worker's hands."""

    request_id: str
    worker: str
    claimed_at: int
    created_at: int


def _measure_workers(workplace: Workplace) -> Iterator[Figure]:
    with workplace.step(f"{WORKERS * TRANSACTIONS * REQUESTS:,} small transactions without Syncline"):
        limit = _raw_rate(workplace)
    url = workplace.new_database("postgresql")
    workplace.fill(url, ITEMS, ())
    with (
        psycopg.connect(url, autocommit=True) as connection,
        closing(open_store(url)) as store,
        ExitStack() as stack,
    ):
        connection.execute(_NOTE_CLAIMS)
        items = item_writes(REQUESTS + PICKED_UP)
        with workplace.step(f"making {REQUESTS:,} requests"):
            for write in islice(items, REQUESTS):
                _make_request(store, write)
        with workplace.step(f"running {REQUESTS:,} requests on {WORKERS} workers"):
            workers = [stack.enter_context(start_worker(url)) for _ in range(WORKERS)]
            shared, seconds = _wait_for_all(connection, workers, REQUESTS)
        with workplace.step(f"making {PICKED_UP} requests one by one"):
            _make_one_by_one(connection, store, workers, items)
            claims = _claims(connection)
        _check(store, claims)
    detail = {"median wait among all, ms": _median_wait_ms(shared)}
    detail |= {
        f"requests of worker {number}": runs
        for number, runs in enumerate(Counter(claim.worker for claim in shared).values(), 1)
    }
    yield Figure("requests", "postgresql", REQUESTS / seconds, "requests/s", limit, detail)
    single = claims[REQUESTS:]
    longest = max(claim.claimed_at - claim.created_at for claim in single) / 1_000
    # Nobody tells workers of new requests: they look.
    bound = load_settings().poll_seconds * 1_000
    yield Figure("request_pick_up", "postgresql", _median_wait_ms(single), "ms", bound, {"longest, ms": longest})


def _raw_rate(workplace: Workplace) -> float:
    """Requests a second if they were nothing but their transactions, on one connection for each worker."""
    url = workplace.new_database("postgresql")
    scope = ITEMS.object_types[0].scope

    def write_all(seed: int) -> None:
        with raw_sourced_writer("postgresql", url) as write_rows:
            for revision, write in enumerate(item_writes(TRANSACTIONS * REQUESTS // WORKERS, seed=seed), 1):
                write_rows([row_of(write, scope, revision)], [source_row_of(write)])

    with ThreadPoolExecutor(WORKERS) as threads:
        started = time.perf_counter()
        list(threads.map(write_all, range(WORKERS)))
        return REQUESTS / (time.perf_counter() - started)


def _make_request(store: Store, write: RecordWrite) -> None:
    assert write.frame is not None
    row = SourceRow(object_type=write.object_type, data=Frame.FromString(write.frame).data)
    make_request(store, pack_rows([row]), PAYLOAD_KIND)


def _make_one_by_one(
    connection: psycopg.Connection, store: Store, workers: Sequence[WorkerProcess], writes: Iterator[RecordWrite]
) -> None:
    """Each once the one before has ended, at some moment between two looks of the workers."""
    dice = random.Random(1)
    poll_seconds = load_settings().poll_seconds
    for number, write in enumerate(writes, REQUESTS + 1):
        time.sleep(dice.uniform(0, poll_seconds))
        _make_request(store, write)
        _wait_for_all(connection, workers, number)


def _wait_for_all(
    connection: psycopg.Connection, workers: Sequence[WorkerProcess], number: int
) -> tuple[list[_Claim], float]:
    """Wait until so many requests have ended; their claims, and the seconds from the first claim to the last end."""
    while True:
        ended, last = connection.execute(
            "SELECT count(*), max(modified_at) FROM sync_request WHERE status IN ('success', 'failed')"
        ).fetchone() or (0, 0)
        if ended == number:
            break
        for worker in workers:
            worker.check_running()
        time.sleep(_LOOK_SECONDS)
    claims = _claims(connection)
    return claims, (last - claims[0].claimed_at) / 1_000_000


def _claims(connection: psycopg.Connection) -> list[_Claim]:
    return [_Claim(*row) for row in connection.execute("SELECT * FROM claim ORDER BY claimed_at")]


def _check(store: Store, claims: Sequence[_Claim]) -> None:
    """Each request ran once, and wrote its record."""
    expected = REQUESTS + PICKED_UP
    records = sum(store.count_records(ACCOUNT).values())
    requests = len({claim.request_id for claim in claims})
    if not len(claims) == requests == records == store.get_head(ACCOUNT).revision == expected:
        raise RuntimeError(f"{expected:,} requests: {len(claims):,} runs of {requests:,} wrote {records:,} records")


def _median_wait_ms(claims: Sequence[_Claim]) -> float:
    return median(claim.claimed_at - claim.created_at for claim in claims) / 1_000


# Lists

_Read = Callable[[Store, int], int]
"""Reads a page from a store with so many requests; answers how many rows it has."""


def _measure_lists(workplace: Workplace, store: StoreName) -> Iterator[Figure]:
    with ExitStack() as stack:
        stores = []
        for requests in (REQUESTS_MANY, REQUESTS_FEW):
            url = workplace.new_database(store)
            workplace.fill(url, ITEMS, ())
            with workplace.step(f"filling {store} with {requests:,} requests"):
                fill_requests(store, url, requests)
            stores.append(stack.enter_context(closing(open_store(url))))
        many, few = stores
        for name, read in _PAGES.items():
            with workplace.step(f"reading pages from {store}: {name}"):
                rounds = _compare(read, many, few)
            yield Figure(name, store, rounds.value, "µs", rounds.limit, rounds.detail)


def _compare(read: _Read, many: Store, few: Store) -> Rounds:
    return alternate(
        lambda: _microseconds(read, many, REQUESTS_MANY),
        lambda: _microseconds(read, few, REQUESTS_FEW),
        rounds=ROUNDS,
    )


def _read_first_page(store: Store, requests: int) -> int:  # noqa: ARG001  all pages are read alike
    return len(store.list_requests(ACCOUNT, RequestQuery(limit=PAGE)))


def _read_filtered_page(store: Store, requests: int) -> int:  # noqa: ARG001
    failed = Comparison("status", Operator.EQUAL, ("failed",))
    return len(store.list_requests(ACCOUNT, RequestQuery(failed, limit=PAGE)))


def _read_details(store: Store, requests: int) -> int:
    request_id = detailed_request_id(requests)
    return len(store.list_details(ACCOUNT, request_id, after=DETAILS_MANY // 2, limit=PAGE).details)


_PAGES: dict[str, _Read] = {
    "request_list": _read_first_page,
    "request_list_filtered": _read_filtered_page,
    "request_details": _read_details,
}


def _microseconds(read: _Read, store: Store, requests: int) -> float:
    """The median duration of reading a page, which is a full one."""
    durations = []
    for _ in range(CALLS):
        started = time.perf_counter_ns()
        found = read(store, requests)
        durations.append((time.perf_counter_ns() - started) / 1_000)
        if found != PAGE:
            raise RuntimeError(f"the page has {found} rows, not {PAGE}")
    return median(durations)
