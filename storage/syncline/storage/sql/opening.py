"""From a URL to a database or a store."""

from __future__ import annotations

from syncline.storage.contract import Store
from syncline.storage.errors import InvalidValue
from syncline.storage.sql.database import Database
from syncline.storage.sql.sqlite import SqliteDatabase
from syncline.storage.sql.store import SqlStore


def open_database(url: str, *, durable: bool) -> Database:
    """The database that the URL names, by its scheme.

    Raises:
        InvalidValue: not a URL of SQLite or Postgres.
    """
    scheme = url.partition(":")[0].partition("+")[0]
    if scheme == "sqlite":
        return SqliteDatabase(url, durable=durable)
    if scheme == "postgresql":
        return _postgres(url, durable=durable)
    raise InvalidValue("url", "not a SQLite or Postgres database; write sqlite:///FILE or postgresql://HOST/NAME")


def open_sqlite_store(url: str, *, durable: bool, max_rejections: int) -> Store:
    """Open a store in a SQLite file, such as `sqlite:///syncline.db`. `migrate` makes its tables."""
    return SqlStore(SqliteDatabase(url, durable=durable), max_rejections=max_rejections)


def open_postgres_store(url: str, *, durable: bool, max_rejections: int) -> Store:
    """Open a store in a Postgres database, such as `postgresql://host/name`. `migrate` makes its tables."""
    return SqlStore(_postgres(url, durable=durable), max_rejections=max_rejections)


def _postgres(url: str, *, durable: bool) -> Database:
    try:
        # Here, because psycopg is an extra that SQLite does without.
        from syncline.storage.sql.postgres import PostgresDatabase  # noqa: PLC0415
    except ImportError as missing:
        raise InvalidValue("url", "Postgres needs psycopg; install syncline[postgres]") from missing
    return PostgresDatabase(url, durable=durable)
