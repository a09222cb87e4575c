"""The schema file: what it holds, and errors that name file, line and reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncline.data.schema import ConflictPolicy, DeleteRule, Field, FieldType, ObjectType, Relationship
from syncline.server.schema_file import SchemaFileError, load_schema_file

EXAMPLE = Path(__file__).parents[2] / "examples" / "nycflights13.schema.yaml"

PLANES = """\
scopes:
  main:
    planes:
      key: [tailnum]
      conflict_policy: reject
      fields:
        tailnum: {type: string, max_length: 6}
        no: boolean
        built: date
    flights:
      key: [id]
      fields:
        id: integer
        tailnum: string
      relationships:
        plane: {fields: [tailnum], parent: planes, on_delete: cascade}
"""


def _load(folder: Path, text: str | bytes) -> tuple[ObjectType, ...]:
    path = folder / "schema.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_schema_file(path).object_types


def test_a_file_becomes_a_schema(tmp_path: Path) -> None:
    planes, flights = _load(tmp_path, PLANES)
    assert planes == ObjectType(
        "planes",
        "main",
        (
            Field("tailnum", FieldType.STRING, required=True, max_length=6),
            Field("no", FieldType.BOOLEAN),
            Field("built", FieldType.DATE),
        ),
        ("tailnum",),
        conflict_policy=ConflictPolicy.REJECT,
    )
    assert flights.relationships == (Relationship("plane", ("tailnum",), "planes", on_delete=DeleteRule.CASCADE),)


def test_the_example_is_a_schema_of_five_types_in_one_scope() -> None:
    schema = load_schema_file(EXAMPLE)
    assert schema.scopes() == ("flights",)
    assert {kind.name for kind in schema.object_types} == {"airlines", "airports", "planes", "weather", "flights"}
    assert not any(relationship.required for kind in schema.object_types for relationship in kind.relationships)


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ("no: boolean", "no: bool", 8, "must be one of string, integer"),
        ("no: boolean", "tailnum: boolean", 8, "'tailnum' stands twice"),
        ("no: boolean", "TAILNUM: boolean", 8, "only in case"),
        ("no: boolean", "_no: boolean", 8, "reserved"),
        ("no: boolean", "no: {type: boolean, required: yes}", 8, "must be true or false"),
        ("no: boolean", "no: {type: string, max_length: many}", 8, "must be an integer"),
        ("no: boolean", "? [a, b]\n        : boolean", 8, "a name must be text"),
        ("    flights:", "    planes:", 10, "'planes' stands twice"),
        ("key: [id]", "key: [id, nothing]", 11, "no field 'nothing'"),
        ("key: [id]", "keys: [id]", 11, "is not known here; there are key, conflict_policy, fields, relationships"),
        ("conflict_policy: reject", "conflict_policy: luck", 5, "must be one of merge_fields"),
        ("parent: planes", "parent: trains", 16, "no object type 'trains'"),
        ("fields: [tailnum], parent", "fields: [id], parent", 16, "id is of type integer"),
        ("id: integer", "id: {type: integer, required: false}", 13, "must be required"),
        ("id: integer", "id: *nowhere", 13, "is not YAML"),
        ("        id: integer", "\tid: integer", 13, "is not YAML"),
        ("scopes:", "scope:", 1, "is not known here"),
        ("scopes:", "--- {}\n---\nscopes:", 2, "is not YAML"),
    ],
)
def test_an_error_names_its_line(tmp_path: Path, old: str, new: str, line: int, reason: str) -> None:
    assert old in PLANES
    with pytest.raises(SchemaFileError, match=reason) as refused:
        _load(tmp_path, PLANES.replace(old, new, 1))
    assert refused.value.line == line
    assert str(refused.value).startswith(f"{tmp_path}/schema.yaml:{line}: ")


@pytest.mark.parametrize(
    ("data", "line", "reason"),
    [
        (b"", 0, "is empty"),
        (b"# nothing\n", 0, "is empty"),
        (b"text", 1, "must be a mapping"),
        (b"scopes:\n  caf\xe9: {}\n", 2, "is not UTF-8"),
        (b"scopes: \x00", 0, "is not YAML"),
        (b"[" * 100_000, 0, "nested too deeply"),
        (b"scopes: &a\n  s: *a\n", 1, "anchors and aliases"),
        (b"#" * (8 * 1024 * 1024 + 1), 0, "is larger than"),
    ],
)
def test_a_file_that_is_no_schema_file_is_refused(tmp_path: Path, data: bytes, line: int, reason: str) -> None:
    with pytest.raises(SchemaFileError, match=reason) as refused:
        _load(tmp_path, data)
    assert refused.value.line == line


DOTTED = """\
scopes:
  scopes:
    scopes.planes:
      fields: {id: string}
  a.b:
    planes:
      read_only: true
      merge_unsent_updates: true
      conflict_policy: resolver
      resolver: keep_both
      fields:
        id: string
"""


def test_names_may_hold_dots(tmp_path: Path) -> None:
    first, second = _load(tmp_path, DOTTED)
    assert (first.scope, first.name, first.local_name) == ("scopes", "scopes.planes", "planes")
    assert (second.scope, second.name, second.resolver) == ("a.b", "planes", "keep_both")
    assert second.read_only
    assert second.merge_unsent_updates


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ("{id: string}", "{id: text}", 4, "scopes.planes.fields.id.type: must be one of"),
        ("    planes", "    a.b.planes", 6, "a.b.planes: the name of an object type"),
        ("resolver: keep_both", "resolver: [keep, both]", 10, "planes.resolver: must name a resolver"),
        ("        id: string", "        id: text", 12, "planes.fields.id.type: must be one of"),
    ],
)
def test_an_error_names_its_line_below_names_with_dots(
    tmp_path: Path, old: str, new: str, line: int, reason: str
) -> None:
    assert old in DOTTED
    with pytest.raises(SchemaFileError, match=reason) as refused:
        _load(tmp_path, DOTTED.replace(old, new, 1))
    assert refused.value.line == line


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaFileError, match="No such file"):
        load_schema_file(tmp_path / "nothing.yaml")
    with pytest.raises(SchemaFileError, match="Is a directory"):
        load_schema_file(tmp_path)


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    assert len(_load(tmp_path, b"\xef\xbb\xbf" + PLANES.encode())) == 2
