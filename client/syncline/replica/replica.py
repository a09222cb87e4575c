"""The device database."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, Unpack
from uuid import UUID

from syncline.client import InvalidOption, SyncClient
from syncline.client.endpoint import ConnectionOptions
from syncline.data.schema import Schema
from syncline.replica.change_log import ChangeState
from syncline.replica.conflicts import Conflict
from syncline.replica.connection import Connect
from syncline.replica.errors import ReplicaError, translated
from syncline.replica.events import OnEvent
from syncline.replica.facts import read_facts
from syncline.replica.file import ReplicaFile
from syncline.replica.incoming import Accept
from syncline.replica.local_database import LocalDatabase
from syncline.replica.objects import Objects
from syncline.replica.outbox import BATCH_CHANGES
from syncline.replica.pending import PendingInstances, count_instances, load_instances
from syncline.replica.reader import Parameters, ReplicaReader
from syncline.replica.reading import ReadConnections, visible
from syncline.replica.reconciling import ReconcileReport, reconcile
from syncline.replica.report import Progress, SyncReport, UploadReport
from syncline.replica.resetting import reset
from syncline.replica.roll_back import RolledBack, roll_back
from syncline.replica.run_options import RunOptions, check_names
from syncline.replica.runs import Runs
from syncline.replica.status import Status
from syncline.replica.uploader import ScopeTask

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
        self._device_uuid = device_uuid
        self._defaults = RunOptions(by_page=by_page, page_size=page_size, attempts_max=attempts_max, accept=accept)
        self._reader = ReplicaReader(file.path, connect)
        self._local = LocalDatabase(file.path, connect)
        self._readers = ReadConnections(file.path, connect)
        self._runs = Runs(file, client, self._local, self._readers)

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
    ) -> Self:
        """Open a device file, or make it. No server is contacted yet.

        Args:
            path: The file. Beside it SQLite keeps its log, and `<path>.lock` is the lock of its one user.
            target: The server, as `host:port`. Unset: the file can be read only.
            apply: When readers see what was received: at checkpoints, or page by page.
            device: The device's UUID. Unset: the file's; a new file makes one and keeps it.
            page_size: Items a page: 1 to 5,000.
            attempts_max: How often in a row a run starts a session without receiving a page.
            accept: Asked about each record before it is stored; may refuse it.
            connect: Opens connections in place of `sqlite3.connect`, to the same SQLite as the application's.
            connection: Token, TLS and deadline; see `syncline.client.ConnectionOptions`.

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
                client = SyncClient(target, device_uuid, name=CLIENT_NAME, **connection)
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

    @property
    def local(self) -> LocalDatabase:
        """The app's side of the file: local writes."""
        return self._local

    def sync(
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
        """Upload the changes that wait, then download what is new, up to the next checkpoint.

        A broken stream is resumed. What is stored stays, whatever happens, and no change is lost (G8): a device that
        must load everything anew downloads first, and uploads then.

        Args:
            scopes: The scopes wanted; none mean all. Others stay as they are.
            filters: Buckets wanted, by scope. Records of other buckets of the scope leave the file with the checkpoint,
                and come back with a synchronisation that wants them.
            tasks: What to do with single scopes.
            upload: False: no change is sent.
            download: False: nothing is received, as in `push`.
            full_resync: Load everything from the beginning. Readers keep the old rows until the checkpoint.
            page_size: Items a page: 1 to 5,000. Unset: as the file was opened with.
            upload_batch: Changes a message: 1 to 1,000. A transaction is sent in one message, however large.
            progress: Called after each page.
            on_event: Told of everything that happens.

        Raises:
            ForeignAccount: the file belongs to another account.
            SyncStopped: `stop` was called before the checkpoint.
            StorageFailed: the file cannot be written.
            SyncError: the server cannot be reached, or refuses.
            DeviceWiped: somebody wanted the copy removed, and it is.
        """
        options = self._options(
            scopes,
            filters=filters,
            tasks=tasks,
            upload=upload,
            download=download,
            full_resync=full_resync,
            page_size=page_size,
            upload_batch=upload_batch,
            progress=progress,
            on_event=on_event,
        )
        with self._runs.running(options) as run:
            return run.sync()

    def push(
        self,
        *,
        scopes: Collection[str] = (),
        tasks: Mapping[str, ScopeTask] | None = None,
        upload_batch: int = BATCH_CHANGES,
        on_event: OnEvent | None = None,
    ) -> UploadReport:
        """Upload the changes that wait, and download nothing. Arguments and errors as of `sync`.

        Raises:
            ResyncRequired: the device has expired, and must download before its changes are decided: use `sync`.
        """
        report = self.sync(scopes=scopes, tasks=tasks, download=False, upload_batch=upload_batch, on_event=on_event)
        return report.upload or UploadReport()

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
    ) -> Generator[SyncReport]:
        """Stay connected and take changes as they happen: a report for each checkpoint, the first at once.

        Local changes are uploaded as they are committed, by a thread beside. Ends with `stop`, or when the iteration is
        left. Once connected, it outlives every loss of the connection. Arguments as of `sync`.

        Raises:
            SyncError: the server cannot be reached at first, or refuses.
        """
        options = self._options(
            scopes,
            filters=filters,
            tasks=tasks,
            upload=upload,
            follow=True,
            page_size=page_size,
            upload_batch=upload_batch,
            progress=progress,
            on_event=on_event,
        )
        return self._runs.watch(options)

    def stop(self) -> None:
        """End a running `sync`, `push`, `watch` or `reconcile` after the page or message in hand.

        Any thread may call it.
        """
        self._runs.stop()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One local transaction: what is written in the block is durable, and uploaded, as a whole or not at all.

        Inside another one of the same thread it is a part of that. Other threads wait for its end.

        Raises:
            TransactionSpansScopes: its changes are of several scopes.
            TransactionTooLarge: it has more changes than can be sent as one.
            StorageFailed: the file cannot be written.
        """
        with self._local.transaction():
            yield

    def objects(self, name: str) -> Objects:
        """The records of one object type, to read and to write. Its methods say if there is no such type."""
        return Objects(name, self._local, self._readers)

    def get_all_pending_upload_instances(self, retrieve_only_count: bool = False) -> PendingInstances:
        """The changes that wait for upload, deletes included, by scope and object type; all of these are listed.

        Args:
            retrieve_only_count: Only count them; no change is loaded.
        """
        with visible(self._local, self._readers) as connection:
            look = count_instances if retrieve_only_count else load_instances
            return look(connection, ChangeState.PENDING)

    def get_pending_upload(self) -> PendingInstances:
        """As `get_all_pending_upload_instances`."""
        return self._instances(ChangeState.PENDING)

    def get_pending_acknowledgement(self) -> PendingInstances:
        """The changes that were sent, and whose verdict is not known, by scope and object type."""
        return self._instances(ChangeState.SENT)

    def get_deferred_upload(self) -> PendingInstances:
        """The changes that were made with `upload=False` and not marked since, by scope and object type."""
        return self._instances(ChangeState.DEFERRED)

    def get_rejected(self) -> PendingInstances:
        """The changes that the server rejected, each with the reason, by scope and object type."""
        return self._instances(ChangeState.REJECTED)

    def roll_back_pending_local_changes(self) -> RolledBack:
        """Take back the changes of all scopes that the server has not decided: all of them, or none.

        What the app sees is then the newest server state known. A change that was sent is reversed once its verdict is
        known.

        Raises:
            StorageFailed: the file cannot be written.
        """
        with self._local.transaction(), translated():
            return roll_back(self._local.connection, self._local.schema())

    def reset(self, *, scopes: Collection[str] = (), discard_unsent: bool = False) -> None:
        """Empty the file, or these scopes of it: all records, positions, refused items and conflicts go.

        The file stays the device that it is, of its account. The next synchronisation loads everything anew.

        Raises:
            UnsentChanges: local changes would be lost, and `discard_unsent` was not said.
            AlreadySyncing: a synchronisation is under way.
        """
        check_names("scopes", scopes)
        with self._runs.alone():
            reset(self._file.connection, tuple(scopes), discard_unsent=discard_unsent)

    def reconcile(
        self, *, scopes: Collection[str] = (), progress: Callable[[ReconcileReport], None] | None = None
    ) -> ReconcileReport:
        """Synchronise, then compare every record with the server's by ranges of keys, and mend what differs.

        What is equal is not downloaded. Broken off, as by `stop`, it goes on from there the next time. Errors as of
        `sync`.

        Args:
            scopes: The scopes wanted; none mean all.
            progress: Called with what was done so far; may end it by raising.
        """
        with self._runs.running(self._options(scopes)) as run:
            run.sync()
            return reconcile(
                self._file.connection,
                self._runs.client,
                read_facts(self._file.connection).schema,
                scopes=tuple(scopes),
                progress=progress,
                stopped=lambda: run.stopped,
            )

    def conflicts(self) -> list[Conflict]:
        """Conflicts of this device's changes, as the server told with their verdicts: the newest first."""
        return self._reader.conflicts()

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
        self._runs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _instances(self, state: ChangeState) -> PendingInstances:
        with visible(self._local, self._readers) as connection:
            return load_instances(connection, state)

    def _options(self, scopes: Collection[str], **wanted: Any) -> RunOptions:
        """What a run is asked for: what is None is as the file was opened with, or as it is unless it is said."""
        check_names("scopes", scopes)
        said = {name: value for name, value in wanted.items() if value is not None}
        for scope, buckets in said.get("filters", {}).items():
            check_names(f"filters: the buckets of {scope!r}", buckets)
        return replace(self._defaults, scopes=tuple(scopes), **said)


def _parse_uuid(device: UUID | str | None) -> UUID | None:
    if not isinstance(device, str):
        return device
    try:
        return UUID(device)
    except ValueError:
        raise InvalidOption(f"device {device!r} is no UUID") from None
