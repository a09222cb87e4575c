"""`syncline-server certificates`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from syncline.server.errors import SettingsInvalid
from syncline.server.transport.trial_certificates import (
    issue_client_certificate,
    issue_server_certificate,
    open_authority,
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("certificates")(certificates)


def certificates(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to write them.", show_default=False)],
    host: Annotated[
        list[str],
        typer.Option("--host", metavar="NAME", help="A name or address of the server; may be repeated."),
    ],
    client: Annotated[
        str | None, typer.Option("--client", metavar="NAME", help="A certificate for a client of this name, too.")
    ] = None,
    days: Annotated[int, typer.Option("--days", min=1, max=3650, help="How long they hold.")] = 90,
) -> None:
    """Make certificates for trying TLS out: an authority of your own, and a server certificate by it.

    Writes ca.pem, server.pem and server.key, and ca.key, which signs: keep it from servers. An authority that is there
    already is used again, so that the command also renews; a running server takes the new certificate by itself.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        authority = open_authority(folder)
        issue_server_certificate(authority, folder, host, days)
        if client is not None:
            issue_client_certificate(authority, folder, client, days)
    except ValueError as error:
        raise SettingsInvalid(f"{folder}: {error}") from error
    made = ["server.pem", "server.key", *(("client.pem", "client.key") if client is not None else ())]
    typer.echo(f"{folder}: {', '.join(made)}, by the authority of ca.pem, for {days} days")
