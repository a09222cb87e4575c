"""Makes an order of its text, and tells a request's place in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from syncline.server.errors import FilterInvalid
from syncline.server.requests.searchlight.fields import stored_field
from syncline.server.requests.searchlight.grammar import ORDER_WORDS
from syncline.server.requests.searchlight.reading import read_tree, tokens_in
from syncline.server.requests.searchlight.tokens import position_of
from syncline.storage.filters import Order, Value
from syncline.storage.request_models import SyncRequest

DEFAULT_ORDER: Final = (Order("created_at", descending=True),)
"""What a blank text asks for."""

_FIELD: Final = "order_by"
_ROWS: Final = "rows_"


def parse_order(text: str) -> tuple[Order, ...]:
    """The order that a text asks for: fields, each with ASC or DESC, separated by commas. Blank: `DEFAULT_ORDER`.

    Raises:
        FilterInvalid: it is no order, or names a field twice. It tells where and why.
    """
    if not text.strip():
        return DEFAULT_ORDER
    orders: dict[str, Order] = {}
    for term in read_tree(text, "order", ORDER_WORDS, _FIELD).find_data("term"):
        name, *direction = tokens_in(term)
        field = stored_field(name, _FIELD)
        if field in orders:
            raise FilterInvalid(position_of(name), "another field", f"{str(name)!r} comes twice", field=_FIELD)
        orders[field] = Order(field, descending=bool(direction) and direction[0].upper().startswith("DESC"))
    return tuple(orders.values())


def place_of(request: SyncRequest, order: Sequence[Order]) -> tuple[Value | None, ...]:
    """The request's place in an order: what `RequestQuery.after` takes to go on behind it."""
    return (*(_value(request, by.field) for by in order), request.request_id)


def _value(request: SyncRequest, field: str) -> Value | None:
    if field == "status":
        return request.status.value
    if field == "operation":
        return request.operation.value
    if field.startswith(_ROWS):
        rows: int = getattr(request.progress, field.removeprefix(_ROWS))
        return rows
    value: Value | None = getattr(request, field)
    return value
