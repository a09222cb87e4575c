"""Requests of SyncRequestService: checked, and turned into what the calls work with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import orjson
from google.protobuf.message import Message

from syncline.data.limits import RECORD_BYTES_MAX
from syncline.server import limits
from syncline.server.requests.convert import OPERATIONS
from syncline.server.requests.records_payload import ON_MATCH
from syncline.server.violations import Violations
from syncline.storage.request_models import RESULT_MESSAGE_CHARS_MAX, Ending, Operation
from syncline.v1 import sync_request_pb2, sync_request_service_pb2

_OPERATIONS: Final = {
    sync_request_pb2.SYNC_OPERATION_UNSPECIFIED: Operation.READ,
    **{number: operation for operation, number in OPERATIONS.items()},
}
_ENDINGS: Final = {
    sync_request_pb2.SYNC_REQUEST_STATUS_SUCCESS: Ending.SUCCESS,
    sync_request_pb2.SYNC_REQUEST_STATUS_FAILED: Ending.FAILED,
    sync_request_pb2.SYNC_REQUEST_STATUS_CANCELLED: Ending.CANCELLED,
    sync_request_pb2.SYNC_REQUEST_STATUS_READY: Ending.TRY_AGAIN,
}
_UPDATABLE: Final = ("status", "result_message")


@dataclass(frozen=True, slots=True)
class Place:
    """A batch's place among those of its parent."""

    parent_id: str
    current_batch: int
    total_batches: int


@dataclass(frozen=True, slots=True)
class Asked:
    """What the requests that make a sync request have in common."""

    operation: Operation
    enrollment_id: str | None
    run_full_sync: bool
    idempotency_key: str
    """Empty: none."""
    payload_hash: bytes
    """Of all that was asked for, the method included."""
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class RowsWrite:
    """What WriteSyncRequestRows asks for."""

    lease_token: str
    request_id: str
    number: int
    rows: Sequence[sync_request_pb2.SourceRow]
    cursor: str
    estimate: int


@dataclass(frozen=True, slots=True)
class Update:
    """What UpdateSyncRequest asks for."""

    lease_token: str
    request_id: str
    ending: Ending | None
    """None: only the lease is kept."""
    message: str


def creation(request: sync_request_service_pb2.CreateSyncRequestRequest) -> Asked:
    """Raise `InvalidRequest` unless every field keeps its rule."""
    found = Violations()
    enrollment_id = found.uuid("app_enrollment_id", request.app_enrollment_id, required=True)
    key = found.uuid("request_id", request.request_id)
    operation = _OPERATIONS.get(request.operation)
    if operation is None:
        found.add("operation", f"is none of the contract's: {request.operation}")
    found.raise_if_any()
    return Asked(
        operation=operation or Operation.READ,
        enrollment_id=enrollment_id,
        run_full_sync=request.run_full_sync,
        idempotency_key=key,
        payload_hash=payload_hash(request),
    )


def batch_import(request: sync_request_service_pb2.CreateBatchImportRequest) -> Asked:
    """Raise `InvalidRequest` unless every field keeps its rule. Rows need be JSON objects of a size that is taken."""
    found = Violations()
    enrollment_id = found.uuid("app_enrollment_id", request.app_enrollment_id)
    key = found.uuid("request_id", request.request_id)
    _check_rows(request.rows, found)
    place = batch_place(request.batch, found) if request.HasField("batch") else None
    found.raise_if_any()
    return Asked(
        operation=Operation.READ,
        enrollment_id=enrollment_id or None,
        run_full_sync=request.run_full_sync,
        idempotency_key=key,
        payload_hash=payload_hash(request),
        place=place,
    )


def batch_place(batch: sync_request_service_pb2.BatchPlace, found: Violations) -> Place:
    """The place of a batch; whether it is there to be had, the store knows."""
    parent_id = found.uuid("batch.parent_sync_request_id", batch.parent_sync_request_id, required=True)
    if found.range("batch.total_batches", batch.total_batches, 1, limits.BATCHES_MAX):
        found.range("batch.current_batch", batch.current_batch, 1, batch.total_batches)
    return Place(parent_id, batch.current_batch, batch.total_batches)


def request_id_of(
    request: sync_request_service_pb2.CancelSyncRequestRequest | sync_request_service_pb2.WatchSyncRequestRequest,
) -> str:
    """The request that is meant. Raise `InvalidRequest` if it is no UUID."""
    found = Violations()
    request_id = found.uuid("sync_request_id", request.sync_request_id, required=True)
    found.raise_if_any()
    return request_id


def retry(request: sync_request_service_pb2.RetrySyncRequestRequest) -> tuple[str, str]:
    """The request that is meant, and the idempotency key. Raise `InvalidRequest`."""
    found = Violations()
    request_id = found.uuid("sync_request_id", request.sync_request_id, required=True)
    key = found.uuid("request_id", request.request_id)
    found.raise_if_any()
    return request_id, key


def single(request: sync_request_service_pb2.GetSyncRequestRequest) -> tuple[str, bool]:
    """The request that is meant, and whether its details are asked for. Raise `InvalidRequest`."""
    found = Violations()
    request_id = found.uuid("sync_request_id", request.sync_request_id, required=True)
    with_details = includes_details(request.include, found)
    found.raise_if_any()
    return request_id, with_details


def includes_details(include: str, found: Violations) -> bool:
    """Are details asked for?"""
    asked = include.strip().lower()
    if asked not in ("", "details"):
        found.add("include", "must be `details`, or empty")
    return asked == "details"


def lease(request: sync_request_service_pb2.LeaseSyncRequestRequest) -> tuple[str, int]:
    """The worker, and for how many seconds it leases. Raise `InvalidRequest`."""
    found = Violations()
    found.text("worker", request.worker, limits.WORKER_CHARS_MAX, required=True)
    seconds = request.lease_seconds if request.HasField("lease_seconds") else limits.LEASE_SECONDS_DEFAULT
    found.range("lease_seconds", seconds, limits.LEASE_SECONDS_MIN, limits.LEASE_SECONDS_MAX)
    found.raise_if_any()
    return request.worker, seconds


def rows_write(request: sync_request_service_pb2.WriteSyncRequestRowsRequest) -> RowsWrite:
    """Raise `InvalidRequest` unless every field keeps its rule."""
    found = Violations()
    found.text("lease_token", request.lease_token, limits.LEASE_TOKEN_CHARS_MAX, required=True)
    request_id = found.uuid("sync_request_id", request.sync_request_id, required=True)
    if request.batch_number < 1:
        found.add("batch_number", "must be 1 or more")
    found.text("cursor", request.cursor, limits.CURSOR_CHARS_MAX)
    if request.estimate < 0:
        found.add("estimate", "must not be negative")
    _check_rows(request.rows, found)
    found.raise_if_any()
    return RowsWrite(
        request.lease_token, request_id, request.batch_number, request.rows, request.cursor, request.estimate
    )


def update(request: sync_request_service_pb2.UpdateSyncRequestRequest) -> Update:
    """Raise `InvalidRequest` unless every field keeps its rule."""
    found = Violations()
    found.text("lease_token", request.lease_token, limits.LEASE_TOKEN_CHARS_MAX, required=True)
    request_id = found.uuid("sync_request.sync_request_id", request.sync_request.sync_request_id, required=True)
    wanted = set(request.update_mask.paths)
    if not wanted <= set(_UPDATABLE):
        found.add("update_mask", "may name `status` and `result_message`")
    ending, message = None, ""
    if "status" in wanted:
        ending = _ENDINGS.get(request.sync_request.status)
        if ending is None:
            found.add("sync_request.status", "must be SUCCESS, FAILED, CANCELLED, or READY: to be tried again")
    if "result_message" in wanted:
        message = request.sync_request.result_message
        found.text("sync_request.result_message", message, RESULT_MESSAGE_CHARS_MAX)
        if "status" not in wanted:
            found.add("update_mask", "`result_message` goes with `status`: it says how the request ended")
    found.raise_if_any()
    return Update(request.lease_token, request_id, ending, message)


def payload_hash(request: Message) -> bytes:
    """Of all that the request asks for, and of the method."""
    asked = request.SerializeToString(deterministic=True)
    return sha256(f"{request.DESCRIPTOR.full_name}\n".encode() + asked).digest()


def _check_rows(rows: Sequence[sync_request_pb2.SourceRow], found: Violations) -> None:
    if not found.count("rows", len(rows), limits.ROWS_MAX):
        return
    for index, row in enumerate(rows):
        for field, rule in _broken_rules(row):
            found.add(f"rows[{index}].{field}", rule)


def _broken_rules(row: sync_request_pb2.SourceRow) -> Iterable[tuple[str, str]]:
    """What makes it no row at all. That it fits its object type is looked at when it is written."""
    found = Violations()
    found.text("object_type", row.object_type, limits.OBJECT_TYPE_CHARS_MAX, required=True)
    found.text("source_key", row.source_key, limits.SOURCE_KEY_CHARS_MAX, required=row.deleted)
    if row.on_match not in ON_MATCH:
        found.add("on_match", f"is none of the contract's: {row.on_match}")
    if row.deleted:
        if row.data:
            found.add("data", "must be empty if the row is deleted")
    elif len(row.data) > RECORD_BYTES_MAX:
        found.add("data", f"at most {RECORD_BYTES_MAX:,} bytes, not {len(row.data):,}")
    elif not _is_object(row.data):
        found.add("data", "must be one JSON object")
    return found.all()


def _is_object(data: bytes) -> bool:
    try:
        return isinstance(orjson.loads(data), dict)
    except orjson.JSONDecodeError:
        return False
