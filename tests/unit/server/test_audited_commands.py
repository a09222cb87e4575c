"""Each command of `syncline-server` that changes an account is in its audit log, or is no administrative act."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest
from typer.models import CommandInfo
from typer.testing import CliRunner

from syncline.server import token_keys
from syncline.server.commands.app import app
from syncline.server.config import load_settings
from syncline.server.enrollments.secrets import secret_box
from syncline.storage import Store, open_store
from syncline.storage.audit_models import Act, AuditFilter
from syncline.storage.request_models import Enrollment
from tests.harness.server import declare_notes, start_server

ACCOUNT = "acme"
OF_ACCOUNT = ("--account", ACCOUNT)
OLD, NEW = (base64.b64encode(character * 32).decode() for character in (b"o", b"n"))

NOT_AUDITED: Mapping[str, str] = {
    "worker": "data flow: runs sync requests; a schema that one infers is kept",
    "migrate": "the tables of all accounts, and nothing in them",
    "doctor": "reads",
    "audit": "reads",
    "account list": "reads",
    "token list": "reads",
    "schema diff": "reads",
    "schema show": "reads",
    "secrets list": "reads",
    "certificates": "files of this machine, of no account",
    "config": "reads",
    "connectors install": "files of this machine, of no account",
    "connectors list": "reads",
    "connectors remove": "files of this machine, of no account",
}


class Operator:
    """Somebody at the command line, with a store that has the account `acme`."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder
        self.store: Store = open_store(url)
        declare_notes(self.store, ACCOUNT)

    def acts(self, account_id: str = ACCOUNT) -> list[Act]:
        """What is in the log of the account."""
        return [entry.act for entry in self.store.list_acts(account_id, AuditFilter(), before=None, limit=100)]

    def run(self, *arguments: str) -> str:
        """Run a command that succeeds; what it prints to stdout."""
        ended = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert ended.exit_code == 0, ended.output
        return ended.stdout

    def create_account(self) -> Act:
        """`account create`."""
        self.run("account", "create", "other")
        (act,) = self.acts("other")
        return act

    def serve(self) -> Act:
        """`serve`, which makes the account of development mode."""
        with start_server(self.url, account="development"):
            (act,) = self.acts("development")
        return act

    def create_token(self) -> Act:
        """`token create`."""
        self.run("token", "create", "robot", *OF_ACCOUNT, "--permission", "sync")
        return self.acts()[0]

    def revoke_token(self) -> Act:
        """`token revoke`."""
        self.create_token()
        (key,) = self.store.list_api_keys(ACCOUNT)
        self.run("token", "revoke", key.prefix, *OF_ACCOUNT)
        return self.acts()[0]

    def apply_schema(self) -> Act:
        """`schema apply`."""
        file = self.folder / "schema.yaml"
        shown = self.run("schema", "show", *OF_ACCOUNT)
        file.write_text(shown.replace("        text: string", "        text: string\n        stars: integer"))
        self.run("schema", "apply", str(file), *OF_ACCOUNT)
        return self.acts()[0]

    def import_files(self) -> Act:
        """`import`, of an object type that is not declared."""
        file = self.folder / "rows.csv"
        file.write_text("id,stars\na,1\n")
        self.run("import", str(file), "--type", "hotel", "--key", "id", *OF_ACCOUNT)
        return self.acts()[0]

    def renew_epoch(self) -> Act:
        """`renew-epoch`."""
        self.run("renew-epoch", *OF_ACCOUNT)
        return self.acts()[0]

    def rotate(self) -> Act:
        """`secrets rotate`."""
        self.store.add_server_secret(token_keys.PURPOSE, 1, b"x" * 32, now=0)
        self.run("secrets", "rotate")
        return self.acts()[0]

    def retire(self) -> Act:
        """`secrets retire`."""
        for number in (1, 2):
            self.store.add_server_secret(token_keys.PURPOSE, number, b"x" * 32, now=0)
        self.run("secrets", "retire", "1")
        return self.acts()[0]

    def reseal(self) -> Act:
        """`secrets reseal`."""
        sealed = secret_box(load_settings(secret_key=OLD)).seal(ACCOUNT, "e", {"password": "x"})
        enrollment = Enrollment("e", "books", "external", "{}", sealed, True, 1, 1, "ann")
        self.store.put_enrollment(ACCOUNT, enrollment, expected_modified_at=None)
        self.run("secrets", "reseal")
        return self.acts()[0]


Doing: TypeAlias = Callable[[Operator], Act]

AUDITED: Mapping[str, tuple[str, Doing]] = {
    "account create": ("account.create", Operator.create_account),
    "serve": ("account.create", Operator.serve),
    "token create": ("token.create", Operator.create_token),
    "token revoke": ("token.revoke", Operator.revoke_token),
    "schema apply": ("schema.apply", Operator.apply_schema),
    "import": ("schema.infer", Operator.import_files),
    "renew-epoch": ("account.renew_epoch", Operator.renew_epoch),
    "secrets rotate": ("secrets.rotate", Operator.rotate),
    "secrets retire": ("secrets.retire", Operator.retire),
    "secrets reseal": ("enrollment.reseal", Operator.reseal),
}


@pytest.fixture
def operator(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Operator]:
    monkeypatch.setenv("SYNCLINE_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("SYNCLINE_SECRET_KEY", NEW)
    monkeypatch.setenv("SYNCLINE_SECRET_KEY_PREVIOUS", OLD)
    operator = Operator(sqlite_url, tmp_path)
    yield operator
    operator.store.close()


def commands() -> set[str]:
    """All commands that there are, as they are typed."""
    found = {_name(command) for command in app.registered_commands}
    for group in app.registered_groups:
        assert group.typer_instance is not None
        found |= {f"{group.name} {_name(command)}" for command in group.typer_instance.registered_commands}
    return found


def _name(command: CommandInfo) -> str:
    assert command.callback is not None
    return command.name or command.callback.__name__


def test_every_command_is_audited_or_has_a_reason_not_to_be() -> None:
    assert AUDITED.keys() | NOT_AUDITED.keys() == commands()
    assert not AUDITED.keys() & NOT_AUDITED.keys()


@pytest.mark.parametrize("command", AUDITED)
def test_a_command_is_in_the_audit_log(operator: Operator, command: str) -> None:
    action, do = AUDITED[command]
    act = do(operator)
    assert act.action == action
    assert (act.principal, act.credential.split()[0]) == ("operator", "user")
