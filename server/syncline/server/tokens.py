"""Position tokens, acknowledgement keys, page and lease tokens: short texts that clients send back, as they are.

All are sealed: positions, acknowledgement keys and pages of conflicts for the device that they are given to, leases for
their account. What a token says is weighed against the caller's own rows all the same.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from syncline.server.limits import LEASE_SECONDS_MAX, LEASE_SECONDS_MIN
from syncline.server.token_keys import ACK_KEY, LEASE, PAGE, POSITION, Sealer, TokenKind, UnknownSeal, sealed_chars
from syncline.storage.models import AckInterval, AckRedelivered, Feed, Position, Told
from syncline.storage.request_models import Lease, Operation

_POSITION = struct.Struct(">5Q")
_POSITION_CHARS = sealed_chars(POSITION, _POSITION.size)
"""Store epoch, grant, load, position epoch, revision."""
_ACK_HEAD = struct.Struct(">H")
"""Number of intervals; redelivered items fill the rest."""
_INTERVAL = struct.Struct(">3Q")
"""Position epoch, above, through."""
_ONE_INTERVAL = struct.Struct(">H3Q")
"""The head and the interval of a key that has one."""
_REDELIVERED = struct.Struct(">2Q")
"""Digest, revision."""
_CONFLICTS_PAGE = struct.Struct(">Q8s")
"""Id of the last conflict given out, digest of what was asked for."""
_NO_EPOCH = 0
"""A store epoch that no history has."""


@dataclass(frozen=True, slots=True)
class AckKey:
    """What one acknowledgement key acknowledges."""

    intervals: tuple[AckInterval, ...]
    redelivered: tuple[AckRedelivered, ...]


@dataclass(frozen=True, slots=True)
class OutsideLease:
    """What a lease token tells."""

    lease: Lease
    seconds: int
    """For how long each sign of life prolongs it."""
    operation: Operation
    """What the request does."""


def encode_position(sealer: Sealer, position: Position, *, store_epoch: int, revision: int) -> str:
    """The token that says: everything of the position's feed up to `revision` is stored."""
    body = _POSITION.pack(store_epoch, position.grant_id, position.load_id, position.epoch, revision)
    return sealer.seal(POSITION, body)


def decode_position(sealer: Sealer, feed: Feed, token: str) -> Told | None:
    """What a device tells of the feed; None if the token is no position.

    One with a seal that is not known tells of a history that is not there: the device is to load the feed anew, rather
    than to be refused for ever.
    """
    try:
        body = sealer.unseal(POSITION, token)
    except UnknownSeal:
        return Told(feed, _NO_EPOCH, 0, 0, 0, 0) if len(token) == _POSITION_CHARS else None
    if body is None or len(body) != _POSITION.size:
        return None
    store_epoch, grant_id, load_id, epoch, revision = _POSITION.unpack(body)
    if revision >= 1 << 63:
        return None
    return Told(feed, store_epoch, grant_id, load_id, epoch, revision)


def encode_ack_key(sealer: Sealer, intervals: Sequence[AckInterval], redelivered: Sequence[AckRedelivered] = ()) -> str:
    """The key that acknowledges all of these."""
    parts = [_ACK_HEAD.pack(len(intervals))]
    parts += [_INTERVAL.pack(interval.epoch, interval.above, interval.through) for interval in intervals]
    parts += [_REDELIVERED.pack(item.digest, item.revision) for item in redelivered]
    return sealer.seal(ACK_KEY, b"".join(parts))


def encode_item_ack_key(sealer: Sealer, epoch: int, above: int, through: int) -> str:
    """The key that acknowledges one item; `encode_ack_key` of one interval, made faster."""
    return sealer.seal(ACK_KEY, _ONE_INTERVAL.pack(1, epoch, above, through))


def decode_ack_key(sealer: Sealer, key: str) -> AckKey | None:
    """What the key acknowledges; None if it is none that the device was given, or its seal is not known any more."""
    body = _unseal(sealer, ACK_KEY, key)
    if body is None or len(body) < _ACK_HEAD.size:
        return None
    (count,) = _ACK_HEAD.unpack_from(body)
    middle = _ACK_HEAD.size + count * _INTERVAL.size
    if middle > len(body) or (len(body) - middle) % _REDELIVERED.size:
        return None
    intervals = tuple(AckInterval(*numbers) for numbers in _INTERVAL.iter_unpack(body[_ACK_HEAD.size : middle]))
    redelivered = tuple(AckRedelivered(*numbers) for numbers in _REDELIVERED.iter_unpack(body[middle:]))
    return AckKey(intervals, redelivered) if _numbers_fit(intervals, redelivered) else None


def encode_conflicts_page(sealer: Sealer, before_id: int, asked: bytes) -> str:
    """The token of the page of conflicts below `before_id`; `asked` is a digest of 8 bytes of what they are of."""
    return sealer.seal(PAGE, _CONFLICTS_PAGE.pack(before_id, asked))


def decode_conflicts_page(sealer: Sealer, token: str, asked: bytes) -> int | None:
    """Below which conflict the page begins; None if the token is none of ours, or of another question."""
    body = _unseal(sealer, PAGE, token)
    if body is None or len(body) != _CONFLICTS_PAGE.size:
        return None
    before_id, asked_then = _CONFLICTS_PAGE.unpack(body)
    return before_id if asked_then == asked and before_id < 1 << 63 else None


def encode_lease(sealer: Sealer, outside: OutsideLease) -> str:
    """The token with which a worker outside tells of its lease."""
    lease = outside.lease
    fields = [lease.account_id, lease.request_id, lease.token, lease.attempt, outside.seconds, outside.operation.value]
    return sealer.seal(LEASE, json.dumps(fields).encode())


def decode_lease(sealer: Sealer, token: str) -> OutsideLease | None:
    """The lease that a worker tells of; None if the token is none of ours. Whether it still holds, the store knows."""
    body = _unseal(sealer, LEASE, token)
    if body is None:
        return None
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, list) or [type(field) for field in fields] != [str, str, int, int, int, str]:
        return None
    account_id, request_id, number, attempt, seconds, operation = fields
    known = {one.value: one for one in Operation}
    if operation not in known or not all(0 < value < 1 << 63 for value in (number, attempt)):
        return None
    seconds = min(max(seconds, LEASE_SECONDS_MIN), LEASE_SECONDS_MAX)
    return OutsideLease(Lease(account_id, request_id, number, attempt), seconds, known[operation])


def load_text(position: Position, *, store_epoch: int) -> str:
    """The load as devices see it. A load of another history of the server is another load."""
    return f"{store_epoch:x}-{position.load_id:x}"


def store_epoch_text(store_epoch: int) -> str:
    """The store epoch as devices see it."""
    return f"{store_epoch:x}"


def _numbers_fit(intervals: Sequence[AckInterval], redelivered: Sequence[AckRedelivered]) -> bool:
    """Nothing that this server made has an empty interval or a number that a database cannot hold."""
    limit = 1 << 63
    return all(interval.above < interval.through < limit and interval.epoch < limit for interval in intervals) and all(
        item.revision < limit for item in redelivered
    )


def _unseal(sealer: Sealer, kind: TokenKind, token: str) -> bytes | None:
    """The token's body; None if its key is retired, too."""
    try:
        return sealer.unseal(kind, token)
    except UnknownSeal:
        return None
