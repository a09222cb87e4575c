"""RetrySyncRequest: a new request that does again what one was to do."""

from __future__ import annotations

from collections.abc import Iterator
from tempfile import TemporaryFile
from typing import BinaryIO, cast

from syncline.server.acts import act_of_caller
from syncline.server.environment import Environment
from syncline.server.errors import RequestState
from syncline.server.requests.create import new_request, store_request
from syncline.server.requests.requests import Asked
from syncline.server.requests.spooled_chunks import SpooledChunks
from syncline.storage import Store
from syncline.storage.request_models import SyncRequest
from syncline.storage.request_states import RequestStatus


async def retry_request(env: Environment, request_id: str, *, idempotency_key: str, payload_hash: bytes) -> SyncRequest:
    """Make a request like one that failed or was cancelled. It begins where that one began, with a payload of its own.

    A batch is done again by itself, outside its parent, which has ended. By itself it is not all that the source has,
    so it is no full run then. A parent is not done again, even if only its sweep failed: what its batches saw is noted
    under its own id.

    Raises:
        RequestNotFound: no such request.
        RequestState: it did not fail, nor was it cancelled; or it stands for batches.
        PayloadGone: what it loaded is not kept any more.
        EnrollmentNotFound: its enrollment is gone, or disabled.
        RequestIdReused: the idempotency key was used for something else.
    """
    return await env.threads.run(_retry, env, request_id, idempotency_key, payload_hash)


def payload_chunks(store: Store, account_id: str, request_id: str) -> Iterator[bytes]:
    """The chunks of a request's payload, read as they are asked for."""
    found = store.read_payload(account_id, request_id, after=0)
    while found is not None:
        number, chunk = found
        yield chunk
        found = store.read_payload(account_id, request_id, after=number)


def _retry(env: Environment, request_id: str, idempotency_key: str, payload_hash: bytes) -> SyncRequest:
    old = env.store.get_request(env.account_id, request_id)
    if old.is_parent:
        why = "the request stands for its batches: retry those that failed, or send all of them with a new parent"
        raise RequestState(request_id, why)
    if old.status not in (RequestStatus.FAILED, RequestStatus.CANCELLED):
        raise RequestState(request_id, "only a request that FAILED or was CANCELLED can be retried")
    asked = Asked(
        operation=old.operation,
        enrollment_id=old.enrollment_id,
        run_full_sync=old.run_full_sync and old.parent_id is None,
        idempotency_key=idempotency_key,
        payload_hash=payload_hash,
    )
    with TemporaryFile() as file:
        payload = SpooledChunks(cast("BinaryIO", file), payload_chunks(env.store, env.account_id, request_id))
        new = new_request(env, asked, payload=payload, payload_kind=old.payload_kind, retry_of=old.request_id)
        return store_request(env, new, act=act_of_caller("request.retry", old.request_id, made=new.request_id))
