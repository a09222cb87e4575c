"""Making and cancelling sync requests."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import BindParameter, Connection, bindparam, exists, select

from syncline.storage.audit_models import Act
from syncline.storage.errors import RequestIdReused
from syncline.storage.limits import check_act, check_text
from syncline.storage.request_models import NewRequest, SyncRequest
from syncline.storage.request_moves import (
    cancelled,
    check_new,
    check_parent,
    check_retried,
    made,
    made_parent,
)
from syncline.storage.sql.enrollments import SqlEnrollments
from syncline.storage.sql.payloads import SqlPayloads
from syncline.storage.sql.request_rows import SqlRequestRows, StoredRequest, request_of, row_of, stored_of
from syncline.storage.sql.tables import sync_request

_OF_ACCOUNT: BindParameter[str] = bindparam("of_account")
_BY_KEY = select(sync_request).where(
    sync_request.c.account_id == _OF_ACCOUNT, sync_request.c.idempotency_key == bindparam("of_key")
)
_OF_PARENT = (sync_request.c.account_id == _OF_ACCOUNT, sync_request.c.parent_id == bindparam("of_parent"))
_IS_TAKEN = select(exists().where(*_OF_PARENT, sync_request.c.current_batch == bindparam("of_batch")))
_BATCHES_LOCKED = select(sync_request).where(*_OF_PARENT).order_by(sync_request.c.current_batch).with_for_update()


class SqlSyncRequests(SqlEnrollments, SqlPayloads, SqlRequestRows):
    """The writing half of `SyncRequestStore`."""

    def create_request(self, account_id: str, new: NewRequest, *, now: int, act: Act | None = None) -> SyncRequest:
        """See `SyncRequestStore.create_request`."""
        check_new(new)
        check_text("enrollment_id", new.enrollment_id or "")
        check_text("retry_of", new.retry_of or "")
        check_text("payload_kind", new.payload_kind)
        check_act(act)
        return self._database.write(lambda connection: self._create_request(connection, account_id, new, now, act))

    def cancel_request(
        self, account_id: str, request_id: str, *, by: str, now: int, act: Act | None = None
    ) -> SyncRequest:
        """See `SyncRequestStore.cancel_request`."""
        check_text("request_id", request_id)
        check_text("modified_by", by)
        check_act(act)

        def work(connection: Connection) -> SyncRequest:
            self._head(connection, account_id)
            family = self._locked_family(connection, account_id, request_id)
            before = family.stored.request
            after = cancelled(before, by=by, now=now)
            if after is before:
                return before
            self._note_act(connection, account_id, act)
            self._store_request(connection, account_id, replace(family.stored, request=after))
            if before.is_parent:
                self._cancel_batches(connection, account_id, request_id, by=by, now=now)
            elif family.parent is not None and after.status.is_final:
                self._end_parent(connection, account_id, family.parent, by=by, now=now)
            return after

        return self._database.write(work)

    def _create_request(
        self, connection: Connection, account_id: str, new: NewRequest, now: int, act: Act | None
    ) -> SyncRequest:
        self._head(connection, account_id)
        known = self._made_before(connection, account_id, new)
        if known is not None:
            return known
        if new.parent_id is not None:
            parent = self._joined_parent(connection, account_id, new, new.parent_id, now)
            known = self._made_before(connection, account_id, new)  # while this one waited for the parent
            if known is not None:
                connection.rollback()
                return known
            values = {"of_account": account_id, "of_parent": new.parent_id, "of_batch": new.current_batch}
            check_parent(new, parent, is_taken=connection.execute(_IS_TAKEN, values).scalar_one())
        if new.enrollment_id is not None:
            self._hold_enrollment(connection, account_id, new.enrollment_id)
        if new.retry_of is not None:
            # Locked, so that its payload, which this one took over, stays whole until it is stored with this one.
            check_retried(self._stored_request(connection, account_id, new.retry_of, lock=True).request)
        request = made(new, now=now)
        if not self._insert_request(connection, account_id, request, new):
            known = self._made_before(connection, account_id, new)
            connection.rollback()
            if known is None:
                raise RequestIdReused(f"there is a sync request {new.request_id} already")
            return known
        self._insert_payload(connection, account_id, new.request_id, new.payload)
        self._note_act(connection, account_id, act)
        return request

    def _made_before(self, connection: Connection, account_id: str, new: NewRequest) -> SyncRequest | None:
        """The request that was made under the same idempotency key, or `RequestIdReused`."""
        if not new.idempotency_key:
            return None
        values = {"of_account": account_id, "of_key": new.idempotency_key}
        row = connection.execute(_BY_KEY, values).one_or_none()
        if row is None:
            return None
        if row.payload_hash != new.payload_hash:
            raise RequestIdReused("the idempotency key was used for something else")
        return request_of(row)

    def _joined_parent(
        self, connection: Connection, account_id: str, new: NewRequest, parent_id: str, now: int
    ) -> SyncRequest:
        """The batch's parent, locked; it is made if it is not there."""
        self._insert_request(connection, account_id, made_parent(new, parent_id, now=now), None)
        return self._stored_request(connection, account_id, parent_id, lock=True).request

    def _insert_request(
        self, connection: Connection, account_id: str, request: SyncRequest, new: NewRequest | None
    ) -> bool:
        """Insert a request, made of `new` (None: a parent), unless it is there; was it new?"""
        row = {
            "account_id": account_id,
            **row_of(StoredRequest(request)),
            "idempotency_key": None if new is None else new.idempotency_key or None,
            "payload_hash": b"" if new is None else new.payload_hash,
        }
        return self._database.insert_if_new(connection, sync_request, row)

    def _cancel_batches(self, connection: Connection, account_id: str, parent_id: str, *, by: str, now: int) -> None:
        """Cancel what has not ended of a locked parent's batches."""
        values = {"of_account": account_id, "of_parent": parent_id}
        for row in connection.execute(_BATCHES_LOCKED, values).all():
            stored = stored_of(row)
            if not stored.request.status.is_final:
                after = cancelled(stored.request, by=by, now=now)
                self._store_request(connection, account_id, replace(stored, request=after))
