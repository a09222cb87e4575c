"""What proves who calls, and what does not: over a socket, with every way in that an attacker has."""

from __future__ import annotations

import base64
import hmac
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health
from structlog.testing import capture_logs

from syncline.server.environment import now_us
from syncline.server.identity.api_key_text import new_api_key, secret_hash
from syncline.storage import Store, open_store
from syncline.storage.api_key_models import ApiKey
from syncline.v1 import sync_service_pb2
from tests.harness.issuer import (
    IDENTITY,
    JwksServer,
    claims,
    jwks,
    jwks_server,
    signed,
)
from tests.harness.secrets import secret as secret_text
from tests.harness.secrets import secret_token
from tests.harness.server import declare_notes, running_app
from tests.harness.wire import PageStream, WireDevice, is_serving, next_page, note, notes, wire_device
from tests.service.proving import EXPIRED, MISSING, NOT_VALID, answer
from tests.service.tokens_to_try import BAD, GOOD, KEY, STRANGER, now, published_set


@pytest.fixture
def store() -> Store:
    """A store in memory: what is told of credentials is the same on all."""
    store = open_store("memory:")
    declare_notes(store)
    declare_notes(store, "other")
    store.write_records("dev", notes(1))
    return store


@pytest.fixture
def jwks_file(tmp_path: Path) -> Path:
    path = tmp_path / "jwks.json"
    path.write_bytes(published_set())
    return path


@asynccontextmanager
async def device_of(store: Store, **settings: Any) -> AsyncIterator[WireDevice]:
    """A device of a server with identities."""
    async with running_app(store, api_keys=True, **settings) as app, wire_device(app.address) as device:
        yield device


def api_key(store: Store, account_id: str = "dev", **changes: Any) -> str:
    """The text of a new API key."""
    text, (prefix, secret) = new_api_key()
    key = ApiKey(prefix, "service", secret_hash(secret), frozenset({"sync"}), None, created_at=now_us())
    store.create_api_key(account_id, replace(key, **changes))
    return secret_text(text, text[-44:])


@pytest.mark.parametrize("kind", GOOD)
async def test_a_genuine_token_is_taken(store: Store, jwks_file: Path, kind: str) -> None:
    async with device_of(store, **IDENTITY, jwks=str(jwks_file)) as device:
        assert await answer(device, f"Bearer {GOOD[kind]()}") == ""


async def test_no_other_token_is_and_all_hear_the_same(
    store: Store, jwks_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    tokens = {kind: make() for kind, make in BAD.items()}
    for token in tokens.values():
        if token.count(".") == 2 and len(token) > 100:
            secret_token(token)
    async with device_of(store, **IDENTITY, jwks=str(jwks_file)) as device:
        good = signed(KEY)
        assert await answer(device, f"Bearer {good}") == ""
        answers = {kind: await answer(device, f"Bearer {token}") for kind, token in tokens.items()}
        assert {kind: text for kind, text in answers.items() if text != NOT_VALID} == {}
        assert await answer(device, f"bearer  {good} ") == ""
        assert await answer(device) == MISSING
        assert await answer(device, "Bearer ") == MISSING
        for metadata in (["Basic YW5uOnNlY3JldA=="], [good], [f"Bearer {good}"] * 2, [""], [f"Bearer{good}"]):
            assert await answer(device, *metadata) in (MISSING, NOT_VALID)
        assert await answer(device, f"Bearer {signed(KEY, claims(exp=now() - 40))}") == EXPIRED
        for long_ago in (0, -1, -(10**400), -1e300, 0.5, True):
            assert await answer(device, f"Bearer {signed(KEY, claims(exp=long_ago))}") == EXPIRED
        assert await answer(device, f"Bearer {signed(STRANGER, claims(exp=now() - 40))}") == NOT_VALID
    for token in [good, *tokens.values()]:
        parts = [part for part in token.split(".")[1:] if len(part) > 9]
        assert not any(part in caplog.text for part in parts)


async def test_where_a_token_says_that_its_key_is_nobody_looks(store: Store, jwks_file: Path) -> None:
    with jwks_server(jwks(own=STRANGER)) as elsewhere:
        async with device_of(store, **IDENTITY, jwks=str(jwks_file)) as device:
            assert await answer(device, f"Bearer {signed(STRANGER, key_id=elsewhere.url)}") == NOT_VALID
            for name in ("jku", "x5u", "jwks_uri", "iss"):
                told: dict[str, Any] = {name: elsewhere.url}
                assert await answer(device, f"Bearer {signed(STRANGER, key_id='own', **told)}") == NOT_VALID
                assert await answer(device, f"Bearer {signed(KEY, **told)}") == "", "it is not looked at"
        assert elsewhere.reads == 0


async def test_a_header_that_holds_another_never_leaves_the_client(store: Store, jwks_file: Path) -> None:
    async with device_of(store, **IDENTITY, jwks=str(jwks_file)) as device:
        injected = (*device.metadata, ("authorization", f"Bearer x\r\nauthorization: Bearer {signed(KEY)}"))
        with pytest.raises((grpc.aio.AioRpcError, ValueError, grpc.aio.UsageError, grpc.aio.InternalError)) as refused:
            await device.stub.StartSession(sync_service_pb2.StartSessionRequest(), metadata=injected)
        assert getattr(refused.value, "code", lambda: None)() is not grpc.StatusCode.OK


async def test_headers_beyond_all_measure_are_refused_before_anybody_reads_them(store: Store, jwks_file: Path) -> None:
    async with device_of(store, **IDENTITY, jwks=str(jwks_file)) as device:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await answer(device, f"Bearer {'x' * 100_000}")
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await answer(device, f"Bearer {signed(KEY)}") == ""


async def test_permissions_of_a_token_are_those_it_names(store: Store, jwks_file: Path) -> None:
    async with device_of(store, **IDENTITY, jwks=str(jwks_file)) as device:
        for scope in (None, "", "openid", "Sync", "sync.write", "sync,sync"):
            token = signed(KEY, claims(scope=scope))
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await answer(device, f"Bearer {token}")
            assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_health_and_reflection_ask_for_no_token(store: Store, jwks_file: Path) -> None:
    async with device_of(store, **IDENTITY, jwks=str(jwks_file), reflection=True) as device:
        assert await is_serving(device.channel, health.OVERALL_HEALTH)


async def test_a_token_ends_while_a_stream_is_open(store: Store, jwks_file: Path) -> None:
    settings = {"jwt_leeway_seconds": 0, "credential_cache_seconds": 0.05}
    async with device_of(store, **IDENTITY, **settings, jwks=str(jwks_file)) as device:
        token = signed(KEY, claims(exp=now() + 2))
        device.metadata = (*device.metadata, ("authorization", f"Bearer {token}"))
        stream = device.stream(await device.start_id(always=True), follow=True)
        await next_page(stream)
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await stream.read()
        assert (ended.value.code(), ended.value.details()) == (grpc.StatusCode.UNAUTHENTICATED, EXPIRED)


# API keys


async def test_an_api_key_works_until_it_is_revoked(store: Store) -> None:
    settings = {"api_keys": True, "credential_cache_seconds": 0.02}
    async with running_app(store, **settings) as app, wire_device(app.address) as device:
        text = api_key(store)
        assert await answer(device, f"Bearer {text}") == ""
        await app.until(lambda: store.list_api_keys("dev")[0].last_used_at > 0)
        (key,) = store.list_api_keys("dev")
        device.metadata = (*device.metadata, ("authorization", f"Bearer {text}"))
        stream = device.stream(await device.start_id(always=True), follow=True)
        await next_page(stream)

        store.revoke_api_key("dev", key.prefix, now=now_us())

        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await stream.read()
        assert (ended.value.code(), ended.value.details()) == (grpc.StatusCode.UNAUTHENTICATED, NOT_VALID)
        device.metadata = device.metadata[:1]
        assert await answer(device, f"Bearer {text}") == NOT_VALID


async def _to_the_end(stream: PageStream) -> None:
    while await stream.read() is not grpc.aio.EOF:
        pass


async def test_a_stream_goes_on_while_nobody_can_tell_about_its_key(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []

    def fail(prefix: str) -> None:
        looks.append(prefix)
        raise ZeroDivisionError

    settings = {"api_keys": True, "credential_cache_seconds": 0.02}
    async with running_app(store, **settings) as app, wire_device(app.address) as device:
        device.metadata = (*device.metadata, ("authorization", f"Bearer {api_key(store)}"))
        stream = device.stream(await device.start_id(always=True), follow=True)
        await next_page(stream)
        with monkeypatch.context() as broken, capture_logs() as lines:
            broken.setattr(store, "find_api_key", fail)
            await app.until(lambda: len(looks) > 2)
        (key,) = store.list_api_keys("dev")
        store.revoke_api_key("dev", key.prefix, now=now_us())
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await stream.read()
        assert (ended.value.code(), ended.value.details()) == (grpc.StatusCode.UNAUTHENTICATED, NOT_VALID)
    assert "it cannot be told whether a call may go on" in {line["event"] for line in lines}


async def test_a_stream_whose_reader_is_slow_hears_of_the_end_of_its_key(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits for its reader is not cancelled: gRPC would then send no status, and the reader wait for ever."""
    store.write_records("dev", [note(f"long {number}", "x" * 200_000) for number in range(60)])
    looks: list[str] = []
    find = store.find_api_key

    def look(prefix: str) -> tuple[str, ApiKey] | None:
        looks.append(prefix)
        return find(prefix)

    monkeypatch.setattr(store, "find_api_key", look)
    async with (
        running_app(store, api_keys=True, credential_cache_seconds=0.05) as app,
        wire_device(app.address) as device,
    ):
        device.metadata = (*device.metadata, ("authorization", f"Bearer {api_key(store)}"))
        stream = device.stream(await device.start_id(always=True), follow=True, page_size=5)
        await next_page(stream)
        (key,) = store.list_api_keys("dev")
        store.revoke_api_key("dev", key.prefix, now=now_us())
        looks.clear()
        await app.until(lambda: bool(looks))
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await _to_the_end(stream)
        assert (ended.value.code(), ended.value.details()) == (grpc.StatusCode.UNAUTHENTICATED, NOT_VALID)


async def test_an_api_key_is_taken_only_as_it_was_given_out(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with device_of(store) as device:
        text, twin = api_key(store), api_key(store)
        assert await answer(device, f"Bearer {text}") == ""
        changed = [text[:at] + ("a" if text[at] != "a" else "b") + text[at + 1 :] for at in range(3, len(text))]
        wrong = [*changed, text[:-1], f"{text}A", text.upper(), f"{text[:15]}{twin[15:]}", f"{text}="]
        assert {await answer(device, f"Bearer {one}") for one in wrong} == {NOT_VALID}
        expired = api_key(store, expires_at=now_us())
        assert await answer(device, f"Bearer {expired}") == EXPIRED
        revoked = api_key(store, revoked_at=1)
        assert await answer(device, f"Bearer {revoked}") == NOT_VALID
    for secret in (one[16:-1] for one in (text, twin, expired, revoked)):
        assert secret not in caplog.text


async def test_the_secret_of_a_key_is_weighed_in_constant_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key of the right form and prefix, with another secret: its hash, and nothing else, tells the two apart."""
    weighed: list[tuple[bytes, bytes]] = []
    compare = hmac.compare_digest

    def note(one: bytes, other: bytes) -> bool:
        weighed.append((one, other))
        return compare(one, other)

    texts = [api_key(store), api_key(store, "other")]
    prefixes = [text.split("_")[1] for text in texts]
    forged = []
    for prefix in prefixes:
        with monkeypatch.context() as chosen:
            chosen.setattr(base64, "b32encode", lambda _, prefix=prefix: prefix.encode())
            forged.append(new_api_key()[0])
    assert [text.split("_")[1] for text in forged] == prefixes
    async with device_of(store) as device:
        monkeypatch.setattr(hmac, "compare_digest", note)
        assert [await answer(device, f"Bearer {text}") for text in forged] == [NOT_VALID] * 2
        assert [len(one) == len(other) == 32 and one != other for one, other in weighed] == [True] * 2
        assert await answer(device, f"Bearer {texts[0]}") == ""
        assert [one == other for one, other in weighed] == [False, False, True]


async def test_a_key_opens_its_own_account_only(store: Store) -> None:
    async with device_of(store) as device:
        calls = {account_id: api_key(store, account_id) for account_id in ("dev", "other")}
        found = {}
        for account_id, text in calls.items():
            device.metadata = (("syncline-device-uuid", str(device.uuid)), ("authorization", f"Bearer {text}"))
            found[account_id] = len(await device.sync())
        assert found == {"dev": 1, "other": 0}


async def test_tokens_are_not_taken_where_only_api_keys_are_and_the_reverse(store: Store, jwks_file: Path) -> None:
    async with running_app(store, api_keys=True) as app, wire_device(app.address) as device:
        assert await answer(device, f"Bearer {signed(KEY)}") == NOT_VALID
        assert await answer(device) == MISSING
    async with running_app(store, **IDENTITY, jwks=str(jwks_file)) as app, wire_device(app.address) as device:
        assert await answer(device, f"Bearer {api_key(store)}") == NOT_VALID


# The set of keys


async def answers_with(store: Store, published: JwksServer, *tokens: str) -> list[str]:
    async with device_of(store, **IDENTITY, jwks=published.url) as device:
        return [await answer(device, f"Bearer {token}") for token in tokens]


async def test_keys_are_fetched_over_http(store: Store) -> None:
    with jwks_server(jwks(one=KEY)) as published:
        assert await answers_with(store, published, signed(KEY), signed(STRANGER)) == ["", NOT_VALID]


@pytest.mark.parametrize(
    "body",
    [b"", b"garbage", b"[]", b'{"keys": 1}', b"[" * 100_000, b'{"keys": []}' + b" " * (2 << 20)],
    ids=["empty", "no JSON", "no object", "no list", "brackets", "too much"],
)
async def test_a_broken_set_lets_nobody_in(store: Store, body: bytes) -> None:
    with jwks_server(body) as published:
        assert await answers_with(store, published, signed(KEY)) == [NOT_VALID]


async def test_keys_come_from_nowhere_else(store: Store) -> None:
    with jwks_server(jwks(one=KEY)) as elsewhere, jwks_server(b"") as published:
        published.status, published.headers = 302, {"location": elsewhere.url}
        assert await answers_with(store, published, signed(KEY)) == [NOT_VALID]
        assert elsewhere.reads == 0
