"""Waking live streams. A notification is a hint: all that it would trigger is also found by polling."""

from __future__ import annotations

from syncline.server.notify.contract import Listener, Notifier
from syncline.server.notify.local import LocalNotifier
from syncline.server.notify.opening import open_notifier

__all__ = ["Listener", "LocalNotifier", "Notifier", "open_notifier"]
