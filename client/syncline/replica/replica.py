"""The device database."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock, get_ident
from types import TracebackType
from typing import Literal, Self
from uuid import UUID
from weakref import ReferenceType, ref

from syncline.client import AlreadySyncing, InvalidOption, SyncClient
from syncline.client.endpoint import Token
from syncline.data.schema import Schema
from syncline.replica.connection import Connect
from syncline.replica.errors import ReplicaError, SyncStopped, translated
from syncline.replica.facts import read_facts
from syncline.replica.file import ReplicaFile
from syncline.replica.incoming import Accept
from syncline.replica.reader import Parameters, ReplicaReader
from syncline.replica.report import Progress, SyncReport
from syncline.replica.run import Run, RunOptions
from syncline.replica.status import Status

CLIENT_NAME = "syncline-replica"
PAGE_SIZE = 2_000
"""Items a page: beyond that a first sync gets no faster."""


class Replica:
    """An account's records in a SQLite file, kept equal to the server's.

    Each object type is a view of the same name with the columns `_key`, `_bucket`, `_revision` and one for each field;
    `query`, or any SQLite connection of any process, reads them while a synchronisation runs. With
    `apply="checkpoint"` readers see checkpoints only (G5): each type's view appears with its first one. With
    `apply="page"` they see each page as it is stored.

    One `Replica` may have a file open at a time. The server's errors are those of `syncline.client`, the file's those
    of `syncline.replica`; after either of them the file is sound and the next run goes on where this one ended.
    """

    def __init__(
        self,
        file: ReplicaFile,
        client: SyncClient | None,
        device_uuid: UUID,
        *,
        by_page: bool,
        page_size: int,
        attempts_max: int,
        accept: Accept | None,
        connect: Connect,
    ) -> None:
        """Use `Replica.open`."""
        self._file = file
        self._client = client
        self._device_uuid = device_uuid
        self._by_page = by_page
        self._page_size = page_size
        self._attempts_max = attempts_max
        self._accept = accept
        self._reader = ReplicaReader(file.path, connect)
        self._running = Lock()
        self._run: Run | None = None
        self._runner: int | None = None
        """The thread in which a run is under way."""
        self._watching: ReferenceType[Generator[SyncReport]] | None = None
        """Weak: a watch ends when its iteration is left, as by `break`."""

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        target: str | None = None,
        *,
        apply: Literal["checkpoint", "page"] = "checkpoint",
        device: UUID | str | None = None,
        token: Token | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        insecure: bool | None = None,
        page_size: int = PAGE_SIZE,
        attempts_max: int = 8,
        accept: Accept | None = None,
        connect: Connect = sqlite3.connect,
    ) -> Self:
        """Open a device file, or make it. No server is contacted yet.

        Args:
            path: The file. Beside it SQLite keeps its log, and `<path>.lock` is the lock of its one user.
            target: The server, as `host:port`. Unset: the file can be read only.
            apply: When readers see what was received: at checkpoints, or page by page.
            device: The device's UUID. Unset: the file's; a new file makes one and keeps it.
            token: A bearer token, or a function that gives the one to use now.
            ca_file: PEM file of the authorities to trust.
            insecure: True: no TLS. Unset: no TLS only to loopback addresses.
            page_size: Items a page: 1 to 5,000.
            attempts_max: How often in a row a run starts a session without receiving a page.
            accept: Asked about each record before it is stored; may refuse it.
            connect: Opens connections in place of `sqlite3.connect`, to the same SQLite as the application's.

        Raises:
            ReplicaLocked: the file is open elsewhere.
            NotAReplica: it is something else.
            ReplicaVersionMismatch: it is of a newer format, or SQLite is too old.
            DeviceMismatch: it is another device's.
            StorageFailed: it cannot be read or written.
            InvalidOption: an argument for the connection makes no sense.
        """
        if apply not in ("checkpoint", "page"):
            raise ReplicaError(f'apply must be "checkpoint" or "page", not {apply!r}')
        file = ReplicaFile.open(Path(path).resolve(), _parse_uuid(device), connect)
        try:
            device_uuid = read_facts(file.connection).device_uuid
            client = None
            if target is not None:
                client = SyncClient(
                    target, device_uuid, token=token, ca_file=ca_file, insecure=insecure, name=CLIENT_NAME
                )
        except BaseException:
            file.close()
            raise
        return cls(
            file,
            client,
            device_uuid,
            by_page=apply == "page",
            page_size=page_size,
            attempts_max=attempts_max,
            accept=accept,
            connect=connect,
        )

    @property
    def device_uuid(self) -> UUID:
        """The device that this file is."""
        return self._device_uuid

    @property
    def schema(self) -> Schema:
        """The schema as of the last session; version 0 before the first."""
        return self._reader.facts().schema

    def sync(
        self,
        *,
        scopes: Collection[str] = (),
        full_resync: bool = False,
        progress: Callable[[Progress], None] | None = None,
    ) -> SyncReport:
        """Download what is new, up to the next checkpoint, and acknowledge it.

        A broken stream is resumed. What is stored stays, whatever happens.

        Args:
            scopes: The scopes wanted; none mean all. Others stay as they are.
            full_resync: Load everything from the beginning. Readers keep the old rows until the checkpoint.
            progress: Called after each page.

        Raises:
            ForeignAccount: the file belongs to another account.
            SyncStopped: `stop` was called before the checkpoint.
            StorageFailed: the file cannot be written.
            SyncError: the server cannot be reached, or refuses.
        """
        with self._running_one(scopes, full_resync=full_resync, follow=False, progress=progress) as run:
            for report in run.reports():
                return report
        raise SyncStopped("the synchronisation was stopped; the next one goes on from here")

    def watch(
        self, *, scopes: Collection[str] = (), progress: Callable[[Progress], None] | None = None
    ) -> Generator[SyncReport]:
        """Stay connected and take changes as they happen: a report for each checkpoint, the first at once.

        Ends with `stop`, or when the iteration is left. Once connected, it outlives every loss of the connection.

        Raises:
            SyncError: the server cannot be reached at first, or refuses.
        """
        watching = self._watch(scopes, progress)
        self._watching = ref(watching)
        return watching

    def stop(self) -> None:
        """End a running `sync` or `watch` after the page in hand. May be called from another thread."""
        run = self._run
        if run is not None:
            run.stop()

    def query(self, sql: str, parameters: Parameters = ()) -> list[sqlite3.Row]:
        """Run one SELECT statement on what is committed. Any thread may, also during a synchronisation.

        Raises:
            QueryFailed: the statement is wrong, or would write.
        """
        return self._reader.query(sql, parameters)

    def status(self) -> Status:
        """What the file holds at this moment."""
        return self._reader.status()

    def close(self) -> None:
        """Close the file and the connection. Ends what is running and waits for its end. A second close does nothing.

        Raises:
            ReplicaError: called by a callback of the running `sync` or `watch`, whose end cannot be waited for there.
        """
        self.stop()
        watching = self._watching() if self._watching is not None else None
        if watching is not None:
            with suppress(ValueError):  # it is running at this moment: it ends by the stop
                watching.close()
        if self._runner == get_ident():
            raise ReplicaError("a callback cannot close its Replica: call stop() there, and close() afterwards")
        with self._running:
            if self._client is not None:
                self._client.close()
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _watch(self, scopes: Collection[str], progress: Callable[[Progress], None] | None) -> Generator[SyncReport]:
        with self._running_one(scopes, full_resync=False, follow=True, progress=progress) as run:
            yield from run.reports()

    @contextmanager
    def _running_one(
        self,
        scopes: Collection[str],
        *,
        full_resync: bool,
        follow: bool,
        progress: Callable[[Progress], None] | None,
    ) -> Iterator[Run]:
        if self._client is None:
            raise ReplicaError("no server was named: give Replica.open a target")
        if not self._running.acquire(blocking=False):
            raise AlreadySyncing("this Replica is synchronising already")
        self._runner = get_ident()
        try:
            options = RunOptions(
                scopes=tuple(scopes),
                full_resync=full_resync,
                follow=follow,
                by_page=self._by_page,
                page_size=self._page_size,
                attempts_max=self._attempts_max,
                accept=self._accept,
                progress=progress,
            )
            self._run = Run(self._file.connection, self._client, options)
            with translated():
                yield self._run
        finally:
            self._run = self._runner = None
            self._running.release()


def _parse_uuid(device: UUID | str | None) -> UUID | None:
    if not isinstance(device, str):
        return device
    try:
        return UUID(device)
    except ValueError:
        raise InvalidOption(f"device {device!r} is no UUID") from None
