"""Acknowledges stored pages in the background, while the next ones are stored."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import copy_context
from threading import Condition, Thread
from types import TracebackType
from typing import Self

from syncline.client import SyncClient
from syncline.client.work_spans import work_span
from syncline.data import telemetry
from syncline.replica.refusals import Refusal
from syncline.v1 import queue_pb2, sync_service_pb2


class Acknowledger:
    """One acknowledgement at a time is on its way; what is stored meanwhile goes together with the next.

    A page's key goes together with the rejections of its items, so that none of them passes as stored.
    A failure ends it: `check` and `flush` raise it. Nothing is lost then, because the positions of the next session
    acknowledge everything before them.
    """

    def __init__(self, client: SyncClient) -> None:
        self._client = client
        self._changed = Condition()
        self._keys: list[str] = []
        self._rejections: list[sync_service_pb2.Rejection] = []
        self._failed_objects: list[queue_pb2.FailedObject] = []
        self._busy = False
        self._closed = False
        self._failure: Exception | None = None
        # In the context of who makes it: its span is the parent of those in the thread.
        self._thread = Thread(target=copy_context().run, args=(self._work,), name="syncline-acknowledger", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if kind is None:
            self._thread.join()

    def send(self, ack_key: str, refusals: Sequence[Refusal]) -> None:
        """Acknowledge a page that is stored, but for these items of it."""
        with self._changed:
            if ack_key:
                self._keys.append(ack_key)
            self._rejections += [refusal.message() for refusal in refusals]
            self._changed.notify_all()

    def check(self) -> list[queue_pb2.FailedObject]:
        """How rejected items stand, as the server answered since the last time.

        Raises:
            SyncError: an acknowledgement failed.
        """
        with self._changed:
            if self._failure is not None:
                raise self._failure
            answered, self._failed_objects = self._failed_objects, []
            return answered

    def flush(self) -> list[queue_pb2.FailedObject]:
        """Wait until all is acknowledged; then as `check`."""
        with self._changed:
            self._changed.wait_for(lambda: self._failure is not None or not (self._busy or self._has_work()))
        return self.check()

    def _has_work(self) -> bool:
        return bool(self._keys or self._rejections)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._closed or self._has_work())
                if self._closed:
                    return
                keys, self._keys = self._keys, []
                rejections, self._rejections = self._rejections, []
                self._busy = True
            try:
                counts = {telemetry.ACKNOWLEDGED: len(keys), telemetry.REFUSED: len(rejections)}
                with work_span(telemetry.SPAN_ACKNOWLEDGE, counts):
                    answer = self._client.acknowledge(keys, rejections)
            except Exception as error:  # noqa: BLE001 - raised where the pages are stored, whatever it is
                with self._changed:
                    self._failure = error
                    self._changed.notify_all()
                return
            with self._changed:
                self._failed_objects += answer.failed_objects
