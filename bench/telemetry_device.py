"""A process whose devices download or upload, with the telemetry that its environment asks for."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal, NamedTuple

from bench.initial_sync import seconds_to_sync
from bench.upload import new_messages, seconds_to_upload
from syncline.server.config import load_settings
from syncline.server.telemetry.traces_setup import tracing

Work = Literal["download", "upload"]

WORKS: tuple[Work, ...] = ("download", "upload")

_EXPORT_SECONDS_MAX = 0.4
"""By then the spans of the work have been exported: what that costs is counted, and disturbs nothing that follows."""


class Cost(NamedTuple):
    """What the work of one device took."""

    seconds: float
    cpu_seconds: float
    """Of the server and of this process, with the export of their last spans."""


class WorkingDevices:
    """The devices, as seen from the benchmark."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def work(self, records: int, seed: int) -> Cost:
        """Have a new device download so many records, or upload so many that are made by this seed."""
        self._pipe.send((records, seed))
        cost: Cost = self._pipe.recv()
        return cost


@contextmanager
def start_working_devices(work: Work, address: str, server_pid: int, folder: Path) -> Iterator[WorkingDevices]:
    """Run a process whose devices do this work with a server, and keep files here; end it at the end of the block."""
    spawning = multiprocessing.get_context("spawn")
    ours, theirs = spawning.Pipe()
    process = spawning.Process(target=_run, args=(theirs, work, address, server_pid, folder), daemon=True)
    process.start()
    theirs.close()  # so that the end of the process is noticed
    try:
        yield WorkingDevices(ours)
    finally:
        process.kill()
        process.join()


def _run(pipe: Connection, work: Work, address: str, server_pid: int, folder: Path) -> None:
    prepare = _download if work == "download" else _upload
    with tracing(load_settings(), "syncline-bench"):
        while True:
            records, seed = pipe.recv()
            measured = prepare(address, folder, records, seed)
            before = _cpu_seconds(server_pid)
            seconds = measured()
            time.sleep(_EXPORT_SECONDS_MAX)
            pipe.send(Cost(seconds, _cpu_seconds(server_pid) - before))


def _download(address: str, folder: Path, records: int, seed: int) -> Callable[[], float]:
    return partial(seconds_to_sync, folder / f"{seed}.db", address, records)


def _upload(address: str, _folder: Path, records: int, seed: int) -> Callable[[], float]:
    return partial(seconds_to_upload, address, new_messages(records, seed))


def _cpu_seconds(server_pid: int) -> float:
    """What the server and this process have used so far."""
    # The clock of another process, as clock_getcpuclockid(3) makes its number: /proc counts in hundredths only.
    return time.process_time() + time.clock_gettime(~server_pid << 3 | 2)
