"""The two stories that traces tell, through real processes on Postgres.

From a sync request to each device: request, run, batch, page, device transaction, acknowledgement. And from a write on
one device to another: write, upload, decision, page. Where a context crosses a gap, a link or a parent bridges it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from zipfile import ZipFile

import pytest

from syncline.data import telemetry
from syncline.data.span_lines import SpanLine, decode_span_line
from syncline.storage import open_store
from tests.harness.server import ServerProcess, declare_notes, start_server

SERVICE = "syncline.v1.SyncService"
REQUESTS = "syncline.v1.SyncRequestService"


class Story:
    """The spans of a file, and how they hang together."""

    def __init__(self, path: Path) -> None:
        self.spans = [decode_span_line(line) for line in path.read_bytes().splitlines()]
        self._by_id = {(span.trace_id, span.span_id): span for span in self.spans}

    def parent(self, span: SpanLine) -> SpanLine | None:
        return self._by_id.get((span.trace_id, span.parent_span_id or ""))

    def path(self, span: SpanLine) -> list[tuple[str, str]]:
        """Name and kind of the span, of its parent, and so on."""
        found: SpanLine | None = span
        path: list[tuple[str, str]] = []
        while found is not None:
            path.append((found.name, found.kind))
            found = self.parent(found)
        return path

    def root(self, span: SpanLine) -> SpanLine:
        parent = self.parent(span)
        return span if parent is None else self.root(parent)

    def linked(self, span: SpanLine) -> list[SpanLine]:
        return [self._by_id[link.trace_id, link.span_id] for link in span.links]

    def named(self, name: str, kind: str | None = None) -> list[SpanLine]:
        """In the order in which they began."""
        found = [span for span in self.spans if span.name == name and kind in (None, span.kind)]
        return sorted(found, key=lambda span: span.start_ns)

    def one(self, name: str, kind: str | None = None) -> SpanLine:
        (span,) = self.named(name, kind)
        return span

    def children(self, span: SpanLine) -> list[str]:
        return sorted(each.name for each in self.spans if self.parent(each) is span)


@pytest.fixture
def trace_file(tmp_path: Path) -> Path:
    return tmp_path / "traces.jsonl"


@pytest.fixture
def sync_server(postgres_url: str, trace_file: Path) -> Iterator[ServerProcess]:
    """One process for devices, one for requests, which has a worker in it: they share but the database."""
    with closing(open_store(postgres_url)) as store:
        declare_notes(store)
    with start_server(postgres_url, services="sync", trace_file=trace_file) as server:
        yield server


def syncline(trace_file: Path, *words: object) -> None:
    """Run a command as a process of its own."""
    command = [sys.executable, "-m", "syncline.cli", *map(str, words)]
    subprocess.run(command, env={**os.environ, "SYNCLINE_TRACE_FILE": str(trace_file)}, check=True, capture_output=True)


def test_from_a_sync_request_to_the_acknowledgement_of_a_device(
    sync_server: ServerProcess, postgres_url: str, trace_file: Path, tmp_path: Path
) -> None:
    with ZipFile(tmp_path / "notes.zip", "w") as file:
        file.writestr("note.csv", "id,text\na,one\nb,two\n")
    with start_server(postgres_url, services="sync-request", trace_file=trace_file) as requests:
        syncline(trace_file, "requests", "import", tmp_path / "notes.zip", "--server", requests.address)
        assert requests.terminate() == 0
    syncline(trace_file, "sync", tmp_path / "device.db", "--server", sync_server.address)
    assert sync_server.terminate() == 0
    story = Story(trace_file)

    upload = f"{REQUESTS}/UploadBatch"
    batch = story.one(telemetry.SPAN_BATCH)
    assert story.path(batch) == [
        (telemetry.SPAN_BATCH, "internal"),
        (telemetry.SPAN_RUN, "consumer"),
        (upload, "server"),
        (upload, "client"),
    ]
    assert batch.attributes[telemetry.ROWS_WRITTEN] == 2
    assert story.one(telemetry.SPAN_RUN).attributes[telemetry.REQUEST_OPERATION] == "read"
    assert "write_batch sync_request" in story.children(batch)

    page = story.one(telemetry.SPAN_PAGE)
    assert story.linked(page) == [batch]
    assert page.attributes[telemetry.ITEMS] == 2
    read = f"{SERVICE}/ReadQueue"
    assert story.path(page) == [
        (telemetry.SPAN_PAGE, "internal"),
        (read, "server"),
        (read, "client"),
        (telemetry.SPAN_SYNC, "internal"),
    ]

    sync = story.one(telemetry.SPAN_SYNC)
    assert story.root(page) is sync
    assert story.parent(story.one(telemetry.SPAN_PAGE_APPLY)) is sync
    acknowledge = f"{SERVICE}/Acknowledge"
    answered = story.one(acknowledge, "server")
    assert [name for name, _ in story.path(answered)] == [
        acknowledge,
        acknowledge,
        telemetry.SPAN_ACKNOWLEDGE,
        telemetry.SPAN_SYNC,
    ]
    assert answered.attributes[telemetry.ACKNOWLEDGED] == 1
    assert story.root(batch).trace_id != sync.trace_id


def test_from_a_write_on_one_device_to_another_device(
    sync_server: ServerProcess, trace_file: Path, tmp_path: Path
) -> None:
    server = ("--server", sync_server.address)
    first, second = tmp_path / "first.db", tmp_path / "second.db"
    syncline(trace_file, "sync", first, *server)
    syncline(trace_file, "set", first, "note", "a", "text=one", "--create")
    syncline(trace_file, "push", first, *server)
    syncline(trace_file, "sync", second, *server)
    assert sync_server.terminate() == 0
    story = Story(trace_file)

    write = story.one(telemetry.SPAN_WRITE)
    message = story.one(telemetry.SPAN_UPLOAD_MESSAGE)
    assert story.linked(message) == [write]
    assert story.parent(message) is story.root(message) is story.named(telemetry.SPAN_SYNC)[1]

    decided = story.one(telemetry.SPAN_UPLOAD)
    upload = f"{SERVICE}/Upload"
    assert [name for name, _ in story.path(decided)] == [telemetry.SPAN_UPLOAD, upload, upload, telemetry.SPAN_SYNC]
    assert story.root(decided) is story.root(message)
    assert decided.attributes[f"{telemetry.VERDICT_PREFIX}applied"] == 1

    page = [span for span in story.named(telemetry.SPAN_PAGE) if span.links]
    assert [story.linked(span) for span in page] == [[decided]]
    assert story.root(page[0]) is story.named(telemetry.SPAN_SYNC)[-1]
    assert len({span.trace_id for span in (write, message, page[0])}) == 3
