"""Uploads what waits: messages go ahead, and each one's verdicts are stored before they count."""

from __future__ import annotations

import sqlite3
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Lock
from types import TracebackType
from typing import Literal, Self

from opentelemetry import trace

from syncline.client import SeqReused, SeqSettled, StaleDevice, StoreEpochChanged, SyncClient, SyncError, UploadStream
from syncline.data import telemetry
from syncline.data.changes import Verdict
from syncline.replica import numbering, outbox
from syncline.replica.errors import ReplicaError
from syncline.replica.events import OnEvent, Phase, SyncEvent
from syncline.replica.facts import read_store_epoch
from syncline.replica.local_database import LocalDatabase
from syncline.replica.report import UploadReport, VerdictCounts
from syncline.replica.trace_contexts import links
from syncline.replica.verdicts import Decided, store_answers, take_back
from syncline.v1 import upload_pb2

_tracer = trace.get_tracer(telemetry.SCOPE)

MESSAGES_AHEAD = 4
"""Messages on their way before the answers of the first are awaited."""

_RENUMBERINGS_MAX = 8
"""Two files of one device may take each other's numbers; they will not do so for ever."""


@dataclass(frozen=True, slots=True)
class ScopeTask:
    """What a synchronisation does with one scope."""

    upload: bool = True
    download: bool = True
    on_rejected: Literal["continue", "abort"] = "continue"
    """What follows when the server rejects a change of the scope. "abort": no more of its changes are sent, and nothing
    of it is downloaded in this run; other scopes go on. Messages that are on their way are not called back."""

    def __post_init__(self) -> None:
        if self.on_rejected not in ("continue", "abort"):
            raise ReplicaError(f'on_rejected must be "continue" or "abort", not {self.on_rejected!r}')


@dataclass(frozen=True, slots=True)
class UploadOptions:
    """What is asked of an upload."""

    scopes: Collection[str] = ()
    """Scopes wanted; none mean all."""
    kept_back: Collection[str] = ()
    """Scopes that are not wanted after all."""
    aborting: Collection[str] = ()
    """Scopes that a rejected change ends."""
    batch_changes: int = outbox.BATCH_CHANGES


class Uploader:
    """The upload of one run. It may be broken off and called again; what was sent is then repeated first.

    Nothing is lost by breaking off: what has no verdict is kept with the bytes that were sent, and gets the same
    verdict whenever it is sent again.
    """

    def __init__(
        self,
        client: SyncClient,
        local: LocalDatabase,
        options: UploadOptions,
        on_event: OnEvent,
        *,
        progressed: Callable[[], None],
    ) -> None:
        """`progressed` is called whenever verdicts were stored."""
        self._client = client
        self._local = local
        self._options = options
        self._on_event = on_event
        self._progressed = progressed
        self._stopping = Event()
        self._stream: UploadStream | None = None
        self._batches_sent = 0
        self._batches_decided = 0
        self._told = 0
        """Up to where the server knows that verdicts are stored."""
        self._aborted: list[str] = []
        self._came = UploadReport()
        """What one call of `upload` has uploaded."""
        self._reporting = Lock()
        self._report = UploadReport()

    def stop(self) -> None:
        """End the upload. May be called from another thread."""
        self._stopping.set()
        stream = self._stream
        if stream is not None:
            stream.cancel()

    def wants(self, scope: str) -> bool:
        """Do changes of this scope go up, as far as is known by now?"""
        options = self._options
        return (
            (not options.scopes or scope in options.scopes)
            and scope not in options.kept_back
            and scope not in self._aborted
        )

    @property
    def aborted(self) -> Collection[str]:
        """Scopes whose upload a rejected change has ended."""
        return self._aborted

    def anything_to_do(self, told_settled: int) -> bool:
        """Does anything wait, or is there something to tell a server that knows this much?"""
        with self._transaction() as connection:
            return outbox.anything_to_send(connection, self.wants) or numbering.settled_through(connection) > max(
                told_settled, self._told
            )

    def upload(self, store_epoch: str) -> bool:
        """Upload all that may go up, and say whether anything was decided. Ends early on `stop`.

        Raises:
            SyncError: the stream broke, or the server refuses. What was decided is stored.
            StorageFailed: the file cannot be written.
        """
        self._came = UploadReport()
        with self._transaction() as connection:
            waiting = outbox.count_waiting(connection, self.wants)
        self._on_event(SyncEvent(Phase.UPLOAD_STARTED, changes=waiting))
        renumberings = 0
        while not self._stopping.is_set():
            try:
                self._upload_stream(store_epoch)
                break
            except SeqReused as error:
                renumberings += 1
                if renumberings > _RENUMBERINGS_MAX:
                    raise
                with self._transaction() as connection:
                    numbering.renumber(connection, error.change_seq, error.next_change_seq)
            except SeqSettled as error:
                with self._transaction() as connection:
                    refused = numbering.refuse_settled(connection, error.change_seq, error.last_change_seq, self.wants)
                    self._take_back(connection, refused)
                if not refused:
                    raise
            except StaleDevice:
                with self._transaction() as connection:
                    self._take_back(connection, numbering.refuse_stale(connection))
            except SyncError:
                if not self._stopping.is_set():
                    raise
            finally:
                self._stream = None
        self._on_event(
            SyncEvent(
                Phase.UPLOAD_FINISHED,
                changes=self._came.total,
                batches=self._came.batches,
                verdicts=self._came.verdicts.by_verdict(),
            )
        )
        return self._came.total > 0

    @property
    def waits_for_caller(self) -> bool:
        """Has this thread a local transaction open, so that an upload in another one cannot end before that?"""
        return self._local.in_transaction

    def take_report(self) -> UploadReport:
        """What was uploaded since this was called last. May be called while another thread uploads."""
        with self._reporting:
            taken, self._report = self._report, UploadReport()
        taken.aborted = list(self._aborted)
        return taken

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """One transaction in which it is noted what becomes of local changes."""
        with self._local.transaction(is_write=False):
            yield self._local.connection

    def _upload_stream(self, store_epoch: str) -> None:
        """Send and receive until nothing may go up any more."""
        with self._transaction() as connection:
            self._take_back(connection, outbox.give_back_held(connection))
            place = outbox.Place(through_no=outbox.last_change_no(connection))
        with self._client.upload(store_epoch) as stream, _OnTheWay() as unanswered:
            self._stream = stream
            while not self._stopping.is_set():
                while len(unanswered) < MESSAGES_AHEAD:
                    batch, settled, span = self._prepare(place, store_epoch)
                    if not batch:
                        break
                    unanswered.add(len(batch), span)
                    self._send(stream, batch, settled)
                if not unanswered:
                    break
                answers = stream.receive()
                with unanswered.answered(len(answers)) as span:
                    _tell(span, self._store(answers, place))
            else:
                stream.cancel()
                return
            with self._transaction() as connection:
                settled = numbering.settled_through(connection)
            if settled > self._told:
                stream.send([], settled)
                stream.receive()
                self._told = settled

    def _take_back(self, connection: sqlite3.Connection, numbers: list[int]) -> None:
        """Forget those of these changes that the app took back while they were on their way."""
        take_back(connection, self._local.schema(), numbers)

    def _prepare(self, place: outbox.Place, store_epoch: str) -> tuple[list[upload_pb2.Change], int, trace.Span]:
        """The next message's changes, with the number to tell with it, and its span, which has begun."""
        with self._transaction() as connection:
            if read_store_epoch(connection) != store_epoch:
                # The download took over a new history meanwhile; what is frozen for the old one would be wrong there.
                raise StoreEpochChanged("the file has taken over another history of the server")
            settled = numbering.settled_through(connection)
            batch = outbox.next_batch(
                connection, place, self.wants, store_epoch, changes_max=self._options.batch_changes
            )
            is_traced = bool(batch) and trace.get_current_span().is_recording()
            contexts = outbox.trace_contexts(connection, batch) if is_traced else ()
        return batch, settled, _message_span(batch, contexts) if is_traced else trace.INVALID_SPAN

    def _send(self, stream: UploadStream, batch: list[upload_pb2.Change], settled: int) -> None:
        stream.send(batch, settled)
        self._batches_sent += 1
        kinds = {kind.name: kind.scope for kind in self._local.schema().object_types}
        scopes = Counter(kinds.get(change.object_type, "") for change in batch)
        self._on_event(
            SyncEvent(Phase.UPLOAD_BATCH_SENT, scopes=scopes, changes=len(batch), batches=self._batches_sent)
        )

    def _store(self, answers: list[upload_pb2.ChangeAnswer], place: outbox.Place) -> dict[Verdict, int]:
        """Store what came back, and count it."""
        with self._transaction() as connection:
            decided = store_answers(connection, self._local.schema(), answers)
            if any(each.taken_back for each in decided):
                # What reverses a change goes up in the same run.
                place.through_no = outbox.last_change_no(connection)
        self._progressed()
        came = UploadReport(batches=1)
        for each in decided:
            came.counts.setdefault(each.object_type, VerdictCounts()).count(each.verdict)
            if each.rejected is not None:
                came.rejected.append(each.rejected)
        self._came.add(came)
        with self._reporting:
            self._report.add(came)
        self._batches_decided += 1
        verdicts = came.verdicts.by_verdict()
        if Verdict.REJECTED in verdicts or Verdict.HELD in verdicts:
            place.look_again()
        self._on_event(
            SyncEvent(
                Phase.UPLOAD_BATCH_DECIDED,
                scopes=Counter(each.scope for each in decided),
                changes=len(decided),
                batches=self._batches_decided,
                verdicts=verdicts,
            )
        )
        self._abort(decided)
        return verdicts

    def _abort(self, decided: list[Decided]) -> None:
        """End the upload of scopes whose task says so."""
        for each in decided:
            ends = each.rejected is not None and each.scope in self._options.aborting
            if ends and each.scope not in self._aborted:
                self._aborted.append(each.scope)
                self._on_event(SyncEvent(Phase.SCOPE_ABORTED, scope=each.scope))


class _OnTheWay:
    """Messages that were sent, until their verdicts are stored: so long do their spans last."""

    def __init__(self) -> None:
        self._messages: deque[tuple[int, trace.Span]] = deque()
        """How many changes of each have no answer."""

    def __len__(self) -> int:
        return len(self._messages)

    def add(self, changes: int, span: trace.Span) -> None:
        """One more is sent."""
        self._messages.append((changes, span))

    @contextmanager
    def answered(self, changes: int) -> Iterator[trace.Span]:
        """So many changes of the first, whose span this is, have an answer, which the block stores."""
        left, span = self._messages.popleft()
        if left > changes:
            self._messages.appendleft((left - changes, span))
        try:
            yield span
        finally:
            if left <= changes:
                span.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for _, span in self._messages:
            span.end()


def _message_span(batch: Sequence[upload_pb2.Change], contexts: Iterable[str]) -> trace.Span:
    """The span of a message of changes that were made in these contexts."""
    return _tracer.start_span(
        telemetry.SPAN_UPLOAD_MESSAGE, links=links(contexts), attributes={telemetry.CHANGES: len(batch)}
    )


def _tell(span: trace.Span, verdicts: Mapping[Verdict, int]) -> None:
    """Say in a message's span what became of its changes. It is answered at once, or up to where the stream ends."""
    for verdict, count in verdicts.items():
        span.set_attribute(telemetry.VERDICT_PREFIX + verdict.value, count)
