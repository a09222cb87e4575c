"""Tables made from the schema, and how they grow."""

from __future__ import annotations

import json
from dataclasses import replace

from syncline.data.schema import Field, FieldType, ObjectType, Schema
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
