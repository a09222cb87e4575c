"""Connections to Postgres that carry hints only, and the pauses between tries to get one."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final, TypedDict

import psycopg

from syncline.data import metrics
from syncline.server.telemetry.instruments import counter

RECONNECTS = counter(metrics.NOTIFICATION_RECONNECTS)
CHANNEL: Final = "syncline"
_FIRST_PAUSE_SECONDS: Final = 0.1
_LAST_PAUSE_SECONDS: Final = 10.0


class _Options(TypedDict):
    application_name: str
    connect_timeout: int
    keepalives_idle: int
    keepalives_interval: int
    keepalives_count: int
    tcp_user_timeout: int


# Nothing is sent over a connection that listens: without keepalives it would never find out that its peer is gone.
OPTIONS: Final[_Options] = {
    "application_name": "syncline hints",
    "connect_timeout": 10,
    "keepalives_idle": 20,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,  # milliseconds
}


def connection_string(database_url: str) -> str:
    """The store's URL as psycopg takes it: without the name of a driver."""
    return f"postgresql:{database_url.partition(':')[2]}"


def told(error: psycopg.Error) -> str:
    """The error in a line. libpq quotes a URL that it cannot read, password and all: of that, only the kind is told."""
    if isinstance(error, psycopg.OperationalError):
        return str(error).strip().partition("\n")[0]
    return type(error).__name__


def pauses() -> Iterator[float]:
    """Seconds to wait before each further try: longer each time, and not the same for all processes."""
    longest = _FIRST_PAUSE_SECONDS
    while True:
        yield random.uniform(longest / 2, longest)  # noqa: S311  no secret
        longest = min(longest * 2, _LAST_PAUSE_SECONDS)
