"""A device that was synchronised once and is offline."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from syncline.replica import Objects, Replica
from tests.replica.objects.offline import make_device


@pytest.fixture(scope="session")
def device_template(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file, made once."""
    path = tmp_path_factory.mktemp("device") / "device.db"
    make_device(path)
    return path.read_bytes()


@pytest.fixture
def replica(device_template: bytes, path: Path) -> Iterator[Replica]:
    path.write_bytes(device_template)
    with Replica.open(path) as replica:
        yield replica


@pytest.fixture
def airlines(replica: Replica) -> Objects:
    return replica.objects("airline")


@pytest.fixture
def flights(replica: Replica) -> Objects:
    return replica.objects("flight")


@pytest.fixture
def crew(replica: Replica) -> Objects:
    return replica.objects("crew")
