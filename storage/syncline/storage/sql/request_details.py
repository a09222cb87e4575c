"""What came of a request's rows: details, and counts by object type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from sqlalchemy import BindParameter, Connection, bindparam, func, select, union_all

from syncline.storage.limits import check_text
from syncline.storage.request_models import Detail, DetailPage, Severity, TypeCounts
from syncline.storage.sql.database import Insert
from syncline.storage.sql.request_rows import SqlRequestRows
from syncline.storage.sql.tables import sync_request, sync_request_count, sync_request_detail

_OF_ACCOUNT: BindParameter[str] = bindparam("of_account")
_OF_REQUEST: BindParameter[str] = bindparam("of_request")
_DETAILS = (
    select(sync_request_detail)
    .where(
        sync_request_detail.c.account_id == _OF_ACCOUNT,
        sync_request_detail.c.request_id == _OF_REQUEST,
        sync_request_detail.c.number > bindparam("after"),
    )
    .order_by(sync_request_detail.c.number)
    .limit(bindparam("limit"))
)
_COUNTED = TypeCounts._fields
_ITSELF = select(sync_request.c.request_id).where(
    sync_request.c.account_id == _OF_ACCOUNT, sync_request.c.request_id == _OF_REQUEST
)
_BATCHES = select(sync_request.c.request_id).where(
    sync_request.c.account_id == _OF_ACCOUNT, sync_request.c.parent_id == _OF_REQUEST
)
# Not by OR: it is no condition for an index, and the counts of all requests would be read.
_COUNTS = (
    select(sync_request_count.c.object_type, *(func.sum(sync_request_count.c[name]) for name in _COUNTED))
    .where(
        sync_request_count.c.account_id == _OF_ACCOUNT,
        sync_request_count.c.request_id.in_(union_all(_ITSELF, _BATCHES)),
    )
    .group_by(sync_request_count.c.object_type)
)


class SqlRequestDetails(SqlRequestRows):
    """Reading and writing them."""

    def list_details(self, account_id: str, request_id: str, *, after: int, limit: int) -> DetailPage:
        """See `SyncRequestStore.list_details`."""
        check_text("request_id", request_id)

        def work(connection: Connection) -> DetailPage:
            self._head(connection, account_id)
            self._stored_request(connection, account_id, request_id)
            values = {"of_account": account_id, "of_request": request_id, "after": after, "limit": limit + 1}
            rows = connection.execute(_DETAILS, values).all()
            details = tuple(
                (
                    row.number,
                    Detail(
                        Severity(row.severity),
                        row.object_type,
                        row.line,
                        row.source_key,
                        row.field,
                        row.reason,
                        row.value,
                    ),
                )
                for row in rows[:limit]
            )
            return DetailPage(details, next_after=details[-1][0] if len(rows) > limit else 0)

        return self._database.read(work)

    def count_types(self, account_id: str, request_id: str) -> dict[str, TypeCounts]:
        """See `SyncRequestStore.count_types`."""
        check_text("request_id", request_id)

        def work(connection: Connection) -> dict[str, TypeCounts]:
            self._head(connection, account_id)
            self._stored_request(connection, account_id, request_id)
            rows = connection.execute(_COUNTS, {"of_account": account_id, "of_request": request_id})
            return {object_type: TypeCounts(*map(int, counts)) for object_type, *counts in rows}

        return self._database.read(work)

    def _insert_details(
        self, connection: Connection, account_id: str, request_id: str, details: Sequence[Detail], *, kept: int
    ) -> None:
        """Add details to those that are kept already."""
        rows = [
            {
                "account_id": account_id,
                "request_id": request_id,
                "number": number,
                **detail._asdict(),
                "severity": detail.severity.value,
            }
            for number, detail in enumerate(details, kept + 1)
        ]
        if rows:
            connection.execute(sync_request_detail.insert(), rows)

    def _add_counts(
        self, connection: Connection, account_id: str, request_id: str, counts: Mapping[str, TypeCounts]
    ) -> None:
        """Add to what came of each object type's rows."""
        rows = [
            {"account_id": account_id, "request_id": request_id, "object_type": object_type, **counted._asdict()}
            for object_type, counted in counts.items()
        ]
        if rows:
            connection.execute(self._adding, rows)

    @cached_property  # building a statement takes longer than running it
    def _adding(self) -> Insert:
        insert = self._database.insert(sync_request_count)
        sums = {name: sync_request_count.c[name] + insert.excluded[name] for name in _COUNTED}
        return insert.on_conflict_do_update(index_elements=list(sync_request_count.primary_key), set_=sums)
