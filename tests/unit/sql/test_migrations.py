"""Migrating, and refusing to serve a database of another version."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, text

from syncline.storage import open_store
from syncline.storage.errors import InvalidValue, StoreUnavailable, StoreVersionMismatch
from syncline.storage.models import Device, DeviceState, Record
from syncline.storage.sql import migrate
from syncline.storage.sql.opening import open_database
from syncline.storage.sql.schema_version import migrations
from syncline.storage.sql.tables import metadata
from tests.harness.postgres import PostgresServer


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    url = server.create_empty_database()
    yield url
    server.drop_database(url)


def test_the_migrated_tables_are_those_of_the_program(store_url: str) -> None:
    # An engine of its own: SQLAlchemy's reflection does not understand Postgres's binary results.
    engine = create_engine(store_url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_migrating_twice_changes_nothing(empty_url: str) -> None:
    assert migrate(empty_url) == migrate(empty_url) == "0008"
    store = open_store(empty_url)
    store.check_version()
    store.close()


def test_a_database_of_the_first_version_keeps_its_rows(empty_url: str) -> None:
    engine = create_engine(empty_url.replace("postgresql:", "postgresql+psycopg:"))
    device_uuid = UUID("01020304-0506-0708-090a-0b0c0d0e0f10")
    with engine.begin() as connection:
        config = migrations()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        insert = {
            "account": "('a', 0)",
            "account_head": "('a', 1, 7)",
            "record": "('a', 'note', 'k', 's', '', 1, 1, :no, :frame, :frame, 5)",
            "device": "('a', :uuid, 'active', 1, 2, 3, 'session', 'client')",
            "device_bucket": "('a', :uuid, '', 4)",
        }
        uuid = device_uuid.hex if engine.dialect.name == "sqlite" else device_uuid
        for table, values in insert.items():
            connection.execute(
                text(f"INSERT INTO {table} VALUES {values}"), {"no": False, "frame": b"frame", "uuid": uuid}
            )
    engine.dispose()
    assert migrate(empty_url) == "0008"
    store = open_store(empty_url)
    store.check_version()
    assert store.get_device("a", device_uuid) == Device(device_uuid, DeviceState.ACTIVE, 1, 2, 3, "session", "client")
    (row,) = store.get_records("a", "note", ["k"])
    assert row == Record("note", "k", "s", "", 1, 1, b"frame", b"frame", 5)
    assert list(store.list_grants("a", device_uuid)) == [""]
    store.close()
    engine = create_engine(empty_url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        options = {"compare_server_default": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []
    engine.dispose()


def test_a_database_without_tables_is_refused(empty_url: str) -> None:
    store = open_store(empty_url)
    with pytest.raises(StoreVersionMismatch, match="syncline-server migrate"):
        store.check_version()
    store.close()


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_a_newer_database_is_refused(store_url: str) -> None:
    database = open_database(store_url, durable=True)
    database.write(lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    database.close()
    store = open_store(store_url)
    with pytest.raises(StoreVersionMismatch, match="upgrade this program"):
        store.check_version()
    store.close()
    with pytest.raises(StoreVersionMismatch, match="upgrade this program"):
        migrate(store_url)


@pytest.mark.parametrize("url", ["mysql://host/name", "nonsense", "sqlite://", "sqlite:///:memory:"])
def test_what_is_no_database_of_ours_is_refused(url: str) -> None:
    with pytest.raises(InvalidValue):
        migrate(url)


def test_an_unreachable_server_is_said_to_be_so() -> None:
    with pytest.raises(StoreUnavailable):
        migrate("postgresql://nobody@127.0.0.1:1/none")


def test_a_folder_that_is_not_there_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        migrate(f"sqlite:///{tmp_path}/missing/store.db")
