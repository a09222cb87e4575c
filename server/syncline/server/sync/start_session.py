"""StartSession: decide where a device goes on, and whether there is anything for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from syncline.data.schema import Schema
from syncline.server.environment import Environment
from syncline.server.identity.caller import current_caller
from syncline.server.identity.visible import visible_refusals, visible_schema
from syncline.storage.errors import ScopeNotFound
from syncline.storage.models import OpenQueue, QueueOpened


@dataclass(frozen=True, slots=True)
class SessionStarted:
    """What the device is told."""

    opened: QueueOpened
    schema_version: int


async def start_session(env: Environment, device_uuid: UUID, request: OpenQueue) -> SessionStarted:
    """Open the device's queue.

    Raises:
        Draining: the server is stopping.
        ScopeNotFound: a wanted scope is not in the schema.
        ResyncRequired: the device must load feeds from their beginning.
        DeviceDisabled, DeviceWiped: somebody decided so.
    """
    env.drain.check()
    if current_caller().buckets is not None:
        request = _visible(request, await env.threads.run(env.store.read_schema, env.account_id))
    # For who loads everything anew, all that is there is counted first.
    run = env.threads.run_for_first_sync if request.full_resync else env.threads.run
    opened = await run(env.store.open_queue, env.account_id, device_uuid, request)
    schema = await env.threads.run(env.store.read_schema, env.account_id)
    return SessionStarted(opened, schema.version)


def _visible(request: OpenQueue, schema: Schema) -> OpenQueue:
    """The request, kept to what the caller may see; `ScopeNotFound` if it names a scope of which that is nothing."""
    visible = visible_schema(current_caller(), schema)
    scopes = visible.scopes()
    for scope in (*request.scopes, *request.buckets):
        if scope not in scopes:
            raise ScopeNotFound(scope)
    hidden = {scope: frozenset[str]() for scope in schema.scopes() if scope not in scopes}
    return replace(request, buckets=request.buckets | hidden, refused=tuple(visible_refusals(visible, request.refused)))
