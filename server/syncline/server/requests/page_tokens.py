"""Page tokens of the lists of sync requests: where the next page begins, and what the first one was asked for.

A token is versioned JSON with a digest, in URL-safe base64 without padding. The digest covers what was asked, so that a
token goes with no other list, account, filter or order. It is no secret: whoever makes up a token can only ask for
another place in a list that he may read anyway, so the values are held to the kinds of their fields.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

from syncline.server.errors import PageTokenInvalid
from syncline.server.requests.searchlight.tokens import NO_TEXT
from syncline.storage.filters import FieldKind, Order, Value
from syncline.storage.request_models import REQUEST_FIELDS

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


def kinds_of(order: Sequence[Order]) -> tuple[FieldKind, ...]:
    """The kinds of the values of a request's place in an order."""
    return (*(REQUEST_FIELDS[by.field] for by in order), FieldKind.TEXT)


def encode_page(asked: ListAsked, place: ListPlace) -> str:
    """The token of the page that begins at a place."""
    body = json.dumps([_VERSION, place.now, *place.after], ensure_ascii=False, separators=(",", ":")).encode()
    return _text(_digest(asked, body) + body)


def decode_page(asked: ListAsked, token: str, kinds: Sequence[FieldKind]) -> ListPlace:
    """Where the page begins.

    Args:
        asked: what is asked for now; the page before must have been asked for the same.
        token: of the page before.
        kinds: of the values of its place.

    Raises:
        PageTokenInvalid: the token is none of this list.
    """
    if len(token) > PAGE_TOKEN_CHARS_MAX:
        raise PageTokenInvalid
    try:
        sealed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        body = sealed[_DIGEST_BYTES:]
        known = sealed[:_DIGEST_BYTES] == _digest(asked, body) and token == _text(sealed)
        found = json.loads(body) if known else None
    except (binascii.Error, ValueError, RecursionError):
        raise PageTokenInvalid from None
    if not isinstance(found, list) or len(found) != 2 + len(kinds) or found[0] != _VERSION:
        raise PageTokenInvalid
    _, now, *after = found
    if now is None or not all(map(_fits, (now, *after), (FieldKind.TIME, *kinds))):
        raise PageTokenInvalid
    return ListPlace(now, tuple(after))


def _text(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode("ascii")


def _digest(asked: ListAsked, body: bytes) -> bytes:
    question = json.dumps([asked.name, asked.account_id, asked.filter, asked.order_by]).encode()
    return blake2b(body, digest_size=_DIGEST_BYTES, key=blake2b(question, digest_size=32).digest()).digest()


def _fits(value: Any, kind: FieldKind) -> bool:
    """Can a field of this kind have the value?"""
    if value is None:
        return True
    if kind is FieldKind.TEXT:
        return isinstance(value, str) and not NO_TEXT.search(value)
    if kind is FieldKind.BOOLEAN:
        return isinstance(value, bool)
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _INTEGER_MAX
