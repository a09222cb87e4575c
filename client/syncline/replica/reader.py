"""Reads a device file, beside whoever has it open."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from syncline.replica.connection import Connect, check_sqlite_version, open_reader
from syncline.replica.errors import NotAReplica, QueryFailed, translated
from syncline.replica.facts import Facts, read_facts
from syncline.replica.layout import check
from syncline.replica.status import Status, read_status

Parameters = Sequence[object] | Mapping[str, object]


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

    def facts(self) -> Facts:
        """What the file says of itself.

        Raises:
            NotAReplica: there is no such file, or it is something else.
        """
        with self._open() as connection, translated():
            return read_facts(connection)

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
