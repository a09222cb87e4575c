"""Waking live streams. A notification is a hint: all that it would trigger is also found by polling."""

from __future__ import annotations

from syncline.server.notify.contract import Listener, Notifier
from syncline.server.notify.local import LocalNotifier

__all__ = ["Listener", "LocalNotifier", "Notifier"]
