"""The commands of operators, and how they end."""

from __future__ import annotations

import sys

import typer

from syncline.server.commands import (
    account,
    audit,
    certificates,
    config,
    connectors,
    doctor,
    import_files,
    migrate,
    renew_epoch,
    schema,
    secrets,
    serve,
    token,
    worker,
)
from syncline.server.errors import SettingsInvalid
from syncline.storage.errors import StoreError

app = typer.Typer(
    name="syncline-server",
    help="Runs and administers a Syncline server.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (
    serve,
    worker,
    migrate,
    doctor,
    audit,
    account,
    token,
    schema,
    import_files,
    renew_epoch,
    secrets,
    certificates,
    config,
    connectors,
):
    command.register(app)


def run() -> None:
    """Run one command. What an operator can mend ends in one line and a status, 2 for a bad configuration."""
    try:
        app()
    except SettingsInvalid as error:
        _fail(error, status=2)
    except (StoreError, OSError) as error:  # the latter: a disk that is full, for one
        _fail(error, status=1)


def _fail(error: Exception, *, status: int) -> None:
    typer.echo(f"error: {error}", err=True)
    sys.exit(status)
