"""The client for asyncio programs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Unpack
from uuid import UUID

from syncline.client.answers import AsyncHandler
from syncline.client.async_loop import AsyncSyncLoop
from syncline.client.connection import AsyncConnection
from syncline.client.endpoint import CLIENT_NAME, CLIENT_VERSION, ConnectionOptions, Device, Endpoint
from syncline.client.errors import AlreadySyncing
from syncline.client.pages import Page
from syncline.client.requests import (
    acknowledge_request,
    fetch_queue_request,
    get_schema_request,
    list_conflicts_request,
    read_queue_request,
    start_session_request,
)
from syncline.client.run import SyncResult, SyncRun
from syncline.client.schema import schema_from_message
from syncline.client.streams import AsyncPageStream
from syncline.client.uploads import AsyncUploadStream
from syncline.data.schema import Schema
from syncline.v1 import queue_pb2, sync_service_pb2, upload_pb2
from syncline.v1.sync_service_pb2_grpc import SyncServiceStub

if TYPE_CHECKING:
    from syncline.v1.sync_service_pb2_grpc import SyncServiceAsyncStub


class AsyncSyncClient(AsyncConnection):
    """A device's connection to a server of Syncline, for use inside one event loop.

    Every call raises `syncline.client.SyncError`, by one class per reason. All calls but ReadQueue, FetchQueue
    and Upload are repeated by themselves a few times if the server cannot be reached.
    """

    _endpoint: Endpoint

    def __init__(
        self,
        target: str,
        device: Device,
        *,
        resume_attempts_max: int = 8,
        name: str = CLIENT_NAME,
        version: str = CLIENT_VERSION,
        **connection: Unpack[ConnectionOptions],
    ) -> None:
        """Prepare the connection; it is made with the first call.

        Args:
            target: `host:port`, or a name in gRPC's syntax, such as `dns:///sync.example.com:443`.
            device: The device's UUID, which must never change; as a path, the file that keeps it, made if absent.
            resume_attempts_max: How often in a row `sync` starts a new session without getting a page.
            name: The application, as operators will see it. At most 100 characters.
            version: Its version. At most 100 characters.
            connection: Token, TLS and deadline; see `ConnectionOptions`.

        Raises:
            InvalidOption: an argument makes no sense.
            DeviceFileError: the device file cannot be used.
        """
        super().__init__(Endpoint.of(target, device, name=name, version=version, **connection))
        self._resume_attempts_max = resume_attempts_max
        self._stub: SyncServiceAsyncStub | None = None
        self._stopping = asyncio.Event()
        self._loop: AsyncSyncLoop | None = None

    @property
    def device_uuid(self) -> UUID:
        """The device that this client speaks for."""
        return self._endpoint.device_uuid

    async def start_session(
        self,
        *,
        scopes: Iterable[str] = (),
        filters: Mapping[str, Iterable[str]] | None = None,
        positions: Iterable[queue_pb2.FeedPosition] = (),
        refused: Iterable[sync_service_pb2.Rejection] = (),
        full_resync: bool = False,
        always: bool = False,
    ) -> sync_service_pb2.StartSessionResponse:
        """Start a synchronisation run. The answer has no `session` if there is nothing new.

        Args:
            scopes: The scopes wanted; none means all.
            filters: Buckets wanted, by scope; a scope without an entry gets all that are granted.
            positions: What the device has stored. Without any, reading starts at what is acknowledged.
            refused: Items that the device refused and still lacks.
            full_resync: Load everything from the beginning.
            always: Start a session even if there is nothing new, to follow changes.
        """
        request = start_session_request(
            client_info=self._endpoint.client_info,
            scopes=scopes,
            filters=filters,
            positions=positions,
            refused=refused,
            full_resync=full_resync,
            always=always,
        )
        return await self._call(self._connect().StartSession, request)

    def read_queue(
        self, session_id: str, *, page_size: int | None = None, follow: bool = False, item_ack_keys: bool = False
    ) -> AsyncPageStream:
        """Stream the pages of a session; with `follow`, without end. It ends an older stream of the device.

        Leaving the iteration early cancels the call. Errors come from the iterator.
        """
        request = read_queue_request(session_id, page_size=page_size, follow=follow, item_ack_keys=item_ack_keys)
        return AsyncPageStream(*self._open_stream(self._connect().ReadQueue, request))

    async def fetch_queue(self, session_id: str, *, page_size: int | None = None) -> Page:
        """The session's next page, with a key for each item. Not repeated by itself: each page is given once."""
        request = fetch_queue_request(session_id, page_size=page_size)
        return Page(await self._call(self._connect().FetchQueue, request))

    async def confirm_wipe(self, *, given_up: int = 0) -> None:
        """Say that the device has removed its copy, as `WipeAsked` wanted.

        Args:
            given_up: How many local changes went with it that the server does not have.

        Raises:
            WipeNotAsked: nobody wants that.
        """
        await self._call(self._connect().ConfirmWipe, sync_service_pb2.ConfirmWipeRequest(given_up=given_up))

    async def acknowledge(
        self, ack_keys: Iterable[str] = (), rejections: Iterable[sync_service_pb2.Rejection] = ()
    ) -> sync_service_pb2.AcknowledgeResponse:
        """Say that items are stored durably, or cannot be taken. Durable when it returns; repeats do no harm."""
        request = acknowledge_request(ack_keys, rejections)
        return await self._call(self._connect().Acknowledge, request)

    def upload(self, store_epoch: str) -> AsyncUploadStream:
        """Open a stream of changes. It ends an older one of the device.

        Args:
            store_epoch: The identity of the server's history that the changes belong to, as StartSession answered it.
        """
        return AsyncUploadStream(partial(self._open_stream, self._connect().Upload), store_epoch)

    def list_conflicts(
        self,
        *,
        all_devices: bool = False,
        object_type: str = "",
        key: str | None = None,
        page_size: int | None = None,
    ) -> AsyncIterator[upload_pb2.Conflict]:
        """The conflict log, newest first, fetched page by page as it is read.

        Args:
            all_devices: Those of every device in the buckets that this one is granted, not only its own.
            object_type: Only those of this object type.
            key: Only those of this record of the object type.
            page_size: How many are fetched at once: 1 to 500.
        """
        request = list_conflicts_request(all_devices=all_devices, object_type=object_type, key=key, page_size=page_size)
        return self._read_conflicts(request)

    async def reconcile(self, request: upload_pb2.ReconcileRequest) -> upload_pb2.ReconcileResponse:
        """Compare a copy with the server's records by ranges of keys, and fetch records by key."""
        return await self._call(self._connect().Reconcile, request)

    async def get_schema(self, known_version: int = 0) -> Schema | None:
        """The schema in force; None if that is `known_version`."""
        request = get_schema_request(known_version)
        response = await self._call(self._connect().GetSchema, request)
        return schema_from_message(response.schema) if response.HasField("schema") else None

    async def sync(
        self,
        handler: AsyncHandler,
        *,
        scopes: Sequence[str] = (),
        follow: bool = False,
        page_size: int = 1_000,
        full_resync: bool = False,
    ) -> SyncResult:
        """Give every new item to the handler and acknowledge it, up to the next checkpoint.

        The handler gets `(meta, data)`, stores the item durably, and answers `Ack.ACK`, `Ack.NACK` or
        `Nack(reason)`. An exception in it rejects that item, never its neighbours. A rejected item comes again
        in the next session, and is parked after five.

        A broken stream is resumed. Items come at least once: what was handled and not yet acknowledged when the
        program died comes again. Within a run no item is handled twice at one revision, except a rejected one.
        If the server requires it (the device was away for too long, or a backup was restored), everything comes
        again from the beginning, without the deletes that the device has missed; `full_resync` in the result says so.

        Args:
            handler: Called with one item at a time; a plain function or a coroutine function. Must return an answer.
            scopes: The scopes wanted; none means all.
            follow: Stay connected and go on with changes as they happen, until `stop`.
            page_size: How many items are acknowledged in one call: 1 to 5,000.
            full_resync: Load everything from the beginning.

        Raises:
            HandlerError: the handler answered something else, or nothing. What came before is acknowledged.
            Superseded: another program took over with the same device UUID.
            SyncError: whatever else cannot be mended by trying again.
        """
        if self._loop is not None:
            raise AlreadySyncing("this client is in sync() already")
        run = SyncRun(
            scopes=scopes,
            follow=follow,
            page_size=page_size,
            full_resync=full_resync,
            attempts_max=self._resume_attempts_max,
        )
        self._loop = AsyncSyncLoop(self, handler, run, self._stopping)
        try:
            return await self._loop.execute()
        finally:
            self._loop = None
            self._stopping.clear()

    def stop(self) -> None:
        """End the running `sync` after the item in hand, which is acknowledged; if none runs, end the next at once.

        May be called from the handler. Cancelling the task ends the run, too, and raises.
        """
        self._stopping.set()
        if self._loop is not None:
            self._loop.stopping()

    async def _read_conflicts(self, request: upload_pb2.ListConflictsRequest) -> AsyncIterator[upload_pb2.Conflict]:
        while True:
            response = await self._call(self._connect().ListConflicts, request)
            for conflict in response.conflicts:
                yield conflict
            if not response.next_page_token:
                return
            request.page_token = response.next_page_token

    def _connect(self) -> SyncServiceAsyncStub:
        channel = self._open_channel()
        if self._stub is None:
            self._stub = SyncServiceStub(channel)
        return self._stub
