"""Random messages for any method: some valid by form, some mutated, some no messages at all.

What the server answers is kept in a pool: ids, tokens and keys that it made come back to it, whole and mangled, in all
fields where a text may stand. So a part of what is made gets past the first check.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from syncline.v1 import frame_pb2

_POOL_MAX: Final = 400
_DEPTH_MAX: Final = 4
_LONG: Final = 70_000
_INTEGERS: Final = (
    0,
    1,
    2,
    3,
    10,
    1_000,
    5_000,
    -1,
    2**31 - 1,
    -(2**31),
    2**32 - 1,
    2**53,
    2**63 - 1,
    -(2**63),
    2**64 - 1,
)
_NUMBERS: Final = (0.0, -0.0, 1.5, -1.0, 1e308, float("inf"), float("-inf"), float("nan"))
_TEXTS: Final = (
    *(
        "",
        "note",
        "main",
        "default",
        "id",
        "text",
        "dev",
        "_",
        "0",
        "00000000-0000-0000-0000-000000000000",
        "sql",
        "file",
    ),
    *(
        "\0",
        "a\0b",
        "\n",
        "'; DROP TABLE record; --",
        "%s%n",
        "../../etc/passwd",
        "é" * 50,
        "\U0010ffff",
        "\u202e",
        " ",
    ),
    *("status = FAILED AND createTime > YESTERDAY", "((((((((", "status DESC", "x" * 300, "* * * * *", "Europe/Berlin"),
    *("sqlite:///nowhere.db", "{}", "[]", '"', "1e999", "trace\udcff".encode("utf-8", "ignore").decode()),
)
_DOCUMENTS: Final = (
    *(
        b"",
        b"{}",
        b"[]",
        b"null",
        b"{",
        b'{"id":"a","text":"b"}',
        b'{"id":1}',
        b'{"id":"a","id":"b"}',
        b"\xff\xfe",
        b"1e400",
    ),
    *(b'{"id":"a","text":"\\ud800"}', b'{"id":"a","text":"\\u0000"}', b'{"id":"a","extra":{"deep":[[[1.5e300]]]}}'),
    *(b"[" * 5_000, b'{"a":' * 2_000, b'{"id":' + b"9" * 5_000 + b"}", b"PK\x03\x04" + bytes(60)),
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


class Messages:
    """Makes messages; the same ones from the same seed, as long as the server answers the same."""

    def __init__(self, rng: Random, spared: str) -> None:
        """Make them without this text, the id of somebody who is to be left alone."""
        self._rng = rng
        self._spared = spared
        self._texts: list[str] = []
        self._bytes: list[bytes] = []
        self._made: list[bytes] = []

    def learn(self, descriptor: Descriptor, answer: bytes) -> None:
        """Take what an answer has, to send it back."""
        for value in _values(_parsed(descriptor, answer)):
            if value in (self._spared, self._spared.encode()):
                continue
            pool: list[Any] = self._texts if isinstance(value, str) else self._bytes
            if len(pool) < _POOL_MAX:
                pool.append(value)
            else:
                pool[self._rng.randrange(_POOL_MAX)] = value

    def encoded(self, descriptor: Descriptor) -> bytes:
        """The bytes of a message to a method that takes this kind."""
        rng = self._rng
        shape = rng.random()
        if shape < 0.03:
            return rng.randbytes(rng.choice((0, 1, 7, 100, 5_000)))
        if shape < 0.05:
            return nested(rng.choice((10, 99, 101, 5_000)), rng.randint(1, 12))
        if shape < 0.15 and self._made:
            return self.mutated(rng.choice(self._made))  # of another method perhaps
        made = self.message(descriptor).SerializeToString()
        if len(made) < 4_000:
            self._made = [*self._made[-50:], made]
        return self.mutated(made) if shape < 0.5 else made

    def message(self, descriptor: Descriptor, depth: int = 0) -> Message:
        """A message of this kind whose fields are of their types, and else anything."""
        rng = self._rng
        made = GetMessageClass(descriptor)()
        share = rng.choice((0.3, 0.7, 1.0))
        for field in descriptor.fields:
            if rng.random() >= share or (field.message_type is not None and depth >= _DEPTH_MAX):
                continue
            if field.message_type is not None and field.message_type.GetOptions().map_entry:
                self._fill_map(made, field, depth)
            elif field.is_repeated:
                values = getattr(made, field.name)
                for _ in range(rng.choice((0, 1, 1, 2, 3, 30))):
                    if field.message_type is None:
                        values.append(self._value(field))
                    else:
                        values.append(self.message(field.message_type, depth + 1))
            elif field.message_type is not None:
                getattr(made, field.name).CopyFrom(self.message(field.message_type, depth + 1))
            else:
                setattr(made, field.name, self._value(field))
        return made

    def mutated(self, made: bytes) -> bytes:
        """The bytes, with a few changes that need not make sense."""
        rng = self._rng
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
                        bytes([rng.choice((0x08, 0x0A, 0x12, 0x1A))])
                        + b"\xff" * 9
                        + rng.choice((b"\x01", b"\x7f", b""))
                    )
                case 5:  # a field that nobody knows, of any wire type
                    changed[at:at] = _varint(
                        (rng.choice((99, 1_000, 2**29 - 1)) << 3) | rng.randrange(8)
                    ) + rng.randbytes(4)
                case 6:  # a field twice, or in another place
                    length = rng.randint(1, 60)
                    changed[at:at] = changed[: at + length][-length:]
                case _:  # no UTF-8
                    changed[at:at] = b"\x0a\x03\xed\xa0\x80"
        return bytes(changed)

    def text(self) -> str:
        """Any text: one that the server knows, one that it should not take, or a mangled one."""
        rng = self._rng
        if self._texts and rng.random() < 0.6:
            known = rng.choice(self._texts)
            if known and rng.random() < 0.25:
                at = rng.randrange(len(known))
                known = known[:at] + rng.choice(("", "A", "z", "é", "\0")) + known[at + 1 :]
            return known
        if rng.random() < 0.02:
            return rng.choice("aé\u202e") * _LONG
        return rng.choice(_TEXTS)

    def _value(self, field: FieldDescriptor) -> Any:
        rng = self._rng
        if field.enum_type is not None:
            return rng.choice((*(value.number for value in field.enum_type.values), 99, -1))
        if field.type == FieldDescriptor.TYPE_STRING:
            return self.text()
        if field.type == FieldDescriptor.TYPE_BYTES:
            return self._document()
        if field.type == FieldDescriptor.TYPE_BOOL:
            return rng.random() < 0.5
        if field.type in (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT):
            return rng.choice(_NUMBERS)
        low, high = _INT_RANGES[field.type]
        return rng.choice([number for number in _INTEGERS if low <= number < high])

    def _document(self) -> bytes:
        rng = self._rng
        kind = rng.random()
        if kind < 0.3:
            return json.dumps({"id": self.text(), "text": self.text()}).encode()
        if kind < 0.4:
            return rng.randbytes(rng.choice((0, 8, 16, 32, 300)))
        if kind < 0.5 and self._bytes:
            return rng.choice(self._bytes)
        if kind < 0.55:
            return self.mutated(self.message(frame_pb2.Frame.DESCRIPTOR).SerializeToString())
        return rng.choice(_DOCUMENTS)

    def _fill_map(self, made: Message, field: FieldDescriptor, depth: int) -> None:
        assert field.message_type is not None
        key, value = (field.message_type.fields_by_name[name] for name in ("key", "value"))
        entries = getattr(made, field.name)
        for _ in range(self._rng.choice((1, 2, 20))):
            if value.message_type is None:
                entries[self._value(key)] = self._value(value)
            else:
                entries[self._value(key)].CopyFrom(self.message(value.message_type, depth + 1))


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


def _parsed(descriptor: Descriptor, encoded: bytes) -> Message:
    made = GetMessageClass(descriptor)()
    try:
        made.MergeFromString(encoded)
    except DecodeError as error:
        raise AssertionError(f"the server answered what is no {descriptor.full_name}") from error
    return made


def _values(message: Message) -> Iterator[str | bytes]:
    """All texts and bytes of moderate size in a message."""
    for field, value in message.ListFields():
        values: Sequence[Any] = value if field.is_repeated else [value]
        if isinstance(values, Mapping):
            values = [*values, *values.values()]
        for one in values:
            if isinstance(one, Message):
                yield from _values(one)
            elif isinstance(one, str | bytes) and 0 < len(one) < 2_000:
                yield one
