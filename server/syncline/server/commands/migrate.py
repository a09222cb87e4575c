"""`syncline-server migrate`."""

from __future__ import annotations

import typer

from syncline.server.commands.options import Database
from syncline.server.config import load_settings
from syncline.storage.sql.migrating import migrate


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("migrate")(migrate_database)


def migrate_database(database: Database = None) -> None:
    """Bring the database's tables to this program's version. Repeating it does no harm."""
    version = migrate(load_settings(database_url=database).database_url)
    typer.echo(f"the database is at version {version}")
