"""Any Singer tap or target, as a subprocess in an environment of its own."""

from __future__ import annotations

from syncline.server.requests.connectors.singer.connector import SingerConnector

connector = SingerConnector()
"""What the entry point names."""
