"""All that a store has of an account, to see that nothing of it was changed."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from sqlalchemy import Connection, select

from syncline.storage import Store
from syncline.storage.memory.store import MemoryStore
from syncline.storage.sql.store import SqlStore
from syncline.storage.sql.tables import metadata

_API_KEYS = {"api_key", "api_keys"}
"""Left out: no call changes them, and their last use is noted beside calls."""


def dump(store: Store, account_id: str) -> dict[str, Any]:
    """Everything of the account by table, in a form that can be compared, and that later writes do not change."""
    if isinstance(store, MemoryStore):
        kept = vars(store._accounts[account_id])
        return {name: deepcopy(value) for name, value in kept.items() if name not in _API_KEYS}
    assert isinstance(store, SqlStore)
    tables = [table for table in metadata.sorted_tables if "account_id" in table.c and table.name not in _API_KEYS]

    def read(connection: Connection) -> dict[str, Any]:
        return {
            table.name: sorted(
                repr(tuple(row)) for row in connection.execute(select(table).where(table.c.account_id == account_id))
            )
            for table in tables
        }

    return store._database.read(read)


def changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """The tables in which anything differs."""
    assert before.keys() == after.keys()
    return [name for name in before if before[name] != after[name]]
