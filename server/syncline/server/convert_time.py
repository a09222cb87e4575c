"""Storage's times as messages."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp


def timestamp(microseconds: int) -> Timestamp:
    """A time of the store as a message."""
    made = Timestamp()
    made.FromMicroseconds(microseconds)
    return made
