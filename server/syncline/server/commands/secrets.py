"""`syncline-server secrets`: the keys that seal what clients keep for the server, and the secrets of enrollments."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import Annotated

import typer

from syncline.server.acts import act_of_operator
from syncline.server.commands.options import Database
from syncline.server.config import load_settings
from syncline.server.enrollments.resealing import reseal
from syncline.server.enrollments.secrets import SecretsSealed, secret_box
from syncline.server.environment import now_us
from syncline.server.errors import SettingsInvalid
from syncline.server.opening import open_settings_store
from syncline.server.token_keys import load_token_keys, retire_token_key, rotate_token_keys
from syncline.storage import Store


def register(app: typer.Typer) -> None:
    """Add the command group to the program."""
    group = typer.Typer(
        no_args_is_help=True,
        help="Rotate the keys that seal what clients keep for the server, and the secrets of enrollments.",
    )
    group.command("list")(list_keys)
    group.command("rotate")(rotate)
    group.command("retire")(retire)
    group.command("reseal")(reseal_secrets)
    app.add_typer(group, name="secrets")


def list_keys(database: Database = None) -> None:
    """List the token keys by number. No key is shown."""
    with _store(database) as store:
        for secret in load_token_keys(store, now=now_us()):
            made = datetime.fromtimestamp(secret.created_at / 1_000_000, UTC)
            typer.echo(f"token key {secret.number}, made {made:%Y-%m-%d %H:%M} UTC")


def rotate(database: Database = None) -> None:
    """Make a new token key. Servers seal with it from two minutes on; what older keys sealed stays valid."""
    with _store(database) as store:
        number = rotate_token_keys(store, now=now_us())
        _note(store, "secrets.rotate", number)
    typer.echo(f"token key {number} was made; servers seal with it in two minutes")


def retire(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="The key, as `secrets list` names it.")],
    database: Database = None,
) -> None:
    """Accept a token key no more. Devices that were not in contact since it was replaced must load everything again."""
    with _store(database) as store:
        retire_token_key(store, number, now=now_us())
        _note(store, "secrets.retire", number)
    typer.echo(f"token key {number} is retired; servers refuse what it sealed within a minute")


def reseal_secrets(database: Database = None) -> None:
    """Seal the secrets of all enrollments with the newest secret_key; after that, no previous one is needed."""
    settings = load_settings(database_url=database)
    with _store(database) as store:
        try:
            done = reseal(store, secret_box(settings), now=now_us)
        except SecretsSealed as error:
            raise SettingsInvalid(str(error)) from error
    typer.echo(f"the secrets of {done.resealed:,} enrollments were sealed anew")
    for account_id, name in done.unreadable:
        typer.echo(
            f"error: no key opens the secrets of {name!r} of the account {account_id!r}: give them anew", err=True
        )
    if done.unreadable:
        raise typer.Exit(1)


def _store(database: str | None) -> closing[Store]:
    return closing(open_settings_store(load_settings(database_url=database)))


def _note(store: Store, action: str, number: int) -> None:
    """Keep the act for each account: the key seals tokens of all of them."""
    for account_id in store.list_accounts():
        store.note_act(account_id, act_of_operator(action, f"token key {number}"))
