"""The account's schema, and moving object types from scope to scope."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace

from sqlalchemy import BindParameter, Connection, bindparam, delete, select, update

from syncline.data.schema import Schema
from syncline.data.schema_document import object_type_from_document, object_type_to_document
from syncline.storage.audit_models import Act
from syncline.storage.errors import SchemaChanged
from syncline.storage.limits import check_act, check_text
from syncline.storage.models import Feed
from syncline.storage.sql.departing import SqlDeparting
from syncline.storage.sql.json_rows import as_json_keys, one_of_keys
from syncline.storage.sql.tables import account, object_type, record
from syncline.storage.sql.write_plan import Departure

_OF_ACCOUNT: BindParameter[str] = bindparam("of_account")
_VERSION = select(account.c.schema_version).where(account.c.account_id == _OF_ACCOUNT)
_TYPES = (
    select(object_type.c.name, object_type.c.scope, object_type.c.document)
    .where(object_type.c.account_id == _OF_ACCOUNT)
    .order_by(object_type.c.place)
)
_SCOPES = select(object_type.c.scope).where(object_type.c.account_id == _OF_ACCOUNT).distinct()
_SCOPES_OF_TYPES = select(object_type.c.name, object_type.c.scope).where(
    object_type.c.account_id == _OF_ACCOUNT, one_of_keys("names", object_type.c.name)
)
_SET_VERSION = update(account).where(account.c.account_id == _OF_ACCOUNT).values(schema_version=bindparam("version"))
_FORGET_TYPES = delete(object_type).where(object_type.c.account_id == _OF_ACCOUNT)

_OF_TYPE = (record.c.account_id == _OF_ACCOUNT, record.c.object_type == bindparam("of_type"))
_TO_MOVE = (
    select(record.c.object_type, record.c.record_key, record.c.scope, record.c.bucket, record.c.modified_at)
    .where(*_OF_TYPE, record.c.scope != bindparam("new_scope"))
    .order_by(record.c.revision)
)
_MOVE = (
    update(record)
    .where(*_OF_TYPE, record.c.record_key == bindparam("of_key"))
    .values(
        scope=bindparam("new_scope"), revision=bindparam("new_revision"), entered_revision=bindparam("new_revision")
    )
)


class SqlSchemas(SqlDeparting):
    """`SchemaStore`."""

    def read_schema(self, account_id: str) -> Schema:
        """See `SchemaStore.read_schema`."""

        def work(connection: Connection) -> Schema:
            self._head(connection, account_id)
            return self._schema(connection, account_id)

        return self._database.read(work)

    def write_schema(self, account_id: str, schema: Schema, *, expected_version: int, act: Act | None = None) -> Schema:
        """See `SchemaStore.write_schema`."""
        check_act(act)
        for kind in schema.object_types:
            check_text("object_type", kind.name)
            check_text("scope", kind.scope)

        def work(connection: Connection) -> Schema:
            self._take_revisions(connection, account_id, 0)
            found = connection.execute(_VERSION, {"of_account": account_id}).scalar_one()
            if found != expected_version:
                raise SchemaChanged(f"the schema in force is version {found}, not {expected_version}")
            self._put_schema(connection, account_id, schema, expected_version + 1)
            self._move_records(connection, account_id, schema)
            self._note_act(connection, account_id, act)
            return replace(schema, version=expected_version + 1)

        return self._database.write(work)

    def _schema(self, connection: Connection, account_id: str) -> Schema:
        version = connection.execute(_VERSION, {"of_account": account_id}).scalar_one()
        return Schema(
            version=version,
            object_types=tuple(
                object_type_from_document(row.name, row.scope, json.loads(row.document))
                for row in connection.execute(_TYPES, {"of_account": account_id})
            ),
        )

    def _scopes(self, connection: Connection, account_id: str) -> set[str]:
        """The names of the scopes."""
        return {row.scope for row in connection.execute(_SCOPES, {"of_account": account_id})}

    def _scopes_of_types(self, connection: Connection, account_id: str, names: Collection[str]) -> dict[str, str]:
        """The scope of each of these object types; those that are not in the schema are left out."""
        wanted = as_json_keys(names)
        found = connection.execute(_SCOPES_OF_TYPES, {"of_account": account_id, "names": wanted})
        return {row.name: row.scope for row in found}

    def _put_schema(self, connection: Connection, account_id: str, schema: Schema, version: int) -> None:
        connection.execute(_SET_VERSION, {"of_account": account_id, "version": version})
        connection.execute(_FORGET_TYPES, {"of_account": account_id})
        rows = [
            {
                "account_id": account_id,
                "name": kind.name,
                "scope": kind.scope,
                "place": place,
                "document": json.dumps(object_type_to_document(kind), ensure_ascii=False),
            }
            for place, kind in enumerate(schema.object_types)
        ]
        if rows:
            connection.execute(object_type.insert(), rows)

    def _move_records(self, connection: Connection, account_id: str, schema: Schema) -> None:
        """Move the rows of object types whose scope has changed, at new revisions in their old order."""
        for kind in schema.object_types:
            values = {"of_account": account_id, "of_type": kind.name, "new_scope": kind.scope}
            rows = connection.execute(_TO_MOVE, values).all()
            if not rows:
                continue
            first = self._take_revisions(connection, account_id, len(rows)) - len(rows) + 1
            moved = [
                {**values, "of_key": row.record_key, "new_revision": revision}
                for revision, row in enumerate(rows, first)
            ]
            connection.execute(_MOVE, moved)
            self._forget_departures(
                connection,
                account_id,
                {(row.object_type, row.record_key): Feed(kind.scope, row.bucket) for row in rows},
            )
            left = {
                ((row.object_type, row.record_key), Feed(row.scope, row.bucket)): Departure(revision, row.modified_at)
                for revision, row in enumerate(rows, first)
            }
            self._write_departures(connection, account_id, left)
