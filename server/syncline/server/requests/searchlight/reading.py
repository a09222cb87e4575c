"""Reads a text by the grammar. What cannot be read is told by our own errors, never by the parser's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lark import Token, Tree, UnexpectedInput

from syncline.server.requests.searchlight.errors import unexpected
from syncline.server.requests.searchlight.grammar import PARSER, Language
from syncline.server.requests.searchlight.tokens import tokenize

Branch = Tree[Any]


def read_tree(text: str, language: Language, words: Mapping[str, str], field: str) -> Branch:
    """The tree of a text that is not blank, or `FilterInvalid`."""
    parser = PARSER.parse_interactive(start=language)
    tokens = [*tokenize(text, words, field), Token("$END", "", len(text))]
    for index, token in enumerate(tokens):
        try:
            tree: Branch = parser.feed_token(token)
        except UnexpectedInput:
            before = tokens[:index]
            raise unexpected(token, before, _accepted(before, language), field) from None
    return tree


def _accepted(before: Sequence[Token], language: Language) -> frozenset[str]:
    """The kinds of tokens that can come next. The parser that failed cannot tell: it has gone on within its table."""
    parser = PARSER.parse_interactive(start=language)
    for token in before:
        parser.feed_token(token)
    kinds: set[str] = parser.accepts()  # type: ignore[no-untyped-call]  # lark does not say
    return frozenset(kinds)


def tokens_in(tree: Branch) -> list[Token]:
    """The tokens that stand in the branch itself."""
    return [child for child in tree.children if isinstance(child, Token)]


def branches_in(tree: Branch) -> list[Branch]:
    """The branches that begin at this one."""
    return [child for child in tree.children if isinstance(child, Tree)]
