"""UploadBatch: a zip file on its way in, and what becomes of its rows."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator, Iterator, Mapping
from hashlib import sha256
from random import Random
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.rpc import error_details_pb2  # type: ignore[import-untyped]

from syncline.server.requests import upload_batch
from syncline.storage import Store
from syncline.storage.request_models import RequestQuery, SyncRequest
from syncline.v1 import sync_request_pb2, sync_request_service_pb2, sync_request_service_pb2_grpc
from tests.harness.server import RunningApp, running_app
from tests.harness.wire import detail_of, error_of

Upload = sync_request_service_pb2.UploadBatchRequest
Header = sync_request_service_pb2.UploadBatchHeader


def made_zip(entries: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return file.getvalue()


NOTES_ZIP = made_zip({"note.csv": b"id,text\na,x\nb,\na,again\n"})


def header_of(data: bytes, **fields: Any) -> Header:
    said: dict[str, Any] = {"sha256": sha256(data).digest(), "size": len(data)}
    return Header(**said | fields)


def messages(data: bytes, chunk_bytes: int = 1024 * 1024, **fields: Any) -> Iterator[Upload]:
    yield Upload(header=header_of(data, **fields))
    for start in range(0, len(data), chunk_bytes):
        yield Upload(chunk=data[start : start + chunk_bytes])


class Uploader:
    """Calls the service, and looks into the store behind it."""

    def __init__(self, app: RunningApp, channel: grpc.aio.Channel) -> None:
        self.app = app
        self.stub: sync_request_service_pb2_grpc.SyncRequestServiceAsyncStub = (
            sync_request_service_pb2_grpc.SyncRequestServiceStub(channel)
        )

    async def send(self, sent: Iterator[Upload]) -> sync_request_pb2.SyncRequest:
        return await self.stub.UploadBatch(sent)

    async def refusal(self, *sent: Upload) -> tuple[str, list[tuple[str, str]]]:
        """The reason, and which field breaks what; nothing was stored."""
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.stub.UploadBatch(iter(sent))
        code, reason = error_of(caught.value)
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert self.stored() == []
        violations = detail_of(caught.value, error_details_pb2.BadRequest).field_violations
        return reason, [(violation.field, violation.description) for violation in violations]

    def stored(self) -> list[SyncRequest]:
        return self.app.store.list_requests(self.app.account_id, RequestQuery())

    def payload(self, request_id: str) -> list[bytes]:
        chunks: list[bytes] = []
        while found := self.app.store.read_payload(self.app.account_id, request_id, after=len(chunks)):
            chunks.append(found[1])
        return chunks


@pytest.fixture
async def uploader(store: Store) -> AsyncIterator[Uploader]:
    """An uploader to a server that runs nothing."""
    async with running_app(store, embedded_worker=False) as app, grpc.aio.insecure_channel(app.address) as channel:
        yield Uploader(app, channel)


async def test_g3_what_was_uploaded_is_stored_in_chunks_of_half_a_megabyte(uploader: Uploader) -> None:
    rows = (b"%032x,%s\n" % (number, Random(number).randbytes(40).hex().encode()) for number in range(30_000))
    data = made_zip({"note.csv": b"id,text\n" + b"".join(rows)})
    made = await uploader.send(messages(data, chunk_bytes=700_000, run_full_sync=True))
    (stored,) = uploader.stored()
    assert (made.sync_request_id, made.run_full_sync) == (stored.request_id, True)
    assert made.status == sync_request_pb2.SYNC_REQUEST_STATUS_CONNECTOR
    assert made.operation == sync_request_pb2.SYNC_OPERATION_READ
    chunks = uploader.payload(stored.request_id)
    assert {len(chunk) for chunk in chunks[:-1]} == {512 * 1024}
    assert b"".join(chunks) == data


@pytest.mark.parametrize(
    ("on_match", "kind"),
    [
        (sync_request_pb2.ON_MATCH_ACTION_UNSPECIFIED, "zip"),
        (sync_request_pb2.ON_MATCH_ACTION_UPDATE, "zip"),
        (sync_request_pb2.ON_MATCH_ACTION_SKIP, "zip:skip"),
        (sync_request_pb2.ON_MATCH_ACTION_ERROR, "zip:error"),
    ],
)
async def test_what_happens_to_known_rows_is_stored_with_it(uploader: Uploader, on_match: Any, kind: str) -> None:
    await uploader.send(messages(NOTES_ZIP, on_match=on_match))
    assert [request.payload_kind for request in uploader.stored()] == [kind]


async def test_a_repeat_with_its_request_id_is_the_same_request(uploader: Uploader) -> None:
    request_id = str(uuid4())
    first = await uploader.send(messages(NOTES_ZIP, request_id=request_id))
    assert await uploader.send(messages(NOTES_ZIP, 100, request_id=request_id)) == first
    assert len(uploader.stored()) == 1
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await uploader.send(messages(NOTES_ZIP, request_id=request_id, run_full_sync=True))
    assert error_of(caught.value) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")


async def test_a_batch_is_stored_under_its_parent(uploader: Uploader) -> None:
    place = {"parent_sync_request_id": str(uuid4()), "current_batch": 2, "total_batches": 3}
    made = await uploader.send(messages(NOTES_ZIP, batch=place))
    assert (made.parent_sync_request_id, made.current_batch, made.total_batches) == tuple(place.values())


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"app_enrollment_id": "x"}, "header.app_enrollment_id"),
        ({"request_id": "x"}, "header.request_id"),
        ({"sha256": b"x"}, "header.sha256"),
        ({"size": 0}, "header.size"),
        ({"size": 300 * 1024 * 1024}, "header.size"),
        ({"on_match": 9}, "header.on_match"),
        ({"batch": {"parent_sync_request_id": "x", "current_batch": 1, "total_batches": 1}}, "batch."),
    ],
)
async def test_the_header_is_checked(uploader: Uploader, fields: dict[str, Any], field: str) -> None:
    reason, ((broken, _),) = await uploader.refusal(*messages(NOTES_ZIP, **fields))
    assert reason == "INVALID_FIELD"
    assert field in broken


async def test_messages_come_in_their_order_and_size(uploader: Uploader) -> None:
    header, chunk = messages(NOTES_ZIP)
    no_header = ("INVALID_FIELD", [("header", "must be given in the first message")])
    assert await uploader.refusal() == no_header
    assert await uploader.refusal(chunk) == no_header
    no_chunk = ("INVALID_FIELD", [("chunk", "must be given in every message but the first")])
    assert await uploader.refusal(header, header) == no_chunk
    assert await uploader.refusal(header, Upload()) == no_chunk
    large = Upload(chunk=bytes(1024 * 1024 + 1))
    assert await uploader.refusal(header, large) == (
        "INVALID_FIELD",
        [("chunk", "at most 1,048,576 bytes, not 1,048,577")],
    )


async def test_size_and_hash_are_held_to_what_came(uploader: Uploader) -> None:
    size = len(NOTES_ZIP)
    header, chunk = messages(NOTES_ZIP)
    said = f"says {size} bytes"
    assert await uploader.refusal(header) == ("PAYLOAD_INVALID", [("header.size", f"{said}; 0 came")])
    assert await uploader.refusal(header, chunk, Upload(chunk=b"x")) == (
        "PAYLOAD_INVALID",
        [("header.size", f"{said}, and more of them came")],
    )
    reason, ((field, what),) = await uploader.refusal(header, Upload(chunk=bytes(size)))
    assert (reason, field) == ("PAYLOAD_INVALID", "header.sha256")
    assert sha256(bytes(size)).hexdigest() in what


async def test_what_is_wrong_inside_is_named_by_entry(uploader: Uploader) -> None:
    assert await uploader.refusal(*messages(made_zip({"notes.csv": b"", "note.csv": b"id,txt\n"}))) == (
        "PAYLOAD_INVALID",
        [
            ("notes.csv", "there is no object type 'notes'; did you mean 'note'?"),
            ("note.csv", "the object type 'note' has no field 'txt'; did you mean 'text'?"),
            ("note.csv", "expected were columns of id, text; found were id, txt"),
        ],
    )


async def test_a_name_that_is_far_too_long_is_cut_in_what_is_told(uploader: Uploader) -> None:
    name = "n" * 20_000 + ".csv"

    reason, ((entry, rule),) = await uploader.refusal(*messages(made_zip({name: b"id\n"})))

    assert (reason, entry) == ("PAYLOAD_INVALID", "n" * 150 + "…")
    assert len(rule) <= 301


async def test_an_unknown_enrollment_is_refused(uploader: Uploader) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await uploader.send(messages(NOTES_ZIP, app_enrollment_id=str(uuid4())))
    assert error_of(caught.value) == (grpc.StatusCode.NOT_FOUND, "ENROLLMENT_NOT_FOUND")


async def test_a_stream_that_breaks_stores_nothing(uploader: Uploader) -> None:
    begun = asyncio.Event()

    async def half() -> AsyncIterator[Upload]:
        header, *chunks = messages(NOTES_ZIP, chunk_bytes=len(NOTES_ZIP) // 2)
        yield header
        yield chunks[0]
        begun.set()
        await asyncio.Event().wait()

    call = uploader.stub.UploadBatch(half())
    await begun.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await uploader.send(messages(NOTES_ZIP))
    assert len(uploader.stored()) == 1


async def test_a_stream_that_stalls_is_ended(uploader: Uploader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_batch, "IDLE_SECONDS_MAX", 0.01)

    async def stalled() -> AsyncIterator[Upload]:
        yield next(messages(NOTES_ZIP))
        await asyncio.Event().wait()

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await uploader.stub.UploadBatch(stalled())
    assert error_of(caught.value) == (grpc.StatusCode.INVALID_ARGUMENT, "PAYLOAD_INVALID")
    assert uploader.stored() == []


async def test_a_server_that_stops_takes_no_more(uploader: Uploader) -> None:
    uploader.app.environment.drain.start()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await uploader.send(messages(NOTES_ZIP))
    assert error_of(caught.value) == (grpc.StatusCode.UNAVAILABLE, "DRAINING")


async def test_uploaded_rows_become_records(store: Store) -> None:
    async with running_app(store) as app, grpc.aio.insecure_channel(app.address) as channel:
        uploader = Uploader(app, channel)
        made = await uploader.send(messages(NOTES_ZIP))
        watched = sync_request_service_pb2.WatchSyncRequestRequest(sync_request_id=made.sync_request_id)
        last = [state async for state in uploader.stub.WatchSyncRequest(watched)][-1]
        assert last.status == sync_request_pb2.SYNC_REQUEST_STATUS_SUCCESS
        assert (last.progress.read, last.progress.inserted, last.progress.failed) == (3, 2, 1)
        listed = sync_request_service_pb2.ListSyncRequestDetailsRequest(sync_request_id=made.sync_request_id)
        (detail,) = (await uploader.stub.ListSyncRequestDetails(listed)).details
        assert (detail.line, detail.source_key, detail.reason) == (4, "a", "an earlier line has the same key")
