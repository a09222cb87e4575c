"""Reads a device's queue and acknowledges it. Needs the thin client only: the package without extras.

Usage: python read_queue.py HOST:PORT
"""

import sys
from pathlib import Path

from syncline.client import Ack, Data, Meta, SyncClient, SyncError


def store(meta: Meta, data: Data | None) -> Ack:
    """Take one item: data is None if the record is to be deleted."""
    print(meta.event_type.name, meta.object_type, meta.key, data)
    return Ack.ACK


try:
    with SyncClient(sys.argv[1], device=Path("read_queue.device")) as client:
        result = client.sync(store)
except SyncError as error:
    sys.exit(f"read_queue: {error}")
print(f"{result.acknowledged} items acknowledged, at revision {result.checkpoint_revision}")
