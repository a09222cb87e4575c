"""Where a run has got, and where the next delta of each table begins: the cursor of the connector `sql`, as JSON.

```json
{"marks": {"orders": {"column": "updated", "value": {"timestamp": "2024-05-01T12:00:00+00:00"}}},
 "run": {"done": ["customers"], "table": "orders", "key": [4711], "cursor": null, "mark": null}}
```

`marks` has the highest value of the cursor column that is known to be read. `run` is there until the run has ended.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from syncline.server.requests.connectors.contract import ConnectorError


@dataclass(slots=True)
class Mark:
    """Up to where a table is known."""

    column: str
    """The cursor column that it is of: with another one, the table is read anew."""
    value: Any


@dataclass(slots=True)
class Place:
    """A row of the table that is being read: the last one that was given."""

    table: str
    """The object type."""
    key: list[Any]
    cursor: Any = None
    """The row's, if the table is read in the order of its cursor column; else None."""
    mark: Any = None
    """If it is read in the order of its key: the highest value of the cursor column when that began; None: none."""


@dataclass(slots=True)
class Cursor:
    """All of it."""

    marks: dict[str, Mark] = field(default_factory=dict)
    is_running: bool = False
    done: list[str] = field(default_factory=list)
    """The object types that this run has read."""
    place: Place | None = None

    def to_text(self) -> str:
        """As JSON."""
        marks = {name: {"column": mark.column, "value": to_json(mark.value)} for name, mark in self.marks.items()}
        document: dict[str, Any] = {"marks": marks}
        if self.is_running:
            document["run"] = {"done": self.done}
        if self.is_running and self.place is not None:
            place = self.place
            document["run"] |= {
                "table": place.table,
                "key": [to_json(value) for value in place.key],
                "cursor": to_json(place.cursor),
                "mark": to_json(place.mark),
            }
        return json.dumps(document, separators=(",", ":"))


def read_cursor(text: str) -> Cursor:
    """Read it back; of an empty text, that of the very beginning.

    Raises:
        ConnectorError: no cursor of this connector.
    """
    if not text:
        return Cursor()
    try:
        document = json.loads(text)
        marks = {name: Mark(mark["column"], from_json(mark["value"])) for name, mark in document["marks"].items()}
        run = document.get("run")
        if run is None:
            return Cursor(marks)
        place = None
        if "table" in run:
            key = [from_json(value) for value in run["key"]]
            place = Place(run["table"], key, from_json(run["cursor"]), from_json(run["mark"]))
        return Cursor(marks, is_running=True, done=list(run["done"]), place=place)
    except (ValueError, TypeError, KeyError, AttributeError) as fault:
        raise ConnectorError("the cursor is none of this connector", for_good=True) from fault


def to_json(value: object) -> Any:
    """A value of a key or cursor column. What JSON lacks is an object with the kind and the text."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case bytes() | bytearray() | memoryview():
            return {"bytes": base64.b64encode(value).decode()}
        case datetime():
            return {"timestamp": value.isoformat()}
        case date() | time():
            return {type(value).__name__: value.isoformat()}
        case Decimal() | UUID():
            return {type(value).__name__.lower(): str(value)}
    raise ConnectorError(f"a column of {type(value).__name__} cannot be a key or a cursor", for_good=True)


def from_json(value: Any) -> Any:
    """The value again."""
    if isinstance(value, Mapping):
        ((kind, text),) = value.items()
        return _KINDS[kind](text)
    return value


_KINDS: Final[Mapping[str, Callable[[str], Any]]] = {
    "bytes": base64.b64decode,
    "timestamp": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "decimal": Decimal,
    "uuid": UUID,
}
