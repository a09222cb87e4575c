"""The connector `file` is one, on a CSV file of the server's disk."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from syncline.server.requests.connectors.contract import Job
from syncline.server.requests.connectors.file import FileConnector
from tests.connectors.conformance import SECRET, ConnectorConformance, Source


class CsvNotes(Source):
    """Notes in a CSV file."""

    needed = ()  # without a path, rows come by upload
    tells_changes = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._notes: dict[int, str] = {}
        self.connector = FileConnector(lambda: [folder])
        self.settings = {"path": str(folder / "notes.csv")}

    def put(self, notes: Mapping[int, str]) -> None:
        self._notes |= notes
        with (self._folder / "notes.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "text"])
            writer.writerows(self._notes.items())

    def remove(self, *ids: int) -> None:
        for number in ids:
            del self._notes[number]
        self.put({})

    def opened(self) -> int:
        links = (link for link in Path("/proc/self/fd").iterdir() if link.is_symlink())
        return sum(1 for link in links if str(link.readlink()).startswith(str(self._folder)))

    def broken(self) -> list[Job]:
        job = replace(self.job(), secrets={"other": SECRET})
        return [replace(job, settings={"path": str(self._folder / "none")}), replace(job, settings={"path": "/"})]


class TestFileConnector(ConnectorConformance):
    @pytest.fixture
    def source(self, tmp_path: Path) -> Source:
        return CsvNotes(tmp_path)
