"""The queue of a device: what it still has to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol
from uuid import UUID

from syncline.storage.models import Feed, FetchProgress, OpenQueue, QueueOpened, QueueRead, Session


class QueueStore(Protocol):
    """Sessions, and reading the feeds of a session."""

    def open_queue(self, account_id: str, device_uuid: UUID, request: OpenQueue) -> QueueOpened:
        """Decide where each feed is read from, and start a session if there is anything to read.

        The feeds are those of the wanted scopes in the granted (and wanted) buckets. Where each is read from is
        the rule of `syncline.storage.positions.resolve`. A load that begins here is stored before this answers.
        A position that the device tells acknowledges all at or below it. Refused items that the device tells
        are kept as rejections if they are not known yet.

        There is nothing new (`session` is None) if no feed has an item beyond its start, every told feed of the
        wanted scopes is still served, nothing waits to be redelivered, and neither `always` nor `full_resync` is
        asked for. Answering so costs the same for a thousand records and for ten million.

        Counting stops at 1,000,000 items and then says that it is an estimate. It is contact: `last_contact`
        becomes `now` (it need not be written more than once a minute) and an expired device that resynchronises
        all of its scopes in full becomes active.

        Raises:
            DeviceNotFound: never registered.
            ScopeNotFound: a wanted scope is not in the schema.
            ResyncRequired: a told position is of another store epoch, beyond the head, or below the feed's
                floor; or the device has expired and does not resynchronise in full. Nothing is changed then.
        """

    def get_session(self, account_id: str, device_uuid: UUID, session_id: str, *, now: int, expire_at: int) -> Session:
        """The session, its end moved on to `expire_at` (that need not be written more than once a minute).

        Raises:
            DeviceNotFound: never registered.
            SessionNotFound: no such session, or another device's.
            SessionExpired: it ended before `now`.
        """

    def read_queue(
        self,
        account_id: str,
        device_uuid: UUID,
        session: Session,
        cursors: Mapping[Feed, int],
        *,
        max_items: int,
        max_bytes: int,
        stream_id: int | None,
        redeliver_after: tuple[str, str] | None,
    ) -> QueueRead:
        """Read on from `cursors` (a feed that is missing there: from its start) in one snapshot.

        The snapshot covers head, grants, device, floors, rejections, records and departures of all feeds. It
        shows every committed item above the feed's cursor up to the read's `through`, and all that are committed
        at or below `through`, ever, are shown or were before (G1). Each record is shown once, in its newest
        state (G2). `through` is the head unless more than about `max_items` items or `max_bytes` of frames
        would be needed; it then is the highest revision up to which every feed could be read, and at least one
        item is shown.

        Deletes and departures at or below `head_at_start` of a feed's load are left out: they were never part
        of it. If the session says `skip_acked`, items that are acknowledged beyond the start are left out.

        `redeliver_after` is the (object type, key) above which refused items are to be shown again, in that
        order; ("", "") begins, None shows none. Shown are those that are not parked, were not refused in this
        session, and whose newest state is not ahead of the cursor anyway. An item that is not there any more, or
        is in no bucket of the device, is shown as a delete at the revision that was refused.

        Raises:
            StreamSuperseded: `stream_id` is given and is not the device's newest stream.
            ResyncRequired: a feed is not granted any more, was granted anew, has a floor above both its cursor
                and its load's `head_at_start`, or the store epoch changed; or the device expired.
        """

    def advance_fetch(
        self, account_id: str, device_uuid: UUID, session_id: str, *, expected_pages: int, progress: FetchProgress
    ) -> None:
        """Note that FetchQueue gave out a page.

        Raises:
            DeviceNotFound: never registered.
            SessionNotFound: no such session, or another device's.
            FetchRaced: the session's page count is not `expected_pages`.
        """
