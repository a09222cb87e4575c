"""What is in the files that a run of the connector `file` reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from syncline.server.importing.errors import SourceError
from syncline.server.importing.sources import Source
from syncline.server.requests.connectors.contract import DiscoveredStream, Job
from syncline.server.requests.connectors.discovery import inferred_stream
from syncline.server.requests.connectors.file_reading import is_at_end
from syncline.server.requests.connectors.file_settings import FileSettings
from syncline.server.requests.connectors.file_sources import (
    connector_error,
    find_files,
    type_name_of,
    uploaded_sources,
)


def discover_disk(settings: FileSettings, roots: Sequence[Path], job: Job) -> Sequence[DiscoveredStream]:
    """A stream for each object type. Nothing is read for a delta of files that did not change.

    Raises:
        ConnectorError: a file cannot be read, or the run is to end.
    """
    found = find_files(settings, roots, job.schema.version)
    if not job.full and is_at_end(job.cursor, found.identity, len(found.sources)):
        return ()
    if settings.object_type:
        name = found.sources[0].name if len(found.sources) == 1 else settings.path
        return _streams([(name, settings.object_type, found.sources)], settings, job)
    return _streams(((source.name, type_name_of(source), [source]) for source in found.sources), settings, job)


def discover_upload(job: Job) -> Sequence[DiscoveredStream]:
    """A stream for each file of the zip that was uploaded.

    Raises:
        ConnectorError: it cannot be read, or the run is to end.
    """
    with uploaded_sources(job) as sources:
        return _streams(((source.name, type_name_of(source), [source]) for source in sources), FileSettings(), job)


def _streams(
    found: Iterable[tuple[str, str, Sequence[Source]]], settings: FileSettings, job: Job
) -> list[DiscoveredStream]:
    """A stream for each name, object type and sources of its rows."""
    try:
        return [
            inferred_stream(name, type_name, sources, job, key=settings.key_of(type_name), nulls=settings.nulls)
            for name, type_name, sources in found
        ]
    except SourceError as error:
        raise connector_error(error) from error
