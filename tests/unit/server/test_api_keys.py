"""API keys: their text, and how often the store is asked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from syncline.server.errors import Unauthenticated
from syncline.server.identity.api_key_text import new_api_key, read_api_key, secret_hash
from syncline.server.identity.api_keys import ApiKeyAuthenticator
from syncline.server.identity.permissions import Permission
from syncline.server.store_threads import StoreThreads
from syncline.storage import Store, open_store
from syncline.storage.api_key_models import USE_INTERVAL_US, ApiKey
from syncline.storage.errors import StoreUnavailable


def test_a_key_is_read_as_it_was_made() -> None:
    for _ in range(100):
        text, parts = new_api_key()
        assert len(text) == 64
        assert read_api_key(text) == parts


def test_two_keys_have_nothing_in_common() -> None:
    made = [new_api_key()[1] for _ in range(100)]
    assert len({key.prefix for key in made}) == len({key.secret for key in made}) == 100


@pytest.mark.parametrize("text", ["", "sl_", "sl__", "garbage", "sl_" + "a" * 61, "sl_aaaaaaaaaaaa_" + "é" * 48])
def test_other_texts_are_no_keys(text: str) -> None:
    assert read_api_key(text) is None
    assert read_api_key(f"{new_api_key()[0]}\n") is None


class Desk:
    """An authenticator whose store counts how often it is asked, with one key."""

    def __init__(self, store: Store, threads: StoreThreads, cache_seconds: float) -> None:
        self.text, (prefix, secret) = new_api_key()
        self.key = ApiKey(prefix, "robot", secret_hash(secret), frozenset({"sync", "gone"}), {"s": frozenset("b")}, 1)
        store.create_account("a")
        store.create_api_key("a", self.key)
        self.asked = 0
        self.away = False
        self._find = store.find_api_key
        store.find_api_key = self.find  # type: ignore[method-assign]
        self.now = 2
        self.note_threads = StoreThreads(1)
        self.authenticator = ApiKeyAuthenticator(
            store, threads, self.note_threads, cache_seconds=cache_seconds, now=lambda: self.now
        )

    def find(self, prefix: str) -> tuple[str, ApiKey] | None:
        self.asked += 1
        if self.away:
            raise StoreUnavailable("away")
        return self._find(prefix)


@pytest.fixture
def threads() -> Iterator[StoreThreads]:
    threads = StoreThreads(1)
    yield threads
    threads.close()


async def test_the_store_is_asked_once_for_many_calls(threads: StoreThreads) -> None:
    desk = Desk(open_store("memory:"), threads, cache_seconds=3_600)
    callers = await asyncio.gather(*(desk.authenticator.authenticate(desk.text) for _ in range(50)))
    await desk.authenticator.authenticate(desk.text)
    assert desk.asked == 1
    caller = callers[0]
    assert (caller.account_id, caller.principal, caller.credential) == ("a", "robot", f"api_key:{desk.key.prefix}")
    assert caller.permissions == {Permission.SYNC}
    assert caller.buckets == {"s": frozenset("b")}


async def test_a_key_that_is_remembered_expires_all_the_same(threads: StoreThreads) -> None:
    store = open_store("memory:")
    desk = Desk(store, threads, cache_seconds=3_600)
    text, (prefix, secret) = new_api_key()
    store.create_api_key("a", replace(desk.key, prefix=prefix, secret_hash=secret_hash(secret), expires_at=10))
    await desk.authenticator.authenticate(text)
    desk.now = 10
    with pytest.raises(Unauthenticated, match="expired"):
        await desk.authenticator.authenticate(text)
    assert desk.asked == 1


async def test_a_store_that_is_away_is_no_answer_about_a_key(threads: StoreThreads) -> None:
    desk = Desk(open_store("memory:"), threads, cache_seconds=0)
    desk.away = True
    with pytest.raises(StoreUnavailable):
        await desk.authenticator.authenticate(desk.text)
    desk.away = False
    assert await desk.authenticator.authenticate(desk.text)


async def test_nobody_waits_while_the_use_of_a_key_cannot_be_noted(threads: StoreThreads) -> None:
    store = open_store("memory:")
    desk = Desk(store, threads, cache_seconds=0)
    desk.now = 2 * USE_INTERVAL_US
    notes, go_on, note_use = 0, threading.Event(), store.note_api_key_use

    def note(account_id: str, prefix: str, *, now: int) -> None:
        nonlocal notes
        notes += 1
        assert go_on.wait(60)
        if notes == 1:
            raise StoreUnavailable("locked")
        note_use(account_id, prefix, now=now)

    store.note_api_key_use = note  # type: ignore[method-assign]
    for _ in range(5):
        assert await desk.authenticator.authenticate(desk.text)
    go_on.set()
    while store.list_api_keys("a")[0].last_used_at == 0:
        assert await desk.authenticator.authenticate(desk.text)
    desk.note_threads.close()
    assert notes == 2, "one for the five, and one when that had failed"
    assert store.list_api_keys("a")[0].last_used_at == desk.now
