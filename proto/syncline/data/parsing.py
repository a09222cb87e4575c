"""Reading a record's data from JSON, strictly: what is not exactly representable is refused, never bent."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from syncline.data.errors import DataError
from syncline.data.limits import DEPTH_MAX, INTEGER_MAX, INTEGER_MIN, RECORD_BYTES_MAX
from syncline.data.text import check_text

_INTEGER_TEXT_LENGTH_MAX = len(str(INTEGER_MIN))


def parse_object(data: bytes) -> dict[str, Any]:
    """Read one record's data: a JSON object. Members that are null are left out: such a field is absent.

    Raises:
        DataError: it is no JSON object, or as `parse_value`.
    """
    value = parse_value(data)
    if not isinstance(value, dict):
        raise DataError("", "must be a JSON object")
    if None in value.values():
        return {name: field for name, field in value.items() if field is not None}
    return value


def parse_value(data: bytes) -> Any:
    """Read one JSON value.

    Raises:
        DataError: not UTF-8, not JSON, a name twice in one object (at any depth), NUL, a lone surrogate, a number that
            is not finite, an integer beyond signed 64 bits, deeper than DEPTH_MAX, or longer than RECORD_BYTES_MAX.
    """
    if len(data) > RECORD_BYTES_MAX:
        raise DataError("", f"a record has {len(data):,} bytes; at most {RECORD_BYTES_MAX:,} are taken")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise DataError("", f"is not UTF-8 at byte {error.start + 1}") from None
    try:
        value = _decode(text)
    except json.JSONDecodeError as error:
        raise DataError("", f"is not JSON: {error.msg} at character {error.pos + 1}") from None
    except RecursionError:
        raise DataError("", f"nested deeper than {DEPTH_MAX} levels") from None
    # NUL and surrogates can only be written as escapes, and depth needs brackets: without them there is nothing to
    # look for.
    if "\\u" in text or text.count("{") + text.count("[") > DEPTH_MAX:
        _check_inside(value, "", 1)
    return value


def _integer(text: str) -> int:
    if len(text) <= _INTEGER_TEXT_LENGTH_MAX:
        value = int(text)
        if INTEGER_MIN <= value <= INTEGER_MAX:
            return value
    raise DataError("", f"the integer {text[:24]} is beyond signed 64 bits")


def _double(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise DataError("", f"the number {text[:24]} is not finite")
    return value


def _constant(text: str) -> NoReturn:
    raise DataError("", f"the number {text} is not finite")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError("", f"the name {json.dumps(twice)} stands twice in one object")
    return members


_decode = json.JSONDecoder(
    object_pairs_hook=_members, parse_int=_integer, parse_float=_double, parse_constant=_constant
).decode


def _check_inside(value: object, path: str, depth: int) -> None:
    if isinstance(value, str):
        check_text(value, path)
    elif isinstance(value, dict | list) and depth > DEPTH_MAX:
        raise DataError(path, f"nested deeper than {DEPTH_MAX} levels")
    elif isinstance(value, dict):
        for name, member in value.items():
            where = f"{path}.{name}" if path else name
            check_text(name, where)
            _check_inside(member, where, depth + 1)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check_inside(item, f"{path}[{index}]", depth + 1)
