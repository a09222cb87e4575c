"""`syncline requests`: jobs that move data between connected systems and the account's records."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from syncline.cli.connecting import with_connection
from syncline.cli.enrollment_words import enrollment_id_of
from syncline.cli.following import follow, print_request, status_line, status_word, upload_bar
from syncline.cli.interrupting import interrupts
from syncline.cli.options import JsonLinesOption, ServerOption
from syncline.cli.output import local_datetime, print_json_line, print_line, print_table, right
from syncline.client import ConnectionOptions, OnMatch, SyncOperation, SyncRequest, SyncRequestClient

OPERATIONS = tuple(operation.value for operation in SyncOperation if operation is not SyncOperation.UNKNOWN)

RequestArgument = Annotated[UUID, typer.Argument(metavar="ID", help="The request.", show_default=False)]
EnrollmentArgument = Annotated[
    str, typer.Argument(metavar="ENROLLMENT", help="The connected system: its name or id.", show_default=False)
]
FullOption = Annotated[bool, typer.Option("--full", help="Read all of it, and delete what it no longer has.")]
FullFileOption = Annotated[
    bool, typer.Option("--full", help="The file is all that the source has: delete what it no longer has.")
]
OperationOption = Annotated[
    str, typer.Option("--operation", metavar="|".join(OPERATIONS), help="What to do.", show_default=True)
]
RequestIdOption = Annotated[
    UUID | None,
    typer.Option("--request-id", metavar="UUID", help="Asking again with the same one makes no second request."),
]
WatchOption = Annotated[bool, typer.Option("--watch", help="Show how far it is until it ends.")]
FilterOption = Annotated[
    str, typer.Option("--filter", metavar="TEXT", help="Such as: status = FAILED AND failureCount > 2")
]
OrderOption = Annotated[str, typer.Option("--order-by", metavar="FIELDS", help="Such as: status, createTime DESC")]
LimitOption = Annotated[int, typer.Option("--limit", min=1, help="At most so many.")]
ZipArgument = Annotated[
    Path,
    typer.Argument(
        metavar="FILE.zip",
        exists=True,
        dir_okay=False,
        help="A zip of CSV or JSON-lines files, one for each object type, named for it.",
        show_default=False,
    ),
]
OfOption = Annotated[
    str | None,
    typer.Option("--enrollment", metavar="NAME", help="The connected system that the rows are of. Without it: none."),
]
OnMatchOption = Annotated[
    OnMatch, typer.Option("--on-match", help="What happens to rows whose record is there already.")
]
InferOption = Annotated[
    bool,
    typer.Option(
        "--infer-schema",
        help="Add to the schema what it lacks of the file. The key of a new object type: the column id, or the first.",
    ),
]
NoWaitOption = Annotated[bool, typer.Option("--no-wait", help="End when the server has the file.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    group = typer.Typer(
        name="requests", help="Load data from connected systems and files, and see how it goes.", no_args_is_help=True
    )
    group.command("create")(create)
    group.command("import")(import_file)
    group.command("list")(list_requests)
    group.command("show")(show)
    group.command("watch")(watch)
    group.command("cancel")(cancel)
    group.command("retry")(retry)
    group.command("details")(details)
    app.add_typer(group)


@with_connection
def create(
    enrollment: EnrollmentArgument,
    server: ServerOption,
    full: FullOption = False,
    operation: OperationOption = SyncOperation.READ.value,
    request_id: RequestIdOption = None,
    watching: WatchOption = False,
    as_json: JsonLinesOption = False,
    *,
    connection: ConnectionOptions,
) -> None:
    """Ask for a run of a connected system. With --watch, the status is 1 if it fails or is cancelled."""
    if operation not in OPERATIONS:
        raise typer.BadParameter(f"{operation!r} is none of {', '.join(OPERATIONS)}", param_hint="--operation")
    enrollment_id = enrollment_id_of(enrollment, server, connection)
    with SyncRequestClient(server, **connection) as client, interrupts.stopped_by(client.close):
        made = client.create(enrollment_id, full=full, operation=SyncOperation(operation), request_id=request_id)
        _made(client, made, watching=watching, as_json=as_json)


@with_connection
def import_file(
    file: ZipArgument,
    server: ServerOption,
    enrollment: OfOption = None,
    full: FullFileOption = False,
    on_match: OnMatchOption = OnMatch.UPDATE,
    infer_schema: InferOption = False,
    request_id: RequestIdOption = None,
    no_wait: NoWaitOption = False,
    as_json: JsonLinesOption = False,
    *,
    connection: ConnectionOptions,
) -> None:
    """Upload a file of records and wait until they are loaded. The status is 1 if that fails or is cancelled.

    Rows that do not fit do not stop the others: `syncline requests details` lists them.
    """
    enrollment_id = None
    if enrollment is not None:
        enrollment_id = enrollment_id_of(enrollment, server, connection)
    with SyncRequestClient(server, **connection) as client, interrupts.stopped_by(client.close):
        with upload_bar(wanted=not as_json) as progress:
            made = client.upload(
                file,
                enrollment_id=enrollment_id,
                full=full,
                on_match=on_match,
                infer_schema=infer_schema,
                request_id=request_id,
                progress=progress,
            )
        _made(client, made, watching=not no_wait, as_json=as_json)


@with_connection
def list_requests(
    server: ServerOption,
    where: FilterOption = "",
    order_by: OrderOption = "",
    limit: LimitOption = 50,
    as_json: JsonLinesOption = False,
    *,
    connection: ConnectionOptions,
) -> None:
    """List requests, the newest first."""
    with SyncRequestClient(server, **connection) as client:
        listed = list(islice(client.list(where, order_by=order_by, page_size=min(limit, 500)), limit))
    if as_json:
        for request in listed:
            print_json_line(request)
    elif listed:
        print_table(
            ("made", "request", "status", "operation", "enrollment", right("read"), right("failed"), "message"),
            (
                (
                    local_datetime(request.created_at),
                    request.sync_request_id,
                    status_word(request),
                    request.operation.value + (", full" if request.run_full_sync else ""),
                    request.app_enrollment_id,
                    f"{request.progress.read:,}",
                    f"{request.progress.failed:,}",
                    request.result_message,
                )
                for request in listed
            ),
        )
    else:
        print_line("no requests")


@with_connection
def show(
    sync_request_id: RequestArgument,
    server: ServerOption,
    as_json: JsonLinesOption = False,
    *,
    connection: ConnectionOptions,
) -> None:
    """Show one request, and what came of it if it has ended."""
    with SyncRequestClient(server, **connection) as client:
        request = client.get(sync_request_id)
        if request.status.is_final:
            request = client.get(sync_request_id, details=True)
    if as_json:
        print_json_line(request)
    else:
        print_request(request)


@with_connection
def watch(
    sync_request_id: RequestArgument,
    server: ServerOption,
    as_json: JsonLinesOption = False,
    *,
    connection: ConnectionOptions,
) -> None:
    """Show how far a request is until it ends. The status is 1 if it fails or is cancelled.

    Ctrl-C ends the command; the request goes on.
    """
    with SyncRequestClient(server, **connection) as client, interrupts.stopped_by(client.close):
        follow(client, str(sync_request_id), as_json=as_json)


@with_connection
def cancel(
    sync_request_id: RequestArgument,
    server: ServerOption,
    as_json: JsonLinesOption = False,
    *,
    connection: ConnectionOptions,
) -> None:
    """End a request. One in progress ends when its worker hears of it; what was written stays."""
    with SyncRequestClient(server, **connection) as client:
        _print(client.cancel(sync_request_id), as_json=as_json)


@with_connection
def retry(
    sync_request_id: RequestArgument,
    server: ServerOption,
    request_id: RequestIdOption = None,
    watching: WatchOption = False,
    as_json: JsonLinesOption = False,
    *,
    connection: ConnectionOptions,
) -> None:
    """Do again what a request was to do that failed or was cancelled, as a new request."""
    with SyncRequestClient(server, **connection) as client, interrupts.stopped_by(client.close):
        made = client.retry(sync_request_id, request_id=request_id)
        _made(client, made, watching=watching, as_json=as_json)


@with_connection
def details(
    sync_request_id: RequestArgument,
    server: ServerOption,
    limit: LimitOption = 1_000,
    as_json: JsonLinesOption = False,
    *,
    connection: ConnectionOptions,
) -> None:
    """List the rows that did not simply go through, once the request has ended."""
    with SyncRequestClient(server, **connection) as client:
        listed = list(islice(client.details(sync_request_id), limit))
    if as_json:
        for detail in listed:
            print_json_line(detail)
    elif listed:
        print_table(
            (right("number"), "what", "object type", right("line"), "key", "field", "why", "value"),
            (
                (
                    f"{each.number:,}",
                    each.severity.value,
                    each.object_type,
                    each.line or None,
                    each.source_key,
                    each.field,
                    each.reason,
                    each.value,
                )
                for each in listed
            ),
        )
    else:
        print_line("no details: every row went through")


def _made(client: SyncRequestClient, made: SyncRequest, *, watching: bool, as_json: bool) -> None:
    if watching:
        follow(client, made.sync_request_id, as_json=as_json)
    else:
        _print(made, as_json=as_json)


def _print(request: SyncRequest, *, as_json: bool) -> None:
    if as_json:
        print_json_line(request)
    else:
        print_line(status_line(request))
