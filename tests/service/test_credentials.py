"""What proves who calls, and what does not: over a socket, with every way in that an attacker has."""

from __future__ import annotations

import base64
import hmac
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
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
    ec_key,
    ed_key,
    jwk,
    jwks,
    jwks_server,
    public_pem,
    rsa_key,
    signed,
)
from tests.harness.secrets import secret as secret_text
from tests.harness.server import declare_notes, running_app
from tests.harness.wire import PageStream, WireDevice, error_of, is_serving, next_page, note, notes, wire_device

MISSING = "the bearer token is missing"
NOT_VALID = "the bearer token is not valid"
EXPIRED = "the bearer token has expired"
KEY, STRANGER, ED, P384 = ec_key(), ec_key(), ed_key(), ec_key(ec.SECP384R1())


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
    path.write_bytes(jwks(one=KEY, rsa=rsa_key(), ed=ED, p384=P384))
    return path


@asynccontextmanager
async def device_of(store: Store, **settings: Any) -> AsyncIterator[WireDevice]:
    """A device of a server with identities."""
    async with running_app(store, api_keys=True, **settings) as app, wire_device(app.address) as device:
        yield device


async def answer(device: WireDevice, *authorization: str) -> str:
    """How a call with these values of `authorization` ends: the text of its error; empty: well."""
    metadata = [*device.metadata, *(("authorization", value) for value in authorization)]
    call = device.stub.StartSession(sync_service_pb2.StartSessionRequest(), metadata=metadata)
    if await call.code() is grpc.StatusCode.OK:
        return ""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    if refused.value.code() is not grpc.StatusCode.UNAUTHENTICATED:
        raise refused.value
    assert error_of(refused.value)[1] == "UNAUTHENTICATED"
    parts = [part for value in authorization for part in value.split(".") if len(part) > 9]
    assert not any(part in str(refused.value) for part in parts)
    return str(refused.value.details())


def api_key(store: Store, account_id: str = "dev", **changes: Any) -> str:
    """The text of a new API key."""
    text, (prefix, secret) = new_api_key()
    key = ApiKey(prefix, "service", secret_hash(secret), frozenset({"sync"}), None, created_at=now_us())
    store.create_api_key(account_id, replace(key, **changes))
    return secret_text(text, text[-44:])


def tampered(token: str, **changes: Any) -> str:
    """The token with other claims under the old signature."""
    head, body, signature = token.split(".")
    payload = json.loads(base64.urlsafe_b64decode(body + "=="))
    return f"{head}.{encoded(payload | changes)}.{signature}"


def encoded(document: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


def hs256_with(secret: bytes, key_id: str) -> str:
    """A token that is signed symmetrically; by hand, since PyJWT refuses a public key as the secret."""
    text = f"{encoded({'alg': 'HS256', 'typ': 'JWT', 'kid': key_id})}.{encoded(claims())}"
    signature = hmac.digest(secret, text.encode(), "sha256")
    return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def now() -> int:
    return int(time.time())


GOOD: dict[str, Callable[[], str]] = {
    "ES256": lambda: signed(KEY),
    "RS256": lambda: signed(rsa_key(), algorithm="RS256", key_id="rsa"),
    "EdDSA": lambda: signed(ED, algorithm="EdDSA", key_id="ed"),
    "several audiences": lambda: signed(KEY, claims(aud=["x", "syncline"])),
    "permissions as a list": lambda: signed(KEY, claims(scope=None, permissions=["sync", "unknown"])),
    "expired within the leeway": lambda: signed(KEY, claims(exp=now() - 5)),
    "from the future within the leeway": lambda: signed(KEY, claims(iat=now() + 10, nbf=now() + 10)),
}

BAD: dict[str, Callable[[], str]] = {
    "nbf in the future": lambda: signed(KEY, claims(nbf=now() + 90)),
    "iat in the future": lambda: signed(KEY, claims(iat=now() + 90)),
    "wrong audience": lambda: signed(KEY, claims(aud="another")),
    "audience in another case": lambda: signed(KEY, claims(aud="Syncline")),
    "no audience": lambda: signed(KEY, claims(aud=None)),
    "wrong issuer": lambda: signed(KEY, claims(iss="https://issuer.example/")),
    "no issuer": lambda: signed(KEY, claims(iss=None)),
    "no exp": lambda: signed(KEY, claims(exp=None)),
    "exp is no number": lambda: signed(KEY, claims(exp="soon")),
    "exp without end": lambda: signed(KEY, claims(exp=float("inf"))),
    "no subject": lambda: signed(KEY, claims(sub=None)),
    "empty subject": lambda: signed(KEY, claims(sub="")),
    "no account": lambda: signed(KEY, claims(account=None)),
    "account that is not there": lambda: signed(KEY, claims(account="absent")),
    "account of a strange type": lambda: signed(KEY, claims(account=["dev"])),
    "account with a NUL": lambda: signed(KEY, claims(account="dev\x00")),
    "account with half a character": lambda: signed(KEY, claims(account="dev\ud800")),
    "scope of a strange type": lambda: signed(KEY, claims(scope=["sync"])),
    "buckets of a strange type": lambda: signed(KEY, claims(buckets={"main": "a"})),
    "buckets that are null": lambda: signed(KEY, claims() | {"buckets": None}),
    "alg none": lambda: jwt.encode(claims(), "", algorithm="none", headers={"kid": "one"}),
    "alg none in capitals": lambda: f"{encoded({'alg': 'NONE', 'kid': 'one'})}.{encoded(claims())}.",
    "HS256 with the public key": lambda: hs256_with(public_pem(rsa_key()), "rsa"),
    "HS256 with the JWK": lambda: hs256_with(json.dumps(jwk(rsa_key(), "rsa")).encode(), "rsa"),
    "algorithm that is not allowed": lambda: signed(P384, algorithm="ES384", key_id="p384"),
    "algorithm of another key": lambda: signed(rsa_key(), algorithm="RS256", key_id="one"),
    "unknown kid": lambda: signed(KEY, key_id="unknown"),
    "no kid": lambda: signed(KEY, key_id=None),
    "kid of a path": lambda: signed(KEY, key_id="../../dev/null"),
    "kid of another key": lambda: signed(KEY, key_id="ed", algorithm="ES256"),
    "kid of SQL": lambda: signed(KEY, key_id="one' OR '1'='1"),
    "kid that is long": lambda: signed(KEY, key_id="o" * 1_000),
    "key in the token": lambda: signed(STRANGER, key_id="own", jwk=jwk(STRANGER, "own")),
    "key at an address in the token": lambda: signed(STRANGER, key_id="own", jku="http://127.0.0.1:1/"),
    "critical extension": lambda: signed(KEY, crit=["exp"]),
    "signed by a stranger": lambda: signed(STRANGER),
    "changed claims": lambda: tampered(signed(KEY), account="other"),
    "no signature": lambda: signed(KEY).rpartition(".")[0] + ".",
    "two parts": lambda: signed(KEY).rpartition(".")[0],
    "garbage": lambda: "garbage",
    "dots": lambda: "....",
    "header of brackets": lambda: base64.urlsafe_b64encode(b"[" * 5_000).decode() + ".e30.e30",
    "header that is no object": lambda: f"{encoded([1])}.e30.e30",
    "oversized": lambda: signed(KEY, claims(more="x" * 7_000)),
    "spaces inside": lambda: signed(KEY).replace(".", " ."),
    "form of an API key": lambda: "sl_",
    "API key of nobody": lambda: new_api_key()[0],
}


@pytest.mark.parametrize("kind", GOOD)
async def test_a_genuine_token_is_taken(store: Store, jwks_file: Path, kind: str) -> None:
    async with device_of(store, **IDENTITY, jwks=str(jwks_file)) as device:
        assert await answer(device, f"Bearer {GOOD[kind]()}") == ""


async def test_no_other_token_is_and_all_hear_the_same(
    store: Store, jwks_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    tokens = {kind: make() for kind, make in BAD.items()}
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
        assert await answer(device, f"Bearer {signed(STRANGER, claims(exp=now() - 40))}") == NOT_VALID
    for token in [good, *tokens.values()]:
        parts = [part for part in token.split(".")[1:] if len(part) > 9]
        assert not any(part in caplog.text for part in parts)


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
