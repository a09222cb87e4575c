"""What the file takes over from the server when a session starts: account, history, numbers of changes, schema."""

from __future__ import annotations

import sqlite3

from syncline.client import SyncClient
from syncline.data.errors import DataError
from syncline.data.schema import Schema
from syncline.data.schema_rules import check_schema
from syncline.replica.connection import transaction
from syncline.replica.errors import ForeignAccount, SchemaUnusable
from syncline.replica.facts import read_facts, write_facts, write_schema
from syncline.replica.numbering import go_on_from
from syncline.replica.tables import create_missing
from syncline.replica.verdicts import requeue, take_back


def check_account(connection: sqlite3.Connection, account: str) -> None:
    """Is the file this account's, or nobody's yet?

    Raises:
        ForeignAccount: it is another's.
    """
    own = read_facts(connection).account
    if own and own != account:
        raise ForeignAccount(
            f"this device file belongs to the account {own!r}, but the server serves {account!r}; use another file"
        )


def adopt_account(connection: sqlite3.Connection, account: str) -> None:
    """Make the file this account's, if it is nobody's yet.

    Raises:
        ForeignAccount: it is another's.
    """
    check_account(connection, account)
    if not read_facts(connection).account:
        with transaction(connection):
            write_facts(connection, account=account)


def adopt_store_epoch(connection: sqlite3.Connection, store_epoch: str) -> None:
    """Take over a new history of the server: its revisions say nothing about those of the old one.

    Positions go, so that every feed is loaded anew; rows stay until the checkpoint after that. What was staged or
    refused under the old history goes, too: it comes again. Local changes that the new history may lack wait
    to go up again.
    """
    own = read_facts(connection).store_epoch
    if own == store_epoch:
        return
    with transaction(connection):
        if own:
            connection.execute("DELETE FROM syncline_feed")
            connection.execute("DELETE FROM syncline_staged")
            connection.execute("DELETE FROM syncline_refused")
            connection.execute("UPDATE syncline_load SET settled = 0 WHERE settled")
            requeue(connection)
        write_facts(connection, store_epoch=store_epoch)


def adopt_numbers(connection: sqlite3.Connection, next_change_seq: int, answered_before: int) -> None:
    """Take over where the server had got with the numbers of this device's changes; it had answered so far then."""
    with transaction(connection):
        stale = go_on_from(connection, next_change_seq, answered_before)
        take_back(connection, read_facts(connection).schema, stale)


def adopt_schema(connection: sqlite3.Connection, client: SyncClient) -> Schema:
    """Fetch the schema if it changed, and bring the tables up to it. The schema in force.

    Raises:
        SchemaUnusable: no tables can be made from it.
        SyncError: it cannot be fetched.
    """
    known = read_facts(connection).schema
    schema = client.get_schema(known.version)
    if schema is None:
        return known
    try:
        check_schema(schema)
    except DataError as error:
        raise SchemaUnusable(f"the server's schema cannot be used here: {error}") from error
    with transaction(connection):
        create_missing(connection, schema)
        write_schema(connection, schema)
    return schema
