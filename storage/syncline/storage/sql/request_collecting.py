"""Collection of payloads and requests that have ended."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    FromClause,
    Table,
    and_,
    bindparam,
    delete,
    exists,
    func,
    literal_column,
    not_,
    or_,
    select,
    update,
)

from syncline.storage.request_models import NEVER, PayloadState
from syncline.storage.request_states import RequestStatus
from syncline.storage.sql.base import SqlBase
from syncline.storage.sql.tables import payload_chunk, sync_request, sync_request_count, sync_request_detail

_OF_ACCOUNT: BindParameter[str] = bindparam("of_account")
_OF_REQUEST: BindParameter[str] = bindparam("of_request")
_ENDED_BEFORE: BindParameter[int] = bindparam("ended_before")
_LIMIT: BindParameter[int] = bindparam("limit")
_FINAL: Final = tuple(status for status in RequestStatus if status.is_final)
_OPEN: Final = tuple(status for status in RequestStatus if not status.is_final)
_THIS = (sync_request.c.account_id == _OF_ACCOUNT, sync_request.c.request_id == _OF_REQUEST)
_PARENT = sync_request.alias("parent")
_BATCH = sync_request.alias("batch")


def _is_any(column: ColumnElement[Any], states: Iterable[RequestStatus | PayloadState]) -> ColumnElement[bool]:
    """As constants of the statement: for parameters, SQLite would not take an index of some rows only."""
    return column.in_([literal_column(f"'{state.value}'") for state in states])


_HAS_PAYLOAD = _is_any(sync_request.c.payload_state, (PayloadState.KEPT, PayloadState.GOING))
_UNNEEDED_PAYLOADS = (
    select(sync_request.c.request_id)
    .where(
        sync_request.c.account_id == _OF_ACCOUNT,
        sync_request.c.status == bindparam("of_status"),
        _HAS_PAYLOAD,
        sync_request.c.modified_at < _ENDED_BEFORE,
    )
    .order_by(sync_request.c.modified_at)
    .limit(_LIMIT)
    # What a retry holds is left to it, and what another server is about to collect, to that one.
    .with_for_update(skip_locked=True)
)
_SET_PAYLOAD_STATE = update(sync_request).where(*_THIS).values(payload_state=bindparam("new_state"))

_OLDEST_ASKING = select(func.min(sync_request.c.created_at)).where(
    sync_request.c.account_id == _OF_ACCOUNT,
    _is_any(sync_request.c.status, _OPEN),
    sync_request.c.run_full_sync,
    # See `may_ask_for_others`.
    or_(
        sync_request.c.enrollment_id.is_(None),
        sync_request.c.attempts > 0,
        and_(sync_request.c.parent_id.is_(None), sync_request.c.total_batches.is_not(None)),
    ),
)


def _ended(requests: FromClause) -> ColumnElement[bool]:
    return and_(_is_any(requests.c.status, _FINAL), requests.c.modified_at < _ENDED_BEFORE)


_PARENT_ENDED = exists().where(
    _PARENT.c.account_id == sync_request.c.account_id,
    _PARENT.c.request_id == sync_request.c.parent_id,
    _ended(_PARENT),
)
_HAS_BATCHES = exists().where(
    _BATCH.c.account_id == sync_request.c.account_id, _BATCH.c.parent_id == sync_request.c.request_id
)
_OVER = (
    select(sync_request.c.request_id)
    .where(
        sync_request.c.account_id == _OF_ACCOUNT,
        _ended(sync_request),
        not_(_HAS_PAYLOAD),
        or_(
            and_(sync_request.c.parent_id.is_(None), sync_request.c.total_batches.is_(None)),
            and_(sync_request.c.parent_id.is_(None), not_(_HAS_BATCHES)),
            _PARENT_ENDED,
        ),
    )
    .order_by(sync_request.c.modified_at)
    .limit(_LIMIT)
    .with_for_update(of=sync_request, skip_locked=True)
)


def _some_of(table: Table) -> ColumnElement[bool]:
    """Up to so many of a request's rows, the first ones."""
    of_request = (table.c.account_id == _OF_ACCOUNT, table.c.request_id == _OF_REQUEST)
    first = select(table.c.number).where(*of_request).order_by(table.c.number).limit(_LIMIT).subquery()
    # Not by IN: it would be a join, for which a database that knows little reads the whole table.
    return and_(*of_request, table.c.number <= select(func.max(first.c.number)).scalar_subquery())


_REMOVE_CHUNKS = delete(payload_chunk).where(_some_of(payload_chunk))
_REMOVE_DETAILS = delete(sync_request_detail).where(_some_of(sync_request_detail))
_REMOVE_COUNTS = delete(sync_request_count).where(
    sync_request_count.c.account_id == _OF_ACCOUNT, sync_request_count.c.request_id == _OF_REQUEST
)
_REMOVE = delete(sync_request).where(*_THIS)


class SqlRequestCollecting(SqlBase):
    """`CollectionStore.collect_payloads` and `CollectionStore.collect_requests`."""

    def collect_payloads(self, account_id: str, *, ended_before: int, limit: int) -> int:
        """See `CollectionStore.collect_payloads`."""

        def work(connection: Connection) -> int:
            self._head(connection, account_id)
            left = limit
            for status in _FINAL:
                before = NEVER if status is RequestStatus.SUCCESS else ended_before
                values = {"of_account": account_id, "of_status": status.value, "ended_before": before, "limit": left}
                for request_id in connection.execute(_UNNEEDED_PAYLOADS, values).scalars().all():
                    if left:
                        left -= self._remove_chunks(connection, account_id, request_id, left)
            return limit - left

        return self._database.write(work)

    def collect_requests(self, account_id: str, *, ended_before: int, limit: int) -> int:
        """See `CollectionStore.collect_requests`."""

        def work(connection: Connection) -> int:
            self._head(connection, account_id)
            asking = connection.execute(_OLDEST_ASKING, {"of_account": account_id}).scalar_one()
            before = ended_before if asking is None else min(ended_before, asking)
            left = limit
            values = {"of_account": account_id, "ended_before": before, "limit": limit}
            for request_id in connection.execute(_OVER, values).scalars().all():
                if not left:
                    break
                this = {"of_account": account_id, "of_request": request_id}
                left -= connection.execute(_REMOVE_DETAILS, {**this, "limit": left}).rowcount
                if left:
                    connection.execute(_REMOVE_COUNTS, this)
                    left -= connection.execute(_REMOVE, this).rowcount
            return limit - left

        return self._database.write(work)

    def _remove_chunks(self, connection: Connection, account_id: str, request_id: str, limit: int) -> int:
        """Remove up to `limit` chunks of a locked request's payload; how many were there?"""
        this = {"of_account": account_id, "of_request": request_id}
        removed: int = connection.execute(_REMOVE_CHUNKS, {**this, "limit": limit}).rowcount
        state = PayloadState.GOING if removed == limit else PayloadState.GONE
        connection.execute(_SET_PAYLOAD_STATE, {**this, "new_state": state.value})
        return removed
