"""Random histories of devices that work offline, on a real server and real files (G5, G6, G7, G8, G12)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncline.storage import open_store
from tests.chaos.offline_history import run_histories
from tests.chaos.offline_server import Place, place, prepare_histories

HISTORIES = int(os.environ.get("SYNCLINE_CHAOS_SEEDS", "30"))
"""On each database."""
AT_A_TIME = 15
"""Histories of one seed."""

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1200)]


@pytest.fixture
def somewhere(store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    prepare_histories(monkeypatch)
    store = open_store(store_url, durable=False)
    with place(store, tmp_path) as where:
        yield where
    store.close()


@pytest.mark.parametrize("seed_number", range(-(-HISTORIES // AT_A_TIME)))
def test_g12_offline_devices_converge_after_any_history(somewhere: Place, seed_number: int) -> None:
    run_histories(somewhere, seed_number, min(AT_A_TIME, HISTORIES))
