"""Live updates: a device watches through one server what another device and a worker write through others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import uuid4

from deploy.cluster.errors import ClusterError
from deploy.cluster.patience import ATTEMPTS_MAX, PATIENCE_S, patiently
from syncline.client import SourceRow, SyncRequestClient
from syncline.data.schema import Field, FieldType, ObjectType
from syncline.replica import Replica

SCOPE: Final = "cluster_check"
SIGNAL: Final = ObjectType(
    "cluster_check",
    SCOPE,
    (Field("id", FieldType.STRING, required=True), Field("text", FieldType.STRING)),
    primary_key=("id",),
)
"""What is written: of a type of its own, so that nobody's records are touched."""


@dataclass(slots=True)
class Arrivals:
    """When which record came to the device that watches."""

    _times: dict[str, float] = field(default_factory=dict)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _failure: Exception | None = None

    def saw(self, keys: Iterator[str]) -> None:
        """These are there."""
        now = time.perf_counter()
        with self._changed:
            for key in keys:
                self._times.setdefault(key, now)
            self._changed.notify_all()

    def failed(self, error: Exception) -> None:
        """Nothing more will come."""
        with self._changed:
            self._failure = error
            self._changed.notify_all()

    def wait_for(self, key: str) -> float:
        """When the record came; waits until it does.

        Raises:
            ClusterError: it does not come.
        """
        with self._changed:
            self._changed.wait_for(lambda: key in self._times or self._failure is not None, PATIENCE_S)
            if key in self._times:
                return self._times[key]
            raise ClusterError(f"the live update {key} did not arrive") from self._failure


@contextmanager
def watching(path: Path, target: str) -> Iterator[Arrivals]:
    """A device that follows the scope as long as the block lasts."""
    arrivals, at_first = Arrivals(), threading.Event()

    def look() -> None:
        for _ in replica.watch(scopes=[SCOPE]):
            arrivals.saw(str(row[0]) for row in replica.query(f'SELECT id FROM "{SIGNAL.name}"'))  # noqa: S608
            at_first.set()

    def follow() -> None:
        try:
            patiently(look)  # once connected, a watch goes on by itself
        except Exception as error:  # noqa: BLE001 - it is raised where somebody waits
            arrivals.failed(error)
            at_first.set()

    with Replica.open(path, target, attempts_max=ATTEMPTS_MAX) as replica:
        thread = threading.Thread(target=follow, name="watch")
        thread.start()
        try:
            at_first.wait(PATIENCE_S)
            yield arrivals
        finally:
            replica.close()  # a stop would be lost on a watch that is about to be tried again
            thread.join()


def send_by_device(path: Path, target: str, arrivals: Arrivals, count: int) -> list[float]:
    """Write records on another device; how long each took from its local transaction to the device that watches."""
    with Replica.open(path, target, attempts_max=ATTEMPTS_MAX) as replica:
        patiently(lambda: replica.sync(scopes=[SCOPE]))
        signals = replica.objects(SIGNAL.name)

        def write(key: str) -> None:
            signals.create({"id": key, "text": "written on a device"})
            patiently(lambda: replica.push(scopes=[SCOPE]))

        return _measure(write, arrivals, count)


def send_by_worker(target: str, arrivals: Arrivals, count: int) -> list[float]:
    """Write records by sync requests; how long each took from the request to the device that watches."""
    with SyncRequestClient(target, resume_attempts_max=ATTEMPTS_MAX) as client:

        def write(key: str) -> None:
            rows = [SourceRow(SIGNAL.name, {"id": key, "text": "loaded by a worker"})]
            patiently(lambda: client.import_records(rows, request_id=key))  # the same id: the same request

        return _measure(write, arrivals, count)


def _measure(write: Callable[[str], None], arrivals: Arrivals, count: int) -> list[float]:
    seconds = []
    for _ in range(count):
        key = str(uuid4())
        begun = time.perf_counter()
        write(key)
        seconds.append(arrivals.wait_for(key) - begun)
    return seconds
