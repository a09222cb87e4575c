"""The page that Prometheus reads, of real processes."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from urllib.request import urlopen
from uuid import uuid4

import pytest
from prometheus_client.parser import text_string_to_metric_families

from syncline.client import Ack, SyncClient, SyncError
from syncline.data.metrics import CALL_DURATION
from syncline.server.config import load_settings
from syncline.server.errors import SettingsInvalid
from syncline.server.telemetry.metrics_setup import metering
from tests.harness.server import ServerProcess, start_server

NAME = CALL_DURATION.prometheus_name
START = "syncline.v1.SyncService/StartSession"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server for several tests."""
    database = f"sqlite:///{tmp_path_factory.mktemp('metrics') / 'server.db'}"
    with start_server(database, metrics_listen="127.0.0.1:0") as server:
        yield server


def _address(server: ServerProcess) -> str:
    """Where the page is, as the log tells."""
    found = re.search(r"http://(\S+)/metrics", server.log)
    assert found
    return found[1]


def _get(server: ServerProcess, path: str = "/metrics", method: str = "GET", **headers: str) -> tuple[int, str]:
    connection = HTTPConnection(_address(server), timeout=60)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def _calls(page: str, **labels: str) -> float:
    """How many calls the page tells of."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == f"{NAME}_count" and labels.items() <= sample.labels.items()
    )


def test_calls_are_shown_by_method_and_status(server: ServerProcess) -> None:
    with SyncClient(server.address, uuid4()) as client:
        client.sync(lambda meta, data: Ack.ACK)
        with pytest.raises(SyncError):
            client.fetch_queue("no such session")

    status, page = _get(server)
    while not _calls(page, rpc_method="syncline.v1.SyncService/FetchQueue"):  # counted after it is answered
        status, page = _get(server)

    assert status == 200
    assert _calls(page, rpc_method=START, rpc_response_status_code="OK") >= 1
    refused = _calls(page, rpc_method="syncline.v1.SyncService/FetchQueue")
    assert refused == 1 - _calls(page, rpc_method="syncline.v1.SyncService/FetchQueue", rpc_response_status_code="OK")
    assert 'service_name="syncline-server"' in page
    assert "python_info" not in page, "of the registry that is global"


def test_there_is_one_page_that_can_only_be_read(server: ServerProcess) -> None:
    assert _get(server, "/metrics?name=1")[0] == 200
    assert _get(server, "/")[0] == 404
    assert _get(server, "/metrics/x")[0] == 404
    assert _get(server, "http://x/metrics" * 10_000)[0] == 414
    assert _get(server, method="POST")[0] == 501
    assert "# EOF" in _get(server, Accept="application/openmetrics-text;version=1.0.0")[1]


def test_readers_at_the_same_time_each_get_the_whole_page(server: ServerProcess) -> None:
    with SyncClient(server.address, uuid4()) as client:
        client.sync(lambda meta, data: Ack.ACK)
    with ThreadPoolExecutor(4) as threads:
        pages = [answer[1] for answer in threads.map(lambda _: _get(server), range(40))]

    assert {page.count(f"# TYPE {NAME} histogram\n") for page in pages} == {1}
    assert {page.count(f'{NAME}_count{{rpc_method="{START}"') for page in pages} == {1}


def test_readers_that_say_nothing_hold_up_neither_calls_nor_others_for_long(server: ServerProcess) -> None:
    host, _, port = _address(server).rpartition(":")
    with ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(socket.create_connection((host, int(port))))
        with SyncClient(server.address, uuid4()) as client:
            client.sync(lambda meta, data: Ack.ACK)
        while True:  # they are left after some seconds, and until then those that are too many are turned away
            try:
                assert _get(server)[0] == 200
                break
            except OSError:
                pass


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_a_port_in_use_is_told(server: ServerProcess, command: str) -> None:
    options = ["--listen", "127.0.0.1:0"] if command == "serve" else []
    ended = subprocess.run(
        [sys.executable, "-m", "syncline.server", command, "--database", server.database_url, *options],
        env={"SYNCLINE_METRICS_LISTEN": _address(server)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 2
    told = f"metrics_listen: {_address(server)} cannot be served on: Address already in use"
    assert told in ended.stderr.splitlines()[-1]


def test_a_worker_shows_its_own(server: ServerProcess) -> None:
    command = [sys.executable, "-m", "syncline.server", "worker", "--database", server.database_url]
    env = {**os.environ, "SYNCLINE_METRICS_LISTEN": "127.0.0.1:0"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env) as worker:
        try:
            assert worker.stderr is not None
            found = next(filter(None, (re.search(r"http://(\S+)/metrics", line) for line in worker.stderr)))
            page = ""
            while not page:  # it is empty until something was counted
                with urlopen(found[0]) as answer:  # noqa: S310  http
                    page = answer.read().decode()
            assert 'service_name="syncline-worker"' in page
        finally:
            worker.kill()


@pytest.mark.parametrize("text", ["9464", "127.0.0.1:x", "no.such.host.invalid:0"])
def test_an_address_that_is_none_is_told(text: str) -> None:
    with (
        pytest.raises(SettingsInvalid, match="metrics_listen"),
        metering(load_settings(metrics_listen=text), "test"),
    ):
        pass


def test_without_a_set_up_there_are_no_threads_and_no_sdk(tmp_path: Path) -> None:
    program = """
import sys, threading
from syncline.server.commands import serve, worker
from syncline.server.config import load_settings
from syncline.server.telemetry.instruments import metrics_are_on
from syncline.server.telemetry.metrics_setup import metering
with metering(load_settings(), "test"):
    assert not metrics_are_on()
    assert threading.active_count() == 1
unwanted = ("opentelemetry.sdk", "opentelemetry.exporter", "prometheus_client")
assert not [name for name in sys.modules if name.startswith(unwanted)]
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path)
