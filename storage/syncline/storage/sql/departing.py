"""Leaving departures where records went away from, and removing them where records came to."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, bindparam, delete, exists, select

from syncline.storage.models import Feed
from syncline.storage.sql.base import SqlBase
from syncline.storage.sql.json_rows import as_json_keys, one_of_keys
from syncline.storage.sql.tables import departure
from syncline.storage.sql.write_plan import Departure, ItemName

_ANY_OF_FEED = select(
    exists().where(
        departure.c.account_id == bindparam("of_account"),
        departure.c.scope == bindparam("of_scope"),
        departure.c.bucket == bindparam("of_bucket"),
    )
)
_FORGET = delete(departure).where(
    departure.c.account_id == bindparam("of_account"),
    departure.c.object_type == bindparam("of_type"),
    one_of_keys("keys", departure.c.record_key),
    departure.c.scope == bindparam("of_scope"),
    departure.c.bucket == bindparam("of_bucket"),
)


class SqlDeparting(SqlBase):
    """What keeps a feed at one row per key when a record moves between feeds (G2)."""

    def _forget_departures(self, connection: Connection, account_id: str, arrivals: Mapping[ItemName, Feed]) -> None:
        """Remove the departures of items from feeds that they came (back) to."""
        # Most feeds were never left by anything: one look at each saves the look at each item.
        left = {
            feed: {"of_account": account_id, "of_scope": feed.scope, "of_bucket": feed.bucket}
            for feed in set(arrivals.values())
        }
        left = {feed: values for feed, values in left.items() if connection.execute(_ANY_OF_FEED, values).scalar_one()}
        keys: dict[tuple[str, Feed], list[str]] = {}
        for (object_type, key), feed in arrivals.items() if left else ():
            keys.setdefault((object_type, feed), []).append(key)
        for (object_type, feed), of_feed in keys.items():
            if feed in left:
                connection.execute(_FORGET, {**left[feed], "of_type": object_type, "keys": as_json_keys(of_feed)})

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
