"""The data of the check: the demo's flights as a zip for a sync request, and as what a device must have in the end."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from examples.flights_data import KEYS, TABLES, table_rows
from syncline.replica import Replica

Row = dict[str, str | int | float | None]


def rows_of(table: str, limit: int | None) -> Iterator[Row]:
    """The first rows of a table, or all of them."""
    return islice(table_rows(table), limit)


def write_zip(path: Path, limit: int | None) -> int:
    """Write the tables as CSV files into a zip file; how many rows there are."""
    count = 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for table in TABLES:
            with archive.open(f"{table}.csv", "w") as raw, io.TextIOWrapper(raw, encoding="utf-8", newline="") as text:
                writer = None
                for row in rows_of(table, limit):
                    if writer is None:
                        writer = csv.DictWriter(text, list(row))
                        writer.writeheader()
                    writer.writerow(row)  # what is missing becomes an empty cell
                    count += 1
    return count


def count_differences(replica: Replica, limit: int | None) -> tuple[int, int]:
    """Compare every value on the device with the source: how many values there are, and how many rows differ."""
    values = differences = 0
    for table in TABLES:
        expected = {tuple(row[name] for name in KEYS[table]): row for row in rows_of(table, limit)}
        fields = list(next(iter(expected.values())))
        columns = ", ".join(f'"{field}"' for field in fields)
        for found in replica.query(f'SELECT {columns} FROM "{table}"'):  # noqa: S608 - names of the data
            row = dict(zip(fields, found, strict=True))
            differences += expected.pop(tuple(row[name] for name in KEYS[table]), None) != row
            values += len(fields)
        differences += len(expected)
    return values, differences
