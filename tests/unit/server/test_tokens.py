"""Position tokens, acknowledgement keys, page and lease tokens."""

from __future__ import annotations

import json
import string

from hypothesis import given, settings
from hypothesis import strategies as st

from syncline.server import tokens
from syncline.server.limits import ACK_KEY_CHARS_MAX, LEASE_TOKEN_CHARS_MAX, PAGE_REDELIVERED_MAX, PAGE_SEGMENTS_MAX
from syncline.server.token_keys import ACK_KEY, LEASE, PAGE, POSITION
from syncline.storage.models import AckInterval, AckRedelivered, Feed, Position, Told
from syncline.storage.request_models import Lease, Operation
from tests.harness.token_keys import sealer_of

ids = st.integers(min_value=1, max_value=2**63 - 1)
revisions = st.integers(min_value=0, max_value=2**63 - 1)
intervals = st.builds(
    lambda epoch, ends: AckInterval(epoch, min(ends), max(ends)),
    ids,
    st.sets(revisions, min_size=2, max_size=2),
)
redelivered = st.builds(AckRedelivered, st.integers(min_value=0, max_value=2**64 - 1), revisions)
FEED = Feed("main", "")
SEALER = sealer_of()
ALPHABET = string.ascii_letters + string.digits + "-_"


NO_HISTORY = Told(FEED, 0, 0, 0, 0, 0)
"""What a position tells whose key is not known: the device is to load the feed anew."""


def to_json(value: object) -> bytes:
    return json.dumps(value).encode()


def position(grant_id: int = 1, load_id: int = 2, epoch: int = 3) -> Position:
    return Position(FEED, grant_id, load_id, 0, epoch, 0, ())


@settings(deadline=None)
@given(ids, ids, ids, ids, revisions)
def test_a_position_comes_back(store_epoch: int, grant_id: int, load_id: int, epoch: int, revision: int) -> None:
    token = tokens.encode_position(
        SEALER, position(grant_id, load_id, epoch), store_epoch=store_epoch, revision=revision
    )

    assert tokens.decode_position(SEALER, FEED, token) == Told(FEED, store_epoch, grant_id, load_id, epoch, revision)
    assert len(token) <= 200


@settings(deadline=None)
@given(st.lists(intervals, max_size=5), st.lists(redelivered, max_size=5))
def test_an_ack_key_comes_back(parts: list[AckInterval], items: list[AckRedelivered]) -> None:
    key = tokens.encode_ack_key(SEALER, parts, items)

    assert tokens.decode_ack_key(SEALER, key) == tokens.AckKey(tuple(parts), tuple(items))


@settings(deadline=None)
@given(intervals)
def test_an_item_key_is_a_key_of_one_interval(interval: AckInterval) -> None:
    key = tokens.encode_item_ack_key(SEALER, interval.epoch, interval.above, interval.through)

    assert key == tokens.encode_ack_key(SEALER, [interval])


@settings(deadline=None)
@given(intervals, st.integers(min_value=0), st.sampled_from(ALPHABET))
def test_one_changed_character_is_noticed(interval: AckInterval, place: int, character: str) -> None:
    for sealed in (
        tokens.encode_ack_key(SEALER, [interval]),
        tokens.encode_position(SEALER, position(), store_epoch=1, revision=1),
    ):
        index = place % len(sealed)
        mangled = sealed[:index] + character + sealed[index + 1 :]
        if mangled != sealed:
            assert tokens.decode_ack_key(SEALER, mangled) is None
            assert tokens.decode_position(SEALER, FEED, mangled) in (None, NO_HISTORY)


@settings(deadline=None)
@given(st.text(max_size=100))
def test_any_text_decodes_to_nothing(text: str) -> None:
    assert tokens.decode_ack_key(SEALER, text) is None
    assert tokens.decode_position(SEALER, FEED, text) is None


@settings(deadline=None)
@given(st.binary())
def test_any_sealed_bytes_decode_without_an_error(body: bytes) -> None:
    """A seal that fits proves no shape: another version of the server may have made the token."""
    tokens.decode_ack_key(SEALER, SEALER.seal(ACK_KEY, body))
    tokens.decode_position(SEALER, FEED, SEALER.seal(POSITION, body))
    tokens.decode_conflicts_page(SEALER, SEALER.seal(PAGE, body), bytes(8))


def test_the_two_kinds_are_not_mixed_up() -> None:
    token = tokens.encode_position(SEALER, position(), store_epoch=1, revision=1)
    key = tokens.encode_ack_key(SEALER, [AckInterval(3, 0, 1)])

    assert tokens.decode_ack_key(SEALER, token) is None
    assert tokens.decode_position(SEALER, FEED, key) is None


def test_the_largest_keys_of_pages_keep_the_limit() -> None:
    most = 2**63 - 1
    by_feeds = tokens.encode_ack_key(SEALER, [AckInterval(most, 0, most)] * PAGE_SEGMENTS_MAX)
    again = tokens.encode_ack_key(SEALER, (), [AckRedelivered(most, most)] * PAGE_REDELIVERED_MAX)

    assert max(len(by_feeds), len(again)) <= ACK_KEY_CHARS_MAX


@given(ids, st.binary(min_size=8, max_size=8))
def test_a_page_of_conflicts_belongs_to_its_question(before_id: int, asked: bytes) -> None:
    token = tokens.encode_conflicts_page(SEALER, before_id, asked)

    assert tokens.decode_conflicts_page(SEALER, token, asked) == before_id
    assert tokens.decode_conflicts_page(SEALER, token, bytes(8) if asked != bytes(8) else b"12345678") is None
    assert tokens.decode_conflicts_page(SEALER, token[:-1], asked) is None
    assert tokens.decode_conflicts_page(SEALER, tokens.encode_ack_key(SEALER, ()), asked) is None


@given(st.text(min_size=1, max_size=100), ids, st.integers(1, 100), st.sampled_from(Operation))
def test_a_lease_token_tells_its_lease(account_id: str, number: int, attempt: int, operation: Operation) -> None:
    outside = tokens.OutsideLease(Lease(account_id, "r" * 36, number, attempt), 60, operation)
    token = tokens.encode_lease(SEALER, outside)

    assert tokens.decode_lease(SEALER, token) == outside
    assert tokens.decode_lease(SEALER, token[:-1]) is None
    assert len(token) <= LEASE_TOKEN_CHARS_MAX


@given(st.binary() | st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=9).map(to_json))
def test_whatever_comes_as_a_lease_token_is_no_error(body: bytes) -> None:
    assert tokens.decode_lease(SEALER, SEALER.seal(LEASE, body)) is None
    assert tokens.decode_lease(SEALER, body.decode(errors="replace")) is None
