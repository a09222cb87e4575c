"""One run of a synchronisation: sessions, one after the other, until a checkpoint is reached or for ever."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Event

from opentelemetry import trace

from syncline.client import (
    PageMissing,
    PageStream,
    ResyncRequired,
    StoreEpochChanged,
    SyncClient,
    SyncError,
)
from syncline.client.backoff import DELAY_S_MAX, Backoff
from syncline.client.work_spans import page_attributes, tell_failure, work_span
from syncline.data import telemetry
from syncline.replica.acknowledger import Acknowledger
from syncline.replica.adopting import adopt_schema
from syncline.replica.applying import PageApplier
from syncline.replica.errors import ReplicaError, SyncStopped
from syncline.replica.events import Phase, SyncEvent
from syncline.replica.facts import read_facts
from syncline.replica.live_upload import LiveUpload, ScopesAborted
from syncline.replica.local_database import LocalDatabase
from syncline.replica.page_order import PageOrder
from syncline.replica.report import Progress, SyncReport
from syncline.replica.run_options import RunOptions
from syncline.replica.starting import SessionStarter
from syncline.replica.uploader import Uploader, UploadOptions
from syncline.v1 import queue_pb2, sync_service_pb2

_tracer = trace.get_tracer(telemetry.SCOPE)

_FIRST_ATTEMPTS_MAX = 3
"""A server that never answered may not be there at all."""


class Run:
    """One run. Either `sync` or `follow` may be used, once."""

    def __init__(
        self, connection: sqlite3.Connection, client: SyncClient, local: LocalDatabase, options: RunOptions
    ) -> None:
        """`connection` stores what comes, `local` what becomes of local changes."""
        self._connection = connection
        self._client = client
        self._options = options
        self._stopping = Event()
        self._span: trace.Span = trace.INVALID_SPAN
        self._stream: PageStream | None = None
        self._connected = False
        self._backoff = Backoff(min(options.attempts_max, _FIRST_ATTEMPTS_MAX))
        self._answered = False
        self._report = SyncReport()
        self._received = 0
        self._starter = SessionStarter(connection, client, filters=options.filters, always=options.follow)
        if options.full_resync:
            self._starter.load_anew(options.scopes)
        self._uploader = Uploader(
            client,
            local,
            UploadOptions(
                scopes=options.scopes,
                kept_back=[scope for scope, task in options.tasks.items() if not task.upload],
                aborting=[scope for scope, task in options.tasks.items() if task.on_rejected == "abort"],
                batch_changes=options.upload_batch,
            ),
            options.on_event,
            progressed=self._progressed,
        )
        self._live: LiveUpload | None = None
        self._to_upload = options.upload
        self._download_first = False
        """The server does not take changes before the device has loaded everything anew."""

    def stop(self) -> None:
        """End the run after the page in hand. May be called from another thread."""
        self._stopping.set()
        self._uploader.stop()
        self._interrupt()

    def wake(self) -> None:
        """A local change was made."""
        live = self._live
        if live is not None:
            live.wake()

    @property
    def stopped(self) -> bool:
        """Was `stop` called?"""
        return self._stopping.is_set()

    @property
    def uploads_in_this_thread(self) -> bool:
        """Is the calling thread the one that uploads beside a watch?"""
        live = self._live
        return live is not None and live.is_this_thread

    def sync(self) -> SyncReport:
        """Upload what waits, then download up to a checkpoint.

        What may pass is tried again with a new session: `attempts_max` times in a row without receiving a page or a
        verdict.

        Raises:
            SyncStopped: by `stop`.
            SyncError: what does not pass.
            ReplicaError: the file cannot be used.
        """
        with self._announced():
            for report in self._reports(self._sync_session):
                return report
            raise SyncStopped("the synchronisation was stopped; the next one goes on from here")

    def follow(self) -> Iterator[SyncReport]:
        """A report for each checkpoint, without end. Local changes are uploaded meanwhile. Ends on `stop`.

        What may pass is tried again as in `sync`, and without limit once it was connected.

        Raises:
            SyncError: what does not pass.
            ReplicaError: the file cannot be used.
        """
        options = self._options
        with self._announced():
            if not options.upload:
                yield from self._reports(self._follow_session)
                return
            with self._in_span():
                live = LiveUpload(self._uploader, options.attempts_max, options.on_event, interrupt=self._interrupt)
            with live:
                self._live = live
                try:
                    yield from self._reports(self._follow_session)
                finally:
                    self._live = None

    @contextmanager
    def _announced(self) -> Iterator[None]:
        on_event = self._options.on_event
        self._span = _tracer.start_span(telemetry.SPAN_SYNC)
        on_event(SyncEvent(Phase.SYNC_STARTED))
        try:
            yield
        except GeneratorExit:
            on_event(SyncEvent(Phase.SYNC_FINISHED))
            raise
        except Exception as error:
            tell_failure(self._span, error)
            on_event(SyncEvent(Phase.SYNC_FAILED, error=error))
            raise
        finally:
            self._span.end()
        on_event(SyncEvent(Phase.SYNC_FINISHED))

    def _in_span(self) -> AbstractContextManager[trace.Span]:
        """The run's span is current in the block, which must not yield: a generator shares its caller's context."""
        return trace.use_span(self._span, record_exception=False, set_status_on_exception=False)

    def _reports(self, session: Callable[[], Iterator[SyncReport]]) -> Iterator[SyncReport]:
        """The reports of one session after the other, until one comes to its end."""
        while not self._stopping.is_set():
            try:
                yield from session()
            except ResyncRequired as error:
                scopes = self._scopes()
                if scopes is None:
                    raise
                self._download_first = True
                self._starter.load_anew(scopes, error.feeds)
                self._report.resyncs += 1
                self._wait_before_retry(error)
            except ScopesAborted:
                if self._scopes() is None:
                    return
            except SyncError as error:
                # A server with another history is asked again, too: the next session takes that over.
                if not (error.transient or isinstance(error, StoreEpochChanged)):
                    raise
                self._wait_before_retry(error)
            else:
                return

    def _sync_session(self) -> Iterator[SyncReport]:
        """Upload, and download what is new with what came of it; or the other way round."""
        answer = self._start()
        if not self._download_first and self._upload(answer):
            if self._stopping.is_set():
                return
            if self._scopes() is not None:
                answer = self._start()
        reached = self._download(answer)
        if reached and self._upload(answer) and not self._stopping.is_set():
            reached = self._download(self._start())
        if reached and not self._stopping.is_set():
            yield self._take_report()

    def _follow_session(self) -> Iterator[SyncReport]:
        """One session, until something breaks."""
        live = self._live
        answer = self._start()
        if live is not None and not self._download_first:
            live.go(answer.store_epoch, answer.settled_through)
        for _ in self._checkpoints(answer):
            if live is not None and self._download_first:
                self._download_first = False
                live.go(answer.store_epoch, answer.settled_through)
            yield self._take_report()

    def _start(self) -> sync_service_pb2.StartSessionResponse:
        """Start a session over the scopes to download.

        Which these are may depend on the schema, which a new file learns by starting one.
        """
        while True:
            scopes = self._scopes()
            with self._in_span():
                answer = self._starter.start(self._options.scopes if scopes is None else scopes)
            if not self._connected:
                self._connected = self._answered = True
                self._backoff = Backoff(self._options.attempts_max)
            self._check_tasks()
            if self._scopes() in (scopes, None):
                return answer

    def _scopes(self) -> Collection[str] | None:
        """The scopes to download; none mean all. None: nothing is to be downloaded."""
        options = self._options
        left_out = {scope for scope, task in options.tasks.items() if not task.download} | set(self._uploader.aborted)
        if not options.download:
            return None
        if not left_out:
            return tuple(options.scopes)
        known = options.scopes or read_facts(self._connection).schema.scopes()
        return tuple(scope for scope in known if scope not in left_out) or None

    def _check_tasks(self) -> None:
        known = read_facts(self._connection).schema.scopes()
        for scope in self._options.tasks:
            if scope not in known:
                raise ReplicaError(f"tasks: there is no scope {scope!r}; the schema has {', '.join(known) or 'none'}")

    def _upload(self, answer: sync_service_pb2.StartSessionResponse) -> bool:
        """Upload if that is still to be done, and say whether anything was decided."""
        if not self._to_upload:
            return False
        with self._in_span():
            anything = self._uploader.anything_to_do(answer.settled_through)
            decided = anything and self._uploader.upload(answer.store_epoch)
        self._to_upload = False
        return decided

    def _download(self, answer: sync_service_pb2.StartSessionResponse) -> bool:
        """Download up to a checkpoint, if that is wanted. False: it was stopped before."""
        if self._scopes() is None:
            return True
        return any(True for _ in self._checkpoints(answer))

    def _checkpoints(self, answer: sync_service_pb2.StartSessionResponse) -> Iterator[None]:
        """Download, and come back at each checkpoint; but for a run that follows there is one only."""
        options = self._options
        options.on_event(SyncEvent(Phase.DOWNLOAD_STARTED))
        applier = PageApplier(
            self._connection,
            scopes=self._scopes() or (),
            by_page=options.by_page,
            accept=options.accept,
            refetch_schema=lambda: adopt_schema(self._connection, self._client),
        )
        if answer.HasField("session"):
            yield from self._read(answer.session.id, applier, PageOrder(answer.store_epoch))
            return
        counts = applier.nothing_new(answer.feeds, answer.failed_objects, answer.checkpoint.head_revision)
        self._report.add(counts)
        self._note_checkpoint(applier, answer.checkpoint.head_revision)
        yield

    def _read(self, session_id: str, applier: PageApplier, order: PageOrder) -> Iterator[None]:
        """Store the pages of a session."""
        options = self._options
        with self._in_span():
            stream = self._client.read_queue(session_id, page_size=options.page_size, follow=options.follow)
            acknowledger = Acknowledger(self._client)
        with stream, acknowledger:
            self._stream = stream
            self._check_live()
            if self._stopping.is_set():
                return  # before there was a stream to interrupt
            for page in stream:
                if self._stopping.is_set():
                    return
                self._store(page.message, applier, order, acknowledger)
                if page.checkpoint is not None:
                    if not options.follow:
                        applier.note_states(acknowledger.flush())
                    self._note_checkpoint(applier, page.checkpoint.head_revision)
                    yield
                    if not options.follow:
                        return
        self._check_live()
        if not self._stopping.is_set():
            raise PageMissing("the stream of pages ended before its checkpoint")

    def _store(
        self, message: queue_pb2.QueuePage, applier: PageApplier, order: PageOrder, acknowledger: Acknowledger
    ) -> None:
        """Store one page and have it acknowledged."""
        order.check(message)
        with self._in_span(), work_span(telemetry.SPAN_PAGE_APPLY, page_attributes(message)):
            applied = applier.apply(message)
        self._progressed()
        acknowledger.send(message.page_ack_key, applied.refusals)
        applier.note_states(acknowledger.check())
        self._report.add(applied.counts)
        self._report.pages += 1
        self._received += message.count
        if self._options.progress is not None:
            self._options.progress(Progress(self._received, message.count_left, self._report.pages))
        self._options.on_event(
            SyncEvent(Phase.PAGE_STORED, received=self._received, left=message.count_left, pages=self._report.pages)
        )

    def _note_checkpoint(self, applier: PageApplier, head_revision: int) -> None:
        self._report.checkpoint_revision = head_revision
        self._report.failed = applier.refusals()
        self._options.on_event(
            SyncEvent(
                Phase.CHECKPOINT,
                received=self._received,
                pages=self._report.pages,
                checkpoint_revision=head_revision,
            )
        )

    def _take_report(self) -> SyncReport:
        report, self._report = self._report, SyncReport()
        self._received = 0
        report.nothing_new = report.pages == 0 and self._options.download
        if self._options.upload:
            report.upload = self._uploader.take_report()
        return report

    def _progressed(self) -> None:
        self._backoff.reset()

    def _interrupt(self) -> None:
        """End the wait for pages."""
        stream = self._stream
        if stream is not None:
            stream.cancel()

    def _check_live(self) -> None:
        """Raise what ended the upload beside the download."""
        if self._live is not None:
            self._live.check()

    def _wait_before_retry(self, error: SyncError) -> None:
        """Wait longer each time, and differently on each device.

        Raises:
            SyncError: this one, if it was tried often enough.
        """
        if error.reason and not self._answered:
            self._answered = True  # it is there, and has too much to do, perhaps
            self._backoff = Backoff(self._options.attempts_max)
        try:
            delay_s = self._backoff.delay_after(error)
        except SyncError:
            if not (self._options.follow and self._connected):
                raise
            self._backoff.reset()
            delay_s = max(DELAY_S_MAX, error.retry_after or 0.0)
        self._options.on_event(SyncEvent(Phase.RETRY, error=error))
        self._stopping.wait(delay_s)
