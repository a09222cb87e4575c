"""LeaseSyncRequest, WriteSyncRequestRows, UpdateSyncRequest: what workers outside do.

They are kept in check as the server's own workers are: the store takes nothing of a lease that does not hold any more.
"""

from __future__ import annotations

import json

from opentelemetry import trace

from syncline.server import tokens
from syncline.server.convert_time import timestamp
from syncline.server.environment import Environment, now_us
from syncline.server.errors import InvalidRequest, Violation
from syncline.server.requests.attempt import RunFailed
from syncline.server.requests.backoff import retry_delay_us
from syncline.server.requests.connectors.contract import BadRow, IncomingRow
from syncline.server.requests.convert import progress_message, request_message
from syncline.server.requests.holding import HeldRequest, RunStopped
from syncline.server.requests.merging import RecordRowWriter
from syncline.server.requests.reading import check_failed
from syncline.server.requests.records_payload import incoming_row
from syncline.server.requests.request_counts import count_begun, count_rows
from syncline.server.requests.requests import RowsWrite, Update
from syncline.server.requests.result_messages import counts_message
from syncline.server.requests.rows import ReadRows, RowReader
from syncline.server.requests.run_settings import RunSettings, split_settings
from syncline.server.requests.runner import start_cursor
from syncline.server.requests.scheduling import run_due_schedules
from syncline.server.requests.sweeping import FullRun, sweep
from syncline.server.tokens import OutsideLease
from syncline.storage.request_models import (
    EXTERNAL_CONNECTOR,
    BatchResult,
    ClaimLimits,
    Ending,
    Enrollment,
    Lease,
    Operation,
    Progress,
    SyncRequest,
)
from syncline.storage.trace_context import span_context
from syncline.v1 import sync_request_pb2, sync_request_service_pb2

_SECOND_US = 1_000_000


async def lease_request(
    env: Environment, worker: str, lease_seconds: int
) -> sync_request_service_pb2.LeaseSyncRequestResponse:
    """Claim a request of the account for a worker outside; an empty answer: there is none to do."""
    return await env.threads.run(_lease, env, worker, lease_seconds)


async def write_rows(env: Environment, wanted: RowsWrite) -> sync_request_service_pb2.WriteSyncRequestRowsResponse:
    """Write a batch of rows, and keep the lease. A row that does not fit its object type becomes a detail.

    Raises:
        InvalidRequest: the lease token is none of this request, or the request takes no rows.
        LeaseLost: another worker has the request, or it has ended.
        BatchOutOfOrder: another number was due.
        OverLimit: the account has as many records as it may.
    """
    outside = _outside_lease(env, wanted.lease_token, wanted.request_id)
    if wanted.rows and outside.operation is not Operation.READ:
        raise InvalidRequest([Violation("rows", f"a request to {outside.operation.value} takes none")])
    result = await env.threads.run(_write, env, outside, wanted)
    return sync_request_service_pb2.WriteSyncRequestRowsResponse(
        cancel_asked=result.cancel_asked,
        lease_end_time=timestamp(result.lease_until),
        progress=progress_message(result.progress),
    )


async def update_request(env: Environment, wanted: Update) -> sync_request_pb2.SyncRequest:
    """Keep the lease, or end the attempt.

    Raises:
        InvalidRequest: the lease token is none of this request.
        LeaseLost: another worker has the request, or it has ended.
    """
    outside = _outside_lease(env, wanted.lease_token, wanted.request_id)
    return await env.threads.run(_update, env, outside, wanted)


def _lease(env: Environment, worker: str, lease_seconds: int) -> sync_request_service_pb2.LeaseSyncRequestResponse:
    # No worker of the server's own may be running that would do it.
    run_due_schedules(env.store, env.notifier, now_us())
    due_at = env.store.next_due()
    if due_at is not None and due_at <= now_us():
        env.store.promote_requests(now=now_us(), failures_max=env.settings.request_failures_max)
    while (lease := _claim(env, worker, lease_seconds)) is not None:
        env.notifier.requests_changed(env.account_id)
        request = env.store.get_request(lease.account_id, lease.request_id)
        count_begun(request)
        # It is there, since it cannot be removed while a request of it has not ended.
        enrollment = env.store.get_enrollment(lease.account_id, str(request.enrollment_id))
        if enrollment.enabled:
            _link_to_asker(request)
            return _leased(env, OutsideLease(lease, lease_seconds, request.operation), request, enrollment)
        _held(env, lease, lease_seconds).end(Ending.FAILED, "the enrollment is disabled")
    return sync_request_service_pb2.LeaseSyncRequestResponse()


def _claim(env: Environment, worker: str, lease_seconds: int) -> Lease | None:
    return env.store.claim_request(
        worker=worker,
        limits=ClaimLimits(env.settings.requests_per_account),
        lease_us=lease_seconds * _SECOND_US,
        now=now_us(),
        external_of=env.account_id,
    )


def _leased(
    env: Environment, outside: OutsideLease, request: SyncRequest, enrollment: Enrollment
) -> sync_request_service_pb2.LeaseSyncRequestResponse:
    return sync_request_service_pb2.LeaseSyncRequestResponse(
        sync_request=request_message(request, outside.lease.account_id),
        lease_token=tokens.encode_lease(env.sealer(), outside),
        lease_end_time=timestamp(request.lease_until),
        cursor=start_cursor(request, enrollment),
        settings=enrollment.settings,
    )


def _write(env: Environment, outside: OutsideLease, wanted: RowsWrite) -> BatchResult:
    account_id, now = outside.lease.account_id, now_us()
    if wanted.rows:
        env.stored_limits.check_records(account_id)
    if trace.get_current_span().is_recording():
        _link_to_asker(env.store.get_request(account_id, outside.lease.request_id))
    batch = _read_rows(env, wanted).batch(
        wanted.number,
        cursor=wanted.cursor,
        read=len(wanted.rows),
        bytes_read=sum(len(row.data) for row in wanted.rows),
        estimate=wanted.estimate,
        now=now,
    )
    result = env.store.write_batch(outside.lease, batch, RecordRowWriter(), lease_us=outside.seconds * _SECOND_US)
    # The store tells what the request has come to, and not what came of this batch.
    of_batch = Progress(read=batch.read, failed=sum(batch.failed.values()))
    count_rows(EXTERNAL_CONNECTOR, Progress(), of_batch)
    if result.written:
        env.stored_limits.note_new(account_id, len(wanted.rows))
        env.notifier.head_moved(account_id, result.head_revision)
    env.notifier.requests_changed(account_id)
    if result.progress.failed:
        _end_if_too_many_failed(env, outside, result.progress)
    return result


def _link_to_asker(request: SyncRequest) -> None:
    """Let the span of the call, which is the worker's, tell for whom it works."""
    context = None if request.trace_context is None else span_context(request.trace_context)
    if context is not None:
        trace.get_current_span().add_link(context)


def _end_if_too_many_failed(env: Environment, outside: OutsideLease, progress: Progress) -> None:
    """Hold a worker outside to `error_limit`, too. It hears of it with its next call."""
    request = env.store.get_request(outside.lease.account_id, outside.lease.request_id)
    try:
        check_failed(progress, _run_settings(env, request))
    except RunFailed as error:
        _held(env, outside.lease, outside.seconds).end(Ending.FAILED, str(error))


def _read_rows(env: Environment, wanted: RowsWrite) -> ReadRows:
    incoming: list[IncomingRow] = []
    bad: list[BadRow] = []
    for message in wanted.rows:
        row = incoming_row(message)
        if isinstance(row, BadRow):
            bad.append(row)
        else:
            incoming.append(row)
    return RowReader(env.store.read_schema(env.account_id)).read_all(incoming, bad)


def _update(env: Environment, outside: OutsideLease, wanted: Update) -> sync_request_pb2.SyncRequest:
    lease = outside.lease
    held = _held(env, lease, outside.seconds)
    held.renew()
    if wanted.ending is not None:
        _end(env, held, wanted.ending, wanted.message)
    return request_message(env.store.get_request(lease.account_id, lease.request_id), lease.account_id)


def _end(env: Environment, held: HeldRequest, ending: Ending, message: str) -> None:
    request = env.store.get_request(held.lease.account_id, held.lease.request_id)
    if ending is Ending.TRY_AGAIN:
        held.end(ending, message, due_at=now_us() + retry_delay_us(request.failure_count))
        return
    if ending is not Ending.SUCCESS or request.operation is not Operation.READ:
        held.end(ending, message)
        return
    try:
        note = _swept(env, held, request) if request.run_full_sync else ""
    except RunStopped:
        held.end_stopped()
    except RunFailed as error:
        held.end(Ending.FAILED, str(error))
    else:
        held.end(ending, message or counts_message(held.progress) + note)


def _swept(env: Environment, held: HeldRequest, request: SyncRequest) -> str:
    """Delete what a full run did not see, as after a run of the server's own."""
    held.check()
    schema = env.store.read_schema(held.lease.account_id)
    return sweep(FullRun(env.store, held, request, schema, _run_settings(env, request)))


def _run_settings(env: Environment, request: SyncRequest) -> RunSettings:
    enrollment = env.store.get_enrollment(env.account_id, str(request.enrollment_id))
    settings, _ = split_settings(json.loads(enrollment.settings))
    return settings


def _held(env: Environment, lease: Lease, lease_seconds: int) -> HeldRequest:
    return HeldRequest(
        env.store,
        lease,
        lease_us=lease_seconds * _SECOND_US,
        failures_max=env.settings.request_failures_max,
        hints=env.notifier,
    )


def _outside_lease(env: Environment, lease_token: str, request_id: str) -> OutsideLease:
    """The lease that the token tells of, if it is one of this account and this request."""
    outside = tokens.decode_lease(env.sealer(), lease_token)
    if outside is None or outside.lease.account_id != env.account_id or outside.lease.request_id != request_id:
        raise InvalidRequest([Violation("lease_token", "must be as LeaseSyncRequest gave it with this request")])
    return outside
