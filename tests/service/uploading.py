"""Upload as the wire sees it: changes, one stream, and what comes back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from typing import Any, TypeAlias
from uuid import uuid4

import grpc
import pytest
from google.rpc import error_details_pb2  # type: ignore[import-untyped]

from syncline.data.canonical import canonical_bytes, data_hash, parse_object
from syncline.data.schema import ConflictPolicy, Field, FieldType, ObjectType, Schema
from syncline.storage import Store, open_store
from syncline.v1 import upload_pb2
from tests.harness.server import NOTES
from tests.harness.wire import WireDevice

STARS = Field("stars", FieldType.INTEGER)
_FIELDS = (Field("text", FieldType.STRING, max_length=2_000), STARS)

SCHEMA = Schema(
    object_types=(
        NOTES,
        ObjectType("merged", "main", _FIELDS),
        ObjectType("strict", "main", _FIELDS, conflict_policy=ConflictPolicy.REJECT),
        ObjectType("resolved", "main", _FIELDS, conflict_policy=ConflictPolicy.RESOLVER, resolver="nobody"),
        ObjectType("locked", "main", _FIELDS, read_only=True),
        ObjectType("blob", "main", (Field("text", FieldType.STRING),)),
    )
)
"""`note` has its key in the field `id`; the others have none, and differ in their rules."""

_Call: TypeAlias = "grpc.aio.StreamStreamCall[upload_pb2.UploadRequest, upload_pb2.UploadResponse]"


@contextmanager
def open_uploading_store(url: str) -> Iterator[Store]:
    """The store at the URL, with SCHEMA in the account `dev`."""
    with closing(open_store(url)) as store:
        store.create_account("dev")
        store.write_schema("dev", SCHEMA, expected_version=0)
        yield store


def insert(seq: int, key: str, object_type: str = "merged", **fields: Any) -> upload_pb2.Change:
    """The creation of a record. `_bucket` and the like are fields of the change, the others those of the record."""
    data, rest = _split(fields)
    return _change(seq, key, object_type, upload_pb2.OPERATION_INSERT, data=canonical_bytes(data), **rest)


def update(
    seq: int, key: str, object_type: str = "merged", *, seen: dict[str, Any] | None = None, **fields: Any
) -> upload_pb2.Change:
    """New values of fields, where the device saw the record `seen`."""
    new, rest = _split(fields)
    edits = [
        upload_pb2.FieldEdit(name=name, old_value=_text((seen or {}).get(name)), new_value=_text(value))
        for name, value in new.items()
    ]
    return _change(seq, key, object_type, upload_pb2.OPERATION_UPDATE, edits=edits, **rest)


def delete(seq: int, key: str, object_type: str = "merged", *, seen: dict[str, Any], **rest: Any) -> upload_pb2.Change:
    """The delete of a record that the device saw as `seen`."""
    deleted_hash = data_hash(canonical_bytes(seen))
    return _change(seq, key, object_type, upload_pb2.OPERATION_DELETE, deleted_hash=deleted_hash, **_split(rest)[1])


def group(identity: bytes, *changes: upload_pb2.Change) -> list[upload_pb2.Change]:
    """The changes as one transaction."""
    for change in changes:
        change.transaction_id, change.group_size = identity, len(changes)
    return list(changes)


class UploadCall:
    """One stream of a device."""

    def __init__(self, device: WireDevice, store_epoch: str) -> None:
        self.call: _Call = device.stub.Upload(metadata=device.metadata)
        self._store_epoch = store_epoch

    async def send(self, *changes: upload_pb2.Change, settled_through: int = 0) -> None:
        """Put one message on the stream."""
        epoch, self._store_epoch = self._store_epoch, ""
        await self.call.write(
            upload_pb2.UploadRequest(store_epoch=epoch, settled_through=settled_through, changes=changes)
        )

    async def receive(self) -> list[upload_pb2.ChangeAnswer]:
        """The answers to one message; there must be some message."""
        response = await self.call.read()
        assert isinstance(response, upload_pb2.UploadResponse), "the stream has ended"
        return list(response.answers)

    async def upload(self, *changes: upload_pb2.Change, settled_through: int = 0) -> list[upload_pb2.ChangeAnswer]:
        """Send one message and wait for its answers."""
        await self.send(*changes, settled_through=settled_through)
        return await self.receive()

    async def end(self) -> None:
        """Say that no more comes; the stream must end well."""
        await self.call.done_writing()
        assert await self.call.read() is grpc.aio.EOF
        assert await self.call.code() is grpc.StatusCode.OK

    async def error(self) -> grpc.aio.AioRpcError:
        """The error that ends the stream, with nothing before it."""
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.call.read()
        return caught.value


@asynccontextmanager
async def upload_call(device: WireDevice, *, store_epoch: str | None = None) -> AsyncIterator[UploadCall]:
    """A stream that tells the present store epoch, unless another is given."""
    stream = UploadCall(device, (await device.start()).store_epoch if store_epoch is None else store_epoch)
    try:
        yield stream
    finally:
        stream.call.cancel()


async def upload_once(device: WireDevice, *changes: upload_pb2.Change) -> list[upload_pb2.ChangeAnswer]:
    """The answers to one message on a stream of its own."""
    async with upload_call(device) as stream:
        answers = await stream.upload(*changes)
        await stream.end()
        return answers


def verdicts(answers: Iterable[upload_pb2.ChangeAnswer]) -> list[str]:
    """The verdicts by name; a rejected change's reason instead."""
    return [
        reason(answer)
        if answer.verdict == upload_pb2.VERDICT_REJECTED
        else upload_pb2.Verdict.Name(answer.verdict).removeprefix("VERDICT_")
        for answer in answers
    ]


def reason(answer: upload_pb2.ChangeAnswer) -> str:
    """Why a change was rejected."""
    info = rejection_detail(answer, error_details_pb2.ErrorInfo)
    assert info.domain == "syncline"
    return str(info.reason)


def rejection_detail(answer: upload_pb2.ChangeAnswer, kind: Any) -> Any:
    """The one detail of this message type in a rejected change's status."""
    (packed,) = [packed for packed in answer.status.details if packed.Is(kind.DESCRIPTOR)]
    detail = kind()
    packed.Unpack(detail)
    return detail


def data(answer: upload_pb2.ChangeAnswer) -> dict[str, Any]:
    """The record in the answer."""
    return parse_object(answer.data)


def records(store: Store, object_type: str = "merged") -> dict[str, int]:
    """The revision of each live record."""
    found = store.scan_records("dev", object_type, after_key=None, limit=1_000)
    return {record.key: record.revision for record in found}


def _change(
    seq: int, key: str, object_type: str, operation: upload_pb2.Operation.ValueType, **fields: Any
) -> upload_pb2.Change:
    given: dict[str, Any] = {"change_uuid": uuid4().bytes, "change_seq": seq, "object_type": object_type, "key": key}
    return upload_pb2.Change(operation=operation, **(given | fields))


def _split(fields: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    of_record = {name: value for name, value in fields.items() if not name.startswith("_")}
    return of_record, {name[1:]: value for name, value in fields.items() if name.startswith("_")}


def _text(value: Any) -> bytes | None:
    return None if value is None else canonical_bytes({"x": value})[len('{"x":') : -1]
