"""The connector itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy.exc import NoSuchTableError

from syncline.server.requests.connectors.contract import ConnectorError, DiscoveredStream, Incoming, Job, Outgoing
from syncline.server.requests.connectors.file_settings import allowed_path
from syncline.server.requests.connectors.sql import discovery, reading, writing
from syncline.server.requests.connectors.sql.connecting import connected
from syncline.server.requests.connectors.sql.settings import SqlSettings, read_settings
from syncline.server.requests.connectors.sql.tables import reflect
from syncline.storage.request_models import Operation


class SqlConnector:
    """Reads tables whole or by a cursor column, and writes them by key.

    Args:
        roots: the directories below which SQLite files may be opened; asked for each time.
    """

    name = "sql"
    description = "Tables of a SQL database, such as Postgres, SQLite, MySQL, SQL Server or Oracle."
    operations = frozenset(Operation)

    def __init__(self, roots: Callable[[], Sequence[Path]]) -> None:
        self._roots = roots

    def check_settings(self, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        """See `Connector.check_settings`."""
        read_settings(settings, secrets)

    def read(self, job: Job) -> Iterator[Incoming]:
        """See `Connector.read`. Deleted rows are found by a full run only."""
        return reading.read(job, self._with_tables(job))

    def discover(self, job: Job) -> Sequence[DiscoveredStream]:
        """See `Connector.discover`: the tables of the settings; if there are none, all of the connection's schema."""
        return discovery.discover(job, self._settings(job))

    def write(self, job: Job, records: Iterator[Outgoing]) -> Iterator[int]:
        """See `Connector.write`. A transaction holds 500 records."""
        return writing.write(job, self._with_tables(job), records)

    def check(self, job: Job) -> str:
        """See `Connector.check`. All tables and columns of the settings are looked for."""
        settings = self._settings(job)
        missing: list[str] = []
        with connected(job, settings, writes=False) as connection, connection.begin():
            for table in settings.tables:
                try:
                    reflect(connection, table)
                except NoSuchTableError:
                    missing.append(f"there is no table {table.full_name}")
                except ConnectorError as fault:
                    missing.append(str(fault))
        found = f"{len(settings.tables) - len(missing)} of {len(settings.tables)} tables are there"
        if missing:
            raise ConnectorError(f"{found}; {'; '.join(missing)}", for_good=True)
        return found

    def _with_tables(self, job: Job) -> SqlSettings:
        settings = self._settings(job)
        if not settings.tables:
            raise ConnectorError("tables: none is chosen yet", for_good=True)
        return settings

    def _settings(self, job: Job) -> SqlSettings:
        settings = read_settings(job.settings, job.secrets)
        if settings.url.get_backend_name() != "sqlite":
            return settings
        # Else whoever may enroll could open any file of the server, the store of all accounts for one (G9).
        path = allowed_path(settings.url.database or "", self._roots())
        return replace(settings, url=settings.url.set(database=str(path)))
