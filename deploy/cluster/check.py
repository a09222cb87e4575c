"""The check of a running cluster: data in by a sync request, out to five devices, and live updates; all compared."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from deploy.cluster.errors import ClusterError
from deploy.cluster.flights import count_differences, write_zip
from deploy.cluster.folder import Folder
from deploy.cluster.live import SIGNAL, send_by_device, send_by_worker, watching
from deploy.cluster.patience import ATTEMPTS_MAX, patiently
from deploy.cluster.ports import (
    REQUESTS,
    REQUESTS_PROXY,
    SYNC,
    SYNC_PROXY,
    address,
    database_url,
    read_ports,
    target,
)
from deploy.cluster.scraping import read_figures
from examples.flights_data import TABLES
from syncline.client import SyncError, SyncRequest, SyncRequestClient, SyncRequestStatus
from syncline.replica import Replica, ReplicaError
from syncline.server.errors import ServerError
from syncline.server.schema.apply_schema import apply_schema
from syncline.server.schema_file import load_schema_file
from syncline.storage import open_store
from syncline.storage.errors import StoreError

_ACCOUNT: Final = "dev"
_SCHEMA: Final = Path(__file__).parents[2] / "examples" / "nycflights13.schema.yaml"
_DEVICES: Final = 5


def check_cluster(folder: Folder, *, rows: int | None, updates: int, proxy: bool, console: Console) -> None:
    """Run the check and print a table of what was measured.

    Raises:
        ClusterError: something is not as it must be.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="syncline-cluster-check-") as path:
            _Check(folder, Path(path), rows, proxy, console).run(updates)
    except (SyncError, ReplicaError, StoreError, ServerError) as error:
        raise ClusterError(f"the check failed: {type(error).__name__}: {error}") from error


class _Check:
    """One check. Through haproxy, one address stands for all servers of a kind."""

    def __init__(self, folder: Folder, path: Path, rows: int | None, proxy: bool, console: Console) -> None:
        self._ports = read_ports(folder.ports)
        self._path = path
        self._rows = rows
        self._console = console
        self._table = Table("step", "through", "records", "seconds", "a second")
        names = (SYNC_PROXY, REQUESTS_PROXY) if proxy else ()
        self._sync = [address(self._ports, name) for name in names[:1] or SYNC]
        self._requests = [address(self._ports, name) for name in names[1:] or REQUESTS]
        # Each server by itself, and then all of them as clients have them.
        self._everywhere = self._sync if proxy else [*self._sync, target(self._ports, SYNC)]

    def run(self, updates: int) -> None:
        """All steps, one after the other."""
        patiently(self._declare)
        loaded = self._load()
        with ThreadPoolExecutor(_DEVICES) as pool:
            values = list(pool.map(self._sync_device, range(_DEVICES)))
        self._console.print(f"{_DEVICES} devices compared with the source: {sum(values):,} values, no difference")
        with watching(self._path / "watching.db", self._sync[0]) as arrivals:
            by_device = send_by_device(self._path / "writing.db", self._sync[-1], arrivals, updates)
            by_worker = send_by_worker(self._requests[-1], arrivals, updates)
        self._console.print(self._table)
        live = Table("live update", "written through", "seen through", "count", "p50, ms", "max, ms")
        live.add_row("by a device", self._sync[-1], self._sync[0], *_figures(by_device))
        live.add_row("by a worker", self._requests[-1], self._sync[0], *_figures(by_worker))
        self._console.print(live)
        self._console.print(f"the cluster holds: {loaded:,} records, {_DEVICES} devices, {2 * updates} live updates")
        figures = patiently(lambda: read_figures(self._ports))
        counted = ", ".join(f"{value:,.0f} {figure}" for figure, value in figures.items())
        self._console.print(f"by the metrics of its programs, since each was started: {counted}")

    def _declare(self) -> None:
        """Add the object types of the check to those that there are."""
        store = open_store(database_url(self._ports))
        try:
            current = store.read_schema(_ACCOUNT)
            wanted = {kind.name: kind for kind in (*load_schema_file(_SCHEMA).object_types, SIGNAL)}
            known = {kind.name: kind for kind in current.object_types}
            apply_schema(store, _ACCOUNT, replace(current, object_types=tuple({**known, **wanted}.values())))
        finally:
            store.close()

    def _load(self) -> int:
        """Load the tables by a sync request; a worker that has them already finds nothing to do."""
        file = self._path / "flights.zip"
        count = write_zip(file, self._rows)
        started = time.perf_counter()
        with SyncRequestClient(self._requests[0], resume_attempts_max=ATTEMPTS_MAX) as client:
            sync_request_id = client.upload(file).sync_request_id
            ended = client.wait(sync_request_id)
        progress = ended.progress
        self._add_row("load by a sync request", self._requests[0], count, time.perf_counter() - started)
        _require(ended.status is SyncRequestStatus.SUCCESS, f"the load succeeds: {_outcome(ended)}")
        done = progress.inserted + progress.updated + progress.skipped
        _require(done == count and not progress.failed, f"{count:,} rows are taken: {_outcome(ended)}")
        self._console.print(
            f"a worker loaded {count:,} rows of {len(TABLES)} tables: {progress.inserted:,} new, "
            f"{progress.updated:,} changed, {progress.skipped:,} there already"
        )
        return count

    def _sync_device(self, number: int) -> int:
        """Sync a new device and compare it; how many values it has."""
        server = self._everywhere[number % len(self._everywhere)]
        started = time.perf_counter()
        with Replica.open(self._path / f"device-{number}.db", server, attempts_max=ATTEMPTS_MAX) as replica:
            report = patiently(lambda: replica.sync(scopes=["flights"]))
            self._add_row(f"device {number + 1}", server, report.total.received, time.perf_counter() - started)
            values, differences = count_differences(replica, self._rows)
        _require(not differences, f"device {number + 1} has what the source has: {differences:,} rows differ")
        return values

    def _add_row(self, step: str, through: str, records: int, seconds: float) -> None:
        self._table.add_row(step, through, f"{records:,}", f"{seconds:.1f}", f"{records / seconds:,.0f}")


def _outcome(request: SyncRequest) -> str:
    return f"{request.status.name}, {request.result_message}"


def _figures(seconds: Collection[float]) -> tuple[str, str, str]:
    return str(len(seconds)), f"{statistics.median(seconds) * 1000:.0f}", f"{max(seconds) * 1000:.0f}"


def _require(true: bool, what: str) -> None:
    if not true:
        raise ClusterError(f"the check failed, expected: {what}")
