"""`syncline-server import`: files of rows become records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as ProgressBars
from rich.table import Column, Table

from syncline.data.schema import ObjectType
from syncline.data.telemetry import SERVICE_IMPORT
from syncline.server.acts import act_of_operator
from syncline.server.commands.account_store import AccountStore, account_store
from syncline.server.commands.options import Account, Database
from syncline.server.config import load_settings
from syncline.server.environment import now_us
from syncline.server.importing.archives import open_sources
from syncline.server.importing.declaring import target_object_type
from syncline.server.importing.errors import BadLine, ImportRefused, SourceError
from syncline.server.importing.importer import ImportResult, import_source
from syncline.server.importing.progress import Phase, Progress, silent
from syncline.server.importing.sources import Source
from syncline.server.telemetry.traces_setup import tracing
from syncline.telemetry.quiet import quieten_opentelemetry

FilesArgument = Annotated[
    list[Path], typer.Argument(help="CSV (.csv), JSON lines (.jsonl, .ndjson), or zip files of them.", metavar="FILE…")
]
TypeOption = Annotated[str, typer.Option("--type", help="The object type that each row is a record of.")]
KeyOption = Annotated[
    str,
    typer.Option(
        "--key", help="Fields of the primary key, separated by commas; needed if the schema has no such type."
    ),
]
NullOption = Annotated[
    list[str] | None,
    typer.Option("--null", help="A text that means 'absent' in a CSV cell, besides the empty one. May be repeated."),
]
ScopeOption = Annotated[str, typer.Option("--scope", help="The scope for an object type that is inferred.")]
SkipBadOption = Annotated[
    bool, typer.Option("--skip-bad", help="Import the good lines of a file and report the bad ones.")
]

_COUNTS = ("read", "inserted", "updated", "unchanged", "failed")

_console = Console()
_errors = Console(stderr=True)


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("import")(import_files)


def import_files(
    files: FilesArgument,
    kind: TypeOption,
    key: KeyOption = "",
    null: NullOption = None,
    scope: ScopeOption = "main",
    skip_bad: SkipBadOption = False,
    database: Database = None,
    account: Account = None,
) -> None:
    """Import files, each as a whole or not at all.

    A row replaces the whole record with its key; rows that are as the record already is change nothing. An object type
    that the schema lacks is inferred from the rows. Exit code 1 if a file has bad lines; its other lines are
    imported only with --skip-bad.
    """
    nulls = tuple(null or ())
    settings = load_settings(database_url=database, account=account)
    quieten_opentelemetry()
    with (
        tracing(settings, SERVICE_IMPORT, warn=_warn),
        account_store(database=database, account=account) as target,
        _progress_bars() as progress,
    ):
        sources = [source for file in files for source in open_sources(file)]
        names = tuple(name.strip() for name in key.split(",") if name.strip())
        act = act_of_operator("schema.infer", "schema")
        object_type, inferred = target_object_type(
            *target, kind, sources, key=names, scope=scope, nulls=nulls, progress=progress, act=act
        )
        if inferred:
            _print_inferred(object_type)
        results, refused = _import_all(target, object_type, sources, nulls, skip_bad, progress)
    _print_results(results)
    if refused or any(result.failed for result in results):
        raise typer.Exit(1)


def _import_all(
    target: AccountStore,
    object_type: ObjectType,
    sources: Sequence[Source],
    nulls: Sequence[str],
    skip_bad: bool,
    progress: Progress,
) -> tuple[list[ImportResult], bool]:
    """Import one file after the other; True if one was refused. A refused file does not hold up the others."""
    results = []
    refused = False
    for source in sources:
        try:
            result = import_source(
                *target, object_type, source, nulls=nulls, modified_at=now_us(), skip_bad=skip_bad, progress=progress
            )
        except SourceError as error:
            refused = True
            _errors.print(f"error: {error}; nothing of this file was imported", markup=False, soft_wrap=True)
            continue
        except ImportRefused as error:
            refused = True
            _print_bad_lines(error.source, error.bad_lines, error.count)
            _errors.print("nothing of this file was imported; --skip-bad imports its other lines", markup=False)
            continue
        results.append(result)
        _print_bad_lines(result.source, result.bad_lines, result.failed)
    return results, refused


@contextmanager
def _progress_bars() -> Iterator[Progress]:
    """Show one bar for the phase of the file that is being worked on, if there is a terminal to show it on."""
    if not _errors.is_terminal:
        yield silent
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[rows]:,} rows"),
        TimeElapsedColumn(),
    )
    with ProgressBars(*columns, console=_errors, transient=True) as bars:
        task = bars.add_task("", total=None, rows=0)

        def show(phase: Phase, done: int, total: int, rows: int) -> None:
            bars.update(task, description=phase.value, completed=done, total=total, rows=rows)

        yield show


def _warn(text: str) -> None:
    _errors.print(f"warning: {text}", markup=False, highlight=False, soft_wrap=True)


def _print_inferred(object_type: ObjectType) -> None:
    _console.print(
        f"the schema had no object type {object_type.name!r}; inferred from the rows and put into force "
        f"in the scope {object_type.scope!r}:",
        markup=False,
        highlight=False,
    )
    for field in object_type.fields:
        in_key = " (key)" if field.name in object_type.primary_key else ""
        _console.print(f"  {field.name}: {field.type.value}{in_key}", markup=False, highlight=False)


def _print_bad_lines(source: str, bad_lines: Sequence[BadLine], count: int) -> None:
    for bad in bad_lines:
        _errors.print(f"{source}:{bad.line}: {bad.reason}", markup=False, highlight=False, soft_wrap=True)
    if count > len(bad_lines):
        _errors.print(f"{source}: and {count - len(bad_lines):,} more bad lines", markup=False, soft_wrap=True)


def _print_results(results: Sequence[ImportResult]) -> None:
    if not results:
        return
    table = Table("file", *(Column(name, justify="right") for name in _COUNTS))
    for result in results:
        table.add_row(Path(result.source).name, *(f"{getattr(result, name):,}" for name in _COUNTS))
    _console.print(table)
