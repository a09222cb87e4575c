"""Is the database there, of our version, and of our time?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Final

from syncline.server.config import Settings
from syncline.server.doctor.findings import Finding, State
from syncline.server.environment import now_us
from syncline.server.errors import SettingsInvalid
from syncline.server.identity.credentials import is_development
from syncline.server.opening import is_new_sqlite_file, open_settings_store
from syncline.storage import Store
from syncline.storage.errors import StoreError, StoreVersionMismatch

_CLOCK_WARN_US: Final = 1_000_000


def look_at_database(settings: Settings) -> Iterator[Finding]:
    """The database, its tables, its clock, and whether somebody can call."""
    if is_new_sqlite_file(settings.database_url):
        yield Finding("database", State.OK, "a new SQLite file; `serve` makes it")
        return
    try:
        store = open_settings_store(settings)
    except StoreVersionMismatch as error:
        yield Finding("database", State.OK, "it answers")
        yield Finding("tables", State.FAIL, str(error), "run `syncline-server migrate`, or the program of that version")
        return
    except (StoreError, SettingsInvalid) as error:
        yield Finding("database", State.FAIL, str(error), "check SYNCLINE_DATABASE_URL, and that the database runs")
        return
    with closing(store):
        yield Finding("database", State.OK, "it answers")
        yield Finding("tables", State.OK, "of this program's version")
        yield _clock(settings, store)
        yield _accounts(settings, store)


def _clock(settings: Settings, store: Store) -> Finding:
    before = now_us()
    there = store.read_clock()
    after = now_us()
    # What the call took is nobody's fault.
    apart = max(before - there, there - after, 0)
    found = f"{apart / 1e6:.1f} s apart from the database's"
    # A worker whose clock is off by a lease loses its sync requests, or takes those of others.
    is_off_by_a_lease = apart >= settings.lease_seconds * 1_000_000
    if apart < _CLOCK_WARN_US and not is_off_by_a_lease:
        return Finding("clock", State.OK, found)
    state = State.FAIL if is_off_by_a_lease else State.WARN
    return Finding("clock", state, found, "have both machines set by NTP: leases and expiry go by the clock")


def _accounts(settings: Settings, store: Store) -> Finding:
    accounts = len(store.list_accounts(limit=1_000))
    if accounts or is_development(settings):
        return Finding("accounts", State.OK, f"{accounts:,}")
    return Finding("accounts", State.WARN, "none", "make one: `syncline-server account create NAME`")
