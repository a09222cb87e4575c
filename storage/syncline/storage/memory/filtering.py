"""Filters, orders and pages of lists, over sync requests in memory."""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import eq, ge, gt, le, lt, ne
from typing import Any, Final

from syncline.storage.errors import InvalidValue
from syncline.storage.filters import Comparison, Filter, Operator, Order, Value
from syncline.storage.request_models import REQUEST_FIELDS, RequestQuery, SyncRequest

_ASCII_LOWER: Final = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_RELATIONS: Final[Mapping[Operator, Callable[[Any, Any], bool]]] = {
    Operator.EQUAL: eq,
    Operator.NOT_EQUAL: ne,
    Operator.LESS: lt,
    Operator.LESS_EQUAL: le,
    Operator.GREATER: gt,
    Operator.GREATER_EQUAL: ge,
}


def select(requests: Iterable[SyncRequest], query: RequestQuery) -> list[SyncRequest]:
    """One page of the requests that the query asks for."""
    order = (*query.order, Order("request_id"))
    found = [request for request in requests if query.filter is None or matches(request, query.filter)]
    # The last order first: sorting is stable.
    for one in reversed(order):
        found = _sorted(found, one)
    if query.after is not None:
        after = query.after
        found = [request for request in found if _is_after(request, order, after)]
    return found[: query.limit]


def _sorted(requests: list[SyncRequest], order: Order) -> list[SyncRequest]:
    return sorted(requests, key=lambda request: _rank(value_of(request, order.field)), reverse=order.descending)


def matches(request: SyncRequest, wanted: Filter) -> bool:
    """Does the filter hold of the request?"""
    if isinstance(wanted, Comparison):
        return _compares(value_of(request, wanted.field), wanted)
    parts = (matches(request, part) for part in wanted.parts)
    return all(parts) if wanted.needs_all else any(parts)


def value_of(request: SyncRequest, name: str) -> Value | None:
    """What the request has in one of `REQUEST_FIELDS`, or `InvalidValue`."""
    if name not in REQUEST_FIELDS:
        raise InvalidValue("field", f"there is no {name}")
    if name.startswith("rows_"):
        count: int = getattr(request.progress, name.removeprefix("rows_"))
        return count
    if name in {"status", "operation"}:
        word: str = getattr(request, name).value
        return word
    value: Value | None = getattr(request, name)
    return value


def _compares(value: Value | None, wanted: Comparison) -> bool:
    if wanted.operator is Operator.IS_NULL:
        return (value is None) != wanted.negated
    return value is not None and _holds(value, wanted.operator, wanted.values) != wanted.negated


def _holds(value: Value, operator: Operator, values: Sequence[Value]) -> bool:
    """Is the comparison true of a value that is there?"""
    if operator in _RELATIONS:
        return _RELATIONS[operator](value, values[0])
    if operator is Operator.IN:
        return value in values
    if operator is Operator.BETWEEN:
        low: Any = values[0]
        high: Any = values[1]
        return bool(low <= value <= high)
    text, part = (str(one).translate(_ASCII_LOWER) for one in (value, values[0]))
    if operator is Operator.CONTAINS:
        return part in text
    return text.startswith(part) if operator is Operator.STARTS_WITH else text.endswith(part)


def _rank(value: Value | None) -> tuple[bool, Any]:
    """Absent values first; among each other they are equal."""
    return value is not None, 0 if value is None else value


def _is_after(request: SyncRequest, order: Sequence[Order], after: Sequence[Value | None]) -> bool:
    """Does the request come after these values?"""
    for one, bound in zip(order, after, strict=True):
        rank, last = _rank(value_of(request, one.field)), _rank(bound)
        if rank != last:
            return (rank < last) if one.descending else (rank > last)
    return False
