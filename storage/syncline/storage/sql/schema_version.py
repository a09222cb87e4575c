"""Which version of the tables a database has, and which one this program needs."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from syncline.storage.errors import StoreVersionMismatch
from syncline.storage.sql.database import Database


def check_version(database: Database) -> None:
    """Refuse a database that is not of this very version.

    Raises:
        StoreVersionMismatch: it is not; the message says what to run.
    """
    found = database.read(version_of)
    wanted = _wanted()
    if found == wanted:
        return
    refuse_newer(found)
    state = "has no tables yet" if found is None else f"is of version {found}, this program needs {wanted}"
    raise StoreVersionMismatch(f"the database {state}; run: syncline-server migrate")


@cache
def _wanted() -> str | None:
    """The version that this program needs. Its files stay as they are while it runs."""
    return ScriptDirectory.from_config(migrations()).get_current_head()


def refuse_newer(found: str | None) -> None:
    """Raise `StoreVersionMismatch` for a version that this program does not know."""
    known = {script.revision for script in ScriptDirectory.from_config(migrations()).walk_revisions()}
    if found is not None and found not in known:
        raise StoreVersionMismatch(f"the database is of the newer version {found}; upgrade this program")


def version_of(connection: Connection) -> str | None:
    """The version of the database's tables; None if it has none."""
    return MigrationContext.configure(connection).get_current_revision()


def migrations() -> Config:
    """Where alembic finds the migrations."""
    config = Config()
    folder = str(files("syncline.storage.sql") / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))
    return config
