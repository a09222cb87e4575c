"""What came of the rows of requests that have ended: their summaries, and ListSyncRequestDetails."""

from __future__ import annotations

from dataclasses import dataclass

from syncline.server import limits
from syncline.server.environment import Environment
from syncline.server.errors import RequestState
from syncline.server.page_tokens import ListAsked, ListPlace, decode_page, encode_page
from syncline.server.requests.convert import detail_message, request_message, summary_message
from syncline.server.violations import Violations
from syncline.storage.filters import Comparison, FieldKind, Operator, Order
from syncline.storage.request_models import RequestQuery, SyncRequest
from syncline.v1 import sync_request_pb2, sync_request_service_pb2

_BATCHES_READ_MAX = 500
"""What a store lists at a time."""


@dataclass(frozen=True, slots=True)
class DetailsPage:
    """Which details are asked for."""

    request_id: str
    size: int
    token: str


def details_page(request: sync_request_service_pb2.ListSyncRequestDetailsRequest) -> DetailsPage:
    """Raise `InvalidRequest` unless every field keeps its rule."""
    found = Violations()
    request_id = found.uuid("sync_request_id", request.sync_request_id, required=True)
    size = found.page_size(request, limits.DETAILS_PAGE_DEFAULT, limits.DETAILS_PAGE_MAX)
    found.raise_if_any()
    return DetailsPage(request_id, size, request.page_token)


async def get_request(env: Environment, request_id: str, *, with_details: bool) -> sync_request_pb2.SyncRequest:
    """One request.

    Raises:
        RequestNotFound: no such request.
        RequestState: its details are asked for, and it has not ended.
    """
    request = await env.threads.run(env.store.get_request, env.account_id, request_id)
    if not with_details:
        return request_message(request, env.account_id)
    _need_final(request)
    return await env.threads.run(with_summary, env, request)


async def list_details(env: Environment, page: DetailsPage) -> sync_request_service_pb2.ListSyncRequestDetailsResponse:
    """The next details of a request that has ended, in the order in which they came.

    Raises:
        PageTokenInvalid: the token is none of this list.
        RequestNotFound: no such request.
        RequestState: it has not ended.
    """
    asked = ListAsked(f"ListSyncRequestDetails {page.request_id}", env.account_id)
    after = 0
    if page.token:
        (number,) = decode_page(env.sealer(), asked, page.token, (FieldKind.INTEGER,)).after
        after = int(number or 0)
    _need_final(await env.threads.run(env.store.get_request, env.account_id, page.request_id))
    read = await env.threads.run(env.store.list_details, env.account_id, page.request_id, after=after, limit=page.size)
    return sync_request_service_pb2.ListSyncRequestDetailsResponse(
        details=[detail_message(number, detail) for number, detail in read.details],
        next_page_token=encode_page(env.sealer(), asked, ListPlace(0, (read.next_after,))) if read.next_after else "",
    )


def with_summary(env: Environment, request: SyncRequest) -> sync_request_pb2.SyncRequest:
    """The request with what came of its rows, if it has ended. From a thread that may wait."""
    if not request.status.is_final:
        return request_message(request, env.account_id)
    counts = env.store.count_types(env.account_id, request.request_id)
    batch_ids = _batch_ids(env, request.request_id) if request.is_parent else []
    return request_message(request, env.account_id, summary_message(request, counts, batch_ids))


def _batch_ids(env: Environment, parent_id: str) -> list[str]:
    """The ids of a parent's batches, in their order."""
    found: list[str] = []
    after: tuple[str | int | bool | None, ...] | None = None
    while True:
        query = RequestQuery(
            filter=Comparison("parent_id", Operator.EQUAL, (parent_id,)),
            order=(Order("current_batch"),),
            after=after,
            limit=_BATCHES_READ_MAX,
        )
        batches = env.store.list_requests(env.account_id, query)
        found += [batch.request_id for batch in batches]
        if len(batches) < _BATCHES_READ_MAX:
            return found
        after = (batches[-1].current_batch, batches[-1].request_id)


def _need_final(request: SyncRequest) -> None:
    if not request.status.is_final:
        raise RequestState(request.request_id, "details are there once the request has ended")
