"""ListSyncRequests: requests by a filter, in an order, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from syncline.server import limits
from syncline.server.environment import Environment, now_us
from syncline.server.page_tokens import ListAsked, ListPlace, decode_page, encode_page
from syncline.server.requests.convert import request_message
from syncline.server.requests.details import with_summary
from syncline.server.requests.requests import includes_details
from syncline.server.requests.searchlight import parse_filter, parse_order, place_of
from syncline.server.violations import Violations
from syncline.storage.filters import FieldKind, Order
from syncline.storage.request_models import REQUEST_FIELDS, RequestQuery
from syncline.v1 import sync_request_service_pb2


@dataclass(frozen=True, slots=True)
class RequestsPage:
    """One page that is asked for."""

    asked: ListAsked
    query: RequestQuery
    now: int
    """When the first page was asked for."""
    with_details: bool


def kinds_of(order: Sequence[Order]) -> tuple[FieldKind, ...]:
    """The kinds of the values of a request's place in an order."""
    return (*(REQUEST_FIELDS[by.field] for by in order), FieldKind.TEXT)


def requests_page(env: Environment, request: sync_request_service_pb2.ListSyncRequestsRequest) -> RequestsPage:
    """What is asked for.

    Raises:
        InvalidRequest: a field breaks its rule.
        FilterInvalid: the filter or the order is none.
        PageTokenInvalid: the token is none of this list.
    """
    found = Violations()
    size = found.page_size(request, limits.REQUESTS_PAGE_DEFAULT, limits.REQUESTS_PAGE_MAX)
    with_details = includes_details(request.include, found)
    found.raise_if_any()
    asked = ListAsked("ListSyncRequests", env.account_id, request.filter, request.order_by)
    order: Sequence[Order] = parse_order(request.order_by)
    place = decode_page(env.sealer(), asked, request.page_token, kinds_of(order)) if request.page_token else None
    now = place.now if place else now_us()
    query = RequestQuery(
        filter=parse_filter(request.filter, now),
        order=tuple(order),
        after=place.after if place else None,
        limit=size,
    )
    return RequestsPage(asked, query, now, with_details)


async def list_requests(env: Environment, page: RequestsPage) -> sync_request_service_pb2.ListSyncRequestsResponse:
    """The page; its token is empty if nothing follows."""
    return await env.threads.run(_list, env, page)


def _list(env: Environment, page: RequestsPage) -> sync_request_service_pb2.ListSyncRequestsResponse:
    requests = env.store.list_requests(env.account_id, page.query)
    response = sync_request_service_pb2.ListSyncRequestsResponse()
    bytes_left = limits.REQUESTS_BYTES_MAX
    for request in requests:
        message = with_summary(env, request) if page.with_details else request_message(request, env.account_id)
        bytes_left -= message.ByteSize()
        if bytes_left < 0 and response.sync_requests:
            break
        response.sync_requests.append(message)
    listed = len(response.sync_requests)
    if listed < len(requests) or listed == page.query.limit:
        after = place_of(requests[listed - 1], page.query.order)
        if env.store.list_requests(env.account_id, replace(page.query, after=after, limit=1)):
            response.next_page_token = encode_page(env.sealer(), page.asked, ListPlace(page.now, after))
    return response
