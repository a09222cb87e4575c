"""How far the file has got in each feed, and which load each row came with."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from syncline.v1 import queue_pb2

_FeedName = tuple[str, str]


@dataclass(frozen=True, slots=True)
class FeedState:
    """Where the file stands in one feed."""

    scope: str
    bucket: str
    load_no: int
    position: str
    """The server's token."""
    revision: int
    """Everything up to here is in the file."""


class InScopes:
    """An SQL condition on a column `scope`: it is one of these; no scopes mean all."""

    def __init__(self, scopes: Collection[str]) -> None:
        self.sql = "scope IN (SELECT value FROM json_each(?))" if scopes else "1"
        self.parameters: tuple[str, ...] = (json.dumps(list(scopes)),) if scopes else ()


class Feeds:
    """The feeds of one session, as stored and as the page at hand moves them.

    Numbers for new loads are given out in memory and written with the page that needs them. After a transaction
    that failed, make a new object.
    """

    def __init__(self, connection: sqlite3.Connection, store_epoch: str) -> None:
        self._connection = connection
        self._store_epoch = store_epoch
        self._feeds = {(feed.scope, feed.bucket): feed for feed in read_feeds(connection)}
        self._loads: dict[tuple[str, str, str], int] = {
            (scope, bucket, load): load_no
            for load_no, scope, bucket, load in connection.execute(
                "SELECT load_no, scope, bucket, load FROM syncline_load WHERE store_epoch = ?", (store_epoch,)
            )
        }
        (self._load_no_max,) = connection.execute("SELECT coalesce(max(load_no), 0) FROM syncline_load").fetchone()
        self._new_loads: list[tuple[int, str, str, str, str]] = []

    def names(self, scopes: Collection[str]) -> list[_FeedName]:
        """The stored feeds of these scopes; no scopes mean all."""
        return [name for name in self._feeds if not scopes or name[0] in scopes]

    def told(self, scopes: Collection[str]) -> list[queue_pb2.FeedPosition]:
        """The positions to tell the server."""
        return [
            queue_pb2.FeedPosition(scope=feed.scope, bucket=feed.bucket, position=feed.position)
            for feed in map(self._feeds.__getitem__, self.names(scopes))
        ]

    def move(self, positions: Iterable[queue_pb2.FeedPosition], revisions: dict[_FeedName, int], head: int) -> bool:
        """Take over positions of a page or of a checkpoint, and say whether that changes anything.

        `revisions` has up to where the page's segments reach; feeds that have none stand at `head`.
        """
        changed = False
        for told in positions:
            name = (told.scope, told.bucket)
            load_no = self._load_no(told.scope, told.bucket, told.load)
            feed = FeedState(*name, load_no, told.position, revisions.get(name, head))
            changed = changed or feed != self._feeds.get(name)
            self._feeds[name] = feed
        return changed

    def load_no(self, scope: str, bucket: str) -> int:
        """The load that rows of this feed belong to now.

        An item that is sent again by key may be of a feed that has no position yet. Its row then belongs to a load
        without a name, which the next checkpoint sweeps unless the feed itself has brought the row by then.
        """
        feed = self._feeds.get((scope, bucket))
        return feed.load_no if feed is not None else self._load_no(scope, bucket, "")

    def write(self, names: Iterable[_FeedName]) -> None:
        """Store these feeds as they stand, and loads that are new; inside a transaction."""
        self._connection.executemany(
            "INSERT INTO syncline_load (load_no, scope, bucket, load, store_epoch) VALUES (?, ?, ?, ?, ?)",
            self._new_loads,
        )
        self._new_loads.clear()
        self._connection.executemany(
            "INSERT OR REPLACE INTO syncline_feed (scope, bucket, load_no, position, revision) VALUES (?, ?, ?, ?, ?)",
            [(f.scope, f.bucket, f.load_no, f.position, f.revision) for f in map(self._feeds.__getitem__, names)],
        )

    def no_longer_served(self, served: Collection[_FeedName], scopes: Collection[str]) -> list[_FeedName]:
        """The stored feeds of these scopes that are not among those served."""
        return [name for name in self.names(scopes) if name not in served]

    def forget(self, names: Iterable[_FeedName]) -> None:
        """Drop positions; rows stay until the next checkpoint. Inside a transaction."""
        for name in names:
            if self._feeds.pop(name, None) is not None:
                self._connection.execute("DELETE FROM syncline_feed WHERE scope = ? AND bucket = ?", name)

    def _load_no(self, scope: str, bucket: str, load: str) -> int:
        number = self._loads.get((scope, bucket, load))
        if number is None:
            self._load_no_max += 1
            number = self._loads[scope, bucket, load] = self._load_no_max
            self._new_loads.append((number, scope, bucket, load, self._store_epoch))
        return number


def read_feeds(connection: sqlite3.Connection) -> list[FeedState]:
    """The feeds as stored, by scope and bucket."""
    rows = connection.execute("SELECT scope, bucket, load_no, position, revision FROM syncline_feed")
    return [FeedState(*row) for row in rows]
