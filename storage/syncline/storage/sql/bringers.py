"""The requests that may bring a record: see `DeliveryFacts.bringers`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, select

from syncline.storage.delivery_models import RECENT_REQUESTS, Bringer
from syncline.storage.request_models import Detail, Operation, Severity, SyncRequest
from syncline.storage.sql.json_rows import as_json_keys, one_of_keys
from syncline.storage.sql.request_rows import SqlRequestRows, request_of
from syncline.storage.sql.tables import (
    app_enrollment,
    record_source,
    sync_request,
    sync_request_count,
    sync_request_detail,
)
from syncline.storage.sql.write_plan import ItemName

_OF_ACCOUNT: BindParameter[str] = bindparam("of_account")
_OF_TYPE: BindParameter[str] = bindparam("of_type")
_READING = (
    sync_request.c.account_id == _OF_ACCOUNT,
    sync_request.c.parent_id.is_(None),
    sync_request.c.operation == Operation.READ.value,
)
_ENROLLMENTS = select(app_enrollment.c.enrollment_id, app_enrollment.c.name).where(
    app_enrollment.c.account_id == _OF_ACCOUNT
)
_NEWEST_OF_ENROLLMENT = (
    select(sync_request)
    .where(*_READING, sync_request.c.enrollment_id == bindparam("of_enrollment"))
    .order_by(sync_request.c.created_at.desc(), sync_request.c.request_id.desc())
    .limit(1)
)
_NEWEST = (
    select(sync_request)
    .where(sync_request.c.account_id == _OF_ACCOUNT)
    .order_by(sync_request.c.created_at.desc(), sync_request.c.request_id)
    .limit(RECENT_REQUESTS)
)
_BATCHES = (
    select(sync_request.c.request_id)
    .where(sync_request.c.account_id == _OF_ACCOUNT, sync_request.c.parent_id == bindparam("of_parent"))
    .order_by(sync_request.c.current_batch)
)
_COUNTED = (
    select(sync_request_count.c.request_id)
    .where(
        sync_request_count.c.account_id == _OF_ACCOUNT,
        one_of_keys("requests", sync_request_count.c.request_id),
        sync_request_count.c.object_type == _OF_TYPE,
    )
    .limit(1)
)
_SOURCE = (
    select(record_source.c.source_key)
    .where(
        record_source.c.account_id == _OF_ACCOUNT,
        record_source.c.enrollment_id == bindparam("of_enrollment"),
        record_source.c.object_type == _OF_TYPE,
    )
    .limit(1)
)
_DETAIL = (
    select(sync_request_detail)
    .where(
        sync_request_detail.c.account_id == _OF_ACCOUNT,
        sync_request_detail.c.request_id == bindparam("of_request"),
        sync_request_detail.c.object_type == _OF_TYPE,
        sync_request_detail.c.source_key == bindparam("of_key"),
    )
    .order_by(sync_request_detail.c.number.desc())
    .limit(1)
)


class SqlBringers(SqlRequestRows):
    """Reading of the requests that bring an object type."""

    def _bringers(self, connection: Connection, account_id: str, item: ItemName) -> tuple[Bringer, ...]:
        """The newest requests of each source, newest first."""
        of_account = {"of_account": account_id}
        names = {row.enrollment_id: row.name for row in connection.execute(_ENROLLMENTS, of_account)}
        found = [request_of(row) for row in connection.execute(_NEWEST, of_account)]
        chosen = [
            request
            for request in found
            if request.enrollment_id is None and request.parent_id is None and request.operation is Operation.READ
        ]
        for enrollment_id in names:
            this = {**of_account, "of_enrollment": enrollment_id}
            chosen += [request_of(row) for row in connection.execute(_NEWEST_OF_ENROLLMENT, this)]
        chosen.sort(key=lambda request: request.request_id)
        chosen.sort(key=lambda request: request.created_at, reverse=True)
        return tuple(
            _bringer(connection, account_id, request, item, names.get(request.enrollment_id or "", ""))
            for request in chosen
        )


def _bringer(
    connection: Connection, account_id: str, request: SyncRequest, item: ItemName, enrollment_name: str
) -> Bringer:
    object_type, key = item
    of_account: dict[str, Any] = {"of_account": account_id, "of_type": object_type}
    family = [request.request_id]
    if request.is_parent:
        family += connection.execute(_BATCHES, {**of_account, "of_parent": request.request_id}).scalars()
    has_type = connection.execute(_COUNTED, {**of_account, "requests": as_json_keys(family)}).scalar() is not None
    if not has_type and request.enrollment_id is not None:
        this = {**of_account, "of_enrollment": request.enrollment_id}
        has_type = connection.execute(_SOURCE, this).scalar() is not None
    detail = _newest_detail(connection, {**of_account, "of_key": key}, family)
    return Bringer(request, enrollment_name, has_type, detail)


def _newest_detail(connection: Connection, of_item: dict[str, Any], family: Sequence[str]) -> Detail | None:
    """What the last request of the family said of the row."""
    for request_id in reversed(family):
        row = connection.execute(_DETAIL, {**of_item, "of_request": request_id}).one_or_none()
        if row is not None:
            return Detail(
                Severity(row.severity), row.object_type, row.line, row.source_key, row.field, row.reason, row.value
            )
    return None
