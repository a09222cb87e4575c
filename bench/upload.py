"""Uploading 100,000 changes to a server process: each one checked, decided, and durable with its receipt.

The limit is the database alone: one upsert statement for as many of the same rows as a message has changes, each
statement one durable transaction.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import count, islice
from typing import TypeVar
from uuid import uuid4

from bench.figure import Figure
from bench.raw_writes import Row, raw_writer, row_of
from bench.records import ITEMS, item_writes
from bench.rounds import alternate
from bench.workplace import STORES, StoreName, Workplace
from syncline.client import SyncClient
from syncline.replica.outbox import BATCH_CHANGES
from syncline.storage.models import RecordWrite
from syncline.v1 import upload_pb2
from syncline.v1.frame_pb2 import Frame
from tests.harness.server import start_server

CHANGES = 100_000
BATCH = BATCH_CHANGES
AHEAD = 4
"""Messages on their way before the answers of the first are awaited."""

ROUNDS = 3

T = TypeVar("T")


def run(workplace: Workplace) -> Iterator[Figure]:
    """Measure with the server on each store."""
    for store in STORES:
        yield _measure(workplace, store)


def _measure(workplace: Workplace, store: StoreName) -> Figure:
    url = workplace.new_database(store)
    workplace.fill(url, ITEMS, ())
    seeds = count(1)
    with (
        start_server(url) as server,
        raw_writer(store, workplace.new_database(store)) as write_rows,
        workplace.step(f"uploading {CHANGES:,} changes to {store}"),
    ):

        def limit() -> float:
            batches = list(_batches(_rows(next(seeds))))
            started = time.perf_counter()
            for batch in batches:
                write_rows(batch)
            return CHANGES / (time.perf_counter() - started)

        rounds = alternate(
            lambda: CHANGES / seconds_to_upload(server.address, new_messages(CHANGES, next(seeds))),
            limit,
            rounds=ROUNDS,
        )
    return Figure("upload", store, rounds.value, "changes/s", rounds.limit, rounds.detail)


def new_messages(changes: int, seed: int) -> list[list[upload_pb2.Change]]:
    """What a new device has to upload: so many inserts in as many messages as a device cuts them into."""
    return [
        [_change(write, seed, number) for number, write in batch]
        for batch in _batches(enumerate(item_writes(changes, seed=seed), start=1))
    ]


def seconds_to_upload(address: str, messages: Sequence[Sequence[upload_pb2.Change]]) -> float:
    """Upload as a new device; the seconds from the first message to the last answer. All of it must be applied."""
    with SyncClient(address, uuid4()) as client:
        store_epoch = client.start_session().store_epoch
        unanswered = applied = 0
        started = time.perf_counter()
        with client.upload(store_epoch) as stream:
            for message in messages:
                if unanswered == AHEAD:
                    applied += _applied(stream.receive())
                    unanswered -= 1
                stream.send(message, settled_through=max(0, message[0].change_seq - 1 - AHEAD * BATCH))
                unanswered += 1
            for _ in range(unanswered):
                applied += _applied(stream.receive())
        seconds = time.perf_counter() - started
    expected = sum(map(len, messages))
    if applied != expected:
        raise RuntimeError(f"{applied:,} changes were applied, not {expected:,}")
    return seconds


def _applied(answers: Sequence[upload_pb2.ChangeAnswer]) -> int:
    return sum(answer.verdict == upload_pb2.VERDICT_APPLIED for answer in answers)


def _change(write: RecordWrite, seed: int, number: int) -> upload_pb2.Change:
    assert write.frame is not None
    return upload_pb2.Change(
        change_uuid=(seed << 64 | number).to_bytes(16),
        change_seq=number,
        object_type=write.object_type,
        key=write.key,
        operation=upload_pb2.OPERATION_INSERT,
        data=Frame.FromString(write.frame).data,
        made_at_us=write.modified_at,
    )


def _rows(seed: int) -> Iterator[Row]:
    scope = ITEMS.object_types[0].scope
    for revision, write in enumerate(item_writes(CHANGES, seed=seed), start=1):
        yield row_of(write, scope, revision)


def _batches(items: Iterator[T]) -> Iterator[list[T]]:
    while batch := list(islice(items, BATCH)):
        yield batch
