"""Postgres passes the conformance suite."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from syncline.storage import Store, open_store
from syncline.storage.conformance import StoreConformance
from tests.harness.postgres import PostgresServer


@pytest.fixture(scope="module")
def store(postgres_server: PostgresServer) -> Iterator[Store]:
    url = postgres_server.create_database()
    store = open_store(url)
    yield store
    store.close()
    postgres_server.drop_database(url)


class TestPostgresStore(StoreConformance):
    pass
