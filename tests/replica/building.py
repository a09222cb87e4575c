"""Pages built by hand, and a device file to put them into without a server."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from syncline.data.schema import Field, FieldType, ObjectType, Schema
from syncline.replica.adopting import adopt_account, adopt_store_epoch
from syncline.replica.applying import Applied, PageApplier
from syncline.replica.connection import transaction
from syncline.replica.facts import read_facts, write_schema
from syncline.replica.file import ReplicaFile
from syncline.replica.incoming import Accept
from syncline.replica.reader import ReplicaReader
from syncline.replica.tables import create_missing
from syncline.v1 import frame_pb2, queue_pb2

ITEM = ObjectType("item", "main", (Field("name", FieldType.STRING), Field("size", FieldType.INTEGER)))
OTHER = ObjectType("other", "second", (Field("name", FieldType.STRING),))
SCHEMA = Schema(1, (ITEM, OTHER))


class Item(NamedTuple):
    """One item of a page."""

    key: str
    revision: int
    data: Mapping[str, Any] | bytes | None = None
    object_type: str = "item"


def put(key: str, revision: int, name: str = "", *, object_type: str = "item") -> Item:
    """A record that comes."""
    return Item(key, revision, {"name": name or f"{key}@{revision}"}, object_type)


def gone(key: str, revision: int, *, object_type: str = "item") -> Item:
    """A record that goes."""
    return Item(key, revision, None, object_type)


def segment(
    *items: Item, scope: str = "main", bucket: str = "", above: int = 0, redelivered: bool = False
) -> queue_pb2.Segment:
    """A run of items of one feed."""
    return queue_pb2.Segment(
        scope=scope,
        bucket=bucket,
        from_revision=above,
        to_revision=0 if redelivered else max((item.revision for item in items), default=above),
        redelivered=redelivered,
        revisions=[item.revision for item in items],
        frames=[_frame(item, bucket) for item in items],
    )


def page(
    *segments: queue_pb2.Segment,
    load: str = "first",
    feeds: tuple[tuple[str, str], ...] | None = None,
    checkpoint: int | None = None,
) -> queue_pb2.QueuePage:
    """A page that moves the feeds of its segments, or these."""
    message = queue_pb2.QueuePage(segments=segments, count=sum(len(each.frames) for each in segments))
    moved = {(each.scope, each.bucket) for each in segments if not each.redelivered} if feeds is None else feeds
    for scope, bucket in moved:
        message.feeds.add(scope=scope, bucket=bucket, load=load, position=f"{load}/{scope}/{bucket}")
    if checkpoint is not None:
        message.checkpoint.head_revision = checkpoint
    return message


def _frame(item: Item, bucket: str) -> bytes:
    frame = frame_pb2.Frame(object_type=item.object_type, key=item.key, bucket=bucket)
    if isinstance(item.data, bytes):
        frame.data = item.data
    elif item.data is not None:
        frame.data = json.dumps(item.data, separators=(",", ":"), ensure_ascii=False).encode()
    return frame.SerializeToString()


class Bench:
    """A device file with the schema in place."""

    def __init__(self, path: Path, *, by_page: bool = False, accept: Accept | None = None) -> None:
        self.file = ReplicaFile.open(path, None, sqlite3.connect)
        self.reader = ReplicaReader(path)
        self.by_page = by_page
        self.accept = accept
        adopt_account(self.connection, "dev")
        adopt_store_epoch(self.connection, "epoch 1")
        self.use_schema(SCHEMA)
        self.start()

    @property
    def connection(self) -> sqlite3.Connection:
        return self.file.connection

    def use_schema(self, schema: Schema) -> None:
        with transaction(self.connection):
            create_missing(self.connection, schema)
            write_schema(self.connection, schema)

    def start(self, *scopes: str) -> None:
        """Begin a session."""
        self.applier = PageApplier(
            self.connection,
            scopes=scopes,
            by_page=self.by_page,
            accept=self.accept,
            refetch_schema=lambda: read_facts(self.connection).schema,
        )

    def apply(self, message: queue_pb2.QueuePage) -> Applied:
        return self.applier.apply(message)

    def names(self, object_type: str = "item") -> dict[str, str]:
        """What a reader of the file sees."""
        return {row[0]: row[1] for row in self.reader.query(f"SELECT _key, name FROM {object_type}")}

    def close(self) -> None:
        self.file.close()
