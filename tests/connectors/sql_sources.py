"""Real databases with notes in them, for the connector `sql`."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from syncline.server.requests.connectors.contract import Job
from syncline.server.requests.connectors.sql import SqlConnector
from tests.connectors.conformance import SECRET, Source

SQL = SqlConnector(lambda: [Path("/")])
"""The connector, which opens SQLite files wherever they are."""
_TABLE = "CREATE TABLE notes (id integer PRIMARY KEY, text varchar(100), changed bigint NOT NULL DEFAULT 0)"
_UPSERT = (
    "INSERT INTO notes VALUES ({0}, {0}, {0}) "
    "ON CONFLICT (id) DO UPDATE SET text = excluded.text, changed = excluded.changed"
)


class _SqlNotes(Source):
    connector = SQL
    needed = ("url", "tables")
    tells_changes = True

    def __init__(self, url: str) -> None:
        table = {"table": "notes", "key": ["id"], "cursor": "changed"}
        self.settings: Mapping[str, Any] = {"url": url, "tables": {"notes": table}, "batch_rows": 700}
        self._changes = 0

    def _rows(self, notes: Mapping[int, str]) -> list[tuple[int, str, int]]:
        first, self._changes = self._changes + 1, self._changes + len(notes)
        return [(number, text, first + index) for index, (number, text) in enumerate(notes.items())]


class SqliteNotes(_SqlNotes):
    """Notes in an SQLite file."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"sqlite:///{path}")
        self._path = path
        self.run(_TABLE)

    def run(self, statement: str, *rows: tuple[Any, ...]) -> list[Any]:
        """Run a statement, once or for each of the rows."""
        with closing(sqlite3.connect(self._path)) as database, database:
            if rows:
                database.executemany(statement, rows)
                return []
            return database.execute(statement).fetchall()

    def put(self, notes: Mapping[int, str]) -> None:
        self.run(_UPSERT.format("?"), *self._rows(notes))

    def remove(self, *ids: int) -> None:
        self.run("DELETE FROM notes WHERE id = ?", *((number,) for number in ids))

    def notes(self) -> dict[int, str]:
        return dict(self.run("SELECT id, text FROM notes"))

    def opened(self) -> int:
        links = (link for link in Path("/proc/self/fd").iterdir() if link.is_symlink())
        return sum(1 for link in links if str(link.readlink()).startswith(str(self._path)))

    def broken(self) -> list[Job]:
        job = self.job()
        nowhere = f"sqlite:///{self._path.parent}/none.db"
        return [
            replace(job, settings={**self.settings, "url": nowhere}, secrets={"password": SECRET}),
            replace(job, settings={"url": self.settings["url"], "tables": {"notes": {}}}, secrets={"password": SECRET}),
        ]


class PostgresNotes(_SqlNotes):
    """Notes in a Postgres database."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._url = url
        self.run(_TABLE)

    def run(self, statement: str, *rows: tuple[Any, ...]) -> list[Any]:
        """Run a statement, once or for each of the rows."""
        with psycopg.connect(self._url) as database:
            cursor = database.cursor()
            if rows:
                cursor.executemany(statement.encode(), rows)
                return []
            cursor.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def put(self, notes: Mapping[int, str]) -> None:
        self.run(_UPSERT.format("%s"), *self._rows(notes))

    def remove(self, *ids: int) -> None:
        self.run("DELETE FROM notes WHERE id = %s", *((number,) for number in ids))

    def notes(self) -> dict[int, str]:
        return dict(self.run("SELECT id, text FROM notes"))

    def opened(self) -> int:
        # A server process ends a moment after its client has gone.
        others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        for _ in range(100):
            if not self.run(f"SELECT 1 {others}"):
                return 0
            self.run("SELECT pg_sleep(0.01)")
        return int(self.run(f"SELECT count(*) {others}")[0][0])

    def broken(self) -> list[Job]:
        job = self.job()
        user, _, rest = self._url.removeprefix("postgresql://").partition("@")
        nobody = f"postgresql://nobody:{quote(SECRET, safe='')}@{rest}"
        closed = f"postgresql://{user}@127.0.0.1:1/none"
        return [
            replace(job, settings={"tables": self.settings["tables"]}, secrets={"url": nobody}),
            replace(job, settings={**self.settings, "url": closed}, secrets={"password": SECRET}),
        ]
