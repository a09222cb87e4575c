"""The conformance suite: what every store has to pass, one file per theme. It needs pytest.

To hold a store of your own to it, subclass the suite in your tests and say how to open the store:

    import pytest
    from syncline.storage import Store, open_store
    from syncline.storage.conformance import StoreConformance

    @pytest.fixture(scope="module")
    def store() -> Iterator[Store]:
        store = open_store("mystore://...")
        yield store
        store.close()

    class TestMyStore(StoreConformance):
        pass

The store must be opened with the default of five refusals before an item is parked. Every test works in an account of
its own, so one store can serve all of them. Nothing is skipped: a store passes all of it, or it is not one. Tests
that carry `g1`, `g2` … in their names hold the store to the promise of that name. The environment variable
`SYNCLINE_CHAOS_SEEDS` says how many random histories are run; there are few unless told. They carry the marker
`chaos`, to be declared in the configuration of pytest.

`ReferenceDevice` and `RandomHistory` are of use to other suites, too: a device that follows the rules to the letter,
and histories of writers, devices and collections from a seed.
"""

from __future__ import annotations

import pytest

THEMES = (
    "accounts",
    "api_keys",
    "schemas",
    "records",
    "feed_order",
    "buckets",
    "positions",
    "acknowledgements",
    "rejections",
    "sessions",
    "collection",
    "names",
    "numbers",
    "payloads",
    "isolation",
    "account_walls",
    "concurrency",
    "atomicity",
    "checkpoints",
    "uploads",
    "receipts",
    "upload_order",
    "upload_walls",
    "conflict_table",
    "conflict_log",
    "reconciling",
    "upload_histories",
    "enrollments",
    "schedules",
    "sync_requests",
    "request_lists",
    "request_collection",
    "claiming",
    "row_batches",
    "sweeping",
    "batches_of_parents",
    "sweeping_parents",
    "parent_histories",
    "diagnostics",
    "trace_contexts",
    "managed_devices",
    "audit",
    "server_secrets",
    "statistics",
)
pytest.register_assert_rewrite(*(f"{__name__}.{theme}" for theme in THEMES))

from syncline.storage.conformance.history import HistorySize, RandomHistory  # noqa: E402
from syncline.storage.conformance.reference_device import ReferenceDevice  # noqa: E402
from syncline.storage.conformance.suite import StoreConformance  # noqa: E402
from syncline.storage.conformance.tenant import Tenant  # noqa: E402

__all__ = ["HistorySize", "RandomHistory", "ReferenceDevice", "StoreConformance", "Tenant"]
