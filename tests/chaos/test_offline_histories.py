"""Random histories of devices that work offline, on a real server and real files (G5, G6, G7, G8, G12)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncline.storage import open_store
from tests.chaos.offline_device import OnRecord, Transaction, Write
from tests.chaos.offline_history import PLACES, one_history, run_histories
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


def test_a_hidden_record_that_is_created_again_is_there_again(somewhere: Place) -> None:
    """The server has it already: the change has no effect, and must not wait for a newer state of the record."""
    place = PLACES[0]
    create = Write("create", place, "1", "a", None, parent="1", bucket="", upload=True)
    with one_history(somewhere, "client_first", "strict") as history:
        history.sync(0, [OnRecord("hide", place, "1"), Transaction((create,))], None, 500)
        assert history.devices[0].content.view["client_first", "1"] == {"id": "1", "a": "a"}
        assert history.devices[0].content.changes == []
