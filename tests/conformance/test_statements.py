"""All rows belong to one account: in the keys of the tables, and in every statement (see also conftest.py)."""

from __future__ import annotations

import pytest
from sqlalchemy import Table, UniqueConstraint
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from syncline.storage.sql import api_keys, claiming, scheduling, statistics
from syncline.storage.sql.tables import CROSSING_INDEXES, metadata
from tests.harness.statements import CROSSING_ACCOUNTS, SHARED_TABLES, strays

TABLES = [pytest.param(table, id=table.name) for table in metadata.sorted_tables]
OF_ACCOUNTS = [
    pytest.param(table, id=table.name) for table in metadata.sorted_tables if table.name not in SHARED_TABLES
]


@pytest.mark.parametrize("table", OF_ACCOUNTS)
def test_the_account_leads_every_key_and_index(table: Table) -> None:
    indexes = [index for index in table.indexes if index.name not in CROSSING_INDEXES]
    keys = [list(table.primary_key), *(list(index.columns) for index in indexes)]
    keys += [list(unique.columns) for unique in table.constraints if isinstance(unique, UniqueConstraint)]
    assert all(key[0] is table.c.account_id for key in keys)


@pytest.mark.parametrize("table", TABLES)
def test_nothing_ties_a_table_to_another_or_to_one_server(table: Table) -> None:
    assert not table.foreign_keys
    assert not any(column.identity or column.server_default or column.computed for column in table.c)
    created = str(CreateTable(table).compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]
    assert "SERIAL" not in created


@pytest.mark.parametrize("table", TABLES)
def test_texts_compare_by_code_point_on_postgres(table: Table) -> None:
    created = str(CreateTable(table).compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]
    texts = [line for line in created.splitlines() if " TEXT" in line]
    assert texts
    assert all('COLLATE "C"' in line for line in texts)


def test_only_workers_look_across_accounts_for_what_is_due_and_operators_for_figures() -> None:
    of_workers = {"app_enrollment_next_run_idx", "sync_request_due_idx", "sync_request_lease_idx"}
    assert {"api_key_prefix_idx"} | of_workers == CROSSING_INDEXES
    assert [strays(f"{statement} ") for statement in api_keys.CROSSING_ACCOUNTS] == [["api_key"]]
    assert len(claiming.CROSSING_ACCOUNTS) == 5
    tables = {table for statement in claiming.CROSSING_ACCOUNTS for table in strays(f"{statement} ")}
    assert tables == {"sync_request"}
    assert [strays(f"{statement} ") for statement in scheduling.CROSSING_ACCOUNTS] == [["app_enrollment"]]
    assert all(str(statement).startswith(("SELECT", "WITH")) for statement in statistics.CROSSING_ACCOUNTS)
    assert all(strays(statement) == [] for statement in CROSSING_ACCOUNTS)


@pytest.mark.parametrize(
    ("statement", "tables"),
    [
        ("SELECT record.frame FROM record WHERE record.account_id = ?", []),
        ("SELECT record.frame FROM record WHERE record.scope = ?", ["record"]),
        ("SELECT 1 FROM device JOIN device_bucket ON true WHERE device.account_id = ?", ["device_bucket"]),
        ("INSERT INTO feed (account_id, scope) VALUES (?, ?)", []),
        ("INSERT INTO feed (scope) VALUES (?)", ["feed"]),
        ("UPDATE device SET state=? WHERE device.last_contact < ?", ["device"]),
        ("DELETE FROM session WHERE session.expire_at < ?", ["session"]),
        ("BEGIN IMMEDIATE", []),
    ],
)
def test_a_statement_that_forgets_the_account_is_found(statement: str, tables: list[str]) -> None:
    assert strays(statement) == tables
