"""Rows that came with the request itself: READ of a payload of the kind `records`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Final

from syncline.server.importing.sources import Row
from syncline.server.requests.connectors.contract import (
    BadRow,
    ConnectorError,
    DiscoveredStream,
    Incoming,
    IncomingRow,
    Job,
    Outgoing,
)
from syncline.server.requests.connectors.discovery import inferred_stream
from syncline.server.requests.records_payload import incoming_row, unpack_rows
from syncline.storage.request_models import Operation

_BATCH_ROWS: Final = 1_000


class InlineConnector:
    """Reads what the caller has sent. It connects to nothing, so no enrollment can name it."""

    name = "inline"
    description = "Rows that come with the request."
    operations = frozenset({Operation.READ})

    def check_settings(self, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        """See `Connector`; there are none."""

    def read(self, job: Job) -> Iterator[Incoming]:
        """See `Connector`. The cursor is the number of rows that were given."""
        done = int(json.loads(job.cursor)["row"]) if job.cursor else 0
        rows = islice(unpack_rows(job.payload or iter(())), done, None)
        while batch := tuple(islice(rows, _BATCH_ROWS)):
            done += len(batch)
            read = [incoming_row(row) for row in batch]
            yield Incoming(
                rows=tuple(row for row in read if isinstance(row, IncomingRow)),
                cursor=json.dumps({"row": done}),
                bad_rows=tuple(row for row in read if isinstance(row, BadRow)),
                bytes_read=sum(len(row.data) for row in batch),
            )

    def discover(self, job: Job) -> Sequence[DiscoveredStream]:
        """See `Connector.discover`. Rows of which no object type can be made are not selected: READ refuses each."""
        by_type: dict[str, list[IncomingRow]] = {}
        for row in map(incoming_row, unpack_rows(job.payload or iter(()))):
            if isinstance(row, IncomingRow) and not row.deleted:
                by_type.setdefault(row.object_type, []).append(row)
        streams = []
        for name, rows in by_type.items():
            # Records that the caller names need no field to tell them apart.
            key: tuple[str, ...] | None = () if all(row.source_key for row in rows) else None
            found = inferred_stream(name, name, [_Rows(name, rows)], job, key=key)
            streams.append(replace(found, selected=found.object_type is not None))
        return streams

    def write(self, job: Job, records: Iterator[Outgoing]) -> Iterator[int]:  # noqa: ARG002
        """See `Connector`; not offered."""
        raise ConnectorError("rows that come with a request can only be read", for_good=True)

    def check(self, job: Job) -> str:  # noqa: ARG002
        """See `Connector`; not offered."""
        raise ConnectorError("rows that come with a request can only be read", for_good=True)


class _Rows:
    """Rows of one object type, as a source for inference."""

    size_bytes = 0
    bytes_read = 0

    def __init__(self, name: str, rows: Sequence[IncomingRow]) -> None:
        self.name = name
        self._rows = rows

    def columns(self) -> None:
        """None: each row has names of its own."""

    def read(self) -> Iterator[Row]:
        """Give out each row."""
        return (Row(number, row.data) for number, row in enumerate(self._rows, 1))
