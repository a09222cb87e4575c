"""A server that is gone without a word is noticed by its pings."""

from __future__ import annotations

from uuid import uuid4

import pytest

from syncline.client import AsyncSyncClient, ConnectionLost
from syncline.client.channel import CHANNEL_OPTIONS
from tests.client.scripted import Item, ScriptedService, page
from tests.harness.breaking_proxy import breaking_proxy

_QUICKLY = {"grpc.keepalive_time_ms": 500, "grpc.keepalive_timeout_ms": 100, "grpc.http2.ping_timeout_ms": 100}
"""In place of the true times, which take 25 seconds."""


async def test_a_stream_ends_when_the_network_falls_silent(
    service: ScriptedService, scripted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = dict(CHANNEL_OPTIONS)
    assert options.keys() >= _QUICKLY.keys()
    monkeypatch.setattr("syncline.client.channel.CHANNEL_OPTIONS", list((options | _QUICKLY).items()))
    service.hold = True
    service.streams.append([page(1, [Item("a", 1)], checkpoint=1)])
    with breaking_proxy() as proxy:
        proxy.lead_to(scripted)
        async with AsyncSyncClient(proxy.address, uuid4()) as client:
            pages = client.read_queue("s", follow=True)
            assert (await anext(pages)).number == 1
            proxy.fall_silent()
            with pytest.raises(ConnectionLost):
                await anext(pages)
    service.stream_ended.set()
