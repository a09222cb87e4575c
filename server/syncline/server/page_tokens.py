"""Page tokens of lists: where the next page begins, and what the first one was asked for.

A token is sealed JSON, with a digest of what was asked, so that it goes with no other list, account, filter or order.
Its values are held to the kinds of their fields all the same: another version of the server may have made it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

from syncline.server.errors import PageTokenInvalid
from syncline.server.token_keys import PAGE, Sealer, UnknownSeal
from syncline.storage.filters import NO_TEXT, FieldKind, Value

PAGE_TOKEN_CHARS_MAX: Final = 16_384

_VERSION: Final = 1
_DIGEST_BYTES: Final = 12
_INTEGER_MAX: Final = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class ListAsked:
    """What pages of a list have in common."""

    name: str
    """The list's; such as that of its call."""
    account_id: str
    filter: str = ""
    """As text, so that NOW in it stays the same question."""
    order_by: str = ""


@dataclass(frozen=True, slots=True)
class ListPlace:
    """Where a page begins."""

    now: int
    """When the first page was asked for, in microseconds since the epoch: what NOW is on all pages of the list, so that
    nothing comes twice or not at all because the clock went on."""
    after: tuple[Value | None, ...]
    """The place of the last row of the page before."""


def encode_page(sealer: Sealer, asked: ListAsked, place: ListPlace) -> str:
    """The token of the page that begins at a place."""
    body = json.dumps([_VERSION, place.now, *place.after], ensure_ascii=False, separators=(",", ":")).encode()
    return sealer.seal(PAGE, _digest(asked) + body)


def decode_page(sealer: Sealer, asked: ListAsked, token: str, kinds: Sequence[FieldKind]) -> ListPlace:
    """Where the page begins.

    Args:
        sealer: of the account.
        asked: what is asked for now; the page before must have been asked for the same.
        token: of the page before.
        kinds: of the values of its place.

    Raises:
        PageTokenInvalid: the token is none of this list.
    """
    if len(token) > PAGE_TOKEN_CHARS_MAX:
        raise PageTokenInvalid
    try:
        sealed = sealer.unseal(PAGE, token)
        if sealed is None or sealed[:_DIGEST_BYTES] != _digest(asked):
            raise PageTokenInvalid
        found = json.loads(sealed[_DIGEST_BYTES:])
    except (UnknownSeal, ValueError, RecursionError):
        raise PageTokenInvalid from None
    if not isinstance(found, list) or len(found) != 2 + len(kinds) or found[0] != _VERSION:
        raise PageTokenInvalid
    _, now, *after = found
    if now is None or not all(map(_fits, (now, *after), (FieldKind.TIME, *kinds))):
        raise PageTokenInvalid
    return ListPlace(now, tuple(after))


def _digest(asked: ListAsked) -> bytes:
    question = json.dumps([asked.name, asked.account_id, asked.filter, asked.order_by]).encode()
    return blake2b(question, digest_size=_DIGEST_BYTES).digest()


def _fits(value: Any, kind: FieldKind) -> bool:
    """Can a field of this kind have the value?"""
    if value is None:
        return True
    if kind is FieldKind.TEXT:
        return isinstance(value, str) and not NO_TEXT.search(value)
    if kind is FieldKind.BOOLEAN:
        return isinstance(value, bool)
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _INTEGER_MAX
