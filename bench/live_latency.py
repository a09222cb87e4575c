"""From a change in the store to the devices that follow: the time until each has the page in hand.

The server runs in this process, the devices in another; both read the same clock. The limit sends the same bytes
through bare gRPC streams after a durable commit of one row. The store is on SQLite. A change is made when all devices
have acknowledged the one before.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import count
from statistics import quantiles

from bench.bare_server import BareServer
from bench.device_process import DeviceProcess, start_devices
from bench.figure import Figure
from bench.first_page import read_first_page
from bench.raw_writes import raw_writer, row_of
from bench.records import ITEMS, item_writes
from bench.workplace import ACCOUNT, Workplace
from syncline.storage import open_store
from tests.harness.server import running_app

CHANGES = {1: 300, 100: 100}
"""How many changes are measured, by the number of devices."""

CHANGES_BEFORE = 10
"""Changes that are not measured: connections and statements warm up."""

PERCENTILE = {1: 50, 100: 99}
"""Which one is the figure, by the number of devices."""

Change = Callable[[], Awaitable[list[float]]]
"""Makes one change; the milliseconds until each device had it."""


def run(workplace: Workplace) -> Iterator[Figure]:
    """Measure with one device, and with a hundred."""
    for devices, percentile in PERCENTILE.items():
        with workplace.step(f"changes to {devices} live devices"):
            ours, bare = asyncio.run(_measure(workplace, devices))
        yield Figure(
            f"live_latency_{devices}",
            "sqlite",
            _percentile(ours, percentile),
            "ms",
            _percentile(bare, percentile),
            {
                "percentile": percentile,
                "p50, p99, max": [_percentile(ours, 50), _percentile(ours, 99), max(ours)],
                "p50, p99, max of the limit": [_percentile(bare, 50), _percentile(bare, 99), max(bare)],
            },
        )


async def _measure(workplace: Workplace, devices: int) -> tuple[list[float], list[float]]:
    """How many milliseconds each change took to each device, measured and limit."""
    async with _syncline(workplace, devices) as (address, change):
        page = await asyncio.to_thread(read_first_page, address)
        async with _bare(workplace, devices, page) as bare_change:
            ours: list[float] = []
            bare: list[float] = []
            for number in range(CHANGES_BEFORE + CHANGES[devices]):
                bare_taken, taken = await bare_change(), await change()
                if number >= CHANGES_BEFORE:
                    bare += bare_taken
                    ours += taken
            return ours, bare


@asynccontextmanager
async def _syncline(workplace: Workplace, devices: int) -> AsyncIterator[tuple[str, Change]]:
    """A server over an account of one record, with devices; its address, and what makes a change."""
    url = workplace.new_database("sqlite")
    first, *writes = item_writes(1 + CHANGES_BEFORE + CHANGES[devices])
    workplace.fill(url, ITEMS, [first])
    remaining = iter(writes)
    store = open_store(url)
    try:
        async with running_app(store) as app:

            def write() -> int:
                started = time.perf_counter_ns()
                result = store.write_records(ACCOUNT, [next(remaining)])
                app.environment.notifier.head_moved(ACCOUNT, result.head_revision)
                return started

            with start_devices("syncline", app.address) as process:
                await asyncio.to_thread(process.open_streams, devices)
                yield app.address, lambda: _change(write, process)
    finally:
        store.close()


@asynccontextmanager
async def _bare(workplace: Workplace, devices: int, page: bytes) -> AsyncIterator[Change]:
    """The limit: a raw statement, and streams that carry the page."""
    writes = item_writes(CHANGES_BEFORE + CHANGES[devices], seed=2)
    revisions = count(1)
    server = BareServer(first_message=page)
    address = await server.start()
    loop = asyncio.get_running_loop()
    with (
        raw_writer("sqlite", workplace.new_database("sqlite")) as write_rows,
        start_devices("bare", address) as process,
    ):

        def write() -> int:
            started = time.perf_counter_ns()
            write_rows([row_of(next(writes), "main", next(revisions))])
            loop.call_soon_threadsafe(server.publish, page)
            return started

        await asyncio.to_thread(process.open_streams, devices)
        yield lambda: _change(write, process)
    await server.stop()


async def _change(write: Callable[[], int], process: DeviceProcess) -> list[float]:
    """Call `write`, which answers when it started; the milliseconds from there to each device."""
    started = await asyncio.to_thread(write)
    arrivals = await asyncio.to_thread(process.next_arrivals)
    return [(arrived - started) / 1e6 for arrived in arrivals]


def _percentile(durations: list[float], percentile: int) -> float:
    return quantiles(durations, n=100, method="inclusive")[percentile - 1]
