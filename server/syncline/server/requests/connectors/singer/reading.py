"""READ: a tap's rows, as they come."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from syncline.data.canonical import canonical_array
from syncline.data.errors import DataError
from syncline.server.requests.connectors.contract import ConnectorError, Incoming, IncomingRow, Job
from syncline.server.requests.connectors.singer.catalog import parse_catalog, selected_catalog, stream_names
from syncline.server.requests.connectors.singer.limits import BATCH_ROWS
from syncline.server.requests.connectors.singer.messages import State, StreamRecord, StreamSchema, parse_message
from syncline.server.requests.connectors.singer.process import Process
from syncline.server.requests.connectors.singer.settings import SingerSettings, StreamSettings
from syncline.server.requests.connectors.singer.values import RecordValues


def read_catalog(tap: Path, config: Path, job: Job, silence_seconds: float) -> list[dict[str, object]]:
    """The streams that the tap has.

    Raises:
        Stopped: the run is to end.
        ConnectorError: the tap failed, or printed no catalog.
    """
    with Process([tap, "--config", config, "--discover"], config.parent) as process:
        output = b"".join(process.lines(job.stopped, silence_seconds))
        return parse_catalog(output, process.name)


def read_tap(tap: Path, config: Path, settings: SingerSettings, job: Job) -> Iterator[Incoming]:
    """Run the tap; yield its rows with the state by which they are covered.

    Raises:
        Stopped: the run is to end.
        ConnectorError: as `Connector.read`.
    """
    directory = config.parent
    streams = read_catalog(tap, config, job, settings.silence_seconds)
    catalog = directory / "catalog.json"
    catalog.write_text(json.dumps(selected_catalog(streams, settings.streams, full=job.full)))
    arguments: list[str | Path] = [tap, "--config", config, _catalog_option(streams), catalog]
    if job.cursor:
        state = directory / "state.json"
        state.write_text(job.cursor)
        arguments += ["--state", state]
    wanted = {
        name: settings.streams[given]
        for stream in streams
        for given in stream_names(stream)
        if given in settings.streams
        for name in stream_names(stream)
    }
    with Process(arguments, directory) as process:
        rows = _Rows(process.name, wanted, job)
        for line in process.lines(job.stopped, settings.silence_seconds):
            if rows.take(line):
                yield rows.handed_on()
        # Only now: a tap that failed has not told of all that its last state covers.
        yield rows.handed_on()


def _catalog_option(streams: list[dict[str, object]]) -> str:
    """Taps of the first days know the catalog as properties; their streams carry no metadata."""
    return "--catalog" if any(stream.get("metadata") for stream in streams) else "--properties"


class _Rows:
    """Gathers rows until they are handed on."""

    def __init__(self, program: str, wanted: Mapping[str, StreamSettings], job: Job) -> None:
        self._program = program
        self._wanted = wanted
        self._values = {kind.name: RecordValues(kind) for kind in job.schema.object_types}
        self._keys: dict[str, tuple[str, ...]] = {}
        self._rows: list[IncomingRow] = []
        self._cursor = job.cursor
        self._bytes = 0

    def take(self, line: bytes) -> bool:
        """Take one line; are there enough rows to hand on?

        The state stays with what came before it: rows that no state covers yet come again after a resume.
        """
        self._bytes += len(line)
        match parse_message(line, self._program):
            case StreamSchema(stream, keys):
                self._keys[stream] = keys
            case StreamRecord(stream, record):
                if stream not in self._keys:
                    why = f"{self._program} sent a record of {stream!r:.100} before it said what such records are like"
                    raise ConnectorError(why, for_good=True)
                if stream in self._wanted:
                    self._rows.append(self._row(self._wanted[stream], self._keys[stream], record))
            case State(value):
                self._cursor = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return len(self._rows) >= BATCH_ROWS

    def handed_on(self) -> Incoming:
        """What was gathered, with the newest state."""
        incoming = Incoming(tuple(self._rows), self._cursor, bytes_read=self._bytes)
        self._rows, self._bytes = [], 0
        return incoming

    def _row(self, stream: StreamSettings, keys: tuple[str, ...], record: Mapping[str, object]) -> IncomingRow:
        values = self._values.get(stream.object_type)
        data = values.data(record) if values is not None else dict(record)
        source_key = _source_key(keys, data)
        for name in stream.leave_out:
            data.pop(name, None)
        deleted = record.get("_sdc_deleted_at") is not None
        return IncomingRow(stream.object_type, {} if deleted else data, source_key, deleted=deleted)


def _source_key(keys: tuple[str, ...], data: Mapping[str, object]) -> str:
    """What the tap knows the row by; empty if it says nothing of that."""
    values = [data.get(name) for name in keys]
    if len(values) == 1 and isinstance(values[0], str):
        return values[0]
    simple = [value for value in values if isinstance(value, str | int)]
    if not simple or len(simple) < len(values):
        return ""
    try:
        return canonical_array(simple)
    except DataError:
        return ""
