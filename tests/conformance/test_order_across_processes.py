"""G1 with writers in several processes: what a follower has read up to a revision is all there will ever be."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from uuid import uuid4

import pytest

from syncline.storage import Store, open_store
from syncline.storage.models import Feed, OpenQueue
from tests.harness.crowd import ACCOUNT, PROCESSES, THREADS, declare_account, write_much, writer_processes

SEEDS = int(os.environ.get("SYNCLINE_CHAOS_SEEDS", "2"))
pytestmark = [pytest.mark.chaos, pytest.mark.timeout(60 + 20 * SEEDS)]

FOLLOWERS = 2
assert PROCESSES * THREADS == 16


@pytest.fixture(scope="module")
def processes() -> Iterator[Executor]:
    with writer_processes() as processes:
        yield processes


@pytest.mark.parametrize("seed", range(SEEDS))
def test_g1_sixteen_writers_in_four_processes(store_url: str, processes: Executor, seed: int) -> None:
    store = open_store(store_url, durable=False)
    declare_account(store)
    writing = [processes.submit(write_much, store_url, seed, process) for process in range(PROCESSES)]
    with ThreadPoolExecutor(FOLLOWERS) as threads:
        following = [threads.submit(_follow, store, writing) for _ in range(FOLLOWERS)]
        wait_for(following)
    written = {key: revision for part in writing for key, revision in part.result().items()}
    revisions = list(written.values())
    assert len(set(revisions)) == len(revisions)
    for follower in following:
        shown = follower.result()
        assert {key: shown.get(key) for key in written} == written, f"seed {seed}"
    store.close()


def _follow(store: Store, writing: list[Future[dict[str, int]]]) -> dict[str, int]:
    """Read on and on, a few items at a time, until the writers are done and all is read: the revision of each key."""
    device_uuid = uuid4()
    store.register_device(ACCOUNT, device_uuid, now=1)
    request = OpenQueue(
        scopes=(), buckets={}, told=(), refused=(), full_resync=False, always=True, client="", now=1, expire_at=2
    )
    session = store.open_queue(ACCOUNT, device_uuid, request).session
    assert session is not None
    shown: dict[str, int] = {}
    cursors: dict[Feed, int] = {}
    while True:
        were_done = all(writer.done() for writer in writing)
        read = store.read_queue(
            ACCOUNT,
            device_uuid,
            session,
            cursors,
            max_items=20,
            max_bytes=1 << 20,
            stream_id=None,
            redeliver_after=None,
        )
        for part in read.slices:
            revisions = [item.revision for item in part.items]
            assert revisions == sorted(revisions)
            assert all(part.above < revision <= read.through for revision in revisions)
            shown |= {item.key: item.revision for item in part.items}
            cursors[part.feed] = read.through
        if were_done and read.complete:
            return shown
