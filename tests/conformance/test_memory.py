from collections.abc import Iterator

import pytest

from syncline.storage import Store, open_store
from syncline.storage.conformance import StoreConformance


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    store = open_store("memory:")
    yield store
    store.close()


class TestMemoryStore(StoreConformance):
    pass
