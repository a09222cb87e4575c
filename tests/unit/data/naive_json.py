"""The rules of canonical data read once more, slowly and from scratch: what the property tests compare with.

Nothing here uses `json`, `repr` of a float as text, or anything of `syncline`.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from typing import Any

Json = Any

_SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def write_record(record: dict[str, Json]) -> bytes:
    return write({name: value for name, value in record.items() if value is not None}).encode("utf-8")


def write(value: Json) -> str:
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, str):
        return '"' + "".join(_character(character) for character in value) + '"'
    if isinstance(value, int):
        return f"{value:d}"
    if isinstance(value, float):
        return write_double(value)
    if isinstance(value, list):
        return "[" + ",".join(write(item) for item in value) + "]"
    names = sorted(value, key=lambda name: name.encode("utf-8"))
    return "{" + ",".join(f"{write(name)}:{write(value[name])}" for name in names) + "}"


def write_double(value: float) -> str:
    """Number::toString of ECMAScript (sections 5 to 10), with `s`, `k` and `n` as named there."""
    if value == 0:
        return "0"
    if value < 0:
        return "-" + write_double(-value)
    if value == int(value) and value < 2**53:
        return str(int(value))
    s, k, n = _shortest(value)
    if value != int(value):
        if 0 < n <= 21:
            return s[:n] + "." + s[n:]
        if -6 < n <= 0:
            return "0." + "0" * -n + s
    exponent = ("+" if n > 0 else "-") + str(abs(n - 1))
    return s[0] + ("." + s[1:] if k > 1 else "") + "e" + exponent


def _shortest(value: float) -> tuple[str, int, int]:
    """The fewest digits that read back as this double, by trying: 1 digit, 2 digits, … 17. Of two, the nearer one."""
    exact = Decimal(value)
    for count in range(1, 18):
        contexts = [Context(prec=count, rounding=rounding) for rounding in (ROUND_FLOOR, ROUND_CEILING)]
        found = [rounded for rounded in map(exact.normalize, contexts) if float(rounded) == value]
        if found:
            rounded = min(found, key=lambda candidate: abs(Fraction(candidate) - Fraction(value)))
            digits = "".join(map(str, rounded.as_tuple().digits))
            return digits, len(digits), rounded.adjusted() + 1
    raise AssertionError(value)


def _character(character: str) -> str:
    if character in _SHORT:
        return _SHORT[character]
    return f"\\u{ord(character):04x}" if ord(character) < 0x20 else character


def read(text: str) -> Json:
    """A reader of JSON by recursive descent, for what `write` and the code under test write."""
    value, end = _read_value(text, 0)
    assert end == len(text), text[end:]
    return value


def _read_value(text: str, at: int) -> tuple[Json, int]:
    for word, value in (("null", None), ("true", True), ("false", False)):
        if text.startswith(word, at):
            return value, at + len(word)
    if text[at] == '"':
        return _read_string(text, at + 1)
    if text[at] == "[":
        return _read_list(text, at + 1)
    if text[at] == "{":
        return _read_object(text, at + 1)
    end = at
    while end < len(text) and text[end] in "+-.eE0123456789":
        end += 1
    number = text[at:end]
    return (float(number) if set(number) & set(".eE") else int(number)), end


def _read_string(text: str, at: int) -> tuple[str, int]:
    characters = []
    backwards = {short[1]: character for character, short in _SHORT.items()}
    while text[at] != '"':
        if text[at] != "\\":
            characters.append(text[at])
            at += 1
        elif text[at + 1] == "u":
            characters.append(chr(int(text[at + 2 : at + 6], 16)))
            at += 6
        else:
            characters.append(backwards[text[at + 1]])
            at += 2
    return "".join(characters), at + 1


def _read_list(text: str, at: int) -> tuple[list[Json], int]:
    items: list[Json] = []
    while text[at] != "]":
        item, at = _read_value(text, at + (text[at] == ","))
        items.append(item)
    return items, at + 1


def _read_object(text: str, at: int) -> tuple[dict[str, Json], int]:
    members: dict[str, Json] = {}
    while text[at] != "}":
        at += text[at] == ","
        name, at = _read_string(text, at + 1)
        assert text[at] == ":"
        assert name not in members
        members[name], at = _read_value(text, at + 1)
    return members, at + 1
