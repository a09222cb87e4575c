"""Bringing a database's tables up to date."""

from __future__ import annotations

from alembic import command
from sqlalchemy import Connection

from syncline.storage.sql.opening import open_database
from syncline.storage.sql.schema_version import migrations, refuse_newer, version_of


def migrate(url: str) -> str:
    """Bring the database to this program's version and answer that version. All of it, or nothing, is done.

    Raises:
        InvalidValue: the URL is not that of a SQLite or Postgres database.
        StoreVersionMismatch: the database is of a newer program.
        StoreUnavailable: the database is not reachable.
    """
    database = open_database(url, durable=True)
    try:
        return database.write(_upgrade)
    finally:
        database.close()


def _upgrade(connection: Connection) -> str:
    refuse_newer(version_of(connection))
    config = migrations()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    return version_of(connection) or ""
