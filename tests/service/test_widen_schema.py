"""Taking something into a schema that others change at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from syncline.data.schema import Field, FieldType, ObjectType
from syncline.server.schema.apply_schema import widen_schema
from syncline.storage import Store
from syncline.storage.audit_models import Act, AuditFilter

_KEY = Field("id", FieldType.STRING, required=True)
ACT = Act(1, "a worker", "worker", "schema.infer", "schema")


def test_what_several_take_in_at_once_is_all_there(store: Store) -> None:
    kinds = [ObjectType(f"type_{number}", "main", (_KEY,), ("id",)) for number in range(4)]
    new = [Field(f"field_{number}", FieldType.JSON) for number in range(4)]
    fields = [ObjectType("note", "main", (_KEY, field), ("id",)) for field in new]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda found: widen_schema(store, "dev", [found], act=ACT), [*kinds, *fields]))
    schema = store.read_schema("dev")
    assert {kind.name for kind in schema.object_types} == {"note", *(kind.name for kind in kinds)}
    note = schema.object_type("note")
    assert note is not None
    assert {field.name for field in note.fields} == {"id", "text", *(field.name for field in new)}


def test_nothing_to_take_in_makes_no_new_version(store: Store) -> None:
    before = store.read_schema("dev")
    assert widen_schema(store, "dev", [*before.object_types], act=ACT) == before
    assert store.read_schema("dev").version == before.version
    assert store.list_acts("dev", AuditFilter(), before=None, limit=1) == []
