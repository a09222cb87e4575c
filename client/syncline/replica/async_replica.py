"""The device database for asyncio programs."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncGenerator, Callable, Collection, Generator, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from types import TracebackType
from typing import Literal, Self, TypeVar, Unpack
from uuid import UUID

from syncline.client.endpoint import ConnectionOptions
from syncline.data.schema import Schema
from syncline.replica.async_objects import AsyncObjects
from syncline.replica.async_work import LocalThreads, SyncThread, finished
from syncline.replica.conflicts import Conflict
from syncline.replica.connection import Connect
from syncline.replica.events import OnEvent
from syncline.replica.incoming import Accept
from syncline.replica.outbox import BATCH_CHANGES
from syncline.replica.pending import PendingInstances
from syncline.replica.reader import Parameters
from syncline.replica.reconciling import ReconcileReport
from syncline.replica.replica import PAGE_SIZE, Replica
from syncline.replica.report import Progress, SyncReport, UploadReport
from syncline.replica.status import Status
from syncline.replica.taking import RolledBack
from syncline.replica.uploader import ScopeTask

T = TypeVar("T")


class AsyncReplica:
    """A `Replica` for use inside one event loop. What a method does, raises and answers, `Replica` says.

    Work is done in threads: local writes in one of their own, reads and a synchronisation beside it. Tasks take turns
    with transactions: what other tasks write waits for the end of an open one, while tasks that were started inside it
    are a part of it. `progress` and `on_event` are called in the event loop; `accept` and `token` in a thread.

    A task that is cancelled during a call gets its `CancelledError` when the call has ended: a synchronisation is
    stopped first, a transaction is undone, and a single write is done or not, as a whole.
    """

    def __init__(self, replica: Replica) -> None:
        """Use `AsyncReplica.open`."""
        self._replica = replica
        self._local = LocalThreads()
        self._sync = SyncThread(replica.stop)

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        target: str | None = None,
        *,
        apply: Literal["checkpoint", "page"] = "checkpoint",
        device: UUID | str | None = None,
        page_size: int = PAGE_SIZE,
        attempts_max: int = 8,
        accept: Accept | None = None,
        connect: Connect = sqlite3.connect,
        **connection: Unpack[ConnectionOptions],
    ) -> Opening:
        """See `Replica.open`. To be awaited, or to be entered with `async with`, which closes it in the end."""
        return Opening(
            cls,
            partial(
                Replica.open,
                path,
                target,
                apply=apply,
                device=device,
                page_size=page_size,
                attempts_max=attempts_max,
                accept=accept,
                connect=connect,
                **connection,
            ),
        )

    @property
    def device_uuid(self) -> UUID:
        """See `Replica.device_uuid`."""
        return self._replica.device_uuid

    async def schema(self) -> Schema:
        """See `Replica.schema`."""
        return await self._local.read(lambda: self._replica.schema)

    def objects(self, name: str) -> AsyncObjects:
        """See `Replica.objects`."""
        return AsyncObjects(self._replica.objects(name), self._local)

    def transaction(self) -> AbstractAsyncContextManager[None]:
        """See `Replica.transaction`."""
        return self._local.transaction(self._replica.transaction)

    async def sync(
        self,
        *,
        scopes: Collection[str] = (),
        filters: Mapping[str, Collection[str]] | None = None,
        tasks: Mapping[str, ScopeTask] | None = None,
        upload: bool = True,
        download: bool = True,
        full_resync: bool = False,
        page_size: int | None = None,
        upload_batch: int = BATCH_CHANGES,
        progress: Callable[[Progress], None] | None = None,
        on_event: OnEvent | None = None,
    ) -> SyncReport:
        """See `Replica.sync`."""
        return await self._synchronise(
            partial(
                self._replica.sync,
                scopes=scopes,
                filters=filters,
                tasks=tasks,
                upload=upload,
                download=download,
                full_resync=full_resync,
                page_size=page_size,
                upload_batch=upload_batch,
                progress=_in_loop(progress),
                on_event=_in_loop(on_event),
            )
        )

    async def push(
        self,
        *,
        scopes: Collection[str] = (),
        tasks: Mapping[str, ScopeTask] | None = None,
        upload_batch: int = BATCH_CHANGES,
        on_event: OnEvent | None = None,
    ) -> UploadReport:
        """See `Replica.push`."""
        return await self._synchronise(
            partial(
                self._replica.push,
                scopes=scopes,
                tasks=tasks,
                upload_batch=upload_batch,
                on_event=_in_loop(on_event),
            )
        )

    def watch(
        self,
        *,
        scopes: Collection[str] = (),
        filters: Mapping[str, Collection[str]] | None = None,
        tasks: Mapping[str, ScopeTask] | None = None,
        upload: bool = True,
        page_size: int | None = None,
        upload_batch: int = BATCH_CHANGES,
        progress: Callable[[Progress], None] | None = None,
        on_event: OnEvent | None = None,
    ) -> AsyncGenerator[SyncReport]:
        """See `Replica.watch`."""

        def begin() -> Generator[SyncReport]:
            self._local.check_outside()
            return self._replica.watch(
                scopes=scopes,
                filters=filters,
                tasks=tasks,
                upload=upload,
                page_size=page_size,
                upload_batch=upload_batch,
                progress=_in_loop(progress),
                on_event=_in_loop(on_event),
            )

        return self._sync.iterate(begin)

    def stop(self) -> None:
        """See `Replica.stop`."""
        self._replica.stop()

    async def reset(self, *, scopes: Collection[str] = (), discard_unsent: bool = False) -> None:
        """See `Replica.reset`."""
        await self._synchronise(partial(self._replica.reset, scopes=scopes, discard_unsent=discard_unsent))

    async def reconcile(
        self, *, scopes: Collection[str] = (), progress: Callable[[ReconcileReport], None] | None = None
    ) -> ReconcileReport:
        """See `Replica.reconcile`."""
        return await self._synchronise(partial(self._replica.reconcile, scopes=scopes, progress=_in_loop(progress)))

    async def get_all_pending_upload_instances(self, retrieve_only_count: bool = False) -> PendingInstances:
        """See `Replica.get_all_pending_upload_instances`."""
        return await self._local.read(self._replica.get_all_pending_upload_instances, retrieve_only_count)

    async def get_pending_upload(self) -> PendingInstances:
        """See `Replica.get_pending_upload`."""
        return await self._local.read(self._replica.get_pending_upload)

    async def get_pending_acknowledgement(self) -> PendingInstances:
        """See `Replica.get_pending_acknowledgement`."""
        return await self._local.read(self._replica.get_pending_acknowledgement)

    async def get_deferred_upload(self) -> PendingInstances:
        """See `Replica.get_deferred_upload`."""
        return await self._local.read(self._replica.get_deferred_upload)

    async def get_rejected(self) -> PendingInstances:
        """See `Replica.get_rejected`."""
        return await self._local.read(self._replica.get_rejected)

    async def roll_back_pending_local_changes(self) -> RolledBack:
        """See `Replica.roll_back_pending_local_changes`."""
        return await self._local.run(self._replica.roll_back_pending_local_changes)

    async def conflicts(self) -> list[Conflict]:
        """See `Replica.conflicts`."""
        return await self._local.read(self._replica.conflicts)

    async def query(self, sql: str, parameters: Parameters = ()) -> list[sqlite3.Row]:
        """See `Replica.query`."""
        return await self._local.read(self._replica.query, sql, parameters)

    async def status(self) -> Status:
        """See `Replica.status`."""
        return await self._local.read(self._replica.status)

    async def close(self) -> None:
        """See `Replica.close`."""
        self._local.check_outside()
        try:
            await self._sync.close()
        finally:
            await self._local.close(self._replica.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def _synchronise(self, work: Callable[[], T]) -> T:
        self._local.check_outside()
        return await self._sync.run(work)


class Opening:
    """A device file that is about to be opened."""

    def __init__(self, make: type[AsyncReplica], open_file: Callable[[], Replica]) -> None:
        self._make = make
        self._open_file = open_file
        self._replica: AsyncReplica | None = None

    def __await__(self) -> Generator[object, None, AsyncReplica]:
        return self._open().__await__()

    async def __aenter__(self) -> AsyncReplica:
        self._replica = await self._open()
        return self._replica

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._replica is not None:
            await self._replica.close()

    async def _open(self) -> AsyncReplica:
        # No task: the end of the loop would cancel it, and nobody would close what the thread opens after that.
        opening = asyncio.get_running_loop().run_in_executor(None, self._open_file)
        try:
            return self._make(await finished(opening))
        except asyncio.CancelledError:
            if opening.exception() is None:
                await asyncio.to_thread(opening.result().close)
            raise


def _in_loop(callback: Callable[[T], None] | None) -> Callable[[T], None] | None:
    """Have something called in the event loop that is to be called by a thread."""
    if callback is None:
        return None
    loop = asyncio.get_running_loop()

    def call(value: T) -> None:
        loop.call_soon_threadsafe(callback, value)

    return call
