"""Conditions of an app: one expression, values bound, nothing but reading."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.data.schema import Field, FieldType, ObjectType
from syncline.replica import WhereInvalid
from syncline.replica.where import Parameters, condition, ordering, run

ITEM = ObjectType("item", "main", (Field("name", FieldType.STRING), Field("-odd", FieldType.STRING)))


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("CREATE TABLE item (_key TEXT, name TEXT)")
    connection.executemany("INSERT INTO item VALUES (?, ?)", [("1", "it's; --"), ("2", "/*"), ("3", "x")])
    yield connection
    connection.close()


def find(connection: sqlite3.Connection, where: str, parameters: Parameters = ()) -> list[str]:
    rows = run(connection, ITEM, f"SELECT _key FROM item WHERE {condition(where)} ORDER BY _key", parameters)
    return [str(key) for (key,) in rows]


@pytest.mark.parametrize(
    ("where", "parameters", "keys"),
    [
        ("", (), ["1", "2", "3"]),
        ("  ", (), ["1", "2", "3"]),
        ("name = ?", ("x",), ["3"]),
        ("name = :name OR _key = :key", {"name": "x", "key": "1"}, ["1", "3"]),
        ("name = ?", ("x' OR '1' = '1",), []),
        ("name = 'it''s; --'", (), ["1"]),
        ("(name LIKE '/*') OR (\"name\" = 'x') OR [name] = ')' OR `name` = ';'", (), ["2", "3"]),
        ("_key IN (SELECT value FROM json_each(?))", ('["1", "2"]',), ["1", "2"]),
        ("_key = (SELECT max(_key) FROM item)", (), ["3"]),
    ],
)
def test_a_condition_is_any_expression(
    connection: sqlite3.Connection, where: str, parameters: Parameters, keys: list[str]
) -> None:
    assert find(connection, where, parameters) == keys


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ("1; DELETE FROM item", "without `;`"),
        ("1) UNION SELECT name FROM item WHERE (1", "brackets do not match"),
        ("(1", "brackets do not match"),
        ("1 --", "comments are not taken"),
        ("1 /* ", "comments are not taken"),
        ("name = 'x", "a quote is not closed"),
        ('"name', "a quote is not closed"),
        ("1 \0", "holds NUL"),
        ("colour = 1", "no such column: colour"),
        ("name = ", "syntax error"),
        ("DELETE FROM item", "syntax error"),
        ("1 ORDER BY name", "syntax error"),
        ("no_function(name)", "no such function"),
        ("LOAD_extension('x')", "not authorized"),
        ("(SELECT count(*) FROM pragma_table_info('item'))", "not authorized"),
        ("name = ?", "supplied"),
    ],
)
def test_anything_else_is_refused_and_says_why(connection: sqlite3.Connection, where: str, why: str) -> None:
    with pytest.raises(WhereInvalid, match=why):
        find(connection, where)
    assert find(connection, "") == ["1", "2", "3"]


@pytest.mark.parametrize("value", [object(), 2**64, "\ud800"])
def test_values_that_sqlite_cannot_hold_are_refused(connection: sqlite3.Connection, value: object) -> None:
    with pytest.raises(WhereInvalid, match="cannot be used"):
        find(connection, "name = ?", (value,))


def test_a_condition_is_text() -> None:
    with pytest.raises(WhereInvalid, match="is SQL text, not 7"):
        condition(7)  # type: ignore[arg-type]


def test_the_connection_may_write_again_afterwards(connection: sqlite3.Connection) -> None:
    with pytest.raises(WhereInvalid):
        find(connection, "nonsense(")
    find(connection, "1")
    connection.execute("DELETE FROM item")
    assert find(connection, "") == []


@given(st.text("()'\"`[];-/* a1=", max_size=24))
def test_no_condition_leaves_its_brackets(where: str) -> None:
    """Whatever follows the condition is still in force: no row that it shuts out is ever found."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("CREATE TABLE item (a)")
    connection.execute("INSERT INTO item VALUES (1)")
    try:
        rows = run(connection, ITEM, f"SELECT a FROM item WHERE {condition(where)} AND 0 LIMIT 1")
    except WhereInvalid:
        rows = []
    connection.close()
    assert rows == []


def test_order_and_cut() -> None:
    assert ordering(ITEM, (), None, 0) == ""
    assert ordering(ITEM, ["name"], None, 0) == ' ORDER BY "name", _key'
    assert ordering(ITEM, ["-name", "_revision"], 5, 2) == ' ORDER BY "name" DESC, "_revision", _key LIMIT 5 OFFSET 2'
    assert ordering(ITEM, (), None, 3) == " ORDER BY _key LIMIT -1 OFFSET 3"
    # A field may begin with a minus: the name as it stands goes first.
    assert ordering(ITEM, ["-odd", "--odd"], None, 0) == ' ORDER BY "-odd", "-odd" DESC, _key'


@pytest.mark.parametrize(
    ("order_by", "limit", "offset", "why"),
    [
        (["colour"], None, 0, "no field 'colour'"),
        (["name; DROP TABLE item"], None, 0, "no field"),
        ("name", None, 0, "a list of names"),
        ([1], None, 0, "no field 1"),
        ((), -1, 0, "limit must be"),
        ((), "5", 0, "limit must be"),
        ((), True, 0, "limit must be"),
        ((), None, -1, "offset must be"),
        ((), 2**63, 0, "limit must be"),
    ],
)
def test_an_order_or_cut_that_makes_no_sense_is_refused(order_by: list[str], limit: int, offset: int, why: str) -> None:
    with pytest.raises(WhereInvalid, match=why):
        ordering(ITEM, order_by, limit, offset)
