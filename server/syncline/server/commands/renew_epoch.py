"""`syncline-server renew-epoch`."""

from __future__ import annotations

from contextlib import closing

import typer

from syncline.server.acts import act_of_operator
from syncline.server.commands.options import Account, Database
from syncline.server.config import load_settings
from syncline.server.opening import open_settings_store
from syncline.server.tokens import store_epoch_text


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("renew-epoch")(renew_epoch)


def renew_epoch(database: Database = None, account: Account = None) -> None:
    """Run this after an older backup was restored: devices then load everything again.

    Without it, devices that have seen more than the backup holds would take the server's new revisions for old ones.
    """
    settings = load_settings(database_url=database, account=account)
    with closing(open_settings_store(settings)) as store:
        act = act_of_operator("account.renew_epoch", settings.account)
        head = store.renew_store_epoch(settings.account, act=act)
    typer.echo(
        f"account {settings.account}: store epoch {store_epoch_text(head.store_epoch)} from revision {head.revision} on"
    )
