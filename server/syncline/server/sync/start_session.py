"""StartSession: decide where a device goes on, and whether there is anything for it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from syncline.server.environment import Environment
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
    """
    env.drain.check()
    opened = await env.threads.run(env.store.open_queue, env.account_id, device_uuid, request)
    schema = await env.threads.run(env.store.read_schema, env.account_id)
    return SessionStarted(opened, schema.version)
