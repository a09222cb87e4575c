"""Databases full of sync requests that have ended, filled by one statement of SQL for each table."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Final

import psycopg

from bench.workplace import ACCOUNT, StoreName
from syncline.storage.request_models import DETAILS_MAX

DETAILS_MANY: Final = DETAILS_MAX
"""Of the request that `detailed_request_id` names; each other one has a single detail."""

_COUNTS: Final = (
    "failure_count, attempts, rows_read, rows_inserted, rows_updated, rows_deleted, rows_skipped, rows_failed, "
    "bytes_read, estimate, detail_count, details_left_out, batch_number, lease_token, lease_until"
)


def fill_requests(store: StoreName, url: str, requests: int) -> None:
    """Make so many requests in the account, which is there: made one after the other, each tenth of them failed."""
    statements = (
        *(_requests_sql(store, requests), _details_sql(1, requests, request="n", number="1")),
        _details_sql(2, DETAILS_MANY, request=str(requests // 2), number="n"),
    )
    if store == "sqlite":
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file, file:
            for statement in statements:
                file.execute(statement)
        return
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.execute("VACUUM ANALYZE")  # as the server does by itself, some time later


def detailed_request_id(requests: int) -> str:
    """The request in the middle, which has many details."""
    return f"{_ID_BEGINNING}{requests // 2:012}"


_ID_BEGINNING: Final = "00000000-0000-7000-8000-"


def _numbers_sql(first: int, last: int) -> str:
    return f"WITH RECURSIVE number(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM number WHERE n < {last})"


def _id_sql(number: str) -> str:
    return f"'{_ID_BEGINNING}' || substr(CAST({10**12} + {number} AS TEXT), 2)"


def _requests_sql(store: StoreName, requests: int) -> str:
    no_bytes = "x''" if store == "sqlite" else "''::bytea"
    zeros = ", ".join("0" for _ in _COUNTS.split(","))
    return (
        f"INSERT INTO sync_request (account_id, request_id, payload_hash, status, operation, result_message, "
        f"run_full_sync, created_at, modified_at, modified_by, due_at, cancel_asked, cursor, worker, payload_kind, "
        f"payload_state, {_COUNTS}) {_numbers_sql(1, requests)} "
        f"SELECT '{ACCOUNT}', {_id_sql('n')}, {no_bytes}, CASE n % 10 WHEN 0 THEN 'failed' ELSE 'success' END, "
        f"'read', '1 read: 1 inserted', false, n * 1000, n * 1000, 'bench', n * 1000, false, '', '', 'records', "
        f"'gone', {zeros} FROM number"
    )


def _details_sql(first: int, last: int, *, request: str, number: str) -> str:
    return (
        f"INSERT INTO sync_request_detail (account_id, request_id, number, severity, object_type, line, source_key, "
        f"field, reason, value) {_numbers_sql(first, last)} "
        f"SELECT '{ACCOUNT}', {_id_sql(request)}, {number}, 'error', 'item', 1, '', 'price', 'must be a number', 'x' "
        f"FROM number"
    )
