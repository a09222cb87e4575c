"""Seals: bound to their owner and kind, and to keys that come and go."""

from __future__ import annotations

import base64
from uuid import UUID

import pytest

from syncline.server import tokens
from syncline.server.errors import SettingsInvalid
from syncline.server.token_keys import (
    ACK_KEY,
    LEASE,
    PAGE,
    POSITION,
    PURPOSE,
    Sealer,
    TokenKeys,
    TokenKind,
    UnknownSeal,
    load_token_keys,
    retire_token_key,
    rotate_token_keys,
)
from syncline.storage import Store, open_store
from syncline.storage.models import AckInterval, Feed, Position, ServerSecret
from tests.harness.token_keys import DEVICE_UUID, known_keys, sealer_of

OWN = sealer_of()
ALL_KINDS = (POSITION, ACK_KEY, PAGE, LEASE)
KINDS = [pytest.param(kind, id=kind.person.decode()) for kind in ALL_KINDS]
LATER = 121_000_000
"""Long enough for a new key to seal."""


@pytest.fixture
def store() -> Store:
    return open_store("memory:")


def opened(sealer: Sealer, kind: TokenKind, token: str) -> bytes | None:
    """The token's body; None if it is not to be had."""
    try:
        return sealer.unseal(kind, token)
    except UnknownSeal:
        return None


@pytest.mark.parametrize("kind", KINDS)
def test_g9_a_seal_holds_for_its_account_and_device_alone(kind: TokenKind) -> None:
    token = OWN.seal(kind, b"body")

    assert sealer_of().unseal(kind, token) == b"body"
    for other in (
        sealer_of("acme2"),
        sealer_of("acm"),
        sealer_of("acme", None),
        sealer_of("acme", UUID(int=2)),
        sealer_of("acme\0", DEVICE_UUID),
    ):
        assert opened(other, kind, token) is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_seal_holds_for_its_kind_alone(kind: TokenKind) -> None:
    token = OWN.seal(kind, bytes(40))

    assert [other for other in ALL_KINDS if opened(OWN, other, token) is not None] == [kind]


@pytest.mark.parametrize("kind", KINDS)
def test_g9_no_bit_of_a_token_can_be_changed(kind: TokenKind) -> None:
    whole = tokens_bytes(OWN.seal(kind, b"body"))
    for place in range(8 * len(whole)):
        changed = bytearray(whole)
        changed[place // 8] ^= 1 << place % 8
        assert opened(OWN, kind, tokens_text(bytes(changed))) is None


def test_a_key_of_another_installation_opens_nothing() -> None:
    keys = TokenKeys()
    keys.learn([ServerSecret(1, b"\7" * 32, 0)], now=LATER)

    assert opened(Sealer(keys, "acme", DEVICE_UUID), PAGE, OWN.seal(PAGE, b"body")) is None


def test_tokens_of_an_older_key_stay_valid_until_it_is_retired() -> None:
    keys = known_keys(1)
    sealer = Sealer(keys, "acme", DEVICE_UUID)
    feed = Feed("main", "")
    position = tokens.encode_position(sealer, Position(feed, 1, 2, 0, 3, 0, ()), store_epoch=5, revision=7)
    ack_key = tokens.encode_ack_key(sealer, [AckInterval(3, 0, 1)])

    keys.accepted, keys.current = known_keys(1, 2).accepted, known_keys(1, 2).current
    told = tokens.decode_position(sealer, feed, position)
    assert told is not None
    assert (told.store_epoch, told.revision) == (5, 7)
    assert tokens.decode_ack_key(sealer, ack_key) is not None
    assert tokens_bytes(tokens.encode_ack_key(sealer, ()))[:3] == b"\2\0\2"

    keys.accepted = known_keys(2).accepted
    told = tokens.decode_position(sealer, feed, position)
    assert told is not None, "the device is to load the feed anew, not to be refused for ever"
    assert told.store_epoch == 0, "of no history"
    assert tokens.decode_ack_key(sealer, ack_key) is None


def test_servers_share_the_key_that_the_first_of_them_makes(store: Store) -> None:
    (first,) = load_token_keys(store, now=5)

    assert load_token_keys(store, now=6) == [first]
    assert (first.number, len(first.secret)) == (1, 32)


def test_a_new_key_is_accepted_at_once_and_seals_when_every_server_knows_it(store: Store) -> None:
    keys = TokenKeys()
    keys.learn(load_token_keys(store, now=0), now=0)
    assert keys.current[0] == 1, "there is no other"

    assert rotate_token_keys(store, now=LATER) == 2
    keys.learn(load_token_keys(store, now=LATER), now=LATER)
    assert (sorted(keys.accepted), keys.current[0]) == ([1, 2], 1)
    keys.learn(load_token_keys(store, now=LATER), now=2 * LATER)
    assert keys.current[0] == 2


def test_a_key_that_servers_may_still_seal_with_is_not_retired(store: Store) -> None:
    rotate_token_keys(store, now=0)
    for number, now in ((1, LATER - 2_000_000), (2, LATER), (3, LATER)):
        with pytest.raises(SettingsInvalid):
            retire_token_key(store, number, now=now)

    retire_token_key(store, 1, now=LATER)

    assert [secret.number for secret in store.list_server_secrets(PURPOSE)] == [2]
    assert rotate_token_keys(store, now=LATER) == 3, "no number is used twice"


def test_keys_are_not_shown(store: Store) -> None:
    (secret,) = load_token_keys(store, now=0)
    keys = TokenKeys()
    keys.learn([secret], now=0)

    assert repr(keys) == "TokenKeys(current=1, accepted=[1])"
    assert repr(secret.secret) not in repr(secret)


def tokens_bytes(token: str) -> bytes:
    return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))


def tokens_text(whole: bytes) -> str:
    return base64.urlsafe_b64encode(whole).rstrip(b"=").decode()
