"""Values of fields as a user types them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer

from syncline.data.fields import TYPE_RULES
from syncline.data.parsing import parse_value
from syncline.data.schema import Field, FieldType, ObjectType

_TRUTH = {"true": True, "false": False}


def read_assignments(kind: ObjectType, words: Sequence[str]) -> dict[str, Any]:
    """The fields of `name=value`, `name=` (null) and `name:=JSON`.

    A text is taken as it is; a value of any other type must be one. The device database checks it further.

    Raises:
        typer.BadParameter: a word is none of these, names no field, or two name the same.
    """
    values: dict[str, Any] = {}
    for word in words:
        name, separator, text = word.partition("=")
        if not separator:
            raise typer.BadParameter(f"{word!r} is no field=value", param_hint="FIELD=VALUE")
        raw = name.endswith(":")
        name = name.removesuffix(":")
        field = next((field for field in kind.fields if field.name == name), None)
        if field is None:
            names = ", ".join(field.name for field in kind.fields)
            raise typer.BadParameter(f"{kind.name} has no field {name!r}; it has {names}", param_hint="FIELD=VALUE")
        if name in values:
            raise typer.BadParameter(f"{name} is given twice", param_hint="FIELD=VALUE")
        values[name] = _json(field, text) if raw else read_value(field, text)
    return values


def read_value(field: Field, text: str) -> Any:
    """A value of this field; None for an empty text.

    Raises:
        typer.BadParameter: it is none.
    """
    if not text:
        return None
    match field.type:
        case FieldType.INTEGER | FieldType.NUMBER | FieldType.JSON:
            return _json(field, text)
        case FieldType.BOOLEAN if text in _TRUTH:
            return _TRUTH[text]
        case FieldType.BOOLEAN:
            raise _wrong(field, text)
        case _:
            return text


def _json(field: Field, text: str) -> Any:
    try:
        return parse_value(text.encode())
    except ValueError as error:
        if field.type is FieldType.JSON:
            raise typer.BadParameter(f"{field.name}: {text!r:.60} is no JSON value: {error}") from error
        raise _wrong(field, text) from error


def _wrong(field: Field, text: str) -> typer.BadParameter:
    return typer.BadParameter(f"{field.name} must be {TYPE_RULES[field.type]}, not {text!r:.60}")
