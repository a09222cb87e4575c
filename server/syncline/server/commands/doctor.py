"""`syncline-server doctor`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from syncline.server.commands.options import Database
from syncline.server.config import Settings, load_settings
from syncline.server.doctor.database import look_at_database
from syncline.server.doctor.extensions import look_at_extensions
from syncline.server.doctor.findings import Finding, State
from syncline.server.doctor.machine import look_at_machine
from syncline.server.doctor.secrets import look_at_secrets
from syncline.server.errors import SettingsInvalid


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(doctor)


def doctor(
    database: Database = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON document on each line instead.")] = False,
) -> None:
    """Look at everything that a server needs, by its settings; exit code 1 if something fails. Changes nothing."""
    findings = list(_look(database))
    if as_json:
        for finding in findings:
            typer.echo(json.dumps(asdict(finding)))
    else:
        table = Table(box=None, pad_edge=False)
        for column in ("what", "state", "found", "what to do"):
            table.add_column(column, overflow="fold")
        for finding in findings:
            table.add_row(finding.subject, finding.state.value, finding.found, finding.advice)
        Console(markup=False, highlight=False, soft_wrap=True).print(table)
    if any(finding.state is State.FAIL for finding in findings):
        raise typer.Exit(1)


def _look(database: str | None) -> Iterator[Finding]:
    try:
        settings = load_settings(database_url=database)
    except SettingsInvalid as error:
        yield Finding("settings", State.FAIL, str(error), "`syncline-server config` lists them")
        return
    yield Finding("settings", State.OK, _mode(settings))
    yield from look_at_database(settings)
    yield from look_at_secrets(settings)
    yield from look_at_extensions()
    yield from look_at_machine(settings)


def _mode(settings: Settings) -> str:
    return f"each keeps its rule; services: {settings.services.value}"
