"""SQLite passes the conformance suite."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncline.storage import Store, open_store
from syncline.storage.conformance import StoreConformance


@pytest.fixture(scope="module")
def store(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    path = shutil.copy(sqlite_template, tmp_path_factory.mktemp("conformance") / "store.db")
    store = open_store(f"sqlite:///{path}", durable=False)  # waiting for the disk is tested elsewhere
    yield store
    store.close()


class TestSqliteStore(StoreConformance):
    pass
