"""The positions of devices, read and written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import Connection, Row, bindparam, select

from syncline.storage.models import Feed, Position
from syncline.storage.sql.base import SqlBase
from syncline.storage.sql.json_rows import as_json_rows, one_of_rows
from syncline.storage.sql.packing import pack_intervals, unpack_intervals
from syncline.storage.sql.tables import device_position, feed

_OF_DEVICE = (
    device_position.c.account_id == bindparam("of_account"),
    device_position.c.device_uuid == bindparam("of_device"),
)
_POSITIONS = select(device_position).where(*_OF_DEVICE).order_by(device_position.c.scope, device_position.c.bucket)
_BY_EPOCH = _POSITIONS.where(one_of_rows("epochs", device_position.c.epoch))
_BY_FEED = _POSITIONS.where(one_of_rows("feeds", device_position.c.scope, device_position.c.bucket))
_FLOORS = select(feed).where(
    feed.c.account_id == bindparam("of_account"), one_of_rows("feeds", feed.c.scope, feed.c.bucket)
)


class SqlPositions(SqlBase):
    """Positions of a device and floors of feeds."""

    def list_positions(self, account_id: str, device_uuid: UUID) -> list[Position]:
        """See `AcknowledgementStore.list_positions`."""

        def work(connection: Connection) -> list[Position]:
            self._device_at_head(connection, account_id, device_uuid)
            values = {"of_account": account_id, "of_device": device_uuid}
            return [_position(row) for row in connection.execute(_POSITIONS, values)]

        return self._database.read(work)

    def _positions_of_feeds(
        self, connection: Connection, account_id: str, device_uuid: UUID, feeds: Sequence[Feed]
    ) -> dict[Feed, Position]:
        """The device's positions in these feeds."""
        values = {"of_account": account_id, "of_device": device_uuid, "feeds": as_json_rows(feeds)}
        positions = [_position(row) for row in connection.execute(_BY_FEED, values)]
        return {position.feed: position for position in positions}

    def _positions_of_epochs(
        self, connection: Connection, account_id: str, device_uuid: UUID, epochs: Iterable[int]
    ) -> dict[int, Position]:
        """The device's positions that are of these epochs, by epoch."""
        wanted = as_json_rows((epoch,) for epoch in epochs)
        values = {"of_account": account_id, "of_device": device_uuid, "epochs": wanted}
        positions = [_position(row) for row in connection.execute(_BY_EPOCH, values)]
        return {position.epoch: position for position in positions}

    def _floors(self, connection: Connection, account_id: str, feeds: Iterable[Feed]) -> dict[Feed, int]:
        """The floors of those of the feeds that have one."""
        found = connection.execute(_FLOORS, {"of_account": account_id, "feeds": as_json_rows(feeds)})
        return {Feed(row.scope, row.bucket): row.gc_floor for row in found}

    def _put_positions(
        self, connection: Connection, account_id: str, device_uuid: UUID, positions: Iterable[Position]
    ) -> None:
        """Insert or replace positions."""
        rows = [
            {
                "account_id": account_id,
                "device_uuid": device_uuid,
                "scope": position.feed.scope,
                "bucket": position.feed.bucket,
                "grant_id": position.grant_id,
                "load_id": position.load_id,
                "head_at_start": position.head_at_start,
                "epoch": position.epoch,
                "acked_through": position.acked_through,
                "acked_beyond": pack_intervals(position.acked_beyond),
            }
            for position in positions
        ]
        self._database.upsert(connection, device_position, rows)


def _position(row: Row[tuple[object, ...]]) -> Position:
    return Position(
        feed=Feed(row.scope, row.bucket),
        grant_id=row.grant_id,
        load_id=row.load_id,
        head_at_start=row.head_at_start,
        epoch=row.epoch,
        acked_through=row.acked_through,
        acked_beyond=unpack_intervals(row.acked_beyond),
    )
