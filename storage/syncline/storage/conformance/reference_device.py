"""A device in plain Python that follows the rules for devices to the letter, straight on a store's contract.

Its file (rows, positions, refused items) changes as a whole at each read, as a device database does in one local
transaction. What it owes the server stands in its outbox until it is sent; a test may send it late, twice or never.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from syncline.storage.conformance.commit_log import ItemName
from syncline.storage.conformance.device_file import CheckpointCopy, DeviceFile, HeldRow, Outbox
from syncline.storage.contract import Store
from syncline.storage.errors import ResyncRequired
from syncline.storage.identity import item_digest
from syncline.storage.models import (
    AckInterval,
    AckOutcome,
    AckRedelivered,
    Feed,
    FeedItem,
    FeedSlice,
    Head,
    OpenQueue,
    QueueOpened,
    QueueRead,
    Refusal,
    Session,
    SessionFeed,
    Told,
)

SESSION_US = 3_600_000_000


def refuse_nothing(item: FeedItem) -> bool:
    """Refuse nothing."""
    del item
    return False


def refuse_everything(item: FeedItem) -> bool:
    """Take nothing."""
    del item
    return True


class ReferenceDevice:
    """One device. Not for use by several threads at once."""

    def __init__(
        self,
        store: Store,
        account_id: str,
        device_uuid: UUID,
        *,
        clock: Callable[[], int],
        tells_positions: bool = True,
    ) -> None:
        self.device_uuid = device_uuid
        self.file = DeviceFile()
        self.outbox = Outbox()
        self.checkpoints: list[CheckpointCopy] = []
        self.session: Session | None = None
        self._store = store
        self._account_id = account_id
        self._clock = clock
        self._tells_positions = tells_positions
        self._scopes: tuple[str, ...] = ()
        self._cursors: dict[Feed, int] = {}
        self._redeliver_after: ItemName | None = None

    def start(self, *, scopes: tuple[str, ...] = (), full_resync: bool = False, always: bool = False) -> QueueOpened:
        """Start a session; without one, this is a checkpoint already. Raises what `open_queue` raises."""
        now = self._clock()
        request = OpenQueue(
            scopes=scopes,
            buckets={},
            told=tuple(self.file.positions.values()) if self._tells_positions else (),
            refused=tuple(self.file.refused.values()),
            full_resync=full_resync or (self._tells_positions and not self.file.positions),
            always=always,
            client="reference device",
            now=now,
            expire_at=now + SESSION_US,
        )
        opened = self._store.open_queue(self._account_id, self.device_uuid, request)
        self.session = opened.session
        self._scopes = scopes
        self._cursors = {entry.position.feed: entry.start for entry in opened.feeds}
        self._redeliver_after = ("", "")
        known = {(rejection.object_type, rejection.key) for rejection in opened.rejections}
        self.file.refused = {item: refusal for item, refusal in self.file.refused.items() if item in known}
        if opened.session is None:
            self._checkpoint(opened.head, opened.feeds)
        return opened

    def read(self, *, max_items: int = 1000, refuses: Callable[[FeedItem], bool] = refuse_nothing) -> QueueRead:
        """Read on and store what comes, but for items that the device refuses."""
        assert self.session is not None
        read = self._store.read_queue(
            self._account_id,
            self.device_uuid,
            self.session,
            self._cursors,
            max_items=max_items,
            max_bytes=1 << 20,
            stream_id=None,
            redeliver_after=self._redeliver_after,
        )
        entries = {entry.position.feed: entry for entry in self.session.feeds}
        for again in read.redelivered:
            if refuses(again.item):
                self._refuse(again.item)
            else:
                self._store_item(again.feed, again.item, entries, read.head, redelivered=True)
                digest = item_digest(again.item.object_type, again.item.key)
                self.outbox.redelivered.append(AckRedelivered(digest, again.item.revision))
        for piece in read.slices:
            self._store_slice(piece, read, entries, refuses)
        last = read.redelivered[-1].item if read.redelivered else None
        self._redeliver_after = (last.object_type, last.key) if last is not None else None
        if read.complete:
            self._redeliver_after = None
            self._checkpoint(read.head, self.session.feeds)
        return read

    def acknowledge(self) -> AckOutcome:
        """Send all that the outbox holds, and empty it."""
        sent, self.outbox = self.outbox, Outbox()
        return self._store.acknowledge(
            self._account_id,
            self.device_uuid,
            sent.intervals,
            sent.redelivered,
            sent.refusals,
            now=self._clock(),
        )

    def sync(
        self,
        *,
        scopes: tuple[str, ...] = (),
        max_items: int = 1000,
        refuses: Callable[[FeedItem], bool] = refuse_nothing,
    ) -> list[FeedItem]:
        """Synchronise up to a checkpoint, in full where the server asks for it; answer the items that came."""
        try:
            return self._sync(scopes, max_items, refuses, full_resync=False)
        except ResyncRequired:
            self.outbox = Outbox()
            return self._sync(scopes, max_items, refuses, full_resync=True)

    def frames(self) -> dict[ItemName, bytes]:
        """The device's copy."""
        return {item: row.frame for item, row in self.file.rows.items()}

    def may_remove(self, held: HeldRow, revision: int) -> bool:
        """Does a delete or departure of this revision take the row away? Only from strictly above it (G5)."""
        return revision > held.revision

    def _sync(
        self, scopes: tuple[str, ...], max_items: int, refuses: Callable[[FeedItem], bool], *, full_resync: bool
    ) -> list[FeedItem]:
        items: list[FeedItem] = []
        complete = self.start(scopes=scopes, full_resync=full_resync).session is None
        while not complete:
            read = self.read(max_items=max_items, refuses=refuses)
            complete = read.complete
            items.extend(again.item for again in read.redelivered)
            items.extend(item for piece in read.slices for item in piece.items)
            self.acknowledge()
        return items

    def _store_slice(
        self,
        piece: FeedSlice,
        read: QueueRead,
        entries: dict[Feed, SessionFeed],
        refuses: Callable[[FeedItem], bool],
    ) -> None:
        """Store one feed's items and its position."""
        position = entries[piece.feed].position
        for item in piece.items:
            if refuses(item):
                self._refuse(item)
            else:
                self._store_item(piece.feed, item, entries, read.head, redelivered=False)
        above = piece.above
        for revision in (*(item.revision for item in piece.items[:-1]), read.through):
            self.outbox.intervals.append(AckInterval(position.epoch, above, revision))
            above = revision
        self._cursors[piece.feed] = read.through
        self._move(entries[piece.feed], read.head, read.through)

    def _store_item(
        self, feed: Feed, item: FeedItem, entries: dict[Feed, SessionFeed], head: Head, *, redelivered: bool
    ) -> None:
        """Put one item into the copy, as far as it is newer than what is there."""
        name = (item.object_type, item.key)
        held = self.file.rows.get(name)
        if held is not None and held.store_epoch != head.store_epoch:
            held = None  # a row of another history is older than anything
        if item.frame is None:
            if held is None or self.may_remove(held, item.revision):
                self.file.rows.pop(name, None)
        elif held is None or item.revision >= held.revision:
            load_id = entries[feed].position.load_id
            self.file.rows[name] = HeldRow(feed, load_id, head.store_epoch, item.revision, item.frame)
        refused = self.file.refused.get(name)
        if refused is not None and _ends(item, refused, redelivered=redelivered):
            del self.file.refused[name]

    def _refuse(self, item: FeedItem) -> None:
        """Leave the item out, and say so."""
        refusal = Refusal(item.object_type, item.key, item.revision, "the device cannot take it")
        known = self.file.refused.get((item.object_type, item.key))
        if known is None or known.revision < item.revision:
            self.file.refused[item.object_type, item.key] = refusal
        self.outbox.refusals.append(refusal)

    def _move(self, entry: SessionFeed, head: Head, revision: int) -> None:
        """Store the position of a feed."""
        position = entry.position
        self.file.positions[position.feed] = Told(
            feed=position.feed,
            store_epoch=head.store_epoch,
            grant_id=position.grant_id,
            load_id=position.load_id,
            epoch=position.epoch,
            revision=revision,
        )

    def _checkpoint(self, head: Head, served: tuple[SessionFeed, ...]) -> None:
        """Sweep what no feed of this session stands for any more, and move every position to the head."""
        loads = {entry.position.feed: entry.position.load_id for entry in served}

        def in_session(feed: Feed) -> bool:
            return not self._scopes or feed.scope in self._scopes

        def stays(name: ItemName, row: HeldRow) -> bool:
            if not in_session(row.feed):
                return True
            if row.feed not in loads:
                return False
            is_current = (row.load_id, row.store_epoch) == (loads[row.feed], head.store_epoch)
            return is_current or name in self.file.refused

        self.file.rows = {name: row for name, row in self.file.rows.items() if stays(name, row)}
        self.file.positions = {
            feed: told for feed, told in self.file.positions.items() if feed in loads or not in_session(feed)
        }
        for entry in served:
            self._move(entry, head, head.revision)
        copy = CheckpointCopy(
            head=head,
            feeds=frozenset(loads),
            scopes=self._scopes,
            frames={name: row.frame for name, row in self.file.rows.items() if in_session(row.feed)},
            refused=frozenset(self.file.refused),
        )
        self.checkpoints.append(copy)


def _ends(item: FeedItem, refused: Refusal, *, redelivered: bool) -> bool:
    """Does the item settle the refusal? A departure of the refused item's own revision does not, in a feed."""
    if item.frame is None and not redelivered:
        return item.revision > refused.revision
    return item.revision >= refused.revision
