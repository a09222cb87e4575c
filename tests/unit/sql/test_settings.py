"""Durability is the default, and weaker settings are asked for."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from syncline.storage.sql.opening import open_database


@pytest.mark.parametrize(("durable", "level"), [(True, 2), (False, 1)])
def test_sqlite_waits_for_the_disk_unless_told(sqlite_url: str, durable: bool, level: int) -> None:
    database = open_database(sqlite_url, durable=durable)

    def setting(name: str) -> object:
        return database.write(lambda connection: connection.execute(text(f"PRAGMA {name}")).scalar_one())

    assert setting("synchronous") == level
    assert setting("journal_mode") == "wal"
    database.close()


@pytest.mark.parametrize(("durable", "level"), [(True, "on"), (False, "off")])
def test_postgres_waits_for_the_disk_unless_told(postgres_url: str, durable: bool, level: str) -> None:
    _check_postgres(postgres_url, durable, level)


def test_a_weak_default_of_the_server_is_not_taken_over(postgres_url: str) -> None:
    database = open_database(postgres_url, durable=True)
    name = postgres_url.rpartition("/")[2]
    database.write(lambda connection: connection.execute(text(f"ALTER DATABASE {name} SET synchronous_commit = 'off'")))
    database.close()
    _check_postgres(postgres_url, True, "on")


def test_a_stronger_default_of_the_server_stays(postgres_url: str) -> None:
    database = open_database(postgres_url, durable=True)
    name = postgres_url.rpartition("/")[2]
    stronger = text(f"ALTER DATABASE {name} SET synchronous_commit = 'remote_apply'")
    database.write(lambda connection: connection.execute(stronger))
    database.close()
    _check_postgres(postgres_url, True, "remote_apply")


def _check_postgres(url: str, durable: bool, level: str) -> None:
    database = open_database(url, durable=durable)
    shown = text("SHOW synchronous_commit")
    assert database.write(lambda connection: connection.execute(shown).scalar_one()) == level
    assert database.read(lambda connection: connection.execute(shown).scalar_one()) == level
    database.close()
