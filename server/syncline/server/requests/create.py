"""CreateSyncRequest, CreateBatchImport: making sync requests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

from syncline.data.ids import uuid7
from syncline.server.environment import Environment, now_us
from syncline.server.requests.payload_kinds import PayloadForm, PayloadKind
from syncline.server.requests.records_payload import pack_rows
from syncline.server.requests.requests import Asked
from syncline.storage.audit_models import Act
from syncline.storage.errors import EnrollmentNotFound
from syncline.storage.request_models import NewRequest, Operation, SyncRequest
from syncline.storage.trace_context import current_trace_context
from syncline.v1 import sync_request_pb2


async def create_request(env: Environment, asked: Asked) -> SyncRequest:
    """Make a request that an enrollment's connector is to carry out.

    Raises:
        EnrollmentNotFound: no such enrollment, or it is disabled.
        ConnectorNotFound: its connector is not installed here, or cannot do this.
        RequestIdReused: the idempotency key was used for something else.
        OverLimit: it would bring records, and the account has as many as it may.
    """
    return await env.threads.run(_create, env, asked)


async def create_import(
    env: Environment, asked: Asked, rows: Iterable[sync_request_pb2.SourceRow], *, infers: bool
) -> SyncRequest:
    """Make a request that loads these rows; as `create_payload_request`."""
    kind = PayloadKind(PayloadForm.RECORDS, infers=infers)
    return await env.threads.run(lambda: create_payload_request(env, asked, pack_rows(rows), kind))


def create_payload_request(env: Environment, asked: Asked, payload: Sequence[bytes], kind: PayloadKind) -> SyncRequest:
    """Make a request that brings what it loads. It needs no connector. From a thread that may wait.

    Raises:
        EnrollmentNotFound: no such enrollment, or it is disabled.
        RequestIdReused: the idempotency key was used for something else.
        BatchInvalid: the batch does not belong where it says.
        OverLimit: the account has as many records as it may.
    """
    env.stored_limits.check_records(env.account_id)
    return store_request(env, new_request(env, asked, payload=payload, payload_kind=kind.text))


def new_request(
    env: Environment,
    asked: Asked,
    *,
    payload: Sequence[bytes] = (),
    payload_kind: str = "",
    retry_of: str | None = None,
) -> NewRequest:
    """The request to make, due now."""
    place = asked.place
    return NewRequest(
        request_id=str(uuid7()),
        idempotency_key=asked.idempotency_key,
        payload_hash=asked.payload_hash,
        operation=asked.operation,
        run_full_sync=asked.run_full_sync,
        enrollment_id=asked.enrollment_id,
        due_at=now_us(),
        by=env.principal,
        parent_id=place.parent_id if place else None,
        current_batch=place.current_batch if place else None,
        total_batches=place.total_batches if place else None,
        retry_of=retry_of,
        payload=payload,
        payload_kind=payload_kind,
        trace_context=current_trace_context(),
    )


def store_request(env: Environment, new: NewRequest, *, act: Act | None = None) -> SyncRequest:
    """Store it, and wake those who wait for it. From a thread that may wait."""
    request = env.store.create_request(env.account_id, new, now=new.due_at, act=act)
    env.notifier.request_made(env.account_id)
    return request


def _create(env: Environment, asked: Asked) -> SyncRequest:
    # Whether an enrollment that is gone matters, the store decides: a repeat is answered without it.
    with suppress(EnrollmentNotFound):
        enrollment = env.store.get_enrollment(env.account_id, str(asked.enrollment_id))
        env.connectors.need_operation(enrollment.connector, asked.operation)
    if asked.operation is Operation.READ:
        env.stored_limits.check_records(env.account_id)
    return store_request(env, new_request(env, asked))
