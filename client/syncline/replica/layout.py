"""The tables that every device file has, and telling a device file from anything else."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from syncline.replica.errors import NotAReplica, ReplicaVersionMismatch

APPLICATION_ID = 0x53594E43
"""`SYNC`: marks the file in SQLite's header, which `file` and others show."""

FORMAT_VERSION = 1
"""Kept as the file's `user_version`. A newer one is refused."""

TABLES = (
    # What the file says of itself; see facts.py.
    "CREATE TABLE syncline_meta (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID",
    # Every row of a base table names the load that brought it. `settled`: the rows that are left of a stale load are
    # known to be refused items, so that no checkpoint need look for others.
    """CREATE TABLE syncline_load (
        load_no INTEGER PRIMARY KEY,
        scope TEXT NOT NULL,
        bucket TEXT NOT NULL,
        load TEXT NOT NULL,
        store_epoch TEXT NOT NULL,
        settled INTEGER NOT NULL DEFAULT 0,
        UNIQUE (scope, bucket, load, store_epoch)
    )""",
    # How far the file has got in each feed. `revision` is for people: the server reads `position`.
    """CREATE TABLE syncline_feed (
        scope TEXT NOT NULL,
        bucket TEXT NOT NULL,
        load_no INTEGER NOT NULL,
        position TEXT NOT NULL,
        revision INTEGER NOT NULL,
        PRIMARY KEY (scope, bucket)
    ) WITHOUT ROWID""",
    # What was received and waits for the checkpoint, in the order of arrival. Without data: delete.
    """CREATE TABLE syncline_staged (
        staged_no INTEGER PRIMARY KEY,
        object_type TEXT NOT NULL,
        key TEXT NOT NULL,
        bucket TEXT NOT NULL,
        revision INTEGER NOT NULL,
        load_no INTEGER NOT NULL,
        data TEXT CHECK (data IS NULL OR json_valid(data) AND data GLOB '{*')
    )""",
    # Items that this device could not take.
    """CREATE TABLE syncline_refused (
        object_type TEXT NOT NULL,
        key TEXT NOT NULL,
        revision INTEGER NOT NULL,
        reason TEXT NOT NULL,
        parked INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (object_type, key)
    ) WITHOUT ROWID""",
)


def is_empty(connection: sqlite3.Connection, path: Path) -> bool:
    """Is nothing in the database yet?

    Raises:
        NotAReplica: it is no SQLite database.
    """
    try:
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
            raise NotAReplica(f"{path} is no SQLite database") from error
        raise
    return not tables


def create(connection: sqlite3.Connection) -> None:
    """Make the tables; to be called inside a transaction."""
    for statement in TABLES:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")


def check(connection: sqlite3.Connection, path: Path) -> None:
    """Check that this is a device file that this version can use.

    Raises:
        NotAReplica: it is something else.
        ReplicaVersionMismatch: a newer version made it.
    """
    if is_empty(connection, path):
        raise NotAReplica(f"{path} is empty; `syncline sync` makes a device file of it")
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application_id != APPLICATION_ID:
        raise NotAReplica(f"{path} is a SQLite database, but no device file of Syncline")
    if version > FORMAT_VERSION:
        raise ReplicaVersionMismatch(
            f"{path} has format {version}; this version knows formats up to {FORMAT_VERSION}. Upgrade syncline."
        )
