"""Public Singer programs, end to end: a tap reads Postgres into Syncline, a target takes what changed there.

`make e2e` runs it: it installs the programs from the package index, so it is no part of the other tests.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import sql

from examples.flights_data import KEYS, TABLES, table_rows
from syncline.client import EnrollmentClient, SyncOperation, SyncRequest, SyncRequestClient, SyncRequestStatus
from syncline.data.schema import FieldType
from syncline.replica import Replica
from syncline.server.schema.apply_schema import apply_schema
from syncline.server.schema_file import load_schema_file
from syncline.storage import open_store
from tests.harness.postgres import PostgresServer
from tests.harness.server import start_server

ROOT = Path(__file__).parents[2]
TAP = "meltanolabs-tap-postgres"
TARGET = "meltanolabs-target-postgres"
SCHEMA = load_schema_file(ROOT / "examples" / "nycflights13.schema.yaml")
SQL_TYPES: Mapping[FieldType, LiteralString] = {
    FieldType.STRING: "text",
    FieldType.INTEGER: "integer",
    FieldType.NUMBER: "double precision",
    FieldType.TIMESTAMP: "timestamptz",
}
DONE_SECONDS = 1_500.0


@pytest.fixture(scope="session")
def connectors_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs, installed as an operator does it."""
    directory = tmp_path_factory.mktemp("connectors")
    for package in (TAP, TARGET):
        command = [sys.executable, "-m", "syncline.server", "connectors", "install", package]
        subprocess.run(command, env={**os.environ, "SYNCLINE_CONNECTORS_DIR": str(directory)}, check=True)
    return directory


@pytest.mark.timeout(3_600)
def test_a_tap_fills_a_device_and_a_target_takes_what_changed(
    postgres_server: PostgresServer, postgres_url: str, connectors_dir: Path, tmp_path: Path
) -> None:
    source, copy = postgres_server.create_empty_database(), postgres_server.create_empty_database()
    fill_source(source)
    with ExitStack() as stack:
        settings = {
            "connectors_dir": connectors_dir,
            "secret_key": base64.b64encode(os.urandom(32)).decode(),
            "embedded_worker": False,
        }
        server = stack.enter_context(start_server(postgres_url, **settings))
        store = open_store(postgres_url)
        stack.callback(store.close)
        apply_schema(store, "dev", SCHEMA)
        for _ in range(2):
            stack.enter_context(running_worker(postgres_url, settings, tmp_path))
        enrollments = stack.enter_context(EnrollmentClient(server.address))
        requests = stack.enter_context(SyncRequestClient(server.address))
        flights = enrollments.create(
            "flights",
            "singer",
            settings={
                "tap": f"{TAP}/tap-postgres",
                "config": {**login(source), "filter_schemas": ["public"]},
                "streams": {
                    f"public-{table}": {
                        "object_type": table,
                        "replication_key": "changed_at",
                        "leave_out": ["changed_at"],
                    }
                    for table in TABLES
                },
            },
            secrets={"password": "any"},
        )
        loaded = run(requests, flights.app_enrollment_id)
        assert loaded.progress.inserted == sum(TABLES.values()), loaded
        replica = stack.enter_context(Replica.open(tmp_path / "device.db", server.address))
        assert replica.sync().total.received == sum(TABLES.values())
        compare(replica)

        execute(source, "UPDATE airlines SET name = 'Renamed', changed_at = clock_timestamp() WHERE carrier = 'AA'")
        execute(source, "INSERT INTO airlines (carrier, name) VALUES ('XX', 'New')")
        changed = run(requests, flights.app_enrollment_id)
        assert (changed.progress.inserted, changed.progress.updated, changed.progress.deleted) == (1, 1, 0), changed
        assert changed.progress.read < 10, changed
        assert replica.sync().total.received == 2
        names = replica.query("SELECT name FROM airlines WHERE carrier IN ('AA', 'XX') ORDER BY carrier")
        assert [name for (name,) in names] == ["Renamed", "New"]

        out = enrollments.create(
            "copy",
            "singer",
            settings={
                "target": f"{TARGET}/target-postgres",
                "config": {**login(copy), "default_target_schema": "public"},
                "object_types": ["airlines", "airports"],
            },
            secrets={"password": "any"},
        )
        run(requests, out.app_enrollment_id, SyncOperation.WRITE)
        assert rows_of(copy, "SELECT count(*) FROM airports") == [(TABLES["airports"],)]
        assert rows_of(copy, "SELECT count(*) FROM airlines") == [(TABLES["airlines"] + 1,)]
        execute(source, "UPDATE airlines SET name = 'Again', changed_at = clock_timestamp() WHERE carrier = 'AA'")
        run(requests, flights.app_enrollment_id)
        written = run(requests, out.app_enrollment_id, SyncOperation.WRITE)
        assert written.progress.read == 1, written
        assert rows_of(copy, "SELECT name FROM airlines WHERE carrier = 'AA'") == [("Again",)]


def run(client: SyncRequestClient, enrollment_id: str, operation: SyncOperation = SyncOperation.READ) -> SyncRequest:
    """Run a request to its good end."""
    ended = client.wait(client.create(enrollment_id, operation=operation).sync_request_id, timeout_s=DONE_SECONDS)
    assert ended.status is SyncRequestStatus.SUCCESS, ended
    return ended


@contextmanager
def running_worker(url: str, settings: Mapping[str, object], folder: Path) -> Iterator[None]:
    """A worker process."""
    env = {f"SYNCLINE_{name.upper()}": str(value) for name, value in settings.items()}
    command = [sys.executable, "-m", "syncline.server", "worker", "--database", url]
    with (folder / "worker.log").open("ab") as log:
        worker = subprocess.Popen(command, env={**os.environ, **env}, stdout=log, stderr=log)
    try:
        yield
    finally:
        worker.terminate()
        worker.wait(timeout=60)


def fill_source(url: str) -> None:
    """The nycflights13 tables, as a database that knows nothing of Syncline has them."""
    with psycopg.connect(url) as connection:
        for kind in SCHEMA.object_types:
            columns: list[sql.Composable] = [
                sql.SQL("{} {}").format(sql.Identifier(field.name), sql.SQL(SQL_TYPES[field.type]))
                for field in kind.fields
            ]
            columns.append(sql.SQL("changed_at timestamptz NOT NULL DEFAULT clock_timestamp()"))
            columns.append(sql.SQL("PRIMARY KEY ({})").format(sql.SQL(", ").join(map(sql.Identifier, KEYS[kind.name]))))
            table = sql.Identifier(kind.name)
            connection.execute(sql.SQL("CREATE TABLE {} ({})").format(table, sql.SQL(", ").join(columns)))
            names = [field.name for field in kind.fields]
            into = sql.SQL("COPY {} ({}) FROM STDIN").format(table, sql.SQL(", ").join(map(sql.Identifier, names)))
            with connection.cursor().copy(into) as copy:
                for row in table_rows(kind.name):
                    copy.write_row([row[name] for name in names])


def compare(replica: Replica) -> None:
    """Every value of every row on the device is the source's."""
    for kind in SCHEMA.object_types:
        names = [field.name for field in kind.fields]
        keys = [names.index(name) for name in KEYS[kind.name]]
        columns = ", ".join(f'"{name}"' for name in names)
        held = map(tuple, replica.query(f"SELECT {columns} FROM {kind.name}"))
        by_key = {tuple(row[place] for place in keys): row for row in held}
        rows = [tuple(row[name] for name in names) for row in table_rows(kind.name)]
        assert len(by_key) == len(rows)
        for row in rows:
            assert by_key[tuple(row[place] for place in keys)] == row


def login(url: str) -> dict[str, Any]:
    """Where the database is, as the programs are told it."""
    parts = psycopg.conninfo.conninfo_to_dict(url)
    where = {"host": parts["host"], "port": int(str(parts["port"])), "user": parts["user"]}
    return {**where, "database": parts["dbname"]}


def execute(url: str, statement: LiteralString) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


def rows_of(url: str, statement: LiteralString) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(statement).fetchall()
