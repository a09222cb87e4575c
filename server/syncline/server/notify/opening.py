"""The notifier that goes with a store."""

from __future__ import annotations

from syncline.server.notify.contract import Notifier
from syncline.server.notify.local import LocalNotifier


def open_notifier(database_url: str) -> Notifier:
    """One that reaches all processes on a Postgres database; for any other store, one of this process.

    Make it inside a running event loop.
    """
    if database_url.partition(":")[0].partition("+")[0] != "postgresql":
        return LocalNotifier()
    # Here, because psycopg is an extra that other stores do without.
    from syncline.server.notify.postgres import PostgresNotifier  # noqa: PLC0415

    return PostgresNotifier(database_url)
