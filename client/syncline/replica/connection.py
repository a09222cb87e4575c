"""Opens connections to a device file, and frames transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from syncline.replica.errors import ReplicaVersionMismatch, StorageFailed, translated

Connect = Callable[..., sqlite3.Connection]
"""Opens connections; it takes the arguments of `sqlite3.connect`."""

SQLITE_VERSION_MIN = (3, 38, 0)
"""The first with JSON functions always built in, and `->`."""

BUSY_TIMEOUT_S = 60
"""How long one connection waits for another's transaction: pages and checkpoints for an app's, an app for theirs."""

_PAGE_BYTES = 8192
_CACHE_KIB = 32 * 1024
_CHECKPOINT_PAGES = 10_000
"""80 MB of log. Moving it into the file is what a first sync waits for most; seldom is faster than often."""


def check_sqlite_version() -> None:
    """Refuse a SQLite that lacks what the file needs.

    Raises:
        ReplicaVersionMismatch: it is too old.
    """
    if sqlite3.sqlite_version_info < SQLITE_VERSION_MIN:
        wanted = ".".join(map(str, SQLITE_VERSION_MIN))
        raise ReplicaVersionMismatch(f"SQLite {wanted} or newer is needed; this is {sqlite3.sqlite_version}")


def open_writer(path: Path, connect: Connect) -> sqlite3.Connection:
    """The one connection that writes. A file is not made or changed before its first use."""
    return connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)


def make_durable(connection: sqlite3.Connection) -> None:
    """Let readers read while this connection writes, and let a commit survive a loss of power."""
    connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")  # of effect on a new file only
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")


def open_reader(path: Path, connect: Connect) -> sqlite3.Connection:
    """A connection that cannot write; it sees what is committed. The file must exist."""
    connection = connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    connection.set_authorizer(_refuse_other_files)
    return connection


def _refuse_other_files(action: int, *_: str | None) -> int:
    """A read-only connection may still write another file, by ATTACH or VACUUM INTO, which attaches it, too."""
    return sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_ATTACH else sqlite3.SQLITE_OK


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of it durable when the block ends, or nothing of it.

    Raises:
        StorageFailed: and the other errors that SQLite's turn into.
    """
    with translated():
        try:
            # Inside, since Ctrl-C that comes while this waits for its turn is raised when the transaction has begun.
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def check_in_transaction(connection: sqlite3.Connection) -> None:
    """Refuse to go on after SQLite has ended a transaction by itself, as it does when the disk is full.

    Raises:
        StorageFailed: it has.
    """
    if not connection.in_transaction:
        raise StorageFailed("an earlier error has undone the whole transaction")
