"""What is counted of a database: waits for connections and for the right to write, transactions tried again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, text

from syncline.data import metrics
from syncline.storage.errors import StoreUnavailable
from syncline.storage.sql.database import Database
from syncline.storage.sql.opening import open_database
from syncline.storage.sql.turns import Turns
from tests.harness.metrics import Metrics, recorded_metrics


@pytest.fixture
def counted() -> Iterator[Metrics]:
    with recorded_metrics() as counted:
        yield counted


@pytest.fixture
def database(store_url: str) -> Iterator[Database]:
    database = open_database(store_url, durable=False)
    yield database
    database.close()


def _look(connection: Connection) -> None:
    connection.execute(text("SELECT * FROM account"))


def test_each_transaction_tells_how_long_it_waited_for_a_connection(database: Database, counted: Metrics) -> None:
    database.read(_look)
    database.write(_look)
    database.write_in_snapshot(_look)
    assert counted.counts(metrics.STORE_CONNECTION_WAIT) == {(): 3}


def test_a_connection_that_is_not_had_was_waited_for(counted: Metrics) -> None:
    database = open_database("postgresql://nobody@127.0.0.1:1/none", durable=False)
    with pytest.raises(StoreUnavailable):
        database.read(_look)
    database.close()
    assert counted.counts(metrics.STORE_CONNECTION_WAIT) == {(): 1}


def test_a_writer_of_sqlite_waits_for_its_turn_and_for_the_file(sqlite_url: str, counted: Metrics) -> None:
    database = open_database(sqlite_url, durable=False)
    database.read(_look)
    assert counted.counts(metrics.STORE_LOCK_WAIT) == {}
    database.write(_look)
    database.write_in_snapshot(_look)
    database.close()
    assert counted.counts(metrics.STORE_LOCK_WAIT) == {("process",): 2, ("file",): 2}


def test_a_turn_that_does_not_come_was_waited_for(counted: Metrics) -> None:
    turns = Turns(wait_s_max=0.01)
    with turns.turn(), pytest.raises(StoreUnavailable), turns.turn():
        pass
    assert counted.counts(metrics.STORE_LOCK_WAIT) == {("process",): 2}
    assert counted.sum(metrics.STORE_LOCK_WAIT) >= 0.01


def test_a_transaction_that_is_tried_again_counts_by_its_fault(postgres_url: str, counted: Metrics) -> None:
    database = open_database(postgres_url, durable=False)
    tries: list[int] = []

    def work(connection: Connection) -> None:
        tries.append(1)
        if len(tries) == 1:
            connection.execute(text("DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$"))
        if len(tries) == 2:
            connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    database.write(work)
    database.close()
    assert counted.counts(metrics.STORE_RETRIES) == {("SerializationFailure",): 1, ("AdminShutdown",): 1}
    assert counted.counts(metrics.STORE_CONNECTION_WAIT) == {(): 3}
