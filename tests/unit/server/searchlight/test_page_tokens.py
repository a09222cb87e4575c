"""Page tokens come back as they were made, and go with nothing but the list that they were made for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncline.server.errors import PageTokenInvalid
from syncline.server.page_tokens import ListAsked, ListPlace, decode_page, encode_page
from syncline.server.requests.listing import kinds_of
from syncline.server.requests.searchlight import parse_order
from syncline.storage.filters import FieldKind, Value
from tests.harness.token_keys import sealer_of

ASKED = ListAsked("ListSyncRequests", "acme", "created > NOW - 1", "status, failure_count")
SEALER = sealer_of("acme", None)
KINDS = kinds_of(parse_order(ASKED.order_by))
PLACE = ListPlace(1_750_000_000_000_000, ("failed", 3, "an id"))

INTEGERS = st.integers(min_value=1 - 2**63, max_value=2**63 - 1)
VALUES: dict[FieldKind, st.SearchStrategy[Value]] = {
    FieldKind.TEXT: st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    FieldKind.INTEGER: INTEGERS,
    FieldKind.TIME: INTEGERS,
    FieldKind.BOOLEAN: st.booleans(),
}
PLACES = st.lists(
    st.sampled_from(FieldKind).flatmap(lambda kind: st.tuples(st.just(kind), VALUES[kind] | st.none())), max_size=9
)


def test_the_kinds_are_those_of_the_order_and_the_id() -> None:
    assert KINDS == (FieldKind.TEXT, FieldKind.INTEGER, FieldKind.TEXT)


@settings(deadline=None)
@given(INTEGERS, PLACES)
def test_a_token_gives_back_its_place_and_the_first_pages_now(now: int, values: list[tuple[FieldKind, Value]]) -> None:
    place = ListPlace(now, tuple(value for _, value in values))

    assert decode_page(SEALER, ASKED, encode_page(SEALER, ASKED, place), [kind for kind, _ in values]) == place


@pytest.mark.parametrize(
    "other",
    [
        replace(ASKED, name="ListSyncRequestDetails"),
        replace(ASKED, account_id="other"),
        replace(ASKED, filter=""),
        replace(ASKED, filter=ASKED.order_by, order_by=ASKED.filter),
        replace(ASKED, order_by="failure_count, status"),
    ],
)
def test_g9_a_token_goes_with_no_other_list_account_filter_or_order(other: ListAsked) -> None:
    with pytest.raises(PageTokenInvalid):
        decode_page(SEALER, other, encode_page(SEALER, ASKED, PLACE), KINDS)


@settings(deadline=None)
@given(st.text(), st.integers(min_value=0), st.sampled_from("Aa0-_=é"))
def test_what_is_no_token_is_refused(text: str, index: int, character: str) -> None:
    token = encode_page(SEALER, ASKED, PLACE)
    index %= len(token)
    for wrong in {text, token[:index], token + character, token[:index] + character + token[index + 1 :]} - {token}:
        with pytest.raises(PageTokenInvalid):
            decode_page(SEALER, ASKED, wrong, KINDS)


@pytest.mark.parametrize(
    "after",
    [
        ("failed", 3),
        ("failed", 3, "an id", 4),
        (3, 3, "an id"),
        ("failed", "3", "an id"),
        ("failed", True, "an id"),
        ("failed", 2**63, "an id"),
        ("fai\0led", 3, "an id"),
    ],
)
def test_a_token_that_somebody_made_up_can_bring_no_value_that_its_field_cannot_have(after: tuple[Value, ...]) -> None:
    with pytest.raises(PageTokenInvalid):
        decode_page(SEALER, ASKED, encode_page(SEALER, ASKED, ListPlace(1, after)), KINDS)


def test_a_token_is_limited_in_length() -> None:
    place = ListPlace(1, ("x" * 16_384, 3, "an id"))

    with pytest.raises(PageTokenInvalid):
        decode_page(SEALER, ASKED, encode_page(SEALER, ASKED, place), KINDS)
