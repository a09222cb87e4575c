"""What was uploaded with a request, in chunks."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, select

from syncline.storage.limits import check_text
from syncline.storage.sql.base import SqlBase
from syncline.storage.sql.tables import payload_chunk

_NEXT = (
    select(payload_chunk.c.number, payload_chunk.c.data)
    .where(
        payload_chunk.c.account_id == bindparam("of_account"),
        payload_chunk.c.request_id == bindparam("of_request"),
        payload_chunk.c.number > bindparam("after"),
    )
    .order_by(payload_chunk.c.number)
    .limit(1)
)


class SqlPayloads(SqlBase):
    """Keeping and reading chunks."""

    def read_payload(self, account_id: str, request_id: str, *, after: int) -> tuple[int, bytes] | None:
        """See `WorkStore.read_payload`."""
        check_text("request_id", request_id)

        def work(connection: Connection) -> tuple[int, bytes] | None:
            self._head(connection, account_id)
            values = {"of_account": account_id, "of_request": request_id, "after": after}
            row = connection.execute(_NEXT, values).one_or_none()
            return None if row is None else (row.number, row.data)

        return self._database.read(work)

    def _insert_payload(
        self, connection: Connection, account_id: str, request_id: str, payload: Sequence[bytes]
    ) -> None:
        # One by one: together they may be larger than a statement should be.
        for number, data in enumerate(payload, 1):
            row = {"account_id": account_id, "request_id": request_id, "number": number, "data": data}
            connection.execute(payload_chunk.insert(), row)
