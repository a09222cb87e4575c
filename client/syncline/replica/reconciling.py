"""Compares the base tables with the server's records, range of keys by range of keys, and repairs what differs.

Only digests and hashes are compared, so that an intact copy costs next to no transfer. What changed on the server above
the revision that the copy stands at is no difference: the queue brings it.
"""

# ruff: noqa: S608 - names are quoted, values are bound

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import NamedTuple

from google.protobuf.message import DecodeError

from syncline.client import AnswerInvalid, SyncClient
from syncline.data.schema import Schema
from syncline.replica.base_ranges import HeldRange, Part, read_hashes, read_parts, read_ranges, stray_keys
from syncline.replica.connection import transaction
from syncline.replica.errors import ReplicaError, SyncStopped
from syncline.replica.facts import write_facts
from syncline.replica.feeds import InScopes
from syncline.replica.incoming import Row
from syncline.replica.overlay import cover_items
from syncline.replica.refusals import read_refusals
from syncline.replica.rows import staged_types
from syncline.replica.tables import base_table
from syncline.v1 import frame_pb2, upload_pb2

RANGES_MAX = 100
"""Ranges a call, as many as the server takes."""
KEYS_MAX = 1_000
"""Keys a call, as many as the server takes."""

_RESUME_FACT = "reconcile_after"


@dataclass(slots=True)
class ReconcileReport:
    """What was compared, and what was wrong. If an earlier run was interrupted: since then."""

    checked: int = 0
    """Records of the copy that were compared."""
    ranges: int = 0
    """Ranges of keys that were compared."""
    differing: int = 0
    """Of these, the ones that did not match, be it only because the server has something newer."""
    inserted: int = 0
    """Records that the copy lacked."""
    updated: int = 0
    """Records that were not as the server has them."""
    deleted: int = 0
    """Records that the server has not."""


class _Reached(NamedTuple):
    """How far a run has got: up to this key of this part, None: to its end. All parts before it are done."""

    object_type: str
    bucket: str
    key: str | None

    def passed(self, part: Part) -> bool:
        """Is the part done?"""
        own, its = (self.object_type, self.bucket), (part.object_type, part.feed.bucket)
        return its < own or (its == own and self.key is None)

    def key_in(self, part: Part) -> str | None:
        """Up to where the part is done."""
        return self.key if (self.object_type, self.bucket) == (part.object_type, part.feed.bucket) else None


@dataclass(slots=True)
class _Differences:
    """What is wrong in the ranges of one call."""

    outdated: list[str] = field(default_factory=list)
    """Keys of records that the copy lacks or has wrong."""
    surplus: list[str] = field(default_factory=list)
    """Keys of records that the server has not."""


def reconcile(
    connection: sqlite3.Connection,
    client: SyncClient,
    schema: Schema,
    *,
    scopes: Collection[str] = (),
    progress: Callable[[ReconcileReport], None] | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> ReconcileReport:
    """Compare what the copy has of these scopes with the server, and repair it.

    The file must stand at a checkpoint. Local changes stay, and are laid over what was repaired. What the device has
    refused stays as it is. A run that was interrupted, by whatever, goes on from there if it is asked for the same
    scopes again.

    Args:
        connection: The one that pages are stored with.
        client: Speaks for the file's device.
        schema: The file's.
        scopes: The scopes wanted; none mean all.
        progress: Called after each part of the work with what was done so far. May end the run by raising.
        stopped: Asked before each call of the server: is the run to end?

    Raises:
        SyncStopped: `stopped` said so.
        ReplicaError: something is staged.
        ResyncRequired: a bucket is not granted any more, or the device has expired: synchronise first.
        SyncError: the server cannot be reached, or refuses.
        StorageFailed: the file cannot be written.
    """
    if staged_types(connection, InScopes(scopes)):
        raise ReplicaError("only a copy at a checkpoint can be compared: synchronise first")
    return _Reconciliation(connection, client, scopes, progress, stopped).run(read_parts(connection, schema, scopes))


class _Reconciliation:
    """One run."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        client: SyncClient,
        scopes: Collection[str],
        progress: Callable[[ReconcileReport], None] | None,
        stopped: Callable[[], bool],
    ) -> None:
        self._connection = connection
        self._client = client
        self._scopes = sorted(scopes)
        self._progress = progress
        self._stopped = stopped
        self._report = ReconcileReport()
        self._refused = {(refusal.object_type, refusal.key) for refusal in read_refusals(connection)}

    def run(self, parts: Sequence[Part]) -> ReconcileReport:
        """Compare the parts that were not compared before an interruption."""
        resumed = self._read_reached()
        for part in parts:
            if resumed is None or not resumed.passed(part):
                self._compare(part, resumed.key_in(part) if resumed is not None else None)
        for object_type in dict.fromkeys(part.object_type for part in parts):
            self._remove_strays(object_type, [part.feed.bucket for part in parts if part.object_type == object_type])
        self._forget_reached()
        return self._report

    def _compare(self, part: Part, after: str | None) -> None:
        """Compare the keys of a part above this one; None: all."""
        at_end = False
        while not at_end:
            held = list(islice(read_ranges(self._connection, part, after), RANGES_MAX))
            answers = self._ask(part, ranges=[one.message() for one in held]).ranges
            if len(answers) != len(held):
                raise AnswerInvalid(f"{len(held)} ranges were asked for, {len(answers)} were answered")
            found = _Differences()
            for one, answer in zip(held, answers, strict=True):
                after = self._weigh(part, one, answer, found)
                at_end = after is None
                if after != one.through:
                    break  # The server cut its answer: what is left of the range, and those after it, are asked anew.
            self._repair(part, found, _Reached(part.object_type, part.feed.bucket, after))
            if self._progress is not None:
                self._progress(replace(self._report))

    def _weigh(self, part: Part, held: HeldRange, answer: upload_pb2.RangeAnswer, found: _Differences) -> str | None:
        """Note what is wrong in a range. The key up to which the answer goes; None: to the last."""
        self._report.ranges += 1
        if answer.equal:
            self._report.checked += held.rows
            return held.through
        self._report.differing += 1
        through = _answered_through(held, answer)
        here = dict(read_hashes(self._connection, part, held.after, through))
        self._report.checked += len(here)
        for entry in answer.entries:
            is_newer = entry.revision > part.feed.revision
            if here.pop(entry.key, None) != entry.data_hash and not is_newer and self._may_touch(part, entry.key):
                found.outdated.append(entry.key)
        found.surplus += [key for key in here if self._may_touch(part, key)]
        return through

    def _may_touch(self, part: Part, key: str) -> bool:
        """Not what the device has refused: it does not take it now either, and what it has instead is not to go."""
        return (part.object_type, key) not in self._refused

    def _repair(self, part: Part, found: _Differences, reached: _Reached) -> None:
        """Fetch what is outdated, and write it with all else that the call found in one transaction.

        If it takes several answers to fetch it, each but the last is a transaction by itself: memory is limited.
        """
        rows: list[Row] = []
        missing = found.outdated
        while missing:
            asked, missing = missing[:KEYS_MAX], missing[KEYS_MAX:]
            came = _rows(part, asked, self._ask(part, keys=asked))
            if not came:
                continue  # They have changed meanwhile: the queue brings them.
            if rows:
                self._write(part.object_type, rows)
            rows = came
            arrived = {row[0] for row in came}
            missing = [key for key in asked if key not in arrived] + missing  # The answer may have ended early.
        if rows or found.surplus or reached.key is not None:
            self._write(part.object_type, rows, found.surplus, reached)

    def _write(
        self, object_type: str, rows: Sequence[Row], surplus: Sequence[str] = (), reached: _Reached | None = None
    ) -> None:
        """Write records, whatever stands in their place: its revision may be what is wrong. Delete others."""
        base = base_table(object_type)
        delete = f"DELETE FROM {base} WHERE _key IN (SELECT value FROM json_each(?))"
        with transaction(self._connection):
            deleted = self._connection.execute(delete, (json.dumps(surplus),)).rowcount
            replaced = self._connection.execute(delete, (json.dumps([row[0] for row in rows]),)).rowcount
            self._connection.executemany(
                f"INSERT INTO {base} (_key, _bucket, _revision, _load, _data) VALUES (?, ?, ?, ?, ?)", rows
            )
            cover_items(
                self._connection, object_type, [*((row[0], row[2]) for row in rows), *((key, 0) for key in surplus)]
            )
            if reached is not None:
                write_facts(self._connection, **{_RESUME_FACT: json.dumps([self._scopes, *reached])})
        self._report.deleted += deleted
        self._report.updated += replaced
        self._report.inserted += len(rows) - replaced

    def _remove_strays(self, object_type: str, buckets: Collection[str]) -> None:
        """Delete records in buckets that the file has no feed of: they were compared with nothing."""
        strays = stray_keys(self._connection, object_type, buckets)
        strays = [key for key in strays if (object_type, key) not in self._refused]
        if strays:
            self._write(object_type, (), strays)

    def _ask(
        self, part: Part, ranges: Sequence[upload_pb2.KeyRange] = (), keys: Sequence[str] = ()
    ) -> upload_pb2.ReconcileResponse:
        if self._stopped():
            raise SyncStopped("the comparison was stopped; the next one goes on from here")
        return self._client.reconcile(
            upload_pb2.ReconcileRequest(
                object_type=part.object_type,
                bucket=part.feed.bucket,
                known_revision=part.feed.revision,
                ranges=ranges,
                keys=keys,
            )
        )

    def _read_reached(self) -> _Reached | None:
        """Where the run before was interrupted, if it was over the same scopes."""
        row = self._connection.execute("SELECT value FROM syncline_meta WHERE name = ?", (_RESUME_FACT,)).fetchone()
        if row is None:
            return None
        scopes, *reached = json.loads(row[0])
        return _Reached(*reached) if scopes == self._scopes else None

    def _forget_reached(self) -> None:
        if self._connection.execute("SELECT 1 FROM syncline_meta WHERE name = ?", (_RESUME_FACT,)).fetchone():
            with transaction(self._connection):
                self._connection.execute("DELETE FROM syncline_meta WHERE name = ?", (_RESUME_FACT,))


def _answered_through(held: HeldRange, answer: upload_pb2.RangeAnswer) -> str | None:
    """The last key of the range that the answer is about.

    Raises:
        AnswerInvalid: it is about none, so that asking again would go on for ever.
    """
    if not answer.HasField("cut_at_key"):
        return held.through
    if held.after is not None and answer.cut_at_key <= held.after:
        raise AnswerInvalid(f"the answer to the range above {held.after!r} ends at {answer.cut_at_key!r}")
    return answer.cut_at_key


def _rows(part: Part, asked: Collection[str], response: upload_pb2.ReconcileResponse) -> list[Row]:
    """The records that came, as rows of the feed's present load.

    Raises:
        AnswerInvalid: they are not those that were asked for.
    """
    return list(_read_frames(part, frozenset(asked), response))


def _read_frames(part: Part, asked: frozenset[str], response: upload_pb2.ReconcileResponse) -> Iterator[Row]:
    feed = part.feed
    try:
        for encoded, revision in zip(response.frames, response.revisions, strict=True):
            frame = frame_pb2.Frame.FromString(encoded)
            if frame.object_type != part.object_type or frame.key not in asked or not frame.data:
                raise AnswerInvalid(f"{frame.object_type} {frame.key!r} was not asked for, or has no data")
            yield frame.key, feed.bucket, revision, feed.load_no, frame.data.decode()
    except (DecodeError, ValueError) as error:
        raise AnswerInvalid(f"the records of an answer are garbled: {error}") from error
