"""Writing records under the account's head."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import Connection, bindparam, select

from syncline.storage.errors import ObjectTypeNotFound
from syncline.storage.limits import check_writes
from syncline.storage.models import RecordWrite, WriteResult
from syncline.storage.sql.json_rows import as_json_keys, one_of_keys
from syncline.storage.sql.records_table import Writer
from syncline.storage.sql.schemas import SqlSchemas
from syncline.storage.sql.tables import record
from syncline.storage.sql.write_plan import CurrentRow, ItemName, WritePlan, keys_by_type
from syncline.storage.trace_context import current_trace_context

_CURRENT = select(
    record.c.object_type,
    record.c.record_key,
    record.c.scope,
    record.c.bucket,
    record.c.revision,
    record.c.entered_revision,
    record.c.deleted,
    record.c.data_hash,
    record.c.created_by,
).where(
    record.c.account_id == bindparam("of_account"),
    record.c.object_type == bindparam("of_type"),
    one_of_keys("keys", record.c.record_key),
)


class SqlWriting(SqlSchemas):
    """The writing half of `RecordStore`."""

    def write_records(self, account_id: str, writes: Sequence[RecordWrite]) -> WriteResult:
        """See `RecordStore.write_records`."""
        check_writes(writes)
        return self._database.write(lambda connection: self._write_batch(connection, account_id, writes))

    def _write_batch(self, connection: Connection, account_id: str, writes: Sequence[RecordWrite]) -> WriteResult:
        head = self._take_revisions(connection, account_id, len(writes))
        before = head - len(writes)
        names = {write.object_type for write in writes}
        scopes = self._scopes_of_types(connection, account_id, names)
        for unknown in sorted(names - scopes.keys()):
            raise ObjectTypeNotFound(unknown)
        items = {(write.object_type, write.key) for write in writes}
        plan = WritePlan(scopes, self._current_rows(connection, account_id, items), before)
        done = plan.add_all(writes)
        if plan.rows:
            self._store_plan(connection, account_id, plan, written_by=None)
        else:
            connection.rollback()  # nothing changed: the revisions go back
        return WriteResult(
            head_revision=head if plan.rows else before,
            outcomes=tuple(outcome for outcome, _ in done),
            revisions=tuple(revision for _, revision in done),
        )

    def _store_plan(self, connection: Connection, account_id: str, plan: WritePlan, *, written_by: UUID | None) -> None:
        """Store what a plan changes, as written by this device."""
        if plan.arrivals:
            self._forget_departures(connection, account_id, plan.arrivals)
        if plan.departures:
            self._write_departures(connection, account_id, plan.departures)
        writer = Writer(written_by, current_trace_context())
        if new := plan.new_rows():
            self._database.insert_records(connection, account_id, new, writer)
        if replacing := plan.replacing_rows():
            self._database.upsert_records(connection, account_id, replacing, writer)

    def _current_rows(
        self, connection: Connection, account_id: str, items: Collection[ItemName]
    ) -> dict[ItemName, CurrentRow]:
        """The rows of these items as they stand, tombstones included; absent ones are left out."""
        current: dict[ItemName, CurrentRow] = {}
        for of_type, keys in keys_by_type(items).items():
            values = {"of_account": account_id, "of_type": of_type, "keys": as_json_keys(keys)}
            for object_type, key, *row in connection.execute(_CURRENT, values).all():
                current[object_type, key] = CurrentRow._make(row)
        return current
