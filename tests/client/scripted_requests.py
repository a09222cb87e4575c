"""A server of sync requests on a real socket whose every answer a test has written down, for faults."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.message import Message

from syncline.v1 import sync_request_pb2, sync_request_service_pb2, sync_request_service_pb2_grpc
from tests.client.scripted import Fault

Answer = Message | Fault
Watch = Sequence[sync_request_pb2.SyncRequest | Fault]


def request(status: str = "READY", **fields: Any) -> sync_request_pb2.SyncRequest:
    """A sync request of this status."""
    number = sync_request_pb2.SyncRequestStatus.Value(f"SYNC_REQUEST_STATUS_{status}")
    return sync_request_pb2.SyncRequest(sync_request_id="r", status=number, **fields)


@dataclass
class ScriptedRequests(sync_request_service_pb2_grpc.SyncRequestServiceServicer):
    """Answers as written; keeps what it was asked."""

    answers: deque[Answer] = field(default_factory=deque)
    """What the next single calls answer."""
    watches: deque[Watch] = field(default_factory=deque)
    """What the next WatchSyncRequest calls send."""
    uploads: deque[tuple[int, sync_request_pb2.SyncRequest | Fault]] = field(default_factory=deque)
    """How many messages the next UploadBatch calls read at most, and what they answer then."""
    hold: bool = False
    """Leave watches open after what is written, until the client ends them."""
    asked: list[Any] = field(default_factory=list)
    uploaded: list[list[sync_request_service_pb2.UploadBatchRequest]] = field(default_factory=list)
    watch_ended: threading.Event = field(default_factory=threading.Event)

    def CreateSyncRequest(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return self._answer(request, context)

    def CreateBatchImport(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return self._answer(request, context)

    def GetSyncRequest(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return self._answer(request, context)

    def ListSyncRequests(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return self._answer(request, context)

    def CancelSyncRequest(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return self._answer(request, context)

    def RetrySyncRequest(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return self._answer(request, context)

    def ListSyncRequestDetails(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return self._answer(request, context)

    def LeaseSyncRequest(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return self._answer(request, context)

    def WriteSyncRequestRows(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return self._answer(request, context)

    def UpdateSyncRequest(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return self._answer(request, context)

    def UploadBatch(  # noqa: N802
        self, request_iterator: Iterator[sync_request_service_pb2.UploadBatchRequest], context: grpc.ServicerContext
    ) -> Any:
        count, answer = self.uploads.popleft()
        received: list[sync_request_service_pb2.UploadBatchRequest] = []
        self.uploaded.append(received)
        for message in request_iterator:
            received.append(message)
            if len(received) == count:
                break
        return answer.abort(context) if isinstance(answer, Fault) else answer

    def WatchSyncRequest(  # noqa: N802
        self, request: sync_request_service_pb2.WatchSyncRequestRequest, context: grpc.ServicerContext
    ) -> Iterator[sync_request_pb2.SyncRequest]:
        self.asked.append(request)
        if not context.add_callback(self.watch_ended.set):
            self.watch_ended.set()
        for step in self.watches.popleft():
            if isinstance(step, Fault):
                step.abort(context)
            else:
                yield step
        if self.hold:
            self.watch_ended.wait()

    def _answer(self, request: Message, context: grpc.ServicerContext) -> Any:
        self.asked.append(request)
        answer = self.answers.popleft()
        return answer.abort(context) if isinstance(answer, Fault) else answer


@contextmanager
def serving_requests(service: ScriptedRequests) -> Iterator[str]:
    """The service on a free port of this machine; gives its address."""
    server = grpc.server(ThreadPoolExecutor(max_workers=4))
    sync_request_service_pb2_grpc.add_SyncRequestServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(grace=None).wait()
