"""What is told of a text that is not of the language."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lark import Token

from syncline.server.errors import FilterInvalid
from syncline.server.requests.searchlight.grammar import FILTER_WORDS
from syncline.server.requests.searchlight.tokens import position_of

_CONJUNCTIONS: Final = {"AND": "OR", "OR": "AND"}
_VALUE: Final = frozenset({"WORD", "STRING", "DAY"})
_NAMES: Final = {
    "OPERATOR": "an operator",
    "SIGN": "+ or -",
    "DIRECTION": "ASC or DESC",
    "LPAR": "(",
    "RPAR": ")",
    "COMMA": "a comma",
    "$END": "the end",
}
"""What kinds of tokens are called; all others are words of the language."""
_SHOWN_CHARS_MAX: Final = 40


def unexpected(token: Token, before: Sequence[Token], accepted: frozenset[str], field: str) -> FilterInvalid:
    """The error of a token, or of the end, that cannot stand where it does.

    Args:
        token: what stands there; of the kind `$END`: nothing.
        before: all tokens before it.
        accepted: the kinds of tokens that could stand there.
        field: the request's field.
    """
    expected = _expected(before, accepted)
    return FilterInvalid(position_of(token), expected, _message(token, before, accepted, expected), field=field)


def _expected(before: Sequence[Token], accepted: frozenset[str]) -> str:
    kinds = set(accepted)
    names = []
    if kinds >= _VALUE:
        kinds -= _VALUE
        names.append("a value")
    elif "WORD" in kinds:
        kinds.remove("WORD")
        names.append("a number of days" if before and before[-1].type == "SIGN" else "a field")
    return ", ".join(names + sorted(_NAMES.get(kind, kind) for kind in kinds))


def _message(token: Token, before: Sequence[Token], accepted: frozenset[str], expected: str) -> str:
    shown = f"{token[:_SHOWN_CHARS_MAX]!r}"
    needs_clause = accepted == {"WORD", "LPAR"}
    if token.type == "$END":
        return _early_end(before, accepted, expected)
    if token.type == "NOT" and needs_clause:
        return "NOT goes after the field, as in: status NOT = FAILED"
    if token.type == "RPAR" and needs_clause and before and before[-1].type == "LPAR":
        return "there is nothing in the parentheses"
    if token.type == "RPAR" and "$END" in accepted:
        return "this parenthesis was never opened"
    if token.type in _CONJUNCTIONS and _CONJUNCTIONS[token.type] in accepted and accepted & {"$END", "RPAR"}:
        return "AND and OR do not mix; put one of them in parentheses"
    if token.type == "NULL" and accepted >= _VALUE:
        return "NULL goes with IS, as in: app_enrollment_id IS NULL"
    if token.upper() in FILTER_WORDS and accepted >= _VALUE:
        return f"{shown} is a word of the language; as a value, it goes in quotes"
    return f"{shown} stands where {expected} is expected"


def _early_end(before: Sequence[Token], accepted: frozenset[str], expected: str) -> str:
    if accepted == {"WORD", "LPAR"} and before[-1].type in _CONJUNCTIONS:
        return f"there is nothing after {before[-1].upper()}"
    opened = _innermost_open(before)
    if opened is not None and "RPAR" in accepted:
        return f"the parenthesis at position {position_of(opened)} is not closed"
    return f"it ends where {expected} is expected"


def _innermost_open(before: Sequence[Token]) -> Token | None:
    opened: list[Token] = []
    for token in before:
        if token.type == "LPAR":
            opened.append(token)
        elif token.type == "RPAR":
            opened.pop()
    return opened[-1] if opened else None
