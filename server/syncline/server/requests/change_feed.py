"""What changed in an account since a cursor, for connectors that write.

An enrollment that is written to is a device of its account, under its own UUID: its queue holds each changed record
once in its newest state, and what is deleted is kept for it until it has passed. Its cursor is what a device file
keeps, positions, as JSON. Only the default bucket is read, unless the device is granted others.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID

import orjson

from syncline.server.environment import now_us
from syncline.server.requests.connectors.contract import Outgoing
from syncline.server.upload.judging import frame_data
from syncline.storage import Store
from syncline.storage.errors import ResyncRequired
from syncline.storage.models import Feed, FeedItem, OpenQueue, QueueOpened, Told

_READ_ITEMS: Final = 1_000
_READ_BYTES: Final = 8 * 1024 * 1024
_SESSION_US: Final = 24 * 3600 * 1_000_000
"""Only this run uses its session, and it is the lease that says for how long."""


class ChangeFeed:
    """One run over what changed."""

    def __init__(self, store: Store, account_id: str, device_uuid: UUID, cursor: str) -> None:
        """Open the queue at the cursor. Without one, or with one that no longer holds, all records come.

        Raises:
            StoreError: the queue cannot be opened.
        """
        self._store = store
        self._account_id = account_id
        self._device_uuid = device_uuid
        store.register_device(account_id, device_uuid, now=now_us())
        try:
            self._opened = self._open(_told(cursor))
        except ResyncRequired:
            self._opened = self._open(())
        self.through = self._opened.head.revision
        """Up to where there is something to write: at first the head, as it was at the beginning."""

    def records(self) -> Iterator[tuple[Outgoing, str | None]]:
        """What changed, in the order of the revisions, each with the trace context of its newest write."""
        session = self._opened.session
        if session is None:
            return
        cursors: dict[Feed, int] = {}
        complete = False
        while not complete:
            read = self._store.read_queue(
                self._account_id,
                self._device_uuid,
                session,
                cursors,
                max_items=_READ_ITEMS,
                max_bytes=_READ_BYTES,
                stream_id=None,
                redeliver_after=None,
            )
            found = [item for one in read.slices for item in one.items]
            for item in sorted(found, key=lambda item: item.revision):
                yield _outgoing(item), item.trace_context
            # Up to the head as it was: were records written for ever, a run would never end.
            complete = read.complete or read.through >= self.through
            cursors = {feed.position.feed: max(feed.start, read.through) for feed in session.feeds}
        self.through = max(self.through, read.through)

    def cursor(self, revision: int) -> str:
        """The cursor behind this revision."""
        feeds = []
        for feed in self._opened.feeds:
            (scope, bucket), position = feed.position.feed, feed.position
            passed = max(feed.start, revision)
            feeds.append([scope, bucket, position.grant_id, position.load_id, position.epoch, passed])
        return json.dumps({"store_epoch": self._opened.head.store_epoch, "feeds": feeds})

    def _open(self, told: tuple[Told, ...]) -> QueueOpened:
        now = now_us()
        request = OpenQueue(
            scopes=(),
            buckets={},
            told=told,
            refused=(),
            full_resync=not told,
            always=False,
            client="sync request",
            now=now,
            expire_at=now + _SESSION_US,
        )
        return self._store.open_queue(self._account_id, self._device_uuid, request)


def _told(cursor: str) -> tuple[Told, ...]:
    if not cursor:
        return ()
    state: dict[str, Any] = json.loads(cursor)
    return tuple(
        Told(Feed(scope, bucket), state["store_epoch"], grant_id, load_id, epoch, revision)
        for scope, bucket, grant_id, load_id, epoch, revision in state["feeds"]
    )


def _outgoing(item: FeedItem) -> Outgoing:
    data = None if item.frame is None else orjson.loads(frame_data(item.frame))
    return Outgoing(item.object_type, item.key, data, item.revision)
