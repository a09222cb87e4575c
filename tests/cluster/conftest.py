"""What tests of the local cluster share."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.cluster.folder import Folder
from deploy.cluster.strays import end_processes
from tests.harness.server import server_process

__all__ = ["server_process"]


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    """A folder that Postgres can reach when root runs the tests, which pytest's own are not."""
    monkeypatch.setenv("SYNCLINE_LEASE_SECONDS", "3")  # a worker's death is to be noticed soon
    path = Path(tempfile.mkdtemp(prefix="syncline-cluster-"))
    folder = Folder(path)
    try:
        yield folder
    finally:
        end_processes(folder)
        shutil.rmtree(path, ignore_errors=True)
