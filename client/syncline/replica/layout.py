"""The tables that every device file has, and telling a device file from anything else."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from syncline.replica.errors import NotAReplica, ReplicaVersionMismatch

APPLICATION_ID = 0x53594E43
"""`SYNC`: marks the file in SQLite's header, which `file` and others show."""

FORMAT_VERSION = 3
"""Kept as the file's `user_version`. A newer one is refused, an older one is brought up when opened for writing."""

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

CHANGE_TABLES = (
    # Local writes, in the order made; see change_log.py. Numbers are not used again: `change_no` orders, `change_seq`
    # and `sent` are given when a change is sent. Records are canonical JSON; `edits` is [[name, old, new], …] with
    # values as canonical JSON texts or null.
    """CREATE TABLE syncline_change (
        change_no INTEGER PRIMARY KEY AUTOINCREMENT,
        change_uuid BLOB NOT NULL UNIQUE,
        object_type TEXT NOT NULL,
        key TEXT NOT NULL,
        scope TEXT NOT NULL,
        bucket TEXT NOT NULL,
        operation TEXT NOT NULL CHECK (operation IN ('insert', 'update', 'delete', 'hide')),
        data TEXT,
        edits TEXT,
        deleted_data TEXT,
        transaction_no INTEGER NOT NULL,
        base_revision INTEGER NOT NULL,
        base_epoch TEXT NOT NULL,
        made_at_us INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('deferred', 'pending', 'sent', 'rejected', 'settled', 'hidden')),
        change_seq INTEGER UNIQUE,
        sent BLOB,
        verdict TEXT,
        verdict_revision INTEGER,
        verdict_data TEXT,
        refusal TEXT,
        roll_back INTEGER NOT NULL DEFAULT 0,
        trace_context TEXT
    )""",
    "CREATE INDEX syncline_change_record ON syncline_change (object_type, key, change_no)",
    "CREATE INDEX syncline_change_state ON syncline_change (state, scope, change_no)",
    "CREATE INDEX syncline_change_transaction ON syncline_change (transaction_no)",
    # Conflicts of this device's changes, as the server decided them. The three records are JSON; null: deleted.
    """CREATE TABLE syncline_conflict (
        change_uuid BLOB PRIMARY KEY,
        conflict_id INTEGER NOT NULL,
        object_type TEXT NOT NULL,
        key TEXT NOT NULL,
        operation TEXT NOT NULL,
        policy TEXT NOT NULL,
        verdict TEXT NOT NULL,
        fields TEXT NOT NULL,
        device_data TEXT,
        server_data TEXT,
        result_data TEXT,
        revision INTEGER NOT NULL,
        decided_at_us INTEGER NOT NULL
    ) WITHOUT ROWID""",
    # The head of the newest checkpoint that covered a scope, of the server's present history.
    """CREATE TABLE syncline_checkpoint (
        scope TEXT PRIMARY KEY,
        head_revision INTEGER NOT NULL
    ) WITHOUT ROWID""",
)
"""What format 2 added. `trace_context` is of format 3: the span in which a change was made, if it was sampled."""


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
    for statement in TABLES + CHANGE_TABLES:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")


def format_version(connection: sqlite3.Connection) -> int:
    """The format of a device file. One of format 1 has no tables for local changes."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def upgrade(connection: sqlite3.Connection) -> None:
    """Bring a file to this format, but for the tables of object types; to be called inside a transaction."""
    if format_version(connection) == 1:
        for statement in CHANGE_TABLES:
            connection.execute(statement)
    else:
        connection.execute("ALTER TABLE syncline_change ADD COLUMN trace_context TEXT")
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
    version = format_version(connection)
    if application_id != APPLICATION_ID:
        raise NotAReplica(f"{path} is a SQLite database, but no device file of Syncline")
    if version > FORMAT_VERSION:
        raise ReplicaVersionMismatch(
            f"{path} has format {version}; this version knows formats up to {FORMAT_VERSION}. Upgrade syncline."
        )
