"""By what are rows told apart, when nobody said so?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

from syncline.server.importing.errors import BadLine, SourceError
from syncline.server.importing.key_digests import KeyDigests
from syncline.server.importing.sources import Row, Source

_BY_NAME: Final = "id"


def choose_key(sources: Sequence[Source], *, nulls: Collection[str]) -> tuple[str, ...]:
    """The column `id` if there is one, else the first; that is the key if it tells all rows of the sources apart.

    Rows of JSON have the columns of the first one. Bad lines are passed over.

    Raises:
        SourceError: a source cannot be read, a row lacks a value of that column, or two have the same one; or there
            are no rows of JSON.
    """
    column = ""
    absent = {*nulls, ""}
    seen = KeyDigests()
    for source in sources:
        names = source.columns()
        if names is not None:
            column = column or _choice(names)
            if column not in names:
                raise SourceError(source.name, f"the column {column!r}, which is to be the key, is missing", line=1)
        for row in source.read():
            if isinstance(row, BadLine):
                continue
            column = column or _choice(row.values)
            value = row.values.get(column)
            if value is None or (names is not None and value in absent):
                raise _no_key(source, row, column, "has none")
            if not seen.add(_text(source, row, column, value)):
                raise _no_key(source, row, column, "has that of an earlier one")
    if not column:
        raise SourceError(sources[0].name if sources else "", "has no rows, so there is nothing to choose a key from")
    return (column,)


def _choice(names: Collection[str]) -> str:
    return _BY_NAME if _BY_NAME in names else next(iter(names), "")


def _text(source: Source, row: Row, column: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return f"{value!r}"
    raise _no_key(source, row, column, "has neither a text nor a whole number")


def _no_key(source: Source, row: Row, column: str, why: str) -> SourceError:
    rule = f"the column {column!r} cannot be the key: this row {why}; declare the object type with its key"
    return SourceError(source.name, rule, line=row.line)
