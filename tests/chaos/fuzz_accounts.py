"""Accounts that others must not touch, and all that stands in them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import Any

import grpc
from google.protobuf.field_mask_pb2 import FieldMask
from sqlalchemy import create_engine, select

from syncline.storage import Store
from syncline.storage.sql.tables import metadata
from syncline.v1 import frame_pb2, sync_request_pb2, sync_request_service_pb2
from tests.service.walls import Client, Ids, settle

_REQUESTS = "/syncline.v1.SyncRequestService/"


async def fill(channel: grpc.aio.Channel, token: str, store: Store, account_id: str) -> Sequence[str]:
    """Put something of everything into the account, and wait until nothing in it moves by itself; all ids in it."""
    client = Client(channel, token)
    ids = await settle(client, store, account_id)
    await _end_lease(client, ids)
    moving = sync_request_service_pb2.ListSyncRequestsRequest(filter="status IN (connector, in_progress)")
    while any(  # noqa: ASYNC110  the server tells of each request by itself only
        one.app_enrollment_id == ""
        for answer in await client.call(_REQUESTS + "ListSyncRequests", moving)
        for one in answer.sync_requests
    ):
        await asyncio.sleep(0.05)
    return [value for value in astuple(ids) if len(value) > 3]


async def _end_lease(client: Client, ids: Ids) -> None:
    """The lease would run out by itself later on."""
    ended = sync_request_pb2.SyncRequest(
        sync_request_id=ids.leased_id, status=sync_request_pb2.SYNC_REQUEST_STATUS_SUCCESS
    )
    asked = sync_request_service_pb2.UpdateSyncRequestRequest(
        lease_token=ids.lease_token, sync_request=ended, update_mask=FieldMask(paths=["status"])
    )
    await client.call(_REQUESTS + "UpdateSyncRequest", asked)


def everything_of(url: str, account_id: str) -> Mapping[str, Sequence[str]]:
    """All rows of the account, by table."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.connect() as connection:
            return {
                name: sorted(map(str, connection.execute(select(table).where(table.c.account_id == account_id))))
                for name, table in metadata.tables.items()
                if "account_id" in table.c
            }
    finally:
        engine.dispose()


def records_of(store: Store, account_id: str) -> Mapping[tuple[str, str], Any]:
    """All records that a new device of the account is to have."""
    found: dict[tuple[str, str], Any] = {}
    for object_type in store.count_records(account_id):
        after: str | None = None
        while page := store.scan_records(account_id, object_type, after_key=after, limit=1_000):
            after = page[-1].key
            for record in page:
                if not record.bucket and record.frame is not None:
                    found[object_type, record.key] = json.loads(frame_pb2.Frame.FromString(record.frame).data)
    return found
