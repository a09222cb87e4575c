"""From the values of a Singer record to those that a field of ours takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from syncline.data.schema import FieldType, ObjectType
from syncline.server.requests.connectors.singer.messages import is_number_text, plain_numbers

_NO_FRACTION = re.compile(r"\.0+(?=Z|[+-]|$)")


class RecordValues:
    """Makes data for one object type. What it cannot make sense of stays as it came, and is refused with the row."""

    def __init__(self, kind: ObjectType) -> None:
        self._types = {field.name: field.type for field in kind.fields}

    def data(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """The record's data. Fields of `_sdc_`, which taps add on their own account, and fields that are null go."""
        types = self._types
        return {
            name: _value(types.get(name), value)
            for name, value in record.items()
            if value is not None and (name in types or not name.startswith("_sdc_"))
        }


def _value(kind: FieldType | None, value: Any) -> Any:
    match kind:
        case FieldType.DECIMAL if is_number_text(value) or (isinstance(value, int) and not isinstance(value, bool)):
            return f"{Decimal(value):f}"
        case FieldType.DATE if isinstance(value, str):
            return _day(value)
        case FieldType.TIMESTAMP if isinstance(value, str):
            return _moment(value)
        case FieldType.STRING | FieldType.DECIMAL:
            return value if not is_number_text(value) else float(value)
        case _:
            return plain_numbers(value)


def _day(text: str) -> str:
    """Singer knows no days: they come as their midnight."""
    day, _, time = text.partition("T")
    return day if not time or time.rstrip("Z").removesuffix("+00:00").strip("0:.") == "" else text


def _moment(text: str) -> str:
    """With a `T` and a zone; without one, taps mean UTC. UTC is `Z`, and a fraction of nothing is left out."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    written = _NO_FRACTION.sub("", text.replace(" ", "T", 1))
    if moment.tzinfo is None:
        return f"{written}Z"
    return f"{written.removesuffix('+00:00')}Z" if written.endswith("+00:00") else written
