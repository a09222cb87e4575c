"""What a device does before its file is removed: it sends what it has not sent, if it was told so."""

from __future__ import annotations

import sqlite3

from syncline.client import SyncClient, WipeAsked
from syncline.replica import outbox
from syncline.replica.adopting import adopt_store_epoch
from syncline.replica.events import OnEvent
from syncline.replica.local_database import LocalDatabase
from syncline.replica.uploader import Uploader, UploadOptions


def give_up(
    connection: sqlite3.Connection, local: LocalDatabase, client: SyncClient, asked: WipeAsked, on_event: OnEvent
) -> int:
    """Send what is to be sent, and close `local`. How many changes the server does not have, or may not have.

    Other threads may write until `local` is closed: what they wrote meanwhile is sent, too, and nothing goes uncounted.

    Raises:
        SyncError: the server cannot be reached. The file stays, and the next synchronisation tries again.
    """
    sends = asked.upload_first
    while True:
        made = outbox.last_change_no(connection)
        sends = sends and _send_unsent(connection, local, client, asked, on_event)
        with local.held():
            count, newest = _unsent(connection)
            if not sends or newest <= made:
                local.close()
                return count


def _send_unsent(
    connection: sqlite3.Connection, local: LocalDatabase, client: SyncClient, asked: WipeAsked, on_event: OnEvent
) -> bool:
    """Upload every change that the server may have, deferred ones included. False: it wants none any more."""
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
        return False
    return True


def _unsent(connection: sqlite3.Connection) -> tuple[int, int]:
    """How many changes the server does not have, or may not have, and the number in the log of the newest; 0: none."""
    count, newest = connection.execute(
        "SELECT count(*), coalesce(max(change_no), 0) FROM syncline_change"
        " WHERE state IN ('deferred', 'pending', 'sent', 'rejected')"
    ).fetchone()
    return int(count), int(newest)
