"""SyncService: convert, call, convert."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

from syncline.server.acts import act_of_caller
from syncline.server.convert_schema import schema_message
from syncline.server.devices import Devices
from syncline.server.environment import Environment, now_us
from syncline.server.interceptors.context import CallContext
from syncline.server.sync import requests, responses
from syncline.server.sync.acknowledge import acknowledge
from syncline.server.sync.device_schema import schema_of_device
from syncline.server.sync.fetch_queue import fetch_queue
from syncline.server.sync.list_conflicts import list_conflicts
from syncline.server.sync.read_queue import read_queue
from syncline.server.sync.reconcile import reconcile
from syncline.server.sync.start_session import start_session
from syncline.server.upload.stream import upload
from syncline.server.upload.type_rules import RulesCache
from syncline.v1 import queue_pb2, sync_service_pb2, sync_service_pb2_grpc, upload_pb2


class SyncServicer(sync_service_pb2_grpc.SyncServiceServicer):
    """Keeps the copies of devices up to date, and takes their changes."""

    def __init__(self, env: Environment) -> None:
        self._env = env
        self._devices = Devices(env)
        self._rules = RulesCache()

    async def StartSession(  # noqa: N802  the contract's name
        self, request: sync_service_pb2.StartSessionRequest, context: CallContext
    ) -> sync_service_pb2.StartSessionResponse:
        """See the contract."""
        device_uuid = await self._devices.identify(context, anew=True)
        now = now_us()
        sealer = self._env.sealer(device_uuid)
        wanted = requests.open_queue(request, sealer, now=now, expire_at=self._env.session_end(now))
        started = await start_session(self._env, device_uuid, wanted)
        return responses.session_started(started, self._env.account_id, sealer)

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

    async def Upload(  # noqa: N802  the contract's name
        self, request_iterator: AsyncIterator[upload_pb2.UploadRequest], context: CallContext
    ) -> AsyncIterator[upload_pb2.UploadResponse]:
        """See the contract."""
        device_uuid = await self._devices.identify(context)
        async with aclosing(upload(self._env, self._rules, device_uuid, request_iterator)) as answers:
            async for answer in answers:
                yield answer
                del answer  # an idle stream would hold its last answer

    async def ListConflicts(  # noqa: N802  the contract's name
        self, request: upload_pb2.ListConflictsRequest, context: CallContext
    ) -> upload_pb2.ListConflictsResponse:
        """See the contract."""
        device_uuid = await self._devices.identify(context)
        return await list_conflicts(
            self._env, requests.conflict_page(request, device_uuid, self._env.sealer(device_uuid))
        )

    async def Reconcile(  # noqa: N802  the contract's name
        self, request: upload_pb2.ReconcileRequest, context: CallContext
    ) -> upload_pb2.ReconcileResponse:
        """See the contract."""
        device_uuid = await self._devices.identify(context)
        return await reconcile(self._env, device_uuid, requests.reconciliation(request))

    async def ConfirmWipe(  # noqa: N802  the contract's name
        self, request: sync_service_pb2.ConfirmWipeRequest, context: CallContext
    ) -> sync_service_pb2.ConfirmWipeResponse:
        """See the contract."""
        device_uuid, env = await self._devices.identify(context), self._env
        act = act_of_caller("device.wiped", str(device_uuid), given_up=str(request.given_up))
        await env.threads.run(env.store.confirm_wipe, env.account_id, device_uuid, act=act)
        return sync_service_pb2.ConfirmWipeResponse()

    async def GetSchema(  # noqa: N802  the contract's name
        self, request: sync_service_pb2.GetSchemaRequest, context: CallContext
    ) -> sync_service_pb2.GetSchemaResponse:
        """See the contract."""
        device_uuid = await self._devices.identify(context)
        schema = await self._env.threads.run(schema_of_device, self._env, device_uuid)
        known = request.known_version == schema.version
        return sync_service_pb2.GetSchemaResponse(schema=None if known else schema_message(schema))
