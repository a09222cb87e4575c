"""GetSchema: the schema, for a device that may have it."""

from __future__ import annotations

from uuid import UUID

from syncline.data.schema import Schema
from syncline.server.environment import Environment
from syncline.server.identity.visible import read_visible_schema
from syncline.storage.device_access import check_access


def schema_of_device(env: Environment, device_uuid: UUID) -> Schema:
    """The schema in force, as far as the caller may see it. From a thread of the store.

    Raises:
        DeviceDisabled, DeviceWiped: the device may not have anything.
        DeviceNotFound: it was forgotten; with its next session it is a new one.
    """
    device = env.store.get_device(env.account_id, device_uuid)
    check_access(env.account_id, device, env.store.get_head(env.account_id))
    return read_visible_schema(env)
