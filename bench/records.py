"""Records to measure with: real ones, and as many as wanted."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from examples.flights_data import table_rows
from syncline.data.schema import Field, FieldType, ObjectType, Schema
from syncline.server.records import RecordEncoder
from syncline.server.schema_file import load_schema_file
from syncline.storage.models import RecordWrite

_FLIGHTS_SCHEMA = Path(__file__).parents[1] / "examples" / "nycflights13.schema.yaml"

_ITEM = ObjectType(
    name="item",
    scope="main",
    fields=(
        Field("id", FieldType.STRING, required=True),
        Field("name", FieldType.STRING),
        Field("status", FieldType.STRING),
        Field("quantity", FieldType.INTEGER),
        Field("price", FieldType.DECIMAL),
        Field("note", FieldType.STRING),
    ),
    primary_key=("id",),
)

ITEMS = Schema(object_types=(_ITEM,))
"""The schema of `item_writes`."""


@cache
def flights_schema() -> Schema:
    """The schema of `flight_writes`; it has the tables that flights refer to, too."""
    return load_schema_file(_FLIGHTS_SCHEMA)


def flights_type() -> ObjectType:
    """The object type `flights`."""
    return next(kind for kind in flights_schema().object_types if kind.name == "flights")


@cache
def flight_writes() -> tuple[RecordWrite, ...]:
    """The writes of all 336,776 flights in the order of their file."""
    encoder = RecordEncoder(flights_type())
    now = time.time_ns() // 1_000
    return tuple(encoder.write(row, modified_at=now) for row in table_rows("flights"))


def item_writes(count: int, *, seed: int = 1) -> Iterator[RecordWrite]:
    """Writes of made-up items with random keys of 24 characters and about 300 bytes of data each."""
    encoder = RecordEncoder(_ITEM)
    now = time.time_ns() // 1_000
    dice = random.Random(seed)
    for number in range(count):
        item = {
            "id": f"{dice.getrandbits(96):024x}",
            "name": f"Item number {number}",
            "status": "available",
            "quantity": number % 1_000,
            "price": f"{number % 10_000}.50",
            "note": f"{dice.getrandbits(680):0170x}",
        }
        yield encoder.write(item, modified_at=now)
