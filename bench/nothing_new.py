"""A session that finds nothing new: what most calls of a fleet of devices come to.

The limit is a call of the same server that does nothing: the health check.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from statistics import median
from uuid import uuid4

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bench.figure import Figure
from bench.rounds import Rounds, alternate
from bench.workplace import STORES, StoreName, Workplace
from syncline.client import SyncClient
from syncline.v1 import queue_pb2
from tests.harness.server import start_server

ITEMS_FEW = 1_000
ITEMS_MANY = 1_000_000

CALLS = 300
"""In a round."""

ROUNDS = 7


def run(workplace: Workplace) -> Iterator[Figure]:
    """Measure with few and with many records in the account."""
    for store in STORES:
        few = _measure(workplace, store, ITEMS_FEW)
        many = _measure(workplace, store, ITEMS_MANY)
        yield Figure(
            "nothing_new",
            store,
            many.value,
            "µs",
            many.limit,
            {
                f"with {ITEMS_FEW:,} records": few.value,
                f"with {ITEMS_MANY:,} records": many.value,
                "quotient": many.value / few.value,
                **many.detail,
            },
        )


def _measure(workplace: Workplace, store: StoreName, items: int) -> Rounds:
    with ExitStack() as stack:
        server = stack.enter_context(start_server(workplace.filled_database(store, items)))
        client = stack.enter_context(SyncClient(server.address, uuid4()))
        channel = stack.enter_context(grpc.insecure_channel(server.address))
        with workplace.step(f"reading {items:,} records from {store}"):
            positions = _read_everything(client)
        check = _health_check(channel)

        def start_session() -> None:
            if client.start_session(positions=positions).HasField("session"):
                raise RuntimeError("there is something new")

        with workplace.step(f"starting sessions on {store} with {items:,} records"):
            return alternate(
                lambda: _microseconds(start_session),
                lambda: _microseconds(check),
                rounds=ROUNDS,
            )


def _health_check(channel: grpc.Channel) -> Callable[[], object]:
    """The stub's types do not know its methods."""
    call: grpc.UnaryUnaryMultiCallable[health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse]
    call = health_pb2_grpc.HealthStub(channel).Check  # type: ignore[attr-defined]
    return lambda: call(health_pb2.HealthCheckRequest())


def _read_everything(client: SyncClient) -> list[queue_pb2.FeedPosition]:
    """The positions of a device that has everything."""
    session = client.start_session(full_resync=True).session
    positions: list[queue_pb2.FeedPosition] = []
    with client.read_queue(session.id, page_size=5_000) as pages:
        for page in pages:
            client.acknowledge([page.ack_key])
            positions = list(page.message.feeds)
    return positions


def _microseconds(call: Callable[[], object]) -> float:
    """The median duration of a call."""
    durations = []
    for _ in range(CALLS):
        started = time.perf_counter_ns()
        call()
        durations.append((time.perf_counter_ns() - started) / 1_000)
    return median(durations)
