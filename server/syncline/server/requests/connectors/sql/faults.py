"""The one place where the errors of a database become the connector's, free of secrets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import quote, quote_plus

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchTableError, SQLAlchemyError

from syncline.server.requests.connectors.contract import ConnectorError

_FOR_GOOD_CLASSES = ("0A", "22", "23", "28", "3D", "3F", "42")
"""SQLSTATE: not supported, data, constraints, authorisation, database, schema, and what is missing or not allowed."""
_FOR_GOOD_TEXTS = (
    "authentication failed",
    "no password supplied",
    "access denied",
    "login failed",
    "does not exist",
    "no such table",
    "no such column",
    "constraint",
    "readonly database",
    "on conflict clause",
    "not a database",
)
"""What drivers say that tell no SQLSTATE: SQLite's always, and psycopg while it connects."""


@contextmanager
def our_errors(secrets: Mapping[str, str]) -> Iterator[None]:
    """Let nothing of the database's errors out but their first line, without secrets.

    Raises:
        ConnectorError: the database did not do it; for good if it would not do it the next time.
    """
    try:
        yield
    except NoSuchTableError as fault:
        raise ConnectorError(f"there is no table {fault}", for_good=True) from None
    except DBAPIError as fault:
        text = first_line(fault.orig)
        # The driver's error is not chained: nobody can tell what it holds.
        raise ConnectorError(
            f"the database answered: {without_secrets(text, secrets)}", for_good=_is_for_good(fault)
        ) from None
    except (SQLAlchemyError, ImportError) as fault:
        raise ConnectorError(without_secrets(first_line(fault), secrets), for_good=True) from None


def _is_for_good(fault: DBAPIError) -> bool:
    sqlstate = getattr(fault.orig, "sqlstate", None)
    if isinstance(sqlstate, str):
        return sqlstate.startswith(_FOR_GOOD_CLASSES)
    text = str(fault.orig).lower()
    return any(part in text for part in _FOR_GOOD_TEXTS)


def first_line(fault: BaseException | None) -> str:
    """What went wrong, without the statement and its parameters."""
    return str(fault).strip().partition("\n")[0]


def without_secrets(text: str, secrets: Mapping[str, str]) -> str:
    """The text, with each secret in it crossed out, however it is spelled in a URL."""
    hidden = {secret for secret in secrets.values() if secret}
    if "url" in secrets:
        try:
            hidden.add(make_url(secrets["url"]).password or "")
        except (ArgumentError, ValueError):
            hidden.discard("")
    for secret in sorted(hidden, key=len, reverse=True):
        for spelled in (secret, quote(secret, safe=""), quote_plus(secret)):
            if spelled:
                text = text.replace(spelled, "***")
    return text
