"""After a full run: deleting what it did not see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Integer,
    and_,
    bindparam,
    case,
    exists,
    func,
    not_,
    or_,
    select,
)

from syncline.storage.limits import check_texts
from syncline.storage.request_models import Lease, Swept, SyncRequest
from syncline.storage.request_moves import others_see_since
from syncline.storage.request_states import RequestStatus
from syncline.storage.row_plan import KnownSource, plan_sweep
from syncline.storage.sql.json_rows import as_json_keys, one_of_keys
from syncline.storage.sql.leases import batch_result
from syncline.storage.sql.row_batches import SqlRowBatches
from syncline.storage.sql.tables import record_source, sync_request

_OF_REQUEST: BindParameter[str] = bindparam("of_request")
_OF_ENROLLMENT = (
    record_source.c.account_id == bindparam("of_account"),
    record_source.c.enrollment_id == bindparam("of_enrollment"),
    one_of_keys("types", record_source.c.object_type),
)
_FINAL: Final = [status.value for status in RequestStatus if status.is_final]
_IS_OPEN_PARENT = and_(sync_request.c.total_batches.is_not(None), sync_request.c.status.not_in(_FINAL))
_IS_UNSEEN: ColumnElement[bool] = and_(
    record_source.c.seen_by != _OF_REQUEST,
    not_(
        exists().where(
            sync_request.c.account_id == bindparam("of_account"),
            sync_request.c.request_id == record_source.c.seen_by,
            or_(sync_request.c.modified_at >= bindparam("of_others"), _IS_OPEN_PARENT),
        )
    ),
)
_COUNT = select(func.sum(case((_IS_UNSEEN, 1), else_=0), type_=Integer), func.count()).where(*_OF_ENROLLMENT)
_UNSEEN = (
    select(
        record_source.c.object_type,
        record_source.c.source_key,
        record_source.c.record_key,
        record_source.c.source_hash,
        record_source.c.source_image,
    )
    .where(*_OF_ENROLLMENT, _IS_UNSEEN)
    .order_by(record_source.c.object_type, record_source.c.source_key)
    .limit(bindparam("limit"))
)


class SqlSweeping(SqlRowBatches):
    """`WorkStore.count_unseen` and `WorkStore.sweep_unseen`."""

    def count_unseen(self, lease: Lease, object_types: Sequence[str]) -> tuple[int, int]:
        """See `WorkStore.count_unseen`."""
        check_texts("object_types", object_types)

        def work(connection: Connection) -> tuple[int, int]:
            self._head(connection, lease.account_id)
            request = self._leased(connection, lease).stored.request
            return _count(connection, _values(lease.account_id, request, object_types))

        return self._database.write(work)

    def sweep_unseen(self, lease: Lease, object_types: Sequence[str], *, limit: int, lease_us: int, now: int) -> Swept:
        """See `WorkStore.sweep_unseen`."""
        check_texts("object_types", object_types)

        def work(connection: Connection) -> Swept:
            account_id = lease.account_id
            head_revision = self._take_revisions(connection, account_id, 0)
            family = self._leased(connection, lease)
            request = family.stored.request
            values = _values(account_id, request, object_types)
            sources = {
                (object_type, source_key): KnownSource._make(source)
                for object_type, source_key, *source in connection.execute(_UNSEEN, {**values, "limit": limit}).all()
            }
            items = {(object_type, known.record_key) for (object_type, _), known in sources.items()}
            state, rows = self._row_state(
                connection,
                account_id,
                full=request.run_full_sync,
                head_revision=head_revision,
                types={object_type for object_type, _ in sources},
                sources=sources,
                touched=items,
                left=items,
            )
            plan = plan_sweep(state, sources, now=now)
            after = self._carry_out(connection, account_id, family, state, rows, plan, now=now)
            swept = replace(after.request, lease_until=now + lease_us, modified_at=now)
            after = replace(after, request=swept)
            self._store_request(connection, account_id, after)
            head_revision += len(plan.writes)
            result = batch_result(after, head_revision=head_revision, written=bool(plan.writes))
            return Swept(_count(connection, values)[0], result)

        return self._database.write(work)


def _count(connection: Connection, values: dict[str, Any]) -> tuple[int, int]:
    unseen, known = connection.execute(_COUNT, values).one()
    return int(unseen or 0), known


def _values(account_id: str, request: SyncRequest, object_types: Sequence[str]) -> dict[str, Any]:
    return {
        "of_account": account_id,
        "of_enrollment": request.enrollment_id or "",
        "types": as_json_keys(object_types),
        "of_request": request.request_id,
        "of_others": others_see_since(request),
    }
