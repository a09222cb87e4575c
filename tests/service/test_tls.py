"""TLS: whom a client trusts, whom a server lets in, and new certificates without a restart."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from syncline.client import AsyncSyncClient, ConnectionLost
from syncline.server.address import Address
from syncline.server.app import App
from syncline.server.config import load_settings
from syncline.server.errors import SettingsInvalid
from syncline.storage import Store, open_store
from tests.harness.certificates import make_certificates, server_settings
from tests.harness.server import declare_notes, running_app


@pytest.fixture
def store() -> Iterator[Store]:
    """One store is enough: TLS ends long before it."""
    store = open_store("memory:")
    declare_notes(store)
    yield store
    store.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_certificates(tmp_path / "certificates")


async def start_session(address: str, **options: Any) -> str:
    async with AsyncSyncClient(address, uuid4(), **options) as client:
        return (await client.start_session()).account


def client_pair(folder: Path) -> dict[str, Path]:
    return {"client_certificate": folder / "client.pem", "client_key": folder / "client.key"}


async def test_a_client_that_trusts_the_authority_is_served_and_no_other(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    other = make_certificates(tmp_path / "other")
    async with running_app(store, **server_settings(folder)) as server:
        assert await start_session(server.address, ca_file=folder / "ca.pem") == "dev"
        for wrong in ({"ca_file": other / "ca.pem"}, {"insecure": True}):
            with pytest.raises(ConnectionLost):
                await start_session(server.address, **wrong)


async def test_a_name_that_the_certificate_has_not_is_refused(store: Store, tmp_path: Path) -> None:
    folder = make_certificates(tmp_path / "elsewhere", "sync.example.com")
    async with running_app(store, **server_settings(folder)) as server:
        with pytest.raises(ConnectionLost):
            await start_session(server.address, ca_file=folder / "ca.pem")


async def test_with_an_authority_for_clients_only_theirs_are_let_in(store: Store, folder: Path, tmp_path: Path) -> None:
    other = make_certificates(tmp_path / "other")
    settings = server_settings(folder) | {"tls_client_ca_file": str(folder / "ca.pem")}
    async with running_app(store, **settings) as server:
        assert await start_session(server.address, ca_file=folder / "ca.pem", **client_pair(folder)) == "dev"
        for wrong in ({}, client_pair(other)):
            with pytest.raises(ConnectionLost):
                await start_session(server.address, ca_file=folder / "ca.pem", **wrong)


async def test_a_new_certificate_is_taken_without_a_restart(store: Store, folder: Path, tmp_path: Path) -> None:
    other = make_certificates(tmp_path / "other")
    async with running_app(store, **server_settings(folder)) as server:
        async with AsyncSyncClient(server.address, uuid4(), ca_file=folder / "ca.pem") as connected:
            await connected.start_session()
            for name in ("server.key", "server.pem"):
                shutil.copy(other / name, folder / name)

            assert await start_session(server.address, ca_file=other / "ca.pem") == "dev"

            await connected.start_session()  # what is connected stays so
        with pytest.raises(ConnectionLost):
            await start_session(server.address, ca_file=folder / "ca.pem")


async def test_a_new_file_that_is_broken_keeps_the_old_certificate_and_is_told_once(store: Store, folder: Path) -> None:
    with capture_logs() as lines:
        async with running_app(store, **server_settings(folder)) as server:
            (folder / "server.pem").write_text("half a certificate")
            for _ in range(3):
                assert await start_session(server.address, ca_file=folder / "ca.pem") == "dev"
    (warning,) = [line for line in lines if line["log_level"] == "warning" and "TLS" in line["event"]]
    assert "tls_certificate_file" in warning["error"]


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"tls_key_file": ""}, "needs both"),
        ({"tls_certificate_file": ""}, "needs both"),
        ({"tls_certificate_file": "", "tls_key_file": "", "tls_client_ca_file": "ca.pem"}, "needs both"),
        ({"tls_key_file": "nowhere"}, "tls_key_file: cannot read"),
        ({"tls_key_file": "ca.key"}, "is not that of"),
        ({"tls_key_file": "ca.pem"}, "tls_key_file: .* holds no private key"),
        ({"tls_certificate_file": "server.key"}, "tls_certificate_file: .* holds no certificates"),
        ({"tls_client_ca_file": "ca.key"}, "tls_client_ca_file: .* holds no certificates"),
    ],
)
async def test_files_that_do_not_fit_are_refused_at_the_start(
    store: Store, folder: Path, settings: dict[str, str], complaint: str
) -> None:
    files = {name: value and str(folder / value) for name, value in settings.items()}
    with pytest.raises(SettingsInvalid, match=complaint):
        async with running_app(store, **server_settings(folder) | files):
            pass


async def test_addresses_that_others_reach_need_tls_or_a_word(store: Store, folder: Path) -> None:
    everywhere = Address("0.0.0.0", 0)  # noqa: S104
    async with App(load_settings(drain_linger_seconds=0), store) as app:
        with pytest.raises(SettingsInvalid, match="refused without TLS"):
            await app.start(everywhere)
    async with App(load_settings(drain_linger_seconds=0, **server_settings(folder)), store) as app:
        assert (await app.start(everywhere)).port
    with capture_logs() as lines:
        async with App(load_settings(drain_linger_seconds=0, allow_plaintext=True), store) as app:
            assert (await app.start(everywhere)).port
    assert any("PLAINTEXT" in line["event"] for line in lines)
