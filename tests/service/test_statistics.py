"""Gauges of what waits in the database, of a real server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from syncline.data import metrics
from syncline.data.metrics import ALL, Kind
from syncline.storage import Store, open_store
from tests.harness.metrics import Metrics, recorded_metrics
from tests.harness.postgres import PostgresServer
from tests.harness.server import running_app
from tests.harness.wire import delete_note, notes, wire_device
from tests.service.requesting import request_calls, row, status

QUICKLY = {"statistics_seconds": 0.05, "embedded_worker": False}
GAUGES = [metric for metric in ALL if metric.kind is Kind.GAUGE]


@pytest.fixture
def counted() -> Iterator[Metrics]:
    with recorded_metrics() as counted:
        yield counted


async def test_gauges_follow_the_database(counted: Metrics, store: Store) -> None:
    async with (
        running_app(store, **QUICKLY) as app,
        wire_device(app.address) as device,
        request_calls(app.address) as requests,
    ):
        await app.until(lambda: counted.now(metrics.DEVICES) == {("in_touch",): 0, ("away",): 0, ("expired",): 0})
        assert counted.now(metrics.QUEUE_LAG) == {("max",): 0, ("median",): 0}

        await device.sync(always=True)
        store.write_records("dev", notes(3))
        await app.until(lambda: counted.now(metrics.QUEUE_LAG) == {("max",): 3, ("median",): 3})
        assert counted.now(metrics.DEVICES)["in_touch",] == 1
        assert counted.now(metrics.QUEUE_OLDEST)[()] > 0
        assert counted.now(metrics.QUEUE_HOLES) == {("max",): 0, ("sum",): 0}
        assert counted.now(metrics.QUEUE_REFUSED) == {("sent_again",): 0, ("parked",): 0}

        await device.sync()
        store.write_records("dev", [delete_note("n0")])
        await app.until(lambda: counted.now(metrics.DELETES_KEPT) == {("tombstone",): 1, ("departure",): 0})
        assert counted.now(metrics.QUEUE_LAG)["max",] == 1

        asked = await requests.load([row("a")])
        assert status(asked) == "CONNECTOR"
        await app.until(lambda: counted.now(metrics.REQUESTS_OPEN).get(("connector",)) == 1)
        assert counted.now(metrics.REQUESTS_OLDEST_DUE)[()] > 0
        assert counted.now(metrics.ENROLLMENTS_FAILING) == {(): 0}


async def test_while_the_database_is_away_nothing_is_told(
    counted: Metrics, postgres_server: PostgresServer, postgres_url: str
) -> None:
    with closing(open_store(postgres_url)) as store:
        async with running_app(store, **QUICKLY) as app:
            await app.until(lambda: all(counted.now(metric) for metric in GAUGES))
            postgres_server.let_connect(postgres_url, False)
            await app.until(lambda: not any(counted.now(metric) for metric in GAUGES))
            postgres_server.let_connect(postgres_url, True)
            await app.until(lambda: all(counted.now(metric) for metric in GAUGES))
