"""Starts sessions: tells the server where the file stands, and takes over what it says of itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping

from syncline.client import Feed, SyncClient
from syncline.replica.adopting import adopt_account, adopt_numbers, adopt_schema, adopt_store_epoch
from syncline.replica.connection import transaction
from syncline.replica.facts import read_facts
from syncline.replica.feeds import Feeds
from syncline.replica.numbering import answered_through
from syncline.replica.refusals import Refusals
from syncline.v1 import sync_service_pb2


class SessionStarter:
    """The sessions of one run, one after the other."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        client: SyncClient,
        *,
        filters: Mapping[str, Collection[str]],
        always: bool,
    ) -> None:
        """`always`: start a session even if there is nothing new."""
        self._connection = connection
        self._client = client
        self._filters = filters
        self._always = always
        self._untold: set[tuple[str, str]] = set()
        """Feeds whose positions are not told to the server, so that they are loaded anew."""

    def load_anew(self, scopes: Collection[str], feeds: Collection[Feed] = ()) -> None:
        """Load these feeds, or all of these scopes, from their beginning with the next session."""
        self._untold |= set(feeds or self._feeds().names(scopes))

    def start(self, scopes: Collection[str]) -> sync_service_pb2.StartSessionResponse:
        """Start a session over these scopes; none mean all.

        Raises:
            ForeignAccount: the server serves another account.
            SchemaUnusable: no tables can be made from its schema.
            SyncError: it cannot be reached, or refuses.
        """
        told = [
            position for position in self._feeds().told(scopes) if (position.scope, position.bucket) not in self._untold
        ]
        answered_before = answered_through(self._connection)
        answer = self._client.start_session(
            scopes=scopes,
            filters={scope: buckets for scope, buckets in self._filters.items() if not scopes or scope in scopes},
            positions=told,
            refused=Refusals(self._connection).told(),
            # Without positions the server would start at what was acknowledged, which this file may not hold.
            full_resync=not told,
            always=self._always,
        )
        adopt_account(self._connection, answer.account)
        self._forget_untold()
        adopt_store_epoch(self._connection, answer.store_epoch)
        adopt_numbers(self._connection, answer.next_change_seq, answered_before)
        if answer.schema_version != read_facts(self._connection).schema.version:
            adopt_schema(self._connection, self._client)
        return answer

    def _feeds(self) -> Feeds:
        return Feeds(self._connection, read_facts(self._connection).store_epoch)

    def _forget_untold(self) -> None:
        """Drop the positions that were kept back, now that the server has said who it is.

        Their rows stay until the checkpoint sweeps them.
        """
        if self._untold:
            with transaction(self._connection):
                self._feeds().forget(self._untold)
            self._untold.clear()
