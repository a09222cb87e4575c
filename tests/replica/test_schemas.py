"""Tables made from the schema, and how they grow."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from syncline.data.schema import Field, FieldType, ObjectType, Schema
from syncline.replica.adopting import adopt_store_epoch
from syncline.replica.local_database import LocalDatabase
from syncline.replica.resetting import reset
from tests.replica.building import ITEM, OTHER, Bench, Item, page, put, segment


def test_new_fields_show_without_rewriting_rows(bench: Bench) -> None:
    bench.apply(page(segment(Item("a", 1, {"name": "x", "color": "red"})), checkpoint=1))
    changed = bench.connection.total_changes
    grown = ObjectType("item", "main", (*ITEM.fields, Field("color", FieldType.STRING)))
    bench.use_schema(Schema(2, (grown, OTHER)))
    rows = bench.reader.query("SELECT * FROM item")
    assert [dict(row) for row in rows] == [
        {"_key": "a", "_bucket": "", "_revision": 1, "name": "x", "size": None, "color": "red"}
    ]
    # The schema itself and its version are all that was written.
    assert bench.connection.total_changes - changed == 2


def test_a_new_type_in_a_known_scope_appears_with_the_next_checkpoint(bench: Bench) -> None:
    bench.apply(page(segment(put("a", 1)), checkpoint=1))
    bench.use_schema(Schema(2, (ITEM, OTHER, ObjectType("third", "main", (Field("name", FieldType.STRING),)))))
    bench.start()
    bench.apply(page(segment(put("t", 2, object_type="third"), above=1), checkpoint=2))
    assert bench.names("third") == {"t": "t@2"}


def test_a_field_that_is_new_during_the_first_load_is_there_in_the_end(bench: Bench) -> None:
    bench.apply(page(segment(Item("a", 1, {"name": "x", "color": "red"}))))
    grown = ObjectType("item", "main", (*ITEM.fields, Field("color", FieldType.STRING)))
    bench.use_schema(Schema(2, (grown, OTHER)))
    bench.start()
    bench.apply(page(segment(put("b", 2), above=1), checkpoint=2))
    assert [row[0] for row in bench.reader.query("SELECT color FROM item ORDER BY _key")] == ["red", None]


def test_awkward_names_work(bench: Bench) -> None:
    names = ("key", "bucket", "revision", "data", "rowid", "order", "group", "a b", "a.b", "[0]", "$", "it's", "größe")
    kind = ObjectType("select", "main", tuple(Field(name, FieldType.STRING) for name in names))
    bench.use_schema(Schema(2, (ITEM, OTHER, kind)))
    bench.start()
    record = {name: f"value of {name}" for name in names}
    bench.apply(page(segment(Item("k", 1, record, "select")), checkpoint=1))
    bench.apply(page(segment(Item("k", 2, record, "select"), above=1), checkpoint=2))
    (row,) = bench.reader.query('SELECT * FROM "select"')
    assert dict(row) == {"_key": "k", "_bucket": "", "_revision": 2, **record}


def test_every_field_type_reads_as_plain_sql_values(bench: Bench) -> None:
    values = {
        FieldType.STRING: ("12", "12"),
        FieldType.INTEGER: (-(2**63), -(2**63)),
        FieldType.NUMBER: (0.1, 0.1),
        FieldType.DECIMAL: ("12.50", "12.50"),
        FieldType.BOOLEAN: (True, 1),
        FieldType.DATE: ("2013-01-01", "2013-01-01"),
        FieldType.TIMESTAMP: ("2013-01-01T05:00:00Z", "2013-01-01T05:00:00Z"),
        FieldType.JSON: ({"a": ["x"]}, '{"a":["x"]}'),
    }
    kind = ObjectType("sample", "main", tuple(Field(each.value, each) for each in values))
    bench.use_schema(Schema(2, (ITEM, OTHER, kind)))
    bench.start()
    record = {each.value: sent for each, (sent, _) in values.items()}
    bench.apply(page(segment(Item("k", 1, record, "sample")), checkpoint=1))
    (row,) = bench.reader.query("SELECT * FROM sample")
    assert {name: row[name] for name in record} == {each.value: read for each, (_, read) in values.items()}
    (row,) = bench.reader.query("SELECT json FROM sample")
    assert json.loads(row[0]) == {"a": ["x"]}


def test_a_join_of_two_views_uses_an_index(bench: Bench) -> None:
    """Fields are columns of the table, not expressions of the view: SQLite indexes them for a join by itself."""
    bench.apply(page(checkpoint=1, feeds=()))
    plan = bench.reader.query("EXPLAIN QUERY PLAN SELECT * FROM item JOIN other ON item.name = other.name")
    assert any("AUTOMATIC" in row["detail"] for row in plan)


def test_a_whole_number_that_became_any_number_shows_fractions_without_rewriting_rows(bench: Bench) -> None:
    """A view of the application's own, over ours, does not get in the way, and column types follow."""
    bench.apply(page(segment(Item("a", 1, {"name": "x", "size": 5})), checkpoint=1))
    bench.connection.execute("CREATE VIEW mine AS SELECT size FROM item ORDER BY _key")
    changed = bench.connection.total_changes
    wider = tuple(replace(each, type=FieldType.NUMBER) if each.name == "size" else each for each in ITEM.fields)
    for version in (2, 3):  # the second time there is nothing to do
        bench.use_schema(Schema(version, (replace(ITEM, fields=wider), OTHER)))
    assert bench.connection.total_changes - changed == 4, "two schemas, and their versions"
    bench.start()
    bench.apply(page(segment(Item("b", 2, {"name": "y", "size": 1.5}), above=1), checkpoint=2))
    assert [(row[0], type(row[0])) for row in bench.reader.query("SELECT size FROM mine")] == [(5, float), (1.5, float)]
    assert [row[0] for row in bench.reader.query("SELECT _key FROM item WHERE size > 1.2 AND size < 2")] == ["b"]


@pytest.mark.parametrize("overlaid", [False, True])
def test_a_field_of_another_type_in_a_new_history_shows_what_came(bench: Bench, path: Path, overlaid: bool) -> None:
    """A server that was set up anew may have any schema. A column that keeps its type would make 7 of "007"."""
    was = (FieldType.INTEGER, FieldType.STRING, FieldType.JSON, FieldType.NUMBER, FieldType.BOOLEAN)
    now = (FieldType.STRING, FieldType.JSON, FieldType.STRING, FieldType.INTEGER, FieldType.DECIMAL)
    old, new = ((Field(f"f{at}", each) for at, each in enumerate(types)) for types in (was, now))
    bench.use_schema(Schema(2, (ObjectType("item", "main", tuple(old)), OTHER)))
    bench.start()
    record = {"f0": 7, "f1": "x", "f2": {"a": 1}, "f3": 0.5, "f4": True}
    bench.apply(page(segment(Item("a", 1, record)), checkpoint=1))
    bench.connection.execute("CREATE VIEW mine AS SELECT * FROM item")
    adopt_store_epoch(bench.connection, "epoch 2")
    kind = ObjectType("item", "main", tuple(new))
    bench.use_schema(Schema(1, (kind, OTHER)))
    if overlaid:
        with closing(LocalDatabase(path)) as local, local.transaction() as writer:
            writer.create("item", {"f0": "1e5"}, key="mine")
    bench.start()
    record = {"f0": "007", "f1": {"x": 1}, "f2": "plain", "f3": 2**53 + 1, "f4": "1.50"}
    bench.apply(page(segment(Item("a", 1, record)), load="second", checkpoint=1))
    rows = bench.reader.query("SELECT f0, f1, f2, f3, f4 FROM mine ORDER BY _key")
    assert tuple(rows[0]) == ("007", '{"x":1}', "plain", 2**53 + 1, "1.50")
    assert [row[0] for row in rows] == ["007", *(["1e5"] if overlaid else [])]
    assert bench.reader.query("SELECT _key FROM syncline_base_item WHERE f0 = '007'")[0][0] == "a"


def test_rows_of_an_object_type_that_a_new_history_has_not_go(bench: Bench) -> None:
    bench.apply(page(segment(put("a", 1)), segment(put("o", 1, object_type="other"), scope="second"), checkpoint=1))
    adopt_store_epoch(bench.connection, "epoch 2")
    bench.use_schema(Schema(1, (OTHER,)))
    bench.start()
    assert bench.names() == {"a": "a@1"}, "readers keep the old rows until the checkpoint"
    arrived = segment(put("o", 1, object_type="other"), scope="second")
    counts = bench.apply(page(arrived, load="second", checkpoint=1)).counts
    assert (bench.names(), bench.names("other")) == ({}, {"o": "o@1"})
    assert counts["item"].deleted == 1
    reset(bench.connection, (), discard_unsent=False)
    left = bench.connection.execute("SELECT name FROM sqlite_master WHERE name LIKE '%item' OR name LIKE '%other'")
    assert left.fetchall() == []
