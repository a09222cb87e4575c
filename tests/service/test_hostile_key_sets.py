"""Sets of keys from an address that has turned bad: the keys that are known go on, and nothing else is taken."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from syncline.server.identity import jwks_source
from syncline.storage import Store, open_store
from tests.harness.certificates import make_certificates
from tests.harness.hostile_http import Answer, HostileServer, endless, hostile_server, whole
from tests.harness.issuer import IDENTITY, claims, ec_key, jwks, signed
from tests.harness.server import RunningApp, declare_notes, running_app
from tests.harness.wire import WireDevice, wire_device
from tests.service.proving import NOT_VALID, answer

KEY, THIEF = ec_key(), ec_key()
GOOD_SET, BAD_SET = jwks(one=KEY), jwks(thief=THIEF)
LARGE_BYTES = 100 << 20
READ_BYTES_MAX = 16 << 20
"""What may be sent before the reader hangs up: the most that a set may have, and the buffers of a connection."""


@pytest.fixture
def store() -> Store:
    store = open_store("memory:")
    declare_notes(store)
    return store


@pytest.fixture(autouse=True)
def _short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwks_source, "_ANSWER_SECONDS_MAX", 0.3)


@asynccontextmanager
async def server_that_knows_its_keys(store: Store, url: str) -> AsyncIterator[tuple[RunningApp, WireDevice]]:
    settings: dict[str, Any] = {**IDENTITY, "jwks": url, "jwks_refresh_seconds": 0.02}
    async with running_app(store, **settings) as app, wire_device(app.address) as device:
        assert await answer(device, f"Bearer {signed(KEY)}") == ""
        yield app, device


async def check_that_the_known_keys_go_on(device: WireDevice) -> None:
    assert await answer(device, f"Bearer {signed(KEY, claims(jti='not verified before'))}") == ""
    assert await answer(device, f"Bearer {signed(THIEF, key_id='thief')}") == NOT_VALID


def cut_off(server: HostileServer) -> dict[str, Answer]:
    """Answers that nobody should wait for the end of."""
    ok = b"HTTP/1.1 200 OK\r\n"
    chunked = ok + b"Transfer-Encoding: chunked\r\n\r\n"
    return {
        "a hundred megabytes": endless(ok + b'\r\n{"keys": [', b" " * 65_536, LARGE_BYTES),
        "a hundred megabytes, announced": endless(
            ok + b"Content-Length: %d\r\n\r\n" % LARGE_BYTES, b" " * 65_536, LARGE_BYTES
        ),
        "a hundred megabytes in chunks": endless(chunked, b"10000\r\n" + b" " * 65_536 + b"\r\n", LARGE_BYTES),
        "a hundred megabytes of one header": endless(ok + b"x: ", b"y" * 65_536, LARGE_BYTES),
        "a hundred megabytes of headers": endless(ok, b"x: " + b"y" * 65_000 + b"\r\n", LARGE_BYTES),
        "a body that drips": server.dripping(ok + b"\r\n", b" "),
        "a header that drips": server.dripping(ok + b"x: ", b"y"),
        "a status that drips": server.dripping(b"HTTP/1.1 2", b"0"),
        "a chunk's length that drips": server.dripping(chunked, b"0"),
        "to be continued for ever": server.dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    }


KINDS = tuple(cut_off(HostileServer(whole(b""))))


@pytest.mark.parametrize("kind", KINDS)
async def test_an_answer_without_end_is_cut_off(store: Store, kind: str) -> None:
    with hostile_server(whole(GOOD_SET)) as server:
        async with server_that_knows_its_keys(store, server.url) as (app, device):
            server.answer = cut_off(server)[kind]
            await app.until(lambda: server.cut_off > 0)
            await check_that_the_known_keys_go_on(device)
            server.answer, server.answered = whole(jwks(one=KEY, two=THIEF)), 0
            await app.until(lambda: server.answered > 1)
            assert await answer(device, f"Bearer {signed(THIEF, key_id='two')}") == "", "it recovers"
    assert server.taken_bytes_max < READ_BYTES_MAX


async def test_an_answer_over_tls_is_cut_off_as_well(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_certificates(tmp_path / "certificates")
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "ca.pem"))
    with hostile_server(whole(GOOD_SET), folder) as server:
        async with server_that_knows_its_keys(store, server.url) as (app, device):
            server.answer = server.dripping(b"HTTP/1.1 200 OK\r\nx: ", b"y")
            await app.until(lambda: server.cut_off > 0)
            await check_that_the_known_keys_go_on(device)


async def test_keys_come_from_where_the_operator_said_and_in_no_other_form(store: Store, tmp_path: Path) -> None:
    elsewhere = tmp_path / "jwks.json"
    elsewhere.write_bytes(BAD_SET)
    with hostile_server(whole(BAD_SET)) as other, hostile_server(whole(GOOD_SET)) as server:
        answers = [
            whole(b"", b"Location: " + place.encode(), status=status)
            for place in (elsewhere.as_uri(), other.url, "ftp://127.0.0.1:1/keys", "//127.0.0.1:1/keys", "data:,{}")
            for status in (b"301 Moved", b"302 Found", b"303 See Other", b"307 Temporary", b"308 Permanent")
        ]
        answers.append(whole(BAD_SET, status=b"500 Failed"))
        answers.append(whole(gzip.compress(BAD_SET), b"Content-Encoding: gzip"))
        async with server_that_knows_its_keys(store, server.url) as (app, device):
            for given in answers:
                server.answer, server.answered = given, 0
                await app.until(lambda: server.answered > 1)
            await check_that_the_known_keys_go_on(device)
    assert other.answered == 0
