"""Conditions that an app writes in SQL: held to one expression that can only read."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from syncline.data.schema import ObjectType
from syncline.replica.errors import WhereInvalid
from syncline.replica.tables import quote

Parameters = Sequence[object] | Mapping[str, object]
"""Values to bind: in order for `?`, by name for `:name`."""

SYSTEM_COLUMNS = ("_key", "_bucket", "_revision")
"""What each view has besides the fields."""

# Strings, and names in the three ways that SQLite takes; then what is not allowed; then brackets.
_TOKEN = re.compile(
    r"""'(?:[^']|'')*+' | "(?:[^"]|"")*+" | `(?:[^`]|``)*+` | \[[^\]]*+\]
      | (?P<open_quote>['"`\[]) | (?P<comment>--|/\*) | (?P<end>;) | (?P<nul>\x00)
      | (?P<left>\() | (?P<right>\))""",
    re.VERBOSE,
)
_WHY = {
    "open_quote": "a quote is not closed",
    "comment": "comments are not taken",
    "end": "it must be one expression, without `;`",
    "nul": "it holds NUL",
}
_READING = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})
_COUNT_MAX = 2**63 - 1


def condition(where: str) -> str:
    """The expression in brackets, for use in a statement; an empty one holds always.

    Whatever it is, it cannot leave its brackets: it closes none that it did not open, and no quote, comment or
    semicolon of it reaches what follows.

    Raises:
        WhereInvalid: it is more than one expression, or less.
    """
    if not isinstance(where, str):
        raise WhereInvalid(f"a condition is SQL text, not {where!r:.60}")
    if not where.strip():
        return "(1)"
    depth = 0
    for token in _TOKEN.finditer(where):
        if token.lastgroup in _WHY:
            raise WhereInvalid(f"the condition {where!r:.200} cannot be used: {_WHY[token.lastgroup]}")
        depth += (token.lastgroup == "left") - (token.lastgroup == "right")
        if depth < 0:
            break
    if depth:
        raise WhereInvalid(f"the condition {where!r:.200} cannot be used: its brackets do not match")
    return f"({where})"


def ordering(kind: ObjectType, order_by: Sequence[str], limit: int | None, offset: int) -> str:
    """The end of a SELECT on the type's view. Whoever cuts or sorts gets an order in which no two records are equal.

    Raises:
        WhereInvalid: a name is none of the type's columns, or a number makes no sense.
    """
    if isinstance(order_by, str):
        raise WhereInvalid(f"order_by is a list of names, not the text {order_by!r}")
    terms = [_term(kind, name) for name in order_by]
    for number, what in ((limit, "limit"), (offset, "offset")):
        if number is not None and (type(number) is not int or not 0 <= number <= _COUNT_MAX):
            raise WhereInvalid(f"{what} must be a whole number from 0, not {number!r}")
    if not terms and limit is None and not offset:
        return ""
    cut = "" if limit is None and not offset else f" LIMIT {-1 if limit is None else limit} OFFSET {offset}"
    return f" ORDER BY {', '.join([*terms, '_key'])}{cut}"


def run(
    connection: sqlite3.Connection, kind: ObjectType, sql: str, parameters: Parameters = ()
) -> list[tuple[Any, ...]]:
    """Run a SELECT that holds an app's condition; it can read, and do nothing else.

    Raises:
        WhereInvalid: SQLite does not understand it, or it would do more than read, or the values do not match.
        StorageFailed: the file could not be read.
    """
    if isinstance(parameters, str):
        raise WhereInvalid(f"the values to bind are a list or a mapping, not the text {parameters!r:.60}")
    try:
        with only_reading(connection):
            return connection.execute(sql, parameters).fetchall()
    except sqlite3.OperationalError as error:
        if (getattr(error, "sqlite_errorcode", 0) & 0xFF) not in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_AUTH):
            raise  # the file, not the condition
        raise WhereInvalid(f"the condition on {kind.name} cannot be used: {error}") from error
    except (sqlite3.DatabaseError, sqlite3.InterfaceError, sqlite3.Warning, OverflowError, UnicodeError) as error:
        if (getattr(error, "sqlite_errorcode", 0) & 0xFF) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise
        raise WhereInvalid(f"the condition on {kind.name} cannot be used: {error}") from error


@contextmanager
def only_reading(connection: sqlite3.Connection) -> Iterator[None]:
    """Statements prepared in the block may read and do nothing else, on a connection that may write, too."""
    connection.set_authorizer(_authorize)
    try:
        yield
    finally:
        connection.set_authorizer(None)


def _authorize(action: int, table: str | None, function: str | None, *_: str | None) -> int:
    if action == sqlite3.SQLITE_FUNCTION and function == "load_extension":
        return sqlite3.SQLITE_DENY
    # SQLite asks so when it meets json_each for the first time. A SELECT cannot do it, and nothing can by itself.
    declares_table = action == sqlite3.SQLITE_UPDATE and table == "sqlite_master"
    return sqlite3.SQLITE_OK if action in _READING or declares_table else sqlite3.SQLITE_DENY


def _term(kind: ObjectType, name: str) -> str:
    columns = {*SYSTEM_COLUMNS, *(field.name for field in kind.fields)}
    if name in columns:
        return quote(name)
    if isinstance(name, str) and name.startswith("-") and name[1:] in columns:
        return f"{quote(name[1:])} DESC"
    raise WhereInvalid(f"{kind.name} has no field {name!r} to sort by; give a field's name, or -name for descending")
