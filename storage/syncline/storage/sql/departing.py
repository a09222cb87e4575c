"""Leaving departures where records went away from, and removing them where records came to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, bindparam, delete

from syncline.storage.models import Feed
from syncline.storage.sql.base import SqlBase
from syncline.storage.sql.json_rows import as_json_keys, one_of_keys
from syncline.storage.sql.tables import departure
from syncline.storage.sql.write_plan import Departure, ItemName

_FORGET = delete(departure).where(
    departure.c.account_id == bindparam("of_account"),
    departure.c.object_type == bindparam("of_type"),
    one_of_keys("keys", departure.c.record_key),
    departure.c.scope == bindparam("of_scope"),
    departure.c.bucket == bindparam("of_bucket"),
)


class SqlDeparting(SqlBase):
    """What keeps a feed at one row per key when a record moves between feeds (G2)."""

    def _forget_departures(
        self, connection: Connection, account_id: str, arrivals: Iterable[tuple[ItemName, Feed]]
    ) -> None:
        """Remove the departures of items from feeds that they came (back) to."""
        keys: dict[tuple[str, Feed], list[str]] = {}
        for (object_type, key), feed in arrivals:
            keys.setdefault((object_type, feed), []).append(key)
        for (object_type, feed), of_feed in keys.items():
            values = {
                "of_account": account_id,
                "of_type": object_type,
                "keys": as_json_keys(of_feed),
                "of_scope": feed.scope,
                "of_bucket": feed.bucket,
            }
            connection.execute(_FORGET, values)

    def _write_departures(
        self, connection: Connection, account_id: str, departures: Mapping[tuple[ItemName, Feed], Departure]
    ) -> None:
        """Leave departures in the feeds that items left."""
        rows = [
            {
                "account_id": account_id,
                "object_type": item[0],
                "record_key": item[1],
                "scope": feed.scope,
                "bucket": feed.bucket,
                "revision": left.revision,
                "modified_at": left.modified_at,
            }
            for (item, feed), left in departures.items()
        ]
        self._database.upsert(connection, departure, rows)
