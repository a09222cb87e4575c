"""The grammar of filters and orders, and the words of the language. It is LALR(1): no text takes it long to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from lark import Lark

from syncline.storage.filters import Operator

OPERATORS: Final[Mapping[str, Operator]] = {
    "=": Operator.EQUAL,
    "EQ": Operator.EQUAL,
    "!=": Operator.NOT_EQUAL,
    "<>": Operator.NOT_EQUAL,
    "NE": Operator.NOT_EQUAL,
    ">": Operator.GREATER,
    "GT": Operator.GREATER,
    ">=": Operator.GREATER_EQUAL,
    "GE": Operator.GREATER_EQUAL,
    "GTE": Operator.GREATER_EQUAL,
    "<": Operator.LESS,
    "LT": Operator.LESS,
    "<=": Operator.LESS_EQUAL,
    "LE": Operator.LESS_EQUAL,
    "LTE": Operator.LESS_EQUAL,
    "CONTAINS": Operator.CONTAINS,
    "STARTSWITH": Operator.STARTS_WITH,
    "ENDSWITH": Operator.ENDS_WITH,
}

FILTER_WORDS: Final[Mapping[str, str]] = {
    **{word: word for word in ("AND", "OR", "NOT", "IN", "IS", "NULL", "BETWEEN")},
    **dict.fromkeys(("NOW", "TODAY", "TOMORROW", "YESTERDAY"), "DAY"),
    **dict.fromkeys(OPERATORS, "OPERATOR"),
    "+": "SIGN",
    "-": "SIGN",
}
"""The words that mean something in a filter, in capitals, and the kind of token that each is."""

ORDER_WORDS: Final[Mapping[str, str]] = dict.fromkeys(("ASC", "ASCENDING", "DESC", "DESCENDING"), "DIRECTION")
"""Likewise in an order."""

Language = Literal["filter", "order"]

GRAMMAR: Final = r"""
?filter: _part
       | _part (AND _part)+             -> all_of
       | _part (OR _part)+              -> any_of
_part: group | compared | between | listed | absent
group: LPAR filter RPAR
compared: WORD NOT? OPERATOR value
between: WORD NOT? BETWEEN value AND value
listed: WORD NOT? IN LPAR value (COMMA value)* RPAR
absent: WORD IS NOT? NULL
      | WORD NOT IS NULL
value: WORD
     | STRING
     | DAY (SIGN WORD)?

order: term (COMMA term)*
term: WORD DIRECTION?

%declare AND OR NOT IN IS NULL BETWEEN LPAR RPAR COMMA WORD STRING OPERATOR DAY SIGN DIRECTION
"""

PARSER: Final = Lark(GRAMMAR, parser="lalr", lexer="basic", start=["filter", "order"])
"""Fed token by token: what makes tokens of text is our own, since words are cut by other rules than lark's."""
