"""Live updates go through although a server is away when a device first turns to it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from deploy.cluster import patience
from deploy.cluster.live import SIGNAL, send_by_device, watching
from syncline.data.schema import Schema
from syncline.storage import open_store
from tests.harness.server import ServerProcess


def test_a_server_that_is_away_at_first_is_waited_for(
    server_process: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(server_process.database_url)
    store.write_schema("dev", Schema(object_types=(SIGNAL,)), expected_version=0)
    store.close()
    server_process.kill()
    waited: list[float] = []

    def start_it_again(seconds: float) -> None:
        if not waited:
            server_process.start()
        waited.append(seconds)

    monkeypatch.setattr(patience, "time", SimpleNamespace(monotonic=lambda: 0.0, sleep=start_it_again))
    with watching(tmp_path / "watching.db", server_process.address) as arrivals:
        assert waited  # whoever watches gave up once
        waited.clear()
        server_process.kill()
        assert len(send_by_device(tmp_path / "writing.db", server_process.address, arrivals, 2)) == 2
        assert waited
