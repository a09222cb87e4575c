"""SyncService: convert, call, convert."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

from syncline.server.convert_schema import schema_message
from syncline.server.devices import Devices
from syncline.server.environment import Environment, now_us
from syncline.server.interceptors.context import CallContext
from syncline.server.sync import requests, responses
from syncline.server.sync.acknowledge import acknowledge
from syncline.server.sync.fetch_queue import fetch_queue
from syncline.server.sync.read_queue import read_queue
from syncline.server.sync.start_session import start_session
from syncline.v1 import queue_pb2, sync_service_pb2, sync_service_pb2_grpc


class SyncServicer(sync_service_pb2_grpc.SyncServiceServicer):
    """The download half of synchronisation."""

    def __init__(self, env: Environment) -> None:
        self._env = env
        self._devices = Devices(env)

    async def StartSession(  # noqa: N802  the contract's name
        self, request: sync_service_pb2.StartSessionRequest, context: CallContext
    ) -> sync_service_pb2.StartSessionResponse:
        """See the contract."""
        device_uuid = await self._devices.identify(context)
        now = now_us()
        wanted = requests.open_queue(request, now=now, expire_at=self._env.session_end(now))
        started = await start_session(self._env, device_uuid, wanted)
        return responses.session_started(started, self._env.account_id)

    async def ReadQueue(  # noqa: N802  the contract's name
        self, request: sync_service_pb2.ReadQueueRequest, context: CallContext
    ) -> AsyncIterator[queue_pb2.QueuePage]:
        """See the contract."""
        device_uuid = await self._devices.identify(context)
        async with aclosing(read_queue(self._env, device_uuid, requests.read_queue(request))) as pages:
            async for page in pages:
                yield page
                del page  # an idle stream would hold its last page

    async def FetchQueue(  # noqa: N802  the contract's name
        self, request: sync_service_pb2.FetchQueueRequest, context: CallContext
    ) -> queue_pb2.QueuePage:
        """See the contract."""
        device_uuid = await self._devices.identify(context)
        page_size = requests.session_page_size(request)
        return await fetch_queue(self._env, device_uuid, request.session_id, page_size)

    async def Acknowledge(  # noqa: N802  the contract's name
        self, request: sync_service_pb2.AcknowledgeRequest, context: CallContext
    ) -> sync_service_pb2.AcknowledgeResponse:
        """See the contract."""
        device_uuid = await self._devices.identify(context)
        ack_keys, refusals = requests.acknowledgements(request)
        return responses.acknowledged(await acknowledge(self._env, device_uuid, ack_keys, refusals))

    async def GetSchema(  # noqa: N802  the contract's name
        self, request: sync_service_pb2.GetSchemaRequest, context: CallContext
    ) -> sync_service_pb2.GetSchemaResponse:
        """See the contract."""
        await self._devices.identify(context)
        schema = await self._env.threads.run(self._env.store.read_schema, self._env.account_id)
        known = request.known_version == schema.version
        return sync_service_pb2.GetSchemaResponse(schema=None if known else schema_message(schema))
