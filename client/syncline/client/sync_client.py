"""The client for ordinary, blocking programs."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from threading import Event, Lock
from typing import Unpack
from uuid import UUID

from syncline.client.answers import Handler
from syncline.client.connection import Connection
from syncline.client.endpoint import CLIENT_NAME, CLIENT_VERSION, ConnectionOptions, Device, Endpoint
from syncline.client.errors import AlreadySyncing, InvalidOption
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
from syncline.client.streams import PageStream
from syncline.client.sync_loop import SyncLoop
from syncline.client.uploads import UploadStream
from syncline.data.schema import Schema
from syncline.v1 import queue_pb2, sync_service_pb2, upload_pb2
from syncline.v1.sync_service_pb2_grpc import SyncServiceStub


class SyncClient(Connection):
    """A device's connection to a server of Syncline. Threads may share it.

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
        self._stub = SyncServiceStub(self._channel)
        self._stopping = Event()
        self._syncing = Lock()
        self._loop: SyncLoop | None = None

    @property
    def device_uuid(self) -> UUID:
        """The device that this client speaks for."""
        return self._endpoint.device_uuid

    def start_session(
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
        return self._call(self._stub.StartSession, request)

    def confirm_wipe(self, *, given_up: int = 0) -> None:
        """Say that the device has removed its copy, as `WipeAsked` wanted.

        Args:
            given_up: How many local changes went with it that the server does not have.

        Raises:
            WipeNotAsked: nobody wants that.
        """
        self._call(self._stub.ConfirmWipe, sync_service_pb2.ConfirmWipeRequest(given_up=given_up))

    def read_queue(
        self, session_id: str, *, page_size: int | None = None, follow: bool = False, item_ack_keys: bool = False
    ) -> PageStream:
        """Stream the pages of a session; with `follow`, without end. It ends an older stream of the device.

        Leaving the iteration early cancels the call. Errors come from the iterator.
        """
        self._check_open()
        request = read_queue_request(session_id, page_size=page_size, follow=follow, item_ack_keys=item_ack_keys)
        metadata, failed = self._credentials()
        return PageStream(self._stub.ReadQueue(request, metadata=metadata), failed)

    def fetch_queue(self, session_id: str, *, page_size: int | None = None) -> Page:
        """The session's next page, with a key for each item. Not repeated by itself: each page is given once."""
        request = fetch_queue_request(session_id, page_size=page_size)
        return Page(self._call(self._stub.FetchQueue, request))

    def acknowledge(
        self, ack_keys: Iterable[str] = (), rejections: Iterable[sync_service_pb2.Rejection] = ()
    ) -> sync_service_pb2.AcknowledgeResponse:
        """Say that items are stored durably, or cannot be taken. Durable when it returns; repeats do no harm."""
        request = acknowledge_request(ack_keys, rejections)
        return self._call(self._stub.Acknowledge, request)

    def upload(self, store_epoch: str) -> UploadStream:
        """Open a stream of changes. It ends an older one of the device.

        Args:
            store_epoch: The identity of the server's history that the changes belong to, as StartSession answered it.
        """
        self._check_open()
        metadata, failed = self._credentials()
        return UploadStream(self._stub.Upload, metadata, store_epoch, failed)

    def list_conflicts(
        self,
        *,
        all_devices: bool = False,
        object_type: str = "",
        key: str | None = None,
        page_size: int | None = None,
    ) -> Iterator[upload_pb2.Conflict]:
        """The conflict log, newest first, fetched page by page as it is read.

        Args:
            all_devices: Those of every device in the buckets that this one is granted, not only its own.
            object_type: Only those of this object type.
            key: Only those of this record of the object type.
            page_size: How many are fetched at once: 1 to 500.
        """
        request = list_conflicts_request(all_devices=all_devices, object_type=object_type, key=key, page_size=page_size)
        return self._read_conflicts(request)

    def reconcile(self, request: upload_pb2.ReconcileRequest) -> upload_pb2.ReconcileResponse:
        """Compare a copy with the server's records by ranges of keys, and fetch records by key."""
        return self._call(self._stub.Reconcile, request)

    def get_schema(self, known_version: int = 0) -> Schema | None:
        """The schema in force; None if that is `known_version`."""
        request = get_schema_request(known_version)
        response = self._call(self._stub.GetSchema, request)
        return schema_from_message(response.schema) if response.HasField("schema") else None

    def sync(
        self,
        handler: Handler,
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
            handler: Called with one item at a time, in this thread. Must return an answer.
            scopes: The scopes wanted; none means all.
            follow: Stay connected and go on with changes as they happen, until `stop`.
            page_size: How many items are acknowledged in one call: 1 to 5,000.
            full_resync: Load everything from the beginning.

        Raises:
            HandlerError: the handler answered something else, or nothing. What came before is acknowledged.
            Superseded: another program took over with the same device UUID.
            SyncError: whatever else cannot be mended by trying again.
        """
        if inspect.iscoroutinefunction(handler):
            raise InvalidOption("SyncClient takes a plain function; AsyncSyncClient takes a coroutine function, too")
        if not self._syncing.acquire(blocking=False):
            raise AlreadySyncing("this client is in sync() already")
        try:
            run = SyncRun(
                scopes=scopes,
                follow=follow,
                page_size=page_size,
                full_resync=full_resync,
                attempts_max=self._resume_attempts_max,
            )
            self._loop = SyncLoop(self, handler, run, self._stopping)
            return self._loop.execute()
        finally:
            self._loop = None
            self._stopping.clear()
            self._syncing.release()

    def stop(self) -> None:
        """End the running `sync` after the item in hand, which is acknowledged; if none runs, end the next at once.

        May be called from another thread and from the handler.
        """
        self._stopping.set()
        loop = self._loop
        if loop is not None:
            loop.stopping()

    def _read_conflicts(self, request: upload_pb2.ListConflictsRequest) -> Iterator[upload_pb2.Conflict]:
        while True:
            response = self._call(self._stub.ListConflicts, request)
            yield from response.conflicts
            if not response.next_page_token:
                return
            request.page_token = response.next_page_token
