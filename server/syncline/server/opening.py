"""Opening the store that the settings name."""

from __future__ import annotations

from pathlib import Path

from syncline.server.config import Settings
from syncline.server.errors import SettingsInvalid
from syncline.storage import Store, open_store
from syncline.storage.errors import InvalidValue
from syncline.storage.traced import traced

_SQLITE = "sqlite:///"


def open_settings_store(settings: Settings) -> Store:
    """Open the store and check that it was migrated for this very program.

    Raises:
        SettingsInvalid: the URL names no store.
        StoreUnavailable: the database is not reachable.
        StoreVersionMismatch: it needs `syncline-server migrate`, or a newer program.
    """
    try:
        store = open_store(settings.database_url, durable=settings.durable, max_rejections=settings.rejections_max)
    except InvalidValue as error:
        raise SettingsInvalid(f"database_{error.field}: {error.rule}") from error
    store = traced(store, settings.database_url.partition(":")[0].partition("+")[0])
    try:
        store.check_version()
    except BaseException:
        store.close()
        raise
    return store


def sqlite_file(database_url: str) -> Path | None:
    """The SQLite file that the URL names; None: it names something else."""
    return Path(database_url.removeprefix(_SQLITE)) if database_url.startswith(_SQLITE) else None


def is_new_sqlite_file(database_url: str) -> bool:
    """Does the URL name an SQLite file that is not there yet, or is empty?"""
    path = sqlite_file(database_url)
    return path is not None and (not path.exists() or path.stat().st_size == 0)
