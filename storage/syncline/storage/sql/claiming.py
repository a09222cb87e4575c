"""Handing requests to workers, and taking them back when their leases run out.

A transaction locks requests before it locks their account.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    exists,
    func,
    literal_column,
    not_,
    or_,
    select,
    tuple_,
    update,
)

from syncline.data import metrics
from syncline.storage.identity import random_id
from syncline.storage.instruments import counter
from syncline.storage.limits import check_texts
from syncline.storage.request_models import EXTERNAL_CONNECTOR, NEVER, ClaimLimits, Lease, SyncRequest
from syncline.storage.request_moves import claimed, lapsed
from syncline.storage.request_states import RequestStatus
from syncline.storage.sql.enrollments import SqlEnrollments
from syncline.storage.sql.request_rows import SqlRequestRows, StoredRequest, stored_of
from syncline.storage.sql.tables import app_enrollment, sync_request

_ENDED = counter(metrics.REQUESTS_ENDED)
_LEASES_LOST = counter(metrics.LEASES_LOST)


def _is(status: RequestStatus, column: ColumnElement[Any] = sync_request.c.status) -> ColumnElement[bool]:
    """As a constant of the statement: for a parameter, SQLite would not take an index of some rows only."""
    return column == literal_column(f"'{status.value}'")


_NOW: BindParameter[int] = bindparam("now")
_IS_EXTERNAL = and_(
    sync_request.c.payload_kind == "",
    or_(sync_request.c.total_batches.is_(None), sync_request.c.parent_id.is_not(None)),  # no parent
    exists().where(
        app_enrollment.c.account_id == sync_request.c.account_id,
        app_enrollment.c.enrollment_id == sync_request.c.enrollment_id,
        app_enrollment.c.connector == EXTERNAL_CONNECTOR,
    ),
)
_RUNNING = sync_request.alias("running")
_BUSY_ACCOUNTS = (
    select(_RUNNING.c.account_id)
    .where(_is(RequestStatus.IN_PROGRESS, _RUNNING.c.status))
    .group_by(_RUNNING.c.account_id)
    .having(func.count() >= bindparam("per_account"))
)
_ENROLLMENT_IS_BUSY = exists().where(
    _RUNNING.c.account_id == sync_request.c.account_id,
    _RUNNING.c.enrollment_id == sync_request.c.enrollment_id,
    _is(RequestStatus.IN_PROGRESS, _RUNNING.c.status),
)
_WAITING = (
    select(sync_request)
    .where(
        _is(RequestStatus.CONNECTOR),
        sync_request.c.account_id.not_in(_BUSY_ACCOUNTS),
        not_(_ENROLLMENT_IS_BUSY),
    )
    .order_by(sync_request.c.due_at, sync_request.c.request_id)
    .limit(1)
    # What another worker is about to claim is left to it.
    .with_for_update(of=sync_request, skip_locked=True)
)
_WAITING_HERE: Select[Any] = _WAITING.where(not_(_IS_EXTERNAL))
_WAITING_OUTSIDE: Select[Any] = _WAITING.where(_IS_EXTERNAL, sync_request.c.account_id == bindparam("of_account"))
_IN_PROGRESS_OF_ACCOUNT = select(sync_request.c.enrollment_id).where(
    sync_request.c.account_id == bindparam("of_account"), _is(RequestStatus.IN_PROGRESS)
)
_KEY = (sync_request.c.account_id, sync_request.c.request_id)
_PROMOTE = (
    update(sync_request)
    .where(
        tuple_(*_KEY).in_(
            # Those that somebody holds are being cancelled.
            select(*_KEY)
            .where(_is(RequestStatus.READY), sync_request.c.due_at <= _NOW)
            .with_for_update(skip_locked=True)
        )
    )
    .values(status=RequestStatus.CONNECTOR.value, modified_at=_NOW)
)
_LAPSED = select(*_KEY, sync_request.c.parent_id).where(
    _is(RequestStatus.IN_PROGRESS), sync_request.c.lease_until <= _NOW
)
_NEXT_DUE = select(func.min(sync_request.c.due_at)).where(_is(RequestStatus.READY), sync_request.c.due_at < NEVER)
_NEXT_LAPSE = select(func.min(sync_request.c.lease_until)).where(_is(RequestStatus.IN_PROGRESS))

CROSSING_ACCOUNTS: Final = (_WAITING_HERE, _PROMOTE, _LAPSED, _NEXT_DUE, _NEXT_LAPSE)
"""The statements that look across accounts: a worker serves them all."""

_RETRY: Final = object()


class SqlClaiming(SqlEnrollments, SqlRequestRows):
    """The part of `WorkStore` that says who runs what."""

    def claim_request(
        self, *, worker: str, limits: ClaimLimits, lease_us: int, now: int, external_of: str | None = None
    ) -> Lease | None:
        """See `WorkStore.claim_request`."""
        check_texts("worker", (worker, external_of or ""))

        def work(connection: Connection) -> Lease | object | None:
            found = self._waiting_request(connection, limits, external_of)
            if found is None:
                return None
            account_id, stored = found
            if not self._may_run(connection, account_id, stored, limits):
                connection.rollback()
                return _RETRY
            request = claimed(stored.request, worker=worker, lease_us=lease_us, now=now)
            token = random_id()
            self._store_request(connection, account_id, StoredRequest(request, lease_token=token))
            return Lease(
                account_id, request.request_id, token, attempt=request.attempts, trace_context=request.trace_context
            )

        # Another worker was quicker, and what it got rules this one out: the next look does not find it any more.
        while (lease := self._database.write(work)) is _RETRY:
            pass
        assert lease is None or isinstance(lease, Lease)  # noqa: S101 - for the type checker
        return lease

    def promote_requests(self, *, now: int, failures_max: int) -> int:
        """See `WorkStore.promote_requests`."""

        def work(connection: Connection) -> tuple[int, list[SyncRequest]]:
            moved = connection.execute(_PROMOTE, {"now": now}).rowcount
            taken_back = [
                self._take_back(connection, account_id, request_id, parent_id, now=now, failures_max=failures_max)
                for account_id, request_id, parent_id in connection.execute(_LAPSED, {"now": now}).all()
            ]
            return moved, [request for request in taken_back if request is not None]

        moved, taken_back = self._database.write(work)
        for request in taken_back:
            _LEASES_LOST.add(1)
            if request.status.is_final:
                of_request = {metrics.OPERATION: request.operation.value, metrics.STATUS: request.status.value}
                _ENDED.add(1, of_request)
        return moved + len(taken_back)

    def next_due(self) -> int | None:
        """See `WorkStore.next_due`."""

        def work(connection: Connection) -> int | None:
            times = [connection.execute(statement).scalar() for statement in (_NEXT_DUE, _NEXT_LAPSE)]
            return min((time for time in times if time is not None), default=None)

        return self._database.read(work)

    def _waiting_request(
        self, connection: Connection, limits: ClaimLimits, external_of: str | None
    ) -> tuple[str, StoredRequest] | None:
        """The request to be claimed next and its account; nobody else gets it while the transaction lasts."""
        values = {"per_account": limits.per_account}
        if external_of is None:
            row = connection.execute(_WAITING_HERE, values).one_or_none()
        else:
            self._head(connection, external_of)
            row = connection.execute(_WAITING_OUTSIDE, {**values, "of_account": external_of}).one_or_none()
        return None if row is None else (row.account_id, stored_of(row))

    def _may_run(self, connection: Connection, account_id: str, stored: StoredRequest, limits: ClaimLimits) -> bool:
        """May the request still run, now that no other one of the account can be claimed?"""
        self._lock_account(connection, account_id)
        running = connection.execute(_IN_PROGRESS_OF_ACCOUNT, {"of_account": account_id}).scalars().all()
        enrollment_id = stored.request.enrollment_id
        return len(running) < limits.per_account and (enrollment_id is None or enrollment_id not in running)

    def _take_back(
        self,
        connection: Connection,
        account_id: str,
        request_id: str,
        parent_id: str | None,
        *,
        now: int,
        failures_max: int,
    ) -> SyncRequest | None:
        """Take a request back whose lease ran out; how it stands then, or None.

        Whoever holds the request, or its parent, keeps the lease or ends it: it is left alone.
        """
        parent = None if parent_id is None else self._free_request(connection, account_id, parent_id)
        stored = self._free_request(connection, account_id, request_id) if parent or parent_id is None else None
        if stored is None or stored.request.status is not RequestStatus.IN_PROGRESS or stored.request.lease_until > now:
            return None
        after = lapsed(stored.request, failures_max=failures_max, now=now)
        self._store_request(connection, account_id, replace(stored, request=after))
        if parent is not None and after.status.is_final:
            self._end_parent(connection, account_id, parent, by=stored.request.worker, now=now)
        return after
