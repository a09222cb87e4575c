"""Opening a store by its URL. Stores are found by entry point, so that third parties can add theirs."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Protocol

from syncline.storage.contract import Store
from syncline.storage.errors import InvalidValue

ENTRY_POINT_GROUP = "syncline.stores"


class StoreOpener(Protocol):
    """What an entry point of the group `syncline.stores` names. The name of the entry point is the URL's scheme."""

    def __call__(self, url: str, *, durable: bool, max_rejections: int) -> Store:
        """Open the store that the URL names."""


def open_store(url: str, *, durable: bool = True, max_rejections: int = 5) -> Store:
    """Open the store that the URL names, such as `sqlite:///syncline.db`, `postgresql://host/name`, `memory:`.

    Args:
        url: its scheme, without a `+driver`, chooses the store; the rest is the store's business.
        durable: False lets the last commits be lost in a crash of the machine, for speed. Never the default.
        max_rejections: in how many sessions an item may be refused before it is parked; at least 1.

    Raises:
        InvalidValue: no installed store has this scheme, or `max_rejections` is below 1.
        StoreUnavailable: the database is not reachable.
    """
    if max_rejections < 1:
        raise InvalidValue("max_rejections", "at least 1")
    scheme = url.partition(":")[0].partition("+")[0]
    openers = {entry.name: entry for entry in entry_points(group=ENTRY_POINT_GROUP)}
    if scheme not in openers:
        known = ", ".join(sorted(openers)) or "none is installed"
        # What stands there instead is not told: of another form, it may be all of it, a password included.
        raise InvalidValue("url", f"there is no store for its scheme; known: {known}")
    opener: StoreOpener = openers[scheme].load()
    return opener(url, durable=durable, max_rejections=max_rejections)
