"""A server on a real socket whose every answer a test has written down: for faults that a sound server has not."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from grpc_status import rpc_status

from syncline.v1 import frame_pb2, queue_pb2, sync_service_pb2, sync_service_pb2_grpc, upload_pb2


class Fault(NamedTuple):
    """An answer that is an error."""

    status: grpc.StatusCode
    reason: str = ""
    details: tuple[Message, ...] = ()
    message: str = "as scripted"

    def abort(self, context: grpc.ServicerContext) -> Any:
        """End the call with it."""
        packed = []
        info = error_details_pb2.ErrorInfo(reason=self.reason, domain="syncline")
        for detail in ([info] if self.reason else []) + list(self.details):
            packed.append(AnyMessage())
            packed[-1].Pack(detail)
        status = status_pb2.Status(code=self.status.value[0], message=self.message, details=packed)
        if packed:
            context.abort_with_status(rpc_status.to_status(status))
        context.abort(self.status, self.message)


class Item(NamedTuple):
    """One item of a page."""

    key: str
    revision: int
    data: bytes | None = b"{}"


def page(
    number: int, items: Sequence[Item] = (), *, checkpoint: int | None = None, redelivered: bool = False
) -> queue_pb2.QueuePage:
    """A page; its key is `page <number>`, the key of an item `item <revision>`."""
    segment = queue_pb2.Segment(
        scope="all",
        frames=[
            frame_pb2.Frame(object_type="note", key=item.key, modified_at_us=7, data=item.data).SerializeToString()
            for item in items
        ],
        revisions=[item.revision for item in items],
        event_types=[queue_pb2.EVENT_TYPE_UPDATED if item.data else queue_pb2.EVENT_TYPE_DELETED for item in items],
        item_ack_keys=[f"item {item.revision}" for item in items],
        redelivered=redelivered,
    )
    message = queue_pb2.QueuePage(
        page_number=number, segments=[segment] if items else [], count=len(items), page_ack_key=f"page {number}"
    )
    if checkpoint is not None:
        message.checkpoint.head_revision = checkpoint
    return message


def items(first: int, last: int) -> list[Item]:
    """Items of these revisions; the key is the revision."""
    return [Item(str(revision), revision) for revision in range(first, last + 1)]


Started = sync_service_pb2.StartSessionResponse | Fault
Stream = Sequence[queue_pb2.QueuePage | Fault]
Uploaded = Sequence[upload_pb2.UploadResponse | Fault | None]
"""How an Upload call goes: each answer is to one more message; None ends the call in order."""


def started(session_id: str = "s", *, epoch: str = "e") -> sync_service_pb2.StartSessionResponse:
    """An answer of StartSession with something to read."""
    return sync_service_pb2.StartSessionResponse(session=sync_service_pb2.Session(id=session_id), store_epoch=epoch)


@dataclass
class ScriptedService(sync_service_pb2_grpc.SyncServiceServicer):
    """Answers as written; keeps what it was asked."""

    streams: deque[Stream] = field(default_factory=deque)
    """What the next ReadQueue calls send; one that is not a fault at its end stays open if `hold` is set."""
    starts: deque[Started] = field(default_factory=deque)
    """What the next StartSession calls answer; with none left, a session."""
    ack_faults: deque[Fault | None] = field(default_factory=deque)
    """What goes wrong with the next Acknowledge calls, after the request was noted."""
    uploads: deque[Uploaded] = field(default_factory=deque)
    """How the next Upload calls go; what comes after the last step is only noted."""
    conflict_pages: deque[upload_pb2.ListConflictsResponse] = field(default_factory=deque)
    """What the next ListConflicts calls answer."""
    reconciliations: deque[upload_pb2.ReconcileResponse] = field(default_factory=deque)
    """What the next Reconcile calls answer; with none left, that all is equal."""
    hold: bool = False
    """Leave streams open, and read no more of them, until the client ends them."""
    start_requests: list[sync_service_pb2.StartSessionRequest] = field(default_factory=list)
    ack_requests: list[sync_service_pb2.AcknowledgeRequest] = field(default_factory=list)
    read_requests: list[sync_service_pb2.ReadQueueRequest] = field(default_factory=list)
    upload_requests: list[upload_pb2.UploadRequest] = field(default_factory=list)
    conflict_requests: list[upload_pb2.ListConflictsRequest] = field(default_factory=list)
    reconcile_requests: list[upload_pb2.ReconcileRequest] = field(default_factory=list)
    metadata: list[dict[str, str | bytes]] = field(default_factory=list)
    stream_ended: threading.Event = field(default_factory=threading.Event)
    upload_left: threading.Event = field(default_factory=threading.Event)
    """The client has said that no more changes come."""

    def StartSession(  # noqa: N802
        self, request: sync_service_pb2.StartSessionRequest, context: grpc.ServicerContext
    ) -> sync_service_pb2.StartSessionResponse:
        self.start_requests.append(request)
        self.metadata.append(dict(context.invocation_metadata()))
        answer = self.starts.popleft() if self.starts else started()
        return answer.abort(context) if isinstance(answer, Fault) else answer

    def ReadQueue(  # noqa: N802
        self, request: sync_service_pb2.ReadQueueRequest, context: grpc.ServicerContext
    ) -> Iterator[queue_pb2.QueuePage]:
        self.read_requests.append(request)
        self._note_the_end(context)
        for step in self.streams.popleft():
            if isinstance(step, Fault):
                step.abort(context)
            else:
                yield step
        if self.hold:
            self.stream_ended.wait()

    def Acknowledge(  # noqa: N802
        self, request: sync_service_pb2.AcknowledgeRequest, context: grpc.ServicerContext
    ) -> sync_service_pb2.AcknowledgeResponse:
        self.ack_requests.append(request)
        fault = self.ack_faults.popleft() if self.ack_faults else None
        if fault is not None:
            fault.abort(context)
        return sync_service_pb2.AcknowledgeResponse(
            acknowledged=len(request.ack_keys),
            failed_objects=[
                queue_pb2.FailedObject(object_type=r.object_type, key=r.key, revision=r.revision, reason=r.reason)
                for r in request.rejections
            ],
        )

    def Upload(  # noqa: N802
        self, request_iterator: Iterator[upload_pb2.UploadRequest], context: grpc.ServicerContext
    ) -> Iterator[upload_pb2.UploadResponse]:
        self.metadata.append(dict(context.invocation_metadata()))
        self._note_the_end(context)
        for step in self.uploads.popleft():
            if step is None:
                return
            if isinstance(step, Fault):
                step.abort(context)
            else:
                self.upload_requests.append(next(request_iterator))
                yield step
        if self.hold:
            self.stream_ended.wait()
            return
        self.upload_requests.extend(request_iterator)
        self.upload_left.set()

    def ListConflicts(  # noqa: N802
        self, request: upload_pb2.ListConflictsRequest, context: grpc.ServicerContext
    ) -> upload_pb2.ListConflictsResponse:
        self.conflict_requests.append(request)
        return self.conflict_pages.popleft()

    def Reconcile(  # noqa: N802
        self, request: upload_pb2.ReconcileRequest, context: grpc.ServicerContext
    ) -> upload_pb2.ReconcileResponse:
        self.reconcile_requests.append(request)
        if self.reconciliations:
            return self.reconciliations.popleft()
        return upload_pb2.ReconcileResponse(ranges=[upload_pb2.RangeAnswer(equal=True) for _ in request.ranges])

    def FetchQueue(  # noqa: N802
        self, request: sync_service_pb2.FetchQueueRequest, context: grpc.ServicerContext
    ) -> queue_pb2.QueuePage:
        raise NotImplementedError("faults of single calls are told by StartSession")

    def GetSchema(  # noqa: N802
        self, request: sync_service_pb2.GetSchemaRequest, context: grpc.ServicerContext
    ) -> sync_service_pb2.GetSchemaResponse:
        raise NotImplementedError("faults of single calls are told by StartSession")

    def ConfirmWipe(  # noqa: N802
        self, request: sync_service_pb2.ConfirmWipeRequest, context: grpc.ServicerContext
    ) -> sync_service_pb2.ConfirmWipeResponse:
        raise NotImplementedError("faults of single calls are told by StartSession")

    def _note_the_end(self, context: grpc.ServicerContext) -> None:
        if not context.add_callback(self.stream_ended.set):  # it was cancelled before it came here
            self.stream_ended.set()

    def acks(self) -> list[list[str]]:
        """The keys of each Acknowledge."""
        return [list(request.ack_keys) for request in self.ack_requests]


@contextmanager
def serving(service: ScriptedService, credentials: grpc.ServerCredentials | None = None) -> Iterator[str]:
    """The service on a free port of this machine; gives its address."""
    server = grpc.server(ThreadPoolExecutor(max_workers=8))
    sync_service_pb2_grpc.add_SyncServiceServicer_to_server(service, server)
    address = "localhost:0" if credentials else "127.0.0.1:0"
    port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    server.start()
    try:
        yield f"{address.partition(':')[0]}:{port}"
    finally:
        server.stop(grace=None).wait()
