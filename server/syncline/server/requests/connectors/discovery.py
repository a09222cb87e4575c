"""What connectors share in finding out what a connected system has."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from syncline.data.errors import DataError
from syncline.data.schema import Field, FieldType, ObjectType
from syncline.data.schema_rules import check_object_type
from syncline.server.importing.errors import BadLine, SourceError
from syncline.server.importing.inference import infer_object_type
from syncline.server.importing.key_choice import choose_key
from syncline.server.importing.progress import silent
from syncline.server.importing.sources import Row, Source
from syncline.server.requests.connectors.contract import ConnectorError, DiscoveredStream, Job

STREAMS_MAX: Final = 1_000
"""Streams that are told of."""
NOTE_CHARS_MAX: Final = 500

_ASK_ROWS: Final = 1_000
"""Rows after which it is asked whether the run is to end."""


def stream_of(
    name: str, kind: ObjectType, *, selected: bool, rows: int = 0, notes: Iterable[str] = ()
) -> DiscoveredStream:
    """The stream of this object type without what no schema can have, of which the note tells.

    Only key fields are required: that something was always there says nothing about the next row.

    Args:
        name: what the system calls the stream.
        kind: as the system has it; its names may be none for a schema.
        selected: READ takes its rows.
        rows: how many there are; 0: not known.
        notes: what is to be told besides.
    """
    told = list(notes)
    try:
        check_object_type(ObjectType(kind.name, kind.scope, (Field("field", FieldType.STRING),)))
        fields = _proper_fields(kind, told)
        proper = replace(kind, fields=fields)
        check_object_type(proper)
    except DataError as error:
        told.insert(0, f"{error.path}: {error.rule}")
        return unusable_stream(name, "; ".join(told), selected=selected, rows=rows)
    return DiscoveredStream(name, proper, selected, rows, _short("; ".join(told)))


def unusable_stream(name: str, why: str, *, selected: bool, rows: int = 0) -> DiscoveredStream:
    """The stream of which no object type can be made."""
    return DiscoveredStream(name, None, selected, rows, _short(why))


def inferred_stream(
    name: str,
    type_name: str,
    sources: Sequence[Source],
    job: Job,
    *,
    key: tuple[str, ...] | None = None,
    nulls: Collection[str] = (),
) -> DiscoveredStream:
    """The stream of the rows of these sources, all of which are read.

    Args:
        name: what the system calls it.
        type_name: the object type that the rows are.
        sources: the rows.
        job: its schema, if it has the object type, says what the key is.
        key: the key of an object type that the schema lacks; None: it is chosen by the rows.
        nulls: texts that mean "absent".

    Raises:
        SourceError: the disk failed.
        ConnectorError: the run is to end.
    """
    watched = [_Watched(source, job.stopped) for source in sources]
    declared = job.schema.object_type(type_name)
    try:
        if declared is not None:
            key = declared.primary_key
        elif key is None:
            key = choose_key(watched, nulls=nulls)
        kind = infer_object_type(type_name, job.scope, key, watched, nulls=nulls, progress=silent)
    except SourceError as error:
        if isinstance(error.__cause__, OSError):
            raise
        return unusable_stream(name, str(error), selected=True, rows=sum(source.rows for source in watched))
    return stream_of(name, kind, selected=True, rows=sum(source.rows for source in watched))


class _Watched:
    """A source that counts its rows, and ends with an error when the run is to end."""

    def __init__(self, source: Source, stopped: Callable[[], bool]) -> None:
        self.name = source.name
        self.size_bytes = source.size_bytes
        self.rows = 0
        """Of the reading begun last."""
        self._source = source
        self._stopped = stopped

    def columns(self) -> tuple[str, ...] | None:
        """See `Source.columns`."""
        return self._source.columns()

    def read(self) -> Iterator[Row | BadLine]:
        """See `Source.read`."""
        self.rows = 0
        for row in self._source.read():
            if self.rows % _ASK_ROWS == 0 and self._stopped():
                raise ConnectorError("the run was stopped", for_good=False)
            self.rows += 1
            yield row

    @property
    def bytes_read(self) -> int:
        """See `Source.bytes_read`."""
        return self._source.bytes_read


def _proper_fields(kind: ObjectType, told: list[str]) -> tuple[Field, ...]:
    fields: dict[str, Field] = {}
    for field in kind.fields:
        try:
            check_object_type(ObjectType(kind.name, kind.scope, (field,)))
        except DataError as error:
            told.append(f"{field.name!r:.110} is left out: {error.rule}")
            continue
        if field.name.lower() in fields:
            told.append(f"{field.name!r} is left out: it differs from another one only in case")
            continue
        fields[field.name.lower()] = replace(field, required=field.name in kind.primary_key)
    return tuple(fields.values())


def _short(note: str) -> str:
    return note if len(note) <= NOTE_CHARS_MAX else f"{note[: NOTE_CHARS_MAX - 1]}…"
