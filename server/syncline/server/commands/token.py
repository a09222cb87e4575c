"""`syncline-server token`: API keys of services."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from syncline.server.acts import act_of_operator
from syncline.server.commands.options import Account, Database
from syncline.server.config import load_settings
from syncline.server.environment import now_us
from syncline.server.errors import SettingsInvalid
from syncline.server.identity.api_key_text import new_api_key, secret_hash
from syncline.server.identity.permissions import Permission
from syncline.server.opening import open_settings_store
from syncline.storage.api_key_models import ApiKey

_UNIT_SECONDS: Mapping[str, int] = {"m": 60, "h": 3_600, "d": 86_400}
_NAME_CHARS_MAX = 100
_LINE_CHARS = 500
"""A line of a list is not folded: programs read it, too."""


def register(app: typer.Typer) -> None:
    """Add the command group to the program."""
    group = typer.Typer(no_args_is_help=True, help="Make, list and revoke API keys, which services call with.")
    group.command("create")(create)
    group.command("list")(list_keys)
    group.command("revoke")(revoke)
    app.add_typer(group, name="token")


def create(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Who will use it. Keys of one name are one caller with several keys.")
    ],
    permission: Annotated[
        list[Permission], typer.Option("--permission", help="What it may do; once for each permission.")
    ],
    account: Account = None,
    database: Database = None,
    expires: Annotated[
        str | None,
        typer.Option("--expires", metavar="TIME", help="It works for so long: 90d, 12h, 30m. Default: for ever."),
    ] = None,
    bucket: Annotated[
        list[str] | None,
        typer.Option(
            "--bucket",
            metavar="SCOPE:BUCKET",
            help="It sees this bucket of the scope; once for each, the same for each scope. Default: all buckets.",
        ),
    ] = None,
) -> None:
    """Make an API key and print it. This is the only time that anybody sees it: what is kept is a hash."""
    if not 0 < len(name) <= _NAME_CHARS_MAX or not name.isprintable():
        raise SettingsInvalid(f"the name of an API key has 1 to {_NAME_CHARS_MAX} characters that can be printed")
    settings, now = load_settings(database_url=database, account=account), now_us()
    expires_at = now + _microseconds(expires) if expires is not None else 0
    buckets = _buckets(bucket) if bucket else None
    text, (prefix, secret) = new_api_key()
    key = ApiKey(
        prefix=prefix,
        name=name,
        secret_hash=secret_hash(secret),
        permissions=frozenset(permission),
        buckets=buckets,
        created_at=now,
        expires_at=expires_at,
    )
    with closing(open_settings_store(settings)) as store:
        granted = {"name": name, "permissions": " ".join(sorted(key.permissions))}
        store.create_api_key(settings.account, key, act=act_of_operator("token.create", prefix, **granted))
    ending = f"until {_time(expires_at)}" if expires_at else "until it is revoked"
    typer.echo(f"API key {prefix} of {name} in account {settings.account}, {ending}. It is not shown again:", err=True)
    typer.echo(text)


def list_keys(account: Account = None, database: Database = None) -> None:
    """List the account's API keys, those that ended included; never their secrets."""
    settings, now = load_settings(database_url=database, account=account), now_us()
    with closing(open_settings_store(settings)) as store:
        keys = store.list_api_keys(settings.account)
    table = Table(box=None, pad_edge=False)
    for column in ("prefix", "name", "state", "permissions", "buckets", "created", "last used", "expires"):
        table.add_column(column, no_wrap=True)
    for key in keys:
        table.add_row(
            key.prefix,
            key.name,
            _state(key, now),
            " ".join(sorted(key.permissions)),
            "all" if key.buckets is None else _buckets_text(key.buckets),
            _time(key.created_at),
            _time(key.last_used_at),
            _time(key.expires_at),
        )
    Console(markup=False, highlight=False, width=_LINE_CHARS).print(table)


def revoke(
    prefix: Annotated[str, typer.Argument(metavar="PREFIX", help="As `token list` names it.")],
    account: Account = None,
    database: Database = None,
) -> None:
    """End an API key, for good. Servers that know it refuse it within SYNCLINE_CREDENTIAL_CACHE_SECONDS."""
    settings = load_settings(database_url=database, account=account)
    with closing(open_settings_store(settings)) as store:
        act = act_of_operator("token.revoke", prefix)
        key = store.revoke_api_key(settings.account, prefix, now=now_us(), act=act)
    typer.echo(f"API key {key.prefix} of {key.name} was revoked at {_time(key.revoked_at)}")


def _state(key: ApiKey, now: int) -> str:
    if key.revoked_at:
        return "revoked"
    return "expired" if 0 < key.expires_at <= now else "active"


def _time(time_us: int) -> str:
    if not time_us:
        return "never"
    return datetime.fromtimestamp(time_us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%MZ")


def _microseconds(text: str) -> int:
    match = re.fullmatch(r"([1-9][0-9]{0,5})([mhd])", text)
    if match is None:
        raise SettingsInvalid(f"--expires: must be a number and m, h or d, such as 90d, not {text!r}")
    return int(match[1]) * _UNIT_SECONDS[match[2]] * 1_000_000


def _buckets(texts: Sequence[str]) -> dict[str, frozenset[str]]:
    buckets: dict[str, frozenset[str]] = {}
    for text in texts:
        scope, colon, bucket = text.partition(":")
        if not scope or not colon:
            raise SettingsInvalid(f"--bucket: must be SCOPE:BUCKET, not {text!r}")
        buckets[scope] = buckets.get(scope, frozenset()) | {bucket}
    if len(set(buckets.values())) > 1:
        # Devices are granted buckets whatever the scope: the key would be refused with every call of a device.
        raise SettingsInvalid(f"--bucket: each scope must have the same buckets, not {_buckets_text(buckets)}")
    return buckets


def _buckets_text(buckets: Mapping[str, frozenset[str]]) -> str:
    return " ".join(f"{scope}:{bucket}" for scope, names in sorted(buckets.items()) for bucket in sorted(names))
