"""Cuts the text of a filter or an order into tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from lark import Token

from syncline.server.errors import FilterInvalid
from syncline.storage.filters import NO_TEXT

TEXT_CHARS_MAX: Final = 4_000
"""How long a filter or an order may be."""

_PIECE = re.compile(
    r"""
      (?P<STRING> '(?:[^']|'')*+' | "(?:[^"]|"")*+" )
    | (?P<OPERATOR> != | <> | >= | <= | [=<>] )
    | (?P<LPAR> \( ) | (?P<RPAR> \) ) | (?P<COMMA> , )
    | (?P<WORD> [^\s=<>(),!'"][^\s=<>(),!]* )
    """,
    re.VERBOSE,
)
_BLANKS = re.compile(r"\s*")


def tokenize(text: str, words: Mapping[str, str], field: str) -> Iterator[Token]:
    """The tokens in turn; a token's `start_pos` is that of its first character, from 0.

    Args:
        text: the filter or the order.
        words: the kind of token that each word of the language is; all others are of the kind WORD.
        field: the request's field, for errors.

    Raises:
        FilterInvalid: the text is too long, or no token begins where one should.
    """
    if len(text) > TEXT_CHARS_MAX:
        expected = f"at most {TEXT_CHARS_MAX:,} characters"
        raise FilterInvalid(TEXT_CHARS_MAX + 1, expected, f"it is too long: {expected} are taken", field=field)
    unusable = NO_TEXT.search(text)
    if unusable:
        raise FilterInvalid(unusable.start() + 1, "another character", "no text has this character", field=field)
    position = _skip_blanks(text, 0)
    while position < len(text):
        piece = _PIECE.match(text, position)
        if piece is None:
            raise _no_token(text, position, field)
        kind = str(piece.lastgroup)
        if kind == "WORD":
            kind = words.get(piece[0].upper(), kind)
        yield Token(kind, piece[0], position)
        position = _skip_blanks(text, piece.end())


def position_of(token: Token) -> int:
    """Where the token begins, from 1."""
    return int(token.start_pos or 0) + 1


def string_of(token: Token) -> str:
    """What a token stands for as a text: without its quotes, if it has any."""
    if token.type != "STRING":
        return str(token)
    quote = token[0]
    return token[1:-1].replace(quote * 2, quote)


def _skip_blanks(text: str, position: int) -> int:
    blanks = _BLANKS.match(text, position)
    return blanks.end() if blanks else position


def _no_token(text: str, position: int, field: str) -> FilterInvalid:
    if text[position] == "!":
        return FilterInvalid(position + 1, "!=", "an exclamation mark stands in != only", field=field)
    quote = text[position]
    return FilterInvalid(len(text) + 1, quote, f"the string from position {position + 1} has no end", field=field)
