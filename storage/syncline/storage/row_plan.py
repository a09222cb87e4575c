"""The rules by which the rows of a running request are written. No statement in here: every store loads, plans, writes.

For each row, in this order:

1. Its source is known with this hash and this record key: skipped.
2. A live record has its key, and the row does not update: skipped or failed, with a detail. The source stays as it was.
3. Its source was of another record: it leaves that one, which is deleted if this was its last source.
4. Its source is of this live record already: the two are merged. Otherwise the row is written as it came.

Keys that the source has deleted come after the rows. What becomes of the request itself, `request_moves` says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from syncline.storage.contract.sync_requests import RowWriter
from syncline.storage.errors import LimitReached, ObjectTypeNotFound
from syncline.storage.limits import WRITES_MAX, check_frames, check_keys, check_text, check_texts
from syncline.storage.models import RecordWrite, WriteOutcome
from syncline.storage.request_models import (
    DETAIL_VALUE_CHARS_MAX,
    DETAILS_MAX,
    Detail,
    OnMatch,
    Progress,
    RowBatch,
    Severity,
    SourceRow,
    TypeCounts,
)
from syncline.storage.upload_models import CurrentRecord

ItemName = tuple[str, str]
"""Object type and record key."""
SourceName = tuple[str, str]
"""Object type and source key, within one enrollment."""

_NO_LONGER_CHARACTERS: Final = {0: "\ufffd", **dict.fromkeys(range(0xD800, 0xE000), "\ufffd")}
"""What no database keeps."""


class KnownSource(NamedTuple):
    """What is known of a row that came before."""

    record_key: str
    source_hash: bytes
    image: bytes

    def is_like(self, row: SourceRow) -> bool:
        """Is the row as it was, and of the same record?"""
        return self.source_hash == row.source_hash and self.record_key == row.record_key


@dataclass(frozen=True, slots=True)
class RowState:
    """What stands before a batch: all of it read under the account's lock."""

    full: bool
    """The request reads all there is: what comes is noted as seen."""
    head_revision: int
    """Before the batch."""
    scopes: Mapping[str, str]
    """The scope of each object type of the schema."""
    sources: Mapping[SourceName, KnownSource]
    """Those of the batch's `source_names` that the enrollment knows."""
    records: Mapping[ItemName, CurrentRecord]
    """Those of `items_touched` that there are, tombstones included."""
    source_counts: Mapping[ItemName, int]
    """How many sources, of all enrollments, each of `items_left` has; one without any may be left out."""


@dataclass(slots=True)
class RowPlan:
    """What a batch comes to."""

    writes: list[RecordWrite] = field(default_factory=list)
    """In order. Each changes its record and takes the next revision above `head_revision`."""
    sources: dict[SourceName, KnownSource] = field(default_factory=dict)
    """To be stored, anew or over what is known, as seen by the request: see `request_moves.seer_of`."""
    forgotten: set[SourceName] = field(default_factory=set)
    seen: set[SourceName] = field(default_factory=set)
    """In a full run: known sources that came as they were, to be noted as seen likewise."""
    details: list[Detail] = field(default_factory=list)
    """Those of the worker first. Fit to be stored."""
    counts: dict[str, TypeCounts] = field(default_factory=dict)
    """To be added, by object type."""
    progress: Progress = field(default_factory=Progress)
    """To be added, see `added`."""


def check_row_batch(batch: RowBatch) -> None:
    """Check all of a batch before any of it is planned.

    Raises:
        InvalidValue: a string that cannot be kept, or a key that is too long.
        LimitReached: too many rows, or a frame too large.
    """
    if len(batch.rows) + len(batch.deleted_keys) > WRITES_MAX:
        raise LimitReached("rows in one batch", WRITES_MAX)
    check_texts("object_type", types_of(batch))
    check_keys([row.record_key for row in batch.rows])
    check_keys([row.source_key for row in batch.rows] + [source_key for _, source_key in batch.deleted_keys])
    check_text("cursor", batch.cursor)


def source_names(batch: RowBatch) -> set[SourceName]:
    """The sources that a batch speaks of."""
    return {(row.object_type, row.source_key) for row in batch.rows} | set(batch.deleted_keys)


def types_of(batch: RowBatch) -> set[str]:
    """The object types of those sources."""
    return {row.object_type for row in batch.rows} | {object_type for object_type, _ in batch.deleted_keys}


def items_touched(batch: RowBatch, sources: Mapping[SourceName, KnownSource]) -> set[ItemName]:
    """The records that a batch may read or write, given the known ones of its `source_names`."""
    own = {(row.object_type, row.record_key) for row in batch.rows}
    return own | {(object_type, known.record_key) for (object_type, _), known in sources.items()}


def items_left(batch: RowBatch, sources: Mapping[SourceName, KnownSource]) -> set[ItemName]:
    """The records that may lose a source by a batch: those whose sources have to be counted."""
    first = {name: known.record_key for name, known in sources.items()}
    left: set[ItemName] = set()
    for row in batch.rows:
        object_type, key = row.object_type, row.record_key
        before = first.setdefault((object_type, row.source_key), key)
        if before != key:
            left |= {(object_type, before), (object_type, key)}
    return left | {(name[0], first[name]) for name in batch.deleted_keys if name in first}


def plan_rows(state: RowState, batch: RowBatch, writer: RowWriter, *, unchanged: Sequence[SourceName] = ()) -> RowPlan:
    """Decide a batch.

    Args:
        state: what stands.
        batch: its rows may lack those whose sources are just as they were in all of it.
        writer: makes the writes.
        unchanged: the sources of the rows that are left out, once for each row.

    Raises:
        ObjectTypeNotFound: a row is of no object type of the schema.
        LimitReached: a frame that was merged is too large.
    """
    for object_type in types_of(batch):
        if object_type not in state.scopes:
            raise ObjectTypeNotFound(object_type)
    planner = _Planner(state, now=batch.now)
    planner.skip(unchanged)
    for row in batch.rows:
        planner.take(row, writer)
    for name in batch.deleted_keys:
        planner.forget(name)
    plan = planner.finish(batch.failed)
    check_frames(plan.writes)
    plan.details = [storable(detail) for detail in (*batch.details, *plan.details)]
    plan.progress = Progress(
        read=batch.read,
        inserted=plan.progress.inserted,
        updated=plan.progress.updated,
        deleted=plan.progress.deleted,
        skipped=plan.progress.skipped,
        failed=plan.progress.failed,
        bytes=batch.bytes,
        estimate=batch.estimate,
    )
    return plan


def plan_sweep(state: RowState, names: Iterable[SourceName], *, now: int) -> RowPlan:
    """Forget these sources, all of which are known; the records of each have to be counted."""
    planner = _Planner(state, now=now)
    for name in names:
        planner.forget(name)
    return planner.finish({})


def added(before: Progress, more: Progress) -> Progress:
    """The progress of a request after more of it. The estimate is of the whole, so it is not added up."""
    return Progress(
        read=before.read + more.read,
        inserted=before.inserted + more.inserted,
        updated=before.updated + more.updated,
        deleted=before.deleted + more.deleted,
        skipped=before.skipped + more.skipped,
        failed=before.failed + more.failed,
        bytes=before.bytes + more.bytes,
        estimate=max(before.estimate, more.estimate),
    )


def added_counts(before: Mapping[str, TypeCounts], more: Mapping[str, TypeCounts]) -> dict[str, TypeCounts]:
    """The counts of both, by object type."""
    total = dict(before)
    for object_type, counts in more.items():
        total[object_type] = TypeCounts(*map(sum, zip(total.get(object_type, TypeCounts()), counts, strict=True)))
    return total


def kept_details(details: Sequence[Detail], kept: int) -> tuple[Sequence[Detail], int]:
    """Those details that are still kept of a request which has so many, and how many are left out."""
    room = max(DETAILS_MAX - kept, 0)
    return details[:room], max(len(details) - room, 0)


def storable(detail: Detail) -> Detail:
    """The detail as it can be kept: what offends is often just what no database takes."""
    return detail._replace(
        object_type=storable_text(detail.object_type),
        source_key=storable_text(detail.source_key),
        field=storable_text(detail.field),
        reason=storable_text(detail.reason),
        value=storable_text(detail.value[:DETAIL_VALUE_CHARS_MAX]),
    )


def storable_text(text: str) -> str:
    """The text with a sign in place of each NUL and lone surrogate."""
    return text.translate(_NO_LONGER_CHARACTERS)


class _Planner:
    def __init__(self, state: RowState, *, now: int) -> None:
        self._state = state
        self._now = now
        self._sources = dict(state.sources)
        self._records = dict(state.records)
        self._source_counts = dict(state.source_counts)
        self._tally: Counter[tuple[str, str]] = Counter()
        self._revision = state.head_revision
        self._plan = RowPlan()

    def skip(self, unchanged: Sequence[SourceName]) -> None:
        """Take the rows of sources that are as they were."""
        for object_type, count in Counter(object_type for object_type, _ in unchanged).items():
            self._tally[object_type, "skipped"] += count
        if self._state.full:
            self._plan.seen.update(unchanged)

    def take(self, row: SourceRow, writer: RowWriter) -> None:
        """Decide one row."""
        object_type, key = row.object_type, row.record_key
        name = (object_type, row.source_key)
        known = self._sources.get(name)
        if known is not None and known.is_like(row):
            self._count(object_type, "skipped")
            if self._state.full:
                self._plan.seen.add(name)
            return
        is_same = known is not None and known.record_key == key
        stands = self._records.get((object_type, key))
        live = stands if stands is not None and stands.frame is not None else None
        if live is not None and row.on_match is not OnMatch.UPDATE:
            self._refuse(row)
        else:
            if known is not None and not is_same:
                self._leave((object_type, known.record_key))
            if known is not None and is_same and live is not None:
                self._write(writer.merge(row, known.image, live, now=self._now))
            else:
                self._write(writer.write(row, now=self._now))
            self._know(name, KnownSource(key, row.source_hash, row.image), is_new=not is_same)
        if self._state.full and name in self._sources:
            self._plan.seen.add(name)

    def forget(self, name: SourceName) -> None:
        """The source says that the row is gone. One that is not known does no harm."""
        known = self._sources.pop(name, None)
        if known is None:
            return
        self._plan.forgotten.add(name)
        self._plan.sources.pop(name, None)
        self._plan.seen.discard(name)
        self._leave((name[0], known.record_key))

    def finish(self, failed: Mapping[str, int]) -> RowPlan:
        """The plan, with rows that the worker refused, by object type."""
        for object_type, count in failed.items():
            self._tally[storable_text(object_type), "failed"] += count
        of_type: dict[str, dict[str, int]] = {}
        of_all: Counter[str] = Counter()
        for (object_type, what), count in self._tally.items():
            if count:
                of_type.setdefault(object_type, {})[what] = count
                of_all[what] += count
        self._plan.counts = {object_type: TypeCounts(**counts) for object_type, counts in of_type.items()}
        self._plan.progress = Progress(**of_all)
        self._plan.seen -= self._plan.sources.keys()
        return self._plan

    def _count(self, object_type: str, what: str) -> None:
        self._tally[object_type, what] += 1

    def _refuse(self, row: SourceRow) -> None:
        """A record with the row's key is there, and is not to be touched."""
        is_error = row.on_match is OnMatch.ERROR
        self._count(row.object_type, "failed" if is_error else "skipped")
        self._plan.details.append(
            Detail(
                Severity.ERROR if is_error else Severity.SKIP,
                row.object_type,
                line=0,
                source_key=row.source_key,
                field="",
                reason="a record with this key is there already",
                value=row.record_key,
            )
        )

    def _know(self, name: SourceName, known: KnownSource, *, is_new: bool) -> None:
        """Remember the row as a source of its record."""
        if is_new:
            item = (name[0], known.record_key)
            self._source_counts[item] = self._source_counts.get(item, 0) + 1
        self._sources[name] = self._plan.sources[name] = known
        self._plan.forgotten.discard(name)

    def _leave(self, item: ItemName) -> None:
        """Take one source away from the record, and the record itself if that was the last."""
        self._source_counts[item] = self._source_counts.get(item, 0) - 1
        if self._source_counts[item] <= 0:
            self._write(RecordWrite(*item, frame=None, data_hash=b"", modified_at=self._now))

    def _write(self, write: RecordWrite) -> None:
        """Plan the write if it changes the record, and count what it comes to."""
        item = (write.object_type, write.key)
        stands = self._records.get(item)
        outcome = _outcome(write, stands)
        if outcome is WriteOutcome.UNCHANGED:
            if write.frame is not None:
                self._count(write.object_type, "skipped")
            return
        self._count(write.object_type, outcome.value)
        self._plan.writes.append(write)
        self._revision += 1
        self._records[item] = CurrentRecord(
            self._state.scopes[write.object_type] if stands is None else stands.scope,
            _bucket(write, stands),
            self._revision,
            write.frame,
            write.data_hash,
            created_by=b"",
            written_by=None,
        )


def _bucket(write: RecordWrite, stands: CurrentRecord | None) -> str:
    """Where the record will be."""
    if stands is not None and (write.bucket is None or write.frame is None):
        return stands.bucket
    return write.bucket or ""


def _outcome(write: RecordWrite, stands: CurrentRecord | None) -> WriteOutcome:
    """What a write comes to."""
    live = stands is not None and stands.frame is not None
    if write.frame is None:
        return WriteOutcome.DELETED if live else WriteOutcome.UNCHANGED
    if stands is None or not live:
        return WriteOutcome.INSERTED
    if (stands.data_hash, stands.bucket) == (write.data_hash, _bucket(write, stands)):
        return WriteOutcome.UNCHANGED
    return WriteOutcome.UPDATED
