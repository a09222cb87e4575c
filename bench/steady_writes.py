"""Seconds until a session without `follow` reaches its checkpoint while another process writes 200 records a second.

The device reads pages of ten items. The limit is a bound that was set: ten seconds.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from statistics import median

from bench.figure import Figure
from bench.records import ITEMS, item_writes
from bench.workplace import ACCOUNT, STORES, Workplace
from syncline.replica import Replica
from syncline.storage import open_store
from tests.harness.server import start_server

RECORDS = 2_000
WRITES_PER_SECOND = 200
PAGE_SIZE = 10
SECONDS_MAX = 10.0
ROUNDS = 5


def run(workplace: Workplace) -> Iterator[Figure]:
    """Measure first syncs of new devices."""
    for store in STORES:
        url = workplace.new_database(store)
        workplace.fill(url, ITEMS, item_writes(RECORDS))
        with start_server(url) as server, _steady_writer(url) as writer, workplace.step(f"steady writes to {store}"):
            seconds = []
            for number in range(ROUNDS):
                path = workplace.new_folder() / f"{number}.db"
                with Replica.open(path, server.address, page_size=PAGE_SIZE) as replica:
                    started = time.perf_counter()
                    replica.sync()
                    seconds.append(time.perf_counter() - started)
            rate = _written(writer) / WRITES_PER_SECOND
        yield Figure(
            "checkpoint_under_writes",
            store,
            median(seconds),
            "s",
            SECONDS_MAX,
            {"rounds": seconds, "records before": float(RECORDS), "rate of writes by what was wanted": rate},
        )


@contextmanager
def _steady_writer(url: str) -> Iterator[subprocess.Popen[str]]:
    """A process that writes one record at a time, at an even rate."""
    command = [sys.executable, "-m", "bench.steady_writes", url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        yield writer
        writer.kill()


def _written(writer: subprocess.Popen[str]) -> float:
    """How many records a second it has managed to write."""
    assert writer.stdin is not None
    assert writer.stdout is not None
    writer.send_signal(signal.SIGINT)
    return float(writer.stdout.readline())


def write_steadily(url: str) -> None:
    """Write until interrupted; print a line at the start, and the rate at the end."""
    store = open_store(url)
    writes = item_writes(1_000_000, seed=3)
    print("started", flush=True)
    started = time.perf_counter()
    done = 0
    try:
        for done in count(1):
            store.write_records(ACCOUNT, [next(writes)])
            time.sleep(max(0.0, started + done / WRITES_PER_SECOND - time.perf_counter()))
    except KeyboardInterrupt:
        print(done / (time.perf_counter() - started), flush=True)
    finally:
        store.close()


if __name__ == "__main__":
    write_steadily(sys.argv[1])
