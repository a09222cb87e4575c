"""Canonical data: one record has exactly one spelling, so "equal" always means equal bytes.

RFC 8785 with these exceptions: integers within signed 64 bits are exact; names sort by their UTF-8 bytes (which is
code point order); -0 is 0; whole doubles of 2^53 or more keep an exponent (see `numbers`). A null at the top level
means that the field is absent and is left out; nested nulls are data.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from syncline.data.errors import DataError
from syncline.data.limits import DEPTH_MAX, INTEGER_MAX, INTEGER_MIN, RECORD_BYTES_MAX
from syncline.data.numbers import EXACT_BELOW, double_text
from syncline.data.parsing import parse_object
from syncline.data.text import check_text

__all__ = ["canonical_array", "canonical_bytes", "canonical_text", "canonicalize", "data_hash", "parse_object"]

_encode_flat = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")).encode
_encode_text = json.JSONEncoder(ensure_ascii=False).encode

_SHORT_ABOVE: Final = 1e-4
"""From here up to 2^53, Python spells a double that is not whole as ECMAScript does."""
_ONLY_TEXT: Final = frozenset({str})


def canonical_bytes(value: Mapping[str, Any]) -> bytes:
    """The canonical form of a record's data.

    Raises:
        DataError: it holds something that canonical data cannot, or is longer than RECORD_BYTES_MAX.
    """
    flat = _flat(value)
    if flat is None:
        return _limited(_object_text(value, "", 1).encode())
    text = _encode_flat(flat)
    if "\\u0000" in text:  # A NUL, or a backslash before the text "u0000": the slow way tells which.
        return _limited(_object_text(value, "", 1).encode())
    try:
        return _limited(text.encode())
    except UnicodeEncodeError:  # A lone surrogate: the slow way says where.
        return _limited(_object_text(value, "", 1).encode())


def canonical_text(value: object, path: str = "") -> str:
    """The canonical form of a field's value. Unlike at the top level of a record, nulls stay wherever they stand.

    Raises:
        DataError: it holds something that canonical data cannot.
    """
    return _value_text(value, path, 2)


def canonical_array(values: Sequence[str | int]) -> str:
    """The canonical form of texts, booleans and integers of 64 bits: the quick way to `canonical_text`, for keys.

    Raises:
        DataError: a text holds NUL or a lone surrogate.
    """
    text = _encode_flat(values)
    # Only other than ASCII can be a surrogate; NUL is escaped.
    return text if text.isascii() and "\\u0000" not in text else canonical_text(list(values))


def canonicalize(data: bytes) -> bytes:
    """The canonical form of a record that is given as JSON.

    Raises:
        DataError: as `parse_object` and `canonical_bytes`.
    """
    return canonical_bytes(parse_object(data))


def data_hash(data: bytes) -> bytes:
    """A hash of canonical data: 16 bytes, equal exactly for equal data."""
    return hashlib.blake2b(data, digest_size=16).digest()


def _flat(value: Mapping[str, Any]) -> dict[str, Any] | None:
    """The record with its nulls left out, if json's encoder spells all of it canonically; else None.

    Nearly every record is flat, and json's encoder is about twice as fast as the code below.
    """
    flat: dict[str, Any] = {}
    for name, field in value.items():
        kind = type(field)
        if kind is str:
            flat[name] = field
        elif kind is int:
            if not INTEGER_MIN <= field <= INTEGER_MAX:
                return None
            flat[name] = field
        elif kind is float:
            if field.is_integer() and -EXACT_BELOW < field < EXACT_BELOW:
                flat[name] = int(field)
            elif _SHORT_ABOVE <= abs(field) < EXACT_BELOW:
                flat[name] = field
            else:
                return None
        elif kind is bool:
            flat[name] = field
        elif field is not None:
            return None
    return flat if _ONLY_TEXT.issuperset(map(type, flat)) else None


def _object_text(value: Mapping[str, Any], path: str, depth: int) -> str:
    members = []
    for name in value:
        if not isinstance(name, str):
            raise DataError(path, f"the name of a member must be text, not {name!r}")
        if depth == 1 and value[name] is None:
            continue
        members.append(name)
    parts = []
    for name in sorted(members):
        where = f"{path}.{name}" if path else name
        parts.append(f"{_text(name, where)}:{_value_text(value[name], where, depth + 1)}")
    return f"{{{','.join(parts)}}}"


def _value_text(value: object, path: str, depth: int) -> str:
    if isinstance(value, str):
        return _text(value, path)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        if not INTEGER_MIN <= value <= INTEGER_MAX:
            raise DataError(path, "an integer must be within signed 64 bits")
        return int.__repr__(value)
    if isinstance(value, float):
        return double_text(value, path)
    if not isinstance(value, Mapping | list | tuple):
        raise DataError(path, f"a value of type {type(value).__name__} is no JSON")
    if depth > DEPTH_MAX:
        raise DataError(path, f"nested deeper than {DEPTH_MAX} levels")
    if isinstance(value, Mapping):
        return _object_text(value, path, depth)
    return f"[{','.join(_value_text(item, f'{path}[{index}]', depth + 1) for index, item in enumerate(value))}]"


def _text(value: str, path: str) -> str:
    check_text(value, path)
    return _encode_text(value)


def _limited(data: bytes) -> bytes:
    if len(data) > RECORD_BYTES_MAX:
        raise DataError("", f"a record has {len(data):,} bytes; at most {RECORD_BYTES_MAX:,} are taken")
    return data
