"""How long the check bears it that a part of the cluster is gone: it is to find what is wrong, not what restarts."""

from __future__ import annotations

import time
from collections.abc import Callable
from http.client import HTTPException
from typing import Final, TypeVar
from urllib.error import URLError

from syncline.client import SyncError
from syncline.storage.errors import StoreUnavailable

ATTEMPTS_MAX: Final = 30
"""In a row, of a run of a device or a stream. A run that never had an answer gives up earlier: make it `patiently`."""
PATIENCE_S: Final = 120
_PAUSE_S: Final = 0.5
_AWAY: Final = (StoreUnavailable, URLError, HTTPException, ConnectionError, TimeoutError)
"""The database is, or a program that shows its metrics: before or while it answers."""

_Answer = TypeVar("_Answer")


def patiently(call: Callable[[], _Answer]) -> _Answer:
    """Make a call that may be repeated, again and again while its server or the database is away."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return call()
        except (SyncError, *_AWAY) as error:
            passes = error.transient if isinstance(error, SyncError) else True
            if not passes or time.monotonic() > until:
                raise
        time.sleep(_PAUSE_S)
