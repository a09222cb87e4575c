"""Letting changes be uploaded that were made with `upload=False`."""

from __future__ import annotations

import sqlite3

from syncline.replica.change_log import ChangeState, set_state


def mark_for_upload(connection: sqlite3.Connection, object_type: str, key: str) -> int:
    """Let the deferred changes of a record be uploaded. How many changes.

    With them go those of their transactions, and the deferred ones of the records that these change.
    """
    marked: set[int] = set()
    records = [(object_type, key)]
    seen = set(records)
    while records:
        deferred = connection.execute(
            "SELECT change_no, transaction_no FROM syncline_change"
            " WHERE object_type = ? AND key = ? AND state = 'deferred'",
            records.pop(),
        ).fetchall()
        for change_no, transaction_no in deferred:
            marked.add(change_no)
            members = connection.execute(
                "SELECT object_type, key FROM syncline_change WHERE transaction_no = ? AND state = 'deferred'",
                (transaction_no,),
            )
            for record in members:
                if record not in seen:
                    seen.add(record)
                    records.append(record)
    set_state(connection, marked, ChangeState.PENDING)
    return len(marked)
