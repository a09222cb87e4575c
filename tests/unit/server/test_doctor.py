"""`syncline-server doctor` and `audit`: what they say of a server that is well, and of one that is not."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from syncline.server.commands.app import app
from syncline.storage.sql import SqlStore
from syncline.storage.sql.migrating import migrate
from tests.harness.resolvers import installed_resolvers

SCHEMA = Path("examples/nycflights13.schema.yaml")


def run(*arguments: object) -> tuple[int, list[dict[str, Any]]]:
    """The exit code, and what is said as JSON."""
    ended = CliRunner().invoke(app, [*map(str, arguments), "--json"], catch_exceptions=False)
    return ended.exit_code, [json.loads(line) for line in ended.stdout.splitlines()]


def doctor(**settings: str) -> tuple[int, Mapping[str, str]]:
    """The exit code, and the state of each subject."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(f"SYNCLINE_{name.upper()}", value)
        code, findings = run("doctor")
    assert all(finding["advice"] for finding in findings if finding["state"] != "ok")
    return code, {finding["subject"]: finding["state"] for finding in findings}


def test_a_server_that_is_well(sqlite_url: str) -> None:
    code, states = doctor(database_url=sqlite_url)
    assert code == 0
    assert set(states) == {
        "settings", "database", "tables", "clock", "accounts", "address", "secret key", "resolvers", "connectors",
        "database folder", "disk",
    }  # fmt: skip
    assert set(states.values()) <= {"ok", "warn"}


@pytest.mark.parametrize(
    ("settings", "subject"),
    [
        ({"threads": "none"}, "settings"),
        ({"database_url": "nonsense"}, "database"),
        ({"listen": "0.0.0.0:7400"}, "address"),
        ({"listen": "0.0.0.0:7400", "api_keys": "true"}, "address"),
        ({"listen": "nowhere"}, "address"),
        ({"metrics_listen": "nowhere"}, "metrics address"),
        ({"tls_certificate_file": "missing.pem", "tls_key_file": "missing.pem"}, "certificate"),
        ({"tls_key_file": "missing.pem"}, "certificate"),
        ({"secret_key": "short"}, "secret key"),
        ({"jwt_issuer": "https://issuer.example"}, "credentials"),
        ({"jwt_issuer": "i", "jwt_audience": "a", "jwks": "http://elsewhere.example/keys"}, "credentials"),
        ({"jwt_issuer": "i", "jwt_audience": "a", "jwks": "missing.json"}, "keys of tokens"),
        ({"trace_file": "/nowhere/traces.jsonl"}, "trace folder"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else value.replace(" ", "_"),
)
def test_what_fails_is_told_with_what_to_do(sqlite_url: str, settings: dict[str, str], subject: str) -> None:
    code, states = doctor(**({"database_url": sqlite_url} | settings))
    assert (code, states[subject]) == (1, "fail")


def test_an_extension_that_cannot_be_loaded_fails(sqlite_url: str, tmp_path: Path) -> None:
    with installed_resolvers(tmp_path, "", {"keep": "missing"}):
        code, states = doctor(database_url=sqlite_url)
    assert (code, states["resolvers"], states["connectors"]) == (1, "fail", "ok")


def test_tables_of_another_version_fail(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    migrate(f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    code, states = doctor(database_url=f"sqlite:///{path}")
    assert (code, states["database"], states["tables"]) == (1, "ok", "fail")


@pytest.mark.parametrize(
    ("seconds", "lease_seconds", "state"),
    [(-5, "30", "warn"), (40, "30", "fail"), (40, "90", "warn"), (5, "4", "fail")],
)
def test_clocks_that_differ_are_told_and_fail_by_a_lease(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, seconds: int, lease_seconds: str, state: str
) -> None:
    right = SqlStore.read_clock
    monkeypatch.setattr(SqlStore, "read_clock", lambda store: right(store) + seconds * 1_000_000)
    assert doctor(database_url=sqlite_url, lease_seconds=lease_seconds)[1]["clock"] == state


def test_acts_of_the_command_line_are_in_the_audit_log(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCLINE_DATABASE_URL", sqlite_url)
    ended = CliRunner().invoke(app, ["schema", "apply", str(SCHEMA)], catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    ended = CliRunner().invoke(app, ["token", "create", "robot", "--permission", "sync"], catch_exceptions=False)
    secret = ended.stdout.strip()
    (entry,) = (found for found in run("audit", "--action", "token.")[1])
    assert (entry["principal"], entry["action"], entry["details"]["name"]) == ("operator", "token.create", "robot")
    CliRunner().invoke(app, ["token", "revoke", entry["subject"]], catch_exceptions=False)
    _, entries = run("audit")
    assert [each["action"] for each in entries] == ["token.revoke", "token.create", "schema.apply", "account.create"]
    assert secret not in json.dumps(entries)
    assert run("audit", "--until", "2020-01-01")[1] == []
    assert len(run("audit", "--limit", "1")[1]) == 1
