"""`syncline-server account`: the accounts of a store."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

import typer

from syncline.server.commands.account_store import account_store
from syncline.server.commands.options import Database
from syncline.server.config import load_settings
from syncline.server.errors import SettingsInvalid
from syncline.server.opening import open_settings_store

_CHARS_MAX = 100


def register(app: typer.Typer) -> None:
    """Add the command group to the program."""
    group = typer.Typer(no_args_is_help=True, help="Make and list accounts.")
    group.command("create")(create)
    group.command("list")(list_accounts)
    app.add_typer(group, name="account")


def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The account, as tokens name it.")],
    database: Database = None,
) -> None:
    """Make an account, empty. One that is there stays as it is. A new SQLite file is created."""
    if not 0 < len(name) <= _CHARS_MAX or not name.isprintable():
        raise SettingsInvalid(f"the name of an account has 1 to {_CHARS_MAX} characters that can be printed")
    with account_store(database=database, account=name):
        typer.echo(f"account {name}")


def list_accounts(database: Database = None) -> None:
    """List the accounts, a line each."""
    with closing(open_settings_store(load_settings(database_url=database))) as store:
        for name in store.list_accounts():
            typer.echo(name)
