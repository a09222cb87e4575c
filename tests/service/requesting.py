"""SyncRequestService and AppEnrollmentService as the wire sees them: the generated stubs, and nothing in between."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.rpc import error_details_pb2  # type: ignore[import-untyped]

from syncline.v1 import app_enrollment_service_pb2 as enrollments_pb2
from syncline.v1 import app_enrollment_service_pb2_grpc, sync_request_service_pb2_grpc
from syncline.v1 import sync_request_pb2 as request_pb2
from syncline.v1 import sync_request_service_pb2 as service_pb2
from tests.harness.wire import detail_of, error_of


class RequestCalls:
    """Calls of both services."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.requests: sync_request_service_pb2_grpc.SyncRequestServiceAsyncStub = (
            sync_request_service_pb2_grpc.SyncRequestServiceStub(channel)
        )
        self.enrollments: app_enrollment_service_pb2_grpc.AppEnrollmentServiceAsyncStub = (
            app_enrollment_service_pb2_grpc.AppEnrollmentServiceStub(channel)
        )

    async def enroll(
        self, name: str = "books", *, connector: str = "external", secrets: dict[str, str] | None = None, **fields: Any
    ) -> enrollments_pb2.AppEnrollment:
        """CreateAppEnrollment."""
        enrollment = enrollments_pb2.AppEnrollment(name=name, connector=connector, **fields)
        return await self.enrollments.CreateAppEnrollment(
            enrollments_pb2.CreateAppEnrollmentRequest(app_enrollment=enrollment, secrets=secrets)
        )

    async def remove(self, enrollment_id: str) -> enrollments_pb2.DeleteAppEnrollmentResponse:
        """DeleteAppEnrollment."""
        return await self.enrollments.DeleteAppEnrollment(
            enrollments_pb2.DeleteAppEnrollmentRequest(app_enrollment_id=enrollment_id)
        )

    async def create(self, enrollment_id: str, **fields: Any) -> request_pb2.SyncRequest:
        """CreateSyncRequest."""
        return await self.requests.CreateSyncRequest(
            service_pb2.CreateSyncRequestRequest(app_enrollment_id=enrollment_id, **fields)
        )

    async def load(self, rows: Iterable[request_pb2.SourceRow], **fields: Any) -> request_pb2.SyncRequest:
        """CreateBatchImport."""
        return await self.requests.CreateBatchImport(service_pb2.CreateBatchImportRequest(rows=rows, **fields))

    async def get(self, request_id: str, **fields: Any) -> request_pb2.SyncRequest:
        """GetSyncRequest."""
        return await self.requests.GetSyncRequest(
            service_pb2.GetSyncRequestRequest(sync_request_id=request_id, **fields)
        )

    async def list(self, **fields: Any) -> service_pb2.ListSyncRequestsResponse:
        """ListSyncRequests."""
        return await self.requests.ListSyncRequests(service_pb2.ListSyncRequestsRequest(**fields))

    async def details(self, request_id: str, **fields: Any) -> service_pb2.ListSyncRequestDetailsResponse:
        """ListSyncRequestDetails."""
        return await self.requests.ListSyncRequestDetails(
            service_pb2.ListSyncRequestDetailsRequest(sync_request_id=request_id, **fields)
        )

    async def cancel(self, request_id: str) -> request_pb2.SyncRequest:
        """CancelSyncRequest."""
        return await self.requests.CancelSyncRequest(service_pb2.CancelSyncRequestRequest(sync_request_id=request_id))

    async def retry(self, sync_request_id: str, **fields: Any) -> request_pb2.SyncRequest:
        """RetrySyncRequest."""
        return await self.requests.RetrySyncRequest(
            service_pb2.RetrySyncRequestRequest(sync_request_id=sync_request_id, **fields)
        )

    def watch(self, request_id: str) -> grpc.aio.UnaryStreamCall[Any, request_pb2.SyncRequest]:
        """WatchSyncRequest."""
        return self.requests.WatchSyncRequest(service_pb2.WatchSyncRequestRequest(sync_request_id=request_id))

    async def ended(self, request_id: str) -> request_pb2.SyncRequest:
        """The request as it ended, once it has."""
        return [state async for state in self.watch(request_id)][-1]

    async def lease(self, worker: str = "worker", **fields: Any) -> service_pb2.LeaseSyncRequestResponse:
        """LeaseSyncRequest."""
        return await self.requests.LeaseSyncRequest(service_pb2.LeaseSyncRequestRequest(worker=worker, **fields))

    async def write(
        self,
        lease: service_pb2.LeaseSyncRequestResponse,
        number: int,
        rows: Iterable[request_pb2.SourceRow] = (),
        **fields: Any,
    ) -> service_pb2.WriteSyncRequestRowsResponse:
        """WriteSyncRequestRows."""
        request = service_pb2.WriteSyncRequestRowsRequest(
            lease_token=lease.lease_token,
            sync_request_id=lease.sync_request.sync_request_id,
            batch_number=number,
            rows=rows,
            **fields,
        )
        return await self.requests.WriteSyncRequestRows(request)

    async def end(
        self, lease: service_pb2.LeaseSyncRequestResponse, status: str, message: str = ""
    ) -> request_pb2.SyncRequest:
        """UpdateSyncRequest with a status, such as `SUCCESS`."""
        changed = request_pb2.SyncRequest(
            sync_request_id=lease.sync_request.sync_request_id,
            status=request_pb2.SyncRequestStatus.Value(f"SYNC_REQUEST_STATUS_{status}"),
            result_message=message,
        )
        return await self.update(lease, changed, "status", "result_message")

    async def update(
        self, lease: service_pb2.LeaseSyncRequestResponse, changed: request_pb2.SyncRequest, *paths: str
    ) -> request_pb2.SyncRequest:
        """UpdateSyncRequest."""
        return await self.requests.UpdateSyncRequest(
            service_pb2.UpdateSyncRequestRequest(
                lease_token=lease.lease_token, sync_request=changed, update_mask=FieldMask(paths=paths)
            )
        )

    async def run_outside(self, status: str, rows: Iterable[request_pb2.SourceRow] = ()) -> request_pb2.SyncRequest:
        """Do what is due as a worker outside: one batch, and the end."""
        lease = await self.lease()
        await self.write(lease, 1, rows, cursor="1")
        return await self.end(lease, status)


@asynccontextmanager
async def request_calls(address: str) -> AsyncIterator[RequestCalls]:
    """Calls over a connection of their own."""
    async with grpc.aio.insecure_channel(address) as channel:
        yield RequestCalls(channel)


def row(key: str, **fields: Any) -> request_pb2.SourceRow:
    """A row of the object type `note`."""
    return request_pb2.SourceRow(object_type="note", data=json.dumps({"id": key, **fields}).encode())


def status(request: request_pb2.SyncRequest) -> str:
    """The request's status as a word, such as `SUCCESS`."""
    return request_pb2.SyncRequestStatus.Name(request.status).removeprefix("SYNC_REQUEST_STATUS_")


async def refusal(call: Awaitable[Any]) -> tuple[str, str]:
    """Status code and reason of a call that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    code, reason = error_of(caught.value)
    return code.name, reason


async def bad_fields(call: Awaitable[Any]) -> list[str]:
    """The fields that a call that must fail for them names."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert error_of(caught.value) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD"), caught.value
    return [violation.field for violation in detail_of(caught.value, error_details_pb2.BadRequest).field_violations]
