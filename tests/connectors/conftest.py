"""Databases with notes in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.connectors.sql_sources import PostgresNotes, SqliteNotes
from tests.harness.postgres import PostgresServer


@pytest.fixture
def sqlite_notes(tmp_path: Path) -> SqliteNotes:
    return SqliteNotes(tmp_path / "notes.db")


@pytest.fixture
def postgres_notes(postgres_server: PostgresServer) -> Iterator[PostgresNotes]:
    url = postgres_server.create_empty_database()
    yield PostgresNotes(url)
    postgres_server.drop_database(url)


@pytest.fixture(params=["sqlite", "postgres"])
def sql_notes(request: pytest.FixtureRequest) -> SqliteNotes | PostgresNotes:
    notes: SqliteNotes | PostgresNotes = request.getfixturevalue(f"{request.param}_notes")
    return notes
