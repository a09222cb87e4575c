"""What tables there are, and what their rows would be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Column, Connection, Table, inspect, types
from sqlalchemy.exc import NoSuchTableError

from syncline.data.limits import RECORD_BYTES_MAX
from syncline.data.schema import Field, FieldType, ObjectType
from syncline.server.requests.connectors.contract import ConnectorError, DiscoveredStream, Job
from syncline.server.requests.connectors.discovery import STREAMS_MAX, stream_of, unusable_stream
from syncline.server.requests.connectors.sql.connecting import check_stopped, connected
from syncline.server.requests.connectors.sql.settings import SqlSettings, TableSettings
from syncline.server.requests.connectors.sql.tables import DECLARED, reflect

_SQLITE: Final = "sqlite"
_TYPES: Final[tuple[tuple[type[types.TypeEngine[Any]], FieldType], ...]] = (
    (types.Boolean, FieldType.BOOLEAN),
    (types.Integer, FieldType.INTEGER),
    (types.Float, FieldType.NUMBER),
    (types.Numeric, FieldType.DECIMAL),
    (types.DateTime, FieldType.TIMESTAMP),
    (types.Date, FieldType.DATE),
    (types.Time, FieldType.STRING),
    (types.JSON, FieldType.JSON),
    (types.ARRAY, FieldType.JSON),
    (types.Uuid, FieldType.STRING),
    (types.String, FieldType.STRING),
    (types.LargeBinary, FieldType.STRING),
)
"""The first that fits counts: some of these are kinds of others."""


def discover(job: Job, settings: SqlSettings) -> list[DiscoveredStream]:
    """The tables of the settings, or all tables and views of the connection's own schema.

    Raises:
        ConnectorError: the database cannot be reached, or the run is to end.
    """
    with connected(job, settings, writes=False) as connection, connection.begin():
        tables = settings.tables or _all_tables(connection)
        streams = []
        for table in tables[:STREAMS_MAX]:
            check_stopped(job)
            streams.append(_stream(connection, table, job, selected=bool(settings.tables)))
        return streams


def _all_tables(connection: Connection) -> tuple[TableSettings, ...]:
    inspector = inspect(connection)
    names = sorted({*inspector.get_table_names(), *inspector.get_view_names()})
    return tuple(TableSettings(name, None, name, (), None, None) for name in names)


def _stream(connection: Connection, settings: TableSettings, job: Job, *, selected: bool) -> DiscoveredStream:
    try:
        table = reflect(connection, settings)
    except NoSuchTableError:
        return unusable_stream(settings.full_name, "there is no such table", selected=selected)
    except ConnectorError as fault:
        return unusable_stream(settings.full_name, str(fault), selected=selected)
    chosen = settings.columns or {column.name: column.name for column in table.columns}
    declared = job.schema.object_type(settings.object_type)
    key = declared.primary_key if declared is not None else _key(settings, table, chosen)
    if not key and declared is None:
        why = "it has no primary key, so its rows cannot be told apart; name its key"
        return unusable_stream(settings.full_name, why, selected=selected)
    fields, notes = [], []
    for column_name, name in chosen.items():
        field = _field(name, table.columns[column_name], in_key=name in key, dialect=connection.dialect.name)
        if field is None:
            notes.append(f"{column_name!r} is left out: its type is none that is known here")
        else:
            fields.append(field)
    kind = ObjectType(settings.object_type, job.scope, tuple(fields), key)
    return stream_of(settings.full_name, kind, selected=selected, notes=notes)


def _key(settings: TableSettings, table: Table, chosen: Mapping[str, str]) -> tuple[str, ...]:
    """The fields that the columns of the key become; none if one of them becomes none."""
    columns = settings.key or tuple(column.name for column in table.primary_key)
    return tuple(chosen[name] for name in columns) if all(name in chosen for name in columns) else ()


def _field(name: str, column: Column[Any], *, in_key: bool, dialect: str) -> Field | None:
    declared = column.info.get(DECLARED, column.type)
    found = next((ours for theirs, ours in _TYPES if isinstance(declared, theirs)), None)
    if found is None:
        # A column of SQLite needs no type, and holds whatever it is given.
        return Field(name, FieldType.STRING) if dialect == _SQLITE else None
    if in_key and found is FieldType.NUMBER:
        found = FieldType.STRING  # as text, a double can be a part of a key
    # SQLite holds no text to its length.
    is_limited = isinstance(declared, types.String) and not isinstance(declared, types.Enum) and dialect != _SQLITE
    length = declared.length if is_limited and isinstance(declared, types.String) else None
    return Field(name, found, max_length=length if length and 0 < length <= RECORD_BYTES_MAX else 0)
