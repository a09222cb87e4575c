"""Taking acknowledgements and refusals, under the lock of the device's row."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection, bindparam, update

from syncline.storage.device_access import check_access
from syncline.storage.errors import LimitReached, ResyncRequired
from syncline.storage.limits import CONTACT_INTERVAL_US, GAPS_MAX, REJECTIONS_MAX, check_texts
from syncline.storage.models import (
    AckInterval,
    AckOutcome,
    AckRedelivered,
    Device,
    DeviceState,
    Feed,
    Position,
    Refusal,
)
from syncline.storage.positions import close_gaps
from syncline.storage.sql.ack_call import AckCall
from syncline.storage.sql.devices import SqlDevices
from syncline.storage.sql.feeds import SqlFeeds
from syncline.storage.sql.positions import SqlPositions
from syncline.storage.sql.rejections import Place, SqlRejections, in_granted
from syncline.storage.sql.schemas import SqlSchemas
from syncline.storage.sql.tables import device
from syncline.storage.sql.unread import Range
from syncline.storage.sql.write_plan import ItemName

_NOTE_CONTACT = (
    update(device)
    .where(device.c.account_id == bindparam("of_account"), device.c.device_uuid == bindparam("of_device"))
    .values(last_contact=bindparam("contact"))
)


class SqlAcknowledging(SqlDevices, SqlFeeds, SqlPositions, SqlRejections, SqlSchemas):
    """`AcknowledgementStore.acknowledge`; its other methods stand with the positions and the rejections."""

    def acknowledge(
        self,
        account_id: str,
        device_uuid: UUID,
        intervals: Sequence[AckInterval],
        redelivered: Sequence[AckRedelivered],
        refusals: Sequence[Refusal],
        *,
        now: int,
    ) -> AckOutcome:
        """See `AcknowledgementStore.acknowledge`."""
        for refusal in refusals:
            check_texts("rejections", (refusal.object_type, refusal.key, refusal.reason))

        def work(connection: Connection) -> AckOutcome:
            found = self._device_at_head(connection, account_id, device_uuid, lock=True)
            check_access(account_id, found.device, found.head)
            if found.device.state is DeviceState.EXPIRED:
                raise ResyncRequired((), "the device was not seen for too long")
            epochs = {interval.epoch for interval in intervals}
            by_epoch = self._positions_of_epochs(connection, account_id, device_uuid, epochs) if epochs else {}
            known = self._rejections(connection, account_id, device_uuid)
            items = {(refusal.object_type, refusal.key) for refusal in refusals} | known.keys()
            places = self._places(connection, account_id, items) if items else {}
            call = AckCall(found.head.revision, by_epoch, known, places)
            refused = self._refuse(connection, account_id, found.device, call, refusals, places)
            taken = [call.take(interval) for interval in intervals]
            ended = [call.end_redelivered(one) for one in redelivered]
            call.pass_refused()
            self._close_gaps(connection, account_id, call)
            self._store_call(connection, account_id, found.device, call, now)
            return AckOutcome(
                taken=tuple(taken),
                redelivered_taken=tuple(ended),
                refusals_taken=tuple(refused),
                rejections=call.refused_now(),
            )

        return self._database.write(work)

    def _refuse(
        self,
        connection: Connection,
        account_id: str,
        refuser: Device,
        call: AckCall,
        refusals: Sequence[Refusal],
        places: dict[ItemName, list[Place]],
    ) -> list[bool]:
        """Keep what of the refusals is to be kept; which were?"""
        if not refusals:
            return []
        scopes = self._scopes(connection, account_id)
        grants = self._grants(connection, account_id, refuser.device_uuid)
        taken: list[bool] = []
        for refusal in refusals:
            item = (refusal.object_type, refusal.key)
            seen = in_granted(places.get(item, []), scopes, grants)
            kept = self._kept(call.rejections.get(item), refusal, seen, session_id=refuser.session_id)
            if kept is not None:
                call.refuse(kept, seen)
            taken.append(kept is not None)
        if len(call.rejections) > REJECTIONS_MAX:
            raise LimitReached("rejected items of the device", REJECTIONS_MAX)
        feeds = {feed for feed, _ in call.passed}
        call.add_positions(self._positions_of_feeds(connection, account_id, refuser.device_uuid, sorted(feeds)))
        return taken

    def _close_gaps(self, connection: Connection, account_id: str, call: AckCall) -> None:
        """Pass gaps that hold nothing any more, and hold the rest to the limit."""
        for feed, position in call.positions.items():
            call.positions[feed] = closed = self._without_empty_gaps(connection, account_id, feed, position)
            if len(closed.acked_beyond) > GAPS_MAX:
                raise LimitReached("gaps between acknowledged items of a feed", GAPS_MAX)

    def _without_empty_gaps(self, connection: Connection, account_id: str, feed: Feed, position: Position) -> Position:
        def has_row(above: int, through: int) -> bool:
            return bool(self._first_unread(connection, account_id, [Range(*feed, above, through, gone_above=above)]))

        return close_gaps(position, has_row)

    def _store_call(self, connection: Connection, account_id: str, caller: Device, call: AckCall, now: int) -> None:
        positions, rejections, ended = call.changed_positions(), call.changed_rejections(), call.ended_rejections()
        is_contact = now - caller.last_contact >= CONTACT_INTERVAL_US
        if not (positions or rejections or ended or is_contact):
            connection.rollback()
            return
        self._put_positions(connection, account_id, caller.device_uuid, positions)
        self._put_rejections(connection, account_id, caller.device_uuid, rejections)
        self._forget_rejections(connection, account_id, caller.device_uuid, ended)
        if is_contact:
            values = {"of_account": account_id, "of_device": caller.device_uuid, "contact": now}
            connection.execute(_NOTE_CONTACT, values)
