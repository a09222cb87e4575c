"""What tests of the local cluster share."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.cluster.folder import Folder
from deploy.cluster.strays import end_processes
from tests.harness.secrets import check_untold, secret
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
        try:
            _check_untold(folder)
        finally:
            shutil.rmtree(path, ignore_errors=True)


def _check_untold(folder: Folder) -> None:
    """No program of the cluster may have told a secret, its own key included."""
    if folder.secret_key.exists():
        secret(folder.secret_key.read_text())
    for file in (*folder.logs.iterdir(), folder.traces):
        if file.exists():
            check_untold(file.read_text(errors="replace"), f"{file.name} of the cluster")
