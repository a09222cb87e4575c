"""What a batch of writes changes: decided in memory on the rows as they stand. No statement in here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from syncline.storage.models import Feed, RecordWrite, WriteOutcome

ItemName = tuple[str, str]
"""Object type and record key."""


def keys_by_type(items: Iterable[ItemName]) -> dict[str, list[str]]:
    """The record keys of each object type."""
    keys: dict[str, list[str]] = {}
    for object_type, key in items:
        keys.setdefault(object_type, []).append(key)
    return keys


class CurrentRow(NamedTuple):
    """What a write has to know of the row that it meets."""

    scope: str
    bucket: str
    revision: int
    entered_revision: int
    deleted: bool
    data_hash: bytes
    created_by: bytes | None


class Departure(NamedTuple):
    """A record left a feed at this revision."""

    revision: int
    modified_at: int


class WritePlan:
    """Decides write after write; each sees what the ones before it decided.

    Args:
        scopes: the scope of each object type.
        current: the rows that exist, tombstones included.
        before_first: the revision before the first that may be given out.
    """

    def __init__(self, scopes: Mapping[str, str], current: dict[ItemName, CurrentRow], before_first: int) -> None:
        self._scopes = scopes
        self._current = current
        self.last_revision = before_first
        """The newest revision given out."""
        self.rows: dict[ItemName, tuple[Any, ...]] = {}
        """The rows to store, as `RECORD_COLUMNS` has them; those that are not in `current` are new."""
        self.departures: dict[tuple[ItemName, Feed], Departure] = {}
        """What has left which feed."""
        self.arrivals: dict[ItemName, Feed] = {}
        """What has come into which feed: an older departure from there is history."""

    def add(self, write: RecordWrite, created_by: bytes | None = None) -> tuple[WriteOutcome, int]:
        """Decide one write: what it comes to, and the record's revision after it (0: nothing is there).

        `created_by` is the UUID of the change that it stands for. The record keeps that by which it came to life.
        """
        item = (write.object_type, write.key)
        before = self._row(item)
        live = before is not None and not before.deleted
        if before is None:
            if write.frame is None:
                return WriteOutcome.UNCHANGED, 0
            bucket = write.bucket or ""
        elif write.frame is None:
            if before.deleted:
                return WriteOutcome.UNCHANGED, 0
            bucket = before.bucket
        else:
            bucket = before.bucket if write.bucket is None else write.bucket
            if live and before.data_hash == write.data_hash and before.bucket == bucket:
                return WriteOutcome.UNCHANGED, before.revision
        self._store(item, write, before, bucket, created_by)
        if write.frame is None:
            return WriteOutcome.DELETED, self.last_revision
        return (WriteOutcome.UPDATED if live else WriteOutcome.INSERTED), self.last_revision

    def add_all(self, writes: Sequence[RecordWrite]) -> list[tuple[WriteOutcome, int]]:
        """`add` for each, in order."""
        return [self.add(write) for write in writes]

    def new_rows(self) -> list[tuple[Any, ...]]:
        """Those of `rows` that replace none."""
        return [row for item, row in self.rows.items() if item not in self._current]

    def replacing_rows(self) -> list[tuple[Any, ...]]:
        """The others."""
        return [row for item, row in self.rows.items() if item in self._current]

    def _row(self, item: ItemName) -> CurrentRow | None:
        """The item as the next write meets it."""
        row = self.rows.get(item)
        if row is None:
            return self._current.get(item)
        _, _, scope, bucket, revision, entered, deleted, _, data_hash, _, created_by = row
        return CurrentRow(scope, bucket, revision, entered, deleted, data_hash, created_by)

    def _store(
        self, item: ItemName, write: RecordWrite, before: CurrentRow | None, bucket: str, created_by: bytes | None
    ) -> None:
        self.last_revision = revision = self.last_revision + 1
        scope = self._scopes[write.object_type]
        entered = revision
        if before is None:
            self.arrivals[item] = Feed(scope, bucket)
        elif before.bucket != bucket or before.scope != scope:
            self._move(item, Feed(before.scope, before.bucket), Feed(scope, bucket), write.modified_at)
        elif not before.deleted:
            entered = before.entered_revision
        if before is not None and not before.deleted:
            created_by = before.created_by
        self.rows[item] = (
            *item,
            scope,
            bucket,
            revision,
            entered,
            write.frame is None,
            write.frame,
            write.data_hash,
            write.modified_at,
            created_by,
        )

    def _move(self, item: ItemName, source: Feed, target: Feed, modified_at: int) -> None:
        self.departures[item, source] = Departure(self.last_revision, modified_at)
        self.departures.pop((item, target), None)
        self.arrivals[item] = target
