"""The connector `sql` is one, on SQLite and Postgres."""

from __future__ import annotations

import pytest

from tests.connectors.conformance import ConnectorConformance, Source
from tests.connectors.sql_sources import PostgresNotes, SqliteNotes


class TestSqlConnector(ConnectorConformance):
    @pytest.fixture
    def source(self, sql_notes: SqliteNotes | PostgresNotes) -> Source:
        return sql_notes
