"""The stores on SQLite and Postgres: one set of tables and queries, differing only where the databases do."""

from __future__ import annotations

from syncline.storage.sql.migrating import migrate
from syncline.storage.sql.opening import open_postgres_store, open_sqlite_store
from syncline.storage.sql.store import SqlStore

__all__ = ["SqlStore", "migrate", "open_postgres_store", "open_sqlite_store"]
