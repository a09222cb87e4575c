"""What is laid over the base, when it goes, and what views show of it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from syncline.data.schema import Field, FieldType, ObjectType, Schema
from syncline.replica import Replica, ReplicaReader, layout
from syncline.replica.change_log import HELD_BACK, held_back, is_empty, read_changes
from syncline.replica.connection import transaction
from syncline.replica.overlay import cover_items, lay_over, read_base, refresh, refresh_scopes
from syncline.replica.relationships import children_of, parent_of
from syncline.replica.tables import base_table
from tests.replica.local.device import AIRLINE, FLIGHT, MEMO, SCHEMA, SEAT, Device


def _settle(device: Device, at: int, verdict: str, revision: int, data: str | None = None) -> None:
    device.set_change(
        device.changes()[at], state="settled", verdict=verdict, verdict_revision=revision, verdict_data=data
    )
    with device.local.transaction():
        refresh_scopes(device.local.connection, SCHEMA, ())


def _cover(device: Device, *items: tuple[str, int]) -> int:
    with device.local.transaction():
        return cover_items(device.local.connection, "memo", items)


def test_changes_lie_over_whatever_the_server_sends(device: Device) -> None:
    device.update("memo", "m1", {"text": "mine"})
    device.receive(("memo", "m1", {"text": "theirs", "more": "new"}))
    assert device.records("memo") == {"m1": {"text": "mine", "more": "new"}}
    device.receive(("memo", "m1", None))
    assert device.records("memo") == {}
    device.receive(("memo", "m1", {"text": "again"}))
    assert device.records("memo") == {"m1": {"text": "mine"}}
    device.roll_back("memo", "m1")
    assert device.records("memo") == {"m1": {"text": "again"}}


def test_a_record_created_here_stays_in_its_bucket_until_its_verdict(device: Device) -> None:
    device.create("memo", {"text": "mine"}, key="m2", bucket="north")
    device.receive(("memo", "m2", {"text": "theirs"}), bucket="south")
    rows = device.bench.reader.query("SELECT _bucket, _revision FROM memo WHERE _key = 'm2'")
    assert tuple(rows[0]) == ("north", 8)
    _settle(device, 0, "merged", 9, '{"text":"both"}')
    rows = device.bench.reader.query("SELECT _bucket, text FROM memo WHERE _key = 'm2'")
    assert tuple(rows[0]) == ("south", "both")


@pytest.mark.parametrize(("verdict", "data"), [("merged", '{"text":"both"}'), ("server_won", None)])
def test_the_record_of_a_verdict_shows_until_the_base_has_it(device: Device, verdict: str, data: str | None) -> None:
    device.update("memo", "m1", {"text": "mine"})
    device.update("memo", "m1", {"more": "later"})
    _settle(device, 0, verdict, 9, data)
    assert device.records("memo") == ({"m1": {"text": "both", "more": "later"}} if data else {})
    device.revision = 8
    device.receive(("memo", "m1", {"text": "their new state"}))
    assert [change.state.value for change in device.changes()] == ["pending"]
    assert device.records("memo") == {"m1": {"text": "their new state", "more": "later"}}


def test_an_applied_change_shows_until_the_base_has_it(device: Device) -> None:
    device.update("memo", "m1", {"text": "mine"})
    _settle(device, 0, "applied", 9)
    assert _cover(device, ("m1", 8)) == 0
    assert device.records("memo") == {"m1": {"text": "mine"}}
    assert _cover(device, ("m1", 9)) == 1
    assert device.records("memo") == {"m1": {"text": "call back"}}
    assert device.view_is_plain("memo")


def test_a_checkpoint_covers_what_left_no_row(device: Device) -> None:
    device.delete("memo", "m1")
    _settle(device, 0, "applied", 9)
    device.receive(("memo", "other", {"text": "x"}))
    assert len(device.changes()) == 1
    device.receive(("memo", "m1", None))
    assert device.changes() == []


def test_the_checkpoint_that_is_known_covers_a_late_verdict(device: Device) -> None:
    device.delete("memo", "m1")
    device.receive(("memo", "other", {"text": "x"}), ("memo", "m1", None))
    assert len(device.changes()) == 1
    _settle(device, 0, "applied", 9)
    assert _cover(device, ("m1", 0)) == 1


def test_the_base_row_covers_a_late_verdict_but_not_one_of_another_history(device: Device) -> None:
    device.update("memo", "m1", {"text": "mine"})
    with transaction(device.bench.connection):
        device.bench.connection.execute("DELETE FROM syncline_checkpoint")
    _settle(device, 0, "applied", 7)
    set_epoch = "UPDATE syncline_meta SET value = ? WHERE name = 'store_epoch'"
    for epoch, gone in (("epoch 2", 0), ("epoch 1", 1)):
        with transaction(device.bench.connection):
            device.bench.connection.execute(set_epoch, [epoch])
        assert _cover(device, ("m1", 0)) == gone


def test_settled_changes_go_in_order(device: Device) -> None:
    for text in ("1", "2", "3"):
        device.update("memo", "m1", {"text": text})
    _settle(device, 1, "applied", 8)
    _settle(device, 2, "applied", 9)
    assert _cover(device, ("m1", 9)) == 0
    _settle(device, 0, "applied", 9)
    assert _cover(device, ("m1", 8)) == 0
    assert _cover(device, ("m1", 9)) == 3


def test_nothing_goes_of_what_has_no_verdict(device: Device) -> None:
    for number, state in enumerate(("deferred", "pending", "sent", "rejected")):
        device.create("memo", {}, key=state)
        device.set_change(device.changes()[number], state=state)
    with device.local.transaction():
        refresh(device.local.connection, "memo", [])
    device.receive(*(("memo", key, {"text": "x"}) for key in ("deferred", "pending", "sent", "rejected")))
    assert len(device.changes()) == 4


def test_a_record_that_grows_too_large_is_shown_all_the_same(device: Device) -> None:
    device.update("memo", "m1", {"text": "x" * 600_000})
    device.receive(("memo", "m1", {"more": "y" * 600_000}))
    record = device.records("memo")["m1"]
    assert {name: len(value) for name, value in record.items()} == {"text": 600_000, "more": 600_000}


def test_an_update_of_nothing_stays_nothing(device: Device) -> None:
    device.update("memo", "m1", {"text": "x"})
    assert lay_over(None, device.changes()) is None
    assert lay_over('{"more":"y"}', device.changes()) == '{"more":"y","text":"x"}'
    assert lay_over('{"more":"y"}', ()) == '{"more":"y"}'


def test_views_are_plain_while_nothing_lies_over_the_base(device: Device) -> None:
    assert device.view_is_plain("memo")
    device.update("memo", "m1", {"text": "x"})
    assert not device.view_is_plain("memo")
    assert device.view_is_plain("draft")
    device.roll_back()
    assert device.view_is_plain("memo")
    assert is_empty(device.local.connection)


def test_a_key_is_looked_up_by_index_also_through_changes(device: Device) -> None:
    device.update("memo", "m1", {"text": "x"})
    plan = device.bench.reader.query("EXPLAIN QUERY PLAN SELECT * FROM memo WHERE _key = 'm1'")
    steps = [row["detail"] for row in plan if row["detail"].startswith(("SCAN", "SEARCH"))]
    assert steps
    assert all(step.startswith("SEARCH") for step in steps), steps


def test_a_new_field_appears_in_views_with_and_without_changes(device: Device) -> None:
    device.update("memo", "m1", {"text": "x"})
    wider = [
        ObjectType(kind.name, kind.scope, (*kind.fields, Field("extra", FieldType.INTEGER)), kind.primary_key)
        for kind in (MEMO, AIRLINE)
    ]
    device.schema = Schema(4, (*wider, *(kind for kind in SCHEMA.object_types if kind not in (MEMO, AIRLINE))))
    device.bench.use_schema(device.schema)
    device.update("memo", "m1", {"extra": 5})
    device.update("airline", "UA", {"extra": 6})
    assert device.records("memo")["m1"] == {"text": "x", "extra": 5}
    assert device.records("airline")["UA"]["extra"] == 6
    device.roll_back()
    assert device.bench.reader.query("SELECT extra FROM memo")[0]["extra"] is None


def test_changes_wait_for_rejected_and_deferred_ones(device: Device) -> None:
    device.update("memo", "m1", {"text": "1"})
    device.update("memo", "m1", {"text": "2"})
    with device.local.transaction() as writer:
        writer.update("memo", "m1", {"text": "3"})
        writer.create("memo", {}, key="m2")
    device.update("memo", "m2", {"text": "4"})
    device.create("memo", {}, key="m3")
    assert held_back(device.local.connection) == set()
    device.set_change(device.changes()[0], state="rejected")
    held = held_back(device.local.connection)
    assert [change.change_no in held for change in device.changes()] == [False, True, True, True, True, False]
    free = read_changes(device.local.connection, f"state = 'pending' AND change_no NOT IN {HELD_BACK}")
    assert [change.key for change in free] == ["m3"]


def test_parents_and_children_are_found_through_changes(device: Device) -> None:
    connection = device.local.connection
    device.create("seat", {"carrier": "UA", "number": 1, "row": 1}, key="s2")
    device.update("seat", "s1", {"row": 2})
    device.hide("law", "l1")
    (children,) = children_of(connection, SCHEMA, FLIGHT, '["UA",1]')
    assert (children.kind.name, children.relationship.name, children.keys) == ("seat", "flight", ["s1", "s2"])
    assert children_of(connection, SCHEMA, AIRLINE, "AA") == []
    (relationship,) = SEAT.relationships
    parent = parent_of(connection, SCHEMA, relationship, {"carrier": "UA", "number": 1})
    assert parent is not None
    assert parent.record["day"] == "2013-01-01"
    assert parent_of(connection, SCHEMA, relationship, {"carrier": "UA"}) is None
    assert parent_of(connection, SCHEMA, relationship, {"carrier": "UA", "number": 2}) is None


def test_a_file_of_the_first_format_is_brought_up_when_it_is_opened(path: Path) -> None:
    with closing(Device(path)) as device:
        device.receive(("memo", "m1", {"text": "x"}))
    with closing(sqlite3.connect(path)) as connection, connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for name in tables:
            if name.startswith("syncline_local_") or name in ("syncline_change", "syncline_conflict"):
                connection.execute(f'DROP TABLE "{name}"')
        connection.execute("DROP TABLE syncline_checkpoint")
        connection.execute("PRAGMA user_version = 1")
    assert ReplicaReader(path).query("SELECT text FROM memo")[0]["text"] == "x"
    Replica.open(path).close()
    with closing(Device(path)) as device:
        assert layout.format_version(device.local.connection) == layout.FORMAT_VERSION
        assert device.loading() == set()
        device.update("memo", "m1", {"text": "y"})
        assert device.records("memo") == {"m1": {"text": "y"}}
        row = read_base(device.local.connection, "memo", "m1")
        assert row is not None
        assert row.data == '{"text":"x"}'
        assert base_table("memo") == '"syncline_base_memo"'
