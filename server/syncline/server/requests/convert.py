"""Sync requests as messages, from storage's models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from syncline.server.convert_time import timestamp
from syncline.storage.request_models import (
    NEVER,
    Detail,
    Operation,
    Progress,
    Severity,
    SyncRequest,
    TypeCounts,
)
from syncline.storage.request_states import RequestStatus
from syncline.v1 import sync_request_pb2

STATUSES: Final = {
    RequestStatus.READY: sync_request_pb2.SYNC_REQUEST_STATUS_READY,
    RequestStatus.CONNECTOR: sync_request_pb2.SYNC_REQUEST_STATUS_CONNECTOR,
    RequestStatus.IN_PROGRESS: sync_request_pb2.SYNC_REQUEST_STATUS_IN_PROGRESS,
    RequestStatus.CANCELLED: sync_request_pb2.SYNC_REQUEST_STATUS_CANCELLED,
    RequestStatus.FAILED: sync_request_pb2.SYNC_REQUEST_STATUS_FAILED,
    RequestStatus.SUCCESS: sync_request_pb2.SYNC_REQUEST_STATUS_SUCCESS,
}
OPERATIONS: Final = {
    Operation.READ: sync_request_pb2.SYNC_OPERATION_READ,
    Operation.WRITE: sync_request_pb2.SYNC_OPERATION_WRITE,
    Operation.CHECK: sync_request_pb2.SYNC_OPERATION_CHECK,
}
_SEVERITIES: Final = {
    Severity.ERROR: sync_request_pb2.DETAIL_SEVERITY_ERROR,
    Severity.SKIP: sync_request_pb2.DETAIL_SEVERITY_SKIP,
}


def request_message(
    request: SyncRequest, account_id: str, summary: sync_request_pb2.SyncRequestSummary | None = None
) -> sync_request_pb2.SyncRequest:
    """The request, with what came of its rows if that is given."""
    return sync_request_pb2.SyncRequest(
        sync_request_id=request.request_id,
        account_id=account_id,
        status=STATUSES[request.status],
        operation=OPERATIONS[request.operation],
        operation_name=request.operation.value,
        result_message=request.result_message,
        failure_count=request.failure_count,
        run_full_sync=request.run_full_sync,
        app_enrollment_id=request.enrollment_id or "",
        create_time=timestamp(request.created_at),
        modify_time=timestamp(request.modified_at),
        modified_by=request.modified_by,
        parent_sync_request_id=request.parent_id or "",
        current_batch=request.current_batch or 0,
        total_batches=request.total_batches or 0,
        progress=progress_message(request.progress),
        due_time=None if request.due_at == NEVER else timestamp(request.due_at),
        cancel_asked=request.cancel_asked,
        retry_of=request.retry_of or "",
        details=summary,
    )


def progress_message(progress: Progress) -> sync_request_pb2.SyncProgress:
    """How far a request has got."""
    return sync_request_pb2.SyncProgress(
        read=progress.read,
        inserted=progress.inserted,
        updated=progress.updated,
        deleted=progress.deleted,
        skipped=progress.skipped,
        failed=progress.failed,
        bytes=progress.bytes,
        estimate=progress.estimate,
    )


def summary_message(
    request: SyncRequest, counts: Mapping[str, TypeCounts], batch_ids: Sequence[str]
) -> sync_request_pb2.SyncRequestSummary:
    """What came of the rows of a request that has ended."""
    return sync_request_pb2.SyncRequestSummary(
        object_types={name: sync_request_pb2.SyncTypeCounts(**one._asdict()) for name, one in counts.items()},
        detail_count=request.detail_count,
        details_left_out=request.details_left_out,
        batch_sync_request_ids=batch_ids,
    )


def detail_message(number: int, detail: Detail) -> sync_request_pb2.SyncRequestDetail:
    """What became of one row."""
    return sync_request_pb2.SyncRequestDetail(
        number=number,
        severity=_SEVERITIES[detail.severity],
        object_type=detail.object_type,
        line=detail.line,
        source_key=detail.source_key,
        field=detail.field,
        reason=detail.reason,
        value=detail.value,
    )
