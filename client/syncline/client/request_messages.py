"""Messages about sync requests and app enrollments: built from arguments, and read into what applications see."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import uuid4

from google.protobuf.timestamp_pb2 import Timestamp

from syncline.client.request_models import (
    BatchPlace,
    Connector,
    Detail,
    DetailSeverity,
    DiscoveredStream,
    Enrollment,
    Id,
    OnMatch,
    Schedule,
    SourceRow,
    SyncOperation,
    SyncProgress,
    SyncRequest,
    SyncRequestStatus,
    SyncRequestSummary,
    SyncTypeCounts,
)
from syncline.client.requests import checked
from syncline.client.schema import object_type_from_message
from syncline.v1 import app_enrollment_service_pb2, sync_request_pb2, sync_request_service_pb2

_STATUS = {
    sync_request_pb2.SYNC_REQUEST_STATUS_READY: SyncRequestStatus.READY,
    sync_request_pb2.SYNC_REQUEST_STATUS_CONNECTOR: SyncRequestStatus.CONNECTOR,
    sync_request_pb2.SYNC_REQUEST_STATUS_IN_PROGRESS: SyncRequestStatus.IN_PROGRESS,
    sync_request_pb2.SYNC_REQUEST_STATUS_CANCELLED: SyncRequestStatus.CANCELLED,
    sync_request_pb2.SYNC_REQUEST_STATUS_FAILED: SyncRequestStatus.FAILED,
    sync_request_pb2.SYNC_REQUEST_STATUS_SUCCESS: SyncRequestStatus.SUCCESS,
}
_OPERATION = {
    sync_request_pb2.SYNC_OPERATION_READ: SyncOperation.READ,
    sync_request_pb2.SYNC_OPERATION_WRITE: SyncOperation.WRITE,
    sync_request_pb2.SYNC_OPERATION_CHECK: SyncOperation.CHECK,
}
_OPERATION_NUMBER = {operation: number for number, operation in _OPERATION.items()}
_ON_MATCH_NUMBER = {
    OnMatch.UPDATE: sync_request_pb2.ON_MATCH_ACTION_UPDATE,
    OnMatch.SKIP: sync_request_pb2.ON_MATCH_ACTION_SKIP,
    OnMatch.ERROR: sync_request_pb2.ON_MATCH_ACTION_ERROR,
}
_SEVERITY = {
    sync_request_pb2.DETAIL_SEVERITY_ERROR: DetailSeverity.ERROR,
    sync_request_pb2.DETAIL_SEVERITY_SKIP: DetailSeverity.SKIP,
}
_DETAILS = "details"

# Built from arguments


@checked
def create_request(
    enrollment_id: Id, *, full: bool, operation: SyncOperation, request_id: Id | None
) -> sync_request_service_pb2.CreateSyncRequestRequest:
    """A request of CreateSyncRequest."""
    if operation not in _OPERATION_NUMBER:
        raise ValueError(f"{operation} is no operation to ask for")
    return sync_request_service_pb2.CreateSyncRequestRequest(
        app_enrollment_id=str(enrollment_id),
        run_full_sync=full,
        operation=_OPERATION_NUMBER[operation],
        request_id=_request_id(request_id),
    )


@checked
def import_request(
    rows: Iterable[SourceRow],
    *,
    enrollment_id: Id | None,
    full: bool,
    infer_schema: bool,
    request_id: Id | None,
    batch: BatchPlace | None,
) -> sync_request_service_pb2.CreateBatchImportRequest:
    """A request of CreateBatchImport."""
    return sync_request_service_pb2.CreateBatchImportRequest(
        app_enrollment_id=_optional_id(enrollment_id),
        run_full_sync=full,
        rows=[_row(row) for row in rows],
        request_id=_request_id(request_id),
        batch=_batch(batch),
        infer_schema=infer_schema,
    )


@checked
def upload_header(
    *,
    enrollment_id: Id | None,
    full: bool,
    on_match: OnMatch,
    infer_schema: bool,
    request_id: Id | None,
    batch: BatchPlace | None,
    sha256: bytes,
    size: int,
) -> sync_request_service_pb2.UploadBatchRequest:
    """The first message of UploadBatch."""
    header = sync_request_service_pb2.UploadBatchHeader(
        app_enrollment_id=_optional_id(enrollment_id),
        run_full_sync=full,
        sha256=sha256,
        size=size,
        request_id=_request_id(request_id),
        batch=_batch(batch),
        on_match=_ON_MATCH_NUMBER[on_match],
        infer_schema=infer_schema,
    )
    return sync_request_service_pb2.UploadBatchRequest(header=header)


@checked
def get_request(sync_request_id: Id, *, details: bool) -> sync_request_service_pb2.GetSyncRequestRequest:
    """A request of GetSyncRequest."""
    return sync_request_service_pb2.GetSyncRequestRequest(
        sync_request_id=str(sync_request_id), include=_DETAILS if details else ""
    )


@checked
def list_request(
    where: str, *, order_by: str, details: bool, page_size: int | None
) -> sync_request_service_pb2.ListSyncRequestsRequest:
    """A request of ListSyncRequests for the first page."""
    return sync_request_service_pb2.ListSyncRequestsRequest(
        filter=where, order_by=order_by, include=_DETAILS if details else "", page_size=page_size
    )


@checked
def cancel_request(sync_request_id: Id) -> sync_request_service_pb2.CancelSyncRequestRequest:
    """A request of CancelSyncRequest."""
    return sync_request_service_pb2.CancelSyncRequestRequest(sync_request_id=str(sync_request_id))


@checked
def retry_request(sync_request_id: Id, *, request_id: Id | None) -> sync_request_service_pb2.RetrySyncRequestRequest:
    """A request of RetrySyncRequest."""
    return sync_request_service_pb2.RetrySyncRequestRequest(
        sync_request_id=str(sync_request_id), request_id=_request_id(request_id)
    )


@checked
def watch_request(sync_request_id: Id) -> sync_request_service_pb2.WatchSyncRequestRequest:
    """A request of WatchSyncRequest."""
    return sync_request_service_pb2.WatchSyncRequestRequest(sync_request_id=str(sync_request_id))


@checked
def details_request(
    sync_request_id: Id, *, page_size: int | None
) -> sync_request_service_pb2.ListSyncRequestDetailsRequest:
    """A request of ListSyncRequestDetails for the first page."""
    return sync_request_service_pb2.ListSyncRequestDetailsRequest(
        sync_request_id=str(sync_request_id), page_size=page_size
    )


@checked
def create_enrollment_request(
    name: str,
    connector: str,
    *,
    settings: Mapping[str, Any],
    secrets: Mapping[str, str],
    disabled: bool,
    schedule: Schedule | None,
) -> app_enrollment_service_pb2.CreateAppEnrollmentRequest:
    """A request of CreateAppEnrollment."""
    return app_enrollment_service_pb2.CreateAppEnrollmentRequest(
        app_enrollment=app_enrollment_service_pb2.AppEnrollment(
            name=name,
            connector=connector,
            settings=_json(settings),
            disabled=disabled,
            schedule=_schedule_message(schedule),
        ),
        secrets=secrets,
    )


@checked
def get_enrollment_request(enrollment_id: Id) -> app_enrollment_service_pb2.GetAppEnrollmentRequest:
    """A request of GetAppEnrollment."""
    return app_enrollment_service_pb2.GetAppEnrollmentRequest(app_enrollment_id=str(enrollment_id))


@checked
def update_enrollment_request(
    enrollment: Enrollment, *, secrets: Mapping[str, str]
) -> app_enrollment_service_pb2.UpdateAppEnrollmentRequest:
    """A request of UpdateAppEnrollment."""
    message = app_enrollment_service_pb2.AppEnrollment(
        app_enrollment_id=enrollment.app_enrollment_id,
        name=enrollment.name,
        connector=enrollment.connector,
        settings=_json(enrollment.settings),
        disabled=enrollment.disabled,
        schedule=_schedule_message(enrollment.schedule),
    )
    message.modify_time.FromDatetime(enrollment.modified_at)
    return app_enrollment_service_pb2.UpdateAppEnrollmentRequest(app_enrollment=message, secrets=secrets)


@checked
def delete_enrollment_request(enrollment_id: Id) -> app_enrollment_service_pb2.DeleteAppEnrollmentRequest:
    """A request of DeleteAppEnrollment."""
    return app_enrollment_service_pb2.DeleteAppEnrollmentRequest(app_enrollment_id=str(enrollment_id))


def _request_id(request_id: Id | None) -> str:
    # Made here if the caller has none: the message stays the same over all its repeats, and so does what it asks for.
    return str(request_id or uuid4())


def _schedule_message(schedule: Schedule | None) -> app_enrollment_service_pb2.EnrollmentSchedule | None:
    if schedule is None:
        return None
    return app_enrollment_service_pb2.EnrollmentSchedule(
        cron=schedule.cron,
        time_zone=schedule.time_zone,
        jitter_seconds=schedule.jitter_seconds,
        operation=_OPERATION_NUMBER[schedule.operation],
        run_full_sync=schedule.run_full_sync,
    )


def _optional_id(enrollment_id: Id | None) -> str:
    return "" if enrollment_id is None else str(enrollment_id)


def _batch(batch: BatchPlace | None) -> sync_request_service_pb2.BatchPlace | None:
    if batch is None:
        return None
    return sync_request_service_pb2.BatchPlace(
        parent_sync_request_id=str(batch.parent_sync_request_id),
        current_batch=batch.current_batch,
        total_batches=batch.total_batches,
    )


def _row(row: SourceRow) -> sync_request_pb2.SourceRow:
    return sync_request_pb2.SourceRow(
        object_type=row.object_type,
        source_key=row.source_key,
        data=b"" if row.deleted else _json(row.data).encode(),
        on_match=_ON_MATCH_NUMBER[row.on_match],
        deleted=row.deleted,
    )


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))


# Read


def request_status(number: sync_request_pb2.SyncRequestStatus.ValueType) -> SyncRequestStatus:
    """The status of this number; UNKNOWN if only newer servers know it."""
    return _STATUS.get(number, SyncRequestStatus.UNKNOWN)


def sync_request_from(message: sync_request_pb2.SyncRequest) -> SyncRequest:
    """A sync request. What a newer server says and this version does not know reads as UNKNOWN."""
    return SyncRequest(
        sync_request_id=message.sync_request_id,
        account_id=message.account_id,
        status=request_status(message.status),
        operation=_OPERATION.get(message.operation, SyncOperation.UNKNOWN),
        result_message=message.result_message,
        failure_count=message.failure_count,
        run_full_sync=message.run_full_sync,
        app_enrollment_id=message.app_enrollment_id,
        created_at=_time(message.create_time),
        modified_at=_time(message.modify_time),
        modified_by=message.modified_by,
        due_at=_time(message.due_time) if message.HasField("due_time") else None,
        cancel_asked=message.cancel_asked,
        parent_sync_request_id=message.parent_sync_request_id,
        current_batch=message.current_batch,
        total_batches=message.total_batches,
        retry_of=message.retry_of,
        progress=_progress(message.progress),
        details=_summary(message.details) if message.HasField("details") else None,
    )


def detail_from(message: sync_request_pb2.SyncRequestDetail) -> Detail:
    """A detail."""
    return Detail(
        number=message.number,
        severity=_SEVERITY.get(message.severity, DetailSeverity.UNKNOWN),
        object_type=message.object_type,
        line=message.line,
        source_key=message.source_key,
        field=message.field,
        reason=message.reason,
        value=message.value,
    )


def enrollment_from(message: app_enrollment_service_pb2.AppEnrollment) -> Enrollment:
    """An app enrollment."""
    return Enrollment(
        app_enrollment_id=message.app_enrollment_id,
        name=message.name,
        connector=message.connector,
        settings=json.loads(message.settings or "{}"),
        disabled=message.disabled,
        created_at=_time(message.create_time),
        modified_at=_time(message.modify_time),
        modified_by=message.modified_by,
        secret_names=tuple(message.secret_names),
        schedule=_schedule(message.schedule) if message.HasField("schedule") else None,
        next_run_at=_time(message.next_run_time) if message.HasField("next_run_time") else None,
        last_sync_request=_run(message, "last_sync_request"),
        last_successful_sync_request=_run(message, "last_successful_sync_request"),
    )


@checked
def discover_request(enrollment_id: Id) -> app_enrollment_service_pb2.DiscoverStreamsRequest:
    """A request of DiscoverStreams."""
    return app_enrollment_service_pb2.DiscoverStreamsRequest(app_enrollment_id=str(enrollment_id))


def stream_from(message: app_enrollment_service_pb2.DiscoveredStream) -> DiscoveredStream:
    """What a connected system has."""
    kind = object_type_from_message(message.object_type) if message.HasField("object_type") else None
    return DiscoveredStream(message.name, kind, message.selected, message.rows, message.note)


def connector_from(message: app_enrollment_service_pb2.Connector) -> Connector:
    """A connector."""
    return Connector(message.name, message.description, tuple(message.operations))


def _run(
    message: app_enrollment_service_pb2.AppEnrollment,
    field: Literal["last_sync_request", "last_successful_sync_request"],
) -> SyncRequest | None:
    return sync_request_from(getattr(message, field)) if message.HasField(field) else None


def _progress(message: sync_request_pb2.SyncProgress) -> SyncProgress:
    return SyncProgress(
        read=message.read,
        inserted=message.inserted,
        updated=message.updated,
        deleted=message.deleted,
        skipped=message.skipped,
        failed=message.failed,
        bytes=message.bytes,
        estimate=message.estimate,
    )


def _summary(message: sync_request_pb2.SyncRequestSummary) -> SyncRequestSummary:
    return SyncRequestSummary(
        object_types={
            name: SyncTypeCounts(counts.inserted, counts.updated, counts.deleted, counts.skipped, counts.failed)
            for name, counts in sorted(message.object_types.items())
        },
        detail_count=message.detail_count,
        details_left_out=message.details_left_out,
        batch_sync_request_ids=tuple(message.batch_sync_request_ids),
    )


def _schedule(message: app_enrollment_service_pb2.EnrollmentSchedule) -> Schedule:
    return Schedule(
        cron=message.cron,
        time_zone=message.time_zone,
        jitter_seconds=message.jitter_seconds,
        operation=_OPERATION.get(message.operation, SyncOperation.UNKNOWN),
        run_full_sync=message.run_full_sync,
    )


def _time(message: Timestamp) -> datetime:
    return message.ToDatetime(UTC)
