"""A full sync of a million records: the memory that both sides need at most."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from bench.figure import Figure
from bench.memory import peak_resident_kib
from bench.nothing_new import ITEMS_MANY
from bench.workplace import Workplace
from syncline.replica import Replica
from tests.harness.server import start_server

MIB_MAX = 200
"""What each side may need."""


def run(workplace: Workplace) -> Iterator[Figure]:
    """Measure with the server on SQLite. The figure is that of the side that needs more."""
    url = workplace.filled_database("sqlite", ITEMS_MANY)
    device_file = workplace.new_folder() / "device.db"
    with start_server(url) as server, workplace.step(f"syncing {ITEMS_MANY:,} records to a new device"):
        assert server.process is not None
        device_mib, seconds = _sync_in_new_process(device_file, server.address)
        server_mib = peak_resident_kib(server.process.pid) / 1024
    detail = {"server, MiB": server_mib, "device, MiB": device_mib, "rows/s": ITEMS_MANY / seconds}
    yield Figure("full_sync_memory", "sqlite", max(server_mib, device_mib), "MiB", MIB_MAX, detail)


def _sync_in_new_process(path: Path, address: str) -> tuple[float, float]:
    """Sync a new device; the most memory that its process used, in MiB, and the seconds that it took."""
    spawning = multiprocessing.get_context("spawn")
    ours, theirs = spawning.Pipe()
    process = spawning.Process(target=_sync, args=(theirs, path, address), daemon=True)
    process.start()
    theirs.close()
    try:
        mib, seconds = ours.recv()
    finally:
        process.kill()
        process.join()
    return mib, seconds


def _sync(pipe: Connection, path: Path, address: str) -> None:
    with Replica.open(path, address) as replica:
        started = time.perf_counter()
        report = replica.sync()
        seconds = time.perf_counter() - started
    if report.total.inserted != ITEMS_MANY:
        raise RuntimeError(f"{report.total.inserted:,} records came, not {ITEMS_MANY:,}")
    pipe.send((peak_resident_kib(os.getpid()) / 1024, seconds))
