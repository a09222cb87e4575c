"""All series of a server that has done a bit of everything: they are those of the table, and no label is an id."""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.request import urlopen
from uuid import UUID, uuid4
from zipfile import ZipFile

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families

from syncline.client import EnrollmentClient, SyncClient, SyncError, SyncRequestClient
from syncline.data import metrics
from syncline.data.metrics import Kind, Metric
from syncline.replica import Replica
from syncline.storage import open_store
from tests.harness.server import ServerProcess, declare_notes, start_server
from tests.harness.wire import next_page, wire_device

KEY = "4711"
"""Part of the keys of all records."""
METHOD = re.compile(r"syncline\.v1\.[A-Za-z]+/[A-Za-z]+")
WORD = re.compile(r"[A-Za-z][A-Za-z_]{1,40}|")
"""What a label may say: no digits, no hyphens, no slashes."""
Series = dict[str, list[dict[str, str]]]
"""The labels of all samples of a family."""

NOT_OF_EVERY_RUN = {
    metrics.NOTIFICATION_RECONNECTS: "nothing breaks",
    metrics.NOTIFICATIONS_RECEIVED: "there is one server only",
    metrics.LEASES_LOST: "no worker dies",
    metrics.REQUESTS_RETRIES: "the file that is not there may not have been looked for yet",
    metrics.STORE_RETRIES: "few write at a time",
    metrics.DROPPED_SPANS: "it has no traces",
}
OF_ONE_STORE = {metrics.STORE_LOCK_WAIT: "sqlite", metrics.NOTIFICATIONS_SENT: "postgresql"}


@pytest.fixture
def server(store_url: str, tmp_path: Path) -> Iterator[ServerProcess]:
    with closing(open_store(store_url)) as store:
        declare_notes(store)
    settings = {"metrics_listen": "127.0.0.1:0", "poll_seconds": 0.05, "file_roots": tmp_path, "first_sync_items": 1}
    with start_server(store_url, **settings) as server:
        yield server


def _edit_on_two_devices(server: ServerProcess, tmp_path: Path) -> list[UUID]:
    """Both create a record and change that of the other; one loses."""
    with (
        Replica.open(tmp_path / "first.db", server.address) as first,
        Replica.open(tmp_path / "second.db", server.address) as second,
    ):
        first.sync()
        first.objects("note").create({"id": f"{KEY}-first", "text": "one"})
        first.sync()
        second.sync()
        first.objects("note").update_by_pk(f"{KEY}-first", {"text": "mine"})
        second.objects("note").update_by_pk(f"{KEY}-first", {"text": "theirs"})
        first.sync()
        second.sync()
        return [first.device_uuid, second.device_uuid]


async def _follow(server: ServerProcess, write: Callable[[], None]) -> UUID:
    """A third device sees live what is written, and acknowledges it."""
    async with wire_device(server.address) as device:
        session = await device.start_id(always=True)
        stream = device.stream(session, follow=True)
        page = await next_page(stream)
        assert page.HasField("checkpoint")
        await device.acknowledge(page.page_ack_key)
        await asyncio.to_thread(write)
        await device.acknowledge((await next_page(stream)).page_ack_key)
        await device.fetch(session)
        stream.cancel()
        return device.uuid


def _load(server: ServerProcess, tmp_path: Path) -> list[UUID | str]:
    """By an upload, one of whose rows does not fit, and by an enrollment of the file connector, of which one fails."""
    archive, file = tmp_path / f"{KEY}.zip", tmp_path / f"{KEY}.csv"
    file.write_text(f"id,text\n{KEY}-file,two\n")
    with ZipFile(archive, "w") as made:
        made.writestr("note.csv", f"id,text\n{KEY}-zip,one\n,nothing\n")
    ids: list[UUID | str] = []
    with SyncRequestClient(server.address) as requests, EnrollmentClient(server.address) as enrollments:
        ids.append(requests.upload(archive).sync_request_id)
        for name, path in (("good", file), ("bad", tmp_path / f"no-{KEY}.csv")):
            settings = {"path": str(path), "object_type": "note"}
            enrollment = enrollments.create(f"{name}-{KEY}", "file", settings=settings)
            ids += [enrollment.app_enrollment_id, requests.create(enrollment.app_enrollment_id).sync_request_id]
        for request_id in (ids[0], ids[2]):
            requests.wait(request_id, timeout_s=60)
    return ids


def _fail(server: ServerProcess) -> None:
    with SyncClient(server.address, uuid4()) as client, pytest.raises(SyncError):
        client.fetch_queue(f"no-{KEY}")
    with grpc.insecure_channel(server.address) as channel:
        call: Any = channel.unary_unary(f"/syncline.v1.SyncService/{KEY}")
        with pytest.raises(grpc.RpcError, match="UNIMPLEMENTED"):
            call(b"")


def _series(server: ServerProcess) -> Series:
    """What the page shows, without what is said of the process as a whole."""
    found = re.search(r"http://\S+/metrics", server.log)
    assert found
    with urlopen(found[0]) as answer:  # noqa: S310  http
        page = answer.read().decode()
    series: Series = defaultdict(list)
    for family in text_string_to_metric_families(page):
        if family.name != "target_info":
            # The parser takes the end off a counter's name.
            name = f"{family.name}_total" if family.type == "counter" else family.name
            series[name] += [sample.labels for sample in family.samples]
    return series


def _missing(server: ServerProcess) -> set[str]:
    """The metrics that such a run touches and the page does not show."""
    system = "sqlite" if server.database_url.startswith("sqlite") else "postgresql"
    expected: set[Metric] = {
        metric
        for metric in metrics.ALL
        if metric.kind is not Kind.GAUGE
        and metric not in NOT_OF_EVERY_RUN
        and OF_ONE_STORE.get(metric, system) == system
    }
    return {metric.prometheus_name for metric in expected} - set(_series(server))


async def test_a_busy_server_shows_the_table_and_no_ids(server: ServerProcess, tmp_path: Path) -> None:
    ids = _load(server, tmp_path)
    devices = _edit_on_two_devices(server, tmp_path)

    def write() -> None:
        with Replica.open(tmp_path / "first.db", server.address) as replica:
            replica.objects("note").create({"id": f"{KEY}-live", "text": "x"})
            replica.sync()

    ids += [*devices, await _follow(server, write)]
    _fail(server)

    assert _missing(server) == set()
    by_name = {metric.prometheus_name: metric for metric in metrics.ALL}
    series = _series(server)
    assert set(series) <= set(by_name), "each stands in the table"
    for name, samples in series.items():
        for labels in samples:
            told = {label: value for label, value in labels.items() if label != "le"}
            assert set(told) <= set(by_name[name].prometheus_labels), name
            method = told.pop("rpc_method", None)
            assert method is None or METHOD.fullmatch(method), (name, method)
            for value in told.values():
                assert WORD.fullmatch(value), (name, value)
    everything = repr(series)
    assert not [each for each in (KEY, *map(str, ids)) if each in everything]
