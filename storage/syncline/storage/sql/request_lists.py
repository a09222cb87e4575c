"""Reading sync requests: one, or pages of them by a filter."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Connection, Select, bindparam, select

from syncline.storage.filters import Order
from syncline.storage.limits import check_text, check_texts
from syncline.storage.request_models import REQUEST_FIELDS, LastRuns, Operation, RequestQuery, SyncRequest
from syncline.storage.request_states import RequestStatus
from syncline.storage.sql.filtering import Columns, beyond, condition, ordering
from syncline.storage.sql.request_rows import SqlRequestRows, request_of
from syncline.storage.sql.tables import sync_request

_COLUMNS: Final[Columns] = MappingProxyType({name: sync_request.c[name] for name in REQUEST_FIELDS})
_LIMIT_MAX: Final = 500
_LAST = (
    select(sync_request)
    .where(
        sync_request.c.account_id == bindparam("of_account"),
        sync_request.c.enrollment_id == bindparam("of_enrollment"),
        sync_request.c.parent_id.is_(None),
        sync_request.c.operation != Operation.CHECK.value,
    )
    .order_by(sync_request.c.created_at.desc(), sync_request.c.request_id.desc())
    .limit(1)
)
_LAST_SUCCESSFUL = _LAST.where(sync_request.c.status == RequestStatus.SUCCESS.value)


class SqlRequestLists(SqlRequestRows):
    """The reading half of `SyncRequestStore`."""

    def get_request(self, account_id: str, request_id: str) -> SyncRequest:
        """See `SyncRequestStore.get_request`."""
        check_text("request_id", request_id)

        def work(connection: Connection) -> SyncRequest:
            self._head(connection, account_id)
            return self._stored_request(connection, account_id, request_id).request

        return self._database.read(work)

    def list_requests(self, account_id: str, query: RequestQuery) -> list[SyncRequest]:
        """See `SyncRequestStore.list_requests`."""
        page = page_of(account_id, query)

        def work(connection: Connection) -> list[SyncRequest]:
            self._head(connection, account_id)
            return [request_of(row) for row in connection.execute(page)]

        return self._database.read(work)

    def last_runs(self, account_id: str, enrollment_ids: Sequence[str]) -> dict[str, LastRuns]:
        """See `SyncRequestStore.last_runs`."""
        check_texts("enrollment_ids", enrollment_ids)

        def work(connection: Connection) -> dict[str, LastRuns]:
            self._head(connection, account_id)
            return {each: _last_runs(connection, account_id, each) for each in enrollment_ids}

        return self._database.read(work)


def page_of(account_id: str, query: RequestQuery) -> Select[Any]:
    """The statement that reads a page."""
    order = (*query.order, Order("request_id"))
    page = select(sync_request).where(sync_request.c.account_id == account_id)
    if query.filter is not None:
        page = page.where(condition(_COLUMNS, query.filter))
    if query.after is not None:
        page = page.where(beyond(_COLUMNS, order, query.after))
    return page.order_by(*ordering(_COLUMNS, order)).limit(min(query.limit, _LIMIT_MAX))


def _last_runs(connection: Connection, account_id: str, enrollment_id: str) -> LastRuns:
    this = {"of_account": account_id, "of_enrollment": enrollment_id}
    found = [connection.execute(statement, this).one_or_none() for statement in (_LAST, _LAST_SUCCESSFUL)]
    last, last_successful = (None if row is None else request_of(row) for row in found)
    return LastRuns(last, last_successful)
