"""Device files of tests, and a server in a thread for tests that synchronise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.replica.building import Bench
from tests.replica.serving import ServedStore, served_store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "device.db"


@pytest.fixture
def bench(path: Path) -> Iterator[Bench]:
    bench = Bench(path)
    yield bench
    bench.close()


@pytest.fixture
def server() -> Iterator[ServedStore]:
    with served_store() as server:
        yield server


@pytest.fixture(autouse=True)
def no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start a new session at once: how long to wait is tested with the thin client."""
    monkeypatch.setattr("syncline.client.backoff.FIRST_DELAY_S", 0.001)
