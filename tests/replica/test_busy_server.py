"""A server that is there and has too much to do is asked more often than one that nobody has ever heard of."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2  # type: ignore[import-untyped]

from syncline.client import LimitReached, ScopeNotFound
from syncline.replica import Replica
from tests.client.scripted import Fault, ScriptedService, serving

BUSY = Fault(
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    "LIMIT_REACHED",
    (error_details_pb2.RetryInfo(retry_delay=Duration(nanos=1_000_000)),),
)


@pytest.fixture(autouse=True)
def impatient_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here it is the run that waits."""
    monkeypatch.setattr("syncline.client.backoff.CALL_PATIENCE_S", 0.0)


def test_a_busy_server_is_asked_as_often_as_the_app_wants(path: Path) -> None:
    service = ScriptedService()
    service.starts.extend([BUSY] * 5)
    service.starts.append(Fault(grpc.StatusCode.NOT_FOUND, "SCOPE_NOT_FOUND"))
    with serving(service) as address, Replica.open(path, address) as replica, pytest.raises(ScopeNotFound):
        replica.sync()
    assert len(service.start_requests) == 6


def test_who_has_asked_often_enough_is_told_the_limit(path: Path) -> None:
    service = ScriptedService()
    service.starts.extend([BUSY] * 9)
    with (
        serving(service) as address,
        Replica.open(path, address, attempts_max=3) as replica,
        pytest.raises(LimitReached, match="as scripted") as caught,
    ):
        replica.sync()
    assert caught.value.retry_after == 0.001
    assert len(service.start_requests) == 4
