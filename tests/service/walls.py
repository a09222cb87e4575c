"""Accounts with something of everything, and calls of any method, for the matrix of walls."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import astuple, dataclass, fields, replace
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import grpc
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from grpc_status import rpc_status

from syncline.storage import Store
from syncline.v1 import (
    app_enrollment_service_pb2 as enrollments_pb2,
)
from syncline.v1 import (
    device_service_pb2,
    diagnostics_service_pb2,
    schema_service_pb2,
    sync_service_pb2,
    upload_pb2,
)
from syncline.v1 import sync_request_service_pb2 as service_pb2
from tests.harness.wire import notes
from tests.service.requesting import row
from tests.service.uploading import insert, update

FILES: Sequence[FileDescriptor] = [
    module.DESCRIPTOR
    for module in (
        sync_service_pb2,
        schema_service_pb2,
        service_pb2,
        enrollments_pb2,
        diagnostics_service_pb2,
        device_service_pb2,
    )
]
METHODS = {
    f"/{service.full_name}/{method.name}": method
    for file in FILES
    for service in file.services_by_name.values()
    for method in service.methods
}
"""All methods that a server has, by path."""

CALL_SECONDS_MAX = 30
_TRIES_MAX = 20
_WROTE_TOO_LATE = "Internal error from Core"
"""What gRPC's client makes of the answer if a stream is refused while it still writes: the server has read nothing."""


class Answer(NamedTuple):
    """What a caller sees of a call."""

    status: str
    reason: str
    text: str
    details: tuple[str, ...]
    messages: tuple[str, ...]


class Client:
    """Calls methods by their names, as one caller."""

    def __init__(self, channel: grpc.aio.Channel, token: str) -> None:
        self._channel = channel
        self._token = token

    async def call(self, path: str, requests: Message | Sequence[Message], device_uuid: str = "") -> list[Any]:
        """All answers of a call. Raises `AioRpcError`."""
        method = METHODS[path]
        metadata = [("authorization", f"Bearer {self._token}")]
        metadata += [("syncline-device-uuid", device_uuid)] if device_uuid else []
        sent = [requests] if isinstance(requests, Message) else list(requests)
        make = getattr(self._channel, _SHAPES[_streams(method)])
        calling = make(path, _serialize, GetMessageClass(method.output_type).FromString)
        asked = _each(sent) if method.client_streaming else sent[0]
        call = calling(asked, metadata=metadata, timeout=CALL_SECONDS_MAX)
        if not method.server_streaming:
            return [await call]
        return [answer async for answer in call]

    async def answer(self, path: str, requests: Message | Sequence[Message], device_uuid: str = "") -> Answer:
        """What is seen of the call, in a form that can be compared."""
        for _ in range(_TRIES_MAX):
            try:
                found = await self.call(path, requests, device_uuid)
            except grpc.aio.AioRpcError as error:
                if error.details() != _WROTE_TOO_LATE:
                    return _refused(error)
            else:
                return Answer("OK", "", "", (), tuple(map(str, found)))
        raise AssertionError(f"{path}: the answer is never heard")


_SHAPES = {
    (False, False): "unary_unary",
    (False, True): "unary_stream",
    (True, False): "stream_unary",
    (True, True): "stream_stream",
}


def _streams(method: MethodDescriptor) -> tuple[bool, bool]:
    return method.client_streaming, method.server_streaming


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()


async def _each(messages: Iterable[Message]) -> AsyncIterator[Message]:
    for message in messages:
        yield message


def _refused(error: grpc.aio.AioRpcError) -> Answer:
    status: status_pb2.Status | None = rpc_status.from_call(error)  # type: ignore[arg-type]  # the stubs forget aio
    if status is None:
        return Answer(error.code().name, "", error.details() or "", (), ())
    reason, details = "", []
    for packed in status.details:
        if packed.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            info = error_details_pb2.ErrorInfo()
            packed.Unpack(info)
            reason = info.reason
        if not packed.Is(error_details_pb2.RequestInfo.DESCRIPTOR):
            details.append(repr(packed.value))
    return Answer(error.code().name, reason, status.message, tuple(details), ())


@dataclass(frozen=True)
class Ids:
    """All that names something of an account."""

    device_uuid: str
    store_epoch: str
    session_id: str
    page_ack_key: str
    item_ack_key: str
    position: str
    conflicts_page: str
    record_key: str
    change_uuid: str
    enrollment_id: str
    enrollment_name: str
    spare_enrollment_id: str
    ended_id: str
    """A sync request that has ended, with details."""
    ready_id: str
    """One that waits."""
    leased_id: str
    lease_token: str
    parent_id: str
    request_key: str
    """The idempotency key of `ended_id`."""
    upload_key: str
    """That of a file."""
    requests_page: str
    details_page: str
    devices_page: str
    audit_page: str
    managed_uuid: str
    """A device that nobody uses."""

    def unique(self) -> list[str]:
        """Those that come to stand in no other account, even if somebody there uses them."""
        used = {self.device_uuid, self.parent_id, self.enrollment_name}
        return [value for value in astuple(self) if value not in used]

    def unlike(self) -> Ids:
        """Ids of the same forms of which nothing is there. Tokens are these with their last characters changed."""
        changed: dict[str, str] = {}
        for field in fields(self):
            value: str = getattr(self, field.name)
            if field.name in _TOKENS:
                changed[field.name] = value[:-4] + value[-4:].swapcase()[::-1].translate(_OTHERS)
            elif field.name in ("record_key", "request_key", "upload_key", "enrollment_name") or "-" in value:
                changed[field.name] = str(uuid4())
            else:
                changed[field.name] = uuid4().hex[: len(value)]
        return replace(self, **changed)


_TOKENS = {
    "page_ack_key",
    "item_ack_key",
    "position",
    "conflicts_page",
    "lease_token",
    "requests_page",
    "details_page",
    "devices_page",
    "audit_page",
}
_OTHERS = str.maketrans("ABCDEFGHabcdefgh01234567", "BADCFEHGbadcfehg10325476")

_VARYING = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "A-UUID"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "AN-ID"),
    (re.compile(r"(seconds|nanos|revision|head_revision|read_revision|conflict_id): \d+"), "A-NUMBER"),
)


def blurred(answer: Answer, ids: Ids) -> Answer:
    """The answer without what the caller sent himself, and without times and ids that are new each time."""

    def blur(text: str) -> str:
        for value in sorted(set(astuple(ids)), key=len, reverse=True):
            if len(value) > 3:
                text = text.replace(value, "SENT")
        for pattern, word in _VARYING:
            text = pattern.sub(word, text)
        return text

    details = tuple(map(blur, answer.details))
    return answer._replace(text=blur(answer.text), details=details, messages=tuple(map(blur, answer.messages)))


async def settle(client: Client, store: Store, account_id: str) -> Ids:
    """Fill the account, which has the schema of the tests of uploads, with something of everything."""
    sync, asking = "/syncline.v1.SyncService/", "/syncline.v1.SyncRequestService/"
    enrolling, managing = "/syncline.v1.AppEnrollmentService/", "/syncline.v1.DeviceService/"
    device_uuid, managed_uuid, writer = str(uuid4()), str(uuid4()), str(uuid4())
    store.write_records(account_id, notes(3))
    store.register_device(account_id, UUID(managed_uuid), now=1)

    (started,) = await client.call(sync + "StartSession", sync_service_pb2.StartSessionRequest(), device_uuid)
    texts = [insert(seq, f"{account_id}-k{seq}", text="theirs") for seq in (1, 2)]
    await client.call(sync + "Upload", _upload(started.store_epoch, *texts), writer)
    edits = [update(seq, f"{account_id}-k{seq}", seen={"text": "old"}, text="mine") for seq in (1, 2)]
    await client.call(sync + "Upload", _upload(started.store_epoch, *edits), device_uuid)
    listing = upload_pb2.ListConflictsRequest(page_size=1)
    (conflicts,) = await client.call(sync + "ListConflicts", listing, device_uuid)
    start = sync_service_pb2.StartSessionRequest(always=True)
    (started,) = await client.call(sync + "StartSession", start, device_uuid)
    reading = sync_service_pb2.ReadQueueRequest(session_id=started.session.id, item_ack_keys=True)
    page = (await client.call(sync + "ReadQueue", reading, device_uuid))[0]

    async def enroll(name: str) -> str:
        enrollment = enrollments_pb2.AppEnrollment(name=name, connector="external")
        wanted = enrollments_pb2.CreateAppEnrollmentRequest(app_enrollment=enrollment)
        (made,) = await client.call(enrolling + "CreateAppEnrollment", wanted)
        return str(made.app_enrollment_id)

    async def ask(enrollment_id: str) -> str:
        wanted = service_pb2.CreateSyncRequestRequest(app_enrollment_id=enrollment_id)
        (made,) = await client.call(asking + "CreateSyncRequest", wanted)
        return str(made.sync_request_id)

    request_key, upload_key = str(uuid4()), str(uuid4())
    rows = [row("a", text=1), row("b", text=2)]  # texts that are numbers: two details
    (loaded,) = await client.call(
        asking + "CreateBatchImport", service_pb2.CreateBatchImportRequest(rows=rows, request_id=request_key)
    )
    ended_id = loaded.sync_request_id
    await client.call(asking + "WatchSyncRequest", service_pb2.WatchSyncRequestRequest(sync_request_id=ended_id))
    parent_id = str(uuid4())
    place = service_pb2.BatchPlace(parent_sync_request_id=parent_id, current_batch=1, total_batches=3)
    (batch,) = await client.call(
        asking + "CreateBatchImport", service_pb2.CreateBatchImportRequest(rows=[row("c")], batch=place)
    )
    (file,) = await client.call(asking + "UploadBatch", file_messages(request_id=upload_key))
    for begun in (batch, file):  # until no worker writes any more
        watching = service_pb2.WatchSyncRequestRequest(sync_request_id=begun.sync_request_id)
        await client.call(asking + "WatchSyncRequest", watching)
    enrollment_id = await enroll(f"books of {account_id}")
    leased_id = await ask(enrollment_id)
    leasing = service_pb2.LeaseSyncRequestRequest(worker="w", lease_seconds=300)
    (lease,) = await client.call(asking + "LeaseSyncRequest", leasing)
    assert lease.sync_request.sync_request_id == leased_id
    ready_id = await ask(await enroll("shelves"))
    (requests,) = await client.call(
        asking + "ListSyncRequests", service_pb2.ListSyncRequestsRequest(order_by="created", page_size=1)
    )
    (details,) = await client.call(
        asking + "ListSyncRequestDetails",
        service_pb2.ListSyncRequestDetailsRequest(sync_request_id=ended_id, page_size=1),
    )
    for method in ("DisableDevice", "EnableDevice"):
        request = GetMessageClass(METHODS[managing + method].input_type)(device_uuid=managed_uuid)
        await client.call(managing + method, request)
    (devices,) = await client.call(managing + "ListDevices", device_service_pb2.ListDevicesRequest(page_size=1))
    (audit,) = await client.call(managing + "ListAuditEntries", device_service_pb2.ListAuditEntriesRequest(page_size=1))
    ids = Ids(
        device_uuid=device_uuid,
        store_epoch=started.store_epoch,
        session_id=started.session.id,
        page_ack_key=page.page_ack_key,
        item_ack_key=page.segments[0].item_ack_keys[0],
        position=page.feeds[0].position,
        conflicts_page=conflicts.next_page_token,
        record_key=f"{account_id}-k1",
        change_uuid=str(UUID(bytes=edits[0].change_uuid)),
        enrollment_id=enrollment_id,
        enrollment_name=f"books of {account_id}",
        spare_enrollment_id=await enroll("spare"),
        ended_id=ended_id,
        ready_id=ready_id,
        leased_id=leased_id,
        lease_token=lease.lease_token,
        parent_id=parent_id,
        request_key=request_key,
        upload_key=upload_key,
        requests_page=requests.next_page_token,
        details_page=details.next_page_token,
        devices_page=devices.next_page_token,
        audit_page=audit.next_page_token,
        managed_uuid=managed_uuid,
    )
    assert all(astuple(ids)), ids
    return ids


def file_messages(**header: Any) -> list[service_pb2.UploadBatchRequest]:
    """An UploadBatch of a small file."""
    told = service_pb2.UploadBatchHeader(sha256=hashlib.sha256(_FILE).digest(), size=len(_FILE), **header)
    return [service_pb2.UploadBatchRequest(header=told), service_pb2.UploadBatchRequest(chunk=_FILE)]


def _zipped(name: str, data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, data)
    return file.getvalue()


_FILE = _zipped("note.csv", b"id,text\nz,x\n")


def _upload(store_epoch: str, *changes: upload_pb2.Change) -> upload_pb2.UploadRequest:
    return upload_pb2.UploadRequest(store_epoch=store_epoch, changes=changes)
