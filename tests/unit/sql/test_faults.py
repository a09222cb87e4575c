"""What becomes of a database's errors: some are tried again, the rest become ours."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Connection, text

from syncline.data import metrics
from syncline.storage.errors import InvalidValue, StoreUnavailable
from syncline.storage.sql.database import Database
from syncline.storage.sql.opening import open_database
from tests.harness.postgres import PostgresServer


@pytest.fixture
def database(store_url: str) -> Iterator[Database]:
    database = open_database(store_url, durable=False)
    yield database
    database.close()


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[Database]:
    database = open_database(postgres_url, durable=False)
    yield database
    database.close()


def _add(account: str) -> Callable[[Connection], object]:
    return lambda connection: connection.execute(text(f"INSERT INTO account VALUES ('{account}', 0)"))


def _accounts(database: Database) -> int:
    count: int = database.read(lambda connection: connection.execute(text("SELECT count(*) FROM account")).scalar_one())
    return count


def test_what_fails_half_way_did_not_happen(database: Database) -> None:
    def work(connection: Connection) -> None:
        _add("a")(connection)
        connection.execute(text("SELECT nonsense"))

    with pytest.raises(StoreUnavailable, match="nonsense") as raised:
        database.write(work)
    assert raised.value.__cause__ is not None
    assert _accounts(database) == 0


def test_a_rolled_back_work_is_not_committed(database: Database) -> None:
    def work(connection: Connection) -> None:
        _add("a")(connection)
        connection.rollback()

    database.write(work)
    assert _accounts(database) == 0


def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(StoreUnavailable):
        database.read(_add("a"))


def test_a_number_beyond_64_bits_is_an_invalid_value(database: Database) -> None:
    statement = text("INSERT INTO account VALUES ('a', :number)")
    with pytest.raises(InvalidValue):
        database.write(lambda connection: connection.execute(statement, {"number": 2**70}))


def test_a_key_too_long_for_the_index_is_an_invalid_value(postgres: Database) -> None:
    key = "".join(chr(0x4E00 + n * 7919 % 20_000) for n in range(1_024))  # cannot be packed into less
    with pytest.raises(InvalidValue, match="index row size"):
        postgres.write(_add(key))


def test_a_serialization_failure_is_tried_again(postgres: Database) -> None:
    postgres.write(_add("a"))
    tries: list[int] = []

    def work(connection: Connection) -> None:
        connection.execute(text("SELECT * FROM account"))
        tries.append(len(tries))
        if len(tries) == 1:
            postgres.write(lambda other: other.execute(text("UPDATE account SET schema_version = 7")))
        connection.execute(text("UPDATE account SET schema_version = schema_version + 1"))

    postgres.write_in_snapshot(work)
    assert tries == [0, 1]
    version = text("SELECT schema_version FROM account")
    assert postgres.read(lambda connection: connection.execute(version).scalar_one()) == 8


def test_a_deadlock_is_tried_again(postgres: Database) -> None:
    for account in "ab":
        postgres.write(_add(account))
    both_hold_one = threading.Barrier(2)
    first_try = threading.local()

    def work(mine: str, other: str) -> None:
        def update(connection: Connection) -> None:
            for account in (mine, other):
                statement = text("UPDATE account SET schema_version = schema_version + 1 WHERE account_id = :account")
                connection.execute(statement, {"account": account})
                if account == mine and not hasattr(first_try, "done"):
                    first_try.done = True
                    both_hold_one.wait()

        postgres.write(update)

    threads = [threading.Thread(target=work, args=pair) for pair in ("ab", "ba")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    versions = text("SELECT schema_version FROM account")
    assert postgres.read(lambda connection: connection.execute(versions).scalars().all()) == [2, 2]


def test_a_lost_connection_is_replaced(postgres: Database, postgres_server: PostgresServer, postgres_url: str) -> None:
    postgres.write(_add("a"))
    tries: list[int] = []

    def work(connection: Connection) -> None:
        tries.append(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
        if len(tries) == 1:
            postgres_server.cut_connections(postgres_url)
        _add("b")(connection)

    postgres.write(work)
    assert len(tries) == 2
    assert _accounts(postgres) == 2


def test_a_connection_that_is_lost_while_rows_are_copied_is_replaced(
    postgres: Database, postgres_server: PostgresServer, postgres_url: str
) -> None:
    sources = [("note", f"{number}", f"{number}", b"hash", b"image") for number in range(1_000)]
    tries: list[int] = []

    def work(connection: Connection) -> None:
        tries.append(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
        if len(tries) == 1:
            postgres_server.cut_connections(postgres_url)
        postgres.insert_sources(connection, "a", "", sources, seen_by="")

    postgres.write(work)
    assert len(set(tries)) == 2
    count = text("SELECT count(*) FROM record_source")
    assert postgres.read(lambda connection: connection.execute(count).scalar_one()) == len(sources)


def test_what_keeps_failing_is_unavailable_in_the_end(postgres: Database) -> None:
    tries: list[int] = []

    def work(connection: Connection) -> None:
        tries.append(1)
        connection.execute(text("DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$"))

    with pytest.raises(StoreUnavailable, match="again"):
        postgres.write(work)
    assert 2 <= len(tries) <= 20


def test_a_lock_that_was_waited_for_to_the_end_is_not_waited_for_again(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("syncline.storage.sql.sqlite._WAIT_S", 0.05)
    monkeypatch.setattr("syncline.storage.sql.database._PATIENCE_S", 0.05)
    locks: list[str] = []
    monkeypatch.setattr(
        "syncline.storage.sql.sqlite.LOCK_WAIT.record", lambda _seconds, labels: locks.append(labels[metrics.LOCK])
    )
    holder, database = (open_database(sqlite_url, durable=False) for _ in range(2))

    def hold(connection: Connection) -> None:
        _add("a")(connection)
        with pytest.raises(StoreUnavailable, match="locked"):
            database.write(_add("b"))

    holder.write(hold)
    assert locks.count("file") == 2  # the holder's, which had it at once, and the other's
    for each in (holder, database):
        each.close()
