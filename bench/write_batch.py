"""Writing records into the store, beside the best raw statement that the database takes for the same rows.

Every batch is one durable transaction. Half of the batches insert flights, the others change those flights.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count, islice
from typing import TypeVar

from bench.figure import Figure
from bench.raw_writes import Row, raw_writer, row_of
from bench.records import flight_writes, flights_schema, flights_type
from bench.rounds import alternate
from bench.workplace import ACCOUNT, STORES, StoreName, Workplace
from syncline.data.canonical import data_hash
from syncline.storage import open_store
from syncline.storage.models import RecordWrite

BATCHES = {1: 400, 100: 60, 500: 20}
"""How many batches of each size a round writes."""

ROUNDS = 5

Batch = TypeVar("Batch", Sequence[RecordWrite], Sequence[Row])


def run(workplace: Workplace) -> Iterator[Figure]:
    """Measure each batch size on each store."""
    for store in STORES:
        for size in BATCHES:
            yield _measure(workplace, store, size)


def _measure(workplace: Workplace, store_name: StoreName, size: int) -> Figure:
    url = workplace.new_database(store_name)
    workplace.fill(url, flights_schema(), ())
    batches, raw_batches = _batches(size), _raw_batches(size)
    store = open_store(url)
    try:
        with (
            workplace.step(f"writing batches of {size} to {store_name}"),
            raw_writer(store_name, workplace.new_database(store_name)) as write_rows,
        ):
            rounds = alternate(
                lambda: _rate(list(islice(batches, BATCHES[size])), lambda batch: store.write_records(ACCOUNT, batch)),
                lambda: _rate(list(islice(raw_batches, BATCHES[size])), write_rows),
                rounds=ROUNDS,
            )
    finally:
        store.close()
    return Figure(f"write_batch_{size}", store_name, rounds.value, "rows/s", rounds.limit, rounds.detail)


def _batches(size: int) -> Iterator[Sequence[RecordWrite]]:
    """Flights to insert, then the same to change, and so on with the next."""
    flights = iter(flight_writes())
    while batch := list(islice(flights, size)):
        yield batch
        yield [
            write._replace(data_hash=data_hash(write.data_hash), modified_at=write.modified_at + 1) for write in batch
        ]


def _raw_batches(size: int) -> Iterator[Sequence[Row]]:
    """The same as rows."""
    scope = flights_type().scope
    revisions = count(1)
    for batch in _batches(size):
        yield [row_of(write, scope, next(revisions)) for write in batch]


def _rate(batches: Sequence[Batch], write: Callable[[Batch], object]) -> float:
    """Rows a second."""
    started = time.perf_counter()
    for batch in batches:
        write(batch)
    return sum(map(len, batches)) / (time.perf_counter() - started)
