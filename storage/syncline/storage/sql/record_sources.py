"""Where records came from: what is known of the rows of connected systems."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from sqlalchemy import BindParameter, Connection, bindparam, delete, func, select, update

from syncline.storage.limits import check_texts
from syncline.storage.request_models import SourceRow
from syncline.storage.row_plan import ItemName, KnownSource, RowPlan, SourceName
from syncline.storage.sql.base import SqlBase
from syncline.storage.sql.json_rows import as_json_keys, one_of_keys
from syncline.storage.sql.tables import record_source
from syncline.storage.sql.write_plan import keys_by_type

_OF_ACCOUNT: BindParameter[str] = bindparam("of_account")
_OF_TYPE = (
    record_source.c.account_id == _OF_ACCOUNT,
    record_source.c.enrollment_id == bindparam("of_enrollment"),
    record_source.c.object_type == bindparam("of_type"),
)
_THESE = (*_OF_TYPE, one_of_keys("keys", record_source.c.source_key))
_HASHES = select(record_source.c.source_key, record_source.c.source_hash).where(*_THESE)
_KNOWN = select(
    record_source.c.source_key, record_source.c.record_key, record_source.c.source_hash, record_source.c.source_image
).where(*_THESE)
_FORGET = delete(record_source).where(*_THESE)
_SEE = update(record_source).where(*_THESE).values(seen_by=bindparam("new_seen_by"))
# The type is no condition for an index: with it, the primary key looks as good to a planner that knows little.
_COUNT_OF_RECORDS = (
    select(record_source.c.record_key, func.count())
    .where(
        record_source.c.account_id == _OF_ACCOUNT,
        (record_source.c.object_type == bindparam("of_type")).is_(True),
        one_of_keys("keys", record_source.c.record_key),
    )
    .group_by(record_source.c.record_key)
)


class SqlRecordSources(SqlBase):
    """Looking sources up, and keeping them. A request without enrollment has the enrollment `""` here."""

    def known_sources(
        self, account_id: str, enrollment_id: str | None, object_type: str, source_keys: Sequence[str]
    ) -> Mapping[str, bytes]:
        """See `WorkStore.known_sources`."""
        check_texts("source_keys", (enrollment_id or "", object_type, *source_keys))

        def work(connection: Connection) -> dict[str, bytes]:
            self._head(connection, account_id)
            values = _values(account_id, enrollment_id or "", object_type, source_keys)
            return {row.source_key: row.source_hash for row in connection.execute(_HASHES, values)}

        return self._database.read(work)

    def _changed_sources(
        self, connection: Connection, account_id: str, enrollment_id: str, rows: Iterable[SourceRow]
    ) -> tuple[set[SourceName], set[SourceName]]:
        """The sources of those rows that are new, and of those that are not as they were."""
        of_type: dict[str, list[SourceRow]] = {}
        for row in rows:
            of_type.setdefault(row.object_type, []).append(row)
        new: set[SourceName] = set()
        changed: set[SourceName] = set()
        for object_type, told in of_type.items():
            found = self._database.changed_sources(connection, account_id, enrollment_id, object_type, told)
            new.update((object_type, told[place].source_key) for place in found.new)
            changed.update((object_type, told[place].source_key) for place in found.changed)
        return new, changed

    def _stored_sources(
        self, connection: Connection, account_id: str, enrollment_id: str, names: Collection[SourceName]
    ) -> dict[SourceName, KnownSource]:
        """Those of the names that are known."""
        known: dict[SourceName, KnownSource] = {}
        for object_type, keys in keys_by_type(names).items():
            values = _values(account_id, enrollment_id, object_type, keys)
            for source_key, *source in connection.execute(_KNOWN, values).all():
                known[object_type, source_key] = KnownSource._make(source)
        return known

    def _count_sources(
        self, connection: Connection, account_id: str, items: Collection[ItemName]
    ) -> dict[ItemName, int]:
        """How many sources each of the records has, of all enrollments; those without any are left out."""
        counts: dict[ItemName, int] = {}
        for object_type, keys in keys_by_type(items).items():
            values = {"of_account": account_id, "of_type": object_type, "keys": as_json_keys(keys)}
            for record_key, count in connection.execute(_COUNT_OF_RECORDS, values).all():
                counts[object_type, record_key] = count
        return counts

    def _store_sources(
        self,
        connection: Connection,
        account_id: str,
        enrollment_id: str,
        plan: RowPlan,
        *,
        known: Collection[SourceName],
        seen_by: str,
    ) -> None:
        """Store what a plan says of sources. `known` are there; `seen_by` is the request, or its parent."""
        if new := [(*name, *source) for name, source in plan.sources.items() if name not in known]:
            self._database.insert_sources(connection, account_id, enrollment_id, new, seen_by=seen_by)
        if changed := [(*name, *source) for name, source in plan.sources.items() if name in known]:
            self._database.upsert_sources(connection, account_id, enrollment_id, changed, seen_by=seen_by)
        for object_type, keys in keys_by_type(plan.forgotten).items():
            connection.execute(_FORGET, _values(account_id, enrollment_id, object_type, keys))
        for object_type, keys in keys_by_type(plan.seen).items():
            seen = {**_values(account_id, enrollment_id, object_type, keys), "new_seen_by": seen_by}
            connection.execute(_SEE, seen)


def _values(account_id: str, enrollment_id: str, object_type: str, keys: Iterable[str]) -> dict[str, str]:
    return {
        "of_account": account_id,
        "of_enrollment": enrollment_id,
        "of_type": object_type,
        "keys": as_json_keys(keys),
    }
