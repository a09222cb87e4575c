"""One run of a synchronisation: sessions, one after the other, until a checkpoint is reached or for ever."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from threading import Event

from syncline.client import PageMissing, PageStream, ResyncRequired, SyncClient, SyncError
from syncline.client.backoff import DELAY_S_MAX, Backoff
from syncline.replica.acknowledger import Acknowledger
from syncline.replica.adopting import adopt_account, adopt_schema, adopt_store_epoch
from syncline.replica.applying import PageApplier
from syncline.replica.connection import transaction
from syncline.replica.facts import read_facts
from syncline.replica.feeds import Feeds
from syncline.replica.incoming import Accept
from syncline.replica.page_order import PageOrder
from syncline.replica.refusals import Refusals
from syncline.replica.report import Counts, Progress, SyncReport
from syncline.v1 import queue_pb2, sync_service_pb2

_FIRST_ATTEMPTS_MAX = 3
"""A server that never answered may not be there at all."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What is asked of a run."""

    scopes: Collection[str]
    """Scopes wanted; none mean all."""
    full_resync: bool
    follow: bool
    by_page: bool
    page_size: int
    attempts_max: int
    accept: Accept | None
    progress: Callable[[Progress], None] | None


class Run:
    """One run. `reports` may be used once."""

    def __init__(self, connection: sqlite3.Connection, client: SyncClient, options: RunOptions) -> None:
        self._connection = connection
        self._client = client
        self._options = options
        self._stopping = Event()
        self._stream: PageStream | None = None
        self._connected = False
        self._backoff = Backoff(min(options.attempts_max, _FIRST_ATTEMPTS_MAX))
        self._report = SyncReport()
        self._received = 0
        self._untold: set[tuple[str, str]] = set(self._feeds().names(options.scopes)) if options.full_resync else set()
        """Feeds whose positions are not told to the server, so that they are loaded anew."""

    def stop(self) -> None:
        """End the run after the page in hand. May be called from another thread."""
        self._stopping.set()
        stream = self._stream
        if stream is not None:
            stream.cancel()

    def reports(self) -> Iterator[SyncReport]:
        """A report for each checkpoint: one, or without end if it follows. Ends early on `stop`.

        What may pass is tried again with a new session: `attempts_max` times in a row without receiving a page, and
        without limit for a run that follows, once it was connected.

        Raises:
            SyncError: what does not pass.
            ReplicaError: the file cannot be used.
        """
        while not self._stopping.is_set():
            try:
                yield from self._session()
            except ResyncRequired as error:
                self._start_anew(error)
            except SyncError as error:
                if not error.transient:
                    raise
                self._wait_before_retry(error)
            else:
                return

    def _session(self) -> Iterator[SyncReport]:
        """One session, up to its checkpoint or until something breaks."""
        options = self._options
        answer = self._start()
        if not self._connected:
            self._connected = True
            self._backoff = Backoff(options.attempts_max)
        adopt_account(self._connection, answer.account)
        self._forget_untold()
        adopt_store_epoch(self._connection, answer.store_epoch)
        if answer.schema_version != read_facts(self._connection).schema.version:
            adopt_schema(self._connection, self._client)
        applier = PageApplier(
            self._connection,
            scopes=options.scopes,
            by_page=options.by_page,
            accept=options.accept,
            refetch_schema=lambda: adopt_schema(self._connection, self._client),
        )
        if answer.HasField("session"):
            yield from self._read(answer.session.id, applier, PageOrder(answer.store_epoch))
            return
        counts = applier.nothing_new(answer.feeds, answer.failed_objects, answer.checkpoint.head_revision)
        yield self._finish_report(applier, counts, answer.checkpoint.head_revision)

    def _start(self) -> sync_service_pb2.StartSessionResponse:
        scopes = self._options.scopes
        told = [
            position for position in self._feeds().told(scopes) if (position.scope, position.bucket) not in self._untold
        ]
        return self._client.start_session(
            scopes=scopes,
            positions=told,
            refused=Refusals(self._connection).told(),
            # Without positions the server would start at what was acknowledged, which this file may not hold.
            full_resync=not told,
            always=self._options.follow,
        )

    def _read(self, session_id: str, applier: PageApplier, order: PageOrder) -> Iterator[SyncReport]:
        """Store the pages of a session."""
        options = self._options
        with (
            self._client.read_queue(session_id, page_size=options.page_size, follow=options.follow) as stream,
            Acknowledger(self._client) as acknowledger,
        ):
            self._stream = stream
            for page in stream:
                if self._stopping.is_set():
                    return
                self._store(page.message, applier, order, acknowledger)
                if page.checkpoint is not None:
                    if not options.follow:
                        applier.note_states(acknowledger.flush())
                    yield self._finish_report(applier, {}, page.checkpoint.head_revision)
                    if not options.follow:
                        return
        if not self._stopping.is_set():
            raise PageMissing("the stream of pages ended before its checkpoint")

    def _store(
        self, message: queue_pb2.QueuePage, applier: PageApplier, order: PageOrder, acknowledger: Acknowledger
    ) -> None:
        """Store one page and have it acknowledged."""
        order.check(message)
        applied = applier.apply(message)
        self._backoff.reset()
        acknowledger.send(message.page_ack_key, applied.refusals)
        applier.note_states(acknowledger.check())
        self._report.add(applied.counts)
        self._report.pages += 1
        self._received += message.count
        if self._options.progress is not None:
            self._options.progress(Progress(self._received, message.count_left, self._report.pages))

    def _finish_report(self, applier: PageApplier, counts: Counts, head_revision: int) -> SyncReport:
        report, self._report = self._report, SyncReport()
        self._received = 0
        report.add(counts)
        report.checkpoint_revision = head_revision
        report.nothing_new = report.pages == 0
        report.failed = applier.refusals()
        return report

    def _feeds(self) -> Feeds:
        return Feeds(self._connection, read_facts(self._connection).store_epoch)

    def _start_anew(self, error: ResyncRequired) -> None:
        """Load the feeds named, or all, from their beginning with the next session."""
        self._untold |= set(error.feeds or self._feeds().names(self._options.scopes))
        self._report.resyncs += 1
        self._wait_before_retry(error)

    def _forget_untold(self) -> None:
        """Drop the positions that were kept back, now that the server has said who it is.

        Their rows stay until the checkpoint sweeps them.
        """
        if self._untold:
            with transaction(self._connection):
                self._feeds().forget(self._untold)
            self._untold.clear()

    def _wait_before_retry(self, error: SyncError) -> None:
        """Wait longer each time, and differently on each device.

        Raises:
            SyncError: this one, if it was tried often enough.
        """
        try:
            delay_s = self._backoff.delay_after(error)
        except SyncError:
            if not (self._options.follow and self._connected):
                raise
            self._backoff.reset()
            delay_s = DELAY_S_MAX
        self._stopping.wait(delay_s)
