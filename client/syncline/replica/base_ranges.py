"""The base tables by ranges of keys: what the copy holds in each, as digests and hashes to compare."""

# ruff: noqa: S608 - names are quoted, values are bound

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from hashlib import blake2b
from itertools import islice
from typing import NamedTuple

from syncline.data.canonical import data_hash
from syncline.data.schema import Schema
from syncline.replica.feeds import FeedState, read_feeds
from syncline.replica.tables import base_table, loading_types
from syncline.v1 import upload_pb2

RANGE_ROWS = 1_000


class Part(NamedTuple):
    """The records of one object type in one feed."""

    object_type: str
    feed: FeedState


class HeldRange(NamedTuple):
    """A range of a part's keys, and what the copy has in it."""

    after: str | None
    """The keys above; None: from the first."""
    through: str | None
    """Up to and including; None: to the last."""
    rows: int
    digest: bytes

    def message(self) -> upload_pb2.KeyRange:
        """As it is told to the server."""
        return upload_pb2.KeyRange(after_key=self.after, through_key=self.through, digest=self.digest)


def read_parts(connection: sqlite3.Connection, schema: Schema, scopes: Collection[str]) -> list[Part]:
    """What readers see of these scopes, by object type and bucket; no scopes mean all."""
    loading = loading_types(connection, schema)
    feeds = read_feeds(connection)
    parts = [
        Part(kind.name, feed)
        for kind in schema.object_types
        if kind.name not in loading and (not scopes or kind.scope in scopes)
        for feed in feeds
        if feed.scope == kind.scope
    ]
    return sorted(parts, key=lambda part: (part.object_type, part.feed.bucket))


def read_ranges(connection: sqlite3.Connection, part: Part, after: str | None) -> Iterator[HeldRange]:
    """The keys above this one (None: all) in ranges of `RANGE_ROWS` records; the last is open-ended."""
    at_end = False
    while not at_end:
        digest, rows, key = blake2b(digest_size=16), 0, ""
        for key, hashed in islice(read_hashes(connection, part, after, None), RANGE_ROWS):
            encoded = key.encode()
            digest.update(len(encoded).to_bytes(4) + encoded + hashed)
            rows += 1
        at_end = rows < RANGE_ROWS
        yield HeldRange(after, None if at_end else key, rows, digest.digest())
        after = key


def read_hashes(
    connection: sqlite3.Connection, part: Part, after: str | None, through: str | None
) -> Iterator[tuple[str, bytes]]:
    """The key of each record in a range, and the hash of what the copy has of it; by key."""
    conditions, parameters = ["_bucket = ?"], [part.feed.bucket]
    for condition, key in (("_key > ?", after), ("_key <= ?", through)):
        if key is not None:
            conditions.append(condition)
            parameters.append(key)
    # As bytes: damaged text would be an error. SQLite's order of texts is by code point.
    rows = connection.execute(
        f"""SELECT _key, CAST(_data AS BLOB) FROM {base_table(part.object_type)}
            WHERE {" AND ".join(conditions)} ORDER BY _key""",
        parameters,
    )
    return ((key, data_hash(data)) for key, data in rows)


def stray_keys(connection: sqlite3.Connection, object_type: str, buckets: Collection[str]) -> list[str]:
    """The keys of records that are in none of these buckets."""
    others = ", ".join("?" * len(buckets))
    rows = connection.execute(
        f"SELECT _key FROM {base_table(object_type)} WHERE _bucket NOT IN ({others})", list(buckets)
    )
    return [key for (key,) in rows]
