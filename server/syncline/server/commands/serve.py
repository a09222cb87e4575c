"""`syncline-server serve`."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Annotated

import structlog
import typer

from syncline.data.telemetry import SERVICE_REQUESTS, SERVICE_SERVER, SERVICE_SYNC
from syncline.server.acts import act_of_operator
from syncline.server.address import Address, parse_address, require_loopback
from syncline.server.app import App
from syncline.server.commands.options import Account, Database
from syncline.server.config import Services, Settings, load_settings
from syncline.server.errors import SettingsInvalid
from syncline.server.garbage import collect_seldom
from syncline.server.identity.credentials import is_development
from syncline.server.logs import set_up_logs
from syncline.server.opening import is_new_sqlite_file, open_settings_store
from syncline.server.telemetry.metrics_setup import metering
from syncline.server.telemetry.traces_setup import tracing
from syncline.storage import Store
from syncline.storage.sql.migrating import migrate

_log = structlog.get_logger(__name__)

_SERVICE_NAMES = {
    Services.ALL: SERVICE_SERVER,
    Services.SYNC: SERVICE_SYNC,
    Services.SYNC_REQUEST: SERVICE_REQUESTS,
}

_SWITCH_SECONDS = 0.0005
"""How long a thread may keep Python's lock from others. By Python's default of ten times as much, each answer of the
database waits behind whatever else the server computes."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("serve")(serve)


def serve(
    database: Database = None,
    account: Account = None,
    listen: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Where to serve; port 0 takes a free one. Default: SYNCLINE_LISTEN."),
    ] = None,
    reflection: Annotated[
        bool | None, typer.Option("--reflection/--no-reflection", help="Describe the services to clients that ask.")
    ] = None,
    port_file: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Write the port here once the server is serving.")
    ] = None,
) -> None:
    """Serve devices until SIGTERM or Ctrl-C, then drain and stop.

    A new SQLite file is created; any other database must have been prepared by `syncline-server migrate`.
    """
    settings = load_settings(database_url=database, account=account, listen=listen, reflection=reflection)
    address = parse_address(settings.listen)
    if is_development(settings):
        require_loopback(address)
    set_up_logs(settings.log_level, settings.log_format)
    if is_new_sqlite_file(settings.database_url):
        version = migrate(settings.database_url)
        _log.info("created the database", database=settings.database_url, version=version)
    sys.setswitchinterval(_SWITCH_SECONDS)
    collect_seldom()
    service = _SERVICE_NAMES[settings.services]
    with tracing(settings, service), metering(settings, service):
        store = open_settings_store(settings)
        try:
            if is_development(settings):
                store.create_account(settings.account, act=act_of_operator("account.create", settings.account))
            asyncio.run(_serve(settings, store, address, port_file))
        finally:
            store.close()


async def _serve(settings: Settings, store: Store, address: Address, port_file: Path | None) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with App(settings, store) as app:
        bound = await app.start(address)
        if is_development(settings):
            _log.warning("DEVELOPMENT MODE: no credentials, one account, loopback only", account=settings.account)
        _log.info("serving", address=str(bound))
        if port_file is not None:
            _write_whole(port_file, f"{bound.port}\n")
        await stopping.wait()


def _write_whole(path: Path, text: str) -> None:
    """Let nobody see the file half written; `SettingsInvalid` if it cannot be written."""
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_text(text)
        part.replace(path)
    except OSError as error:
        raise SettingsInvalid(f"port_file: cannot write {path}: {error.strerror or error}") from error
