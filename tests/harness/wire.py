"""A device as the wire sees it: the generated stub, its metadata, and nothing in between."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import grpc
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from syncline.storage.identity import item_digest
from syncline.storage.models import RecordWrite
from syncline.v1 import frame_pb2, queue_pb2, sync_service_pb2, sync_service_pb2_grpc

PageStream: TypeAlias = "grpc.aio.UnaryStreamCall[Any, queue_pb2.QueuePage]"


class WireDevice:
    """One device's calls. It keeps nothing by itself."""

    def __init__(self, channel: grpc.aio.Channel, device_uuid: UUID | None = None) -> None:
        self.uuid = device_uuid or uuid4()
        self.channel = channel
        self.stub: sync_service_pb2_grpc.SyncServiceAsyncStub = sync_service_pb2_grpc.SyncServiceStub(channel)
        self.metadata: tuple[tuple[str, str], ...] = (("syncline-device-uuid", str(self.uuid)),)

    async def start(self, **fields: Any) -> sync_service_pb2.StartSessionResponse:
        """StartSession."""
        return await self.stub.StartSession(sync_service_pb2.StartSessionRequest(**fields), metadata=self.metadata)

    async def start_id(self, **fields: Any) -> str:
        """StartSession; the session's id."""
        return (await self.start(**fields)).session.id

    def stream(self, session_id: str, **fields: Any) -> PageStream:
        """ReadQueue."""
        request = sync_service_pb2.ReadQueueRequest(session_id=session_id, **fields)
        return self.stub.ReadQueue(request, metadata=self.metadata)

    async def read(self, session_id: str, *, acknowledge: bool = False, **fields: Any) -> list[queue_pb2.QueuePage]:
        """ReadQueue to its end, which without `follow` is the first checkpoint."""
        pages = []
        async for page in self.stream(session_id, **fields):
            pages.append(page)
            if acknowledge:
                await self.acknowledge(page.page_ack_key)
        return pages

    async def sync(self, **fields: Any) -> list[queue_pb2.QueuePage]:
        """A whole session, acknowledged; no pages if there is nothing new."""
        session_id = await self.start_id(**fields)
        return await self.read(session_id, acknowledge=True) if session_id else []

    async def fetch(self, session_id: str, **fields: Any) -> queue_pb2.QueuePage:
        """FetchQueue."""
        request = sync_service_pb2.FetchQueueRequest(session_id=session_id, **fields)
        return await self.stub.FetchQueue(request, metadata=self.metadata)

    async def acknowledge(
        self, *ack_keys: str, rejections: Iterable[sync_service_pb2.Rejection] = ()
    ) -> sync_service_pb2.AcknowledgeResponse:
        """Acknowledge."""
        request = sync_service_pb2.AcknowledgeRequest(ack_keys=ack_keys, rejections=rejections)
        return await self.stub.Acknowledge(request, metadata=self.metadata)


@asynccontextmanager
async def wire_device(address: str, device_uuid: UUID | None = None) -> AsyncIterator[WireDevice]:
    """A device with a connection of its own."""
    async with grpc.aio.insecure_channel(address) as channel:
        yield WireDevice(channel, device_uuid)


async def is_serving(channel: grpc.aio.Channel, service: str) -> bool:
    """Does the health service say so? It must know the service."""
    stub: Any = health_pb2_grpc.HealthStub(channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
    assert answer.status != health_pb2.HealthCheckResponse.UNKNOWN
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


async def next_page(stream: PageStream) -> queue_pb2.QueuePage:
    """The stream's next page; there must be one."""
    page = await stream.read()
    assert isinstance(page, queue_pb2.QueuePage), "the stream has ended"
    return page


def note(key: str, text: str = "", *, bucket: str | None = None) -> RecordWrite:
    """A record of the object type `note` to write."""
    data = f'{{"id":"{key}","text":"{text}"}}'.encode()
    frame = frame_pb2.Frame(object_type="note", key=key, bucket=bucket or "", modified_at_us=1, data=data)
    digest = item_digest("note", text).to_bytes(8)
    return RecordWrite("note", key, frame.SerializeToString(), digest, modified_at=1, bucket=bucket)


def notes(count: int) -> list[RecordWrite]:
    """As many notes, with the keys n0, n1 …"""
    return [note(f"n{number}") for number in range(count)]


def delete_note(key: str) -> RecordWrite:
    """The delete of a note."""
    return RecordWrite("note", key, None, b"", modified_at=2)


def frames(pages: Iterable[queue_pb2.QueuePage]) -> list[frame_pb2.Frame]:
    """All items of the pages, in order."""
    return [
        frame_pb2.Frame.FromString(frame) for page in pages for segment in page.segments for frame in segment.frames
    ]


def keys(pages: Iterable[queue_pb2.QueuePage]) -> list[str]:
    """The keys of all items of the pages, in order."""
    return [frame.key for frame in frames(pages)]


def error_of(error: grpc.aio.AioRpcError) -> tuple[grpc.StatusCode, str]:
    """Status code and reason of a failed call."""
    return error.code(), detail_of(error, error_details_pb2.ErrorInfo).reason


def detail_of(error: grpc.aio.AioRpcError, kind: Any) -> Any:
    """The one detail of this message type that the error carries."""
    status: status_pb2.Status | None = rpc_status.from_call(error)  # type: ignore[arg-type]  # the stubs forget aio
    assert status is not None, f"no details: {error}"
    found = [packed for packed in status.details if packed.Is(kind.DESCRIPTOR)]
    assert len(found) == 1, f"{kind.__name__}: {status}"
    detail = kind()
    found[0].Unpack(detail)
    return detail
