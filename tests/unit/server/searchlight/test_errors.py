"""What clients are told of a filter, an order or a page token that is none."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from google.rpc import error_details_pb2  # type: ignore[import-untyped]
from grpc import StatusCode

from syncline.server.errors import FilterInvalid, PageTokenInvalid
from syncline.server.interceptors.error_table import row_of
from syncline.server.requests.searchlight import parse_filter, parse_order


@pytest.mark.parametrize(
    ("parse", "field"), [(lambda: parse_filter("(", 0), "filter"), (lambda: parse_order(","), "order_by")]
)
def test_an_error_of_the_language_names_field_position_and_what_is_expected(
    parse: Callable[[], object], field: str
) -> None:
    with pytest.raises(FilterInvalid) as raised:
        parse()
    row = row_of(raised.value)

    assert row is not None
    assert (row.code, row.reason) == (StatusCode.INVALID_ARGUMENT, "FILTER_INVALID")
    assert row.metadata(raised.value) == {"position": str(raised.value.position), "expected": raised.value.expected}
    (detail,) = row.details(raised.value)
    assert isinstance(detail, error_details_pb2.BadRequest)
    assert [(one.field, one.description) for one in detail.field_violations] == [(field, raised.value.rule)]


def test_a_wrong_page_token_is_named() -> None:
    row = row_of(PageTokenInvalid())

    assert row is not None
    assert (row.code, row.reason) == (StatusCode.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID")
    (detail,) = row.details(PageTokenInvalid())
    assert [one.field for one in detail.field_violations] == ["page_token"]  # type: ignore[attr-defined]
