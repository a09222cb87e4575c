"""`syncline-server account` and `token`: what they keep, and what they show."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from syncline.server.commands.app import app
from syncline.server.errors import SettingsInvalid
from syncline.server.identity.api_key_text import read_api_key, secret_hash
from syncline.storage import Store, open_store
from syncline.storage.errors import AccountNotFound, ApiKeyNotFound

CREATE = ("token", "create", "robot", "--account", "acme", "--permission", "sync")


@pytest.fixture
def store(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The store that the commands work on, with the account `acme`."""
    monkeypatch.setenv("SYNCLINE_DATABASE_URL", sqlite_url)
    store = open_store(sqlite_url)
    run("account", "create", "acme")
    yield store
    store.close()


def run(*arguments: str) -> tuple[str, str]:
    """What the command writes to stdout and to stderr; it ends well, or raises."""
    ended = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    return ended.stdout, ended.stderr


def test_accounts_are_made_once_and_listed(store: Store) -> None:
    before = store.get_head("acme")
    run("account", "create", "acme")
    run("account", "create", "Öl & Gas")
    assert store.get_head("acme") == before
    assert run("account", "list")[0].splitlines() == ["acme", "Öl & Gas"]


def test_the_first_account_makes_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCLINE_DATABASE_URL", f"sqlite:///{tmp_path / 'new.db'}")
    run("account", "create", "acme")
    assert run("account", "list")[0] == "acme\n"


def test_a_key_is_printed_once_and_kept_as_a_hash(store: Store) -> None:
    buckets = [word for scope in ("main", "other") for name in "ab" for word in ("--bucket", f"{scope}:{name}")]
    out, err = run(*CREATE, "--permission", "sync.write", "--expires", "90d", *buckets)
    parts = read_api_key(out.strip())
    assert parts
    (key,) = store.list_api_keys("acme")
    assert (key.prefix, key.name, key.secret_hash) == (parts.prefix, "robot", secret_hash(parts.secret))
    assert key.permissions == {"sync", "sync.write"}
    assert key.buckets == {"main": frozenset("ab"), "other": frozenset("ab")}
    assert key.expires_at - key.created_at == 90 * 86_400 * 1_000_000
    secret = out.strip()[16:]
    assert secret not in err
    listed = run("token", "list", "--account", "acme")[0]
    assert secret not in listed
    assert all(
        word in listed
        for word in (key.prefix, "robot", "active", "sync sync.write", "main:a main:b other:a other:b", "never")
    )


def test_a_key_is_revoked_by_its_prefix(store: Store) -> None:
    run(*CREATE)
    (key,) = store.list_api_keys("acme")
    with pytest.raises(ApiKeyNotFound):
        run("token", "revoke", "another", "--account", "acme")
    assert key.prefix in run("token", "revoke", key.prefix, "--account", "acme")[0]
    assert store.list_api_keys("acme")[0].revoked_at
    assert "revoked" in run("token", "list", "--account", "acme")[0]


@pytest.mark.parametrize(
    "arguments",
    [
        (*CREATE, "--expires", "soon"),
        (*CREATE, "--expires", "0d"),
        (*CREATE, "--bucket", "main"),
        (*CREATE, "--bucket", "main:a", "--bucket", "main:b", "--bucket", "other:a"),
        ("token", "create", "", "--permission", "sync"),
        ("token", "create", "a\nb", "--permission", "sync"),
        ("account", "create", ""),
        ("account", "create", "a\tb"),
    ],
    ids=lambda arguments: " ".join(arguments[-2:]).encode("unicode_escape").decode(),
)
def test_what_makes_no_sense_is_refused(store: Store, arguments: tuple[str, ...]) -> None:
    with pytest.raises(SettingsInvalid):
        run(*arguments)
    assert store.list_api_keys("acme") == []
    assert store.list_accounts() == ["acme"]


def test_no_command_of_keys_makes_an_account(store: Store) -> None:
    for arguments in (("create", "robot", "--permission", "sync"), ("list",), ("revoke", "x")):
        with pytest.raises(AccountNotFound):
            run("token", *arguments, "--account", "typo")
    assert store.list_accounts() == ["acme"]
