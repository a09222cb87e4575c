"""The messages of Singer: SCHEMA, RECORD, STATE, ACTIVATE_VERSION; one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from syncline.server.requests.connectors.contract import ConnectorError
from syncline.server.requests.connectors.singer.limits import EXCERPT_CHARS


@dataclass(frozen=True, slots=True)
class StreamSchema:
    """The rows of a stream are like this from now on."""

    stream: str
    key_properties: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """A row."""

    stream: str
    record: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class State:
    """All rows before this message are covered by it."""

    value: Any


@dataclass(frozen=True, slots=True)
class Other:
    """A message that asks for nothing here, such as ACTIVATE_VERSION: full runs find by themselves what is gone."""


Message = StreamSchema | StreamRecord | State | Other


def parse_message(line: bytes, program: str) -> Message:
    """Read one line.

    Raises:
        ConnectorError: it is no message.
    """
    try:
        # Numbers with a fraction come as their text: what they are to be, the field says.
        message = json.loads(line, parse_float=_Number, parse_constant=_no_number)
        kind = message["type"]
        if kind == "RECORD":
            return StreamRecord(_text(message["stream"]), _object(message["record"]))
        if kind == "SCHEMA":
            keys = tuple(map(_text, message.get("key_properties") or ()))
            return StreamSchema(_text(message["stream"]), keys)
        if kind == "STATE":
            return State(message["value"])
        _text(kind)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        excerpt = line[:EXCERPT_CHARS].decode(errors="replace").strip()
        raise ConnectorError(f"{program} printed what is no Singer message: {excerpt!r}", for_good=True) from None
    return Other()


class _Number(str):
    """A number with a fraction or an exponent, as it was written."""

    __slots__ = ()


def is_number_text(value: object) -> bool:
    """Was the value a number with a fraction or an exponent?"""
    return type(value) is _Number


def plain_numbers(value: Any) -> Any:
    """A value in which numbers are numbers again."""
    if type(value) is _Number:
        return float(value)
    if isinstance(value, dict):
        return {name: plain_numbers(one) for name, one in value.items()}
    if isinstance(value, list):
        return [plain_numbers(one) for one in value]
    return value


def _no_number(text: str) -> Any:
    raise ValueError(text)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError
    return value
