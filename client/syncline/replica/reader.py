"""Reads a device file, beside whoever has it open."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from syncline.replica.change_log import ChangeState
from syncline.replica.conflicts import Conflict, read_conflicts
from syncline.replica.connection import Connect, check_sqlite_version, open_reader
from syncline.replica.errors import NotAReplica, QueryFailed, translated
from syncline.replica.facts import Facts, read_facts
from syncline.replica.layout import check, format_version
from syncline.replica.pending import PendingInstances, count_instances, load_instances
from syncline.replica.reading import one_moment
from syncline.replica.status import Status, read_status

Parameters = Sequence[object] | Mapping[str, object]

_WAITING = (ChangeState.PENDING, ChangeState.SENT, ChangeState.DEFERRED, ChangeState.REJECTED)


class ReplicaReader:
    """Reads a device file without locking it: another process may synchronise it meanwhile.

    Every call sees what is committed at that moment. Threads may share it.
    """

    def __init__(self, path: Path, connect: Connect = sqlite3.connect) -> None:
        """Nothing is opened yet."""
        self._path = path
        self._connect = connect

    def query(self, sql: str, parameters: Parameters = ()) -> list[sqlite3.Row]:
        """Run one SELECT statement. Rows give values by position and by name.

        Raises:
            QueryFailed: the statement is wrong, or would write.
            NotAReplica: there is no such file, or it is something else.
        """
        with self._open() as connection:
            connection.row_factory = sqlite3.Row
            try:
                return connection.execute(sql, parameters).fetchall()
            except (sqlite3.Error, sqlite3.Warning, OverflowError, UnicodeError) as error:
                raise QueryFailed(str(error)) from error

    def status(self) -> Status:
        """What the file holds.

        Raises:
            NotAReplica: there is no such file, or it is something else.
        """
        with self._open() as connection, translated():
            return read_status(connection)

    def conflicts(self) -> list[Conflict]:
        """Conflicts of this device's changes, as the server told with their verdicts: the newest first.

        Raises:
            NotAReplica: there is no such file, or it is something else.
        """
        with self._open() as connection, translated():
            # A file of the first format has no local changes.
            return read_conflicts(connection) if format_version(connection) > 1 else []

    def facts(self) -> Facts:
        """What the file says of itself.

        Raises:
            NotAReplica: there is no such file, or it is something else.
        """
        with self._open() as connection, translated():
            return read_facts(connection)

    def pending(self, *, counts_only: bool = False) -> dict[ChangeState, PendingInstances]:
        """The local changes that the server has not taken, by what they wait for; all at one moment.

        Raises:
            NotAReplica: there is no such file, or it is something else.
        """
        read = count_instances if counts_only else load_instances
        with self._open() as connection, translated():
            if format_version(connection) < 2:
                return {}
            with one_moment(connection):
                return {state: read(connection, state) for state in _WAITING}

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        check_sqlite_version()
        if not self._path.is_file():
            raise NotAReplica(f"there is no device file {self._path}; `syncline sync` makes one")
        with translated():
            connection = open_reader(self._path, self._connect)
        with closing(connection):
            with translated():
                check(connection, self._path)
            yield connection
