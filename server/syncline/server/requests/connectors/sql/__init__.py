"""The connector `sql`: any database that SQLAlchemy knows, table by table."""

from __future__ import annotations

from typing import Final

from syncline.server.config import load_settings
from syncline.server.requests.connectors.sql.connector import SqlConnector

__all__ = ["SqlConnector", "connector"]

connector: Final = SqlConnector(lambda: load_settings().file_roots)
"""What the entry point names. Whoever runs it has its own environment, and so its own directories."""
