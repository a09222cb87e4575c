"""Who waits for whom: small synchronisations during a storm of first ones, and a crowd that connects at once.

Both are held against bounds that were set. The waits are the server's own, by its metric: on a machine that devices and
server share, what a device sees is mostly the processor's.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from urllib.request import urlopen

from bench.admission_clients import Came, client_processes, spread, sync_at_once, sync_small
from bench.figure import Figure
from bench.records import ITEMS, item_writes
from bench.workplace import ACCOUNT, STORES, StoreName, Workplace
from syncline.storage import open_store
from tests.harness.server import start_server

ITEMS_OF_ACCOUNT = 20_000
FIRST_SYNCS = 60
SMALL_DEVICES = 10
STORM_SECONDS = 15.0
WAIT_BOUND_S = 0.5
"""The 99th percentile of what small calls wait for a thread to the store, during the storm."""

CLIENTS = 2_000
ITEMS_OF_CROWD = 200
CALLS_PER_SECOND = 150
"""Of the account, so that there is more to do than is let in, and clients have to come back."""
CROWD_BOUND_S = 180.0
"""Until the last of the crowd has everything."""
_PROCESSES = 4


def run(workplace: Workplace) -> Iterator[Figure]:
    """Measure the storm on both databases, and the crowd on SQLite."""
    for store in STORES:
        yield _storm(workplace, store)
    yield _crowd(workplace)


def _storm(workplace: Workplace, store: StoreName) -> Figure:
    url = workplace.new_database(store)
    workplace.fill(url, ITEMS, item_writes(ITEMS_OF_ACCOUNT))
    quiet = _waits_of_small(workplace, url, first_syncs=0)
    mixed = _waits_of_small(workplace, url, first_sync_items=ITEMS_OF_ACCOUNT * 1_000)
    apart = _waits_of_small(workplace, url)
    return Figure(
        "admission_storm",
        store,
        apart.wait_s,
        "s",
        WAIT_BOUND_S,
        {
            "without a storm": quiet.wait_s,
            "with first syncs among the others": mixed.wait_s,
            "small calls": apart.calls,
            "small syncs, as devices see them, s": median(apart.seconds),
            "without a storm, s": median(quiet.seconds),
            "the last first sync s": apart.last_s,
        },
    )


@dataclass(frozen=True, slots=True)
class _Storm:
    """What small calls had to bear."""

    wait_s: float
    """The 99th percentile of their waits for a thread, as the upper bound of its class."""
    calls: float
    seconds: list[float]
    """What each small synchronisation took, as its device sees it."""
    last_s: float
    """What the last of the first syncs took."""


def _waits_of_small(workplace: Workplace, url: str, *, first_syncs: int = FIRST_SYNCS, **settings: object) -> _Storm:
    with (
        start_server(url, metrics_listen="127.0.0.1:0", **settings) as server,
        client_processes(3) as processes,
        workplace.step(f"{first_syncs} first syncs at once"),
        _writing(url),
    ):
        page = _metrics_page(server.log)
        small = processes.submit(sync_small, server.address, SMALL_DEVICES, STORM_SECONDS)
        time.sleep(3)  # until these have loaded everything themselves
        before = _waits(page, "small")
        loads = spread(processes, 2, server.address, first_syncs)
        came = [one for load in loads for one in load.result()]
        if not came:
            small.result()
        waits = {bound: count - before.get(bound, 0) for bound, count in _waits(page, "small").items()}
        took = small.result()
    if any(one.failure or one.items < ITEMS_OF_ACCOUNT for one in came):
        raise RuntimeError(f"a first sync failed: {came}")
    return _Storm(_quantile(waits, 0.99), waits[float("inf")], took, max((one.seconds for one in came), default=0.0))


def _crowd(workplace: Workplace) -> Figure:
    url = workplace.new_database("sqlite")
    workplace.fill(url, ITEMS, item_writes(ITEMS_OF_CROWD))
    settings = {"account_calls_per_second": CALLS_PER_SECOND, "calls_burst_seconds": 1}
    with (
        start_server(url, metrics_listen="127.0.0.1:0", **settings) as server,
        client_processes(_PROCESSES) as processes,
        workplace.step(f"{CLIENTS:,} clients at once"),
    ):
        page = _metrics_page(server.log)
        began = time.monotonic()
        crowd = [processes.submit(sync_at_once, server.address, CLIENTS // _PROCESSES) for _ in range(_PROCESSES)]
        came: list[Came] = [one for part in crowd for one in part.result()]
        seconds = time.monotonic() - began
        refused = sum(map(float, re.findall(r"^syncline_refusals_total\{.*\} (\S+)$", _read(page), re.MULTILINE)))
    failed = [one for one in came if one.failure or one.items != ITEMS_OF_CROWD]
    if failed:
        raise RuntimeError(f"{len(failed)} of {CLIENTS:,} clients did not end well, such as {failed[0]}")
    return Figure(
        "admission_crowd",
        "sqlite",
        seconds,
        "s",
        CROWD_BOUND_S,
        {
            "clients that ended well": len(came),
            "refused calls": refused,
            "median s": median(one.seconds for one in came),
        },
    )


@contextmanager
def _writing(url: str) -> Iterator[None]:
    """Write a record now and then, so that small synchronisations have something to bring."""
    ending = threading.Event()

    def write() -> None:
        store = open_store(url, durable=False)
        for seed in range(1_000):
            if ending.wait(0.2):
                break
            store.write_records(ACCOUNT, list(item_writes(1, seed=seed)))
        store.close()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


def _metrics_page(log: str) -> str:
    """Where the server shows its metrics, from its log."""
    found = re.search(r"http://127\.0\.0\.1:\d+/metrics", log)
    if found is None:
        raise RuntimeError(f"the log does not say where the metrics are:\n{log}")
    return found.group()


def _read(page: str) -> str:
    with urlopen(page, timeout=30) as answer:  # noqa: S310  our own server's
        return bytes(answer.read()).decode()


def _waits(page: str, kind: str) -> dict[float, float]:
    """How many calls of the kind have waited up to each bound."""
    pattern = rf'^syncline_admission_wait_seconds_bucket\{{.*?le="([^"]+)".*?syncline_kind="{kind}".*?\}} (\S+)$'
    return {float(bound): float(count) for bound, count in re.findall(pattern, _read(page), re.MULTILINE)}


def _quantile(waits: dict[float, float], part: float) -> float:
    """The upper bound of the class that the quantile is in."""
    wanted = part * waits[float("inf")]
    return min(bound for bound, count in waits.items() if count >= wanted)
