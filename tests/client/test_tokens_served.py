"""Token functions of clients against a server that means it: keys that are revoked, and tokens that end."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from syncline.client import Ack, AsyncSyncClient, Data, IssuedToken, Meta
from syncline.server.environment import now_us
from syncline.storage import Store, open_store
from tests.client.test_tokens import Connect, Issuer, connect
from tests.harness.bearers import api_keys_of, bearer_settings
from tests.harness.callers import caller
from tests.harness.issuer import IDENTITY, claims, ec_key, jwks, signed
from tests.harness.server import declare_notes, running_app
from tests.harness.wire import note

__all__ = ["connect"]  # a fixture

LONG = datetime(2999, 1, 1, tzinfo=UTC)
KEY = ec_key()
LIFE_SECONDS = 1


@pytest.fixture
def store() -> Store:
    """A store in memory: nothing here depends on which it is."""
    store = open_store("memory:")
    declare_notes(store)
    return store


async def test_a_client_goes_on_with_another_key_when_its_own_is_revoked(
    connect: Connect, store: Store, tmp_path: Path
) -> None:
    keys = [api_keys_of(store)(caller("dev")) for _ in range(2)]
    issuer = Issuer(lambda name: (keys[int(name[1:]) - 1], LONG))
    settings = {**bearer_settings(tmp_path), "credential_cache_seconds": 0.02}
    async with running_app(store, **settings) as server, connect(server.address, token=issuer) as call:
        await call("start_session")
        (used,) = [key for key in store.list_api_keys("dev") if key.prefix in keys[0]]
        store.revoke_api_key("dev", used.prefix, now=now_us())
        while issuer.asked == 1:
            await call("start_session")
        await call("start_session")
    assert issuer.asked == 2


async def test_a_client_gets_new_tokens_as_they_end_for_calls_and_for_a_stream_that_stays_open(
    store: Store, tmp_path: Path
) -> None:
    (tmp_path / "jwks.json").write_bytes(jwks(one=KEY))
    settings = {**IDENTITY, "jwks": str(tmp_path / "jwks.json"), "jwt_leeway_seconds": 0}
    got: list[str] = []

    def issue(_: str) -> IssuedToken:
        return signed(KEY, claims(exp=time.time() + LIFE_SECONDS))

    def take(meta: Meta, _: Data | None) -> Ack:
        got.append(meta.key)
        return Ack.ACK

    of_calls, of_stream = Issuer(issue), Issuer(issue)
    async with (
        running_app(store, **settings, credential_cache_seconds=0.05) as server,
        AsyncSyncClient(server.address, uuid4(), token=of_stream) as follower,
        AsyncSyncClient(server.address, uuid4(), token=of_calls) as client,
    ):
        following = asyncio.create_task(follower.sync(take, follow=True))
        while not min(of_calls.asked, of_stream.asked) > 2:
            await client.start_session()
            await asyncio.sleep(0.01)
        store.write_records("dev", [note("late")])
        server.wake()
        await server.until(lambda: bool(got) or following.done())
        follower.stop()
        await following
    assert got == ["late"]
