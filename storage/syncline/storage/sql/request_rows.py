"""Rows of `sync_request`: as requests, locked, and stored again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import BindParameter, Connection, Row, bindparam, select, update

from syncline.storage.errors import RequestNotFound
from syncline.storage.request_models import Operation, PayloadState, Progress, SyncRequest
from syncline.storage.request_moves import parent_ended
from syncline.storage.request_states import RequestStatus
from syncline.storage.sql.base import SqlBase
from syncline.storage.sql.tables import sync_request

_OF_ACCOUNT: BindParameter[str] = bindparam("of_account")
_OF_REQUEST: BindParameter[str] = bindparam("of_request")
_THIS = (sync_request.c.account_id == _OF_ACCOUNT, sync_request.c.request_id == _OF_REQUEST)
_ONE = select(sync_request).where(*_THIS)
_LOCKED = _ONE.with_for_update()
_FREE = _ONE.with_for_update(skip_locked=True)
_PARENT_OF = select(sync_request.c.parent_id).where(*_THIS)
_BATCHES = select(sync_request.c.status).where(
    sync_request.c.account_id == _OF_ACCOUNT, sync_request.c.parent_id == _OF_REQUEST
)
_CHANGING = (
    "status",
    "result_message",
    "failure_count",
    "attempts",
    "modified_at",
    "modified_by",
    "due_at",
    "cancel_asked",
    "rows_read",
    "rows_inserted",
    "rows_updated",
    "rows_deleted",
    "rows_skipped",
    "rows_failed",
    "bytes_read",
    "estimate",
    "detail_count",
    "details_left_out",
    "cursor",
    "batch_number",
    "lease_token",
    "lease_until",
    "worker",
)
_STORE = update(sync_request).where(*_THIS).values({name: bindparam(f"new_{name}") for name in _CHANGING})


@dataclass(frozen=True, slots=True)
class StoredRequest:
    """A request, and what only the store knows of it."""

    request: SyncRequest
    lease_token: int = 0
    """0: it is not leased."""
    batch_number: int = 0
    """Of the last batch that was committed under the lease."""


@dataclass(frozen=True, slots=True)
class Family:
    """A request and its parent, both locked."""

    stored: StoredRequest
    parent: StoredRequest | None


class SqlRequestRows(SqlBase):
    """Reading and changing single requests. A transaction locks a parent before any of its batches."""

    def _stored_request(
        self, connection: Connection, account_id: str, request_id: str, *, lock: bool = False
    ) -> StoredRequest:
        """The request, or `RequestNotFound`. With `lock`, nobody else changes it until the transaction ends."""
        values = {"of_account": account_id, "of_request": request_id}
        row = connection.execute(_LOCKED if lock else _ONE, values).one_or_none()
        if row is None:
            raise RequestNotFound(f"there is no sync request {request_id}")
        return stored_of(row)

    def _free_request(self, connection: Connection, account_id: str, request_id: str) -> StoredRequest | None:
        """The request, locked; None if somebody else holds it."""
        row = connection.execute(_FREE, {"of_account": account_id, "of_request": request_id}).one_or_none()
        return None if row is None else stored_of(row)

    def _locked_family(self, connection: Connection, account_id: str, request_id: str) -> Family:
        """The request and its parent, in this order of locks: the parent first. Or `RequestNotFound`."""
        values = {"of_account": account_id, "of_request": request_id}
        parent_id = connection.execute(_PARENT_OF, values).scalar()  # never changes
        parent = None if parent_id is None else self._stored_request(connection, account_id, parent_id, lock=True)
        return Family(self._stored_request(connection, account_id, request_id, lock=True), parent)

    def _store_request(self, connection: Connection, account_id: str, stored: StoredRequest) -> None:
        """Store a request that was read under lock."""
        row = row_of(stored)
        values = {f"new_{name}": row[name] for name in _CHANGING}
        connection.execute(_STORE, {"of_account": account_id, "of_request": stored.request.request_id, **values})

    def _end_parent(self, connection: Connection, account_id: str, parent: StoredRequest, *, by: str, now: int) -> None:
        """End a locked parent, or let it run, if the last of its batches has ended, which is stored already."""
        values = {"of_account": account_id, "of_request": parent.request.request_id}
        states = [RequestStatus(status) for status in connection.execute(_BATCHES, values).scalars()]
        ended = parent_ended(parent.request, states, by=by, now=now)
        if ended is not None:
            self._store_request(connection, account_id, replace(parent, request=ended))

    def _add_to_parent(
        self,
        connection: Connection,
        account_id: str,
        parent: StoredRequest,
        before: Progress,
        after: Progress,
        *,
        now: int,
    ) -> None:
        """Let a locked parent know how far one of its batches has got: lists are filtered by it."""
        progress = _summed(parent.request.progress, before, after)
        request = replace(parent.request, progress=progress, modified_at=now)
        self._store_request(connection, account_id, replace(parent, request=request))


def stored_of(row: Row[Any]) -> StoredRequest:
    """The request in a row of `sync_request`."""
    return StoredRequest(
        request=request_of(row),
        lease_token=row.lease_token,
        batch_number=row.batch_number,
    )


def request_of(row: Row[Any]) -> SyncRequest:
    """The request as others see it, in a row of `sync_request`."""
    return SyncRequest(
        request_id=row.request_id,
        status=RequestStatus(row.status),
        operation=Operation(row.operation),
        result_message=row.result_message,
        failure_count=row.failure_count,
        run_full_sync=row.run_full_sync,
        enrollment_id=row.enrollment_id,
        created_at=row.created_at,
        modified_at=row.modified_at,
        modified_by=row.modified_by,
        due_at=row.due_at,
        cancel_asked=row.cancel_asked,
        progress=Progress(
            read=row.rows_read,
            inserted=row.rows_inserted,
            updated=row.rows_updated,
            deleted=row.rows_deleted,
            skipped=row.rows_skipped,
            failed=row.rows_failed,
            bytes=row.bytes_read,
            estimate=row.estimate,
        ),
        detail_count=row.detail_count,
        details_left_out=row.details_left_out,
        cursor=row.cursor,
        lease_until=row.lease_until,
        worker=row.worker,
        parent_id=row.parent_id,
        current_batch=row.current_batch,
        total_batches=row.total_batches,
        retry_of=row.retry_of,
        payload_kind=row.payload_kind,
        attempts=row.attempts,
        payload_state=PayloadState(row.payload_state),
        trace_context=row.trace_context,
    )


def row_of(stored: StoredRequest) -> dict[str, Any]:
    """The request's row, without the account and what it was made with."""
    request = stored.request
    progress = request.progress
    leased = request.status is RequestStatus.IN_PROGRESS
    return {
        "request_id": request.request_id,
        "status": request.status.value,
        "operation": request.operation.value,
        "result_message": request.result_message,
        "failure_count": request.failure_count,
        "attempts": request.attempts,
        "run_full_sync": request.run_full_sync,
        "enrollment_id": request.enrollment_id,
        "created_at": request.created_at,
        "modified_at": request.modified_at,
        "modified_by": request.modified_by,
        "due_at": request.due_at,
        "cancel_asked": request.cancel_asked,
        "rows_read": progress.read,
        "rows_inserted": progress.inserted,
        "rows_updated": progress.updated,
        "rows_deleted": progress.deleted,
        "rows_skipped": progress.skipped,
        "rows_failed": progress.failed,
        "bytes_read": progress.bytes,
        "estimate": progress.estimate,
        "detail_count": request.detail_count,
        "details_left_out": request.details_left_out,
        "cursor": request.cursor,
        "batch_number": stored.batch_number,
        "lease_token": stored.lease_token if leased else 0,
        "lease_until": request.lease_until,
        "worker": request.worker,
        "parent_id": request.parent_id,
        "current_batch": request.current_batch,
        "total_batches": request.total_batches,
        "retry_of": request.retry_of,
        "payload_kind": request.payload_kind,
        "payload_state": request.payload_state.value,
        "trace_context": request.trace_context,
    }


def _summed(parent: Progress, before: Progress, after: Progress) -> Progress:
    """The parent's progress once one of its batches has got from one place to another."""
    return Progress(
        read=parent.read + after.read - before.read,
        inserted=parent.inserted + after.inserted - before.inserted,
        updated=parent.updated + after.updated - before.updated,
        deleted=parent.deleted + after.deleted - before.deleted,
        skipped=parent.skipped + after.skipped - before.skipped,
        failed=parent.failed + after.failed - before.failed,
        bytes=parent.bytes + after.bytes - before.bytes,
        estimate=parent.estimate + after.estimate - before.estimate,
    )
