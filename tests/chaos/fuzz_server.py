"""The server that is fuzzed, seen from outside: what it takes, what it logs, and how it serves others meanwhile."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from syncline.client import Ack, Data, Meta, SyncClient
from tests.harness.server import ServerProcess

_REST_SECONDS_MAX = 30.0
"""Connections that were left are closed and streams ended within this; discovering connectors may take longer."""


class Taken(NamedTuple):
    """What a server process has of the machine."""

    memory_bytes: int
    files: int
    threads: int


def taken_by(server: ServerProcess) -> Taken:
    """What it has now."""
    assert server.process is not None
    process = Path(f"/proc/{server.process.pid}")
    pages = int((process / "statm").read_text().split()[1])
    files, threads = (len(list((process / name).iterdir())) for name in ("fd", "task"))
    return Taken(pages * os.sysconf("SC_PAGESIZE"), files, threads)


def taken_at_rest(server: ServerProcess, *, files_max: int, threads_max: int) -> Taken:
    """What it has once all streams have ended, and it has no more files and threads than these, if that comes."""
    deadline = time.monotonic() + _REST_SECONDS_MAX
    while time.monotonic() < deadline:
        taken = taken_by(server)
        if taken.files <= files_max and taken.threads <= threads_max and not live_streams(server):
            break
        time.sleep(0.1)
    return taken_by(server)


def live_streams(server: ServerProcess) -> float:
    """How many streams it has open, by its own count."""
    found = re.search(r"http://([^/\s]+)/metrics", server.log)
    assert found
    connection = HTTPConnection(found[1], timeout=60)
    try:
        connection.request("GET", "/metrics")
        page = connection.getresponse().read().decode()
    finally:
        connection.close()
    return sum(float(count) for count in re.findall(r"^syncline_streams_live\{.*\} (\S+)$", page, re.MULTILINE))


def check_server(server: ServerProcess) -> None:
    """It is the process that it was, and found no fault of its own."""
    assert server.process is not None
    assert server.process.poll() is None
    for line in server.log.splitlines():
        assert '"level": "error"' not in line, line
        assert "Traceback" not in line, line


class Device:
    """A device that behaves well; it must see nothing of what others send."""

    def __init__(self, address: str, **options: Any) -> None:
        """`options`: of a client's connection."""
        self.uuid = uuid4()
        self._address = address
        self._options = options

    def load(self, device_uuid: UUID | None = None) -> Mapping[tuple[str, str], Data]:
        """All records, as another device if one is named."""
        records: dict[tuple[str, str], Data] = {}

        def take(meta: Meta, data: Data | None) -> Ack:
            if data is None:
                records.pop((meta.object_type, meta.key), None)
            else:
                records[meta.object_type, meta.key] = data
            return Ack.ACK

        with SyncClient(self._address, device_uuid or self.uuid, **self._options) as client:
            client.sync(take, full_resync=True)
        return records

    @contextmanager
    def loading(self, check: Callable[[Mapping[tuple[str, str], Data]], None]) -> Iterator[list[float]]:
        """Load again and again, and check what comes; how long each time took."""
        seconds: list[float] = []
        failures: list[BaseException] = []
        ended = threading.Event()

        def work() -> None:
            try:
                while not ended.is_set():
                    began = time.monotonic()
                    check(self.load())
                    seconds.append(time.monotonic() - began)
                    ended.wait(0.1)
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
