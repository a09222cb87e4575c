"""The settings of the connector `sql`: which database, which tables, and how they are records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from syncline.server.requests.connectors.contract import ConnectorError

BATCH_ROWS_MAX: Final = 1_000

_ENTRIES: Final = frozenset({"url", "tables", "batch_rows"})
_TABLE_ENTRIES: Final = frozenset({"table", "key", "cursor", "columns"})
_SECRETS: Final = frozenset({"url", "password"})
_DRIVERS: Final = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
"""The driver that is installed here, for who does not name one."""


@dataclass(frozen=True, slots=True)
class TableSettings:
    """Where the records of one object type are."""

    object_type: str
    schema: str | None
    """The table's schema in the database; None: the connection's own."""
    table: str
    key: tuple[str, ...]
    """The columns that name a row."""
    cursor: str | None
    """The column that grows whenever a row changes; None: there is none, and a delta reads the whole table."""
    columns: Mapping[str, str] | None
    """Column to field; None: those that are called the same."""

    @property
    def full_name(self) -> str:
        """As it stands in the settings."""
        return f"{self.schema}.{self.table}" if self.schema else self.table


@dataclass(frozen=True, slots=True)
class SqlSettings:
    """All of an enrollment's settings. Its repr shows no password: that of a URL leaves it out."""

    url: URL
    tables: tuple[TableSettings, ...]
    """Empty: none is chosen yet."""
    batch_rows: int


def read_settings(settings: Mapping[str, Any], secrets: Mapping[str, str]) -> SqlSettings:
    """Read the settings, and check all of them.

    Raises:
        ConnectorError: an entry is missing, wrong, or not known; it names all that are.
    """
    wrong = [f"{name}: there is no such setting" for name in settings if name not in _ENTRIES]
    wrong += [f"the secret {name}: there is no such secret" for name in secrets if name not in _SECRETS]
    url = _url(settings, secrets, wrong)
    tables = _tables(settings.get("tables"), wrong)
    batch_rows = settings.get("batch_rows", BATCH_ROWS_MAX)
    if type(batch_rows) is not int or not 1 <= batch_rows <= BATCH_ROWS_MAX:
        wrong.append(f"batch_rows: must be a whole number from 1 to {BATCH_ROWS_MAX:,}")
    if wrong or url is None:
        raise ConnectorError("; ".join(wrong), for_good=True)
    return SqlSettings(url, tables, batch_rows)


def _url(settings: Mapping[str, Any], secrets: Mapping[str, str], wrong: list[str]) -> URL | None:
    if ("url" in settings) == ("url" in secrets):
        wrong.append("url: must be there once, as a setting (without password) or as a secret")
        return None
    is_secret = "url" in secrets
    where = "the secret url" if is_secret else "url"
    try:
        url = make_url(secrets["url"] if is_secret else settings["url"])
        url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
        if url.get_dialect().is_async:
            wrong.append(f"{where}: names an asynchronous driver, which is none that can be used here")
    except NoSuchModuleError:
        wrong.append(f"{where}: no such kind of database is known here")
        return None
    except (ArgumentError, ValueError):
        wrong.append(f"{where}: is no URL, such as postgresql://USER@HOST/DATABASE")
        return None
    except ImportError as fault:
        wrong.append(f"{where}: the driver of this database is not installed ({fault.name})")
        return None
    if not is_secret and (url.password is not None or any("passw" in name.lower() for name in url.query)):
        wrong.append("url: must not hold the password, which belongs into the secret `password`")
    if "password" not in secrets:
        return url
    if url.password is not None:
        wrong.append("the secret password: the URL has one already")
    return url.set(password=secrets["password"])


def _tables(tables: object, wrong: list[str]) -> tuple[TableSettings, ...]:
    if not isinstance(tables, Mapping):
        wrong.append('tables: must say for each object type where its records are: {"TYPE": {"table": …, "key": […]}}')
        return ()
    return tuple(_table(name, table, wrong) for name, table in tables.items())


def _table(object_type: str, table: object, wrong: list[str]) -> TableSettings:
    path = f"tables.{object_type}"
    entries: Mapping[str, Any] = table if isinstance(table, Mapping) else {}
    if not isinstance(table, Mapping):
        wrong.append(f"{path}: must be an object with table and key")
    wrong += [f"{path}.{name}: there is no such setting" for name in entries if name not in _TABLE_ENTRIES]
    key, cursor, columns = (entries.get(each) for each in ("key", "cursor", "columns"))
    schema, dot, name = str(entries.get("table", "")).rpartition(".")
    if not _is_name(entries.get("table")) or not name or (dot and not schema):
        wrong.append(f"{path}.table: must be the name of a table, or SCHEMA.TABLE")
    if not isinstance(key, list) or not key or not all(map(_is_name, key)) or len(set(key)) < len(key):
        wrong.append(f"{path}.key: must be a list of columns, each once")
        key = []
    if cursor is not None and not _is_name(cursor):
        wrong.append(f"{path}.cursor: must be the name of a column, or null")
    if columns is not None and not _is_mapping_of_names(columns):
        wrong.append(f"{path}.columns: must be an object of columns and their fields, each field once")
    return TableSettings(object_type, schema or None, name, tuple(key), cursor, columns)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_mapping_of_names(value: object) -> bool:
    if not isinstance(value, Mapping) or not value:
        return False
    fields = list(value.values())
    return all(map(_is_name, value)) and all(map(_is_name, fields)) and len(set(fields)) == len(fields)
