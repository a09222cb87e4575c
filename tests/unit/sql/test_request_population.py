"""What the benchmark of lists fills databases with is what a store would have made."""

from __future__ import annotations

from bench.request_population import DETAILS_MANY, detailed_request_id, fill_requests
from bench.workplace import ACCOUNT, StoreName
from syncline.storage import open_store
from syncline.storage.request_models import RequestQuery
from syncline.storage.request_states import RequestStatus

REQUESTS = 20


def test_the_store_lists_what_the_benchmark_fills_in(store_url: str) -> None:
    store_name: StoreName = "sqlite" if store_url.startswith("sqlite") else "postgresql"
    store = open_store(store_url)
    store.create_account(ACCOUNT)
    fill_requests(store_name, store_url, REQUESTS)
    listed = store.list_requests(ACCOUNT, RequestQuery())
    assert [request.status for request in listed].count(RequestStatus.FAILED) == REQUESTS // 10
    assert len(listed) == REQUESTS
    page = store.list_details(ACCOUNT, detailed_request_id(REQUESTS), after=DETAILS_MANY - 1, limit=5)
    assert [number for number, _ in page.details] == [DETAILS_MANY]
    store.close()
