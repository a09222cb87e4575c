"""How long the check bears it that a part of the cluster is gone: it is to find what is wrong, not what restarts."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

from syncline.client import SyncError
from syncline.storage.errors import StoreUnavailable

ATTEMPTS_MAX: Final = 30
"""In a row, of a run of a device or a stream."""
PATIENCE_S: Final = 120
_PAUSE_S: Final = 0.5

_Answer = TypeVar("_Answer")


def patiently(call: Callable[[], _Answer]) -> _Answer:
    """Make a call that may be repeated, again and again while its server or the database is away."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return call()
        except (SyncError, StoreUnavailable) as error:
            passes = isinstance(error, StoreUnavailable) or error.transient
            if not passes or time.monotonic() > until:
                raise
        time.sleep(_PAUSE_S)
