"""A call as bytes on a socket: with header fields that no gRPC client sends."""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Iterable
from typing import NamedTuple

from tests.chaos.fuzz_garbage import DATA, GOAWAY, HEADERS, PREFACE, RST_STREAM, SETTINGS, frame

Field = tuple[bytes, bytes]
"""The name and the value of a header."""

_END_STREAM, _END_HEADERS = 0x1, 0x4
_STREAM = 1
_HEAD_BYTES = 9
_STATUS = re.compile(rb"grpc-status.(\d+)", re.DOTALL)
_SECONDS_MAX = 30


class Outcome(NamedTuple):
    """How a call ended."""

    status: int | None
    """Its gRPC status. None: gRPC itself gave up the call or the connection, and nobody was asked."""
    received: bytes
    """All header blocks that came back."""


def raw_call(address: str, path: str, fields: Iterable[Field]) -> Outcome:
    """Call a unary method with an empty message, on a connection of its own."""
    host, _, port = address.rpartition(":")
    started = [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", path.encode()),
        (b":authority", b"x"),
        (b"content-type", b"application/grpc"),
        (b"te", b"trailers"),
    ]
    block = b"".join(_literal(name, value) for name, value in [*started, *fields])
    sent = PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, _END_HEADERS, _STREAM, block)
    sent += frame(DATA, _END_STREAM, _STREAM, bytes(5))
    with socket.create_connection((host, int(port)), timeout=_SECONDS_MAX) as opened:
        opened.sendall(sent)
        return _outcome(opened)


def _literal(name: bytes, value: bytes) -> bytes:
    """A header field, as HPACK writes one that it does not index."""
    return b"\x00" + _length(len(name)) + name + _length(len(value)) + value


def _length(number: int) -> bytes:
    """A number with a prefix of seven bits."""
    if number < 0x7F:
        return bytes([number])
    number -= 0x7F
    written = b"\x7f"
    while number >= 0x80:
        written += bytes([number & 0x7F | 0x80])
        number >>= 7
    return written + bytes([number])


def _outcome(opened: socket.socket) -> Outcome:
    received = b""
    with opened.makefile("rb") as stream:
        while True:
            try:
                head = stream.read(_HEAD_BYTES)
            except ConnectionResetError:
                head = b""
            if len(head) < _HEAD_BYTES:
                return Outcome(None, received)
            length, kind, flags, number = int.from_bytes(head[:3]), head[3], head[4], struct.unpack(">I", head[5:])[0]
            payload = stream.read(length)
            if kind == GOAWAY or (kind == RST_STREAM and number == _STREAM):
                return Outcome(None, received)
            if kind == HEADERS and number == _STREAM:
                received += payload
                if flags & _END_STREAM:
                    found = _STATUS.search(received)
                    assert found is not None, received
                    return Outcome(int(found[1]), received)
