"""Changes to good messages that make them bad: to their fields, and to their bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from random import Random
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

_MESSAGE_BYTES_MAX: Final = 16 * 1024 * 1024
"""What the server takes."""
_MANY: Final = 100_000
_LONG: Final = 70_000
_DEEP: Final = 200

TEXTS: Final = (
    *("", "\0", "a\0b", "\n", " ", "\u202e", "\U0010ffff", "é" * 50, "x" * 300, "_", "0", "*", '"', "{}", "[]"),
    *("'; DROP TABLE record; --", "%s%n", "../../etc/passwd", "1e999", "\ufeff", "((((((((", "* * * * *"),
    *("00000000-0000-0000-0000-000000000000", "{12345678-1234-5678-1234-567812345678}", "sqlite:///nowhere.db"),
)
INTEGERS: Final = (
    *(0, 1, 2, 3, 10, 1_000, 5_000, -1, 2**31 - 1, -(2**31), 2**32 - 1, 2**53, 2**63 - 1, -(2**63), 2**64 - 1),
    *(253_402_300_800, -62_135_596_801),  # seconds that are of no year from 1 to 9999
)
NUMBERS: Final = (0.0, -0.0, 1.5, -1.0, 1e308, float("inf"), float("-inf"), float("nan"))
DOCUMENTS: Final = (
    *(b"", b"{}", b"[]", b"null", b"{", b'{"id":"a","text":"b"}', b'{"id":1}', b'{"id":"a","id":"b"}', b"\xff\xfe"),
    *(b"1e400", b'{"id":"a","text":"\\ud800"}', b'{"id":"a","text":"\\u0000"}', b'{"id":"\xed\xa0\x80"}'),
    *(b'{"id":"a","extra":{"deep":[[[1.5e300]]]}}', b'{"stars":' + b"9" * 5_000 + b"}", b'{"stars":-0.0}'),
    *(b"[" * 5_000, b'{"a":' * 2_000, b'{"a":' * _DEEP + b"1" + b"}" * _DEEP, b"PK\x03\x04" + bytes(60)),
)

_INT_RANGES: Final[Mapping[int, tuple[int, int]]] = {
    **dict.fromkeys(
        (FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_SINT32, FieldDescriptor.TYPE_SFIXED32), (-(2**31), 2**31)
    ),
    **dict.fromkeys(
        (FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_SINT64, FieldDescriptor.TYPE_SFIXED64), (-(2**63), 2**63)
    ),
    **dict.fromkeys((FieldDescriptor.TYPE_UINT32, FieldDescriptor.TYPE_FIXED32), (0, 2**32)),
    **dict.fromkeys((FieldDescriptor.TYPE_UINT64, FieldDescriptor.TYPE_FIXED64), (0, 2**64)),
}


def odd_value(rng: Random, field: FieldDescriptor) -> Any:
    """Any value of the field's type, most of which no caller would send."""
    if field.enum_type is not None:
        return rng.choice((*(value.number for value in field.enum_type.values), 99, -1, 2**31 - 1))
    if field.type == FieldDescriptor.TYPE_STRING:
        length = rng.random()
        if length < 0.0003:
            return "z" * (_MESSAGE_BYTES_MAX - rng.choice((-10, 0, 10, 30, 1_000)))
        return rng.choice("aé\u202e") * _LONG if length < 0.02 else rng.choice(TEXTS)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return rng.choice((*DOCUMENTS, rng.randbytes(rng.choice((1, 8, 16, 32, 300)))))
    if field.type == FieldDescriptor.TYPE_BOOL:
        return rng.random() < 0.5
    if field.type in (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT):
        return rng.choice(NUMBERS)
    low, high = _INT_RANGES[field.type]
    return rng.choice([number for number in INTEGERS if low <= number < high])


def twist(rng: Random, message: Message) -> None:
    """Change one field of the message, or of one within it."""
    places = list(_places(message))
    if not places:
        return
    holder, field = rng.choice(places)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        getattr(holder, field.name).clear()
    elif field.is_repeated:
        _twist_many(rng, holder, field)
    elif field.message_type is not None:
        if rng.random() < 0.5:
            holder.ClearField(field.name)
        else:
            getattr(holder, field.name).SetInParent()
    elif rng.random() < 0.2:
        holder.ClearField(field.name)
    else:
        setattr(holder, field.name, odd_value(rng, field))


def _twist_many(rng: Random, holder: Message, field: FieldDescriptor) -> None:
    values = getattr(holder, field.name)
    match rng.randrange(5):
        case 0:
            holder.ClearField(field.name)
        case 1 if len(values):  # again
            values.extend(list(values))
        case 2 if len(values):  # the other way round
            reversed_values = list(values)[::-1]
            holder.ClearField(field.name)
            values.extend(reversed_values)
        case 3 if rng.random() < 0.1:  # far too many
            values.extend([type(values[0])()] * _MANY if field.message_type is not None and len(values) else [])
            if field.message_type is None:
                values.extend([odd_value(rng, field) if field.enum_type else _SMALL[field.cpp_type]] * _MANY)
        case _ if field.message_type is None:
            values.append(odd_value(rng, field))
        case _:
            values.add()


_SMALL: Final[Mapping[int, Any]] = {
    FieldDescriptor.CPPTYPE_STRING: "",
    FieldDescriptor.CPPTYPE_INT32: 1,
    FieldDescriptor.CPPTYPE_INT64: 1,
    FieldDescriptor.CPPTYPE_UINT32: 1,
    FieldDescriptor.CPPTYPE_UINT64: 1,
    FieldDescriptor.CPPTYPE_BOOL: True,
    FieldDescriptor.CPPTYPE_DOUBLE: 1.0,
    FieldDescriptor.CPPTYPE_FLOAT: 1.0,
}


def _places(message: Message) -> Iterator[tuple[Message, FieldDescriptor]]:
    """All fields of the message and of those in it, with the message that each is of."""
    descriptor: Any = message.DESCRIPTOR
    for field in descriptor.fields:
        yield message, field
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        for one in value if field.is_repeated else (value,):
            yield from _places(one)


def mutated(rng: Random, made: bytes) -> bytes:
    """The bytes, with a few changes that need not make sense."""
    changed = bytearray(made)
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(changed) + 1)
        match rng.randrange(8):
            case 0:
                del changed[at:]
            case 1:
                del changed[at : at + rng.randint(1, 8)]
            case 2 if at < len(changed):
                changed[at] ^= 1 << rng.randrange(8)
            case 3:
                changed[at:at] = rng.randbytes(rng.randint(1, 8))
            case 4:  # a varint that is far too large, as a length or as a value
                changed[at:at] = (
                    bytes([rng.choice((0x08, 0x0A, 0x12, 0x1A))]) + b"\xff" * 9 + rng.choice((b"\x01", b"\x7f", b""))
                )
            case 5:  # a field that nobody knows, of any wire type
                changed[at:at] = _varint((rng.choice((99, 1_000, 2**29 - 1)) << 3) | rng.randrange(8)) + rng.randbytes(
                    4
                )
            case 6:  # a field twice, or in another place
                length = rng.randint(1, 60)
                changed[at:at] = changed[: at + length][-length:]
            case _:  # no UTF-8
                changed[at:at] = b"\x0a\x03\xed\xa0\x80"
    return bytes(changed)


def nested(depth: int, number: int) -> bytes:
    """A message in a message in a message, all in the field of this number."""
    made = b""
    for _ in range(depth):
        made = _varint((number << 3) | 2) + _varint(len(made)) + made
    return made


def _varint(number: int) -> bytes:
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*made, number])
