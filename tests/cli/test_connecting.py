"""With which token and whose certificates a command reaches its server, and what it says if that will not do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from tests.cli.conftest import Syncline
from tests.client.scripted import Fault, ScriptedService, serving
from tests.harness.certificates import make_certificates


@pytest.fixture
def service() -> ScriptedService:
    return ScriptedService()


@pytest.fixture
def scripted(service: ScriptedService) -> Iterator[str]:
    with serving(service) as address:
        yield address


def refuse(service: ScriptedService, status: grpc.StatusCode, reason: str) -> None:
    service.starts.extend([Fault(status, reason, message="no")] * 2)


def test_a_token_comes_from_a_file_or_the_environment(
    syncline: Syncline, service: ScriptedService, scripted: str, file: Path, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("of the file\n")
    refuse(service, grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")
    sync = ("sync", file, "--server", scripted)

    ended = syncline(*sync, "--token-file", token)
    refuse(service, grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")
    syncline(*sync, SYNCLINE_TOKEN_FILE=str(token))
    refuse(service, grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")
    syncline(*sync, SYNCLINE_TOKEN="of the environment")  # noqa: S106

    assert (ended.status, "--token-file" in ended.stderr) == (1, True)
    assert {call["authorization"] for call in service.metadata} == {"Bearer of the file", "Bearer of the environment"}


def test_a_token_never_stands_on_the_command_line(syncline: Syncline, file: Path) -> None:
    assert syncline("sync", file, "--server", "127.0.0.1:1", "--token", "secret").status == 2


def test_a_missing_permission_is_told_with_what_to_do(
    syncline: Syncline, service: ScriptedService, scripted: str, file: Path
) -> None:
    refuse(service, grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_MISSING")
    ended = syncline("sync", file, "--server", scripted)
    assert (ended.status, ended.stderr) == (
        1,
        "error: no (whoever gave you the token can give you one that may do this)\n",
    )


@pytest.mark.parametrize("content", ["", "two\nlines"])
def test_a_file_without_a_token_is_told(syncline: Syncline, file: Path, tmp_path: Path, content: str) -> None:
    token = tmp_path / "token"
    token.write_text(content)
    ended = syncline("sync", file, "--server", "127.0.0.1:1", "--token-file", token)
    assert ended.status == 1
    assert "token" in ended.stderr
    assert "lines" not in ended.stderr.replace("line breaks", "")


def test_a_client_certificate_is_shown_to_servers_that_ask(
    syncline: Syncline, service: ScriptedService, file: Path, tmp_path: Path
) -> None:
    folder = make_certificates(tmp_path / "certificates", "localhost")
    key, certificate, authority = ((folder / name).read_bytes() for name in ("server.key", "server.pem", "ca.pem"))
    credentials = grpc.ssl_server_credentials([(key, certificate)], authority, require_client_auth=True)
    refuse(service, grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_MISSING")
    with serving(service, credentials) as target:
        sync = ("sync", file, "--server", target, "--ca-file", folder / "ca.pem")
        ended = syncline(*sync, "--client-certificate", folder / "client.pem", "--client-key", folder / "client.key")
    assert len(service.start_requests) == 1, ended.stderr


def test_a_server_without_tls_is_told_in_one_line(scripted: str, file: Path, tmp_path: Path) -> None:
    """In a process of its own: gRPC would say more by itself, and looks at its variables once."""
    folder = make_certificates(tmp_path / "certificates", "localhost")
    command = [sys.executable, "-m", "syncline.cli", "sync", str(file), "--server", scripted]
    ended = subprocess.run([*command, "--ca-file", str(folder / "ca.pem")], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: ")
    assert ended.stderr.count("\n") == 1
