"""`syncline-server audit`: what was done to an account."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from syncline.server.commands.options import Account, Database
from syncline.server.config import load_settings
from syncline.server.opening import open_settings_store
from syncline.storage import Store
from syncline.storage.audit_models import AuditEntry, AuditFilter

_PAGE = 500

TimeOption = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="In UTC.", show_default=False)
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("audit")(audit)


def audit(
    account: Account = None,
    database: Database = None,
    since: TimeOption = None,
    until: TimeOption = None,
    action: Annotated[
        str | None,
        typer.Option(metavar="ACTION", help="Only this one; with a dot at its end, all that begin with it: device."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON document on each line instead.")] = False,
) -> None:
    """Show what was done to an account, and by whom: the newest first."""
    settings = load_settings(database_url=database, account=account)
    wanted = AuditFilter(since=_microseconds(since), until=_microseconds(until), action=action)
    with closing(open_settings_store(settings)) as store:
        entries = list(_entries(store, settings.account, wanted, limit))
    if as_json:
        for entry in entries:
            typer.echo(json.dumps(_document(entry), ensure_ascii=False))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("time", "principal", "credential", "action", "subject", "outcome", "details"):
        table.add_column(column, overflow="fold")
    for entry in entries:
        table.add_row(*(_text(value) for value in _document(entry).values()))
    Console(markup=False, highlight=False, soft_wrap=True).print(table)


def _entries(store: Store, account_id: str, wanted: AuditFilter, limit: int) -> Iterator[AuditEntry]:
    before = None
    while limit > 0:
        page = store.list_acts(account_id, wanted, before=before, limit=min(limit, _PAGE))
        if not page:
            return
        yield from page
        limit -= len(page)
        before = page[-1].place


def _document(entry: AuditEntry) -> dict[str, object]:
    act = entry.act
    return {
        "time": datetime.fromtimestamp(act.happened_at / 1e6, UTC).isoformat(timespec="seconds"),
        "principal": act.principal,
        "credential": act.credential,
        "action": act.action,
        "subject": act.subject,
        "outcome": act.outcome,
        "details": dict(act.details),
    }


def _text(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(f"{name}={text}" for name, text in value.items())
    return str(value)


def _microseconds(time: datetime | None) -> int | None:
    return None if time is None else int(time.replace(tzinfo=UTC).timestamp() * 1_000_000)
