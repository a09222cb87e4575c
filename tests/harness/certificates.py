"""Certificates for tests, made when they are needed."""

from __future__ import annotations

from pathlib import Path

from syncline.server.transport.trial_certificates import (
    issue_client_certificate,
    issue_server_certificate,
    open_authority,
)


def make_certificates(folder: Path, *hosts: str) -> Path:
    """A new authority in the folder, with a server certificate for the hosts and a client's; answers the folder."""
    folder.mkdir()
    authority = open_authority(folder)
    issue_server_certificate(authority, folder, hosts or ("127.0.0.1",), 1)
    issue_client_certificate(authority, folder, "till", 1)
    return folder


def server_settings(folder: Path) -> dict[str, object]:
    """The settings of a server that shows the folder's certificate."""
    return {"tls_certificate_file": str(folder / "server.pem"), "tls_key_file": str(folder / "server.key")}
