"""Uploads local changes as they are committed, in a thread beside a watch."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from threading import Condition, Thread, current_thread
from types import TracebackType
from typing import Self

from syncline.client import SyncError
from syncline.client.backoff import DELAY_S_MAX, Backoff
from syncline.replica.events import OnEvent, Phase, SyncEvent
from syncline.replica.uploader import Uploader


class ScopesAborted(Exception):
    """A rejected change ended the task of a scope: the watch goes on without it. Never leaves this package."""


class LiveUpload:
    """Uploads whenever it is woken, between `go` and the next failure.

    What may pass is tried again without limit. What does not is kept for `check`, and `interrupt` is called to let the
    thread that reads pages look at it.
    """

    def __init__(
        self, uploader: Uploader, attempts_max: int, on_event: OnEvent, *, interrupt: Callable[[], None]
    ) -> None:
        self._uploader = uploader
        self._backoff = Backoff(attempts_max)
        self._on_event = on_event
        self._interrupt = interrupt
        self._changed = Condition()
        self._store_epoch = ""
        self._told_settled = 0
        self._awake = False
        self._closed = False
        self._failure: Exception | None = None
        # In the context of who makes it: its span is the parent of those in the thread.
        self._thread = Thread(target=copy_context().run, args=(self._work,), name="syncline-upload", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._uploader.stop()
        if not self._uploader.waits_for_caller:
            self._thread.join()

    @property
    def is_this_thread(self) -> bool:
        """Is the calling thread the one that uploads?"""
        return current_thread() is self._thread

    def go(self, store_epoch: str, told_settled: int) -> None:
        """Upload from now on: a session has started, and the server's history is this."""
        with self._changed:
            self._store_epoch = store_epoch
            self._told_settled = told_settled
        self.wake()

    def wake(self) -> None:
        """Something may wait for upload."""
        with self._changed:
            self._awake = True
            self._changed.notify_all()

    def check(self) -> None:
        """Raise what ended the upload, once."""
        with self._changed:
            failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or (self._awake and bool(self._store_epoch)))
                if self._closed:
                    return
                self._awake = False
                store_epoch, told_settled = self._store_epoch, self._told_settled
            try:
                self._upload(store_epoch, told_settled)
            except Exception as error:  # noqa: BLE001 - raised where the pages are read, whatever it is
                self._fail(error)

    def _upload(self, store_epoch: str, told_settled: int) -> None:
        """Upload what waits, or wait until it may be tried again."""
        aborted = len(self._uploader.aborted)
        try:
            if self._uploader.anything_to_do(told_settled):
                self._uploader.upload(store_epoch)
        except SyncError as error:
            if not error.transient:
                raise
            self._wait_after(error)
        else:
            self._backoff.reset()
        if len(self._uploader.aborted) > aborted:
            raise ScopesAborted

    def _wait_after(self, error: SyncError) -> None:
        try:
            delay_s = self._backoff.delay_after(error)
        except SyncError:
            self._backoff.reset()
            delay_s = max(DELAY_S_MAX, error.retry_after or 0.0)
        self._on_event(SyncEvent(Phase.RETRY, error=error))
        with self._changed:
            self._changed.wait_for(lambda: self._closed, timeout=delay_s)
            self._awake = True

    def _fail(self, error: Exception) -> None:
        with self._changed:
            if self._closed:
                return
            self._failure = error
            self._store_epoch = ""
        self._interrupt()
