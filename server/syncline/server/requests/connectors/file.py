"""The connector `file`: rows of CSV and JSON-lines files, uploaded or on the server's disk.

A delta READ takes all rows if a file, the settings or the schema changed, and else none: a file does not tell which of
its rows did. Those that did not cost only a look. An uploaded zip is read by its own names and header; the enrollment's
settings are for what lies on the disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Never

from syncline.server.config import load_settings
from syncline.server.importing.conversion import row_converter
from syncline.server.importing.errors import SourceError
from syncline.server.requests.connectors.contract import (
    Connector,
    ConnectorError,
    DiscoveredStream,
    Incoming,
    Job,
    Outgoing,
)
from syncline.server.requests.connectors.file_discovery import discover_disk, discover_upload
from syncline.server.requests.connectors.file_reading import read_files
from syncline.server.requests.connectors.file_settings import allowed_path, read_settings
from syncline.server.requests.connectors.file_sources import connector_error, disk_files, uploaded_files
from syncline.server.requests.payload_kinds import PayloadForm, PayloadKind, payload_kind
from syncline.storage.request_models import Operation


class FileConnector:
    """See the module. `roots` answers the directories below which files may be read."""

    name = "file"
    description = "CSV, TSV and JSON-lines files, uploaded or on the server's disk; plain, .gz or .zip."
    operations = frozenset({Operation.READ, Operation.CHECK})

    def __init__(self, roots: Callable[[], Sequence[Path]]) -> None:
        self._roots = roots

    def check_settings(self, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        """See `Connector.check_settings`."""
        read = read_settings(settings)
        if secrets:
            raise ConnectorError("the connector `file` takes no secrets", for_good=True)
        if read.path:
            allowed_path(read.path, self._roots())

    def read(self, job: Job) -> Iterator[Incoming]:
        """See `Connector.read`."""
        if job.payload_kind:
            on_match = _uploaded_kind(job.payload_kind).on_match
            with uploaded_files(job) as files:
                yield from read_files(files, job.cursor, nulls=(), on_match=on_match, stopped=job.stopped)
            return
        settings = read_settings(job.settings)
        if not settings.path:
            raise ConnectorError("path: is not set, so rows come by upload only", for_good=True)
        files = disk_files(settings, self._roots(), job.schema)
        yield from read_files(files, job.cursor, nulls=settings.nulls, on_match=settings.on_match, stopped=job.stopped)

    def discover(self, job: Job) -> Sequence[DiscoveredStream]:
        """See `Connector.discover`: the types of fields are inferred from all rows. Nothing, if rows come by upload."""
        if job.payload_kind:
            _uploaded_kind(job.payload_kind)
            return discover_upload(job)
        settings = read_settings(job.settings)
        return discover_disk(settings, self._roots(), job) if settings.path else ()

    def write(self, job: Job, records: Iterator[Outgoing]) -> Never:  # noqa: ARG002  the contract's arguments
        """Not offered."""
        raise ConnectorError("the connector `file` cannot write", for_good=True)

    def check(self, job: Job) -> str:
        """See `Connector.check`: the files are there, can be read, and their columns fit."""
        settings = read_settings(job.settings)
        if not settings.path:
            return "no path is set; rows come by upload"
        files = disk_files(settings, self._roots(), job.schema)
        try:
            for typed in files.sources:
                row_converter(typed.kind, typed.source, settings.nulls)
                next(typed.source.read(), None)
        except SourceError as error:
            raise connector_error(error) from error
        names = sorted({typed.kind.name for typed in files.sources})
        return f"{len(files.sources):,} files, of {', '.join(names)}"


def _uploaded_kind(text: str) -> PayloadKind:
    kind = payload_kind(text)
    if kind is None or kind.form is not PayloadForm.ZIP:
        raise ConnectorError(f"the connector `file` reads no payload of the kind {text!r}", for_good=True)
    return kind


connector: Final[Connector] = FileConnector(lambda: load_settings().file_roots)
"""What the entry point names. Whoever runs it has its own environment, and so its own directories."""
