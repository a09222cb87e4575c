"""The first sync of a device: 336,776 flights from a server process into a device file, durable and acknowledged.

The limit is SQLite alone: upserts of the same rows, in the order in which they arrive, into the same table with the
same virtual columns and the same unique index, one durable transaction for as many rows as a page holds.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import count
from pathlib import Path

from bench.figure import Figure
from bench.records import flight_writes, flights_schema, flights_type
from bench.rounds import alternate
from bench.workplace import STORES, StoreName, Workplace
from syncline.replica import Replica
from syncline.replica.connection import make_durable, open_writer, transaction
from syncline.replica.incoming import Row
from syncline.replica.replica import PAGE_SIZE
from syncline.replica.tables import base_table, create_missing, publish
from syncline.v1.frame_pb2 import Frame
from tests.harness.server import start_server

ROUNDS = 3


def run(workplace: Workplace) -> Iterator[Figure]:
    """Measure with the server on each store."""
    with workplace.step("reading the flights"):
        rows = _rows()
    for store in STORES:
        yield _measure(workplace, store, rows)


def _measure(workplace: Workplace, store: StoreName, rows: Sequence[Row]) -> Figure:
    url = workplace.new_database(store)
    workplace.fill(url, flights_schema(), flight_writes())
    folder = workplace.new_folder()
    numbers = count(1)
    with start_server(url) as server, workplace.step(f"syncing {len(rows):,} flights from {store} to new devices"):
        rounds = alternate(
            lambda: len(rows) / seconds_to_sync(folder / f"device-{next(numbers)}.db", server.address, len(rows)),
            lambda: len(rows) / _seconds_to_upsert(folder / f"limit-{next(numbers)}.db", rows),
            rounds=ROUNDS,
        )
    return Figure("initial_sync", store, rounds.value, "rows/s", rounds.limit, rounds.detail)


def _rows() -> list[Row]:
    """The flights as the device stores them."""
    frames = (Frame.FromString(write.frame) for write in flight_writes() if write.frame is not None)
    return [
        (frame.key, frame.bucket, revision, 1, frame.data.decode()) for revision, frame in enumerate(frames, start=1)
    ]


def seconds_to_sync(path: Path, address: str, expected: int) -> float:
    """First sync of a new device, whose file goes again; the seconds. So many records must come."""
    with Replica.open(path, address) as replica:
        started = time.perf_counter()
        report = replica.sync()
        seconds = time.perf_counter() - started
    if report.total.inserted != expected:
        raise RuntimeError(f"{report.total.inserted:,} records came, not {expected:,}")
    path.unlink()
    return seconds


def _seconds_to_upsert(path: Path, rows: Sequence[Row]) -> float:
    with closing(open_writer(path, sqlite3.connect)) as connection:
        make_durable(connection)
        upsert = _prepare(connection)
        started = time.perf_counter()
        for first in range(0, len(rows), PAGE_SIZE):
            with transaction(connection):
                connection.executemany(upsert, rows[first : first + PAGE_SIZE])
        seconds = time.perf_counter() - started
    path.unlink()
    return seconds


def _prepare(connection: sqlite3.Connection) -> str:
    """Make the table as it is on a device that has synchronised before; the statement that writes into it."""
    with transaction(connection):
        create_missing(connection, flights_schema())
        publish(connection, flights_type())
    return f"""INSERT INTO {base_table("flights")} (_key, _bucket, _revision, _load, _data) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT (_key) DO UPDATE SET
        _bucket = excluded._bucket, _revision = excluded._revision, _load = excluded._load, _data = excluded._data
    """
