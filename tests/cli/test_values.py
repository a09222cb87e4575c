"""Values and words as a user types them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer

from syncline.cli.local_file import key_fields, key_of
from syncline.cli.values import read_assignments
from syncline.cli.words import split_words
from syncline.data.schema import Field, FieldType, ObjectType

KIND = ObjectType("thing", "main", tuple(Field(kind.value, kind) for kind in FieldType))


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("string=5", "5"),
        ("string=a=b:=c", "a=b:=c"),
        ("string=", None),
        ('string:=""', ""),
        ("string:=null", None),
        ("integer=-5", -5),
        ("number=2.5", 2.5),
        ("decimal=2.50", "2.50"),
        ("boolean=true", True),
        ("boolean=false", False),
        ("date=2013-01-31", "2013-01-31"),
        ("timestamp=2013-01-31T05:00:00Z", "2013-01-31T05:00:00Z"),
        ('json={"a": [1]}', {"a": [1]}),
        ("json=", None),
    ],
)
def test_a_value_is_read_by_its_field_s_type(word: str, value: Any) -> None:
    (read,) = read_assignments(KIND, [word]).values()
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["string"], "no field=value"),
        (["nothing=1"], "has no field 'nothing'; it has string, integer"),
        (["string=1", "string=2"], "given twice"),
        (["integer=five"], "integer must be an integer"),
        (["integer=99999999999999999999"], "integer must be an integer"),
        (["number=NaN"], "number must be a number"),
        (["boolean=yes"], "boolean must be true or false"),
        (["json={"], "json: '{' is no JSON value"),
        (["json=\udcff"], "is no JSON value"),
        (["string:=text"], "string must be text"),
    ],
)
def test_what_is_no_value_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(typer.BadParameter) as refused:
        read_assignments(KIND, words)
    assert message in str(refused.value)


def _kind(*key: FieldType) -> ObjectType:
    return ObjectType(
        "thing", "main", tuple(Field(kind.value, kind) for kind in key), tuple(kind.value for kind in key)
    )


@pytest.mark.parametrize(
    ("kind", "word", "key", "fields"),
    [
        (_kind(), "any", "any", {}),
        (_kind(FieldType.STRING), "[5]", "[5]", {"string": "[5]"}),
        (_kind(FieldType.INTEGER), "5", "[5]", {"integer": 5}),
        (_kind(FieldType.INTEGER), "[5]", "[5]", {"integer": 5}),
        (_kind(FieldType.DATE), "2013-01-31", '["2013-01-31"]', {"date": "2013-01-31"}),
        (_kind(FieldType.STRING, FieldType.INTEGER), '["a", 5]', '["a",5]', {"string": "a", "integer": 5}),
    ],
)
def test_a_key_is_what_the_column_shows_or_the_one_field_s_value(
    kind: ObjectType, word: str, key: str, fields: dict[str, Any]
) -> None:
    assert key_of(kind, word) == key
    assert key_fields(kind, word) == fields


@pytest.mark.parametrize("word", ["a", "[5]", '["a"]', '["a", 5, 6]', '["a", "b"]'])
def test_what_is_no_key_is_refused(word: str) -> None:
    with pytest.raises(typer.BadParameter):
        key_of(_kind(FieldType.STRING, FieldType.INTEGER), word)


def test_the_file_is_the_first_word_unless_the_environment_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = "FILE TYPE KEY"
    file, other = tmp_path / "device.db", tmp_path / "other.db"
    monkeypatch.delenv("SYNCLINE_FILE", raising=False)
    assert split_words([str(file), "note", "a"], usage, least=2) == (file, ["note", "a"])
    with pytest.raises(typer.BadParameter, match="too few"):
        split_words(["note", "a"], usage, least=2)
    with pytest.raises(typer.BadParameter, match="too few"):
        split_words(None, usage)

    monkeypatch.setenv("SYNCLINE_FILE", str(file))
    assert split_words(["note", "a"], usage, least=2) == (file, ["note", "a"])
    assert split_words(None, usage) == (file, [])
    other.touch()
    assert split_words([str(other), "note", "a"], usage, least=2) == (other, ["note", "a"])
    with pytest.raises(typer.BadParameter, match="too many"):
        split_words(["note", "a", "b"], usage, most=2)
