"""Malformed and mutated messages over all methods, and garbage on the socket: the server answers, and stays as it is.

`SYNCLINE_CHAOS_SEEDS=300` makes 200,000 calls. What came of them is printed: `pytest -s`.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from uuid import uuid4

import pytest

from syncline.client import Ack, Data, Meta, SyncClient
from syncline.storage import open_store
from tests.chaos.fuzz_calls import METHODS, Outcome, fuzz
from tests.chaos.fuzz_garbage import GARBAGE, KEPT_BY_GRPC, Vandal
from tests.harness.server import ServerProcess, declare_notes, start_server
from tests.replica.serving import number_notes, write_notes

SEEDS = int(os.environ.get("SYNCLINE_CHAOS_SEEDS", "3"))
CALLS = 667 * SEEDS
GARBAGES = 30 * SEEDS
GARBAGES_KEPT = min(3 * SEEDS, 60)
"""Of what gRPC keeps: some 5 MB each."""

AT_A_TIME = 24

DEVICE = uuid4()
"""The one that behaves well."""

GROWTH_BYTES_MAX = 96 * 1024 * 1024
"""Of the server's memory, after a first tenth of the calls: caches fill, and allocators keep what was used."""

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(120 + 10 * SEEDS)]


@pytest.fixture
def server(sqlite_url: str) -> Iterator[ServerProcess]:
    with closing(open_store(sqlite_url)) as store:
        declare_notes(store)
        write_notes(store, number_notes(200))
    with start_server(sqlite_url, reflection="true", log_format="json") as server:
        yield server


@contextmanager
def well_behaved(server: ServerProcess) -> Iterator[list[float]]:
    """A client that synchronises all the while; how long each time took. It must not see anything of all this."""
    seconds: list[float] = []
    failures: list[BaseException] = []
    ended = threading.Event()

    def take(meta: Meta, data: Data | None) -> Ack:
        del meta, data
        return Ack.ACK

    def work() -> None:
        try:
            with SyncClient(server.address, DEVICE) as client:
                while not ended.is_set():
                    began = time.monotonic()
                    client.sync(take, full_resync=True)
                    seconds.append(time.monotonic() - began)
                    ended.wait(0.05)
        except BaseException as error:
            failures.append(error)
            raise

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield seconds
    finally:
        ended.set()
        thread.join()
    assert not failures
    assert seconds


def memory_bytes(server: ServerProcess) -> int:
    assert server.process is not None
    pages = Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGESIZE")


def check_server(server: ServerProcess) -> None:
    """It is the process that it was, and found no fault of its own."""
    assert server.process is not None
    assert server.process.poll() is None
    for line in server.log.splitlines():
        assert '"level": "error"' not in line, line
        assert "Traceback" not in line, line


def test_odd_calls_of_all_methods_do_no_harm(server: ServerProcess) -> None:
    outcome, first = Outcome(), max(CALLS // 10, 1_000)
    with well_behaved(server) as seconds:
        asyncio.run(
            fuzz(server.address, seed="warm", calls=first, at_a_time=AT_A_TIME, outcome=outcome, spared=str(DEVICE))
        )
        before, began = memory_bytes(server), time.monotonic()
        asyncio.run(
            fuzz(server.address, seed="run", calls=CALLS, at_a_time=AT_A_TIME, outcome=outcome, spared=str(DEVICE))
        )
        took = time.monotonic() - began
    after = memory_bytes(server)
    print(f"\n{CALLS:,} calls in {took:,.0f} s ({CALLS / took:,.0f}/s); memory {before:,} -> {after:,} bytes")
    print(f"a well-behaved client synchronised {len(seconds):,} times, in {max(seconds):.2f} s at most")
    for ended, count in outcome.statuses().most_common():
        print(f"{count:9,} {ended}")
    assert outcome.faults[:20] == []
    assert {name for name, _ in outcome.codes} == {method.name for method in METHODS}
    assert after - before < GROWTH_BYTES_MAX
    check_server(server)


def test_garbage_on_the_socket_does_no_harm(server: ServerProcess) -> None:
    def throw(count: int, kinds: Collection[str], seed: str) -> int:
        vandal = Vandal("127.0.0.1", server.port, Random(seed), kinds)
        while vandal.thrown < count:
            vandal.throw()
        vandal.close()
        return memory_bytes(server)

    freed = GARBAGE.keys() - KEPT_BY_GRPC
    with well_behaved(server) as seconds:
        before = throw(GARBAGES // 3, freed, "warm")
        after = throw(GARBAGES, freed, "run")
        kept = throw(GARBAGES_KEPT, KEPT_BY_GRPC, "kept")
    print(f"\n{GARBAGES:,} connections of garbage; memory {before:,} -> {after:,} bytes")
    print(f"{GARBAGES_KEPT:,} more of what gRPC keeps: {kept:,} bytes")
    print(f"a well-behaved client synchronised {len(seconds):,} times, in {max(seconds):.2f} s at most")
    assert after - before < GROWTH_BYTES_MAX
    check_server(server)
