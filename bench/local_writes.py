"""Writing on the device: one record a transaction, and 1,000 in one, each validated, logged and durable.

The limit is SQLite alone: the same records into one table of the same file settings, in as many transactions.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import Any, TypeVar

import orjson

from bench.figure import Figure
from bench.records import ITEMS, item_writes
from bench.rounds import Rounds, alternate
from bench.workplace import Workplace
from syncline.replica import Replica
from syncline.replica.connection import make_durable, open_writer, transaction
from syncline.v1.frame_pb2 import Frame
from tests.harness.server import start_server

RECORDS = 10_000
SIZES = {1: 1_000, 1_000: RECORDS}
"""How many records a round writes, by how many of them make a transaction."""

ROUNDS = 5

Item = Mapping[str, Any]
T = TypeVar("T")


def run(workplace: Workplace) -> Iterator[Figure]:
    """Measure each size of a transaction."""
    folder = workplace.new_folder()
    url = workplace.new_database("sqlite")
    workplace.fill(url, ITEMS, item_writes(1_000, seed=99))
    with start_server(url) as server, Replica.open(folder / "device.db", server.address) as replica:
        replica.sync()
        seeds = count(1)
        for size, records in SIZES.items():
            with workplace.step(f"writing records on the device, {size:,} a transaction"):
                rounds = _measure(replica, folder, size, partial(_items, records, seeds))
            yield Figure(f"local_write_{size}", "device", rounds.value, "records/s", rounds.limit, rounds.detail)


def _measure(replica: Replica, folder: Path, size: int, new_items: Callable[[], list[Item]]) -> Rounds:
    return alternate(
        lambda: _device_rate(replica, new_items(), size), lambda: _limit(folder, new_items(), size), rounds=ROUNDS
    )


def _items(records: int, seeds: Iterator[int]) -> list[Item]:
    """Records as an app has them, new ones each time."""
    writes = item_writes(records, seed=next(seeds))
    frames = (Frame.FromString(write.frame) for write in writes if write.frame is not None)
    return [orjson.loads(frame.data) for frame in frames]


def _device_rate(replica: Replica, items: list[Item], size: int) -> float:
    objects = replica.objects("item")
    started = time.perf_counter()
    for batch in _batches(items, size):
        if size == 1:
            objects.create(batch[0])
        else:
            objects.create_all(batch)
    return len(items) / (time.perf_counter() - started)


def _limit(folder: Path, items: list[Item], size: int) -> float:
    path = folder / "limit.db"
    path.unlink(missing_ok=True)
    rows = [(item["id"], orjson.dumps(item).decode()) for item in items]
    with closing(open_writer(path, sqlite3.connect)) as connection:
        make_durable(connection)
        connection.execute("CREATE TABLE item (key TEXT PRIMARY KEY, data TEXT NOT NULL)")
        started = time.perf_counter()
        for batch in _batches(rows, size):
            with transaction(connection):
                connection.executemany("INSERT INTO item VALUES (?, ?)", batch)
        return len(items) / (time.perf_counter() - started)


def _batches(items: list[T], size: int) -> Iterator[list[T]]:
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch
