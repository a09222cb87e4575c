"""What a device does before its file is removed: it sends what it has not sent, if it was told so."""

from __future__ import annotations

import sqlite3

from syncline.client import SyncClient, WipeAsked
from syncline.replica.adopting import adopt_store_epoch
from syncline.replica.events import OnEvent
from syncline.replica.local_database import LocalDatabase
from syncline.replica.uploader import Uploader, UploadOptions


def send_unsent(
    connection: sqlite3.Connection, local: LocalDatabase, client: SyncClient, asked: WipeAsked, on_event: OnEvent
) -> None:
    """Upload every change that the server may have, deferred ones included. What is refused then, is given up.

    Raises:
        SyncError: the server cannot be reached. The file stays, and the next synchronisation tries again.
    """
    if not asked.upload_first:
        return
    adopt_store_epoch(connection, asked.store_epoch)
    with local.transaction(is_write=False):
        local.connection.execute("UPDATE syncline_change SET state = 'pending' WHERE state = 'deferred'")
    uploader = Uploader(client, local, UploadOptions(), on_event, progressed=lambda: None)
    try:
        if uploader.anything_to_do(asked.settled_through):
            uploader.upload(asked.store_epoch)
    except WipeAsked as again:
        if again.upload_first:
            raise
        # Meanwhile it was decided that nothing is to be sent.


def count_unsent(connection: sqlite3.Connection) -> int:
    """How many changes the server does not have, or may not have."""
    (count,) = connection.execute(
        "SELECT count(*) FROM syncline_change WHERE state IN ('deferred', 'pending', 'sent', 'rejected')"
    ).fetchone()
    return int(count)
