"""Shows a sync request until it ends, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from rich.progress import BarColumn, DownloadColumn, SpinnerColumn, TextColumn, TimeElapsedColumn, TransferSpeedColumn
from rich.progress import Progress as Bars

from syncline.cli.output import local_datetime, messages, print_json_line, print_line, print_table, right
from syncline.client import SyncProgress, SyncRequest, SyncRequestClient, SyncRequestStatus

_COUNTS = ("inserted", "updated", "deleted", "skipped", "failed")


def follow(client: SyncRequestClient, sync_request_id: str, *, as_json: bool) -> None:
    """Show how far the request is until it ends, then what came of it.

    Raises:
        typer.Exit: with status 1, if it failed or was cancelled.
    """
    with _request_bar(wanted=not as_json) as show:
        for request in client.watch(sync_request_id):
            if request.status.is_final:
                break  # it is shown below, with what came of it
            if as_json:
                print_json_line(request)
            elif show is not None:
                show(request)
            else:
                print_line(status_line(request))
    ended = client.get(sync_request_id, details=True)
    if as_json:
        print_json_line(ended)
    else:
        print_request(ended)
    if ended.status is not SyncRequestStatus.SUCCESS:
        raise typer.Exit(1)


def status_line(request: SyncRequest) -> str:
    """Where a request stands, on one line."""
    parts = [f"{request.sync_request_id} {status_word(request)}"]
    if request.progress != SyncProgress():
        parts.append(_counts(request))
    if request.result_message:
        parts.append(request.result_message)
    return ": ".join(parts)


def status_word(request: SyncRequest) -> str:
    """The status, for people."""
    word = request.status.value.replace("_", " ")
    return f"{word}, to be cancelled" if request.cancel_asked and not request.status.is_final else word


def print_request(request: SyncRequest) -> None:
    """Print all of a request."""
    facts = {
        "request": request.sync_request_id,
        "status": status_word(request),
        "message": request.result_message,
        "operation": request.operation.value + (", full" if request.run_full_sync else ""),
        "enrollment": request.app_enrollment_id,
        "batch": f"{request.current_batch} of {request.total_batches}" if request.current_batch else "",
        "batches": "" if request.current_batch else request.total_batches,
        "parent": request.parent_sync_request_id,
        "retry of": request.retry_of,
        "failures": request.failure_count,
        "made": local_datetime(request.created_at),
        "changed": f"{local_datetime(request.modified_at)} by {request.modified_by}",
        "due": "" if request.status.is_final or request.due_at is None else local_datetime(request.due_at),
        "rows": _counts(request),
    }
    for name, fact in facts.items():
        if fact:
            print_line(f"{name:<12}{fact}")
    if request.details is None:
        return
    if request.details.object_types:
        print_table(
            ("object type", *map(right, _COUNTS)),
            (
                (object_type, *(f"{getattr(counts, name):,}" for name in _COUNTS))
                for object_type, counts in request.details.object_types.items()
            ),
        )
    if request.details.detail_count:
        left_out = request.details.details_left_out
        print_line(
            f"{request.details.detail_count:,} did not simply go through"
            + (f", and {left_out:,} more of which only the number is kept" if left_out else "")
            + f": syncline requests details {request.sync_request_id}"
        )
    for batch in request.details.batch_sync_request_ids:
        print_line(f"{'has batch':<12}{batch}")


@contextmanager
def upload_bar(*, wanted: bool) -> Iterator[Callable[[int, int], None] | None]:
    """Show how far an upload is while the block runs; None if that is not wanted, or without a terminal."""
    if not (wanted and messages.is_terminal):
        yield None
        return
    columns = (SpinnerColumn(), TextColumn("upload"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Bars(*columns, console=messages, transient=True) as bars:
        task = bars.add_task("", total=None)
        yield lambda sent, size: bars.update(task, completed=sent, total=size)


@contextmanager
def _request_bar(*, wanted: bool) -> Iterator[Callable[[SyncRequest], None] | None]:
    if not (wanted and messages.is_terminal):
        yield None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[counts]}"))
    with Bars(*columns, TimeElapsedColumn(), console=messages, transient=True) as bars:
        task = bars.add_task("", total=None, counts="")

        def show(request: SyncRequest) -> None:
            progress = request.progress
            bars.update(
                task,
                description=status_word(request),
                completed=progress.read,
                total=max(progress.estimate, progress.read) if progress.estimate else None,
                counts=_counts(request),
            )

        yield show


def _counts(request: SyncRequest) -> str:
    progress = request.progress
    # How many there are is a guess until all are read.
    of_all = f" of about {progress.estimate:,}" if progress.estimate and not request.status.is_final else ""
    counts = (f"{getattr(progress, name):,} {name}" for name in _COUNTS if getattr(progress, name))
    return ", ".join((f"{progress.read:,}{of_all} read", *counts))
