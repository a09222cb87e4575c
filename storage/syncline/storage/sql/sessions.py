"""Sessions: kept, found again, moved on."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from sqlalchemy import Connection, Row, bindparam, select, update

from syncline.storage.errors import FetchRaced, SessionExpired, SessionNotFound
from syncline.storage.limits import CONTACT_INTERVAL_US, check_texts
from syncline.storage.models import FetchProgress, Session
from syncline.storage.sql.base import SqlBase
from syncline.storage.sql.packing import pack_cursors, pack_session_feeds, unpack_cursors, unpack_session_feeds
from syncline.storage.sql.tables import session

_THIS = (
    session.c.account_id == bindparam("of_account"),
    session.c.session_id == bindparam("of_session"),
    session.c.device_uuid == bindparam("of_device"),
)
_SESSION = select(session).where(*_THIS)
_STORE_EPOCH = select(session.c.store_epoch).where(*_THIS)
_MOVE_END = (
    update(session).where(*_THIS, session.c.expire_at < bindparam("new_end")).values(expire_at=bindparam("new_end"))
)
_ADVANCE = (
    update(session)
    .where(*_THIS, session.c.fetched_pages == bindparam("expected_pages"))
    .values(
        fetched_pages=bindparam("pages"),
        fetched_cursors=bindparam("cursors"),
        redelivered_type=bindparam("new_type"),
        redelivered_key=bindparam("new_key"),
    )
)


class SqlSessions(SqlBase):
    """The sessions of `QueueStore`."""

    def get_session(self, account_id: str, device_uuid: UUID, session_id: str, *, now: int, expire_at: int) -> Session:
        """See `QueueStore.get_session`."""
        check_texts("session_id", (account_id, session_id))
        names = {"of_account": account_id, "of_session": session_id, "of_device": device_uuid}
        found = self._database.read(lambda connection: self._session(connection, account_id, device_uuid, session_id))
        if found.expire_at < now:
            raise SessionExpired("the session has ended by time; start a new one")
        if expire_at - found.expire_at >= CONTACT_INTERVAL_US:
            self._database.write(lambda connection: connection.execute(_MOVE_END, {**names, "new_end": expire_at}))
        return replace(found, expire_at=max(found.expire_at, expire_at))

    def advance_fetch(
        self, account_id: str, device_uuid: UUID, session_id: str, *, expected_pages: int, progress: FetchProgress
    ) -> None:
        """See `QueueStore.advance_fetch`."""
        check_texts("session_id", (account_id, session_id))
        redelivered_type, redelivered_key = progress.redelivered_after or (None, None)
        values = {
            "of_account": account_id,
            "of_session": session_id,
            "of_device": device_uuid,
            "expected_pages": expected_pages,
            "pages": progress.pages,
            "cursors": pack_cursors(progress.cursors),
            "new_type": redelivered_type,
            "new_key": redelivered_key,
        }

        def work(connection: Connection) -> None:
            if not connection.execute(_ADVANCE, values).rowcount:
                found = self._session(connection, account_id, device_uuid, session_id)
                raise FetchRaced(f"the session stands at page {found.fetched.pages}, not {expected_pages}")

        self._database.write(work)

    def _session(self, connection: Connection, account_id: str, device_uuid: UUID, session_id: str) -> Session:
        """The session, or `AccountNotFound`, `DeviceNotFound`, `SessionNotFound`."""
        names = {"of_account": account_id, "of_session": session_id, "of_device": device_uuid}
        row = connection.execute(_SESSION, names).one_or_none()
        if row is None:
            self._device_at_head(connection, account_id, device_uuid)
            raise SessionNotFound(f"the device has no session {session_id!r}")
        return _session_of(row)

    def _session_epoch(self, connection: Connection, account_id: str, device_uuid: UUID, session_id: str) -> int:
        """The store epoch that the session began in, or `SessionNotFound`."""
        names = {"of_account": account_id, "of_session": session_id, "of_device": device_uuid}
        epoch = connection.execute(_STORE_EPOCH, names).scalar_one_or_none()
        if epoch is None:
            raise SessionNotFound(f"the device has no session {session_id!r}")
        return int(epoch)

    def _insert_session(self, connection: Connection, account_id: str, new: Session, store_epoch: int) -> None:
        redelivered_type, redelivered_key = new.fetched.redelivered_after or (None, None)
        row = {
            "account_id": account_id,
            "session_id": new.session_id,
            "device_uuid": new.device_uuid,
            "store_epoch": store_epoch,
            "created_at": new.created_at,
            "expire_at": new.expire_at,
            "feeds": pack_session_feeds(new.feeds),
            "skip_acked": new.skip_acked,
            "total_count": new.total_count,
            "total_is_estimate": new.total_is_estimate,
            "fetched_pages": new.fetched.pages,
            "fetched_cursors": pack_cursors(new.fetched.cursors),
            "redelivered_type": redelivered_type,
            "redelivered_key": redelivered_key,
        }
        connection.execute(session.insert(), row)


def _session_of(row: Row[tuple[object, ...]]) -> Session:
    redelivered = None if row.redelivered_type is None else (row.redelivered_type, row.redelivered_key)
    return Session(
        session_id=row.session_id,
        device_uuid=row.device_uuid,
        created_at=row.created_at,
        expire_at=row.expire_at,
        feeds=unpack_session_feeds(row.feeds),
        skip_acked=row.skip_acked,
        total_count=row.total_count,
        total_is_estimate=row.total_is_estimate,
        fetched=FetchProgress(
            pages=row.fetched_pages, cursors=unpack_cursors(row.fetched_cursors), redelivered_after=redelivered
        ),
    )
