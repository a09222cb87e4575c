"""Whether the server is stopping."""

from __future__ import annotations

from syncline.server.errors import Draining


class Drain:
    """Set once, when the server begins to stop."""

    def __init__(self) -> None:
        self._started = False

    def start(self) -> None:
        """From now on `check` refuses."""
        self._started = True

    def check(self) -> None:
        """Raise `Draining` if the server is stopping."""
        if self._started:
            raise Draining
