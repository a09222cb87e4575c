"""Writers in processes of their own, all at one account."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

from syncline.data.schema import Field, FieldType, ObjectType, Schema
from syncline.storage import Store, open_store
from syncline.storage.models import RecordWrite

ACCOUNT = "crowded"
OBJECT_TYPE = "note"
PROCESSES = 4
THREADS = 4
"""In each process."""
_BATCHES = 8
"""By each thread."""


def declare_account(store: Store) -> None:
    """Make the account that the crowd writes to."""
    store.create_account(ACCOUNT)
    kind = ObjectType(OBJECT_TYPE, "notes", (Field("text", FieldType.STRING),))
    store.write_schema(ACCOUNT, Schema(object_types=(kind,)), expected_version=0)


@contextmanager
def writer_processes() -> Iterator[Executor]:
    """Processes to submit `write_much` to."""
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as processes:
        yield processes


def write_much(url: str, seed: int, process: int) -> dict[str, int]:
    """Write from several threads at once; answer the revision of each key that this process alone wrote."""
    store = open_store(url, durable=False)
    try:
        with ThreadPoolExecutor(THREADS) as threads:
            parts = threads.map(lambda thread: _write(store, seed, f"{process}-{thread}"), range(THREADS))
            return {key: revision for part in parts for key, revision in part.items()}
    finally:
        store.close()


def _write(store: Store, seed: int, name: str) -> dict[str, int]:
    """Mostly new keys, each written once, so that nothing hides a revision that was missed; some shared ones."""
    chance = random.Random(f"{seed} {name}")
    own: dict[str, int] = {}
    for batch in range(_BATCHES):
        keys = [f"{name}-{batch}-{place}" for place in range(chance.randint(1, 5))]
        keys += [f"shared-{chance.randint(1, 5)}"] * chance.randint(0, 1)
        writes = [RecordWrite(OBJECT_TYPE, key, b"{}", f"{name} {batch}".encode(), modified_at=1) for key in keys]
        result = store.write_records(ACCOUNT, writes)
        own |= {key: at for key, at in zip(keys, result.revisions, strict=True) if not key.startswith("shared")}
    return own
