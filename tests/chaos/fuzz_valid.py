"""Messages that a method takes, made of what their caller was answered before."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from random import Random
from typing import Any, Final
from uuid import UUID

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp

from syncline.data.canonical import canonical_bytes, data_hash
from syncline.v1 import (
    app_enrollment_service_pb2,
    schema_pb2,
    sync_request_pb2,
    sync_request_service_pb2,
    upload_pb2,
)
from tests.chaos.fuzz_known import Known

_TYPES: Final = ("note", "merged", "strict", "resolved", "locked", "blob")
"""Those of the tests of uploads."""
_KEYS: Final = 300
_CHUNK_BYTES: Final = 700

_FILTERS: Final = (
    *("", "status = FAILED AND create_time > TODAY - 7", "status IN (ready, connector, 'In Progress')"),
    *("operation = read AND (progress.failed > 0 OR result_message CONTAINS 'time')", "failure_count >= -1"),
    *("modified_by NOT STARTSWITH worker AND run_full_sync = true", "app_enrollment_id IS NOT NULL"),
    *("create_time BETWEEN 0001-01-01 AND '9999-12-31 23:59:59.999999'", "create_time > NOW - 99999999999"),
    *("(" * 60 + "status = ready" + ")" * 60, " OR ".join(["failure_count = 1"] * 200), "failure_count = 1e9"),
    *(
        "result_message = '\0'",
        "status = ready AND operation = read OR failure_count = 1",
        "progress.read < 9" + "9" * 40,
    ),
)
_ORDERS: Final = ("", "create_time DESC", "status, progress.failed DESC, create_time ASCENDING", "created,created")
_CRONS: Final = ("0 3 * * *", "*/10 2 * * MON#1", "0 0 L * *", "59 23 31 2 *", "0 0 30 2 1")
_ZONES: Final = ("", "Europe/Berlin", "America/St_Johns", "../../etc/localtime", "UTC")
_NAMES: Final[Mapping[str, tuple[Any, ...]]] = {
    "scope": ("main",),
    "scopes": ("main",),
    "bucket": ("", "", "north"),
    "buckets": ("", "", "north"),
    "object_type": _TYPES,
    "page_size": (1, 2, 100, 5_000),
    "include": ("", "details", "batchSyncRequestIds"),
    "filter": _FILTERS,
    "order_by": _ORDERS,
    "reason": ("cannot store it", ""),
    "worker": ("one", "two"),
    "lease_seconds": (5, 60, 3_600),
    "cron": _CRONS,
    "time_zone": _ZONES,
    "jitter_seconds": (0, 10, 3_600),
    "total_batches": (2, 3),
    "current_batch": (1, 2, 3),
    "batch_number": (1, 2, 3),
    "paths": ("status", "result_message", "syncRequestId"),
    "name": ("one", "two", "three", "books"),
    "action": ("", "device.disable", "token.create"),
    "service": ("", "syncline.v1.SyncService"),
    "file_containing_symbol": ("syncline.v1.SyncService", "syncline.v1.Change"),
}
"""Good values of fields of these names, which nobody has to be told."""


class Valid:
    """Makes them, for methods of any kind."""

    def __init__(self, rng: Random, folder: str) -> None:
        """`folder`: files that connectors of the server may read."""
        self._rng = rng
        self._folder = folder
        self._made: Mapping[str, Callable[[Known], Message]] = {
            "google.protobuf.Timestamp": lambda _: Timestamp(
                seconds=rng.randrange(1, 2**31), nanos=rng.randrange(10**9)
            ),
            "syncline.v1.AppEnrollment": self._enrollment,
            "syncline.v1.Schema": lambda _: self._schema(),
            "syncline.v1.SourceRow": lambda _: self._row(),
        }

    def messages(self, method: MethodDescriptor, known: Known) -> list[Message]:
        """What the caller sends in one call."""
        match method.full_name:
            case "syncline.v1.SyncRequestService.UploadBatch":
                return list(self._batch(known))
            case "syncline.v1.SyncService.Upload":
                return list(self._uploads(known))
        count = self._rng.randint(1, 3) if method.client_streaming else 1
        return [self.message(method.input_type, known) for _ in range(count)]

    def message(self, descriptor: Descriptor, known: Known) -> Message:
        """One message of the kind."""
        rng = self._rng
        pages = [asked for kind, asked in known.next_pages if kind == descriptor.full_name]
        if pages and rng.random() < 0.4:
            again = type(pages[0])()
            again.CopyFrom(rng.choice(pages))
            return again
        if descriptor.full_name in self._made:
            return self._made[descriptor.full_name](known)
        made = GetMessageClass(descriptor)()
        for field in descriptor.fields:
            # Only one field of a oneof, and optional ones now and then.
            oneof = field.containing_oneof
            if oneof is not None and rng.random() < (0.5 if len(oneof.fields) == 1 else 1 - 1 / len(oneof.fields)):
                continue
            if field.name != "page_token" and (_is_required(field) or rng.random() < 0.6):
                self._fill(made, field, known)
        return made

    def _fill(self, made: Message, field: FieldDescriptor, known: Known) -> None:
        rng = self._rng
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            return
        if field.is_repeated:
            values = [self._value(field, known) for _ in range(rng.choice((0, 1, 1, 3)))]
            getattr(made, field.name).extend(value for value in values if value is not None)
        elif field.message_type is not None:
            getattr(made, field.name).CopyFrom(self.message(field.message_type, known))
        elif (value := self._value(field, known)) is not None:
            setattr(made, field.name, value)

    def _value(self, field: FieldDescriptor, known: Known) -> Any:
        """One that fits, or None if none is known."""
        rng = self._rng
        if field.message_type is not None:
            return self.message(field.message_type, known)
        if field.enum_type is not None:
            return rng.choice(field.enum_type.values).number
        if field.type == FieldDescriptor.TYPE_BOOL:
            return rng.random() < 0.3
        if field.name in _NAMES and (field.name != "name" or rng.random() < 0.9):
            return rng.choice(_NAMES[field.name])
        recalled = known.recall(rng, field.name)
        if _fits(field, recalled) and rng.random() < 0.95:
            return recalled
        if field.name == "request_id" or field.name.endswith("_uuid") or field.name.endswith("_id"):
            made = UUID(int=rng.getrandbits(128), version=4)
            return made.bytes if field.type == FieldDescriptor.TYPE_BYTES else str(made)
        if field.name in ("key", "keys", "after_key", "through_key"):
            return self._key()
        return None

    def _key(self) -> str:
        return f"k{self._rng.randrange(_KEYS)}"

    def _record(self, object_type: str, key: str) -> dict[str, Any]:
        rng = self._rng
        record: dict[str, Any] = {"text": f"text {rng.randrange(1_000)}"}
        if object_type == "note":
            record["id"] = key
        elif object_type != "blob" and rng.random() < 0.5:
            record["stars"] = rng.randrange(9)
        return record

    def _row(self) -> Message:
        object_type, key = self._rng.choice(_TYPES), self._key()
        return sync_request_pb2.SourceRow(
            object_type=object_type,
            source_key=key,
            data=canonical_bytes(self._record(object_type, key)),
            on_match=self._rng.choice(sync_request_pb2.OnMatchAction.values()),
            deleted=self._rng.random() < 0.1,
        )

    def _change(self, seq: int) -> upload_pb2.Change:
        rng = self._rng
        object_type, key = rng.choice(_TYPES), self._key()
        change = upload_pb2.Change(
            change_uuid=UUID(int=rng.getrandbits(128), version=4).bytes,
            change_seq=seq,
            object_type=object_type,
            key=key,
            operation=rng.choice(upload_pb2.Operation.values()[1:]),
            made_at_us=rng.choice((0, 1_700_000_000_000_000)),
        )
        record = self._record(object_type, key)
        if change.operation == upload_pb2.OPERATION_INSERT:
            change.data = canonical_bytes(record)
        elif change.operation == upload_pb2.OPERATION_DELETE:
            change.deleted_hash = data_hash(canonical_bytes(record))
        else:
            old = rng.choice((None, b'"old"', b"1"))
            change.edits.add(name="text", old_value=old, new_value=json.dumps(record["text"]).encode())
        return change

    def _uploads(self, known: Known) -> Iterator[Message]:
        rng = self._rng
        seq = int(known.recall(rng, "change_seq") or 1)
        for _ in range(rng.randint(1, 4)):
            changes = [self._change(seq + number) for number in range(rng.choice((1, 1, 3, 40)))]
            seq += len(changes)
            if rng.random() < 0.3:
                for change in changes:
                    change.transaction_id, change.group_size = b"t%d" % seq, len(changes)
            epoch = known.recall(rng, "store_epoch") or ""
            yield upload_pb2.UploadRequest(store_epoch=epoch, settled_through=max(seq - 50, 0), changes=changes)
        known.values["next_change_seq"] = [seq]

    def _batch(self, known: Known) -> Iterator[Message]:
        """A zip file in parts: whole, broken inside, or one that would fill a disk."""
        rng = self._rng
        rows = "".join(f"k{rng.randrange(_KEYS)},{rng.choice(('x', '', '9'))}\n" for _ in range(rng.choice((1, 50))))
        odd = {"note.csv": b"id,text\n" + bytes(10**7), "../note.csv": b"id\n", "note.jsonl": b'{"id":"a"}\n{"id":\n'}
        files = {"note.csv": f"id,text\n{rows}".encode()} if rng.random() < 0.7 else odd
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in files.items():
                archive.writestr(name, text)
        data = bytearray(file.getvalue())
        if rng.random() < 0.4:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        header = self.message(sync_request_service_pb2.UploadBatchHeader.DESCRIPTOR, known)
        assert isinstance(header, sync_request_service_pb2.UploadBatchHeader)
        header.sha256, header.size = sha256(data).digest(), len(data)
        if rng.random() < 0.8:
            header.ClearField("app_enrollment_id")
            header.ClearField("batch")
        yield sync_request_service_pb2.UploadBatchRequest(header=header)
        for start in range(0, len(data), _CHUNK_BYTES):
            yield sync_request_service_pb2.UploadBatchRequest(chunk=bytes(data[start : start + _CHUNK_BYTES]))

    def _enrollment(self, known: Known) -> Message:
        rng, folder = self._rng, self._folder
        settings: Mapping[str, Any] = {
            "file": rng.choice(
                ({"path": folder}, {"path": f"{folder}/note.csv", "nulls": ["x"]}, {"path": "/etc"}, {})
            ),
            "sql": {
                "url": rng.choice((f"sqlite:///{folder}/shop.db", "sqlite:////etc/passwd", "sqlite://", "x:y")),
                "tables": rng.choice(
                    ({}, {"note": {"table": "shop", "key": ["id"]}}, {"note": {"table": "no", "key": []}})
                ),
            },
            "singer": {"tap": rng.choice(("none/tap-none", "../../bin/sh", "/bin/sh")), "streams": {}},
            "external": rng.choice(({}, {"delete_limit": 0.5}, {"error_limit": -1}, {"schema": "inferred"})),
        }
        connector = rng.choice(tuple(settings))
        made = app_enrollment_service_pb2.AppEnrollment(
            name=f"e{rng.randrange(40)}", connector=connector, settings=json.dumps(settings[connector])
        )
        if rng.random() < 0.3:
            made.schedule.CopyFrom(self.message(app_enrollment_service_pb2.EnrollmentSchedule.DESCRIPTOR, known))  # type: ignore[arg-type]  # of this kind
        if rng.random() < 0.3:
            made.app_enrollment_id = known.recall(rng, "app_enrollment_id") or ""
        return made

    def _schema(self) -> Message:
        """One that the tests of uploads begin with, perhaps a little wider, narrower, or of no sense."""
        rng = self._rng
        made = schema_pb2.Schema()
        for name in rng.sample(_TYPES, rng.randint(0, 2)):
            kind = made.object_types.add(name=name, scope="main")
            kind.fields.add(name="text", type=schema_pb2.FIELD_TYPE_STRING, max_length=rng.choice((0, 2_000)))
        extra = made.object_types.add(name=f"extra{rng.randrange(5)}", scope=rng.choice(("main", "other")))
        for field in range(rng.choice((1, 2, 8))):
            extra.fields.add(name=f"f{field}", type=rng.choice(schema_pb2.FieldType.values()))
        if rng.random() < 0.3:
            extra.relationships.add(name="r", fields=["f0"], parent=rng.choice((extra.name, "note", "gone")))
        return made


def _is_required(field: FieldDescriptor) -> bool:
    return field.name in ("session_id", "sync_request_id", "app_enrollment_id", "lease_token", "device_uuid")


def _fits(field: FieldDescriptor, value: object) -> bool:
    if field.type == FieldDescriptor.TYPE_STRING:
        return isinstance(value, str)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return isinstance(value, bytes)
    bits = 31 if field.cpp_type == FieldDescriptor.CPPTYPE_INT32 else 63
    return isinstance(value, int) and -(2**bits) <= value < 2**bits
