"""What a live stream that has nothing to do costs the server in memory. The limit is a bare gRPC server's stream.

Every device has a connection of its own. The streams that are counted follow others that warmed the server up.
"""

from __future__ import annotations

from collections.abc import Iterator

from bench.bare_server import start_bare_server
from bench.device_process import Server, start_devices
from bench.figure import Figure
from bench.first_page import read_first_page
from bench.memory import resident_kib
from bench.records import ITEMS, item_writes
from bench.rounds import alternate
from bench.workplace import Workplace
from tests.harness.server import start_server

STREAMS_BEFORE = 100
STREAMS = 1_000
ITEMS_OF_ACCOUNT = 20
"""Few: what a first download leaves behind in the server is not the stream's."""

ROUNDS = 3


def run(workplace: Workplace) -> Iterator[Figure]:
    """Measure with the server on SQLite, with new servers in every round."""
    url = workplace.new_database("sqlite")
    workplace.fill(url, ITEMS, item_writes(ITEMS_OF_ACCOUNT))
    with start_server(url) as server:
        page = read_first_page(server.address)
    with workplace.step(f"opening {STREAMS:,} idle streams, several times"):
        rounds = alternate(lambda: _syncline_kib(url), lambda: _bare_kib(page), rounds=ROUNDS)
    yield Figure("idle_stream", "sqlite", rounds.value, "KiB", rounds.limit, rounds.detail)


def _syncline_kib(url: str) -> float:
    with start_server(url) as server:
        assert server.process is not None
        return _kib_a_stream("syncline", server.address, server.process.pid)


def _bare_kib(page: bytes) -> float:
    with start_bare_server(page) as server:
        return _kib_a_stream("bare", server.address, server.pid)


def _kib_a_stream(server: Server, address: str, pid: int) -> float:
    with start_devices(server, address) as devices:
        devices.open_streams(STREAMS_BEFORE)
        before = resident_kib(pid)
        devices.open_streams(STREAMS)
        return (resident_kib(pid) - before) / STREAMS
