"""What no gRPC client sends: bytes on the socket that are not HTTP/2, or HTTP/2 of bad intent."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Callable, Collection, Mapping
from random import Random
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
_END_STREAM, _END_HEADERS = 0x1, 0x4
_PATH: Final = b"/syncline.v1.SyncService/GetSchema"
_OPEN_MAX: Final = 50


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One HTTP/2 frame."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def _header(name: bytes, value: bytes) -> bytes:
    """A header field, as HPACK writes one that it does not index; both up to 126 bytes."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def call_headers(path: bytes = _PATH) -> bytes:
    """The header fields of a call of a method."""
    return b"".join(
        _header(name, value)
        for name, value in (
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":path", path),
            (b":authority", b"x"),
            (b"content-type", b"application/grpc"),
            (b"te", b"trailers"),
        )
    )


def _noise(rng: Random) -> bytes:
    return rng.randbytes(rng.choice((1, 24, 1_000, 60_000)))


def _cut_preface(rng: Random) -> bytes:
    return PREFACE[: rng.randrange(len(PREFACE))]


def _older_http(rng: Random) -> bytes:
    return rng.choice((b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"POST / HTTP/1.0\r\nContent-Length: 99999999999\r\n\r\n"))


def _other_protocol(rng: Random) -> bytes:
    return rng.choice(
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + rng.randbytes(40), b"\x00\x00\x00\x08\x04\xd2\x16\x2f")
    )


def _settings_flood(rng: Random) -> bytes:
    settings = b"".join(struct.pack(">HI", rng.randrange(8), rng.getrandbits(32)) for _ in range(rng.choice((0, 1, 6))))
    return PREFACE + frame(SETTINGS, 0, 0, settings) * 2_000


def _ping_flood(rng: Random) -> bytes:
    return PREFACE + frame(SETTINGS, 0, 0) + frame(PING, 0, 0, rng.randbytes(8)) * 3_000


def _reset_flood(rng: Random) -> bytes:
    streams = range(1, rng.choice((200, 4_000)), 2)
    headers = call_headers()
    return (
        PREFACE
        + frame(SETTINGS, 0, 0)
        + b"".join(
            frame(HEADERS, _END_HEADERS, stream, headers) + frame(RST_STREAM, 0, stream, b"\0\0\0\x08")
            for stream in streams
        )
    )


def _large_headers(rng: Random) -> bytes:
    field = _header(b"x-%d" % rng.randrange(10), b"y" * 126)
    first = frame(HEADERS, 0, 1, call_headers())
    return PREFACE + frame(SETTINGS, 0, 0) + first + frame(CONTINUATION, 0, 1, field * 120) * rng.choice((1, 50, 400))


def _bad_headers(rng: Random) -> bytes:
    blocks = (
        rng.randbytes(60),
        b"\x82\x86\xff\xff\xff\xff\xff\xff\xff\xff",  # a number without end
        b"\x3f\xff\xff\xff\xff\x0f" + call_headers(),  # a table of 4 GiB
        call_headers(rng.choice((b"", b"nonsense", b"/", b"/x" * 60, b"/\0"))),
        call_headers() + _header(b"UPPER", b"x") + _header(b":late", b"x") + _header(b"crlf", b"a\r\nb: c"),
        call_headers() + _header(b"authorization", b"Bearer a\nb"),
        call_headers() + _header(b"grpc-timeout", rng.choice((b"0n", b"-1S", b"99999999999999H", b"x"))),
        call_headers() + _header(b"grpc-encoding", rng.choice((b"gzip", b"deflate", b"nonsense"))),
    )
    return PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, _END_HEADERS, 1, rng.choice(blocks)) + _message(rng)


def _message(rng: Random) -> bytes:
    body = rng.randbytes(rng.choice((0, 3, 30)))
    heads = (struct.pack(">BI", rng.choice((0, 1, 7)), length) for length in (len(body), 0, 2**31, 2**32 - 1))
    return frame(DATA, rng.choice((0, _END_STREAM)), 1, rng.choice(list(heads)) + body)


def _odd_frames(rng: Random) -> bytes:
    made = PREFACE + frame(SETTINGS, 0, 0)
    for _ in range(rng.choice((1, 20, 300))):
        payload = rng.randbytes(rng.choice((0, 1, 4, 5, 8, 16, 200)))
        made += frame(rng.randrange(14), rng.randrange(256), rng.choice((0, 1, 2, 3, 5, 2**31 - 1)), payload)
    return made


def _window_games(rng: Random) -> bytes:
    step = struct.pack(">I", rng.choice((0, 1, 2**31 - 1)))
    return (
        PREFACE
        + frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 0))
        + b"".join(
            frame(HEADERS, _END_HEADERS, stream, call_headers())
            + frame(DATA, _END_STREAM, stream, bytes(5))
            + frame(WINDOW_UPDATE, 0, stream, step)
            for stream in range(1, 99, 2)
        )
    )


GARBAGE: Final[Mapping[str, Callable[[Random], bytes]]] = {
    "noise": _noise,
    "cut preface": _cut_preface,
    "older HTTP": _older_http,
    "another protocol": _other_protocol,
    "SETTINGS flood": _settings_flood,
    "PING flood": _ping_flood,
    "RST_STREAM flood": _reset_flood,
    "large headers": _large_headers,
    "bad headers": _bad_headers,
    "odd frames": _odd_frames,
    "windows": _window_games,
}


KEPT_BY_GRPC: Final = frozenset({"large headers", "RST_STREAM flood", "windows"})
"""gRPC 1.85 keeps memory for ever of what came this way, with a server that has no code of ours as well."""


class Vandal:
    """Throws garbage at an address, and keeps some connections open in which nothing more comes."""

    def __init__(self, host: str, port: int, rng: Random, kinds: Collection[str]) -> None:
        self._address = (host, port)
        self._kinds = sorted(kinds)
        self._rng = rng
        self._open: list[socket.socket] = []
        self.thrown = 0

    def throw(self) -> None:
        """Open a connection and send one kind of garbage."""
        rng = self._rng
        garbage = GARBAGE[rng.choice(self._kinds)](rng)
        opened = socket.create_connection(self._address, timeout=5)
        self.thrown += 1
        with contextlib.suppress(OSError):  # the server may have closed it before it had all
            if rng.random() < 0.2:
                garbage = garbage[: rng.randrange(len(garbage) + 1)]
            opened.sendall(garbage)
            if rng.random() < 0.3:
                opened.settimeout(0.05)
                opened.recv(65_536)
        if rng.random() < 0.2:  # slow: it stays, and sends a byte now and then
            self._open.append(opened)
            self._trickle()
        else:
            if rng.random() < 0.3:  # a reset instead of an end
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            opened.close()

    def close(self) -> None:
        """Close what is open."""
        for opened in self._open:
            opened.close()
        self._open.clear()

    def _trickle(self) -> None:
        for opened in self._open:
            with contextlib.suppress(OSError):
                opened.settimeout(0.05)
                opened.send(self._rng.randbytes(1))
        while len(self._open) > _OPEN_MAX:
            self._open.pop(0).close()
