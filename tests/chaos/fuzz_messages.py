"""Messages for any method: good ones, good ones with a change, some valid by form only, some no messages at all.

What the server answers is kept: ids, tokens and keys that it made come back to it, in the fields that they belong in
from the caller that was told them, and in all others, whole and mangled, from everybody. So much of what is made gets
past the first check.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random
from typing import Any, Final, NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from syncline.v1 import frame_pb2
from tests.chaos.fuzz_known import Known, Pool
from tests.chaos.fuzz_mutations import mutated, nested, odd_value, twist
from tests.chaos.fuzz_valid import Valid

_DEPTH_MAX: Final = 4
_WORDS: Final = ("note", "merged", "main", "north", "id", "text", "dev", "sql", "file", "status DESC")


class Made(NamedTuple):
    """What goes into a call."""

    encoded: Sequence[bytes]
    asked: Message | None
    """The last of it, if it is a message that may be known to be good."""


class Messages:
    """Makes messages; the same ones from the same seed, as long as the server answers the same."""

    def __init__(self, rng: Random, pool: Pool, folder: str) -> None:
        """`folder`: files that connectors of the server may read."""
        self._rng = rng
        self._pool = pool
        self._valid = Valid(rng, folder)
        self._made: list[bytes] = []

    def made(self, method: MethodDescriptor, known: Known) -> Made:
        """All that is sent in one call of the method by a caller to whom this is known."""
        rng = self._rng
        if rng.random() < 0.25:
            count = rng.randint(0, 5) if method.client_streaming else 1
            return Made([self._odd(method.input_type) for _ in range(count)], None)
        messages = self._valid.messages(method, known)
        twists = rng.choice((0, 0, 0, 1, 1, 3))
        for _ in range(twists):
            twist(rng, rng.choice(messages))
        messages = [message for message in messages if not self._pool.is_spared(message)]
        encoded = [message.SerializeToString() for message in messages]
        if rng.random() < 0.1:
            encoded = [mutated(rng, one) for one in encoded]
        if method.client_streaming and rng.random() < 0.2:
            encoded = self._disordered(encoded)
        return Made(encoded, messages[-1] if messages else None)

    def _disordered(self, encoded: list[bytes]) -> list[bytes]:
        """In another order, one twice, one left out, or with what is of another kind."""
        rng = self._rng
        match rng.randrange(4):
            case 0:
                rng.shuffle(encoded)
            case 1 if encoded:
                encoded.insert(rng.randrange(len(encoded) + 1), rng.choice(encoded))
            case 2 if encoded:
                encoded.pop(rng.randrange(len(encoded)))
            case _ if self._made:
                encoded.insert(rng.randrange(len(encoded) + 1), rng.choice(self._made))
        return encoded

    def _odd(self, descriptor: Descriptor) -> bytes:
        """The bytes of what need not be a message of this kind."""
        rng = self._rng
        shape = rng.random()
        if shape < 0.06:
            return rng.randbytes(rng.choice((0, 1, 7, 100, 5_000)))
        if shape < 0.1:
            return nested(rng.choice((10, 99, 101, 200, 5_000)), rng.randint(1, 12))
        if shape < 0.25 and self._made:
            return mutated(rng, rng.choice(self._made))  # of another method perhaps
        made = self._message(descriptor).SerializeToString()
        if len(made) < 4_000:
            self._made = [*self._made[-50:], made]
        return mutated(rng, made) if shape < 0.5 else made

    def _message(self, descriptor: Descriptor, depth: int = 0) -> Message:
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
                        values.append(self._message(field.message_type, depth + 1))
            elif field.message_type is not None:
                getattr(made, field.name).CopyFrom(self._message(field.message_type, depth + 1))
            else:
                setattr(made, field.name, self._value(field))
        return made

    def _text(self) -> str | None:
        """A text that the server knows, perhaps mangled."""
        rng = self._rng
        if not self._pool.texts or rng.random() >= 0.6:
            return rng.choice(_WORDS) if rng.random() < 0.5 else None
        known = rng.choice(self._pool.texts)
        if known and rng.random() < 0.25:
            at = rng.randrange(len(known))
            known = known[:at] + rng.choice(("", "A", "z", "é", "\0")) + known[at + 1 :]
        return known

    def _value(self, field: FieldDescriptor) -> Any:
        if field.type == FieldDescriptor.TYPE_BYTES:
            return self._document(field)
        known = self._text() if field.type == FieldDescriptor.TYPE_STRING else None
        return odd_value(self._rng, field) if known is None else known

    def _document(self, field: FieldDescriptor) -> bytes:
        rng = self._rng
        kind = rng.random()
        if kind < 0.3:
            return json.dumps({"id": self._text(), "text": self._text()}).encode()
        if kind < 0.4 and self._pool.bytes:
            return rng.choice(self._pool.bytes)
        if kind < 0.45:
            return mutated(rng, self._message(frame_pb2.Frame.DESCRIPTOR).SerializeToString())
        found: bytes = odd_value(rng, field)
        return found

    def _fill_map(self, made: Message, field: FieldDescriptor, depth: int) -> None:
        assert field.message_type is not None
        key, value = (field.message_type.fields_by_name[name] for name in ("key", "value"))
        entries = getattr(made, field.name)
        for _ in range(self._rng.choice((1, 2, 20))):
            if value.message_type is None:
                entries[self._value(key)] = self._value(value)
            else:
                entries[self._value(key)].CopyFrom(self._message(value.message_type, depth + 1))
