"""Small calls do not wait behind first syncs."""

from __future__ import annotations

import asyncio
import threading

from syncline.server.store_threads import StoreThreads


async def test_first_syncs_leave_most_threads_to_others() -> None:
    threads = StoreThreads(8)
    go_on = threading.Event()
    running = threading.Semaphore(0)

    def read_much() -> None:
        running.release()
        assert go_on.wait(60)

    try:
        reads = [asyncio.create_task(threads.run_for_first_sync(read_much)) for _ in range(6)]
        for _ in range(2):
            assert await threads.run(running.acquire, timeout=60)
        assert await threads.run(lambda: "small") == "small"
        assert not running.acquire(blocking=False), "a third one runs"

        for read in reads[:2]:
            read.cancel()  # nobody waits for them any more, but their threads are taken
        assert await threads.run(lambda: "small") == "small"
        assert not running.acquire(blocking=False), "a third one runs"
    finally:
        go_on.set()
    await asyncio.gather(*reads[2:])
    threads.close()
