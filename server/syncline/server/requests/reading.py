"""READ: the connector's rows become records, one transaction for each batch of them."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import replace

from syncline.server.requests.attempt import Attempt, RunFailed
from syncline.server.requests.connectors.contract import Incoming
from syncline.server.requests.reading_ahead import ReadAhead
from syncline.server.requests.result_messages import counts_message, written_message
from syncline.server.requests.room import check_room
from syncline.server.requests.rows import ReadRows, RowReader
from syncline.server.requests.run_settings import RunSettings
from syncline.server.requests.sweeping import FullRun, sweep
from syncline.storage.request_models import Progress


def read(attempt: Attempt) -> str:
    """Read to the end, and after a full run delete what the source no longer has; answers the result message.

    Raises:
        ConnectorError: the rest cannot be read.
        RunFailed: too many rows fail, or would be deleted, or the account may not have so many records.
        RunStopped: the run is to end early. What was written stays.
        LeaseLost: somebody else has the request.
    """
    held = attempt.held
    # The store is waited for most of the time that it writes; what is written next is read meanwhile.
    with closing(ReadAhead(lambda unwanted: _batches(attempt, unwanted))) as batches:
        for incoming, rows in batches:
            _write(attempt, incoming, rows)
            held.check()
    held.check()  # a connector that is told to stop may simply end
    full = FullRun(attempt.store, held, attempt.request, attempt.schema, attempt.settings)
    note = sweep(full) if attempt.request.run_full_sync else ""
    return counts_message(held.progress) + note


def _batches(attempt: Attempt, unwanted: Callable[[], bool]) -> Generator[tuple[Incoming, ReadRows]]:
    """What the connector gives, and what its rows come to."""
    held, reader = attempt.held, RowReader(attempt.schema)
    job = replace(attempt.job, stopped=lambda: held.stopped() or unwanted())
    batches = attempt.connector.read(job)
    try:
        for incoming in batches:
            yield incoming, reader.read_all(incoming.rows, incoming.bad_rows)
    finally:
        # Not every iterator is a generator, and one that is left open would hold its files or its process.
        close = getattr(batches, "close", None)
        if close is not None:
            close()


def _write(attempt: Attempt, incoming: Incoming, rows: ReadRows) -> None:
    held, limits = attempt.held, attempt.limits
    check_room(attempt, rows.rows)
    inserted = held.progress.inserted
    held.write(
        rows,
        cursor=incoming.cursor,
        read=len(incoming.rows) + len(incoming.bad_rows),
        bytes_read=incoming.bytes_read,
        estimate=incoming.estimate,
    )
    limits.note_new(attempt.account_id, held.progress.inserted - inserted)
    check_failed(held.progress, attempt.settings)


def check_failed(progress: Progress, settings: RunSettings) -> None:
    """Raise `RunFailed` if more rows have failed than `error_limit` allows."""
    if progress.failed > settings.error_limit:
        why = f"{progress.failed:,} rows failed, more than error_limit allows: {settings.error_limit:,}"
        raise RunFailed(written_message(why, progress))
