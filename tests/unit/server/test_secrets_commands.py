"""`syncline-server secrets`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from syncline.server import token_keys
from syncline.server.commands.app import app
from syncline.server.errors import SettingsInvalid
from syncline.storage import Store, open_store
from syncline.storage.audit_models import AuditFilter


@pytest.fixture
def store(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The store that the commands work on, with the account `acme` and a key that was made long ago."""
    monkeypatch.setenv("SYNCLINE_DATABASE_URL", sqlite_url)
    store = open_store(sqlite_url)
    store.create_account("acme")
    store.add_server_secret(token_keys.PURPOSE, 1, b"x" * 32, now=0)
    yield store
    store.close()


def run(*arguments: str) -> list[str]:
    ended = CliRunner().invoke(app, ["secrets", *arguments], catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    return ended.stdout.splitlines()


def test_keys_are_rotated_listed_and_kept_while_servers_may_seal_with_them(store: Store) -> None:
    assert run("list") == ["token key 1, made 1970-01-01 00:00 UTC"]
    assert run("rotate") == ["token key 2 was made; servers seal with it in two minutes"]
    assert [line.split(",")[0] for line in run("list")] == ["token key 1", "token key 2"]
    for number in "12":
        with pytest.raises(SettingsInvalid, match="may still seal"):
            CliRunner().invoke(app, ["secrets", "retire", number], catch_exceptions=False)


def test_a_key_that_was_replaced_is_retired(store: Store) -> None:
    store.add_server_secret(token_keys.PURPOSE, 2, b"y" * 32, now=1)
    assert run("retire", "1") == ["token key 1 is retired; servers refuse what it sealed within a minute"]
    assert [secret.number for secret in store.list_server_secrets(token_keys.PURPOSE)] == [2]


def test_rotating_is_kept_in_the_audit_log(store: Store) -> None:
    run("rotate")
    (entry,) = store.list_acts("acme", AuditFilter(action="secrets.rotate"), before=None, limit=9)
    assert (entry.act.principal, entry.act.subject) == ("operator", "token key 2")
