"""A device with published object types and records from the server, to write to without a network."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from syncline.data.schema import DeleteRule, Field, FieldType, ObjectType, Relationship, Schema
from syncline.replica import ReplicaReader
from syncline.replica.adopting import adopt_store_epoch
from syncline.replica.change_log import LocalChange, read_changes
from syncline.replica.connection import Connect
from syncline.replica.local_database import LocalDatabase
from syncline.replica.marking import mark_for_upload
from syncline.replica.overlay import read_row
from syncline.replica.roll_back import RolledBack, resend, roll_back, undo_last
from syncline.replica.tables import loading_types
from tests.replica.building import Bench, Item, page, segment

TEXT, INTEGER = FieldType.STRING, FieldType.INTEGER

AIRLINE = ObjectType(
    "airline",
    "air",
    (Field("carrier", TEXT, required=True), Field("name", TEXT, max_length=20), Field("size", INTEGER)),
    ("carrier",),
)
FLIGHT = ObjectType(
    "flight",
    "air",
    (
        Field("carrier", TEXT, required=True),
        Field("number", INTEGER, required=True),
        Field("day", FieldType.DATE),
        Field("price", FieldType.DECIMAL),
        Field("late", FieldType.BOOLEAN),
        Field("delay", FieldType.NUMBER),
        Field("tags", FieldType.JSON),
    ),
    ("carrier", "number"),
    (Relationship("airline", ("carrier",), "airline", required=True),),
)
SEAT = ObjectType(
    "seat",
    "air",
    (Field("carrier", TEXT), Field("number", INTEGER), Field("row", INTEGER)),
    (),
    (Relationship("flight", ("carrier", "number"), "flight", required=True, on_delete=DeleteRule.CASCADE),),
)
MEAL = ObjectType(
    "meal",
    "air",
    (Field("id", TEXT, required=True), Field("seat_of", TEXT), Field("dish", TEXT)),
    ("id",),
    (Relationship("airline", ("seat_of",), "airline", on_delete=DeleteRule.CASCADE),),
)
DRAFT = ObjectType(
    "draft",
    "air",
    (Field("a", TEXT), Field("b", TEXT), Field("c", INTEGER)),
    merge_unsent_updates=True,
)
LAW = ObjectType(
    "law",
    "air",
    (Field("text", TEXT), Field("carrier", TEXT)),
    (),
    (Relationship("airline", ("carrier",), "airline", on_delete=DeleteRule.CASCADE),),
    read_only=True,
)
MEMO = ObjectType("memo", "desk", (Field("text", TEXT), Field("more", TEXT)))
SCHEMA = Schema(3, (AIRLINE, FLIGHT, SEAT, MEAL, DRAFT, LAW, MEMO))

Records = dict[str, dict[str, Any]]


class Device:
    """A device file that is open, with the side of the downloads and that of the app."""

    def __init__(self, path: Path, schema: Schema = SCHEMA, *, connect: Connect = sqlite3.connect) -> None:
        self.path = path
        self.schema = schema
        self.bench = Bench(path)
        self.bench.use_schema(schema)
        self.bench.start()
        self.local = LocalDatabase(path, connect)
        self.revision = 0

    def receive(self, *items: tuple[str, str, Mapping[str, Any] | None], bucket: str = "") -> int:
        """A page of the server that is a checkpoint: object type, key and data, or None for a delete. Its revision."""
        by_scope: dict[str, list[Item]] = {kind.scope: [] for kind in self.schema.object_types}
        for object_type, key, data in items:
            self.revision += 1
            kind = self.schema.object_type(object_type)
            assert kind is not None
            by_scope[kind.scope].append(Item(key, self.revision, data, object_type))
        segments = [segment(*each, scope=scope, bucket=bucket) for scope, each in by_scope.items()]
        self.bench.apply(page(*segments, checkpoint=self.revision))
        return self.revision

    def renew_store_epoch(self) -> None:
        adopt_store_epoch(self.bench.connection, "epoch 2")
        self.bench.start()

    def create(self, object_type: str, data: Mapping[str, Any], **options: Any) -> str:
        with self.local.transaction() as writer:
            return writer.create(object_type, data, **options)

    def update(self, object_type: str, key: str, changes: Mapping[str, Any], *, upload: bool = True) -> bool:
        with self.local.transaction() as writer:
            return writer.update(object_type, key, changes, upload=upload)

    def delete(self, object_type: str, key: str, *, upload: bool = True) -> int:
        with self.local.transaction() as writer:
            return writer.delete(object_type, key, upload=upload)

    def hide(self, object_type: str, key: str) -> int:
        with self.local.transaction() as writer:
            return writer.hide(object_type, key)

    def mark(self, object_type: str, key: str) -> int:
        with self.local.transaction():
            return mark_for_upload(self.local.connection, object_type, key)

    def roll_back(self, object_type: str | None = None, key: str | None = None, *, cascade: bool = False) -> RolledBack:
        with self.local.transaction():
            return roll_back(self.local.connection, self.local.schema(), object_type, key, cascade=cascade)

    def undo(self, object_type: str, key: str) -> RolledBack:
        with self.local.transaction():
            return undo_last(self.local.connection, self.local.schema(), object_type, key)

    def resend(self, object_type: str, key: str) -> int:
        with self.local.transaction():
            return resend(self.local.connection, self.local.schema(), object_type, key)

    def set_change(self, change: LocalChange, **columns: object) -> LocalChange:
        """Let a change be as an upload would leave it."""
        assignments = ", ".join(f"{name} = ?" for name in columns)
        with self.local.transaction():
            self.local.connection.execute(
                f"UPDATE syncline_change SET {assignments} WHERE change_no = ?", (*columns.values(), change.change_no)
            )
        return read_changes(self.local.connection, "change_no = ?", (change.change_no,))[0]

    def changes(self, object_type: str | None = None, key: str | None = None) -> list[LocalChange]:
        found = read_changes(self.local.connection)
        return [
            change
            for change in found
            if object_type in (None, change.object_type) and (key is None or change.key == key)
        ]

    def told(self) -> list[tuple[str, str, str, str]]:
        """The log in short: object type, key, operation, state."""
        return [(each.object_type, each.key, each.operation.value, each.state.value) for each in self.changes()]

    def records(self, object_type: str) -> Records:
        """What a reader of the file sees through the view, without nulls. Held against the record by record way."""
        kind = self.schema.object_type(object_type)
        assert kind is not None
        found: Records = {}
        with self.local.transaction():
            for row in ReplicaReader(self.path).query(f'SELECT * FROM "{object_type}" ORDER BY _key'):
                seen = {field.name: row[field.name] for field in kind.fields if row[field.name] is not None}
                stored = read_row(self.local.connection, object_type, row["_key"])
                assert stored is not None
                assert (stored.bucket, stored.revision) == (row["_bucket"], row["_revision"])
                assert {name: _as_column(value) for name, value in stored.record.items()} == seen
                found[row["_key"]] = stored.record
        return found

    def view_is_plain(self, object_type: str) -> bool:
        (sql,) = self.local.connection.execute(
            "SELECT sql FROM sqlite_master WHERE type = 'view' AND name = ?", (object_type,)
        ).fetchone()
        return "syncline_local_" not in sql

    def loading(self) -> set[str]:
        return loading_types(self.bench.connection, self.schema)

    def close(self) -> None:
        self.local.close()
        self.bench.close()


def _as_column(value: object) -> object:
    return json.dumps(value, separators=(",", ":")) if isinstance(value, list | dict) else value
