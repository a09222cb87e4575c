"""`syncline-server schema`: what the account's records are made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
import yaml

from syncline.data.schema_differences import SchemaDifference
from syncline.data.schema_document import to_document
from syncline.server.acts import act_of_operator
from syncline.server.commands.account_store import account_store
from syncline.server.commands.options import Account, Database
from syncline.server.schema.apply_schema import apply_schema, diff_schema
from syncline.server.schema_file import load_schema_file

SchemaFileArgument = Annotated[Path, typer.Argument(help="The schema file (YAML).", metavar="FILE")]


def register(app: typer.Typer) -> None:
    """Add the command group to the program."""
    group = typer.Typer(no_args_is_help=True, help="Declare what the account's records are made of.")
    group.command("apply")(apply)
    group.command("diff")(diff)
    group.command("show")(show)
    app.add_typer(group, name="schema")


def apply(file: SchemaFileArgument, database: Database = None, account: Account = None) -> None:
    """Put the schema of a file into force, or refuse it whole. It may only add to the one in force."""
    with account_store(database=database, account=account) as (store, account_id):
        schema, changes = apply_schema(
            store, account_id, load_schema_file(file), act=act_of_operator("schema.apply", "schema")
        )
    _print_differences(changes)
    count = len(schema.object_types)
    typer.echo(f"schema version {schema.version} is in force: {count} object types in {len(schema.scopes())} scopes")


def diff(file: SchemaFileArgument, database: Database = None, account: Account = None) -> None:
    """Show what `apply` would change, and what it would refuse; exit code 1 if it would refuse."""
    with account_store(database=database, account=account) as (store, account_id):
        changes = diff_schema(store, account_id, load_schema_file(file))
    _print_differences(changes)
    if not changes:
        typer.echo("no difference")
    if not all(change.allowed for change in changes):
        raise typer.Exit(1)


def show(database: Database = None, account: Account = None) -> None:
    """Print the schema in force as a schema file."""
    with account_store(database=database, account=account) as (store, account_id):
        schema = store.read_schema(account_id)
    typer.echo(f"# schema version {schema.version}")
    typer.echo(yaml.safe_dump(to_document(schema), sort_keys=False, allow_unicode=True, width=120), nl=False)


def _print_differences(changes: Sequence[SchemaDifference]) -> None:
    for change in changes:
        typer.echo(f"{'takes' if change.allowed else 'refuses'} {change.path}: {change.description}")
