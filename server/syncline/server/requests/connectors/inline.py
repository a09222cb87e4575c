"""Rows that came with the request itself: READ of a payload of the kind `records`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from syncline.server.requests.connectors.contract import BadRow, ConnectorError, Incoming, IncomingRow, Job, Outgoing
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

    def write(self, job: Job, records: Iterator[Outgoing]) -> Iterator[int]:  # noqa: ARG002
        """See `Connector`; not offered."""
        raise ConnectorError("rows that come with a request can only be read", for_good=True)

    def check(self, job: Job) -> str:  # noqa: ARG002
        """See `Connector`; not offered."""
        raise ConnectorError("rows that come with a request can only be read", for_good=True)
