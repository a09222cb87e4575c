"""What needs the whole device file for itself: one run at a time, a wipe, and the end of everything."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from threading import Lock, get_ident
from weakref import WeakSet

from syncline.client import AlreadySyncing, SyncClient, SyncError, WipeAsked
from syncline.replica.adopting import check_account
from syncline.replica.errors import DeviceWiped, ReplicaError, translated
from syncline.replica.events import OnEvent
from syncline.replica.file import ReplicaFile
from syncline.replica.local_database import LocalDatabase
from syncline.replica.reading import ReadConnections
from syncline.replica.report import SyncReport
from syncline.replica.run import Run
from syncline.replica.run_options import RunOptions
from syncline.replica.wiping import give_up


class Runs:
    """The runs of one open device file, one after the other. Any thread may call any method."""

    def __init__(
        self, file: ReplicaFile, client: SyncClient | None, local: LocalDatabase, readers: ReadConnections
    ) -> None:
        """All of them are closed by `close`. Without a client nothing can run."""
        self._file = file
        self._client = client
        self._local = local
        self._readers = readers
        self._running = Lock()
        self._run: Run | None = None
        self._closing = False
        self._closed = False
        self._runner: int | None = None
        """The thread in which a run is under way."""
        self._watches: WeakSet[Generator[SyncReport]] = WeakSet()
        """Weak: a watch ends when its iteration is left, as by `break`."""
        local.on_commit(self._local_change_made)

    @property
    def client(self) -> SyncClient:
        """The connection to the server.

        Raises:
            ReplicaError: no server was named.
        """
        if self._client is None:
            raise ReplicaError("no server was named: give Replica.open a target")
        return self._client

    @contextmanager
    def running(self, options: RunOptions) -> Iterator[Run]:
        """A run, which the block makes use of; `stop` ends it.

        Raises:
            AlreadySyncing: there is another.
            DeviceWiped: the server wanted the file removed, and it is.
            ReplicaError: no server was named, or it is closed.
        """
        client = self.client
        with self.alone():
            try:
                self._run = Run(self._file.connection, client, self._local, options)
                if self._closing:
                    self._run.stop()  # `close` did not see it
                with translated():
                    yield self._run
            except WipeAsked as asked:
                with translated():
                    raise self._wiped(asked, options.on_event) from asked
            finally:
                self._run = None

    def watch(self, options: RunOptions) -> Generator[SyncReport]:
        """A run that follows the server, as a generator that `close` closes."""
        watching = self._watch(options)
        self._watches.add(watching)
        return watching

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nothing else is done to the whole file meanwhile.

        Raises:
            AlreadySyncing: something is.
            ReplicaError: a local transaction of this thread is open, or it is closed.
        """
        if self._local.in_transaction:
            raise ReplicaError("a local transaction is open in this thread: end it first")
        if not self._running.acquire(blocking=False):
            raise AlreadySyncing("this Replica is synchronising already")
        self._runner = get_ident()
        try:
            if self._closed:
                raise ReplicaError("this Replica is closed")
            yield
        finally:
            self._runner = None
            self._running.release()

    def stop(self) -> None:
        """End the run that is under way, if one is, after the page or message in hand."""
        run = self._run
        if run is not None:
            run.stop()

    def close(self) -> None:
        """End what runs, wait for its end, and close everything. A second close does nothing.

        Raises:
            ReplicaError: called by a callback of what runs, or in a local transaction.
        """
        self._closing = True
        try:
            self.stop()
            if self._in_callback():
                raise ReplicaError("a callback cannot close its Replica: call stop() there, and close() afterwards")
            with self._running:
                self._local.close()
                self._closed = True
                self._readers.close()
                if self._client is not None:
                    self._client.close()
                self._file.close()
        finally:
            self._closing = False

    def _watch(self, options: RunOptions) -> Generator[SyncReport]:
        with self.running(options) as run:
            yield from run.follow()

    def _wiped(self, asked: WipeAsked, on_event: OnEvent) -> DeviceWiped:
        """Remove the file, as the server asks; answer what there is to say of it.

        Raises:
            ForeignAccount: the file is not the one that is meant. Nothing of it is sent.
        """
        client = self.client
        check_account(self._file.connection, asked.account)
        given_up = give_up(self._file.connection, self._local, client, asked, on_event)
        self._readers.close()
        self._closed = True
        self._file.remove()
        confirmed = True
        try:
            client.confirm_wipe(given_up=given_up)
        except SyncError:
            confirmed = False  # the file is gone all the same, and there is nothing left that could tell later
        return DeviceWiped(str(self._file.path), given_up, confirmed=confirmed)

    def _in_callback(self) -> bool:
        """Is this a callback of what runs? Watches that do not run at this moment are ended."""
        run = self._run
        if run is not None and run.uploads_in_this_thread:
            return True
        for watching in list(self._watches):
            with suppress(ValueError):  # it is running at this moment: it ends by the stop
                watching.close()
        return self._runner == get_ident()

    def _local_change_made(self) -> None:
        run = self._run
        if run is not None:
            run.wake()
