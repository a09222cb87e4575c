"""Both clients, for tests that hold both to the same."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.client.running import RunSync, run_asyncio, run_blocking
from tests.client.scripted import ScriptedService, serving
from tests.client.upload_streams import Open, open_asyncio, open_blocking


@pytest.fixture(params=[run_blocking, run_asyncio], ids=["blocking", "asyncio"])
def run_sync(request: pytest.FixtureRequest) -> RunSync:
    run: RunSync = request.param
    return run


@pytest.fixture(params=[open_blocking, open_asyncio], ids=["blocking", "asyncio"])
def opened(request: pytest.FixtureRequest) -> Open:
    open_it: Open = request.param
    return open_it


@pytest.fixture
def service() -> ScriptedService:
    return ScriptedService()


@pytest.fixture
def scripted(service: ScriptedService) -> Iterator[str]:
    with serving(service) as address:
        yield address


@pytest.fixture(autouse=True)
def no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resume at once: how long to wait is tested on the run alone."""
    monkeypatch.setattr("syncline.client.backoff.FIRST_DELAY_S", 0.001)
