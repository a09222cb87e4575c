"""SyncRequestService: convert, call, convert."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

from syncline.server.acts import act_of_caller
from syncline.server.environment import Environment, now_us
from syncline.server.interceptors.context import CallContext
from syncline.server.requests import requests
from syncline.server.requests.convert import request_message
from syncline.server.requests.create import create_import, create_request
from syncline.server.requests.details import details_page, get_request, list_details
from syncline.server.requests.listing import list_requests, requests_page
from syncline.server.requests.outside import lease_request, update_request, write_rows
from syncline.server.requests.request_counts import count_ended
from syncline.server.requests.retry import retry_request
from syncline.server.requests.upload_batch import upload_batch
from syncline.server.requests.watch import watch_request
from syncline.storage.request_models import SyncRequest
from syncline.v1 import sync_request_pb2, sync_request_service_pb2, sync_request_service_pb2_grpc


class SyncRequestServicer(sync_request_service_pb2_grpc.SyncRequestServiceServicer):
    """Takes, tells of and runs jobs that move data between connected systems and the account's records."""

    def __init__(self, env: Environment) -> None:
        self._env = env

    async def CreateSyncRequest(  # noqa: N802  the contract's name
        self, request: sync_request_service_pb2.CreateSyncRequestRequest, context: CallContext
    ) -> sync_request_pb2.SyncRequest:
        """See the contract."""
        del context
        self._env.drain.check()
        return self._message(await create_request(self._env, requests.creation(request)))

    async def CreateBatchImport(  # noqa: N802  the contract's name
        self, request: sync_request_service_pb2.CreateBatchImportRequest, context: CallContext
    ) -> sync_request_pb2.SyncRequest:
        """See the contract."""
        del context
        self._env.drain.check()
        asked = await self._env.threads.run(requests.batch_import, request)
        return self._message(await create_import(self._env, asked, request.rows, infers=request.infer_schema))

    async def UploadBatch(  # noqa: N802  the contract's name
        self,
        request_iterator: AsyncIterator[sync_request_service_pb2.UploadBatchRequest],
        context: CallContext,
    ) -> sync_request_pb2.SyncRequest:
        """See the contract."""
        del context
        return self._message(await upload_batch(self._env, request_iterator))

    async def GetSyncRequest(  # noqa: N802  the contract's name
        self, request: sync_request_service_pb2.GetSyncRequestRequest, context: CallContext
    ) -> sync_request_pb2.SyncRequest:
        """See the contract."""
        del context
        request_id, with_details = requests.single(request)
        return await get_request(self._env, request_id, with_details=with_details)

    async def ListSyncRequests(  # noqa: N802  the contract's name
        self, request: sync_request_service_pb2.ListSyncRequestsRequest, context: CallContext
    ) -> sync_request_service_pb2.ListSyncRequestsResponse:
        """See the contract."""
        del context
        return await list_requests(self._env, requests_page(self._env, request))

    async def CancelSyncRequest(  # noqa: N802  the contract's name
        self, request: sync_request_service_pb2.CancelSyncRequestRequest, context: CallContext
    ) -> sync_request_pb2.SyncRequest:
        """See the contract."""
        del context
        env, request_id = self._env, requests.request_id_of(request)
        now, act = now_us(), act_of_caller("request.cancel", request_id)
        cancelled = await env.threads.run(
            env.store.cancel_request, env.account_id, request_id, by=env.principal, now=now, act=act
        )
        if cancelled.status.is_final and cancelled.modified_at == now:  # else it was cancelled before
            count_ended(cancelled)
        env.notifier.requests_changed(env.account_id)
        return self._message(cancelled)

    async def RetrySyncRequest(  # noqa: N802  the contract's name
        self, request: sync_request_service_pb2.RetrySyncRequestRequest, context: CallContext
    ) -> sync_request_pb2.SyncRequest:
        """See the contract."""
        del context
        self._env.drain.check()
        request_id, key = requests.retry(request)
        hashed = requests.payload_hash(request)
        return self._message(await retry_request(self._env, request_id, idempotency_key=key, payload_hash=hashed))

    async def WatchSyncRequest(  # noqa: N802  the contract's name
        self, request: sync_request_service_pb2.WatchSyncRequestRequest, context: CallContext
    ) -> AsyncIterator[sync_request_pb2.SyncRequest]:
        """See the contract."""
        del context
        async with aclosing(watch_request(self._env, requests.request_id_of(request))) as states:
            async for state in states:
                yield state

    async def ListSyncRequestDetails(  # noqa: N802  the contract's name
        self, request: sync_request_service_pb2.ListSyncRequestDetailsRequest, context: CallContext
    ) -> sync_request_service_pb2.ListSyncRequestDetailsResponse:
        """See the contract."""
        del context
        return await list_details(self._env, details_page(request))

    async def LeaseSyncRequest(  # noqa: N802  the contract's name
        self, request: sync_request_service_pb2.LeaseSyncRequestRequest, context: CallContext
    ) -> sync_request_service_pb2.LeaseSyncRequestResponse:
        """See the contract."""
        del context
        self._env.drain.check()
        worker, lease_seconds = requests.lease(request)
        return await lease_request(self._env, worker, lease_seconds)

    async def WriteSyncRequestRows(  # noqa: N802  the contract's name
        self, request: sync_request_service_pb2.WriteSyncRequestRowsRequest, context: CallContext
    ) -> sync_request_service_pb2.WriteSyncRequestRowsResponse:
        """See the contract."""
        del context
        return await write_rows(self._env, await self._env.threads.run(requests.rows_write, request))

    async def UpdateSyncRequest(  # noqa: N802  the contract's name
        self, request: sync_request_service_pb2.UpdateSyncRequestRequest, context: CallContext
    ) -> sync_request_pb2.SyncRequest:
        """See the contract."""
        del context
        return await update_request(self._env, requests.update(request))

    def _message(self, request: SyncRequest) -> sync_request_pb2.SyncRequest:
        return request_message(request, self._env.account_id)
