"""Databases and folders for one run. All of it goes when the run ends."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from uuid import uuid4

from rich.console import Console

from bench.records import ITEMS, item_writes
from syncline.data.schema import Schema
from syncline.storage import open_store
from syncline.storage.models import RecordWrite
from syncline.storage.sql.migrating import migrate
from tests.harness.postgres import PostgresServer, running_postgres

StoreName = Literal["sqlite", "postgresql"]

STORES: tuple[StoreName, ...] = ("sqlite", "postgresql")

ACCOUNT = "dev"
"""The account that a server in development mode serves."""

_BATCH = 5_000


class Workplace:
    """Where the benchmarks of one run work. Databases are as durable as a server's are by default."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._cleanup = ExitStack()
        self._folder = Path(tempfile.mkdtemp(prefix="syncline-bench-"))
        self._cleanup.callback(shutil.rmtree, self._folder, ignore_errors=True)
        self._postgres: PostgresServer | None = None
        self._filled: dict[tuple[StoreName, int], str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._cleanup.close()

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Show what is being done for as long as it lasts."""
        with self._console.status(what):
            yield

    def new_folder(self) -> Path:
        """An empty folder."""
        return Path(tempfile.mkdtemp(dir=self._folder))

    def new_database(self, store: StoreName) -> str:
        """The URL of an empty, migrated database. The Postgres server is started for the first that needs it."""
        if store == "sqlite":
            url = f"sqlite:///{self._folder}/{uuid4().hex}.db"
            migrate(url)
            return url
        if self._postgres is None:
            with self.step("starting Postgres"):
                self._postgres = self._cleanup.enter_context(running_postgres())
        return self._postgres.create_database()

    def filled_database(self, store: StoreName, items: int) -> str:
        """The URL of a database whose account holds so many items; made once in a run, not to be changed."""
        if (store, items) not in self._filled:
            url = self.new_database(store)
            self.fill(url, ITEMS, item_writes(items))
            self._filled[store, items] = url
        return self._filled[store, items]

    def fill(self, url: str, schema: Schema, writes: Iterable[RecordWrite]) -> None:
        """Create the account in the database, with this schema and these records."""
        store = open_store(url, durable=False)  # nothing is measured here
        try:
            store.create_account(ACCOUNT)
            store.write_schema(ACCOUNT, schema, expected_version=0)
            done = 0
            remaining = iter(writes)
            with self._console.status("loading records") as status:
                while batch := list(islice(remaining, _BATCH)):
                    store.write_records(ACCOUNT, batch)
                    done += len(batch)
                    status.update(f"loading records into {url.partition(':')[0]}: {done:,}")
        finally:
            store.close()
