"""The options of gRPC channels are what we take them for."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest

from syncline.client.channel import CHANNEL_OPTIONS
from syncline.server.app import channel_options
from syncline.server.config import Settings

(LIBRARY,) = (Path(grpc.__file__).parent / "_cython").glob("cygrpc*.so")


@pytest.mark.parametrize("name", sorted({name for name, _ in (*CHANNEL_OPTIONS, *channel_options(Settings()))}))
def test_grpc_knows_the_option(name: str) -> None:
    """GRPC ignores a name that it does not know, without a word."""
    assert name.encode() + b"\0" in LIBRARY.read_bytes()


def test_the_server_takes_the_pings_of_its_clients() -> None:
    """A client that pings more often than the server allows is cut off after three pings."""
    allowed = dict(channel_options(Settings()))["grpc.http2.min_ping_interval_without_data_ms"]

    assert allowed < dict(CHANNEL_OPTIONS)["grpc.keepalive_time_ms"]
