"""Makes a filter of its text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lark import Token

from syncline.server.errors import FilterInvalid
from syncline.server.requests.searchlight.fields import stored_field
from syncline.server.requests.searchlight.grammar import FILTER_WORDS, OPERATORS
from syncline.server.requests.searchlight.reading import Branch, branches_in, read_tree, tokens_in
from syncline.server.requests.searchlight.tokens import position_of
from syncline.server.requests.searchlight.values import check_operator, stored_value
from syncline.storage.filters import Comparison, Filter, Junction, Operator

COMPARISONS_MAX: Final = 100
LEVELS_MAX: Final = 20
"""How deep parentheses may be nested."""
LIST_VALUES_MAX: Final = 500
"""How many values IN takes."""

_FIELD: Final = "filter"
_WORD_OPERATORS: Final = {"BETWEEN": Operator.BETWEEN, "IN": Operator.IN, "IS": Operator.IS_NULL}


def parse_filter(text: str, now: int) -> Filter | None:
    """The filter that a text is; None if it is blank: everything.

    Args:
        text: in the language of docs/searchlight.md.
        now: what NOW is, in microseconds since the Unix epoch. All pages of a list must be asked for with the same.

    Raises:
        FilterInvalid: it is no filter, or larger than is taken. It tells where and why.
    """
    if not text.strip():
        return None
    return _Reader(now).filter(read_tree(text, "filter", FILTER_WORDS, _FIELD), level=0)


class _Reader:
    """Makes filters of one text's tree."""

    def __init__(self, now: int) -> None:
        self._now = now
        self._comparisons = 0

    def filter(self, tree: Branch, *, level: int) -> Filter:
        if tree.data == "group":
            (inner,) = branches_in(tree)
            if level == LEVELS_MAX:
                raise _too_many(tokens_in(tree)[0], f"at most {LEVELS_MAX} parentheses in each other")
            return self.filter(inner, level=level + 1)
        if tree.data in ("all_of", "any_of"):
            parts = tuple(self.filter(part, level=level) for part in branches_in(tree))
            return Junction(tree.data == "all_of", parts)
        return self._comparison(tree)

    def _comparison(self, tree: Branch) -> Comparison:
        name, *words = tokens_in(tree)
        self._comparisons += 1
        if self._comparisons > COMPARISONS_MAX:
            raise _too_many(name, f"at most {COMPARISONS_MAX} comparisons")
        field = stored_field(name, _FIELD)
        operator, token = _operator(words)
        check_operator(field, operator, token)
        values = [tokens_in(value) for value in branches_in(tree)]
        if len(values) > LIST_VALUES_MAX:
            raise _too_many(values[LIST_VALUES_MAX][0], f"at most {LIST_VALUES_MAX} values")
        return Comparison(
            field,
            operator,
            tuple(stored_value(field, operator, value, self._now) for value in values),
            negated=any(word.type == "NOT" for word in words),
        )


def _operator(words: Sequence[Token]) -> tuple[Operator, Token]:
    """The operator among the words of a comparison, and where it stands."""
    kinds = {word.type: word for word in words}
    for kind, operator in _WORD_OPERATORS.items():
        if kind in kinds:
            return operator, kinds[kind]
    return OPERATORS[kinds["OPERATOR"].upper()], kinds["OPERATOR"]


def _too_many(token: Token, limit: str) -> FilterInvalid:
    return FilterInvalid(position_of(token), limit, f"this is one too many: {limit} are taken", field=_FIELD)
