"""The log of administrative acts."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, select

from syncline.storage.audit_models import Act, AuditEntry, AuditFilter, AuditPlace
from syncline.storage.limits import check_act, check_text
from syncline.storage.sql.base import SqlBase
from syncline.storage.sql.tables import audit_entry

_OF_ACCOUNT = audit_entry.c.account_id == bindparam("of_account")
_NEWEST_FIRST = (audit_entry.c.happened_at.desc(), audit_entry.c.entry_id.desc())
_END_OF_TIME = AuditPlace((1 << 63) - 1, 0)
# Times are bounds of the key; of the action, rows are looked at. What is not asked for is asked so that all fit.
_PAGE = (
    select(audit_entry)
    .where(
        _OF_ACCOUNT,
        audit_entry.c.happened_at >= bindparam("since"),
        audit_entry.c.happened_at < bindparam("until"),
        audit_entry.c.happened_at <= bindparam("before_time"),
        (audit_entry.c.happened_at < bindparam("before_time")) | (audit_entry.c.entry_id < bindparam("before_id")),
    )
    .order_by(*_NEWEST_FIRST)
    .limit(bindparam("limit"))
)
_PAGE_OF_ACTION = _PAGE.where(audit_entry.c.action == bindparam("of_action"))
_PAGE_OF_ACTIONS = _PAGE.where(
    audit_entry.c.action >= bindparam("of_action"), audit_entry.c.action < bindparam("beyond_action")
)
_FORGET = delete(audit_entry).where(_OF_ACCOUNT, audit_entry.c.happened_at < bindparam("happened_before"))


class SqlAudit(SqlBase):
    """`AuditStore`."""

    def note_act(self, account_id: str, act: Act) -> None:
        """See `AuditStore.note_act`."""
        check_act(act)

        def work(connection: Connection) -> None:
            self._head(connection, account_id)
            self._note_act(connection, account_id, act)

        self._database.write(work)

    def list_acts(
        self, account_id: str, wanted: AuditFilter, *, before: AuditPlace | None, limit: int
    ) -> list[AuditEntry]:
        """See `AuditStore.list_acts`."""
        action = wanted.action or ""
        check_text("action", action)
        place = before or _END_OF_TIME
        values = {
            "of_account": account_id,
            "since": wanted.since or 0,
            "until": _END_OF_TIME.happened_at if wanted.until is None else wanted.until,
            "before_time": place.happened_at,
            "before_id": place.entry_id,
            "limit": limit,
        }
        statement = _PAGE
        if action.endswith("."):
            statement = _PAGE_OF_ACTIONS
            values |= {"of_action": action, "beyond_action": f"{action[:-1]}/"}  # the slash follows the dot
        elif wanted.action is not None:
            statement = _PAGE_OF_ACTION
            values["of_action"] = action

        def work(connection: Connection) -> list[AuditEntry]:
            self._head(connection, account_id)
            return [_entry(row) for row in connection.execute(statement, values)]

        return self._database.read(work)

    def forget_acts(self, account_id: str, *, happened_before: int) -> int:
        """See `AuditStore.forget_acts`."""

        def work(connection: Connection) -> int:
            self._head(connection, account_id)
            values = {"of_account": account_id, "happened_before": happened_before}
            return connection.execute(_FORGET, values).rowcount

        return self._database.write(work)


def _entry(row: Row[Any]) -> AuditEntry:
    return AuditEntry(
        entry_id=row.entry_id,
        act=Act(
            happened_at=row.happened_at,
            principal=row.principal,
            credential=row.credential,
            action=row.action,
            subject=row.subject,
            details=json.loads(row.details),
            outcome=row.outcome,
        ),
    )
