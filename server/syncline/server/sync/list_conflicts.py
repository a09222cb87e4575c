"""ListConflicts: the conflict log, page by page."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import blake2b
from uuid import UUID

from syncline.server import tokens
from syncline.server.environment import Environment
from syncline.server.identity.visible import visible_types
from syncline.server.limits import CONFLICTS_READ_MAX, PAGE_BYTES_MAX
from syncline.server.upload.answers import conflict_message
from syncline.v1 import upload_pb2


@dataclass(frozen=True, slots=True)
class ConflictQuery:
    """Which conflicts a device asks for."""

    device_uuid: UUID
    all_devices: bool
    object_type: str | None
    key: str | None

    def digest(self) -> bytes:
        """8 bytes by which a page token is told from those of other questions."""
        asked = json.dumps([str(self.device_uuid), self.all_devices, self.object_type, self.key])
        return blake2b(asked.encode(), digest_size=8).digest()


@dataclass(frozen=True, slots=True)
class ConflictPage:
    """Which part of them."""

    query: ConflictQuery
    before_id: int | None
    """Those below this one; None: from the newest."""
    size: int
    """At most so many."""


async def list_conflicts(env: Environment, page: ConflictPage) -> upload_pb2.ListConflictsResponse:
    """The next conflicts, newest first. A page ends early, but not empty, before it grows too large for a message."""
    return await env.threads.run(_list, env, page)


def _list(env: Environment, page: ConflictPage) -> upload_pb2.ListConflictsResponse:
    query, before_id = page.query, page.before_id
    response = upload_pb2.ListConflictsResponse()
    bytes_left = PAGE_BYTES_MAX
    visible = visible_types(env)
    while True:
        wanted = min(CONFLICTS_READ_MAX, page.size - len(response.conflicts) + 1)
        conflicts = env.store.list_conflicts(
            env.account_id,
            query.device_uuid,
            all_devices=query.all_devices,
            object_type=query.object_type,
            key=query.key,
            before_id=before_id,
            limit=wanted,
        )
        for conflict in conflicts:
            if visible is not None and conflict.object_type not in visible:
                before_id = conflict.conflict_id
                continue
            message = conflict_message(conflict)
            bytes_left -= message.ByteSize()
            if len(response.conflicts) == page.size or (response.conflicts and bytes_left < 0):
                last_id = response.conflicts[-1].conflict_id
                sealer = env.sealer(query.device_uuid)
                response.next_page_token = tokens.encode_conflicts_page(sealer, last_id, query.digest())
                return response
            response.conflicts.append(message)
            before_id = conflict.conflict_id
        if len(conflicts) < wanted:
            return response
