"""Refused items: what is kept of them, what the device can see of them, putting parked ones back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    Boolean,
    Connection,
    Select,
    Table,
    bindparam,
    cast,
    delete,
    false,
    null,
    select,
    true,
    union_all,
    update,
)

from syncline.storage.audit_models import Act
from syncline.storage.limits import check_act, check_texts
from syncline.storage.models import Feed, Refusal, Rejection
from syncline.storage.sql.base import SqlBase
from syncline.storage.sql.json_rows import as_json_keys, as_json_rows, one_of_keys, one_of_rows
from syncline.storage.sql.tables import departure, record, rejection
from syncline.storage.sql.write_plan import ItemName, keys_by_type

_OF_DEVICE = (
    rejection.c.account_id == bindparam("of_account"),
    rejection.c.device_uuid == bindparam("of_device"),
)
_IS_ITEM = one_of_rows("items", rejection.c.object_type, rejection.c.record_key)
_REJECTIONS = select(rejection).where(*_OF_DEVICE).order_by(rejection.c.object_type, rejection.c.record_key)
_FORGET = delete(rejection).where(*_OF_DEVICE, _IS_ITEM)
_PUT_BACK = (
    update(rejection)
    .where(*_OF_DEVICE, _IS_ITEM, rejection.c.parked == true())
    .values(parked=false(), refusals=0, session_id="")
)


def _rows_of_keys(table: Table) -> Select[tuple[Any, ...]]:
    return select(
        table.c.object_type,
        table.c.record_key,
        table.c.scope,
        table.c.bucket,
        table.c.revision,
        table.c.modified_at,
        record.c.deleted if table is record else cast(null(), Boolean).label("deleted"),
    ).where(
        table.c.account_id == bindparam("of_account"),
        table.c.object_type == bindparam("of_type"),
        one_of_keys("keys", table.c.record_key),
    )


_PLACES = union_all(_rows_of_keys(record), _rows_of_keys(departure))
"""Departures are the rows that neither are deleted nor are not."""


@dataclass(frozen=True, slots=True)
class RejectionRow:
    """A rejection with what only the store has to know of it."""

    rejection: Rejection
    feed: Feed
    """Where the item was when it was refused."""
    session_id: str
    """The session in which it was refused last; empty if it was told of when one began, or was put back."""

    @property
    def item(self) -> ItemName:
        """What was refused."""
        return self.rejection.object_type, self.rejection.key


class Place(NamedTuple):
    """One row under a record's key: the record, its tombstone, or one of its departures."""

    feed: Feed
    revision: int
    live: bool
    is_record: bool
    """The record or its tombstone, not a departure."""
    modified_at: int


class SqlRejections(SqlBase):
    """Rejections of a device."""

    def list_rejections(self, account_id: str, device_uuid: UUID) -> list[Rejection]:
        """See `AcknowledgementStore.list_rejections`."""

        def work(connection: Connection) -> list[Rejection]:
            self._device_at_head(connection, account_id, device_uuid)
            return [row.rejection for row in self._rejections(connection, account_id, device_uuid).values()]

        return self._database.read(work)

    def put_back(
        self, account_id: str, device_uuid: UUID, items: Sequence[tuple[str, str]], *, act: Act | None = None
    ) -> int:
        """See `AcknowledgementStore.put_back`."""
        check_act(act)
        for item in items:
            check_texts("items", item)

        def work(connection: Connection) -> int:
            self._device_at_head(connection, account_id, device_uuid, lock=True)
            values = {"of_account": account_id, "of_device": device_uuid, "items": as_json_rows(items)}
            self._note_act(connection, account_id, act)
            return connection.execute(_PUT_BACK, values).rowcount

        return self._database.write(work)

    def _rejections(self, connection: Connection, account_id: str, device_uuid: UUID) -> dict[ItemName, RejectionRow]:
        """All of the device's, by object type and key."""
        found = connection.execute(_REJECTIONS, {"of_account": account_id, "of_device": device_uuid})
        return {
            (row.object_type, row.record_key): RejectionRow(
                Rejection(
                    object_type=row.object_type,
                    key=row.record_key,
                    revision=row.revision,
                    reason=row.reason,
                    count=row.refusals,
                    parked=row.parked,
                ),
                feed=Feed(row.scope, row.bucket),
                session_id=row.session_id,
            )
            for row in found
        }

    def _places(
        self, connection: Connection, account_id: str, items: Iterable[ItemName]
    ) -> dict[ItemName, list[Place]]:
        """What all feeds hold under these keys: the record first, then its departures, newest first."""
        places: dict[ItemName, list[Place]] = {}
        for of_type, keys in keys_by_type(items).items():
            values = {"of_account": account_id, "of_type": of_type, "keys": as_json_keys(keys)}
            for object_type, key, scope, bucket, revision, modified_at, deleted in connection.execute(_PLACES, values):
                is_record = deleted is not None
                place = Place(Feed(scope, bucket), revision, is_record and not deleted, is_record, modified_at)
                places.setdefault((object_type, key), []).append(place)
        for found in places.values():
            found.sort(key=lambda place: (place.is_record, place.revision), reverse=True)
        return places

    def _put_rejections(
        self, connection: Connection, account_id: str, device_uuid: UUID, rows: Iterable[RejectionRow]
    ) -> None:
        """Insert or replace rejections."""
        values = [
            {
                "account_id": account_id,
                "device_uuid": device_uuid,
                "object_type": row.rejection.object_type,
                "record_key": row.rejection.key,
                "scope": row.feed.scope,
                "bucket": row.feed.bucket,
                "revision": row.rejection.revision,
                "reason": row.rejection.reason,
                "refusals": row.rejection.count,
                "parked": row.rejection.parked,
                "session_id": row.session_id,
            }
            for row in rows
        ]
        self._database.upsert(connection, rejection, values)

    def _forget_rejections(
        self, connection: Connection, account_id: str, device_uuid: UUID, items: Collection[ItemName]
    ) -> None:
        """Delete rejections."""
        if items:
            values = {"of_account": account_id, "of_device": device_uuid, "items": as_json_rows(items)}
            connection.execute(_FORGET, values)

    def _kept(
        self, known: RejectionRow | None, refusal: Refusal, seen: Sequence[Place], *, session_id: str
    ) -> RejectionRow | None:
        """The rejection that a refusal makes of what is known; None if it is not taken.

        Args:
            known: the rejection of the item so far.
            refusal: what the device says.
            seen: what the device can see of the item, the record first.
            session_id: the session that it speaks in.
        """
        if not seen or refusal.revision > max(place.revision for place in seen):
            return None
        if known is None or refusal.revision > known.rejection.revision:
            return RejectionRow(self._first_rejection(refusal), seen[0].feed, session_id)
        if refusal.revision < known.rejection.revision:
            return None
        count = known.rejection.count + (session_id != known.session_id)
        again = replace(known.rejection, reason=refusal.reason, count=count, parked=count >= self._max_rejections)
        return RejectionRow(again, known.feed, session_id)

    def _first_rejection(self, refusal: Refusal) -> Rejection:
        """The item refused once."""
        return Rejection(
            object_type=refusal.object_type,
            key=refusal.key,
            revision=refusal.revision,
            reason=refusal.reason,
            count=1,
            parked=self._max_rejections <= 1,
        )


def in_granted(places: Iterable[Place], scopes: Collection[str], grants: Mapping[str, int]) -> list[Place]:
    """Those places that a device with these grants can see."""
    return [place for place in places if place.feed.scope in scopes and place.feed.bucket in grants]
