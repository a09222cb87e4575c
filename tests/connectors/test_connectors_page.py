"""The connector that docs/connectors.md shows is one: it is held to the suite, against a web API."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from examples.pages_connector import connector
from syncline.server.requests.connectors.contract import Job
from tests.connectors.conformance import SECRET, ConnectorConformance, Source

ROOT = Path(__file__).parents[2]
_PAGE_ROWS = 700


class WebNotes(Source):
    """Notes behind a web API."""

    connector = connector
    needed = ("url", "object_type")
    tells_changes = True

    def __init__(self) -> None:
        self.changes: dict[int, tuple[int, str | None]] = {}
        """Each note's newest change."""
        self._last = 0
        self.secrets = {"token": "right"}

    def put(self, notes: Mapping[int, str]) -> None:
        for number, text in notes.items():
            self._change(number, text)

    def remove(self, *ids: int) -> None:
        for number in ids:
            self._change(number, None)

    def _change(self, number: int, text: str | None) -> None:
        self._last += 1
        self.changes[number] = (self._last, text)

    def page(self, after: int) -> list[object]:
        rows = sorted((change, number, text) for number, (change, text) in self.changes.items() if change > after)
        return [
            {"change": change, "id": number, "data": None if text is None else {"id": number, "text": text}}
            for change, number, text in rows[:_PAGE_ROWS]
        ]

    def opened(self) -> int:
        return 0  # each request has its own connection, which its answer closes

    def broken(self) -> list[Job]:
        wrong = replace(self.job(), secrets={"token": SECRET})
        return [wrong, replace(wrong, settings={**self.settings, "url": "http://127.0.0.1:1/"})]


@contextmanager
def serving(notes: WebNotes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            allowed = self.headers["authorization"] == "Bearer right"
            self.send_response(200 if allowed else 401)
            self.end_headers()
            after = int(parse_qs(urlsplit(self.path).query)["after"][0])
            self.wfile.write(json.dumps(notes.page(after)).encode() if allowed else b"")

        def log_message(self, *_arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


class TestPagesConnector(ConnectorConformance):
    @pytest.fixture
    def source(self) -> Iterator[Source]:
        notes = WebNotes()
        with serving(notes) as url:
            notes.settings = {"url": url, "object_type": "notes"}
            yield notes


def test_the_page_shows_this_connector() -> None:
    shown = (ROOT / "docs" / "connectors.md").read_text()
    assert f"```python\n{(ROOT / 'examples' / 'pages_connector.py').read_text()}```\n" in shown
