"""Loading a zip of 1,000,000 CSV lines by a sync request, and loading the same file again.

The limit is the database alone: the same rows upserted into the same two tables, in durable transactions as large as
the worker's. A line that has not changed is still read, checked and looked up.
"""

from __future__ import annotations

import csv
import io
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import count, islice
from pathlib import Path

import orjson

from bench.figure import DetailValue, Figure
from bench.memory import peak_resident_kib
from bench.raw_writes import Row, SourceRow, WriteSourcedRows, raw_copier, raw_sourced_writer, row_of, source_row_of
from bench.records import ITEMS, item_writes
from bench.worker_process import WorkerProcess, make_request, start_worker
from bench.workplace import STORES, StoreName, Workplace
from syncline.server.requests.connectors.file_reading import BATCH_ROWS
from syncline.server.requests.zip_limits import STORED_CHUNK_BYTES
from syncline.storage import Store, open_store
from syncline.storage.request_models import Progress
from syncline.v1.frame_pb2 import Frame

LINES = 1_000_000
COPY_ROWS = 50_000
"""In one transaction: a COPY of few rows would spend its time on beginning and ending."""
MIB_MAX = 250
"""What the worker may need."""


def run(workplace: Workplace) -> Iterator[Figure]:
    """Measure with a worker on each store."""
    path = workplace.new_folder() / "items.zip"
    with workplace.step(f"writing {LINES:,} lines of CSV"):
        _write_zip(path)
    payload = _chunks(path)
    for store in STORES:
        yield from _measure(workplace, store, payload)


def _measure(workplace: Workplace, store: StoreName, payload: Sequence[bytes]) -> Iterator[Figure]:
    with (
        workplace.step(f"upserting {LINES:,} rows into {store} without Syncline"),
        raw_sourced_writer(store, workplace.new_database(store)) as write_rows,
    ):
        limit = _raw_rate(write_rows, BATCH_ROWS)
    detail: dict[str, DetailValue] = {"zip, MiB": sum(map(len, payload)) / 2**20}
    if store == "postgresql":
        with (
            workplace.step(f"copying {LINES:,} rows into {store}"),
            raw_copier(workplace.new_database(store)) as copy_rows,
        ):
            detail["COPY, rows/s"] = _raw_rate(copy_rows, COPY_ROWS)
    url = workplace.new_database(store)
    workplace.fill(url, ITEMS, ())
    with closing(open_store(url)) as opened, start_worker(url) as worker:
        with workplace.step(f"importing {LINES:,} lines into {store}"):
            rate, progress = _import_rate(opened, worker, payload)
            _check(progress.inserted)
        mib = peak_resident_kib(worker.pid) / 1024
        yield Figure("import", store, rate, "rows/s", limit, detail)
        with workplace.step(f"importing the same {LINES:,} lines into {store}"):
            again, progress = _import_rate(opened, worker, payload)
            _check(progress.skipped)
        mib_again = peak_resident_kib(worker.pid) / 1024
    yield Figure("reimport", store, again, "rows/s", rate, {"upserts without Syncline, rows/s": limit})
    yield Figure("import_memory", store, mib_again, "MiB", MIB_MAX, {"after the first import, MiB": mib})


def _raw_rate(write_rows: WriteSourcedRows, batch_rows: int) -> float:
    """Rows a second; what it takes to make them up does not count."""
    seconds = 0.0
    remaining = _rows()
    while batch := list(islice(remaining, batch_rows)):
        rows, source_rows = [row for row, _ in batch], [source_row for _, source_row in batch]
        started = time.perf_counter()
        write_rows(rows, source_rows)
        seconds += time.perf_counter() - started
    return LINES / seconds


def _import_rate(store: Store, worker: WorkerProcess, payload: Sequence[bytes]) -> tuple[float, Progress]:
    """Lines a second from the claim to the end of a new request, and what came of them."""
    seconds, request = worker.wait_for(store, make_request(store, payload, "zip"))
    return LINES / seconds, request.progress


def _check(lines: int) -> None:
    if lines != LINES:
        raise RuntimeError(f"{lines:,} lines went the expected way, not {LINES:,}")


def _write_zip(path: Path) -> None:
    columns = [field.name for field in ITEMS.object_types[0].fields]
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("item.csv", "w") as entry,
        io.TextIOWrapper(entry, encoding="utf-8", newline="") as text,
    ):
        lines = csv.DictWriter(text, columns)
        lines.writeheader()
        for write in item_writes(LINES):
            assert write.frame is not None
            lines.writerow(orjson.loads(Frame.FromString(write.frame).data))


def _chunks(path: Path) -> list[bytes]:
    with path.open("rb") as file:
        return list(iter(lambda: file.read(STORED_CHUNK_BYTES), b""))


def _rows() -> Iterator[tuple[Row, SourceRow]]:
    scope = ITEMS.object_types[0].scope
    for revision, write in zip(count(1), item_writes(LINES), strict=False):
        yield row_of(write, scope, revision), source_row_of(write)
