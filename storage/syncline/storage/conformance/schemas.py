"""The account's schema, and object types that move to another scope."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest

from syncline.data.schema import (
    ConflictPolicy,
    DeleteRule,
    Field,
    FieldType,
    ObjectType,
    Relationship,
    Schema,
)
from syncline.storage.conformance.tenant import MEDIA, NOTES, SCOPES, Tenant, schema
from syncline.storage.contract import Store
from syncline.storage.errors import SchemaChanged

RICH = Schema(
    object_types=(
        ObjectType(
            name="parent",
            scope="crm",
            fields=tuple(Field(f"f_{kind.value}", kind, required=True, max_length=7) for kind in FieldType),
            primary_key=("f_string", "f_integer"),
            conflict_policy=ConflictPolicy.REJECT,
        ),
        ObjectType(
            name="child",
            scope="crm",
            fields=(Field("Name", FieldType.STRING), Field("name", FieldType.JSON), Field("größe", FieldType.DECIMAL)),
            relationships=(
                Relationship("of", ("Name", "größe"), "parent", required=True, on_delete=DeleteRule.CASCADE),
                Relationship("Of", ("name",), "child"),
            ),
            conflict_policy=ConflictPolicy.CLIENT_WINS,
        ),
    )
)


class SchemaConformance:
    """`SchemaStore`."""

    def test_a_new_account_has_no_schema(self, store: Store) -> None:
        account_id = uuid4().hex
        store.create_account(account_id)
        assert store.read_schema(account_id) == Schema()

    def test_a_schema_comes_out_as_it_went_in(self, store: Store) -> None:
        account_id = uuid4().hex
        store.create_account(account_id)
        written = store.write_schema(account_id, RICH, expected_version=0)
        assert written == replace(RICH, version=1)
        assert store.read_schema(account_id) == written

    def test_each_write_is_a_version(self, tenant: Tenant) -> None:
        second = tenant.store.write_schema(tenant.account_id, schema(), expected_version=1)
        assert second.version == 2
        assert tenant.store.read_schema(tenant.account_id).version == 2

    @pytest.mark.parametrize("expected", [0, 2])
    def test_a_schema_is_not_written_over_one_that_the_caller_has_not_read(self, tenant: Tenant, expected: int) -> None:
        with pytest.raises(SchemaChanged):
            tenant.store.write_schema(tenant.account_id, RICH, expected_version=expected)
        assert tenant.store.read_schema(tenant.account_id) == replace(schema(), version=1)

    def test_moving_a_type_moves_its_rows_and_leaves_departures(self, tenant: Tenant) -> None:
        tenant.put("live", b"1")
        tenant.put("elsewhere", b"2", bucket="north")
        tenant.put("gone")
        tenant.remove("gone")
        tenant.put("stays", object_type="task")
        device = tenant.device("", "north")
        device.sync()
        before = tenant.head()
        moved = schema({**SCOPES, "note": MEDIA})
        tenant.store.write_schema(tenant.account_id, moved, expected_version=1)
        rows = tenant.store.get_records(tenant.account_id, "note", ["live", "elsewhere", "gone"])
        assert {row.scope for row in rows} == {MEDIA}
        assert len({row.revision for row in rows}) == 3
        assert all(row.revision > before and row.entered_revision == row.revision for row in rows)
        (task,) = tenant.store.get_records(tenant.account_id, "task", ["stays"])
        assert (task.scope, task.revision <= before) == (NOTES, True)
        items = device.sync()
        assert {item.key for item in items if item.frame is None} == {"live", "elsewhere", "gone"}
        assert {row.feed.scope for name, row in device.file.rows.items() if name[0] == "note"} == {MEDIA}
        assert device.frames() == {("note", "live"): b"1", ("note", "elsewhere"): b"2", ("task", "stays"): b"{}"}

    def test_a_device_of_the_old_scope_alone_loses_the_rows(self, tenant: Tenant) -> None:
        tenant.put("a")
        device = tenant.device()
        device.sync(scopes=(NOTES,))
        tenant.store.write_schema(tenant.account_id, schema({**SCOPES, "note": MEDIA}), expected_version=1)
        device.sync(scopes=(NOTES,))
        assert device.frames() == {}

    def test_moving_there_and_back_leaves_each_row_once(self, tenant: Tenant) -> None:
        tenant.put("a", b"x")
        device = tenant.device()
        device.sync()
        tenant.store.write_schema(tenant.account_id, schema({**SCOPES, "note": MEDIA}), expected_version=1)
        tenant.store.write_schema(tenant.account_id, schema(), expected_version=2)
        items = device.sync()
        assert sorted((item.key, item.frame) for item in items if item.frame is not None) == [("a", b"x")]
        assert device.frames() == {("note", "a"): b"x"}
