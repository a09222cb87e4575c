"""A request that is held by a lease: kept alive while its connector is silent, and written to by nobody else.

All calls of the store under one lease take turns, so that what a message says of the progress is what was committed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol, TypeVar

import structlog
from opentelemetry import trace

from syncline.data import telemetry
from syncline.server.environment import now_us
from syncline.server.requests.merging import RecordRowWriter
from syncline.server.requests.request_counts import count_attempt, count_rows
from syncline.server.requests.result_messages import written_message
from syncline.server.requests.rows import ReadRows
from syncline.storage import Store
from syncline.storage.errors import LeaseLost, StoreError, StoreUnavailable
from syncline.storage.request_models import EXTERNAL_CONNECTOR, BatchResult, Ending, Lease, Progress, RowBatch
from syncline.storage.trace_context import links

T = TypeVar("T")

_log = structlog.get_logger(__name__)
_tracer = trace.get_tracer(telemetry.SCOPE)

_EVENTS: Final = {
    Ending.TRY_AGAIN: telemetry.EVENT_RETRY,
    Ending.FAILED: telemetry.EVENT_FAILED,
    Ending.CANCELLED: telemetry.EVENT_CANCELLED,
    Ending.GIVEN_BACK: telemetry.EVENT_GIVEN_BACK,
}
"""What the run's span says of an attempt that did not succeed."""

_WRITE_TRIES: Final = 3
"""How often a batch is given to a store that fails. Its number makes it harmless if the first try was committed."""
_TRY_PAUSE_SECONDS: Final = 0.2
NO_ROWS: Final = ReadRows((), (), (), {})
_OVER: Final = "the request has been ended or given back"


class Hints(Protocol):
    """Who is told what a worker changed; the methods are those of the `Notifier`."""

    def head_moved(self, account_id: str, revision: int) -> None:
        """Records were written."""

    def request_made(self, account_id: str) -> None:
        """A schedule made a request."""

    def requests_changed(self, account_id: str) -> None:
        """A request has changed."""


class RunStopped(Exception):
    """The run is to end early: it was cancelled, or the worker stops."""


class HeldRequest:
    """One lease. From any thread."""

    def __init__(self, store: Store, lease: Lease, *, lease_us: int, failures_max: int, hints: Hints) -> None:
        """Hold it, from when it was claimed.

        Args:
            store: where the request is.
            lease: as it was claimed.
            lease_us: how long it runs from each sign of life.
            failures_max: how many attempts may fail.
            hints: told of what is written.
        """
        self.lease = lease
        self.progress = Progress()
        """Of the request, as far as it is known here."""
        self.connector = EXTERNAL_CONNECTOR
        """The name of the connector whose rows are written: a worker outside, unless a run says otherwise."""
        self._store = store
        self._lease_us = lease_us
        self._failures_max = failures_max
        self._hints = hints
        self._turn = threading.RLock()
        self._number = 0
        self._cancel_asked = False
        self._draining = False
        self._over = threading.Event()

    @property
    def cancel_asked(self) -> bool:
        """Has somebody cancelled it, as far as is known here?"""
        return self._cancel_asked

    @property
    def lease_seconds(self) -> float:
        """How long the lease runs."""
        return self._lease_us / 1_000_000

    def stopped(self) -> bool:
        """Is the run to end? What a connector asks."""
        return self._cancel_asked or self._draining or self._over.is_set()

    def check(self) -> None:
        """Raise `RunStopped` if the run is to end."""
        if self.stopped():
            raise RunStopped

    def wait_over(self, seconds: float) -> bool:
        """Wait until the lease is given up or lost, but no longer than this; answers whether it is."""
        return self._over.wait(seconds)

    def write(
        self,
        rows: ReadRows,
        *,
        cursor: str,
        read: int = 0,
        bytes_read: int = 0,
        estimate: int = 0,
        made_in: Iterable[str | None] = (),
    ) -> None:
        """Write a batch, and keep the lease; its span links to the contexts that the work was made in.

        Raises:
            LeaseLost: nothing is written; the run must stop without a word.
            StoreUnavailable: it is not known whether it is written.
        """
        with self._turn, self._step(telemetry.SPAN_BATCH, made_in):
            self._number += 1
            batch = rows.batch(
                self._number, cursor=cursor, read=read, bytes_read=bytes_read, estimate=estimate, now=now_us()
            )
            self._note(self._write(batch))
        self._hints.requests_changed(self.lease.account_id)

    def renew(self) -> None:
        """Keep the lease, and hear of a cancel. Raises `LeaseLost`."""
        with self._turn:
            self._note(self._call(lambda: self._store.renew_lease(self.lease, lease_us=self._lease_us, now=now_us())))

    def count_unseen(self, object_types: Sequence[str]) -> tuple[int, int]:
        """See `WorkStore.count_unseen`."""
        with self._turn:
            return self._call(lambda: self._store.count_unseen(self.lease, object_types))

    def sweep(self, object_types: Sequence[str], *, limit: int) -> int:
        """Delete up to `limit` of what was not seen, as `WorkStore.sweep_unseen`; answers how much is left."""
        with self._turn, self._step(telemetry.SPAN_SWEEP):
            swept = self._call(
                lambda: self._store.sweep_unseen(
                    self.lease, object_types, limit=limit, lease_us=self._lease_us, now=now_us()
                )
            )
            self._note(swept.result)
        self._hints.requests_changed(self.lease.account_id)
        return swept.left

    def end(self, ending: Ending, message: str, *, due_at: int = 0) -> None:
        """End the attempt. Raises `LeaseLost` if it is not ours to end any more."""
        with self._turn:
            request = self._call(
                lambda: self._store.end_request(
                    self.lease, ending, message=message, due_at=due_at, failures_max=self._failures_max, now=now_us()
                )
            )
            self._over.set()
        count_attempt(request, ending)
        if ending in _EVENTS:
            trace.get_current_span().add_event(_EVENTS[ending])
        self._hints.requests_changed(self.lease.account_id)

    def end_stopped(self) -> None:
        """End a run that is to end early: cancelled, or given back to be run again at once. Raises `LeaseLost`."""
        with self._turn:
            if self._cancel_asked:
                self.end(Ending.CANCELLED, written_message("cancelled", self.progress))
            else:
                self.end(Ending.GIVEN_BACK, "the worker stopped", due_at=now_us())

    def leave(self) -> None:
        """Do nothing more under the lease. If it was not ended, it runs out, and the request is claimed again."""
        self._over.set()

    def drain(self) -> None:
        """The worker stops: let the run end as soon as it can."""
        self._draining = True

    def beat(self) -> None:
        """One heartbeat: keep the lease; take the request from a connector that does not end though it was told to."""
        was_cancelled = self._cancel_asked
        try:
            self.renew()
            if was_cancelled:
                self.end_stopped()
                _log.warning("the connector does not end", sync_request=self.lease.request_id)
        except LeaseLost:
            pass  # the run finds out by itself
        except StoreError as error:
            _log.warning("a lease could not be kept", sync_request=self.lease.request_id, error=str(error))

    @contextmanager
    def _step(self, name: str, made_in: Iterable[str | None] = ()) -> Iterator[None]:
        """A span of a step that writes, and what it has done."""
        with _tracer.start_as_current_span(
            name, links=links(made_in), record_exception=False, set_status_on_exception=False
        ) as span:
            before = self.progress
            yield
            count_rows(self.connector, before, self.progress)
            if span.is_recording():
                span.set_attributes(_done(before, self.progress))

    def _write(self, batch: RowBatch) -> BatchResult:
        for tries_left in range(_WRITE_TRIES - 1, -1, -1):
            try:
                return self._call(
                    lambda: self._store.write_batch(self.lease, batch, RecordRowWriter(), lease_us=self._lease_us)
                )
            except StoreUnavailable:
                if not tries_left:
                    raise
                time.sleep(_TRY_PAUSE_SECONDS)
        raise AssertionError("unreachable")

    def _call(self, call: Callable[[], T]) -> T:
        """Call the store; nothing is called under a lease that is over."""
        if self._over.is_set():
            raise LeaseLost(_OVER)
        try:
            return call()
        except LeaseLost:
            self._over.set()
            raise

    def _note(self, result: BatchResult) -> None:
        self.progress = result.progress
        self._cancel_asked = self._cancel_asked or result.cancel_asked
        if result.written:
            self._hints.head_moved(self.lease.account_id, result.head_revision)


def _done(before: Progress, after: Progress) -> dict[str, int]:
    """What a step has done, as attributes of its span."""
    written = sum(getattr(after, name) - getattr(before, name) for name in ("inserted", "updated", "deleted"))
    return {
        telemetry.ROWS_READ: after.read - before.read,
        telemetry.ROWS_WRITTEN: written,
        telemetry.ROWS_SKIPPED: after.skipped - before.skipped,
        telemetry.ROWS_FAILED: after.failed - before.failed,
    }
