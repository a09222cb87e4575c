"""What an order's text means."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncline.server.errors import FilterInvalid
from syncline.server.requests.searchlight import parse_order
from syncline.server.requests.searchlight.grammar import ORDER_WORDS
from syncline.storage.filters import Order


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("", (Order("created_at", descending=True),)),
        ("  ", (Order("created_at", descending=True),)),
        ("status", (Order("status"),)),
        ("statusCode asc", (Order("status"),)),
        ("STATUS Ascending", (Order("status"),)),
        ("status DESC", (Order("status", descending=True),)),
        ("status descending,progress.read , created", (Order("status", True), Order("rows_read"), Order("created_at"))),
    ],
)
def test_orders(text: str, order: tuple[Order, ...]) -> None:
    assert parse_order(text) == order


@pytest.mark.parametrize(
    ("text", "position", "expected", "message"),
    [
        ("created, create_time DESC", 10, "another field", "'create_time' comes twice"),
        ("staus", 1, "sync_request_id, ", "the nearest: status"),
        ("status up", 8, "ASC or DESC, a comma, the end", "'up' stands where"),
        ("status,", 8, "a field", "it ends where a field is expected"),
        (",", 1, "a field", "',' stands where a field is expected"),
        ("status 'x", 10, "'", "has no end"),
        ("status".ljust(4_001), 4_001, "at most 4,000 characters", "too long"),
    ],
)
def test_what_is_no_order_is_told_where_and_why(text: str, position: int, expected: str, message: str) -> None:
    with pytest.raises(FilterInvalid, match=r"^order_by, position ") as raised:
        parse_order(text)

    assert raised.value.position == position
    assert raised.value.expected.startswith(expected)
    assert message in raised.value.rule
    assert raised.value.field == "order_by"


def error_of(text: str) -> FilterInvalid | None:
    try:
        assert parse_order(text)
    except FilterInvalid as error:
        return error
    return None


@settings(deadline=None)
@given(st.text() | st.lists(st.sampled_from([*ORDER_WORDS, "status", "created", ",", "("]), max_size=9).map(" ".join))
def test_whatever_the_text_it_is_an_order_or_told_why_not(text: str) -> None:
    error = error_of(text)

    assert error is None or 1 <= error.position <= len(text) + 1
