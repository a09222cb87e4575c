"""What the live streams of one server have on their way, by device."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from syncline.server.sync.window import AckWindow
from syncline.storage.models import AckInterval


class LiveWindows:
    """The window of each device's newest ReadQueue stream here. For use inside the event loop."""

    def __init__(self) -> None:
        self._windows: dict[tuple[str, UUID], AckWindow] = {}

    def open(self, account_id: str, device_uuid: UUID, window: AckWindow) -> None:
        """A stream begins."""
        self._windows[account_id, device_uuid] = window

    def close(self, account_id: str, device_uuid: UUID, window: AckWindow) -> None:
        """A stream has ended; a newer one of the device stays."""
        if self._windows.get((account_id, device_uuid)) is window:
            del self._windows[account_id, device_uuid]

    def taken(self, account_id: str, device_uuid: UUID, intervals: Iterable[AckInterval]) -> list[int]:
        """As of `AckWindow`; nothing if the device has no stream here."""
        window = self._windows.get((account_id, device_uuid))
        return [] if window is None else window.taken(intervals)

    def on_their_way(self, account_id: str, device_uuid: UUID) -> dict[int, int]:
        """As of `AckWindow`; empty if the device has no stream here."""
        window = self._windows.get((account_id, device_uuid))
        return {} if window is None else window.on_their_way()
