"""The object type that rows have when nobody declared one."""

from __future__ import annotations

import io

import pytest

from syncline.data.schema import Field, FieldType, ObjectType
from syncline.data.schema_rules import check_object_type
from syncline.server.importing.errors import SourceError
from syncline.server.importing.inference import infer_object_type
from syncline.server.importing.progress import silent
from syncline.server.importing.sources import CsvSource, JsonLinesSource, Source


def _csv(data: bytes) -> Source:
    return CsvSource("t.csv", len(data), lambda: io.BytesIO(data))


def _jsonl(data: bytes) -> Source:
    return JsonLinesSource("t.jsonl", len(data), lambda: io.BytesIO(data))


def _infer(*sources: Source, key: tuple[str, ...] = ("id",)) -> ObjectType:
    return infer_object_type("things", "main", key, sources, nulls=("NA",), progress=silent)


def _column(*cells: str) -> FieldType:
    rows = "".join(f"{number},{cell}\n" for number, cell in enumerate(cells))
    return _infer(_csv(f"id,x\n{rows}".encode())).fields[1].type


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "-20", "0"], FieldType.INTEGER),
        (["1", "NA", ""], FieldType.INTEGER),
        (["1012", "1012.3"], FieldType.NUMBER),
        (["1e5", "2"], FieldType.NUMBER),
        (["10.357019999999999"], FieldType.NUMBER),
        (["TRUE", "false"], FieldType.BOOLEAN),
        (["2013-01-31"], FieldType.DATE),
        (["2013-01-01T05:00:00Z", "NA"], FieldType.TIMESTAMP),
        (["2013-01-01T05:00:00Z", "2013-01-31"], FieldType.STRING),
        (["2013-02-30"], FieldType.STRING),
        (["2013-01-01 05:00:00"], FieldType.STRING),
        (["007"], FieldType.STRING),
        (["1", "x"], FieldType.STRING),
        (["1", "true"], FieldType.STRING),
        (["9223372036854775808"], FieldType.STRING),
        (["0.123456789012345678"], FieldType.STRING),
        (["1e999"], FieldType.STRING),
        (["NA", ""], FieldType.STRING),
        ([], FieldType.STRING),
    ],
)
def test_a_column_gets_the_narrowest_type_that_fits(cells: list[str], kind: FieldType) -> None:
    assert _column(*cells) is kind


def test_only_key_fields_are_required_and_a_double_is_no_key() -> None:
    kind = _infer(_csv(b"id,x\n1.5,a\n2,b\n"))
    assert kind == ObjectType(
        "things", "main", (Field("id", FieldType.STRING, required=True), Field("x", FieldType.STRING)), ("id",)
    )
    check_object_type(kind)


def test_several_files_widen_each_other() -> None:
    kind = _infer(_csv(b"id,x\n1,1\n"), _csv(b"id,y\n2,a\n"), _csv(b"id,x\n3,1.5\n"))
    assert [(field.name, field.type) for field in kind.fields] == [
        ("id", FieldType.INTEGER),
        ("x", FieldType.NUMBER),
        ("y", FieldType.STRING),
    ]


def test_json_rows_keep_their_own_types() -> None:
    kind = _infer(
        _jsonl(
            b'{"id":1,"n":1,"t":"5","b":true,"d":"2013-01-31","o":{"a":1},"m":1}\n'
            b'{"id":2,"n":1.5,"t":null,"b":false,"m":"x","late":"2013-01-01T05:00:00Z"}\n'
        )
    )
    assert {field.name: field.type for field in kind.fields} == {
        "id": FieldType.INTEGER,
        "n": FieldType.NUMBER,
        "t": FieldType.STRING,
        "b": FieldType.BOOLEAN,
        "d": FieldType.DATE,
        "o": FieldType.JSON,
        "m": FieldType.JSON,
        "late": FieldType.TIMESTAMP,
    }


def test_bad_lines_are_passed_over() -> None:
    assert _infer(_csv(b"id,x\n1,2\n2,3,4\n3,\xff\n")).fields[1].type is FieldType.INTEGER


def test_a_key_column_must_be_there() -> None:
    with pytest.raises(SourceError, match="the key column 'code' is missing"):
        _infer(_csv(b"id\n1\n"), key=("code",))
