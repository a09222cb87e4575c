"""A connector that does what its settings say, misbehaving included: for tests of the worker.

Settings: `rows`, how many there are; `batch`, rows of one batch; `pause`, seconds before each batch; `without`, numbers
of rows that are gone; `text`, of all rows; `bad`, numbers of rows that do not fit; `fail_after`, rows after which it
fails, and `fail_for_good`, `fail_with`; `hang_after`, rows after which it waits for ever, and `deaf`, whether it then
heeds nobody; `has`, object types with the types of their fields, each with `id` as key, that are to be found.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from syncline.data.schema import Field, FieldType, ObjectType
from syncline.server.requests.connectors.contract import (
    ConnectorError,
    DiscoveredStream,
    Incoming,
    IncomingRow,
    Job,
    Outgoing,
)
from syncline.storage.request_models import Operation


class Scripted:
    """Reads notes with the keys `k0`, `k1` and so on; keeps what it is given to write."""

    name = "scripted"
    description = "Does what it is told."
    operations = frozenset(Operation)

    def __init__(self) -> None:
        self.opened = 0
        """Iterators that were begun, and not closed."""
        self.cursors: list[str] = []
        """Where each READ or WRITE began."""
        self.written: list[Outgoing] = []
        self.released = threading.Event()
        """Set, it ends whoever waits for ever."""

    def check_settings(self, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        """Everything is sound."""

    def read(self, job: Job) -> Iterator[Incoming]:
        """The rows from the cursor on; a delta that begins at the end has none."""
        self.opened += 1
        self.cursors.append(job.cursor)
        try:
            settings = job.settings
            rows, size = settings.get("rows", 0), settings.get("batch", 1_000)
            start = json.loads(job.cursor)["next"] if job.cursor else 0
            for first in range(start, rows, size):
                end = min(first + size, rows)
                if self._misbehave(job, first):
                    return
                numbers = [number for number in range(first, end) if number not in settings.get("without", ())]
                yield Incoming(
                    tuple(self._row(number, settings) for number in numbers),
                    json.dumps({"next": end}),
                    bytes_read=10 * len(numbers),
                    estimate=rows,
                )
            self._misbehave(job, rows)
        finally:
            self.opened -= 1

    def write(self, job: Job, records: Iterator[Outgoing]) -> Iterator[int]:
        """Keep the records; all of a batch are stored, but only `behind` batches later."""
        self.cursors.append(job.cursor)
        size, count = job.settings.get("batch", 1_000), 0
        outstanding: deque[int] = deque()
        for count, record in enumerate(records, start=1):
            self.written.append(record)
            if count % size == 0:
                outstanding.append(record.revision)
                if len(outstanding) > job.settings.get("behind", 0):
                    yield outstanding.popleft()
                    self._misbehave(job, count)
        yield from outstanding

    def discover(self, job: Job) -> list[DiscoveredStream]:
        """Fail, hang, or find what there is."""
        self._misbehave(job, 0)
        return [
            DiscoveredStream(name, _kind(name, job.scope, fields), selected=True)
            for name, fields in job.settings.get("has", {}).items()
        ]

    def check(self, job: Job) -> str:
        """Fail, hang, or find something."""
        self._misbehave(job, 0)
        return f"found {job.settings.get('rows', 0)} rows, as {job.secrets.get('password', 'nobody')}"

    def _row(self, number: int, settings: Mapping[str, Any]) -> IncomingRow:
        key = f"k{number}"
        text: object = settings.get("text", f"text {number}")
        return IncomingRow(
            "note", {"id": key, "text": 7 if number in settings.get("bad", ()) else text}, line=number + 1
        )

    def _misbehave(self, job: Job, done: int) -> bool:
        """Do what is to be done behind so many rows; true: it was told to stop."""
        settings = job.settings
        if settings.get("hang_after", done + 1) <= done:
            while not self.released.is_set() and (settings.get("deaf") or not job.stopped()):
                time.sleep(0.01)
            return True
        if settings.get("fail_after", done + 1) <= done:
            if "fail_with" in settings:
                raise ZeroDivisionError(settings["fail_with"])
            password = job.secrets.get("password", "")
            raise ConnectorError(f"the system said no to {password}", for_good=settings.get("fail_for_good", False))
        time.sleep(settings.get("pause", 0))
        return False


def _kind(name: str, scope: str, fields: Mapping[str, str]) -> ObjectType:
    key = Field("id", FieldType.STRING, required=True)
    others = (Field(field, FieldType(kind)) for field, kind in fields.items())
    return ObjectType(name, scope, (key, *others), ("id",))
