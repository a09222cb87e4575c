"""The connector `sql` beyond what every connector must do: types, cursors, errors, writing."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine, select

from syncline.data.fields import check_record
from syncline.data.schema import Field, FieldType, ObjectType, Relationship, Schema
from syncline.server.requests.connectors.contract import BadRow, ConnectorError, Incoming, Job, Outgoing
from syncline.server.requests.connectors.sql import SqlConnector
from syncline.server.requests.connectors.sql.writing import upsert_one_by_one
from tests.connectors.conformance import NOTES, SCHEMA, notes_of
from tests.connectors.sql_sources import SQL, PostgresNotes, SqliteNotes
from tests.harness.postgres import PostgresServer

Notes = SqliteNotes | PostgresNotes
THINGS = ObjectType(
    "things",
    "main",
    (
        *(Field(kind.value, kind) for kind in FieldType),
        Field("id", FieldType.STRING, required=True),
        Field("raw", FieldType.STRING),
        Field("hour", FieldType.STRING),
    ),
    primary_key=("id",),
)
_COLUMNS = {"s": "string", "i": "integer", "n": "number", "d": "decimal", "b": "boolean", "day": "date"}
_MORE_COLUMNS = {"id": "id", "at": "timestamp", "j": "json", "raw": "raw", "hour": "hour"}
THINGS_TABLE = {"table": "things", "key": ["id"], "columns": _COLUMNS | _MORE_COLUMNS}
DATA: dict[str, Any] = {
    "id": "5f0c4a4e-6d3b-4d3c-9a53-0d6f7f0a6f11", "string": "Ærø", "integer": 2**40, "number": 0.5, "decimal": "12.50",
    "boolean": True, "date": "2024-02-29", "timestamp": "2024-02-29T11:30:00.250000Z", "json": {"a": [1, None]},
    "raw": "AP8=", "hour": "11:30:00",
}  # fmt: skip


def job_of(source: Notes, tables: Mapping[str, Any], schema: Schema, *, full: bool = True, cursor: str = "") -> Job:
    settings = {**source.settings, "tables": tables}
    return replace(source.job(full=full, cursor=cursor), settings=settings, schema=schema)


def bad_rows(batches: Sequence[Incoming]) -> list[BadRow]:
    return [bad for batch in batches for bad in batch.bad_rows]


def make_things(source: Notes) -> None:
    types = {"uuid": "uuid", "timestamptz": "timestamptz", "bytea": "bytea", "jsonb": "jsonb"}
    if isinstance(source, SqliteNotes):
        types = {"uuid": "text", "timestamptz": "timestamp", "bytea": "blob", "jsonb": "text"}
    source.run(
        f"CREATE TABLE things (id {types['uuid']} PRIMARY KEY, s text, i bigint, n double precision, d decimal(10, 2),"
        f" b boolean, day date, at {types['timestamptz']}, j {types['jsonb']}, raw {types['bytea']}, hour time)"
    )


def test_each_type_comes_as_canonical_data_from_postgres(postgres_notes: PostgresNotes) -> None:
    make_things(postgres_notes)
    postgres_notes.run(
        f"INSERT INTO things VALUES ('{DATA['id']}', 'Ærø', {2**40}, 0.5, 12.50, true, '2024-02-29',"
        """ '2024-02-29 12:30:00.25+01', '{"a": [1, null]}', '\\x00ff', '11:30')"""
    )
    [batch, _] = SQL.read(job_of(postgres_notes, {"things": THINGS_TABLE}, Schema(1, (THINGS,))))
    assert not batch.bad_rows
    [row] = batch.rows
    assert (row.data, row.source_key) == (DATA, DATA["id"])


def test_each_type_comes_as_canonical_data_from_sqlite(sqlite_notes: SqliteNotes) -> None:
    make_things(sqlite_notes)
    sqlite_notes.run(
        f"INSERT INTO things VALUES ('{DATA['id']}', 'Ærø', {2**40}, 0.5, 12.5, 1, '2024-02-29',"
        """ '2024-02-29 11:30:00.25', '{"a": [1, null]}', x'00ff', '11:30:00')"""
    )
    [batch, _] = SQL.read(job_of(sqlite_notes, {"things": THINGS_TABLE}, Schema(1, (THINGS,))))
    [row] = batch.rows
    assert row.data == {**DATA, "decimal": "12.5"}


def test_what_is_written_is_read_again(sql_notes: Notes) -> None:
    make_things(sql_notes)
    job = job_of(sql_notes, {"things": THINGS_TABLE}, Schema(1, (THINGS,)))
    assert list(SQL.write(job, iter([Outgoing("things", DATA["id"], DATA, 1)]))) == [1]
    [batch, _] = SQL.read(job)
    decimal = "12.5" if isinstance(sql_notes, SqliteNotes) else "12.50"  # a number is all that SQLite keeps
    assert batch.rows[0].data == {**DATA, "decimal": decimal}
    only_id = Outgoing("things", DATA["id"], {"id": DATA["id"]}, 2)
    assert list(SQL.write(job, iter([only_id]))) == [2]
    [batch, _] = SQL.read(job)
    assert batch.rows[0].data == {"id": DATA["id"]}, "an absent field is NULL"


@pytest.mark.parametrize(
    ("column", "value", "field", "shown"),
    [
        ("i", "'many'", "integer", "many"),
        ("b", "7", "boolean", "7"),
        ("day", "'tomorrow'", "date", "tomorrow"),
        ("at", "'soon'", "timestamp", "soon"),
        ("j", "'{'", "json", "{"),
        ("d", "x'00'", "decimal", "AA=="),
    ],
)
def test_what_does_not_fit_is_a_bad_row(
    sqlite_notes: SqliteNotes, column: str, value: str, field: str, shown: str
) -> None:
    make_things(sqlite_notes)
    sqlite_notes.run(f"INSERT INTO things (id, {column}) VALUES ('a', {value}), ('b', NULL)")
    batches = list(SQL.read(job_of(sqlite_notes, {"things": THINGS_TABLE}, Schema(1, (THINGS,)))))
    [bad] = bad_rows(batches)
    assert (bad.source_key, bad.field, bad.value) == ("a", field, shown)
    assert bad.reason.startswith(f"column {column}: must be ")
    assert [row.source_key for batch in batches for row in batch.rows] == ["b"]


def test_a_date_that_python_lacks_costs_its_row_only(postgres_notes: PostgresNotes) -> None:
    make_things(postgres_notes)
    postgres_notes.run(
        "INSERT INTO things (id, day, at) VALUES (gen_random_uuid(), 'infinity', NULL),"
        f" (gen_random_uuid(), NULL, '11111-01-01'), ('{DATA['id']}', NULL, NULL)"
    )
    batches = list(SQL.read(job_of(postgres_notes, {"things": THINGS_TABLE}, Schema(1, (THINGS,)))))
    assert {(bad.field, bad.value[:8]) for bad in bad_rows(batches)} == {
        ("date", "infinity"),
        ("timestamp", "11111-01"),
    }
    assert len(batches[0].rows) == 1


def test_rows_without_a_key_are_told_of(sqlite_notes: SqliteNotes) -> None:
    sqlite_notes.run("CREATE TABLE loose (id integer, text text)")
    sqlite_notes.run("INSERT INTO loose VALUES (NULL, 'a'), (2, 'b'), (NULL, 'c')")
    table = {"table": "loose", "key": ["id"]}
    batches = list(SQL.read(job_of(sqlite_notes, {"notes": table}, SCHEMA)))
    assert [bad.reason for bad in bad_rows(batches)] == ["the key cannot be used: a key column is NULL"] * 2
    assert notes_of(batches) == {2: "b"}


@pytest.mark.parametrize(
    ("column_type", "values"),
    [
        ("bigint", ["1", "2", "2", "3"]),
        ("text", ["'a'", "'b'", "'b'", "'c'"]),
        ("date", ["'2024-01-01'", "'2024-01-02'", "'2024-01-02'", "'2024-01-03'"]),
        ("timestamp", [f"'2024-01-{day}'" for day in ("01 00:00:00", "02 12:30:00.5", "02 12:30:00.5", "03 00:00:00")]),
        ("numeric(30, 10)", ["0.1", "0.2", "0.2", "0.3"]),
    ],
)  # fmt: skip
def test_a_delta_goes_on_at_the_cursor_column_with_its_ties(
    sql_notes: Notes, column_type: str, values: list[str]
) -> None:
    sql_notes.run(f"CREATE TABLE changing (a integer, b varchar(9), c {column_type}, text text, PRIMARY KEY (a, b))")
    kind = replace(
        NOTES,
        fields=(Field("a", FieldType.INTEGER), Field("b", FieldType.STRING), NOTES.fields[1]),
        primary_key=("a", "b"),
    )
    table = {"table": "changing", "key": ["a", "b"], "cursor": "c"}
    settings = {**sql_notes.settings, "batch_rows": 1, "tables": {"notes": table}}

    def read(cursor: str) -> list[Incoming]:
        return list(SQL.read(replace(job, full=False, cursor=cursor)))

    def names(batches: Sequence[Incoming]) -> list[str]:
        return [row.data["b"] for batch in batches for row in batch.rows]

    job = replace(sql_notes.job(), settings=settings, schema=Schema(1, (kind,)))
    sql_notes.run(f"INSERT INTO changing (a, b, c) VALUES (1, 'one', {values[0]}), (1, 'two', {values[1]})")
    first = read("")
    assert names(first) == ["one", "two"]
    sql_notes.run(
        f"INSERT INTO changing (a, b, c) VALUES (0, 'tie', {values[2]}), (0, 'new', {values[3]}), (0, 'null', NULL)"
    )
    second = read(first[-1].cursor)
    assert names(second) == ["tie", "two", "new"], "by cursor, then by key; the tie comes again"
    for index in range(len(second)):
        rest = read(second[index].cursor)
        # The last cursor begins the next delta; those before go on within this one.
        assert names(rest) == (["new"] if index == len(second) - 1 else names(second[index + 1 :]))
    assert json.loads(first[-1].cursor).keys() == {"marks"}


def test_rows_that_change_while_a_table_is_read_come_with_the_next_delta(sql_notes: Notes) -> None:
    sql_notes.put(dict.fromkeys(range(1, 1_001), "old"))
    reading = SQL.read(sql_notes.job())
    got = [next(reading)]
    if isinstance(sql_notes, PostgresNotes):  # a reader of this SQLite file keeps the writer waiting
        sql_notes.put({1: "changed", 999: "changed"})
    got.extend(reading)
    assert notes_of(got) == dict.fromkeys(range(1, 1_001), "old"), "one moment"
    sql_notes.put({1: "changed", 999: "changed"})
    delta = list(SQL.read(sql_notes.job(full=False, cursor=got[-1].cursor)))
    assert {1: "changed", 999: "changed"}.items() <= notes_of(delta).items()


def test_a_table_with_another_cursor_column_is_read_anew(sqlite_notes: SqliteNotes) -> None:
    sqlite_notes.put({1: "a", 2: "b"})
    cursor = list(SQL.read(sqlite_notes.job()))[-1].cursor
    table = {"table": "notes", "key": ["id"], "cursor": "id"}
    batches = list(SQL.read(job_of(sqlite_notes, {"notes": table}, SCHEMA, full=False, cursor=cursor)))
    assert notes_of(batches) == {1: "a", 2: "b"}


def test_parents_come_before_their_children(sqlite_notes: SqliteNotes) -> None:
    lines = ObjectType("lines", "notes", (Field("id", FieldType.INTEGER), Field("note", FieldType.INTEGER)), ("id",),
        (Relationship("note", ("note",), "notes"),))  # fmt: skip
    sqlite_notes.run("CREATE TABLE lines (id integer PRIMARY KEY, note integer)")
    sqlite_notes.run("INSERT INTO lines VALUES (1, 1)")
    sqlite_notes.put({1: "a"})
    tables = {"lines": {"table": "main.lines", "key": ["id"]}, "notes": {"table": "notes", "key": ["id"]}}
    batches = list(SQL.read(job_of(sqlite_notes, tables, Schema(1, (lines, NOTES)))))
    assert [row.object_type for batch in batches for row in batch.rows] == ["notes", "lines"]
    assert batches[0].estimate == 2


def test_names_are_quoted(sql_notes: Notes) -> None:
    name, column = 'no"tes; DROP TABLE notes--', "te'x%t (1):a"
    quoted = [text.replace('"', '""') for text in (name, column)]
    sql_notes.run(f'CREATE TABLE "{quoted[0]}" (id integer PRIMARY KEY, "{quoted[1]}" text)')
    table = {"table": name, "key": ["id"], "columns": {"id": "id", column: "text"}}
    job = job_of(sql_notes, {"notes": table}, SCHEMA)
    list(SQL.write(job, iter([Outgoing("notes", "[1]", {"id": 1, "text": "x"}, 1)])))
    assert notes_of(list(SQL.read(job))) == {1: "x"}
    list(SQL.write(job, iter([Outgoing("notes", "[1]", None, 2)])))
    assert notes_of(list(SQL.read(job))) == {}


def test_all_wrong_settings_are_named() -> None:
    tables = {
        "a": {"table": "", "key": []},
        "b": {"table": "t", "key": ["k", "k"], "cursor": 1, "where": "1=1"},
        "c": 3,
        "d": {"table": "t", "key": ["k"], "columns": {"x": "f", "y": "f"}},
    }
    settings = {"url": "postgresql://me:pass@host/db", "tables": tables, "batch_rows": 1_001, "other": 1}
    with pytest.raises(ConnectorError) as refused:
        SQL.check_settings(settings, {"token": "x"})
    named = [part.partition(":")[0].removeprefix("tables.") for part in str(refused.value).split("; ")]
    assert named == [
        *("other", "the secret token", "url", "a.table", "a.key", "b.where", "b.key", "b.cursor"),
        *("c", "c.table", "c.key", "d.columns", "batch_rows"),
    ]
    for url in ("nothing", "nosuch://host/db", "postgresql+nodriver://host/db", "postgresql+asyncpg://host/db", 5):
        with pytest.raises(ConnectorError, match=r"^url: "):
            SQL.check_settings({"url": url, "tables": {"a": {"table": "t", "key": ["k"]}}}, {})


def test_what_is_missing_is_named_for_good(sql_notes: Notes) -> None:
    tables = {
        "notes": {"table": "notes", "key": ["id"]},
        "gone": {"table": "gone", "key": ["id"]},
        "lines": {"table": "notes", "key": ["number"], "cursor": "id"},
    }
    with pytest.raises(ConnectorError) as missing:
        SQL.check(job_of(sql_notes, tables, SCHEMA))
    said = "1 of 3 tables are there; there is no table gone; the table notes has no column number"
    assert (str(missing.value), missing.value.for_good) == (said, True)
    needy = replace(NOTES, name="needy", fields=(*NOTES.fields, Field("x", FieldType.DATE, required=True)))
    schema = Schema(1, (NOTES, replace(NOTES, name="gone"), needy))
    for name, said in (("gone", "no table gone"), ("other", "no object type other"), ("needy", "for the required x")):
        table = {"table": name if name == "gone" else "notes", "key": ["id"]}
        with pytest.raises(ConnectorError, match=said) as fault:
            list(SQL.read(job_of(sql_notes, {name: table}, schema)))
        assert fault.value.for_good


def test_a_database_out_of_reach_passes_and_one_that_is_not_there_does_not(postgres_notes: PostgresNotes) -> None:
    url = str(postgres_notes.settings["url"])
    for other, for_good in (
        ("postgresql://syncline@127.0.0.1:1/none", False),
        (f"{url}x", True),
        (url.replace("syncline@", "nobody@"), True),
    ):
        job = replace(postgres_notes.job(), settings={**postgres_notes.settings, "url": other})
        with pytest.raises(ConnectorError) as fault:
            SQL.check(job)
        assert fault.value.for_good is for_good, str(fault.value)


def test_a_wrong_password_is_for_good(postgres_notes: PostgresNotes, postgres_server: PostgresServer) -> None:
    url = str(postgres_notes.settings["url"])
    with psycopg.connect(url, autocommit=True) as database:
        [hba_file] = database.execute("SELECT current_setting('hba_file')").fetchone() or ()
        rules = "VALUES ('host all guarded 127.0.0.1/32 scram-sha-256'), ('host all all 127.0.0.1/32 trust')"
        database.execute(sql.SQL("COPY (" + rules + ") TO {}").format(sql.Literal(hba_file)))
        database.execute(
            "DO $$ BEGIN CREATE ROLE guarded LOGIN PASSWORD 'right'; EXCEPTION WHEN duplicate_object THEN END $$"
        )
        database.execute("GRANT ALL ON notes TO guarded")
        database.execute("SELECT pg_reload_conf()")
    settings = {**postgres_notes.settings, "url": url.replace("syncline@", "guarded@")}
    job = replace(postgres_notes.job(), settings=settings, secrets={"password": "wr/ong@"})
    fault: ConnectorError | None = None
    while fault is None:  # the server reads the rules a moment later
        try:
            SQL.check(job)
        except ConnectorError as error:
            fault = error
    assert fault.for_good
    assert "password authentication failed" in str(fault)
    assert SQL.check(replace(job, secrets={"password": "right"})) == "1 of 1 tables are there"
    whole = settings["url"].replace("guarded@", "guarded:right@")
    assert SQL.check(replace(job, settings={"tables": settings["tables"]}, secrets={"url": whole}))


def test_a_statement_that_waits_is_cancelled(postgres_notes: PostgresNotes) -> None:
    postgres_notes.put({1: "a"})
    stop = threading.Event()
    with psycopg.connect(str(postgres_notes.settings["url"])) as rival:
        rival.execute("LOCK TABLE notes IN ACCESS EXCLUSIVE MODE")
        waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"

        def stop_it() -> None:
            while not postgres_notes.run(waiting):
                pass
            stop.set()

        watcher = threading.Thread(target=stop_it)
        watcher.start()
        with pytest.raises(ConnectorError) as ended:
            list(SQL.read(postgres_notes.job(stopped=stop.is_set)))
        watcher.join()
    assert not ended.value.for_good


def test_a_cursor_of_something_else_is_refused(sqlite_notes: SqliteNotes) -> None:
    run = {"done": [], "table": "notes", "key": [1, 2], "cursor": None, "mark": None}
    for cursor in ("{}", "x", "[]", json.dumps({"marks": {}, "run": run})):
        with pytest.raises(ConnectorError) as refused:
            list(SQL.read(sqlite_notes.job(cursor=cursor)))
        assert refused.value.for_good


def test_a_sqlite_file_is_neither_made_nor_changed_by_reading(tmp_path: Path) -> None:
    path = tmp_path / "none.db"
    settings = {"url": f"sqlite:///{path}", "tables": {"notes": {"table": "notes", "key": ["id"]}}}
    with pytest.raises(ConnectorError, match="unable to open"):
        list(SQL.read(Job(settings, {}, SCHEMA, full=True, cursor="")))
    assert not path.exists()


def test_g9_only_sqlite_files_that_the_server_allows_are_opened(sqlite_notes: SqliteNotes, tmp_path: Path) -> None:
    (tmp_path / "allowed").mkdir()
    (tmp_path / "allowed" / "link.db").symlink_to(tmp_path / "notes.db")
    for roots in ([], [tmp_path / "allowed"]):
        for name in ("notes.db", "allowed/../notes.db", "allowed/link.db"):
            job = replace(sqlite_notes.job(), settings={**sqlite_notes.settings, "url": f"sqlite:///{tmp_path / name}"})
            with pytest.raises(ConnectorError, match="file_roots") as refused:
                SqlConnector(lambda roots=roots: roots).check(job)  # type: ignore[misc]
            assert refused.value.for_good
    assert SqlConnector(lambda: [tmp_path]).check(sqlite_notes.job())


def test_what_cannot_be_written_says_why(sql_notes: Notes) -> None:
    sql_notes.run("CREATE TABLE strict (id integer PRIMARY KEY, text varchar(100) NOT NULL)")
    sql_notes.run("CREATE TABLE keyless (id integer, text varchar(100))")
    sql_notes.run("CREATE TABLE parts (text varchar(100) PRIMARY KEY, id integer)")
    record = Outgoing("notes", "[1]", {"id": 1}, 1)
    for name, key in (("strict", "id"), ("keyless", "id"), ("parts", "text")):
        with pytest.raises(ConnectorError) as refused:
            list(SQL.write(job_of(sql_notes, {"notes": {"table": name, "key": [key]}}, SCHEMA), iter([record])))
        assert refused.value.for_good, str(refused.value)
    assert "not the primary key of notes" in str(refused.value)


def test_one_transaction_takes_a_record_twice_and_others_types_not(sql_notes: Notes) -> None:
    records = [
        Outgoing("notes", "[1]", {"id": 1, "text": "a"}, 1),
        Outgoing("others", "1", {"id": 1}, 2),
        Outgoing("notes", "[1]", {"id": 1, "text": "b"}, 3),
        Outgoing("notes", "[1]", {"id": 1, "text": "c"}, 4),
        Outgoing("others", "2", {"id": 2}, 5),
    ]
    assert list(SQL.write(sql_notes.job(), iter(records))) == [5]
    assert sql_notes.notes() == {1: "c"}


def test_databases_without_an_upsert_of_their_own_are_looked_at_first() -> None:
    table = Table("notes", MetaData(), Column("id", Integer, primary_key=True), Column("text", String))
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        table.create(connection)
        for text in ("a", "b", "b"):
            upsert_one_by_one(connection, table, ["id"], [{"id": 1, "text": text}, {"id": 2, "text": None}])
        assert connection.execute(select(table).order_by(table.c.id)).all() == [(1, "b"), (2, None)]
    engine.dispose()


def test_what_postgres_has_can_be_read_as_it_was_found(postgres_notes: PostgresNotes) -> None:
    postgres_notes.run("CREATE TYPE mood AS ENUM ('good', 'bad')")
    postgres_notes.run(
        "CREATE TABLE samples (part uuid, no smallint, name char(3), price numeric(9, 2), size real, ok boolean,"
        " day date, at timestamptz, hour time, tags text[], more jsonb, photo bytea, mood mood, place inet,"
        " PRIMARY KEY (part, no))"
    )
    postgres_notes.run(
        "INSERT INTO samples VALUES (gen_random_uuid(), 1, 'abc', 1.5, 0.25, true, '2013-01-31', now(), '05:00',"
        """ '{a,b}', '{"a": [1]}', 'x', 'good', '10.0.0.1')"""
    )
    looking = job_of(postgres_notes, {}, Schema())
    notes, samples = SQL.discover(looking)
    assert (notes.name, samples.name, samples.selected) == ("notes", "samples", False)
    assert samples.object_type is not None
    assert samples.note == "'place' is left out: its type is none that is known here"
    assert [field.type.value for field in samples.object_type.fields] == [
        *("string", "integer", "string", "decimal", "number", "boolean", "date", "timestamp", "string"),
        *("json", "json", "string", "string"),
    ]
    reading = job_of(
        postgres_notes,
        {"samples": {"table": "samples", "key": ["part", "no"]}},
        Schema(1, (samples.object_type,)),
    )
    (row,) = (row for batch in SQL.read(reading) for row in batch.rows)
    check_record(samples.object_type, row.data)
    assert row.data.keys() == {field.name for field in samples.object_type.fields}
