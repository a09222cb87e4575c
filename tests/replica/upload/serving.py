"""The server of these tests, and short ways to its records and to those of a device."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from syncline.data.schema import ConflictPolicy, Field, FieldType, ObjectType, Schema
from syncline.replica import Replica
from syncline.server.records import delete_write, record_write
from syncline.storage import Store
from syncline.v1 import frame_pb2
from tests.harness.server import RunningApp
from tests.harness.server_thread import ServerThread

ACCOUNT = "dev"
_FIELDS = tuple(Field(name, FieldType.STRING, required=name == "id") for name in ("id", "text", "color"))
NOTE = ObjectType("note", "main", _FIELDS, ("id",))
STRICT = ObjectType("strict", "main", _FIELDS, ("id",), conflict_policy=ConflictPolicy.REJECT)
MEMO = ObjectType("memo", "second", _FIELDS, ("id",))
KINDS = {kind.name: kind for kind in (NOTE, STRICT, MEMO)}

Records = dict[str, dict[str, Any]]


@dataclass
class Served:
    """A running server."""

    store: Store
    running: RunningApp
    threads: ServerThread

    @property
    def address(self) -> str:
        return self.running.address

    def write(self, object_type: str, *records: dict[str, Any]) -> None:
        """Somebody else creates or changes records, and live streams are woken."""
        writes = [record_write(KINDS[object_type], record, modified_at=1) for record in records]
        self.store.write_records(ACCOUNT, writes)
        self.threads.call_soon(self.running.wake)

    def delete(self, object_type: str, *keys: str) -> None:
        """Somebody else deletes records."""
        self.store.write_records(ACCOUNT, [delete_write(object_type, key, modified_at=2) for key in keys])

    def records(self, object_type: str) -> Records:
        """What the server has of a type, by key."""
        found = self.store.scan_records(ACCOUNT, object_type, after_key=None, limit=10_000)
        frames = {record.key: frame_pb2.Frame.FromString(record.frame) for record in found if record.frame is not None}
        return {key: json.loads(frame.data) for key, frame in frames.items()}


@contextmanager
def serve(threads: ServerThread, store: Store) -> Iterator[Served]:
    """Serve the store, with the account and schema of these tests."""
    store.create_account(ACCOUNT)
    store.write_schema(ACCOUNT, Schema(object_types=tuple(KINDS.values())), expected_version=0)
    with threads.serving(store) as running:
        yield Served(store, running, threads)


def shown(replica: Replica, object_type: str) -> Records:
    """What an app on the device sees of a type, by key."""
    return {record.key: record.data for record in replica.objects(object_type).get_all()}


def states(replica: Replica) -> list[str]:
    """The states of the device's changes, in the order made."""
    return [row[0] for row in replica.query("SELECT state FROM syncline_change ORDER BY change_no")]


def contend(served: Served, replica: Replica, *keys: str) -> None:
    """Let the device and somebody else change the same field of strict records, so that the device's is rejected."""
    served.write("strict", *({"id": key, "text": "before"} for key in keys))
    replica.sync()
    for key in keys:
        replica.objects("strict").update_by_pk(key, {"text": "of the device"})
    served.write("strict", *({"id": key, "text": "of the server"} for key in keys))
