"""The databases go through their indexes as they were meant to: what a page costs does not grow with the feed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

from syncline.data.schema import Field, FieldType, ObjectType, Schema
from syncline.storage.models import RecordWrite
from syncline.storage.sql import departing, feeds, writing
from syncline.storage.sql.json_rows import as_json_keys, as_json_rows
from syncline.storage.sql.opening import open_database
from syncline.storage.sql.store import SqlStore

ROWS = 20_000
KEYS = as_json_keys(f"{place * 7919 % 1_000_003}" for place in range(0, ROWS, ROWS // 500))
RANGE = {"of_scope": "s", "of_bucket": "", "of_above": 5, "of_through": ROWS, "of_gone_above": 5, "of_start": 0}


@pytest.fixture
def connection(store_url: str) -> Iterator[Connection]:
    """A feed with many records and no departure, at its worst for the planner: it knows nothing, or all of it."""
    store = SqlStore(open_database(store_url, durable=False), max_rejections=5)
    store.create_account("a")
    kind = ObjectType("note", "s", (Field("text", FieldType.STRING),))
    store.write_schema("a", Schema(object_types=(kind,)), expected_version=0)
    for start in range(0, ROWS, 5000):
        keys = (f"{place * 7919 % 1_000_003}" for place in range(start, start + 5000))
        store.write_records("a", [RecordWrite("note", key, b"f" * 100, b"h", modified_at=1) for key in keys])
    with store._database._writer.connect() as connection:
        yield connection
    store.close()


def _plan(connection: Connection, statement: ClauseElement, values: Mapping[str, object]) -> str:
    """How the database would run the statement, one step a line."""
    engine = connection.engine
    compiled = statement.compile(dialect=engine.dialect)
    assert isinstance(compiled, SQLCompiler)
    parameters = {**compiled.params, "of_account": "a", **values}
    values_given = tuple(parameters[name] for name in compiled.positiontup) if compiled.positiontup else parameters
    explain = "EXPLAIN QUERY PLAN" if engine.dialect.name == "sqlite" else "EXPLAIN (COSTS OFF)"
    rows = connection.exec_driver_sql(f"{explain} {compiled}", values_given)
    return "\n".join(str(row[-1]) for row in rows)


@pytest.mark.parametrize("analyzed", [False, True])
def test_a_page_is_read_off_the_index(connection: Connection, analyzed: bool) -> None:
    if analyzed:
        connection.execute(text("ANALYZE"))
    plan = _plan(connection, feeds._RECORDS, {**RANGE, "limit": 1000})
    assert "record_feed_idx" in plan
    assert not re.search(r"\bSort\b|TEMP B-TREE|Seq Scan", plan)


@pytest.mark.parametrize("analyzed", [False, True])
def test_whether_there_is_anything_new_is_a_look_at_the_index(connection: Connection, analyzed: bool) -> None:
    if analyzed:
        connection.execute(text("ANALYZE"))
    ranges = as_json_rows([("s", "", 5, ROWS, 5)])
    plan = _plan(connection, feeds._FIRST_UNREAD, {"ranges": ranges})
    assert "record_feed_idx" in plan
    assert not re.search(r"Seq Scan on record|SCAN record", plan)


@pytest.mark.parametrize("analyzed", [False, True])
def test_the_rows_of_a_batch_are_looked_up_by_key(connection: Connection, analyzed: bool) -> None:
    if analyzed:
        connection.execute(text("ANALYZE"))
    plan = _plan(connection, writing._CURRENT, {"of_type": "note", "keys": KEYS})
    assert re.search(
        r"record_pkey|sqlite_autoindex_record_1 \(account_id=\? AND object_type=\? AND record_key=\?\)", plan
    )


def test_departures_are_looked_up_by_key(connection: Connection) -> None:
    values = {"of_type": "note", "keys": KEYS, "of_scope": "s", "of_bucket": ""}
    plan = _plan(connection, departing._FORGET, values)
    assert "departure" in plan
    assert not re.search(r"SCAN departure", plan)
