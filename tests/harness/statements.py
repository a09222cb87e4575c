"""The rule that every statement of the core path keeps to one account, as a check of what reaches the driver."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import psycopg

from syncline.storage.sql import accounts, api_keys, claiming, scheduling, statistics
from syncline.storage.sql.tables import metadata

_DIALECTS = (sqlite.dialect(), psycopg.dialect())  # type: ignore[no-untyped-call]
CROSSING_ACCOUNTS = frozenset(
    str(statement.compile(dialect=dialect))
    for module in (accounts, api_keys, claiming, scheduling, statistics)
    for statement in module.CROSSING_ACCOUNTS
    for dialect in _DIALECTS
)
"""Statements that may look across accounts, as they reach the driver: for API keys, sweeps, workers and figures."""

SHARED_TABLES = frozenset({"server_secret"})
"""Tables whose rows belong to no account."""

_OUTSIDE = re.compile(
    r"\s*(BEGIN|PRAGMA|CREATE|DROP|ALTER)\b|.*\b(alembic_version\b|_alembic_tmp_)|(SELECT|select) pg_catalog\.",
    re.DOTALL,
)
"""What is not of the core path: transactions, settings and migrations."""

_USE = re.compile(r"\b(?:FROM|JOIN|UPDATE|INTO)\s+(\w+)\b")


def strays(statement: str) -> list[str]:
    """The tables that the statement uses without keeping to one account."""
    if _OUTSIDE.match(statement) or statement in CROSSING_ACCOUNTS:
        return []
    used = set(_USE.findall(statement)) & metadata.tables.keys() - SHARED_TABLES
    return sorted(table for table in used if not _keeps_to_account(statement, table))


def _keeps_to_account(statement: str, table: str) -> bool:
    inserts = re.search(rf"\bINSERT INTO {table} \(account_id,", statement)
    filters = re.search(rf"\b{table}\.account_id = ", statement)
    return bool(inserts or filters)


@contextmanager
def watched_statements() -> Iterator[set[str]]:
    """Collect every statement that any engine of this process sends while the block lasts."""
    statements: set[str] = set()

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.add(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", note)
