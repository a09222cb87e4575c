"""What each committed revision did: the truth that copies are compared with."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from threading import Lock
from typing import NamedTuple

from syncline.storage.models import Feed, RecordWrite, WriteOutcome, WriteResult

ItemName = tuple[str, str]
"""Object type and key."""


class Commit(NamedTuple):
    """One record's new state."""

    revision: int
    item: ItemName
    feed: Feed | None
    """Where it is since; None: deleted."""
    frame: bytes | None


class CommitLog:
    """Collects what was committed, from many threads. Complete once all writers are done."""

    def __init__(self, scopes: Mapping[str, str]) -> None:
        self._scopes = scopes
        self._lock = Lock()
        self._commits: list[Commit] = []

    def add(self, writes: Sequence[RecordWrite], result: WriteResult) -> None:
        """Note a transaction. Records to store must name their bucket."""
        commits = []
        for write, outcome, revision in zip(writes, result.outcomes, result.revisions, strict=True):
            if outcome is WriteOutcome.UNCHANGED:
                continue
            feed = None
            if write.frame is not None:
                assert write.bucket is not None, "the log has to know where the record is"
                feed = Feed(self._scopes[write.object_type], write.bucket)
            commits.append(Commit(revision, (write.object_type, write.key), feed, write.frame))
        with self._lock:
            self._commits.extend(commits)

    def commits(self) -> list[Commit]:
        """All, in revision order."""
        with self._lock:
            return sorted(self._commits)

    def view(self, revision: int, feeds: Collection[Feed]) -> dict[ItemName, bytes]:
        """What these feeds held at a revision."""
        frames: dict[ItemName, bytes] = {}
        for commit in self.commits():
            if commit.revision > revision:
                break
            if commit.frame is not None and commit.feed in feeds:
                frames[commit.item] = commit.frame
            else:
                frames.pop(commit.item, None)
        return frames
