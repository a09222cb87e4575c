"""The store and account that a command works on, and how faults of its input are told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import NamedTuple

import typer

from syncline.data.errors import DataError
from syncline.server.acts import act_of_operator
from syncline.server.config import load_settings
from syncline.server.errors import SchemaChangeRefused
from syncline.server.importing.errors import SourceError
from syncline.server.opening import is_new_sqlite_file, open_settings_store
from syncline.server.schema_file import SchemaFileError
from syncline.storage import Store
from syncline.storage.sql.migrating import migrate


class AccountStore(NamedTuple):
    """An open store and the account to work on."""

    store: Store
    account_id: str


@contextmanager
def account_store(*, database: str | None, account: str | None) -> Iterator[AccountStore]:
    """Open the store with the account in it; a new SQLite file is created.

    What is wrong with the files that the command was given is told on stderr, and ends it with exit code 1.
    """
    settings = load_settings(database_url=database, account=account)
    if is_new_sqlite_file(settings.database_url):
        migrate(settings.database_url)
    with closing(open_settings_store(settings)) as store:
        store.create_account(settings.account, act=act_of_operator("account.create", settings.account))
        try:
            yield AccountStore(store, settings.account)
        except (DataError, SchemaFileError, SourceError, SchemaChangeRefused) as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(1) from error
