"""One run of `sync`, without any input or output: both clients' loops ask it what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from syncline.client.backoff import Backoff
from syncline.client.errors import PageMissing, ResyncRequired, SyncError
from syncline.client.page_work import Handled, ItemId, PageWork
from syncline.client.pages import Page
from syncline.v1 import queue_pb2, sync_service_pb2


@dataclass(frozen=True, slots=True)
class SyncResult:
    """What a run came to."""

    handled: int
    """Items that were given to the handler."""
    acknowledged: int
    """Items that the server was told are stored; it answered that it knows."""
    rejected: int
    """Items that the server was told cannot be taken, by NACK or by an exception."""
    pages: int
    """Pages received, those of resumed streams included."""
    sessions: int
    """Sessions started: 0 if there was nothing new, more than 1 if the stream had to be resumed."""
    full_resync: bool
    """True: everything was loaded from the beginning, as asked or because the server required it."""
    checkpoint_revision: int | None
    """The account's head at the last checkpoint that was reached; None if the run was stopped before one."""
    failed_objects: tuple[queue_pb2.FailedObject, ...]
    """Items that the device lacks because it rejected them: waiting for the next session, or parked."""
    stopped: bool
    """True: `stop` ended the run."""


class SyncRun:
    """The state of one run: what was asked for, what was reached, and how to go on after a failure."""

    def __init__(
        self, *, scopes: Sequence[str], follow: bool, page_size: int, full_resync: bool, attempts_max: int
    ) -> None:
        self.scopes = scopes
        self.follow = follow
        self.page_size = page_size
        self.full_resync = full_resync
        """What the next session has to ask for."""
        self._backoff = Backoff(attempts_max)
        self._resync_tried = full_resync
        self._resynced = full_resync
        self._in_session = False
        self._sessions = 0
        self._pages = 0
        self._stream_pages = 0
        self._handled = 0
        self._acknowledged = 0
        self._rejected = 0
        self._checkpoint: queue_pb2.Checkpoint | None = None
        self._store_epoch = ""
        self._failed: dict[ItemId, queue_pb2.FailedObject] = {}
        self._work: PageWork | None = None
        self._known: dict[ItemId, Handled] = {}
        """Items handled in this run of which the server may not have been told."""

    def session_started(self, response: sync_service_pb2.StartSessionResponse) -> str:
        """Take the answer of StartSession; the session's id, or empty if there is nothing new."""
        if response.store_epoch != self._store_epoch:
            self._known.clear()  # revisions of another history mean other states
            self._store_epoch = response.store_epoch
        self._replace_failed(response.failed_objects)
        self.full_resync = False  # a session that resumes this one goes on with the load that has begun
        self._stream_pages = 0
        if not response.HasField("session"):
            self._checkpoint = response.checkpoint
            return ""
        self._in_session = True
        self._sessions += 1
        return response.session.id

    def page_received(self, page: Page) -> PageWork:
        """Take the next page of the stream.

        Raises:
            PageMissing: it is not the next one.
        """
        if page.number != self._stream_pages + 1:
            raise PageMissing(f"page {page.number} came after page {self._stream_pages}")
        if page.number == 1:
            self._replace_failed(page.message.failed_objects)
        self._pages += 1
        self._stream_pages += 1
        self._work = PageWork(page, self._known)
        return self._work

    def acknowledged(self, work: PageWork, response: sync_service_pb2.AcknowledgeResponse | None) -> None:
        """Note that the server knows of what was handled of the page; None if it needed not be told."""
        if self._known or self._failed:
            for item, _ in work.untold():
                self._known.pop(item, None)
                self._failed.pop(item, None)
        for failed in response.failed_objects if response is not None else ():
            self._failed[failed.object_type, failed.key] = failed
        self._rejected += len(work.rejections)
        self._acknowledged += work.unacknowledged - len(work.rejections)
        work.acknowledged()
        self._backoff.reset()
        self._resync_tried = False
        self._count_calls(work)
        if work.done and work.page.checkpoint is not None:
            self._checkpoint = work.page.checkpoint
            self._known.clear()

    def stream_ended(self) -> None:
        """Take the end of the stream.

        Raises:
            PageMissing: it came before the checkpoint, or although it should stay open.
        """
        if self.follow or self._checkpoint is None:
            raise PageMissing("the server ended the stream before its checkpoint")

    def resume_after(self, error: SyncError) -> float:
        """After how many seconds to start a new session.

        A session that is refused because the device must load everything anew is asked for again as such, once
        without progress. If it comes in the middle of a session, a new session may do.

        Raises:
            SyncError: this one, if a new session would not help.
        """
        if self._work is not None:
            self._known.update(self._work.untold())
            self._count_calls(self._work)
            self._work = None
        in_session, self._in_session = self._in_session, False
        if isinstance(error, ResyncRequired):
            if not in_session:
                self._resync(error)
                return 0.0
        elif not error.transient:
            raise error
        return self._backoff.delay_after(error)

    def result(self, *, stopped: bool) -> SyncResult:
        """What the run has come to."""
        return SyncResult(
            handled=self._handled,
            acknowledged=self._acknowledged,
            rejected=self._rejected,
            pages=self._pages,
            sessions=self._sessions,
            full_resync=self._resynced,
            checkpoint_revision=None if self._checkpoint is None else self._checkpoint.head_revision,
            failed_objects=tuple(self._failed.values()),
            stopped=stopped,
        )

    def _resync(self, error: ResyncRequired) -> None:
        if self._resync_tried:
            raise error
        self.full_resync = self._resync_tried = self._resynced = True
        self._known.clear()

    def _count_calls(self, work: PageWork) -> None:
        self._handled += work.handler_calls
        work.handler_calls = 0

    def _replace_failed(self, failed: Sequence[queue_pb2.FailedObject]) -> None:
        self._failed = {(item.object_type, item.key): item for item in failed}
