"""The tables and views of the object types.

`syncline_base_<type>` has the columns `_key`, `_bucket`, `_revision`, `_load` and `_data` (the record as canonical
JSON) and a virtual column for each field. The view `<type>` shows `_key`, `_bucket`, `_revision` and the fields. Names
of fields do not start with `_`, so none of them can meet a column of ours; a row's id goes by `_rowid_`, since a field
may be called `rowid`. Names that differ only in case are one name to SQLite; schemas have none such.

A table that was never filled is *loading*: it has neither index nor virtual columns nor view, and rows are appended
to it as they come, several of the same key if they come so. `publish` makes it an ordinary table. Building the index
once, at the end, takes a third of the time; virtual columns would be computed for every row inserted.

A published type also has `syncline_local_<type>`, its overlay (see overlay.py): what the app is to see in place of base
rows, without data where that is nothing. While it has no rows, the view is one of the base alone, otherwise of both:
SQLite then takes twice as long over aggregates, and cannot count rows without reading them. Whoever reads sees no other
difference. `remake_view` changes from one to the other.
"""

# ruff: noqa: S608 - names are quoted, values are bound

from __future__ import annotations

import json
import sqlite3

from syncline.data.schema import Field, FieldType, ObjectType, Schema
from syncline.data.schema_document import from_document

CURRENT_LOADS = """(SELECT load_no FROM syncline_load WHERE store_epoch =
    (SELECT value FROM syncline_meta WHERE name = 'store_epoch'))"""
"""Loads of the server's present history. A row of any other is older than anything that comes."""

_COLUMN_TYPES = {
    FieldType.STRING: "TEXT",
    FieldType.INTEGER: "INTEGER",
    FieldType.NUMBER: "REAL",
    FieldType.DECIMAL: "TEXT",
    FieldType.BOOLEAN: "INTEGER",
    FieldType.DATE: "TEXT",
    FieldType.TIMESTAMP: "TEXT",
    FieldType.JSON: "TEXT",
}

_WIDER_COLUMN = ("INTEGER", "REAL")
"""From and to: such a column goes on to be used."""

_BASE_PREFIX = "syncline_base_"


def quote(name: str) -> str:
    """The name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """The text as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def base_table(object_type: str) -> str:
    """The quoted name of the type's table."""
    return quote(_BASE_PREFIX + object_type)


def local_table(object_type: str) -> str:
    """The quoted name of the type's overlay."""
    return quote(f"syncline_local_{object_type}")


def key_index(object_type: str) -> str:
    """The name of the unique index on the key."""
    return f"syncline_key_{object_type}"


def object_types_in(connection: sqlite3.Connection) -> list[str]:
    """The object types that the file has tables of, also those that the schema has no more."""
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return [name.removeprefix(_BASE_PREFIX) for (name,) in rows if name.startswith(_BASE_PREFIX)]


def loading_types(connection: sqlite3.Connection, schema: Schema) -> set[str]:
    """Types whose tables are not published yet. The index on the key tells: it is made when they are."""
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'")
    indexes = {name for (name,) in rows}
    return {kind.name for kind in schema.object_types if key_index(kind.name) not in indexes}


def is_published(connection: sqlite3.Connection, object_type: str) -> bool:
    """Was the type at a checkpoint once, so that it has a view? As `loading_types`, but quick for one of them."""
    return connection.execute(f"PRAGMA index_info({quote(key_index(object_type))})").fetchone() is not None


def create_missing(connection: sqlite3.Connection, schema: Schema) -> None:
    """Bring the tables up to the schema: new types get a loading table, published ones their new and wider fields.

    No row is rewritten, unless a field of another history of the server is of another type now. To be called inside a
    transaction.
    """
    loading = loading_types(connection, schema)
    for kind in schema.object_types:
        _create_base(connection, kind)
        if kind.name not in loading:
            _drop_other_columns(connection, kind)
            _show_fields(connection, kind)


def publish(connection: sqlite3.Connection, kind: ObjectType) -> int:
    """Make a loading table an ordinary one and show it to readers. How many superseded rows were dropped.

    To be called inside a transaction.
    """
    dropped = 0
    try:
        _create_key_index(connection, kind)
    except sqlite3.IntegrityError:
        dropped = _drop_superseded(connection, kind.name)
        _create_key_index(connection, kind)
    _show_fields(connection, kind)
    return dropped


def _create_base(connection: sqlite3.Connection, kind: ObjectType) -> None:
    connection.execute(
        f"""CREATE TABLE IF NOT EXISTS {base_table(kind.name)} (
            _key TEXT NOT NULL,
            _bucket TEXT NOT NULL,
            _revision INTEGER NOT NULL,
            _load INTEGER NOT NULL,
            _data TEXT NOT NULL CHECK (json_valid(_data) AND _data GLOB '{{*')
        )"""
    )


def _create_local(connection: sqlite3.Connection, kind: ObjectType) -> None:
    connection.execute(
        f"""CREATE TABLE IF NOT EXISTS {local_table(kind.name)} (
            _key TEXT NOT NULL PRIMARY KEY,
            _bucket TEXT NOT NULL,
            _revision INTEGER NOT NULL,
            _data TEXT CHECK (_data IS NULL OR json_valid(_data) AND _data GLOB '{{*')
        )"""
    )


def _create_key_index(connection: sqlite3.Connection, kind: ObjectType) -> None:
    connection.execute(f"CREATE UNIQUE INDEX {quote(key_index(kind.name))} ON {base_table(kind.name)} (_key)")


def _drop_superseded(connection: sqlite3.Connection, object_type: str) -> int:
    """Of rows with the same key keep the newest: of this history, of the highest revision, the last to arrive."""
    base = base_table(object_type)
    return connection.execute(
        f"""DELETE FROM {base} WHERE _rowid_ IN (SELECT row FROM (
            SELECT _rowid_ AS row, row_number() OVER (
                PARTITION BY _key ORDER BY _load IN {CURRENT_LOADS} DESC, _revision DESC, _rowid_ DESC
            ) AS place FROM {base}
        ) WHERE place > 1)"""
    ).rowcount


def has_overlay(connection: sqlite3.Connection, object_type: str) -> bool:
    """Does anything lie over the type's base?"""
    return connection.execute(f"SELECT 1 FROM {local_table(object_type)} LIMIT 1").fetchone() is not None


def remake_view(connection: sqlite3.Connection, object_type: str) -> None:
    """Make the view anew after the overlay got its first row or lost its last. Inside a transaction."""
    row = connection.execute("SELECT value FROM syncline_meta WHERE name = 'schema'").fetchone()
    kind = from_document(json.loads(row[0])).object_type(object_type) if row is not None else None
    if kind is not None:  # a type that the schema has no more keeps the view that it has
        _make_view(connection, kind)


def shown_fields(kind: ObjectType) -> list[str]:
    """The columns of the fields, for a SELECT from something that has the record in a column `_data`."""
    return [f"CAST({_value(field)} AS {_COLUMN_TYPES[field.type]}) AS {quote(field.name)}" for field in kind.fields]


def _show_fields(connection: sqlite3.Connection, kind: ObjectType) -> None:
    """Add the virtual columns that are missing, and make the view anew if it is not there or is to show other ones."""
    _create_local(connection, kind)
    _add_columns(connection, local_table(kind.name), kind)
    _add_columns(connection, base_table(kind.name), kind)
    view = connection.execute("SELECT sql FROM sqlite_master WHERE type = 'view' AND name = ?", (kind.name,)).fetchone()
    if view is None or view[0] != _view(connection, kind):
        _make_view(connection, kind)


def _drop_other_columns(connection: sqlite3.Connection, kind: ObjectType) -> None:
    """Make the tables anew, without virtual columns, if one of these was made for another type and cannot be shown.

    A server of one history allows no such change. SQLite would change the values themselves, and in an index, too: of
    the text "007" a column of integers makes 7. It drops no column while a view of the application's needs ours.
    """
    (made,) = connection.execute(
        "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (_BASE_PREFIX + kind.name,)
    ).fetchone()
    present = _column_types(connection, base_table(kind.name))
    if all(
        field.name not in present
        or _virtual_column(field) in made
        or (present[field.name], _COLUMN_TYPES[field.type]) == _WIDER_COLUMN
        for field in kind.fields
    ):
        return
    connection.execute(f"DROP VIEW IF EXISTS {quote(kind.name)}")
    for table, columns, create in (
        (base_table(kind.name), "_key, _bucket, _revision, _load, _data", _create_base),
        (local_table(kind.name), "_key, _bucket, _revision, _data", _create_local),
    ):
        # Renaming a table instead would look at all views of the application.
        connection.execute(f"CREATE TABLE syncline_kept AS SELECT {columns} FROM {table}")
        connection.execute(f"DROP TABLE {table}")
        create(connection, kind)
        connection.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM syncline_kept")
        connection.execute("DROP TABLE syncline_kept")
    _create_key_index(connection, kind)


def _add_columns(connection: sqlite3.Connection, table: str, kind: ObjectType) -> None:
    """Add a virtual column for each field that has none."""
    present = _column_types(connection, table)
    for field in kind.fields:
        if field.name not in present:
            connection.execute(f"ALTER TABLE {table} ADD COLUMN {_virtual_column(field)}")


def _column_types(connection: sqlite3.Connection, table: str) -> dict[str, str]:
    return {row[1]: row[2] for row in connection.execute(f"PRAGMA table_xinfo({table})")}


def _make_view(connection: sqlite3.Connection, kind: ObjectType) -> None:
    connection.execute(f"DROP VIEW IF EXISTS {quote(kind.name)}")
    connection.execute(_view(connection, kind))


def _view(connection: sqlite3.Connection, kind: ObjectType) -> str:
    """The statement that makes the type's view, as the tables are now."""
    base, local = base_table(kind.name), local_table(kind.name)
    if has_overlay(connection, kind.name):
        # The two sides are brought together before fields are taken from the data: SQLite would compute every field
        # of every row for an aggregate otherwise.
        fields = shown_fields(kind)
        source = f"""(
            SELECT _key, _bucket, _revision, _data FROM {base} WHERE _key NOT IN (SELECT _key FROM {local})
            UNION ALL SELECT _key, _bucket, _revision, _data FROM {local} WHERE _data IS NOT NULL)"""
    else:
        types = _column_types(connection, base)
        fields = [_shown_column(field, types[field.name]) for field in kind.fields]
        source = base
    columns = ", ".join(["_key", "_bucket", "_revision", *fields])
    return f"CREATE VIEW {quote(kind.name)} AS SELECT {columns} FROM {source}"


def _shown_column(field: Field, column_type: str) -> str:
    """A field's column, for the view, as the type that the field has now.

    The column itself keeps the type that it was made with: SQLite drops none while a view of the application's needs
    ours. Only whole numbers have another type than their column, any number, and a column of integers holds fractions.
    """
    name, wanted = quote(field.name), _COLUMN_TYPES[field.type]
    return name if column_type == wanted else f"CAST({name} AS {wanted}) AS {name}"


def _virtual_column(field: Field) -> str:
    return f"{quote(field.name)} {_COLUMN_TYPES[field.type]} GENERATED ALWAYS AS ({_value(field)}) VIRTUAL"


def _value(field: Field) -> str:
    path = literal(f'$."{field.name}"')
    # `->` gives the JSON text of any value, json_extract the value of a scalar.
    return f"_data -> {path}" if field.type is FieldType.JSON else f"json_extract(_data, {path})"
