"""Importing one file into one object type.

All or nothing: the file is checked to its end before its first row is written, and a bad line refuses all of it, unless
bad lines are to be skipped. Writing then goes in batches, each of which is one transaction; if the database fails
in between, importing the file again goes on where it stopped, because unchanged rows are skipped by the hash of their
content. A row is the whole record: fields that it lacks are absent afterwards. Records that the file does not have
stay as they are.

A key that comes twice in one file is a bad line, because nobody can know which of the two rows is meant, and it is
the mark of a primary key that was chosen too short.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from opentelemetry import trace

from syncline.data import telemetry
from syncline.data.errors import DataError
from syncline.data.schema import ObjectType
from syncline.server.importing.conversion import row_converter
from syncline.server.importing.errors import BadLine, ImportRefused
from syncline.server.importing.key_digests import KeyDigests
from syncline.server.importing.limits import BAD_LINES_KEPT, BATCH_ROWS
from syncline.server.importing.progress import PROGRESS_ROWS, Phase, Progress, silent
from syncline.server.importing.sources import Source
from syncline.server.importing.spool import WriteSpool
from syncline.server.records import RecordEncoder
from syncline.storage import Store
from syncline.storage.models import WriteOutcome

_tracer = trace.get_tracer(telemetry.SCOPE)


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What importing one file came to."""

    source: str
    read: int
    """Rows of the file, bad ones included."""
    inserted: int
    updated: int
    unchanged: int
    failed: int
    """Bad lines that were skipped."""
    bad_lines: tuple[BadLine, ...]
    """The first of them."""


def import_source(
    store: Store,
    account_id: str,
    object_type: ObjectType,
    source: Source,
    *,
    nulls: Collection[str] = (),
    modified_at: int,
    skip_bad: bool = False,
    progress: Progress = silent,
) -> ImportResult:
    """Import one file.

    Args:
        store: where to.
        account_id: whose records they become.
        object_type: what a row is; it is in the account's schema and has a primary key.
        source: the file.
        nulls: texts that mean "absent" in a text source, besides the empty one.
        modified_at: when the records changed, in microseconds since the Unix epoch.
        skip_bad: import the good lines, and report the bad ones.
        progress: is told how far it has got.

    Raises:
        SourceError: the file cannot be read to its end, or its columns do not fit; nothing is written.
        ImportRefused: it has bad lines; nothing is written.
        StoreError: the store failed. Batches before this one are written.
    """
    with (
        _tracer.start_as_current_span(
            telemetry.SPAN_IMPORT, record_exception=False, set_status_on_exception=False
        ) as span,
        _told_failure(span),
        WriteSpool(object_type.name, modified_at) as spool,
    ):
        bad = _check(object_type, source, nulls, modified_at, spool, progress)
        if bad.count and not skip_bad:
            raise ImportRefused(source.name, tuple(bad.first), bad.count)
        outcomes = _write(store, account_id, spool, progress)
        span.set_attributes(_counts(spool.count + bad.count, outcomes) | {telemetry.ROWS_FAILED: bad.count})
        return ImportResult(
            source=source.name,
            read=spool.count + bad.count,
            inserted=outcomes[WriteOutcome.INSERTED],
            updated=outcomes[WriteOutcome.UPDATED],
            unchanged=outcomes[WriteOutcome.UNCHANGED],
            failed=bad.count,
            bad_lines=tuple(bad.first),
        )


@dataclass(slots=True)
class _BadLines:
    first: list[BadLine] = field(default_factory=list)
    count: int = 0

    def add(self, bad: BadLine) -> None:
        self.count += 1
        if len(self.first) < BAD_LINES_KEPT:
            self.first.append(bad)


def _check(
    object_type: ObjectType,
    source: Source,
    nulls: Collection[str],
    modified_at: int,
    spool: WriteSpool,
    progress: Progress,
) -> _BadLines:
    """Read the file to its end: what can be written goes to the spool, the bad lines come back."""
    convert = row_converter(object_type, source, nulls)
    encoder = RecordEncoder(object_type)
    bad = _BadLines()
    seen = KeyDigests()
    for row in source.read():
        if isinstance(row, BadLine):
            bad.add(row)
            continue
        try:
            record = encoder.encode(convert(row.values), modified_at=modified_at)
        except DataError as error:
            bad.add(BadLine(row.line, str(error)))
            continue
        if not seen.add(record.key):
            bad.add(BadLine(row.line, f"an earlier line has the same key {record.key!r:.200}"))
            continue
        spool.add(record)
        if spool.count % PROGRESS_ROWS == 0:
            progress(Phase.CHECKING, source.bytes_read, source.size_bytes, spool.count + bad.count)
    progress(Phase.CHECKING, source.size_bytes, source.size_bytes, spool.count + bad.count)
    return bad


def _write(store: Store, account_id: str, spool: WriteSpool, progress: Progress) -> Counter[WriteOutcome]:
    outcomes: Counter[WriteOutcome] = Counter()
    done = 0
    for batch in spool.batches(BATCH_ROWS):
        with _tracer.start_as_current_span(
            telemetry.SPAN_BATCH, record_exception=False, set_status_on_exception=False
        ) as span:
            written = Counter(store.write_records(account_id, batch).outcomes)
            span.set_attributes(_counts(len(batch), written))
        outcomes.update(written)
        done += len(batch)
        progress(Phase.WRITING, done, spool.count, done)
    return outcomes


@contextmanager
def _told_failure(span: trace.Span) -> Iterator[None]:
    """Say in the span if the block fails: as what, never with which words."""
    try:
        yield
    except Exception as error:
        span.set_attribute(telemetry.ERROR_TYPE, type(error).__qualname__)
        span.set_status(trace.StatusCode.ERROR)
        raise


def _counts(read: int, outcomes: Counter[WriteOutcome]) -> dict[str, int]:
    """What became of so many rows, as attributes of a span."""
    return {
        telemetry.ROWS_READ: read,
        telemetry.ROWS_WRITTEN: outcomes[WriteOutcome.INSERTED] + outcomes[WriteOutcome.UPDATED],
        telemetry.ROWS_SKIPPED: outcomes[WriteOutcome.UNCHANGED],
    }
