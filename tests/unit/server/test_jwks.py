"""The keys of tokens: what is taken from a set, and how it is kept while sets come, change, break and go."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from structlog.testing import capture_logs

from syncline.server.config import load_settings
from syncline.server.errors import SettingsInvalid, Unauthenticated
from syncline.server.identity.credentials import Credentials, is_development
from syncline.server.identity.jwks import KeySet
from syncline.server.identity.jwks_source import FileSource, JwksUnavailable, UrlSource, jwks_source
from syncline.server.identity.jwt_algorithms import read_jwk
from syncline.server.identity.jwt_tokens import JwtAuthenticator, JwtRules
from syncline.server.store_threads import StoreThreads
from syncline.storage import open_store
from tests.harness.issuer import AUDIENCE, IDENTITY, ISSUER, Key, claims, ec_key, ed_key, jwk, jwks, rsa_key, signed

ONE, TWO = ec_key(), ec_key()


class Script:
    """A source that gives what the test says."""

    name = "script"

    def __init__(self, text: bytes | None = None) -> None:
        self.text = text
        self.reads = 0

    def read(self) -> bytes:
        self.reads += 1
        if self.text is None:
            raise JwksUnavailable("away")
        return self.text

    def stamp(self) -> object:
        return None


def key_set(script: Script) -> KeySet:
    """A set that is read again whenever a key is not known."""
    return KeySet(script, pause_seconds=0)


async def test_a_new_key_is_found_when_a_token_names_it() -> None:
    script = Script(jwks(one=ONE))
    keys = key_set(script)
    assert await keys.find("one")
    script.text = jwks(one=ONE, two=TWO)
    assert await keys.find("two")
    assert script.reads == 2
    assert await keys.find("one")
    assert script.reads == 2


async def test_a_key_that_nobody_knows_makes_the_set_be_read_once_in_a_while() -> None:
    script = Script(jwks(one=ONE))
    keys = KeySet(script, pause_seconds=3_600)
    for number in range(20):
        assert await keys.find(f"unknown {number}") is None
    assert script.reads == 1
    assert await keys.find("one")


async def test_many_who_ask_at_once_make_one_read() -> None:
    script = Script(jwks(one=ONE))
    keys = KeySet(script, pause_seconds=3_600)
    found = await asyncio.gather(*(keys.find("one") for _ in range(50)))
    assert all(found)
    assert script.reads == 1


@pytest.mark.parametrize("text", [None, b"", b"garbage", b"{}", b'{"keys": {}}'])
async def test_what_is_known_goes_on_while_the_set_is_away_or_broken(text: bytes | None) -> None:
    script = Script(text)
    keys = key_set(script)
    assert await keys.find("one") is None
    script.text = jwks(one=ONE)
    known = await keys.find("one")
    assert known
    script.text = text
    await keys.refresh()
    assert keys.known("one") is known
    assert await keys.find("two") is None
    script.text = jwks(two=TWO)
    assert await keys.find("two")
    assert keys.known("one") is None


async def test_a_key_stays_the_same_object_until_it_changes() -> None:
    script = Script(jwks(one=ONE, two=TWO))
    keys = key_set(script)
    one, two = await keys.find("one"), await keys.find("two")
    script.text = jwks(one=ONE, two=ec_key())
    await keys.refresh()
    assert keys.known("one") is one
    assert keys.known("two") is not two


async def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    keys = KeySet(FileSource(str(path)), pause_seconds=3_600)
    await keys.refresh()
    path.write_bytes(jwks(one=ONE))
    await keys.refresh()
    assert keys.known("one")
    status = path.stat()
    path.write_bytes(b" " * status.st_size)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    await keys.refresh()
    assert keys.known("one"), "it is not read while it looks the same"
    path.unlink()
    await keys.refresh()
    assert keys.known("one")
    path.write_bytes(jwks(two=TWO, three=ed_key()))
    await keys.refresh()
    assert keys.known("two")
    assert not keys.known("one")


async def test_keys_are_kept_fresh_whatever_goes_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[str] = []

    def fail(source: FileSource) -> bytes:
        reads.append(source.name)
        raise ZeroDivisionError

    monkeypatch.setattr(FileSource, "read", fail)
    settings = load_settings(**IDENTITY, jwks=str(tmp_path), credential_cache_seconds=0.001)
    credentials = Credentials(settings, open_store("memory:"))
    with capture_logs() as lines:
        fresh = asyncio.create_task(credentials.keep_fresh())
        while len(reads) < 3:
            assert not fresh.done()
            await asyncio.sleep(0)
        fresh.cancel()
    credentials.close()
    assert {(line["event"], line["log_level"]) for line in lines} == {("the keys of tokens cannot be read", "error")}


def test_a_file_beyond_all_measure_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(b" " * (2 << 20))
    with pytest.raises(JwksUnavailable):
        FileSource(str(path)).read()


P384 = ec_key(ec.SECP384R1())
_CHANGES: list[dict[str, Any]] = [{"alg": ["RS256"]}, {"alg": {}}, {"crv": ["P-256"]}, {"kty": {}}, {"kty": 5}]
STRANGE = [jwk(ONE, "one") | changes for changes in _CHANGES]
STRANGE_IDS = ["alg of a list", "alg of an object", "crv of a list", "kty of an object", "kty of a number"]


@pytest.mark.parametrize(
    ("key", "more", "algorithms"),
    [
        (rsa_key(), {}, {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
        (rsa_key(), {"alg": "PS256"}, {"PS256"}),
        (ONE, {}, {"ES256"}),
        (P384, {}, {"ES384"}),
        (ed_key(), {}, {"EdDSA"}),
    ],
    ids=["RSA", "RSA for PS256", "P-256", "P-384", "Ed25519"],
)
def test_a_key_is_good_for_its_own_algorithms(key: Key, more: dict[str, Any], algorithms: set[str]) -> None:
    found = read_jwk(jwk(key, "one", **more))
    assert found
    assert found.algorithms == algorithms


@pytest.mark.parametrize(
    "document",
    [
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"},
        jwk(rsa_key(), "one", alg="HS256"),
        jwk(ONE, "one", alg="none"),
        jwk(ONE, "one", use="enc"),
        {"kty": ["RSA"]},
        {},
        *STRANGE,
    ],
    ids=["symmetric", "HS256", "RSA for HS256", "none", "for encryption", "strange", "empty", *STRANGE_IDS],
)
async def test_what_no_token_may_be_signed_with_is_left_out(document: dict[str, Any]) -> None:
    keys = key_set(Script(json.dumps({"keys": [{**document, "kid": "bad"}, jwk(ONE, "one")]}).encode()))
    assert await keys.find("bad") is None
    assert await keys.find("one")


@pytest.mark.parametrize(
    "document",
    [
        {**jwk(ONE, "one"), "x": "AAAA"},
        {**jwk(rsa_key(), "one"), "n": 5},
        jwk(rsa_key(1024), "one"),
        {"kty": "RSA"},
        *STRANGE,
        jwk(ONE, "one") | {"kid": ["one"]},
    ],
    ids=["not on the curve", "number", "weak", "incomplete", *STRANGE_IDS, "kid of a list"],
)
def test_a_broken_or_weak_key_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="key"):
        read_jwk(document)


def test_of_a_private_key_the_public_part_is_kept() -> None:
    found = read_jwk({**ECAlgorithm.to_jwk(ONE, as_dict=True), "kid": "one"})
    assert found
    assert isinstance(found.public_key, ec.EllipticCurvePublicKey)


# Tokens that are remembered


class Desk:
    """An authenticator with a clock and a set of keys of the test's own."""

    def __init__(self, threads: StoreThreads) -> None:
        self.script = Script(jwks(one=ONE))
        self.keys = key_set(self.script)
        self.time = 0.0
        store = open_store("memory:")
        store.create_account("dev")
        rules = JwtRules(ISSUER, AUDIENCE, {"ES256"}, 30, "account")
        self.authenticator = JwtAuthenticator(rules, self.keys, store, threads, now=lambda: self.time)


@pytest.fixture
def desk() -> Any:
    threads = StoreThreads(1)
    yield Desk(threads)
    threads.close()


async def test_a_token_that_is_remembered_ends_with_its_time(desk: Desk) -> None:
    payload = claims()
    token = signed(ONE, payload)
    desk.time = payload["exp"]
    caller = await desk.authenticator.authenticate(token)
    assert await desk.authenticator.authenticate(token) is caller
    desk.time = payload["exp"] + 30
    with pytest.raises(Unauthenticated, match="expired"):
        await desk.authenticator.authenticate(token)


async def test_a_token_that_is_remembered_ends_with_its_key(desk: Desk) -> None:
    token = signed(ONE)
    await desk.authenticator.authenticate(token)
    desk.script.text = jwks(one=TWO)
    await desk.keys.refresh()
    with pytest.raises(Unauthenticated, match="not valid"):
        await desk.authenticator.authenticate(token)
    assert await desk.authenticator.authenticate(signed(TWO))


async def test_the_claims_make_the_caller(desk: Desk) -> None:
    token = signed(ONE, claims(permissions=["admin", "x"], buckets={"main": ["a", "b"], "media": []}))
    caller = await desk.authenticator.authenticate(token)
    assert (caller.account_id, caller.principal, caller.credential) == ("dev", "ann", "jwt:one")
    assert caller.permissions == {"sync", "sync.write", "admin"}
    assert caller.buckets == {"main": frozenset("ab"), "media": frozenset()}
    assert (await desk.authenticator.authenticate(signed(ONE))).buckets is None


# Settings


@pytest.mark.parametrize(
    "address",
    [
        "http://issuer.example/keys",
        "http://127.0.0.1.issuer.example/keys",
        "https://ann:secret@issuer.example/keys",
        "file:///etc/passwd",
        "ftp://issuer.example/keys",
        "https://",
    ],
)
def test_keys_are_not_taken_from_an_address_that_others_can_forge(address: str) -> None:
    with pytest.raises(SettingsInvalid, match="jwks") as refused:
        jwks_source(address)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("address", ["https://issuer.example/keys?a=b", "http://127.0.0.1:1/keys", "http://[::1]/"])
def test_other_addresses_are_taken(address: str) -> None:
    assert isinstance(jwks_source(address), UrlSource)
    assert isinstance(jwks_source("keys/jwks.json"), FileSource)


@pytest.mark.parametrize("algorithms", ["HS256", "none", "RS256,HS512", "", "es256"])
def test_symmetric_algorithms_are_refused_at_the_start(monkeypatch: pytest.MonkeyPatch, algorithms: str) -> None:
    monkeypatch.setenv("SYNCLINE_JWT_ALGORITHMS", algorithms)
    with pytest.raises(SettingsInvalid, match="jwt_algorithms"):
        load_settings()


def test_algorithms_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCLINE_JWT_ALGORITHMS", "ES256, EdDSA")
    assert load_settings().jwt_algorithms == ("ES256", "EdDSA")


@pytest.mark.parametrize("missing", ["jwt_issuer", "jwt_audience", "jwks"])
async def test_settings_of_tokens_are_given_together(missing: str) -> None:
    given = {**IDENTITY, "jwks": "jwks.json"}
    del given[missing]
    with pytest.raises(SettingsInvalid, match=f"{missing}: needed with"):
        Credentials(load_settings(**given), open_store("memory:"))


def test_any_identity_setting_ends_development_mode() -> None:
    assert is_development(load_settings())
    for given in ({"api_keys": True}, {"jwks": "x"}, {"jwt_issuer": "x"}, {"jwt_audience": "x"}):
        assert not is_development(load_settings(**given))
