"""What a caller has been told: ids, tokens, keys and numbers, by the fields that they go back in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

_POOL_MAX: Final = 400
_OF_FIELD_MAX: Final = 40

_COMES_AS: Final[Mapping[str, Sequence[str]]] = {
    "session_id": ("Session.id",),
    "ack_keys": ("page_ack_key", "item_ack_keys"),
    "position": ("position", "load"),
    "load": ("load", "position"),
    "parent_sync_request_id": ("parent_sync_request_id", "sync_request_id"),
    "after_key": ("key",),
    "through_key": ("key",),
    "keys": ("key",),
    "record_key": ("key",),
    "known_revision": ("head_revision", "revision"),
    "base_revision": ("revision", "head_revision"),
    "change_seq": ("next_change_seq",),
    "data_hash": ("data_hash",),
    "digest": ("data_hash",),
    "known_version": ("schema_version", "version"),
}
"""Fields of requests whose values come in fields of other names."""


@dataclass
class Known:
    """What one caller, as one device, was answered."""

    values: dict[str, list[Any]] = field(default_factory=dict)
    """By field."""
    next_pages: list[tuple[str, Message]] = field(default_factory=list)
    """Requests for the pages after those that came, each with its kind."""

    def learn(self, asked: Message | None, answer: Message) -> None:
        """Take what an answer has, and the request for its next page."""
        for name, value in _scalars(answer):
            values = self.values.setdefault(name, [])
            values.append(value)
            del values[:-_OF_FIELD_MAX]
        token = getattr(answer, "next_page_token", "")
        if token and asked is not None and "page_token" in asked.DESCRIPTOR.fields_by_name:
            following = type(asked)()
            following.CopyFrom(asked)
            following.page_token = token  # type: ignore[attr-defined]  # it has been looked up
            self.next_pages = [*self.next_pages[-20:], (asked.DESCRIPTOR.full_name, following)]

    def recall(self, rng: Random, name: str) -> Any:
        """A value that may go into a field of this name; None if there is none."""
        found = [values for one in _COMES_AS.get(name, (name,)) if (values := self.values.get(one))]
        return rng.choice(rng.choice(found)) if found else None


class Pool:
    """Texts and bytes that anybody was told, whoever it was."""

    def __init__(self, rng: Random, spared: str) -> None:
        """Keep them without this text, the id of somebody who is to be left alone."""
        self._rng = rng
        self._spared = (spared, spared.encode())
        self.texts: list[str] = []
        self.bytes: list[bytes] = []

    def learn(self, answer: Message) -> None:
        """Take what an answer has."""
        for _, value in _scalars(answer):
            if isinstance(value, str | bytes):
                self.add(value)

    def add(self, value: str | bytes) -> None:
        """Take one."""
        if not 0 < len(value) < 2_000 or value in self._spared:
            return
        pool: list[Any] = self.texts if isinstance(value, str) else self.bytes
        if len(pool) < _POOL_MAX:
            pool.append(value)
        else:
            pool[self._rng.randrange(_POOL_MAX)] = value

    def is_spared(self, message: Message) -> bool:
        """Is it about the one who is to be left alone?"""
        return any(value in self._spared for _, value in _scalars(message) if isinstance(value, str | bytes))


def parsed(descriptor: Descriptor, encoded: bytes) -> Message:
    """An answer of the server."""
    made = GetMessageClass(descriptor)()
    try:
        made.MergeFromString(encoded)
    except DecodeError as error:
        raise AssertionError(f"the server answered what is no {descriptor.full_name}") from error
    return made


def _scalars(message: Message) -> Iterator[tuple[str, Any]]:
    """All values in a message that are no messages, by field."""
    for described, value in message.ListFields():
        values: Sequence[Any] = value if described.is_repeated else [value]
        if isinstance(values, Mapping):
            values = [*values, *values.values()]
        name = "Session.id" if described.full_name == "syncline.v1.Session.id" else described.name
        for one in values:
            if isinstance(one, Message):
                yield from _scalars(one)
            elif not isinstance(one, bool):
                yield name, one
