"""Records: written under the account's head, read by key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from syncline.storage.models import Record, RecordWrite, WriteResult


class RecordStore(Protocol):
    """Records by their key."""

    def write_records(self, account_id: str, writes: Sequence[RecordWrite]) -> WriteResult:
        """Store and delete records, in the order given; a later write of the same key sees the earlier one.

        Revision order is commit order (G1): the transaction starts by advancing the account's head, which makes
        writers of one account line up, and only then reads what it decides on. Revisions ascend in the order of
        the writes; gaps are harmless.

        A write with the hash of the live record and no other bucket changes nothing (`UNCHANGED`), nor does a
        delete of what is absent or deleted. A delete keeps the row as a tombstone in its bucket. A write that
        puts a row, tombstone or not, into another bucket leaves a departure in the old feed at the same
        revision and removes a departure of this key from the new one, so that a feed holds a key at most once
        (G2). `entered_revision` is the revision at which the record last came to life in its bucket.

        At most 5,000 writes, each frame at most 1 MiB.

        Raises:
            ObjectTypeNotFound: nothing is written.
            LimitReached: too many writes, or a frame too large.
        """

    def get_records(self, account_id: str, object_type: str, keys: Sequence[str]) -> list[Record]:
        """The rows with these keys, tombstones included, in no particular order; absent keys are left out."""

    def scan_records(self, account_id: str, object_type: str, *, after_key: str | None, limit: int) -> list[Record]:
        """The next `limit` live records by key in code point order, above `after_key`."""

    def count_records(self, account_id: str) -> dict[str, int]:
        """How many live records each object type of the schema has; an object type without any has 0."""
